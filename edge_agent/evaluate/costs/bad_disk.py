"""A disk that is slow, full, failing or watched: a layer between SQLite and the real files.

```
 outbox -> sqlite3 -> BadDisk: wait at fsync, refuse, write down -> the operating system's VFS
```
Inside `with BadDisk() as disk`, every database that this process opens goes through it. Nothing
of the outbox knows. For tests and measurements only.

Source: "The SQLite OS Interface or VFS", sqlite.org/vfs.html; structures from sqlite3.h.
"""

import ctypes
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any

_POINTER = ctypes.c_void_p
_OPEN = ctypes.CFUNCTYPE(
    ctypes.c_int, _POINTER, _POINTER, _POINTER, ctypes.c_int, ctypes.POINTER(ctypes.c_int)
)
"""The name is a pointer, not bytes: SQLite keeps it, and keeps more behind its end."""
_DELETE = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _POINTER, ctypes.c_int)
_READ = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _POINTER, ctypes.c_int, ctypes.c_int64)
_TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, ctypes.c_int64)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, ctypes.c_int)

_ENTERED: list["BadDisk"] = []
"""Kept for ever: a database that is closed late still calls its layer."""
_OK = 0
_CANTOPEN = 14


class Fault(IntEnum):
    """What SQLite is told instead of success."""

    NONE = 0
    FULL = 13
    READ_ONLY = 8
    WRITE = 778
    """SQLITE_IOERR_WRITE"""
    SYNC = 1034
    """SQLITE_IOERR_FSYNC"""
    READ = 266
    """SQLITE_IOERR_READ; nothing can be written either."""


class AbsentError(Exception):
    """This Python has SQLite built in: there is no way in between."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that was done to a file: `write`, `truncate`, `sync`, `delete`, or a `mark`."""

    kind: str
    path: str
    offset: int = 0
    data: bytes = b""


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_int),
        ("file_bytes", ctypes.c_int),
        ("max_path", ctypes.c_int),
        ("next", _POINTER),
        ("name", ctypes.c_char_p),
        ("app_data", _POINTER),
        ("open", _OPEN),
        ("delete", _DELETE),
        ("rest", _POINTER * 16),
    )


class _Methods(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_int),
        ("close", _POINTER),
        ("read", _READ),
        ("write", _READ),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        ("rest", _POINTER * 13),
    )


class _File(ctypes.Structure):
    _fields_ = (("methods", ctypes.POINTER(_Methods)),)


