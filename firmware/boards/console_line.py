# ruff: noqa: D102 (documented in board.py)
"""The line to the agent on the board's console: USB, or UART0 behind its bridge.

The console is taken off: no Ctrl-C, no copies. Its receive buffer has 260 B, fixed; the agent
sends at most 200 B at once, acknowledged. What the firmware prints goes between two frames and
is cut off there as a frame of its own.

Ref: MicroPython ports/esp32/machine_uart.c ("REPL UART buffer size is fixed"), mphalport.c
(`stdin_ringbuf_array[260]`), shared/runtime/sys_stdio_mphal.c (a read of n bytes blocks until
n have come, so bytes are read one at a time, each after a poll).
"""

import errno
import io
import os
import select
import sys

import micropython

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.boards.board import Buffer

_POLL = 3  # MP_STREAM_POLL
_MAX_WRITE = 256


class ConsoleLink(io.IOBase):
    """The console's bytes, with the console taken off."""

    def __init__(self) -> None:
        micropython.kbd_intr(-1)  # a byte 03 is data from now on
        for slot in (0, 1):
            try:
                os.dupterm(None, slot)
            except (ValueError, OSError):
                pass  # the board has fewer slots
        self._input = sys.stdin.buffer
        self._output = sys.stdout.buffer
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)

    def open(self) -> bool:
        return True

    def readinto(self, buf: "Buffer") -> "int | None":
        view = memoryview(buf)
        count = 0
        while count < len(view) and self._has_input():
            self._input.readinto(view[count : count + 1])
            count += 1
        return count or None

    def write(self, buf: "bytes | memoryview") -> "int | None":
        return self._output.write(memoryview(buf)[:_MAX_WRITE])

    def ioctl(self, request: int, argument: int) -> int:
        """Tell MicroPython's poll what is ready."""
        if request != _POLL:
            return -errno.EINVAL
        ready = select.POLLOUT
        if self._has_input():
            ready |= select.POLLIN
        return argument & ready

    def _has_input(self) -> bool:
        return bool(self._poll.poll(0))
