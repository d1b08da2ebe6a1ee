"""TI IWR6843 radar, data port: bytes of the people-tracking demos in, checked frames out.

```
 02 01 04 03 06 05 08 07 | version | length | platform | frame | cycles | points | TLVs | subframe
 ( | static points)        all u32, little endian: 40 bytes, 44 in the out-of-box demo
 TLV: type u32 | length u32 | data                  padded to a multiple of 32
   1     points      16 B each: x y z doppler, f32
   1010  targets    112 B each: u32 number, then 27 f32: place, speed, acceleration, ...
   1011  index        1 B for each point of the frame before
   1012  heights     12 B each: u32 number, f32 highest, f32 lowest
   1020  points      20 B units (elevation, azimuth, doppler, range, SNR, f32),
                      8 B each: i8 i8 i16 u16 u16
   1021  presence     u32
```
There is no checksum. A frame is taken only when every count and length in it agrees: the platform,
a length in steps of 32, TLVs that end within the padding, a body for each type that its record
size divides, as many points as the header says, and numbers that are finite and near a room's.
A damaged number within those limits passes. A start of the next frame inside a frame that is not
yet whole means a damaged length: the rest is not waited for.

Some demos count the 8 bytes of a TLV's head in its length, some do not; both are tried, and one of
them fails to fill the frame. Source: TI, "Understanding UART Data Output Format", Radar Toolbox;
the padding, both length rules and both headers are those of real dumps.
"""

import struct

from protocol.errors import ProtocolError

MAGIC = b"\x02\x01\x04\x03\x06\x05\x08\x07"
PLATFORM = 0x000A6843
MAX_FRAME = 16384
"""Bytes: 1000 compressed points with their index, 20 targets and their heights, and room."""
MAX_TLVS = 16
MAX_TARGETS = 32
MAX_POINTS = 1000

POINTS = 1
TARGETS = 1010
TARGET_INDEX = 1011
TARGET_HEIGHTS = 1012
COMPRESSED_POINTS = 1020
PRESENCE = 1021

FAR_M = 100.0
FAST_MPS = 50.0
"""No distance and no speed of a room is larger; a larger number is damage."""

_ALIGNMENT = 32
_HEADER = 40
_LONG_HEADER = 44
_TLV = 8
_TARGET = 112
_HEIGHT = 12
_UNITS = 20
_COMPRESSED = 8
_CARTESIAN = 16


class TiTarget:
    """A tracked person: number, place (x, y, z) in m, velocity in m/s, the tracker's confidence.

    `high_m` and `low_m` are the person's extent in m, None where the radar sent no heights.
    """

    __slots__ = ("confidence", "high_m", "low_m", "number", "place", "velocity")

    def __init__(
        self,
        number: int,
        place: "tuple[float, float, float]",
        velocity: "tuple[float, float, float]",
        confidence: float,
    ) -> None:
        self.number = number
        self.place = place
        self.velocity = velocity
        self.confidence = confidence
        self.high_m: "float | None" = None
        self.low_m: "float | None" = None


class TiFrame:
    """One frame.

    Attributes:
        number: counts frames from the radar's start.
        polar: points as (elevation, azimuth in rad, doppler in m/s, range in m, SNR), from
            the antenna's own axes.
        cartesian: points as (x, y, z in m, doppler in m/s), from the antenna's own axes.
        targets: tracked people.
        index: for each point of the frame before, its target; 253 to 255 for none.
        presence: somebody is there, 0 or 1; None where the radar does not say.
    """

    __slots__ = ("cartesian", "index", "number", "polar", "presence", "subframe", "targets")

    def __init__(self, number: int, subframe: int) -> None:
        self.number = number
        self.subframe = subframe
        self.polar: "list[tuple[float, float, float, float, float]]" = []
        self.cartesian: "list[tuple[float, float, float, float]]" = []
        self.targets: "list[TiTarget]" = []
        self.index = b""
        self.presence: "int | None" = None


