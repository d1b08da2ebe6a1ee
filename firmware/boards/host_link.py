# ruff: noqa: D102 (documented in board.py)
"""The link of the MicroPython VM: a pty that may hang up and come back.

Every byte is counted for lockstep virtual time, where there is one.
"""

import errno
import io
import select

try:
    import lockstep  # type: ignore[import-not-found]
except ImportError:
    lockstep = None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.boards.board import Buffer

_GET_FILENO = 10
_MAX_WRITE = 512
"""A pty that says it is writable takes this much at once without blocking."""


class HostLink(io.IOBase):
    """A pty that may hang up and come back; set raw by whoever made it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: "io.FileIO | None" = None
        self._poll = select.poll()

    def open(self) -> bool:
        if self._file is None:
            try:
                self._file = open(self._path, "r+b", buffering=0)  # noqa: SIM115
            except OSError:
                return False
            self._poll.register(self._file, select.POLLOUT)
        if self._flags() & (select.POLLHUP | select.POLLERR):
            self._hang_up()
        return self._file is not None

    def readinto(self, buf: "Buffer") -> "int | None":
        if self._file is None:
            return None
        try:
            count: "int | None" = self._file.readinto(buf)
        except OSError:
            count = None
        if not count:
            self.open()  # sees whether the other side has hung up
            return None
        if lockstep is not None:
            lockstep.line_read += count
        return count

    def write(self, buf: "bytes | memoryview") -> "int | None":
        if self._file is None or not self._flags() & select.POLLOUT:
            return 0
        try:
            count: "int | None" = self._file.write(memoryview(buf)[:_MAX_WRITE])
        except OSError:
            self._hang_up()
            return 0
        if count and lockstep is not None:
            lockstep.line_written += count
        return count

    def ioctl(self, request: int, argument: int) -> int:
        """Tell MicroPython's poll which file descriptor stands behind this object."""
        if request == _GET_FILENO and self._file is not None:
            return int(self._file.fileno())
        return -errno.EINVAL

    def _flags(self) -> int:
        for entry in self._poll.poll(0):
            return int(entry[1])
        return 0

    def _hang_up(self) -> None:
        if self._file is not None:
            self._poll.unregister(self._file)
            self._file.close()
            self._file = None
