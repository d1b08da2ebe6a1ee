"""Commands of Hi-Link's 24 GHz modules, and what the answers to them say.

```
 command  FD FC FB FA | LEN lo hi | command u16 | value | 04 03 02 01
 answer   the same, command | 0100, then a status u16 (0: done) and the value
```
A command is taken only between `configure` and `end`, and each waits for its answer. Framing
and sources: `hilink.py`.
"""

import binascii
import struct

from protocol.errors import ProtocolError
from protocol.sensors.reading import DOUBTFUL, Reading, unknown

MAX_DATA = 64

_HEADER = b"\xfd\xfc\xfb\xfa"
_TAIL = b"\x04\x03\x02\x01"
_ANSWER = 0x0100
_ALL_GATES = 0xFFFF

COMMANDS: "dict[str, tuple[int, bytes]]" = {
    "configure": (0xFF, b"\x01\x00"),
    "end": (0xFE, b""),
    "engineering_on": (0x62, b""),
    "engineering_off": (0x63, b""),
    "version": (0xA0, b""),
    "factory_reset": (0xA2, b""),
    "restart": (0xA3, b""),
    "mac": (0xA5, b"\x01\x00"),
    "parameters": (0x61, b""),
    "resolution": (0xAB, b""),
    "basic_parameters": (0x12, b""),
    "gate_resolution": (0x11, b""),
    "move_thresholds": (0x13, b""),
    "still_thresholds": (0x14, b""),
    "start_background": (0x0B, b""),
    "background": (0x1B, b""),
    "single_target": (0x80, b""),
    "multi_target": (0x90, b""),
    "target_mode": (0x91, b""),
    "zones": (0xC1, b""),
}
"""Name to command and its value. 61 and AB are the LD2410's, 0B to 1B the LD2412's, 80 to C1
the LD2450's, the others all modules'."""
_NAMES = {code: name for name, (code, _) in COMMANDS.items()}


def encode_command(name: str) -> bytes:
    """Return the frame of a command of `COMMANDS`."""
    code, value = COMMANDS[name]
    return encode(code, value)


def encode(code: int, value: bytes = b"") -> bytes:
    """Return the frame of a command with a value.

    Raises:
        ValueError: the value is too long (our own mistake).
    """
    if 2 + len(value) > MAX_DATA:
        raise ValueError("value of %d bytes, at most %d" % (len(value), MAX_DATA - 2))
    head = _HEADER + struct.pack("<HH", 2 + len(value), code)
    return head + value + _TAIL


def encode_ld2410_range(move_gate: int, still_gate: int, nobody_s: int) -> bytes:
    """Return the command 60: the farthest gates (2 to 8) and the time until nobody is there.

    Raises:
        ValueError: a gate or the time is out of range (our own mistake).
    """
    if not (2 <= move_gate <= 8 and 2 <= still_gate <= 8 and 0 <= nobody_s <= 65535):
        raise ValueError("gates %d and %d, %d s" % (move_gate, still_gate, nobody_s))
    return encode(0x60, struct.pack("<HIHIHI", 0, move_gate, 1, still_gate, 2, nobody_s))


def encode_ld2410_sensitivity(gate: int, move: int, still: int) -> bytes:
    """Return the command 64: thresholds in % of a gate (0 to 8), or of all (65535).

    Raises:
        ValueError: a gate or a threshold is out of range (our own mistake).
    """
    if not (0 <= gate <= 8 or gate == _ALL_GATES) or not (0 <= move <= 100 and 0 <= still <= 100):
        raise ValueError("gate %d, thresholds %d and %d" % (gate, move, still))
    return encode(0x64, struct.pack("<HIHIHI", 0, gate, 1, move, 2, still))


def encode_ld2412_range(near_gate: int, far_gate: int, nobody_s: int) -> bytes:
    """Return the command 02: first and last gate (1 to 14), the time until nobody is there.

    Raises:
        ValueError: a gate or the time is out of range (our own mistake).
    """
    if not (1 <= near_gate <= far_gate <= 14 and 0 <= nobody_s <= 65535):
        raise ValueError("gates %d to %d, %d s" % (near_gate, far_gate, nobody_s))
    return encode(0x02, struct.pack("<BBHB", near_gate, far_gate, nobody_s, 1))


