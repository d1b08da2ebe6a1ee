"""The unit's settings: one JSON file, checked key by key, with a last-good copy.

`settings.json` on the flash is written by the installer (or by a `Configure` message) and
names only what differs from the defaults in `settings_rows.py`. If it does not check, the copy
of the last one that did is used, and the unit says so with one line that names the key.
"""

import json
import sys

import firmware
from firmware import flash
from firmware.setting_names import INPUT_CHANNELS, NONE, SettingsError

_FILE = "/settings.json"
_LAST_GOOD = "/settings.good"
_MAX_TEXT = 4096


class Settings:
    """Checked values; `of("key")` reads one."""

    def __init__(self, chosen: "dict[str, object]") -> None:
        """Check and keep.

        Raises:
            SettingsError: the first key that is wrong.
        """
        from firmware import settings_rows

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

        changes = _parse(text)
        chosen = dict(self._chosen)
        for key, value in changes.items():
            row = settings_rows.row_of(key)
            if row is not None and not row[5]:
                raise SettingsError(key, "can only be changed on site")
            chosen[key] = value
        changed = Settings(chosen)
        _forget_rows()
        return changed

    def save(self, root: str) -> None:
        """Write the file and the last-good copy.

        Raises:
            OSError: the flash is full or failing; the old settings are still there.
        """
        text = json.dumps(self._chosen)
        data = text.encode()
        flash.write_file(root + _FILE, (data,), len(data))
        flash.write_checked(root + _LAST_GOOD, text)


def load(root: str) -> Settings:
    """Return the settings of this unit; never raises, and says in `complaint` what was wrong."""
    try:
        return _load(root)
    finally:
        _forget_rows()


def _load(root: str) -> Settings:
    complaint = ""
    text = flash.read_text(root + _FILE)
    if text is None:
        complaint = "settings.json: not there or not text"
    else:
        try:
            settings = Settings(_parse(text))
        except SettingsError as error:
            complaint = str(error)
        else:
            _keep_last_good(root, settings)
            return settings
    kept = flash.read_checked(root + _LAST_GOOD)
    if isinstance(kept, dict):
        try:
            settings = Settings(kept)
        except SettingsError:
            pass  # written by another version
        else:
            settings.origin = "last good"
            settings.complaint = complaint
            return settings
    settings = Settings({})
    settings.origin = "defaults"
    settings.complaint = complaint
    return settings


def _forget_rows() -> None:
    """Give the memory of the table and its checks back until they are needed again."""
    sys.modules.pop("firmware.settings_rows", None)
    if hasattr(firmware, "settings_rows"):
        del firmware.settings_rows


def _keep_last_good(root: str, settings: Settings) -> None:
    text = json.dumps(settings._chosen)  # noqa: SLF001 (this file's own class)
    if flash.read_checked(root + _LAST_GOOD) != json.loads(text):
        try:
            flash.write_checked(root + _LAST_GOOD, text)
        except OSError:
            pass


def _parse(text: str) -> "dict[str, object]":
    if len(text) > _MAX_TEXT:
        raise SettingsError("settings.json", "longer than %d letters" % _MAX_TEXT)
    try:
        value = json.loads(text)
    except ValueError:
        raise SettingsError("settings.json", "not JSON") from None
    if not isinstance(value, dict):
        raise SettingsError("settings.json", "not a JSON object")
    return value
