"""Files that survive a power cut: write aside, then rename over the old one.

littlefs (and POSIX) rename is atomic: after a cut at any moment the name shows either the
whole old file or the whole new one, and at most one `.tmp` lies beside it.
"""

import binascii
import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

TEMPORARY = ".tmp"
_MAX_TEXT = 8192


def make_folder(path: str) -> None:
    """Make a folder unless it is there."""
    try:
        os.mkdir(path)
    except OSError:
        os.listdir(path)  # raises when it is not a folder


def write_file(path: str, pieces: "Iterable[bytes | memoryview]", length: int) -> None:
    """Put the joined pieces, `length` bytes in all, under `path`: wholly or not at all.

    Raises:
        OSError: the flash is full or failing; the old file is still there.
    """
    temporary = path + TEMPORARY
    try:
        with open(temporary, "wb") as file:
            for piece in pieces:
                length -= file.write(piece)
        if length:
            raise OSError(28)  # ENOSPC
        os.rename(temporary, path)
    except OSError:
        remove_file(temporary)
        raise


def remove_file(path: str) -> None:
    """Remove a file; one that is not there or cannot be removed is left."""
    try:
        os.remove(path)
    except OSError:
        pass


def read_text(path: str) -> "str | None":
    """Return the text of a file, or None when there is none or it is not text."""
    try:
        with open(path, "rb") as file:
            return str(file.read(_MAX_TEXT), "utf-8")
    except (OSError, UnicodeError):
        return None


def write_checked(path: str, text: str) -> None:
    """Write a text whose damage `read_checked` will see."""
    data = text.encode()
    head = b"%08x\n" % (binascii.crc32(data) & 0xFFFFFFFF)
    write_file(path, (head, data), len(head) + len(data))


def read_checked(path: str) -> "object | None":
    """Return the JSON value that `write_checked` stored, or None: not there or damaged."""
    text = read_text(path)
    if text is None or text[8:9] != "\n":
        return None
    body = text[9:]
    if text[:8] != "%08x" % (binascii.crc32(body.encode()) & 0xFFFFFFFF):
        return None
    try:
        value: object = json.loads(body)
    except ValueError:
        return None
    return value