def encode_ld2412_thresholds(is_move: bool, thresholds: "list[int]") -> bytes:
    """Return the command 03 (moving) or 04 (still): thresholds in % of the 14 gates.

    Raises:
        ValueError: there are not 14 of them, or one is out of range (our own mistake).
    """
    if len(thresholds) != 14 or not all(0 <= one <= 100 for one in thresholds):
        raise ValueError("thresholds %s" % thresholds)
    return encode(0x03 if is_move else 0x04, bytes(thresholds))


def encode_ld2450_zones(mode: int, corners_m: "list[tuple[float, float, float, float]]") -> bytes:
    """Return the command C2: where to look, or not to look.

    Args:
        mode: 0 everywhere, 1 only in the zones, 2 everywhere but there.
        corners_m: at most three rectangles x1, y1, x2, y2.

    Raises:
        ValueError: the mode, or a corner beyond 8 m (our own mistake).
    """
    corners = [round(one * 1000) for zone in corners_m for one in zone]
    if not 0 <= mode <= 2 or len(corners) > 12 or not all(-8000 <= one <= 8000 for one in corners):
        raise ValueError("mode %d, zones %s" % (mode, corners_m))
    corners += [0] * (12 - len(corners))
    return encode(0xC2, struct.pack("<H12h", mode, *corners))


def decode_answer(data: bytes) -> "list[Reading]":
    """Return what a command or the answer to one says.

    Raises:
        ProtocolError: a status that no module sends: the frame is damaged.
    """
    (code,) = struct.unpack_from("<H", data)
    name = _NAMES.get(code & ~_ANSWER, "%02x" % (code & ~_ANSWER))
    if not code & _ANSWER:
        return [Reading("command", name)]
    if len(data) < 4:
        raise ProtocolError("answer of %d bytes has no status" % len(data))
    (status,) = struct.unpack_from("<H", data, 2)
    if status > 1:
        raise ProtocolError("status %d" % status)
    readings = [Reading("acknowledged", name), Reading("done", status == 0)]
    value = data[4:]
    if not status and value:
        readings += _answer_value(name, value)
    return readings


def _answer_value(name: str, value: bytes) -> "list[Reading]":
    size = len(value)
    if name == "version" and size == 8:
        major, minor = struct.unpack_from("<HI", value, 2)
        text = "V%x.%02x.%08x" % (major >> 8, major & 0xFF, minor)
        return [Reading("firmware", text)]
    if name == "mac" and size == 6:
        text = str(binascii.hexlify(value), "ascii")
        return [Reading("mac", ":".join([text[at : at + 2] for at in range(0, 12, 2)]))]
    if name == "parameters" and size == 24 and value[0] == 0xAA:
        return [
            Reading("farthest_gate", value[1]),
            Reading("farthest_move_gate", value[2]),
            Reading("farthest_still_gate", value[3]),
            Reading("move_thresholds", tuple(value[4:13]), "%"),
            Reading("still_thresholds", tuple(value[13:22]), "%"),
            Reading("nobody_time", value[22] | value[23] << 8, "s"),
        ]
    if name == "resolution" and size == 2:
        return [_resolution(value[0], (0.75, 0.2))]
    if name == "gate_resolution" and size >= 1:
        return [_resolution(value[0], (0.75, 0.5, -1.0, 0.2))]
    if name == "basic_parameters" and size == 5:
        return [
            Reading("gates", (value[0], value[1])),
            Reading("nobody_time", value[2] | value[3] << 8, "s"),
        ]
    if name in ("move_thresholds", "still_thresholds") and size == 14:
        return [Reading(name, tuple(value), "%")]
    if name == "background" and size >= 1:
        return [Reading("background_running", value[0] != 0)]
    if name == "zones" and size == 26:
        (mode,) = struct.unpack_from("<H", value)
        corners = struct.unpack_from("<12h", value, 2)
        return [Reading("zone_mode", mode)] + [
            Reading("zone", tuple([one / 1000 for one in corners[at : at + 4]]), "m", index=at // 4)
            for at in (0, 4, 8)
        ]
    return [unknown(value)]


def _resolution(code: int, metres: "tuple[float, ...]") -> Reading:
    if code < len(metres) and metres[code] > 0:
        return Reading("gate_resolution", metres[code], "m")
    return Reading("gate_resolution", code, "", DOUBTFUL)