class TiDecoder:
    """Cuts a byte stream into frames; any slicing gives the same frames.

    Holds at most `MAX_FRAME` bytes beyond what it is fed. `rejected` counts starts of frames
    that were none, `skipped` the bytes that belong to no frame.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._searched = 0
        self.rejected = 0
        self.skipped = 0

    def feed(self, data: bytes) -> "list[TiFrame]":
        """Take the next bytes of the port, return the frames that are whole now."""
        frames: "list[TiFrame]" = []
        buffer = self._buffer + data if self._buffer else bytes(data)
        at = 0
        while True:
            start = buffer.find(MAGIC, at)
            if start < 0:
                kept = max(at, len(buffer) - len(MAGIC) + 1)
                self.skipped += kept - at
                at = kept
                self._searched = 0
                break
            if start > at:
                self.skipped += start - at
                self._searched = 0
                at = start
            length = _frame_length(buffer, at)
            if length < 0:
                at = self._reject(at)
                continue
            if length == 0 or len(buffer) - at < length:
                if self._has_next_start(buffer, at):
                    at = self._reject(at)
                    continue
                break
            try:
                frames.append(decode_frame(buffer[at : at + length]))
            except ProtocolError:
                at = self._reject(at)
                continue
            at += length
            self._searched = 0
        self._buffer = buffer[at:]
        return frames

    def _reject(self, at: int) -> int:
        """Step over a start that was none; its other bytes are looked through again."""
        self.rejected += 1
        self.skipped += 1
        self._searched = 0
        return at + 1

    def _has_next_start(self, buffer: bytes, at: int) -> bool:
        """Return True when another frame starts before this one is whole."""
        first = max(1, self._searched - len(MAGIC) + 1)
        self._searched = len(buffer) - at
        return buffer.find(MAGIC, at + first) >= 0


def decode_frame(frame: bytes) -> TiFrame:
    """Return what one whole frame says.

    Raises:
        ProtocolError: a count, a length or a number that cannot be.
    """
    if len(frame) < _HEADER or frame[:8] != MAGIC or _frame_length(frame, 0) != len(frame):
        raise ProtocolError("no frame of %d bytes" % len(frame))
    _, _, _, number, _, points, tlvs, subframe = struct.unpack("<8I", frame[8:_HEADER])
    for header in (_HEADER, _LONG_HEADER):
        for counted in (0, _TLV):
            parts = _cut(frame, header, counted, tlvs)
            if parts is not None and _point_count(parts) in (None, points):
                return _decode(parts, number, subframe, points)
    raise ProtocolError("lengths do not add up")


def _frame_length(buffer: bytes, at: int) -> int:
    """Return the length of the frame that starts here, 0 if not yet known, -1 if there is none."""
    if len(buffer) - at < _HEADER:
        return 0
    _, length, platform, _, _, points, tlvs, _ = struct.unpack("<8I", buffer[at + 8 : at + _HEADER])
    sound = (
        platform == PLATFORM
        and _HEADER <= length <= MAX_FRAME
        and length % _ALIGNMENT == 0
        and tlvs <= MAX_TLVS
        and points <= MAX_POINTS
    )
    return length if sound else -1


def _cut(frame: bytes, at: int, counted: int, tlvs: int) -> "list[tuple[int, bytes]] | None":
    """Return the TLVs, or None when they do not fill the frame up to its padding."""
    parts = []
    for _ in range(tlvs):
        if at + _TLV > len(frame):
            return None
        kind, length = struct.unpack("<II", frame[at : at + _TLV])
        length -= counted
        at += _TLV
        if length < 0 or at + length > len(frame) or not _fits(kind, length):
            return None
        parts.append((kind, frame[at : at + length]))
        at += length
    return parts if len(frame) - at < _ALIGNMENT else None


def _fits(kind: int, length: int) -> bool:
    """Return True for a length that a TLV of this type can have."""
    if kind == POINTS:
        return length % _CARTESIAN == 0
    if kind == COMPRESSED_POINTS:
        return length >= _UNITS and (length - _UNITS) % _COMPRESSED == 0
    if kind == TARGETS:
        return length % _TARGET == 0 and length <= MAX_TARGETS * _TARGET
    if kind == TARGET_HEIGHTS:
        return length % _HEIGHT == 0 and length <= MAX_TARGETS * _HEIGHT
    if kind == TARGET_INDEX:
        return length <= MAX_POINTS
    return length == 4 if kind == PRESENCE else True


def _point_count(parts: "list[tuple[int, bytes]]") -> "int | None":
    """Return how many points the TLVs carry, None when none of them is a list of points."""
    count = None
    for kind, body in parts:
        if kind == POINTS:
            count = (count or 0) + len(body) // _CARTESIAN
        elif kind == COMPRESSED_POINTS:
            count = (count or 0) + (len(body) - _UNITS) // _COMPRESSED
    return count


def _decode(parts: "list[tuple[int, bytes]]", number: int, subframe: int, points: int) -> TiFrame:
    frame = TiFrame(number, subframe)
    heights = []
    kinds = [kind for kind, _ in parts]
    if len(set(kinds)) != len(kinds):
        raise ProtocolError("a type comes twice")
    if points and _point_count(parts) is None:
        raise ProtocolError("%d points announced, none there" % points)
    for kind, body in parts:
        if kind == POINTS:
            frame.cartesian = _cartesian(body)
        elif kind == COMPRESSED_POINTS:
            frame.polar = _polar(body)
        elif kind == TARGETS:
            frame.targets = _targets(body)
        elif kind == TARGET_HEIGHTS:
            heights = [struct.unpack("<I2f", body[i : i + 12]) for i in range(0, len(body), 12)]
        elif kind == TARGET_INDEX:
            frame.index = body
        elif kind == PRESENCE:
            (frame.presence,) = struct.unpack("<I", body)
            if frame.presence > 1:
                raise ProtocolError("presence %d" % frame.presence)
    _join_heights(frame.targets, heights)
    return frame


def _polar(body: bytes) -> "list[tuple[float, float, float, float, float]]":
    units = struct.unpack("<5f", body[:_UNITS])
    for unit in units:
        if not 0.0 < unit <= 1.0:
            raise ProtocolError("a unit of %r" % unit)
    elevation_u, azimuth_u, doppler_u, range_u, snr_u = units
    found = []
    for i in range(_UNITS, len(body), _COMPRESSED):
        elevation, azimuth, doppler, distance, snr = struct.unpack("<bbhHH", body[i : i + 8])
        doppler_mps, range_m = doppler * doppler_u, distance * range_u
        if range_m > FAR_M or not -FAST_MPS <= doppler_mps <= FAST_MPS:
            raise ProtocolError("a point at %r m, %r m/s" % (range_m, doppler_mps))
        found.append(
            (elevation * elevation_u, azimuth * azimuth_u, doppler_mps, range_m, snr * snr_u)
        )
    return found


def _cartesian(body: bytes) -> "list[tuple[float, float, float, float]]":
    found = []
    for i in range(0, len(body), _CARTESIAN):
        x, y, z, doppler = struct.unpack("<4f", body[i : i + _CARTESIAN])
        _check_near((x, y, z), FAR_M)
        _check_near((doppler,), FAST_MPS)
        found.append((x, y, z, doppler))
    return found


def _targets(body: bytes) -> "list[TiTarget]":
    found = []
    for i in range(0, len(body), _TARGET):
        fields = struct.unpack("<I27f", body[i : i + _TARGET])
        number, place, velocity, confidence = fields[0], fields[1:4], fields[4:7], fields[27]
        _check_near(place, FAR_M)
        _check_near(velocity, FAST_MPS)
        if confidence != confidence:
            raise ProtocolError("confidence is no number")
        found.append(TiTarget(number, place, velocity, confidence))
    if len({one.number for one in found}) != len(found):
        raise ProtocolError("two targets of one number")
    return found


def _join_heights(targets: "list[TiTarget]", heights: "list[tuple[int, float, float]]") -> None:
    by_number = {one.number: one for one in targets}
    for number, high_m, low_m in heights:
        _check_near((high_m, low_m), FAR_M)
        target = by_number.get(number)
        if target is not None:
            target.high_m, target.low_m = high_m, low_m


def _check_near(values: "tuple[float, ...]", limit: float) -> None:
    """Raise for what is not finite or too large; NaN fails every comparison."""
    for value in values:
        if not -limit <= value <= limit:
            raise ProtocolError("%r is not within %r" % (value, limit))
