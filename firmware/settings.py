"""The unit's settings: one JSON file, checked key by key, with a last-good copy.

`settings.json` on the flash is written by the installer (or by a `Configure` message) and
names only what differs from the defaults below. If it does not check, the copy of the last
one that did is used, and the unit says so with one line that names the key.
"""

import json

from firmware import flash

TYPE_CHECKING = False
if TYPE_CHECKING:
    Row = tuple[str, type, tuple[str, ...] | float | None, float | None, object, bool]

PENDANT = "pendant"
BED = "bed"
BATHROOM = "bathroom"
ROOM = "room"
PROFILES = (PENDANT, BED, BATHROOM, ROOM)
NONE = "none"
SIP_RADARS = ("r60abd1", "r60afd1", "mr60bha1", "mr60fda1", "c1001")
TINYFRAME_RADARS = ("ld6002", "ld6002b", "ld6002c", "mr60bha2", "mr60fda2")
HILINK_RADARS = ("ld2410", "ld2412", "ld2450")
RADARS = (NONE,) + SIP_RADARS + TINYFRAME_RADARS + HILINK_RADARS  # noqa: RUF005 (MicroPython)
RADAR_WATCHES = ("falls", "sleep")
INPUTS = (NONE, "pir", "reed", "mat", "flush")
INPUT_CHANNELS = range(10, 20)

_FILE = "/settings.json"
_LAST_GOOD = "/settings.good"
_MAX_TEXT = 4096

_ROWS: "tuple[Row, ...]" = (
    # key, type, lowest (of a text all it may be), highest, default, changed over the link
    ("profile", str, PROFILES, None, PENDANT, False),
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
    ("room_cord", bool, None, None, False, False),
    ("radar", str, RADARS, None, NONE, False),
    ("radar_watches", str, RADAR_WATCHES, None, "falls", False),
    ("radar_height_m", float, 0.0, 5.0, 0.0, False),
    ("radar_sensitivity", int, 0, 3, 0, False),
    ("radar_range_m", float, 0.0, 8.0, 0.0, False),
)
"""`accelerometer` is for bathroom and room; the pendant always has one. `battery_full_mv` is
what adc `battery` at full ratio stands for, 0 for a unit on the mains. No key of a call contact
may be switched over the link, and its bands stay wide enough to be met; nor may a radar be
changed over it. `room_cord`: the room has a call cord. 0 leaves a radar's value as the module
has it; `radar_sensitivity` is 1 low, 2 medium, 3 high; `radar_watches` is for a C1001.

Keys of their own, one for each input 10 to 19: `input_10` says what it is (`INPUTS`),
`input_10_level` the level at which it is active, 0 or 1."""

_LEAST_HEIGHT_M = 1.0
_LEAST_RANGE_M = 0.3
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
        self._chosen = chosen
        self._values = {row[0]: row[4] for row in _ROWS}
        for key in chosen:
            if _row(key) is None:
                raise SettingsError(str(key), "unknown key")
        for key, value in chosen.items():
            self._values[key] = _check(_row(key), value)
        self._check_together()
        self._check_room()
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
        changes = _parse(text)
        chosen = dict(self._chosen)
        for key, value in changes.items():
            row = _row(key)
            if row is not None and not row[5]:
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

    def _check_room(self) -> None:
        """Radar and inputs belong to a room; a height or a range is none or one that can be."""
        if self.text("radar") != NONE and self.flag("accelerometer"):
            raise SettingsError("accelerometer", "the memory is too small for a radar with it")
        if self.text("profile") not in (BATHROOM, ROOM):
            if self.text("radar") != NONE:
                raise SettingsError("radar", "only in the profiles bathroom and room")
            for channel, _, _ in self.inputs():
                text = "only in the profiles bathroom and room"
                raise SettingsError("input_%d" % channel, text)
        for key, least in (("radar_height_m", _LEAST_HEIGHT_M), ("radar_range_m", _LEAST_RANGE_M)):
            if 0 < self.number(key) < least:
                raise SettingsError(key, "%s is not 0 and less than %s" % (self.number(key), least))


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


def _row(key: object) -> "Row | None":
    """Return the row of a key, None when it is unknown."""
    for row in _ROWS:
        if row[0] == key:
            return row
    for channel in INPUT_CHANNELS:
        if key == "input_%d" % channel:
            return ("input_%d" % channel, str, INPUTS, None, NONE, False)
        if key == "input_%d_level" % channel:
            return ("input_%d_level" % channel, int, 0, 1, 1, False)
    return None


def _check(row: "Row | None", value: object) -> object:
    """Return the value of one key, checked against its row."""
    assert row is not None
    key, kind, low, high = row[:4]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise SettingsError(key, "%s is not %s" % (json.dumps(value), _TYPE_NAMES[kind]))
    if isinstance(low, tuple):
        if value not in low:
            raise SettingsError(key, "%s is none of %s" % (json.dumps(value), ", ".join(low)))
        return value
    if low is None or high is None:
        return value
    assert isinstance(value, (int, float))
    if not low <= value <= high:
        raise SettingsError(key, "%s is not between %s and %s" % (value, low, high))
    return value
