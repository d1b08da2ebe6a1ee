"""Bluetooth health characteristics and the iTAG button: notified bytes to readings.

| | characteristic | begins with | and, as its flags say |
|---|---|---|---|
| 2a37 | heart rate | flags, rate u8 or u16 | energy u16, RR intervals u16 (1/1024 s) |
| 2a5f | PLX continuous | flags, SpO2, pulse | fast, slow, status u16, sensor u24, amplitude |
| 2a5e | PLX spot-check | flags, SpO2, pulse | time 7 B, status u16, sensor u24, amplitude |
| 2a35 2a36 | blood pressure, cuff | flags, systolic, diastolic, mean | time, pulse, user, status |
| 2a1c 2a1e | temperature | flags, FLOAT | time, place u8 |
| 2a19 | battery | u8 % | |
| ffe1 | iTAG | u8, 1 for a press | |

Numbers are SFLOAT where nothing else is said (`ieee11073.py`); a special value reads None. A value
that is too short for its flags is rejected, and so is one that is too long, unless it sets a
flag that a later revision may have added: then the rest is unknown. There is no checksum here;
the radio's own CRC-24 guards the bytes. What the sensor itself marks as demonstration, test,
unavailable or questionable is doubtful, what it measures on nobody reads none.

Sources: Bluetooth SIG, Heart Rate Service 1.0 section 3.1; Pulse Oximeter Service 1.0.1 sections
3.1, 3.2, tables 3.4 and 3.5; Blood Pressure Service 1.1.1 section 3.1; Health Thermometer Service
1.0 section 3.1; Battery Service 1.0. iTAG: mcauser/aioble-itag, pentestpartners ble-itag.py: no
pairing, so anybody in reach may press or silence it.
"""

from protocol.errors import ProtocolError
from protocol.sensors.ieee11073 import long_float, sfloat
from protocol.sensors.reading import DOUBTFUL, GOOD, NONE, Reading, unknown

HEART_RATE = 0x2A37
PLX_CONTINUOUS = 0x2A5F
PLX_SPOT_CHECK = 0x2A5E
BLOOD_PRESSURE = 0x2A35
CUFF_PRESSURE = 0x2A36
TEMPERATURE = 0x2A1C
INTERMEDIATE_TEMPERATURE = 0x2A1E
BATTERY = 0x2A19
ITAG_BUTTON = 0xFFE1

MAX_VALUE = 512
"""Bytes, the longest that a characteristic may be."""

ALERT_LEVEL = 0x2A06
ALERT_OFF, ALERT_HIGH = b"\x00", b"\x01"
"""What is written to an iTAG to silence it and to make it beep."""

_HEART_BPM = 20.0, 300.0
_RR_S = 0.2, 3.0
_SPO2 = 0.0, 100.0
_PRESSURE_MMHG = 0.0, 400.0
_TEMPERATURE_C = 10.0, 50.0
"""Outside it is doubtful: no living person, or no contact."""

_MMHG_PER_KPA = 7.500617
_PLX_NO_VALUE = 1 << 13 | 1 << 15
_PLX_DOUBTFUL = 1 << 5 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 14
_PLX_SENSOR_OFF = 1 << 11 | 1 << 13 | 1 << 14 | 1 << 15
_PLX_SENSOR_DOUBTFUL = 0x17FE
"""Measurement: 13 unavailable, 15 invalid; 5 ongoing, 6 early, 9 stored, 10 demonstration, 11 test,
12 calibration, 14 questionable. Sensor: 11 on nobody, 13 displaced, 14 broken, 15 disconnected;
1 to 10 and 12 malfunction, irregular, inadequate, poor, low, erratic, no or odd pulse, ..."""
_CUFF_DOUBTFUL = 1 << 0 | 1 << 1 | 1 << 5
"""Body movement, cuff too loose, wrong position."""

_PLACES = (
    None, "armpit", "body", "ear", "finger", "gastrointestinal", "mouth", "rectum", "toe",
    "tympanum",
)  # fmt: skip


