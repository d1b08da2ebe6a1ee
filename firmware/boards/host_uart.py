# ruff: noqa: D102 (documented in board.py)
"""A module on a serial line of the MicroPython VM: timed bytes from a file.

```
 file    u32 ms of uptime | u16 count | bytes, again and again, in order of time
 buffer  as large as a board's; what does not fit is lost, the newest first
```
A row of `uart` in `host.json` (times in ms of uptime, frames in hex; only `play` is needed):

| key | what |
|---|---|
| `play` | the file |
| `start_ms` | is added to its times |
| `written` | file for what the unit writes: `{"t": 120, "hex": "..."}`, one line a call |
| `answers` | frame written: bytes that come 20 ms later |
| `silent` | [[from, to]]: nothing comes, and nothing is answered |
| `hangs` | [ms]: silent from there on, until it is started anew |
| `restart` | the frame that starts it anew |
| `power` | true: the board can switch its supply (output `radar_power`) |
| `boot_ms`, `boots` | silent for so long after a start, then these bytes |
"""

import binascii
import json
import struct

from firmware.boards.board import uart_buffer_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NotRequired, TypedDict

    from firmware.boards.board import Buffer

    class UartRow(TypedDict):
        """A line in `host.json`."""

        play: str
        start_ms: NotRequired[int]
        written: NotRequired[str]
        answers: NotRequired[dict[str, str]]
        silent: NotRequired[list[tuple[int, int]]]
        hangs: NotRequired[list[int]]
        restart: NotRequired[str]
        power: NotRequired[bool]
        boot_ms: NotRequired[int]
        boots: NotRequired[str]


_ANSWER_MS = 20
_HEAD = "<IH"


class HostUart:
    """One line; the module's side of it is worked out when the unit reads."""

    def __init__(self, row: "UartRow", baud: int, now_ms: "Callable[[], int]") -> None:
        self._row = row
        self._now_ms = now_ms
        self._size = uart_buffer_bytes(baud)
        self._file = open(row["play"], "rb")  # noqa: SIM115 (as long as the board)
        self._start_ms = row.get("start_ms", 0)
        self._buffer = b""
        self._answers: "list[tuple[int, bytes]]" = []
        self._hangs = list(row.get("hangs", ()))
        self._mute_until_ms = -1
        self._is_on = True
        self._head: "tuple[int, int] | None" = None
        self.lost = 0
        """Bytes that found the buffer full."""
        self._read_head()

    def readinto(self, buf: "Buffer") -> "int | None":
        self._catch_up()
        count = min(len(buf), len(self._buffer))
        if not count:
            return None
        memoryview(buf)[:count] = self._buffer[:count]
        self._buffer = self._buffer[count:]
        return count

    def write(self, buf: "bytes | memoryview") -> "int | None":
        self._catch_up()
        now = self._now_ms()
        text = str(binascii.hexlify(bytes(buf)), "ascii")
        path = self._row.get("written")
        if path:
            with open(path, "a") as file:
                file.write(json.dumps({"t": now, "hex": text}) + "\n")
        if self._is_on and text == self._row.get("restart"):
            self._boot(now)
        elif text in self._row.get("answers", {}) and not self._is_mute(now):
            answer = binascii.unhexlify(self._row["answers"][text])
            self._answers.append((now + _ANSWER_MS, answer))
        return len(buf)

    def switch(self, level: int) -> None:
        """Switch the module's supply."""
        self._catch_up()
        if level and not self._is_on:
            self._boot(self._now_ms())
        self._is_on = bool(level)

    def _boot(self, now: int) -> None:
        """Start anew: what hung until now does so no more."""
        self._mute_until_ms = now + self._row.get("boot_ms", 0)
        self._answers = [(self._mute_until_ms, binascii.unhexlify(self._row.get("boots", "")))]
        while self._hangs and self._hangs[0] <= now:
            self._hangs.pop(0)

    def _is_mute(self, at_ms: int) -> bool:
        if not self._is_on or at_ms < self._mute_until_ms:
            return True
        for begin, end in self._row.get("silent", ()):
            if begin <= at_ms < end:
                return True
        return bool(self._hangs) and self._hangs[0] <= at_ms

    def _catch_up(self) -> None:
        """Let everything come that has been sent by now, in order of time."""
        now = self._now_ms()
        while True:
            if self._answers and (self._head is None or self._answers[0][0] <= self._head[0]):
                at_ms, data = self._answers[0]
                if at_ms > now:
                    return
                self._answers.pop(0)
            elif self._head is not None and self._head[0] <= now:
                at_ms, count = self._head
                data = self._file.read(count)
                self._read_head()
            else:
                return
            if not self._is_mute(at_ms):
                room = self._size - len(self._buffer)
                self.lost += max(0, len(data) - room)
                self._buffer += data[:room]

    def _read_head(self) -> None:
        head = self._file.read(struct.calcsize(_HEAD))
        self._head = None
        if len(head) == struct.calcsize(_HEAD):
            ms, count = struct.unpack(_HEAD, head)
            self._head = (ms + self._start_ms, count)
