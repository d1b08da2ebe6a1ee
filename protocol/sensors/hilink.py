"""Hi-Link's 24 GHz modules LD2410, LD2412 and LD2450: framing, reports, acknowledgements.

```
 report   F4 F3 F2 F1 | LEN lo hi | 01 engineering, 02 basic | AA | .. | 55 00 | F8 F7 F6 F5
   ..     state | move cm u16, energy | still cm u16, energy | detect cm u16, not in all
          engineering goes on with the energies of every gate and the light
 tracks   AA FF 03 00 | 3 x (x y speed resolution), u16 each | 55 CC             (LD2450)
          mm and cm/s, bit 15 set = positive; an absent target is all zero
 answer   FD FC FB FA | LEN lo hi | .. | 04 03 02 01        see `hilink_commands.py`
```
Little endian; 256000 baud for LD2410 and LD2450, for LD2412 115200 (not verified), 8N1.

**No checksum.** Damage is found where it breaks the header, the length, a constant byte or the
tail, or makes a value that no module can send (then `decode` rejects the whole frame); a
distance or an energy that stays plausible is not found. Of single damaged bits 31 % pass in
an LD2410's report, 42 % in an LD2412's, 52 % in an LD2450's: compare reports, ten a second.

Quirks: an LD2412 sends basic reports without the detect distance, and in engineering mode two
bytes in its place that are not read here; a still person's distance stands in the field for
movement, with still cm = 0 (aio-ld2410 trace): `distance` is the larger. A fixture of ESPHome
has LEN 13 and 14 bytes: rejected here.

Sources: morian/aio-ld2410@558d8f7; ESPHome ld2410, ld2412 and ld2450 (.cpp) with their tests.
"""

import struct

from protocol.errors import ProtocolError
from protocol.sensors.hilink_commands import MAX_DATA, decode_answer
from protocol.sensors.parser import Frame, Parser
from protocol.sensors.reading import DOUBTFUL, GOOD, NONE, Reading, unknown

PRODUCTS = {"ld2410": 256000, "ld2412": 115200, "ld2450": 256000}
"""Name to baud."""

REPORT = 0xF4
COMMAND = 0xFD
TRACKS = 0xAA
KINDS = {REPORT: "report", COMMAND: "command", TRACKS: "tracks"}

_REPORT_HEADER = b"\xf4\xf3\xf2\xf1"
_COMMAND_HEADER = b"\xfd\xfc\xfb\xfa"
_TRACKS_HEADER = b"\xaa\xff\x03\x00"
_TAILS = {REPORT: b"\xf8\xf7\xf6\xf5", COMMAND: b"\x04\x03\x02\x01", TRACKS: b"\x55\xcc"}
_TRACKS_SIZE = 30
_AROUND = 10

_STATES = ("none", "moving", "still", "both")
_SHORT = 11
_BASIC = 13
_GATES = {"ld2410": 9, "ld2412": 14}
_FARTHEST_CM = 1100
"""14 gates of 0.75 m are 1050 cm."""
_TRACK_MM = 10000
_TRACK_CMPS = 1500


class HiLinkParser(Parser):
    """Frames of all three modules; `kind` is REPORT, COMMAND or TRACKS."""

    HEADERS = (_REPORT_HEADER, _COMMAND_HEADER, _TRACKS_HEADER)

    def _measure(self, buffer: bytes, at: int) -> int:
        kind = buffer[at]
        size = _TRACKS_SIZE
        if kind != TRACKS:
            if len(buffer) - at < 6:
                return 0
            length = buffer[at + 4] | buffer[at + 5] << 8
            if not 2 <= length <= MAX_DATA:
                raise ProtocolError("data of %d bytes, must be 2 to %d" % (length, MAX_DATA))
            size = _AROUND + length
        if len(buffer) - at < size:
            return 0
        end = at + size
        tail = _TAILS[kind]
        if buffer[end - len(tail) : end] != tail:
            raise ProtocolError("no tail after %d bytes" % (size - len(tail)))
        if buffer.find(buffer[at : at + 4], at + 1, end) >= 0:
            raise ProtocolError("another frame begins inside")
        if kind == REPORT and (buffer[at + 7] != 0xAA or buffer[end - 6 : end - 4] != b"\x55\x00"):
            raise ProtocolError("no aa and 55 00 around the report")
        return size

    def _open(self, buffer: bytes, at: int, size: int) -> Frame:
        kind = buffer[at]
        if kind == TRACKS:
            return Frame(TRACKS, buffer[at + 4 : at + 28])
        return Frame(kind, buffer[at + 6 : at + size - 4])