class _Cursor:
    """Reads a value from its beginning; every step says what was missing."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, size: int, what: str) -> int:
        """Step over a field and return its offset."""
        if self.left() < size:
            raise ProtocolError(
                "%s needs %d bytes at %d, %d there" % (what, size, self.at, self.left())
            )
        self.at += size
        return self.at - size

    def integer(self, size: int, what: str) -> int:
        at = self.take(size, what)
        value = 0
        for index in range(size - 1, -1, -1):
            value = value << 8 | self.data[at + index]
        return value

    def sfloat(self, what: str) -> "float | None":
        return sfloat(self.data, self.take(2, what))

    def end(self, flags: int, known: int, readings: "list[Reading]") -> "list[Reading]":
        """Return the readings of a value that must be over now."""
        if self.left():
            if not flags & ~known:
                raise ProtocolError("%d bytes too many at %d" % (self.left(), self.at))
            readings.append(unknown(self.data[self.at :]))
        return readings


def decode(characteristic: int, data: bytes) -> "list[Reading]":
    """Return what a notified, indicated or read value says.

    Args:
        characteristic: its 16-bit number, one of `CHARACTERISTICS`.
        data: the whole value.

    Raises:
        ProtocolError: it is too short, too long, or impossible.
    """
    if len(data) > MAX_VALUE:
        raise ProtocolError("value of %d bytes, at most %d" % (len(data), MAX_VALUE))
    return CHARACTERISTICS[characteristic](_Cursor(bytes(data)))


def _heart_rate(value: _Cursor) -> "list[Reading]":
    flags = value.integer(1, "flags")
    rate = value.integer(2 if flags & 1 else 1, "heart rate")
    contact = flags >> 1 & 3
    reading = _measured("heart_rate", float(rate) if rate else None, "1/min", _HEART_BPM)
    readings = [reading]
    if contact & 2:
        readings.append(Reading("contact", contact == 3))
        if contact == 2 and reading.value is not None:
            reading.quality = DOUBTFUL
    if flags & 8:
        readings.append(Reading("energy", value.integer(2, "energy") * 1000, "J"))
    if flags & 16:
        intervals = []
        while value.left() >= 2:
            intervals.append(value.integer(2, "RR interval") / 1024)
        if not intervals or value.left():
            raise ProtocolError("RR intervals end in %d bytes at %d" % (value.left(), value.at))
        credible = _RR_S[0] <= min(intervals) and max(intervals) <= _RR_S[1]
        quality = GOOD if credible else DOUBTFUL
        readings.append(Reading("rr_interval", tuple(intervals), "s", quality))
    return value.end(flags, 0x1F, readings)


def _plx_continuous(value: _Cursor) -> "list[Reading]":
    flags = value.integer(1, "flags")
    readings = _oxygen(value, "")
    if flags & 1:
        readings.extend(_oxygen(value, "_fast"))
    if flags & 2:
        readings.extend(_oxygen(value, "_slow"))
    _plx_state(value, flags >> 2, readings)
    return value.end(flags, 0x1F, readings)


def _plx_spot_check(value: _Cursor) -> "list[Reading]":
    flags = value.integer(1, "flags")
    readings = _oxygen(value, "")
    if flags & 1:
        readings.append(_time(value))
    _plx_state(value, flags >> 1, readings)
    if flags & 16:
        readings.append(Reading("clock_set", False))
    return value.end(flags, 0x1F, readings)


def _oxygen(value: _Cursor, suffix: str) -> "list[Reading]":
    return [
        _measured("spo2" + suffix, value.sfloat("SpO2"), "%", _SPO2),
        _measured("pulse_rate" + suffix, value.sfloat("pulse rate"), "1/min", _HEART_BPM),
    ]


def _plx_state(value: _Cursor, flags: int, readings: "list[Reading]") -> None:
    """Read what both PLX characteristics end with, and lower the measured values to it."""
    measured = [reading for reading in readings if reading.unit]
    none = doubtful = False
    if flags & 1:
        status = value.integer(2, "measurement status")
        none = status & _PLX_NO_VALUE != 0
        doubtful = status & _PLX_DOUBTFUL != 0
        readings.append(Reading("measurement_status", status))
    if flags & 2:
        sensor = value.integer(3, "sensor status")
        none = none or sensor & _PLX_SENSOR_OFF != 0
        doubtful = doubtful or sensor & _PLX_SENSOR_DOUBTFUL != 0
        readings.append(Reading("sensor_status", sensor))
    if flags & 4:
        readings.append(_measured("pulse_amplitude", value.sfloat("amplitude"), "%", _SPO2))
    for reading in measured:
        if none:
            reading.value, reading.quality = None, NONE
        elif doubtful and reading.quality == GOOD:
            reading.quality = DOUBTFUL


def _blood_pressure(value: _Cursor) -> "list[Reading]":
    flags = value.integer(1, "flags")
    readings = []
    for name in ("systolic", "diastolic", "mean_pressure"):
        pressure = value.sfloat(name)
        if pressure is not None and flags & 1:
            pressure *= _MMHG_PER_KPA
        readings.append(_measured(name, pressure, "mmHg", _PRESSURE_MMHG))
    measured = tuple(readings)
    if flags & 2:
        readings.append(_time(value))
    if flags & 4:
        readings.append(_measured("pulse_rate", value.sfloat("pulse rate"), "1/min", _HEART_BPM))
    if flags & 8:
        user = value.integer(1, "user")
        readings.append(Reading("user", None, "", NONE) if user == 255 else Reading("user", user))
    if flags & 16:
        status = value.integer(2, "measurement status")
        readings.append(Reading("irregular_pulse", status & 4 != 0))
        readings.append(Reading("measurement_status", status))
        if status & _CUFF_DOUBTFUL:
            for reading in measured:
                reading.quality = DOUBTFUL if reading.quality == GOOD else reading.quality
    return value.end(flags, 0x1F, readings)


def _temperature(value: _Cursor) -> "list[Reading]":
    flags = value.integer(1, "flags")
    degrees = long_float(value.data, value.take(4, "temperature"))
    if degrees is not None and flags & 1:
        degrees = (degrees - 32) / 1.8
    readings = [_measured("temperature", degrees, "degC", _TEMPERATURE_C)]
    if flags & 2:
        readings.append(_time(value))
    if flags & 4:
        code = value.integer(1, "place")
        place = _PLACES[code] if code < len(_PLACES) else None
        readings.append(Reading("place", place) if place else Reading("place", code, "", DOUBTFUL))
    return value.end(flags, 0x07, readings)


def _battery(value: _Cursor) -> "list[Reading]":
    level = value.integer(1, "battery level")
    if level > 100:
        raise ProtocolError("battery level of %d %%" % level)
    return value.end(0, 0, [Reading("battery", level, "%")])


def _itag_button(value: _Cursor) -> "list[Reading]":
    """Return the press; a code that nobody has described counts as one, doubtfully."""
    code = value.integer(1, "button")
    reading = Reading("button", code > 0, "", GOOD if code <= 1 else DOUBTFUL)
    return value.end(0, 0, [reading])


def _measured(
    name: str, value: "float | None", unit: str, limits: "tuple[float, float]"
) -> Reading:
    if value is None:
        return Reading(name, None, unit, NONE)
    return Reading(name, value, unit, GOOD if limits[0] <= value <= limits[1] else DOUBTFUL)


def _time(value: _Cursor) -> Reading:
    """Return the sensor's own date and time; a month or day of 0 is not known."""
    year = value.integer(2, "time")
    month, day, hour, minute, second = [value.integer(1, "time") for _ in range(5)]
    moment = (year, month, day, hour, minute, second)
    if month > 12 or day > 31 or hour > 23 or minute > 59 or second > 59:
        raise ProtocolError("no time: %04d-%02d-%02d %02d:%02d:%02d" % moment)
    if not (year and month and day):
        return Reading("time", None, "", NONE)
    return Reading("time", "%04d-%02d-%02dT%02d:%02d:%02d" % moment)


CHARACTERISTICS = {
    HEART_RATE: _heart_rate,
    PLX_CONTINUOUS: _plx_continuous,
    PLX_SPOT_CHECK: _plx_spot_check,
    BLOOD_PRESSURE: _blood_pressure,
    CUFF_PRESSURE: _blood_pressure,
    TEMPERATURE: _temperature,
    INTERMEDIATE_TEMPERATURE: _temperature,
    BATTERY: _battery,
    ITAG_BUTTON: _itag_button,
}
"""Number to the function that reads its value."""
