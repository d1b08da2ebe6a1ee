"""Frames on a byte line: SLIP escaping, a 6-byte header, an optional tag and a CRC-32.

```
 END | ver+flags | type | sequence | payload     | tag        | CRC-32 | END
 C0  |    u8     |  u8  |  u32     | 0..1024 B   | 0 or 8 B   |  u32   | C0
      <------------------- CRC-32 covers ------------------->
      <--------------- escaped: C0 -> DB DC, DB -> DB DD ------------->
```

All integers are little endian. The high nibble of the first byte is the version (1); bit 0
announces the authentication tag; the other bits are sent as zero and ignored. A frame opens
and closes with END, so rubbish on the line before it is cut off as a frame of its own.

Source of the escape bytes: RFC 1055, "A Nonstandard for Transmission of IP Datagrams over
Serial Lines: SLIP", 1988.
"""

import binascii
import struct

from protocol.errors import ProtocolError

VERSION = 1
MAX_PAYLOAD = 1024
TAG_LENGTH = 8
FLAG_TAG = 0x01
HEADER_LENGTH = 6

_HEADER = "<BBI"
_CRC_LENGTH = 4
_MAX_BODY = HEADER_LENGTH + MAX_PAYLOAD + TAG_LENGTH + _CRC_LENGTH
MAX_STUFFED = 2 * _MAX_BODY
"""Every byte of a body may be escaped: the worst case doubles it."""

_END = b"\xc0"
_ESC = b"\xdb"
_ESC_END = b"\xdb\xdc"
_ESC_ESC = b"\xdb\xdd"


class Frame:
    """One checked frame: its type, sequence number, payload and tag (empty when absent).

    `first` is the first byte as it came, with the bits that are ignored: a tag covers them.
    """

    __slots__ = ("first", "payload", "sequence", "tag", "type")

    def __init__(
        self,
        type_: int,
        sequence: int,
        payload: bytes,
        tag: bytes = b"",
        first: int = VERSION << 4 | FLAG_TAG,
    ) -> None:
        self.first = first
        self.type = type_
        self.sequence = sequence
        self.payload = payload
        self.tag = tag

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frame) and (
            (self.type, self.sequence, self.payload, self.tag)
            == (other.type, other.sequence, other.payload, other.tag)
        )

    def __hash__(self) -> int:
        return hash((self.type, self.sequence, self.payload, self.tag))

    def __repr__(self) -> str:
        return "Frame(0x%02x, %d, %d B)" % (self.type, self.sequence, len(self.payload))


def encode_frame(type_: int, sequence: int, payload: bytes, tag: bytes = b"") -> bytes:
    """Return one frame as it goes on the line, with END on both sides.

    Raises:
        ValueError: the payload is over 1024 bytes or the tag is neither empty nor 8 bytes
            (our own mistake, never the peer's).
    """
    if len(payload) > MAX_PAYLOAD:
        raise ValueError("payload of %d bytes, at most %d" % (len(payload), MAX_PAYLOAD))
    if tag and len(tag) != TAG_LENGTH:
        raise ValueError("tag of %d bytes, must be 0 or %d" % (len(tag), TAG_LENGTH))
    first = VERSION << 4 | FLAG_TAG if tag else VERSION << 4
    body = struct.pack(_HEADER, first, type_, sequence & 0xFFFFFFFF) + payload + tag
    body += struct.pack("<I", binascii.crc32(body))
    return enclose(body)


def enclose(body: bytes) -> bytes:
    """Return a body as it goes on the line: escaped, with END on both sides."""
    return _END.join((b"", body.replace(_ESC, _ESC_ESC).replace(_END, _ESC_END), b""))


def decode_body(stuffed: bytes) -> Frame:
    """Return the frame between two END bytes.

    Raises:
        ProtocolError: a bad escape, a wrong length, checksum or version.
    """
    escapes = stuffed.count(_ESC)
    if escapes and escapes != stuffed.count(_ESC_END) + stuffed.count(_ESC_ESC):
        raise ProtocolError("bad escape")
    body = stuffed.replace(_ESC_END, _END).replace(_ESC_ESC, _ESC) if escapes else stuffed
    if len(body) < HEADER_LENGTH + _CRC_LENGTH:
        raise ProtocolError("frame of %d bytes is too short" % len(body))
    (crc,) = struct.unpack("<I", body[-_CRC_LENGTH:])
    if binascii.crc32(body[:-_CRC_LENGTH]) & 0xFFFFFFFF != crc:
        raise ProtocolError("wrong checksum")
    first, type_, sequence = struct.unpack(_HEADER, body[:HEADER_LENGTH])
    if first >> 4 != VERSION:
        raise ProtocolError("version %d, not %d" % (first >> 4, VERSION))
    end = len(body) - _CRC_LENGTH
    tag = b""
    if first & FLAG_TAG:
        end -= TAG_LENGTH
        if end < HEADER_LENGTH:
            raise ProtocolError("tag announced, but not there")
        tag = body[end : end + TAG_LENGTH]
    if end - HEADER_LENGTH > MAX_PAYLOAD:
        raise ProtocolError("payload of %d bytes" % (end - HEADER_LENGTH))
    return Frame(type_, sequence, body[HEADER_LENGTH:end], tag, first)


class Deframer:
    """Cuts a byte stream into frames; any slicing of the stream gives the same frames.

    Holds at most `MAX_STUFFED` bytes. What is not a frame is counted, never raised:
    `rejected` counts stretches between END bytes that were no frame, `skipped` the bytes
    of stretches that were too long to be one.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipping = False
        self.rejected = 0
        self.skipped = 0

    def feed(self, data: bytes) -> "list[Frame]":
        """Take the next bytes of the line, return the frames that are whole now."""
        frames: "list[Frame]" = []
        position = 0
        while True:
            end = data.find(_END, position)
            if end < 0:
                self._keep(data[position:] if position else data)
                return frames
            self._keep(data[position:end])
            position = end + 1
            frame = self._close()
            if frame is not None:
                frames.append(frame)

    def _keep(self, piece: bytes) -> None:
        if not self._skipping and len(self._buffer) + len(piece) <= MAX_STUFFED:
            self._buffer.extend(piece)
            return
        self.skipped += len(self._buffer) + len(piece)
        self._skipping = True
        self._buffer = bytearray()

    def _close(self) -> "Frame | None":
        stuffed = bytes(self._buffer)
        if stuffed:
            self._buffer = bytearray()
        skipped = self._skipping
        self._skipping = False
        if skipped or not stuffed:
            self.rejected += skipped
            return None
        try:
            return decode_body(stuffed)
        except ProtocolError:
            self.rejected += 1
            return None
