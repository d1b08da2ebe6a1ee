"""TinyFrame, the serial protocol of Hi-Link's and Seeed's 60 GHz modules: framing, commands.

```
 01 | ID hi lo | LEN hi lo | TYPE hi lo | HEAD | data .. LEN bytes | SUM
 HEAD = ~xor of the seven bytes before; SUM = ~xor of the data, absent when LEN is 0
 the head's numbers are big endian, the data little endian
```
1 382 400 baud for the LD6002, 115 200 for the others, 8N1. The module counts its IDs up: a
step of more than one is a lost frame. TYPE codes collide between products: `decode` takes the
product's table of `tinyframe_reports.py`, and within it the length decides.

No byte stuffing: 01 in data looks like a beginning, so a header counts only with its own sum,
and the bytes of a rejected frame are looked through again. Within them `01 00 00 00 00 00 FF 01`
is common (an integer 1, a sum, the next 01) and would pass for an empty frame and swallow the
good one behind it: an empty frame is taken only for the type of a command, which it answers.
The sums find every damaged bit, and 96.4 % of pairs: not those in one place of two bytes.

Sources: Hi-Link "TF Frame Description" V1.2, sections 1.2, 2.1 and 2.2 (as transcribed in
christhomas/esp32c3-hlk-ld6002B docs/tinyframe-protocol.md; its printed sums of 0E01, 0E08, 0E0A,
0E0C, 0E0E, 0A0E and 0A0F break its own rule); Seeed's mr60fda2 and mr60bha2 ESPHome components
(no data sum at LEN 0); SergeyZh/hlk-ld6002-adt6101p-internals.
"""

import struct

from protocol.errors import ProtocolError
from protocol.sensors.fields import fits, read, read_rows, size_of
from protocol.sensors.parser import Frame, Parser
from protocol.sensors.reading import DOUBTFUL, NONE, Reading, unknown
from protocol.sensors.tinyframe_reports import ANSWERED, AREA, COMMANDS, HEIGHT, PRODUCTS, RANGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from protocol.sensors.fields import Report

MAX_DATA = 1024

_START = b"\x01"
_HEAD = 8
_FORBIDDEN = (0x3000, 0x4000)
"""Traps of the loader: 3000 erases the program and waits for xmodem, 4000 leaves it."""


class TinyFrameParser(Parser):
    """Frames of TinyFrame; `kind` is the TYPE, `number` the ID."""

    HEADERS = (_START,)

    def _measure(self, buffer: bytes, at: int) -> int:
        if len(buffer) - at < _HEAD:
            return 0
        head = _inverse_xor(buffer, at, at + 7)
        if buffer[at + 7] != head:
            raise ProtocolError("head sum %02x, must be %02x" % (buffer[at + 7], head))
        length = buffer[at + 3] << 8 | buffer[at + 4]
        if length > MAX_DATA:
            raise ProtocolError("data of %d bytes, at most %d" % (length, MAX_DATA))
        kind = buffer[at + 5] << 8 | buffer[at + 6]
        if not length and kind not in ANSWERED:
            raise ProtocolError("no data, and %04x is no command" % kind)
        size = _HEAD + length + (length > 0)
        if len(buffer) - at < size:
            return 0
        if length:
            end = at + size - 1
            total = _inverse_xor(buffer, at + _HEAD, end)
            if buffer[end] != total:
                raise ProtocolError("data sum %02x, must be %02x" % (buffer[end], total))
        return size

    def _open(self, buffer: bytes, at: int, size: int) -> Frame:
        kind = buffer[at + 5] << 8 | buffer[at + 6]
        payload = buffer[at + _HEAD : at + size - 1]
        return Frame(kind, payload, buffer[at + 1] << 8 | buffer[at + 2])


