# ruff: noqa: D102 (documented in board.py)
"""The line to the agent on a UART of its own; the console stays on USB for the installer."""

import errno
import io
import select

from machine import UART

from firmware.boards.board import uart_buffer_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.boards.board import Buffer

LINK_BAUD = 115_200

_POLL = 3  # MP_STREAM_POLL
_MAX_WRITE = 256
"""At once: 22 ms at 115200 baud, should the driver have no room for it."""


class UartLink(io.IOBase):
    """A wire cannot hang up: `open` is always true, and the session sees who is there."""

    def __init__(self, number: int, tx: int, rx: int) -> None:
        size = uart_buffer_bytes(LINK_BAUD)
        self._uart = UART(number, LINK_BAUD, tx=tx, rx=rx, rxbuf=size, txbuf=size, timeout=0)

    def open(self) -> bool:
        return True

    def readinto(self, buf: "Buffer") -> "int | None":
        return self._uart.readinto(buf)

    def write(self, buf: "bytes | memoryview") -> "int | None":
        return self._uart.write(memoryview(buf)[:_MAX_WRITE])

    def ioctl(self, request: int, argument: int) -> int:
        """Tell MicroPython's poll what is ready; the UART's own poll is not ours to call."""
        if request != _POLL:
            return -errno.EINVAL
        ready = select.POLLOUT
        if self._uart.any():
            ready |= select.POLLIN
        return argument & ready