class BadDisk:
    """The layer.

    Attributes:
        sync_s: how long every fsync takes longer than it does.
        hold: while it is cleared, an fsync does not return.
        fault: what happens to whatever would change a file (and reads, for `Fault.READ`).
        after: only so many writes later does the fault begin.
        syncs: how many fsyncs there were.
        log: every change, when the layer was made with `keep_log`.
    """

    def __init__(self, sync_s: float = 0.0, *, keep_log: bool = False) -> None:
        self.sync_s = sync_s
        self.hold = threading.Event()
        self.hold.set()
        self.fault = Fault.NONE
        self.after = 0
        self.syncs = 0
        self.log: list[Operation] = []
        self._keep_log = keep_log
        self._paths: dict[int, str] = {}
        self._copies: dict[int, _Methods] = {}
        self._kept: list[Any] = []

    def __enter__(self) -> "BadDisk":
        _ENTERED.append(self)
        self._library = _library()
        find = self._library.sqlite3_vfs_find
        find.restype, find.argtypes = ctypes.POINTER(_Vfs), (ctypes.c_char_p,)
        self._real = find(None)
        self._vfs = _Vfs.from_buffer_copy(self._real.contents)
        self._vfs.name = b"bad-disk"
        self._vfs.open, self._vfs.delete = _OPEN(self._open), _DELETE(self._delete)
        self._register(ctypes.byref(self._vfs))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._register(self._real)
        self._library.sqlite3_vfs_unregister(ctypes.byref(self._vfs))

    def mark(self, text: str) -> None:
        """Write a word of one's own into the log."""
        self.log.append(Operation("mark", text))

    def _register(self, vfs: Any) -> None:
        if self._library.sqlite3_vfs_register(vfs, 1) != _OK:
            raise AbsentError("SQLite does not take the layer")

    def _note(self, kind: str, path: str, offset: int = 0, data: bytes = b"") -> None:
        if self._keep_log:
            self.log.append(Operation(kind, path, offset, data))

    def _refusal(self) -> int:
        """Return the code for something that would change a file, 0 to let it through."""
        if self.fault is not Fault.NONE and self.after > 0:
            self.after -= 1
            return _OK
        return int(self.fault)

    def _open(self, vfs: int, name: int | None, file: int, flags: int, out: Any) -> int:
        if self.fault is Fault.READ:
            return _CANTOPEN
        real = self._real.contents
        code = int(real.open(ctypes.addressof(real), name, file, flags, out))
        handle = _File.from_address(file)
        if code == _OK and handle.methods:
            self._paths[file] = ctypes.string_at(name).decode() if name else ""
            handle.methods = ctypes.pointer(self._copy_of(handle.methods.contents))
        return code

    def _delete(self, vfs: int, name: int, sync: int) -> int:
        real = self._real.contents
        path = ctypes.string_at(name).decode()
        code = int(real.delete(ctypes.addressof(real), name, sync))
        self._note("delete", path)
        if sync:
            self._note("sync", path)
        return code

    def _copy_of(self, real: _Methods) -> _Methods:
        """Return the methods of a file with ours in front; one copy for each kind of file."""
        at = ctypes.addressof(real)
        if at not in self._copies:
            copy = _Methods.from_buffer_copy(real)
            copy.read = _READ(self._reader(real))
            copy.write = _READ(self._writer(real))
            copy.truncate = _TRUNCATE(self._truncater(real))
            copy.sync = _SYNC(self._syncer(real))
            self._copies[at] = copy
            self._kept.append(real)
        return self._copies[at]

    def _reader(self, real: _Methods) -> Callable[[int, int, int, int], int]:
        read = real.read

        def run(file: int, buffer: int, count: int, offset: int) -> int:
            if self.fault is Fault.READ:
                return int(Fault.READ)
            return int(read(file, buffer, count, offset))

        return run

    def _writer(self, real: _Methods) -> Callable[[int, int, int, int], int]:
        write = real.write

        def run(file: int, buffer: int, count: int, offset: int) -> int:
            if self.fault is not Fault.SYNC and (refusal := self._refusal()):
                return refusal
            self._note("write", self._paths[file], offset, ctypes.string_at(buffer, count))
            return int(write(file, buffer, count, offset))

        return run

    def _truncater(self, real: _Methods) -> Callable[[int, int], int]:
        truncate = real.truncate

        def run(file: int, size: int) -> int:
            if refusal := self._refusal():
                return refusal
            self._note("truncate", self._paths[file], size)
            return int(truncate(file, size))

        return run

    def _syncer(self, real: _Methods) -> Callable[[int, int], int]:
        sync = real.sync

        def run(file: int, flags: int) -> int:
            self.syncs += 1
            self.hold.wait()
            if self.sync_s:
                time.sleep(self.sync_s)
            if self.fault in (Fault.SYNC, Fault.WRITE, Fault.READ) and (refusal := self._refusal()):
                return refusal
            self._note("sync", self._paths[file])
            return int(sync(file, flags))

        return run


def _library() -> ctypes.CDLL:
    """Return the SQLite that Python's sqlite3 uses."""
    import _sqlite3

    library = ctypes.CDLL(str(Path(_sqlite3.__file__)) if hasattr(_sqlite3, "__file__") else None)
    if not hasattr(library, "sqlite3_vfs_find"):
        raise AbsentError("Python's SQLite cannot be reached from outside")
    return library