def decode(frame: Frame, product: str) -> "list[Reading]":
    """Return what a frame of this product says; what we have no layout for is unknown.

    Args:
        frame: from the parser.
        product: a name of `PRODUCTS`.

    Raises:
        ProtocolError: a value that no module sends: the frame is damaged.
    """
    if frame.kind == TRACKS:
        return _tracks(frame.payload)
    if frame.kind == COMMAND:
        return decode_answer(frame.payload)
    return _report(frame.payload, product)


def _report(data: bytes, product: str) -> "list[Reading]":
    gates = _GATES.get(product, 0)
    engineering = _BASIC + 2 * gates + (4 if product == "ld2410" else 1)
    if not gates or len(data) not in (_SHORT, _BASIC, engineering):
        return [unknown(data)]
    if data[0] != (1 if len(data) == engineering else 2):
        raise ProtocolError("report of type %d has %d bytes" % (data[0], len(data)))
    state, move_cm, move, still_cm, still = struct.unpack_from("<BHBHB", data, 2)
    if state > 3:
        raise ProtocolError("state %d" % state)
    _check_distance(move_cm)
    _check_distance(still_cm)
    _check_energies((move, still))
    distance = Reading("distance", max(move_cm, still_cm) / 100, "m")
    readings = [
        Reading("state", _STATES[state]),
        Reading("presence", state > 0),
        distance if state else Reading("distance", None, "m", NONE),
        Reading("move_distance", move_cm / 100, "m"),
        Reading("move_energy", move, "%"),
        Reading("still_distance", still_cm / 100, "m"),
        Reading("still_energy", still, "%"),
    ]
    if len(data) != _SHORT and product == "ld2410":
        detect_cm = data[9] | data[10] << 8
        _check_distance(detect_cm)
        readings.append(Reading("detect_distance", detect_cm / 100, "m"))
    if len(data) == engineering:
        readings += _gate_readings(data, gates)
    return readings


def _gate_readings(data: bytes, gates: int) -> "list[Reading]":
    at = 11
    output = []
    if gates == _GATES["ld2410"]:
        at = 13
        if data[11] >= gates or data[12] >= gates or data[-3] > 1:
            raise ProtocolError("gates %d and %d, output %d" % (data[11], data[12], data[-3]))
        output.append(Reading("output", data[-3] == 1))
    move = tuple(data[at : at + gates])
    still = tuple(data[at + gates : at + 2 * gates])
    _check_energies(move)
    _check_energies(still)
    readings = [
        Reading("move_energies", move, "%"),
        Reading("still_energies", still, "%"),
        Reading("light", data[at + 2 * gates], "count"),
    ]
    return readings + output


def _check_distance(distance_cm: int) -> None:
    if distance_cm > _FARTHEST_CM:
        raise ProtocolError("distance of %d cm" % distance_cm)


def _check_energies(energies: "tuple[int, ...]") -> None:
    for energy in energies:
        if energy > 100:
            raise ProtocolError("energy of %d %%" % energy)


def _tracks(data: bytes) -> "list[Reading]":
    readings = []
    count = 0
    for index in range(3):
        raw = struct.unpack_from("<4H", data, 8 * index)
        if raw == (0, 0, 0, 0):
            continue
        x_mm, y_mm, speed_cmps = (_positive_bit(one) for one in raw[:3])
        far = max(abs(x_mm), abs(y_mm), raw[3]) > _TRACK_MM or abs(speed_cmps) > _TRACK_CMPS
        if far or (x_mm == 0 and y_mm == 0):
            raise ProtocolError("target at %d, %d mm with %d cm/s" % (x_mm, y_mm, speed_cmps))
        quality = GOOD if raw[3] else DOUBTFUL  # nothing but damage is known to have none
        count += 1
        position = (x_mm / 1000, y_mm / 1000)
        readings.append(Reading("position", position, "m", quality, index))
        readings.append(Reading("speed", speed_cmps / 100, "m/s", quality, index))
        readings.append(Reading("resolution", raw[3] / 1000, "m", quality, index))
    readings.append(Reading("targets", count))
    return readings


def _positive_bit(raw: int) -> int:
    return raw & 0x7FFF if raw & 0x8000 else -raw
