r"""A bundle: one version of a unit's program in one signed file.

```
 "ANZB1\n"  | head length | head (JSON lines) | signature | the files, one after another
    6 B    |     u32     |   at most 16 KiB  |  384 B    |
 <----------- what is signed --------------->
 <------------------------- front -------------------->
```
The head's first line says what it is, each other line is one file, the names ascending:

```json
{"version": "0.2.0", "build": 2, "code": "mpy6", "boards": ["esp32"], "protocol": 1}
["firmware/app.mpy", 4123, "<SHA-256 in hex>"]
```
`build` only grows: a unit takes no bundle whose build is not above every one it has proven.
`code` is `py`, or `mpy` and the version of the bytecode; `boards` are names as `sys.platform`;
`protocol` is the lowest version of the wire that the new program speaks. The signature is
RSASSA-PKCS1-v1_5 with SHA-256 and a key of 3072 bits (RFC 8017, section 8.2): what
`openssl dgst -sha256 -sign` writes.

A unit reads the head line by line, from its flash, and only after its signature: no length or
name of a stranger's is ever looked at. The limits below bind whoever signs, too.
"""

import json
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAGIC = b"ANZB1\n"
SIGNATURE_LENGTH = 384
PREFIX_LENGTH = len(MAGIC) + 4
MAX_HEAD = 16_384
MAX_LINE = 256
MAX_FILES = 160
MAX_FILE = 65_536
MAX_TOTAL = 1_048_576
MAX_NAME = 64
MAX_VERSION = 32

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"
_HEX = "0123456789abcdef"
_FOLDERS = ("firmware", "protocol")


class BundleError(Exception):
    """A bundle is not one, or not one for this unit."""


class About:
    """What a bundle says of itself."""

    def __init__(
        self, version: str, build: int, code: str, boards: "list[str]", protocol: int
    ) -> None:
        self.version = version
        self.build = build
        self.code = code
        self.boards = boards
        self.protocol = protocol


class Entry:
    """One file of a bundle."""

    def __init__(self, name: str, size: int, sha256: str) -> None:
        self.name = name
        self.size = size
        self.sha256 = sha256


def pack_prefix(head_length: int) -> bytes:
    """Return the bytes before the head."""
    return MAGIC + struct.pack("<I", head_length)


def read_prefix(prefix: bytes) -> int:
    """Return the length of the head.

    Raises:
        BundleError: these are not the first bytes of a bundle.
    """
    if len(prefix) < PREFIX_LENGTH or not prefix.startswith(MAGIC):
        raise BundleError("not a bundle")
    (length,) = struct.unpack("<I", prefix[len(MAGIC) : PREFIX_LENGTH])
    if not 0 < length <= MAX_HEAD:
        raise BundleError("head of %d bytes" % length)
    return int(length)


def front_length(head_length: int) -> int:
    """Return how many bytes lie before the first file."""
    return PREFIX_LENGTH + head_length + SIGNATURE_LENGTH


def read_about(line: bytes) -> About:
    """Return what the first line of a head says.

    Raises:
        BundleError: it is not as it must be.
    """
    value = _json(line)
    if not isinstance(value, dict):
        raise BundleError("first line: not a JSON object")
    version, build, code = value.get("version"), value.get("build"), value.get("code")
    boards, protocol = value.get("boards"), value.get("protocol")
    if not isinstance(version, str) or not 1 <= len(version) <= MAX_VERSION:
        raise BundleError("first line: version")
    if code != "py" and not (isinstance(code, str) and code[:3] == "mpy" and code[3:].isdigit()):
        raise BundleError("first line: code")
    if not isinstance(boards, list) or not all(isinstance(board, str) for board in boards):
        raise BundleError("first line: boards")
    return About(
        version,
        _whole(build, 0x7FFFFFFF, "first line: build"),
        code,
        boards,
        _whole(protocol, 255, "first line: protocol"),
    )


def read_entries(lines: "Iterable[bytes]", code: str) -> "Iterator[Entry]":
    """Yield the files of a head, each checked, after its first line.

    Ascending names need no memory to be seen to be different ones.

    Raises:
        BundleError: a line is not as it must be, or there are too many.
    """
    suffix = ".py" if code == "py" else ".mpy"
    last, count, total = "", 0, 0
    for line in lines:
        value = _json(line)
        if not isinstance(value, list) or len(value) != 3:
            raise BundleError("not a file's line")
        name, size, sha256 = value
        check_name(name, suffix)
        if name <= last:
            raise BundleError("%s: not after %s" % (name, last))
        size = _whole(size, MAX_FILE, "%s: size" % name)
        if not isinstance(sha256, str) or len(sha256) != 64 or not _consists(sha256, _HEX):
            raise BundleError("%s: SHA-256" % name)
        last, count, total = name, count + 1, total + size
        if count > MAX_FILES or total > MAX_TOTAL:
            raise BundleError("%d files of %d bytes are too much" % (count, total))
        yield Entry(name, size, sha256)
    if not count:
        raise BundleError("no files")


def check_name(name: object, suffix: str) -> None:
    """Check the name of a file: small letters in known folders, nothing that leads elsewhere.

    Raises:
        BundleError: it is not one.
    """
    if not isinstance(name, str) or len(name) > MAX_NAME or not name.endswith(suffix):
        raise BundleError("name %r" % (name,))
    folders = name[: -len(suffix)].split("/")
    if len(folders) < 2 or folders[0] not in _FOLDERS:
        raise BundleError("name %r" % name)
    for folder in folders:
        if not folder or not _consists(folder, _LETTERS):
            raise BundleError("name %r" % name)


def _json(line: bytes) -> object:
    if not 0 < len(line) <= MAX_LINE or line[-1:] != b"\n":
        raise BundleError("line of %d bytes" % len(line))
    try:
        return json.loads(line)
    except (ValueError, UnicodeError):
        raise BundleError("a line is not JSON") from None


def _whole(value: object, most: int, what: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most:
        return value
    raise BundleError(what)


def _consists(text: str, letters: str) -> bool:
    return all(letter in letters for letter in text)
