"""The table of settings, and the checks of their values; in memory only while one is checked."""

import json

from firmware.setting_names import (
    BATHROOM,
    BED,
    BLE,
    HILINK_RADARS,
    HX711,
    INPUT_CHANNELS,
    LIS3DH,
    LIS3DH_ADDRESSES,
    MOTION,
    MPU6050,
    MPU6050_ADDRESSES,
    NAU7802,
    NONE,
    PENDANT,
    ROOM,
    SIP_RADARS,
    STRAP,
    TINYFRAME_RADARS,
    UART,
    USB,
    SettingsError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Values(Protocol):
        """What is checked together."""

        def text(self, key: str) -> str:
            """Return a text value."""

        def number(self, key: str) -> float:
            """Return a number."""

        def whole(self, key: str) -> int:
            """Return a whole number."""

        def inputs(self) -> list[tuple[int, str, int]]:
            """Return channel, kind and active level of each input."""

    Row = tuple[str, type, tuple[str, ...] | float | None, float | None, object, bool]

PROFILES = (PENDANT, BED, BATHROOM, ROOM)
RADARS = (NONE,) + SIP_RADARS + TINYFRAME_RADARS + HILINK_RADARS  # noqa: RUF005 (MicroPython)
RADAR_WATCHES = ("falls", "sleep")
ACCELEROMETERS = (NONE, LIS3DH, MPU6050)
LOADS = (NAU7802, HX711)
WORN = (NONE, MOTION, STRAP)
LINKS = (USB, UART, BLE)
INPUTS = (NONE, "pir", "reed", "mat", "flush")

_ROWS: "tuple[Row, ...]" = (
    # key, type, lowest (of a text all it may be), highest, default, changed over the link
    ("profile", str, PROFILES, None, PENDANT, False),
    ("link", str, LINKS, None, USB, False),
    ("impact_limit_g", float, 1.2, 2.5, 1.6, True),
    ("accelerometer", str, ACCELEROMETERS, None, NONE, False),
    ("acc_address", int, 0, 0x69, 0, False),
    ("acc_rate_hz", int, 50, 100, 100, False),
    ("acc_range_g", int, 8, 16, 16, False),
    ("worn", str, WORN, None, MOTION, False),
    ("still_min", int, 30, 600, 120, True),
    ("strip_address", int, 0x48, 0x4B, 0x48, False),
    ("load", str, LOADS, None, NAU7802, False),
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
    ("battery_low_mv", int, 0, 60_000, 3500, True),
    ("room_cord", bool, None, None, False, False),
    ("radar", str, RADARS, None, NONE, False),
    ("radar_watches", str, RADAR_WATCHES, None, "falls", False),
    ("radar_height_m", float, 0.0, 5.0, 0.0, False),
    ("radar_sensitivity", int, 0, 3, 0, False),
    ("radar_range_m", float, 0.0, 8.0, 0.0, False),
)
"""`accelerometer` is for bathroom and room; the pendant always has one, a LIS3DH if it is not
said. `acc_address` 0 is the part's usual one; 8 g is for a MPU6050. A pendant is not `worn` after
`still_min` without motion, or by its strap's contact. `battery_full_mv` is what adc `battery` at
full ratio stands for, 0 for a unit on the mains. No key of a call contact may be switched over
the link, and its bands stay wide enough to be met; nor may a radar be changed over it.
`room_cord`: the room has a call cord. 0 leaves a radar's value as the module has it;
`radar_sensitivity` is 1 low, 2 medium, 3 high; `radar_watches` is for a C1001.

Keys of their own, one for each input 10 to 19: `input_10` says what it is (`INPUTS`),
`input_10_level` the level at which it is active, 0 or 1."""

_MAX_TEXT = 4096
_LEAST_HEIGHT_M = 1.0
_LEAST_RANGE_M = 0.3
_LEAST_BAND = 0.1
_TYPE_NAMES = {str: "text", float: "a number", int: "a whole number", bool: "true or false"}


def defaults() -> "dict[str, object]":
    """Return the value of every key that is not written."""
    return {row[0]: row[4] for row in _ROWS}


def row_of(key: object) -> "Row | None":
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


def check_value(key: str, value: object) -> object:
    """Return the value of a known key.

    Raises:
        SettingsError: it cannot be that.
    """
    row = row_of(key)
    assert row is not None
    if key == "accelerometer" and isinstance(value, bool):  # as version 0.1 wrote it
        value = LIS3DH if value else NONE
    kind, low, high = row[1:4]
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


def check_together(chosen: "Values") -> None:
    """Check what one key alone does not tell.

    Raises:
        SettingsError: two keys do not fit each other.
    """
    _check_accelerometer(chosen)
    _check_room(chosen)
    pressed = chosen.number("cord_pressed_below")
    if pressed - chosen.number("cord_short_below") < _LEAST_BAND:
        raise SettingsError("cord_pressed_below", "leaves less than 0.1 to be pressed")
    if chosen.number("cord_idle_below") - pressed < _LEAST_BAND:
        raise SettingsError("cord_idle_below", "leaves less than 0.1 to be idle")
    if abs(chosen.number("load_kg_per_count")) < 1e-9:
        raise SettingsError("load_kg_per_count", "must not be 0")


def _check_accelerometer(chosen: "Values") -> None:
    if chosen.whole("acc_rate_hz") not in (50, 100):
        raise SettingsError("acc_rate_hz", "is neither 50 nor 100")
    if chosen.whole("acc_range_g") not in (8, 16):
        raise SettingsError("acc_range_g", "is neither 8 nor 16")
    is_mpu = chosen.text("accelerometer") == MPU6050
    if chosen.whole("acc_range_g") == 8 and not is_mpu:
        raise SettingsError("acc_range_g", "8 is for a mpu6050 only")
    usual = MPU6050_ADDRESSES if is_mpu else LIS3DH_ADDRESSES
    if chosen.whole("acc_address") not in (0,) + usual:  # noqa: RUF005 (MicroPython)
        raise SettingsError("acc_address", "is none of 0, %d, %d" % usual)


def _check_room(chosen: "Values") -> None:
    """Radar and inputs belong to a room; a height or a range is none or one that can be."""
    if chosen.text("radar") != NONE and chosen.text("accelerometer") != NONE:
        raise SettingsError("accelerometer", "the memory is too small for a radar with it")
    if chosen.text("profile") not in (BATHROOM, ROOM):
        if chosen.text("radar") != NONE:
            raise SettingsError("radar", "only in the profiles bathroom and room")
        for channel, _, _ in chosen.inputs():
            text = "only in the profiles bathroom and room"
            raise SettingsError("input_%d" % channel, text)
    for key, least in (("radar_height_m", _LEAST_HEIGHT_M), ("radar_range_m", _LEAST_RANGE_M)):
        if 0 < chosen.number(key) < least:
            raise SettingsError(key, "%s is not 0 and less than %s" % (chosen.number(key), least))


def parse(text: str) -> "dict[str, object]":
    """Return what a text of settings names.

    Raises:
        SettingsError: it is no JSON object, or too long.
    """
    if len(text) > _MAX_TEXT:
        raise SettingsError("settings.json", "longer than %d letters" % _MAX_TEXT)
    try:
        value = json.loads(text)
    except ValueError:
        raise SettingsError("settings.json", "not JSON") from None
    if not isinstance(value, dict):
        raise SettingsError("settings.json", "not a JSON object")
    return value
