"""A block of a signal as a frame filled in place: what a unit sends many times a second.

```
 first | type | sequence | quantity, channel | uptime .. axes | counts | tag | CRC-32
 <--------- frame() ---->|   kept            | <------ fill() ------>  | <- frame() ->
```
The bytes are those of `encode_frame` and `Samples`. There every piece of the frame is a
concatenation more, and in MicroPython the room for each costs more than the copying: a search
of the heap for several free blocks in a row. Here the room is kept, and escaping and the two
ends are the only copies.
"""

import binascii
import struct

from protocol.framing import FLAG_TAG, HEADER_LENGTH, TAG_LENGTH, VERSION, enclose
from protocol.messages import Message, Samples

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array

_CRC_LENGTH = 4
_SEQUENCE_AT = 2
_UPTIME_AT = HEADER_LENGTH + 2
_COUNTS_AT = HEADER_LENGTH + Samples.HEADER_LENGTH


class Block(Message):
    """One source's `Samples`, filled again for every block. MicroPython only (`fill`).

    Args:
        capacity: samples that `counts` of `fill` has room for.
    """

    TYPE = Samples.TYPE
    __slots__ = ("_end", "_fields", "_fixed", "_frame", "_sample_length", "_view")

    def __init__(
        self,
        quantity: int,
        channel: int,
        period_us: int,
        scale: float,
        axes: int,
        capacity: int,
    ) -> None:
        self._sample_length = 2 * axes
        length = capacity * self._sample_length
        self._fixed = struct.pack("<IfB", period_us, scale, axes)
        self._fields = "<IHI9s%ds" % length  # all of `counts`: what is too much is written over
        self._frame = bytearray(_COUNTS_AT + length + TAG_LENGTH + _CRC_LENGTH)
        self._view = memoryview(self._frame)
        self._end = _COUNTS_AT
        struct.pack_into("<BBIBB", self._frame, 0, VERSION << 4, self.TYPE, 0, quantity, channel)

    def fill(self, counts: "array[int]", count: int, uptime_ms: int, index: int) -> None:
        """Take the first `count` samples of `counts`; `uptime_ms` and `index` are the first's."""
        struct.pack_into(
            self._fields,
            self._frame,
            _UPTIME_AT,
            uptime_ms & 0xFFFFFFFF,
            uptime_ms >> 32,
            index & 0xFFFFFFFF,
            self._fixed,
            counts,
        )
        self._end = _COUNTS_AT + count * self._sample_length

    def pack(self) -> bytes:
        """Return the payload, which the next `fill` changes."""
        return self._view[HEADER_LENGTH : self._end]  # type: ignore[return-value]

    def frame(self, sequence: int, payload: bytes, tag: bytes) -> bytes:
        """Return the frame of what was filled in last; `payload` is in it already."""
        frame = self._frame
        end = self._end
        frame[0] = VERSION << 4 | FLAG_TAG if tag else VERSION << 4
        struct.pack_into("<I", frame, _SEQUENCE_AT, sequence)
        if tag:
            frame[end : end + TAG_LENGTH] = tag
            end += TAG_LENGTH
        struct.pack_into("<I", frame, end, binascii.crc32(self._view[:end]))
        return enclose(bytes(self._view[: end + _CRC_LENGTH]))
