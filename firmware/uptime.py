"""The unit's time: a 48-bit uptime out of wrapping ticks, and UTC.

```
 ticks_ms   .. 2^30-1 | 0 1 2 ..      wraps every 12.4 days
 uptime     0 1 2 3 4 5 6 7 8 ..      counts on (and is 0 when the clock is made)
 UTC        uptime + offset           offset told by the agent; 0 while it is not known
```
"""

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.boards.board import Board

_TICKS_MASK = (1 << 30) - 1
"""MicroPython's ticks_ms is 30 bits on a 32-bit port: TICKS_PERIOD is 2^30."""


class Clock:
    """Uptime and UTC. `now_ms` must be called more often than every 12 days."""

    def __init__(self, board: "Board") -> None:
        self._ticks_ms = board.ticks_ms
        self._last = self._ticks_ms()
        self._uptime_ms = 0
        self._offset_ms = 0
        self.quality = 0

    def now_ms(self) -> int:
        """Return milliseconds since the start; never goes back."""
        ticks = self._ticks_ms()
        self._uptime_ms += (ticks - self._last) & _TICKS_MASK
        self._last = ticks
        return self._uptime_ms

    def learn_utc(self, utc_ms: int, quality: int) -> None:
        """Take the agent's UTC of this moment; 0 or quality 0 says that it does not know."""
        if utc_ms and quality:
            self._offset_ms = utc_ms - self.now_ms()
            self.quality = quality

    def utc_ms(self, uptime_ms: int) -> int:
        """Return the UTC of an uptime of this boot, or 0 while it is not known."""
        return self._offset_ms + uptime_ms if self._offset_ms else 0

    async def wait_beat(self, period_ms: int) -> None:
        """Wait for the next multiple of a period: tasks on one beat share their wake-ups."""
        await asyncio.sleep_ms(period_ms - self.now_ms() % period_ms)