def decode(frame: Frame, product: str) -> "list[Reading]":
    """Return what a frame of this product says; what its table has not is one unknown reading.

    Args:
        frame: from the parser.
        product: a name of `PRODUCTS`.
    """
    tables, rows, _ = PRODUCTS[product]
    data = frame.payload
    if not data:
        return [Reading("acknowledged", "%04x" % frame.kind)]
    row = rows.get(frame.kind)
    if row is not None:
        return _targets(row, data)
    for table in tables:
        report = table.get(frame.kind)
        if report is None:
            continue
        if frame.kind == HEIGHT:
            return [_height(data)]
        if frame.kind == RANGE:
            return _range(report, data)
        if fits(report, data):
            return read(report, data, "<")
    return [unknown(data)]


def encode(kind: int, data: bytes = b"", number: int = 0) -> bytes:
    """Return a frame.

    Raises:
        ValueError: the data are too long, or the type would disable the module (our mistake).
    """
    if kind in _FORBIDDEN:
        raise ValueError("type %04x disables the module" % kind)
    if len(data) > MAX_DATA:
        raise ValueError("data of %d bytes, at most %d" % (len(data), MAX_DATA))
    head = struct.pack(">BHHH", 1, number, len(data), kind)
    frame = head + bytes((_inverse_xor(head, 0, 7),)) + data
    return frame + bytes((_inverse_xor(data, 0, len(data)),)) if data else frame


def encode_command(name: str, *values: float) -> bytes:
    """Return the frame of a command of `COMMANDS`; the module repeats its type, then answers.

    Raises:
        ValueError: a value is outside the command's range (our own mistake).
    """
    kind, number, code, low, high = COMMANDS[name]
    for value in values:
        if not low <= value <= high:
            raise ValueError("%s of %s, must be %s to %s" % (name, value, low, high))
    return encode(kind, struct.pack("<" + code, *values), number)


def encode_area(number: int, corners_m: "tuple[float, ...]") -> bytes:
    """Return the frame that sets an area of an LD6002B or LD6002C.

    Args:
        number: 0 to 3 are not looked at, 4 to 7 are.
        corners_m: smallest and largest x, y and z; in two dimensions z is -6 to 6.

    Raises:
        ValueError: there is no such area (our own mistake).
    """
    if not 0 <= number <= 7 or not all(-12.0 <= one <= 12.0 for one in corners_m):
        raise ValueError("area %d of %s" % (number, corners_m))
    return encode(AREA, struct.pack("<i6f", number, *corners_m))


def _inverse_xor(data: bytes, at: int, end: int) -> int:
    value = 0xFF
    for index in range(at, end):
        value ^= data[index]
    return value


def _targets(row: "Report", data: bytes) -> "list[Reading]":
    """Return the readings of a counted list, or unknown where the count is not what follows."""
    if len(data) < 4:
        return [unknown(data)]
    (count,) = struct.unpack_from("<I", data)
    if len(data) != 4 + count * size_of(row):
        return [unknown(data)]
    readings = read_rows(row, data, "<", 4)
    readings.append(Reading("targets", count))
    return readings


def _range(report: "Report", data: bytes) -> "list[Reading]":
    """Return the distance; a flag of 0, with or without a distance behind it, is no target."""
    if data[:4] == bytes(4) and len(data) in (4, 8):
        return [Reading("distance", None, "m", NONE)]
    if not fits(report, data):
        return [unknown(data)]
    flag, distance = read(report, data, "<")
    return [distance] if flag.value == 1 else [unknown(data)]


def _height(data: bytes) -> Reading:
    """Return a target's height: f32 metres, though the maker's page says u32 without a unit.

    Small integers are floats near 1e-45, so the two can be told apart. Doubtful either way.
    """
    if len(data) != 4:
        return unknown(data)
    (whole,) = struct.unpack("<I", data)
    (height,) = struct.unpack("<f", data)
    if whole and not 0.001 <= height <= 10.0:
        return unknown(data)
    return Reading("target_height", height, "m", DOUBTFUL)
