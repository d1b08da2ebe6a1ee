"""The unit's settings: checked values, and how they are changed and written.

`settings.json` on the flash is written by the installer (or by a `Configure` message) and
names only what differs from the defaults in `settings_rows.py`; `settings_file.py` reads it.
"""

import json

from firmware import flash, forget

FILE = "/settings.json"
LAST_GOOD = "/settings.good"


class Settings:
    """Checked values; `of("key")` reads one."""

    def __init__(self, chosen: "dict[str, object]") -> None:
        """Check and keep.

        Raises:
            SettingsError: the first key that is wrong.
        """
        from firmware import settings_rows
        from firmware.setting_names import SettingsError

        self._chosen = chosen
        self._values = settings_rows.defaults()
        for key in chosen:
            if settings_rows.row_of(key) is None:
                raise SettingsError(str(key), "unknown key")
        for key, value in chosen.items():
            self._values[key] = settings_rows.check_value(key, value)
        settings_rows.check_together(self)
        self.origin = "file"
        """`file`, `last good` or `defaults`."""
        self.complaint = ""
        """One line when the file was not used."""

    def text(self, key: str) -> str:
        """Return a text value."""
        return str(self._values[key])

    def number(self, key: str) -> float:
        """Return a number."""
        value = self._values[key]
        assert isinstance(value, (int, float))
        return value

    def whole(self, key: str) -> int:
        """Return a whole number."""
        value = self._values[key]
        assert isinstance(value, int)
        return value

    def flag(self, key: str) -> bool:
        """Return true or false."""
        return bool(self._values[key])

    def inputs(self) -> "list[tuple[int, str, int]]":
        """Return channel, kind and active level of each input."""
        from firmware.setting_names import INPUT_CHANNELS, NONE

        found = []
        for channel in INPUT_CHANNELS:
            kind = self._values.get("input_%d" % channel, NONE)
            if kind != NONE:
                level = self._values.get("input_%d_level" % channel, 1)
                assert isinstance(level, int)
                found.append((channel, str(kind), level))
        return found

    def changed_by(self, text: str) -> "Settings":
        """Return these settings with what a `Configure` message changes.

        Raises:
            SettingsError: it is no JSON object, names a key that may only be changed on
                site, or a value does not check.
        """
        from firmware import settings_rows
        from firmware.setting_names import SettingsError

        changes = settings_rows.parse(text)
        chosen = dict(self._chosen)
        for key, value in changes.items():
            row = settings_rows.row_of(key)
            if row is not None and not row[5]:
                raise SettingsError(key, "can only be changed on site")
            chosen[key] = value
        changed = Settings(chosen)
        forget("settings_rows")
        return changed

    def save(self, root: str) -> None:
        """Write the file and the last-good copy.

        Raises:
            OSError: the flash is full or failing; the old settings are still there.
        """
        text = json.dumps(self._chosen)
        data = text.encode()
        flash.write_file(root + FILE, (data,), len(data))
        flash.write_checked(root + LAST_GOOD, text)
