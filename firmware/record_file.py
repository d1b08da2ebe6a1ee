"""One record on the flash: its file, whole or not there.

```
 0000002a.rec   "AZR1" | u8 rank | 3x | u32 peak | u32 length | payload | u32 CRC-32
                <------------------------ CRC-32 covers ------------------>
```
The payload is a packed Event or Impact; both begin with 8s boot id, u32 seq.
"""

import binascii
import os
import struct

from firmware import flash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

SUFFIX = ".rec"
DAMAGED = ".bad"

_MAGIC = b"AZR1"
_HEADER = "<4sB3xII"
_HEADER_LENGTH = 16
_NAME = "<8sI"
_NAME_LENGTH = 12
_MAX_DAMAGED = 8
_PIECE = 256


def write(
    path: str, rank: int, peak: int, head: bytes, samples: "list[memoryview]", length: int
) -> None:
    """Write a record; `length` bytes of payload are `head` and then `samples`.

    Raises:
        OSError: the flash is full or failing.
    """
    pieces: "list[bytes | memoryview]" = []
    pieces.append(struct.pack(_HEADER, _MAGIC, rank, peak, length))
    pieces.append(head)
    pieces.extend(samples)
    crc = 0
    for piece in pieces:
        crc = binascii.crc32(piece, crc)
    pieces.append(struct.pack("<I", crc & 0xFFFFFFFF))
    flash.write_file(path, pieces, _HEADER_LENGTH + length + 4)


def read(path: str, first: int, rest: int) -> "list[bytes]":
    """Return the payload in pieces, one of `first` bytes and the others of `rest`.

    An empty list: the file is damaged or not there.
    """
    pieces: "list[bytes]" = []
    try:
        with open(path, "rb") as file:
            header = file.read(_HEADER_LENGTH)
            if len(header) != _HEADER_LENGTH:
                return []
            left = struct.unpack(_HEADER, header)[3]
            crc = binascii.crc32(header)
            size = first
            while left > 0:
                piece = file.read(min(size, left))
                if not piece:
                    return []
                crc = binascii.crc32(piece, crc)
                pieces.append(piece)
                left -= len(piece)
                size = rest
            return pieces if _ends_with(file, crc) else []
    except OSError:
        return []


def check(path: str, ranks: "tuple[int, ...]") -> "tuple[int, bytes, int, int] | None":
    """Return (rank, boot id, seq, peak) of a whole file, None when it is damaged."""
    try:
        with open(path, "rb") as file:
            header = file.read(_HEADER_LENGTH)
            name = file.read(_NAME_LENGTH)
            if len(header) + len(name) != _HEADER_LENGTH + _NAME_LENGTH:
                return None
            magic, rank, peak, left = struct.unpack(_HEADER, header)
            boot_id, seq = struct.unpack(_NAME, name)
            if magic != _MAGIC or rank not in ranks:
                return None
            crc = binascii.crc32(name, binascii.crc32(header))
            left -= len(name)
            while left > 0:
                piece = file.read(min(_PIECE, left))
                if not piece:
                    return None
                crc = binascii.crc32(piece, crc)
                left -= len(piece)
            return (rank, boot_id, seq, peak) if _ends_with(file, crc) else None
    except OSError:
        return None


def set_aside(folder: str, name: str) -> None:
    """Keep a damaged file for whoever repairs the unit; never more than a few."""
    path = folder + "/" + name
    try:
        kept = 0
        for other in os.listdir(folder):
            kept += other.endswith(DAMAGED)
        if kept < _MAX_DAMAGED:
            os.rename(path, path + DAMAGED)
        else:
            os.remove(path)
    except OSError:
        pass


def _ends_with(file: "BinaryIO", crc: int) -> bool:
    return file.read() == struct.pack("<I", crc & 0xFFFFFFFF)
