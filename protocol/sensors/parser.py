"""Cuts the bytes of a serial sensor into frames and finds its way again after damage.

```
 ...noise | header .. frame .. | header .. damaged .. header .. frame .. | header .. cut
            `- taken             `- rejected: search on from its second byte
```
One subclass a framing says how a frame is measured and opened. Any slicing of the stream gives
the same frames and the same counts.

A damaged length makes the parser wait for bytes that never come. On a line that then stays
silent the next good frame would wait with it, so whoever reads the line calls `flush()` after
a silence that no frame contains (100 ms at 115200 baud and above).
"""

from protocol.errors import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PIECE = 256
"""Bytes taken at a time: what is held is at most a frame and a piece."""


class Frame:
    """One checked frame: what it is, its payload, and where in the stream it was.

    `number` is the frame's own number where the framing has one, else 0. `kind` is a code of
    the framing: see there.
    """

    __slots__ = ("end", "kind", "number", "offset", "payload")

    def __init__(self, kind: int, payload: bytes, number: int = 0) -> None:
        self.kind = kind
        self.payload = payload
        self.number = number
        self.offset = 0
        self.end = 0

    def __repr__(self) -> str:
        return "Frame(0x%04x, %d B at %d)" % (self.kind, len(self.payload), self.offset)


class Parser:
    """The part that all framings share. Subclasses give the three members below.

    `rejected` counts headers whose frame was damaged or cut off, `skipped` the bytes that are
    in no frame. `on_reject` is told the offset and the reason of each rejection.
    """

    HEADERS: "tuple[bytes, ...]" = ()

    def __init__(self, on_reject: "Callable[[int, str], object] | None" = None) -> None:
        self._on_reject = on_reject
        self._rest = b""
        self._offset = 0
        self._overlap = max(len(header) for header in self.HEADERS) - 1
        self.rejected = 0
        self.skipped = 0

    def feed(self, data: "bytes | bytearray | memoryview") -> "list[Frame]":
        """Take the next bytes of the line, return the frames that are whole now."""
        frames: "list[Frame]" = []
        for start in range(0, len(data), PIECE):
            self._rest += bytes(data[start : start + PIECE])
            self._cut(frames, False)
        return frames

    def flush(self) -> "list[Frame]":
        """Give up what waits, after a silence; return the frames that lay within it."""
        frames: "list[Frame]" = []
        self._cut(frames, True)
        return frames

    def _measure(self, buffer: bytes, at: int) -> int:
        """Return the length of the whole frame at `at`, 0 when it needs more bytes to tell.

        Raises:
            ProtocolError: it is none.
        """
        raise NotImplementedError

    def _open(self, buffer: bytes, at: int, size: int) -> Frame:
        raise NotImplementedError

    def _cut(self, frames: "list[Frame]", is_end: bool) -> None:
        buffer = self._rest
        at = 0
        while True:
            found = self._seek(buffer, at)
            if found < 0:
                found = len(buffer) if is_end else max(at, len(buffer) - self._overlap)
            self.skipped += found - at
            at = found
            if at == len(buffer):
                break
            try:
                size = self._measure(buffer, at)
                if not size and is_end:
                    raise ProtocolError("cut off after %d bytes" % (len(buffer) - at))
            except ProtocolError as error:
                self.rejected += 1
                self.skipped += 1
                if self._on_reject is not None:
                    self._on_reject(self._offset + at, str(error))
                at += 1
                continue
            if not size:
                break
            frame = self._open(buffer, at, size)
            frame.offset = self._offset + at
            frame.end = frame.offset + size
            frames.append(frame)
            at += size
        self._rest = buffer[at:]
        self._offset += at

    def _seek(self, buffer: bytes, at: int) -> int:
        first = -1
        for header in self.HEADERS:
            found = buffer.find(header, at)
            if found >= 0 and (first < 0 or found < first):
                first = found
        return first
