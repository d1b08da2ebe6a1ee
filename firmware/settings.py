"""The unit's settings: one JSON file, checked key by key, with a last-good copy.

`settings.json` on the flash is written by the installer (or by a `Configure` message) and
names only what differs from the defaults below. If it does not check, the copy of the last
one that did is used, and the unit says so with one line that names the key.
"""

import json

from firmware import flash

PENDANT = "pendant"
BED = "bed"
BATHROOM = "bathroom"
PROFILES = (PENDANT, BED, BATHROOM)

_FILE = "/settings.json"
_LAST_GOOD = "/settings.good"
_MAX_TEXT = 4096

_ROWS = (
    # key, type, lowest, highest, default, may be changed over the link
    ("profile", str, None, None, PENDANT, False),
    ("impact_limit_g", float, 1.2, 2.5, 1.6, True),
    ("accelerometer", bool, None, None, False, False),
    ("acc_address", int, 0x18, 0x19, 0x18, False),
    ("strip_address", int, 0x48, 0x4B, 0x48, False),
    ("load_address", int, 0x2A, 0x2A, 0x2A, False),
    ("load_zero", int, -8_388_608, 8_388_607, 0, True),
    ("load_kg_per_count", float, -1.0, 1.0, 0.0001, True),
    ("button_pressed_level", int, 0, 1, 0, False),
    ("cord_short_below", float, 0.02, 0.2, 0.08, True),
    ("cord_pressed_below", float, 0.2, 0.5, 0.36, True),
    ("cord_idle_below", float, 0.5, 0.98, 0.75, True),
    ("debounce_ms", int, 30, 50, 40, True),
    ("backlog_events", int, 64, 256, 64, True),
    ("backlog_impacts", int, 8, 32, 12, True),
    ("battery_full_mv", int, 0, 60_000, 0, False),
)
"""`accelerometer` is for the bathroom profile; the pendant always has one. `battery_full_mv`
is what adc `battery` at full ratio stands for, 0 for a unit on the mains. No key of a call
contact may be switched over the link, and its bands stay wide enough to be met."""

_LEAST_BAND = 0.1
_TYPE_NAMES = {str: "text", float: "a number", int: "a whole number", bool: "true or false"}


class SettingsError(Exception):
    """A key of the settings is wrong: one line that names it."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__("%s: %s" % (key, why))


class Settings:
    """Checked values; `of("key")` reads one."""

    def __init__(self, chosen: "dict[str, object]") -> None:
        """Check and keep.

        Raises:
            SettingsError: the first key that is wrong.
        """
        known = [row[0] for row in _ROWS]
        for key in chosen:
            if key not in known:
                raise SettingsError(str(key), "unknown key")
        self._chosen = chosen
        self._values = {}
        for row in _ROWS:
            self._values[row[0]] = _check(row, chosen.get(row[0], row[4]))
        self._check_together()
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

    def changed_by(self, text: str) -> "Settings":
        """Return these settings with what a `Configure` message changes.

        Raises:
            SettingsError: it is no JSON object, names a key that may only be changed on
                site, or a value does not check.
        """
        changes = _parse(text)
        chosen = dict(self._chosen)
        for key, value in changes.items():
            for row in _ROWS:
                if row[0] == key and not row[5]:
                    raise SettingsError(key, "can only be changed on site")
            chosen[key] = value
        return Settings(chosen)

    def save(self, root: str) -> None:
        """Write the file and the last-good copy.

        Raises:
            OSError: the flash is full or failing; the old settings are still there.
        """
        text = json.dumps(self._chosen)
        data = text.encode()
        flash.write_file(root + _FILE, (data,), len(data))
        flash.write_checked(root + _LAST_GOOD, text)

    def _check_together(self) -> None:
        pressed = self.number("cord_pressed_below")
        if pressed - self.number("cord_short_below") < _LEAST_BAND:
            raise SettingsError("cord_pressed_below", "leaves less than 0.1 to be pressed")
        if self.number("cord_idle_below") - pressed < _LEAST_BAND:
            raise SettingsError("cord_idle_below", "leaves less than 0.1 to be idle")
        if abs(self.number("load_kg_per_count")) < 1e-9:
            raise SettingsError("load_kg_per_count", "must not be 0")


def load(root: str) -> Settings:
    """Return the settings of this unit; never raises, and says in `complaint` what was wrong."""
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


def _check(
    row: "tuple[str, type, float | None, float | None, object, bool]", value: object
) -> object:
    """Return the value of one key, checked against its row."""
    key, kind, low, high = row[:4]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise SettingsError(key, "%s is not %s" % (json.dumps(value), _TYPE_NAMES[kind]))
    if kind is str and value not in PROFILES:
        raise SettingsError(key, "%s is none of %s" % (json.dumps(value), ", ".join(PROFILES)))
    if low is None or high is None:
        return value
    assert isinstance(value, (int, float))
    if not low <= value <= high:
        raise SettingsError(key, "%s is not between %s and %s" % (value, low, high))
    return value
