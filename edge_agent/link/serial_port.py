"""A serial port on the event loop (pyserial opens and configures it, the loop reads it)."""

import asyncio
import errno
import os
from collections.abc import Callable

import serial

from edge_agent.link.link import LinkError

READ_BYTES = 16_384
MAX_UNSENT = 65_536
"""More than this unsent means that nobody reads: the line is called broken."""


class SerialPort:
    """An exclusively locked serial port."""

    def __init__(self, path: str, baud: int) -> None:
        """Open the port.

        Raises:
            LinkError: it is not there, is in use, or is no serial port.
        """
        try:
            self._port = serial.Serial(path, baud, timeout=0, exclusive=True)
        except (OSError, ValueError) as error:
            raise LinkError(f"{path}: {_reason(error)}") from None
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._fd: int = self._port.fileno()
        self._unsent = bytearray()
        self._on_bytes: Callable[[bytes], None] | None = None
        self._on_lost: Callable[[str], None] | None = None
        self.bytes_read = 0
        self.bytes_written = 0

    @property
    def fd(self) -> int:
        """Return the file descriptor, -1 once closed."""
        return self._fd

    @property
    def is_closed(self) -> bool:
        """Return True once the port is closed or lost."""
        return self._fd < 0

    def start(self, on_bytes: Callable[[bytes], None], on_lost: Callable[[str], None]) -> None:
        """Begin to read; `on_lost` is called once when the line breaks, with the reason."""
        self._on_bytes, self._on_lost = on_bytes, on_lost
        self._loop.add_reader(self._fd, self._readable)

    def write(self, data: bytes) -> None:
        """Send bytes; what the line cannot take at once waits in a bounded buffer."""
        if self._on_lost is None:
            return
        if not self._unsent:
            data = data[self._send(data) :]
            if not data:
                return
            self._loop.add_writer(self._fd, self._writable)
        self._unsent += data
        if len(self._unsent) > MAX_UNSENT:
            self._lose("nobody reads the other end")

    def close(self) -> None:
        """Close the line; no callback comes after this."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._fd = -1
            self._port.close()
        self._on_bytes = self._on_lost = None

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error.strerror or str(error))
            return
        if not data:
            self._lose("unplugged")
        elif self._on_bytes is not None:
            self.bytes_read += len(data)
            self._on_bytes(data)

    def _writable(self) -> None:
        sent = self._send(bytes(self._unsent))
        del self._unsent[:sent]
        if not self._unsent and self._fd >= 0:
            self._loop.remove_writer(self._fd)

    def _send(self, data: bytes) -> int:
        try:
            sent = os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._lose(error.strerror or str(error))
            return len(data)
        self.bytes_written += sent
        return sent

    def _lose(self, reason: str) -> None:
        on_lost = self._on_lost
        self.close()
        if on_lost is not None:
            on_lost(f"{self._path}: {reason}")


def _reason(error: OSError | ValueError) -> str:
    """Return why a port could not be opened, without pyserial's repetitions."""
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EAGAIN, errno.EBUSY):
        return "in use by another program"
    return os.strerror(number) if number else str(error)
