"""Reads at a fixed rate on an ESP32: one hardware timer for every part that has no FIFO.

```
 Timer(0), 10 ms --soft callback--> due? --> read() --> ring --> take()
```
One timer serves all, because a C3 or C6 has two. A soft callback runs between two bytecodes,
so a long C call (a flash erase) delays it; eight delayed ones are kept by MicroPython's
scheduler, and what is beyond that is counted as lost.

Ref: MicroPython ports/esp32/machine_timer.c (soft callback through `mp_sched_schedule`),
ports/esp32/mpconfigport.h (MICROPY_SCHEDULER_DEPTH 8).
"""

import time
from array import array

import machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from _mpy_shed.time_mp import _TicksMs

TICK_MS = 10
_QUEUE = 8
"""So many ticks may wait and are still read, late."""
_MOST_TICKS = 360_000
"""An hour; divisible by the `every` of any period of ours."""


class Ring:
    """One part's results, the oldest overwritten first; see `Paced` in board.py.

    The timer alone writes `_put`, the program alone `_got`: neither waits for the other.
    """

    def __init__(self, read: "Callable[[], int]", every: int, depth: int) -> None:
        self.every = every
        self._read = read
        self._values = array("h", bytes(2 * depth))
        self._depth = depth
        self._wrap = depth << 20  # counts stay small integers, and fit the ring
        self._put = 0
        self._got = 0
        self._failed = 0
        self._overrun = 0

    @property
    def lost(self) -> int:
        """Return how many reads failed, never came or were overwritten."""
        return self._failed + self._overrun

    def take(self, out: "array[int]") -> int:
        """Move the oldest results to `out`, return how many."""
        while True:
            waiting = (self._put - self._got) % self._wrap
            if waiting > self._depth:
                self._overrun += waiting - self._depth
                self._got = (self._got + waiting - self._depth) % self._wrap
                waiting = self._depth
            count = min(waiting, len(out))
            for position in range(count):
                out[position] = self._values[(self._got + position) % self._depth]
            if (self._put - self._got) % self._wrap <= self._depth:
                self._got = (self._got + count) % self._wrap
                return count

    def tick(self) -> None:
        """Read the part once."""
        try:
            self._values[self._put % self._depth] = self._read()
        except OSError:
            self._failed += 1
            return
        self._put = (self._put + 1) % self._wrap

    def miss(self, count: int) -> None:
        """Count ticks that never came."""
        self._failed += count


class Pacer:
    """The timer, and the rings it fills."""

    def __init__(self) -> None:
        self._rings: "list[Ring]" = []
        self._ticks = 0
        self._tick_ms: "_TicksMs | None" = None
        self._late_ms = 0
        self._timer: "machine.Timer | None" = None

    def add(self, read: "Callable[[], int]", period_ms: int, depth: int) -> Ring:
        """Read a part from now on.

        Raises:
            ValueError: the period is no multiple of 10 ms.
        """
        if period_ms % TICK_MS:
            raise ValueError("paced by %d ms, must be a multiple of %d" % (period_ms, TICK_MS))
        ring = Ring(read, period_ms // TICK_MS, depth)
        self._rings.append(ring)
        if self._timer is None:
            self._timer = machine.Timer(
                0, mode=machine.Timer.PERIODIC, period=TICK_MS, callback=self._on_tick
            )
        return ring

    def _on_tick(self, _timer: "machine.Timer") -> None:
        now_ms = time.ticks_ms()
        if self._tick_ms is not None:
            self._late_ms += time.ticks_diff(now_ms, self._tick_ms) - TICK_MS
        self._tick_ms = now_ms
        if self._late_ms > _QUEUE * TICK_MS:  # the queue was full: these ticks never came
            missed = self._late_ms // TICK_MS - _QUEUE
            self._late_ms -= missed * TICK_MS
            for ring in self._rings:
                ring.miss((self._ticks + missed) // ring.every - self._ticks // ring.every)
            self._ticks += missed
        self._ticks = self._ticks + 1 if self._ticks < _MOST_TICKS else 1
        for ring in self._rings:
            if self._ticks % ring.every == 0:
                ring.tick()
