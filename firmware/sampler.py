"""Fixed-rate reads of one source to blocks with an honest index and a steady clock.

```
 start --ok--> read every poll_ms --> block --> tap (impact gate), emit (uplink)
   ^                |
   +-- back-off <---+ no answer, or no sample for a second: told once, and once when back
```

A source (a driver) has `name, axes, period_ms, poll_ms, capacity, scale, counts`, `await start()`,
`read()` (how many samples are in `counts` now) and `lost(count)` (how many went missing
before them, -1: the time must tell).
"""

from firmware.sample_clock import SampleClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable
    from typing import Protocol

    from firmware.uptime import Clock

    class Source(Protocol):
        """What the sampler asks of a driver."""

        name: str
        axes: int
        period_ms: int
        poll_ms: int
        capacity: int
        scale: float
        counts: array[int]

        async def start(self) -> None:
            """Set the part up; OSError when it does not answer."""

        def read(self) -> int:
            """Fill `counts`, return how many samples; OSError when it does not answer."""

        def lost(self, count: int) -> int:
            """Return how many samples are missing before those, -1: the time must tell."""

    class Tap(Protocol):
        """Looks at every sample, also when nobody listens."""

        def feed(self, counts: array[int], count: int, first_ms: int) -> None:
            """Take samples that follow the last ones."""

        def cut(self) -> None:
            """Note that what comes next does not follow."""


SILENCE_MS = 1000
"""No sample for this long is a fault."""
HEALTHY_MS = 5000
"""A part is back when it has given samples for this long."""
MAX_FAILURES = 3
"""Reads in a row without an answer before the part is started anew: a bus has glitches."""
RETRY_FIRST_MS = 1000
RETRY_SLOWEST_MS = 32_000


class Sampler:
    """Runs one source for ever.

    Args:
        emit: called with (counts, count, uptime_ms of the first, index) for each block.
        tell: called with True when the part has failed, with False when it is back.
        tap: sees every block before `emit`.
    """

    def __init__(
        self,
        source: "Source",
        clock: "Clock",
        emit: "Callable[[array[int], int, int, int], None]",
        tell: "Callable[[bool], None]",
        tap: "Tap | None" = None,
    ) -> None:
        self.source = source
        self._clock = clock
        self._emit = emit
        self._tell = tell
        self._tap = tap
        self._times = SampleClock(source.period_ms)
        self._retry_ms = 0
        self._good_ms = 0
        self._heard_ms = 0
        self._since_ms = -1
        self._again = False
        self.faulty = False
        self.lost = 0
        """Samples that the part took and nobody read."""
        self.beats = 0

    def start_again(self) -> None:
        """Set the part up anew at the next read, as after a fault."""
        self._again = True

    async def run(self) -> None:
        """Start the part and read it, for ever."""
        self._good_ms = self._clock.now_ms()
        while True:
            self._cut()
            self._again = False
            try:
                await self.source.start()
            except OSError:
                await self._wait_to_retry()
                continue
            self._times.restart()
            self._since_ms = -1
            self._heard_ms = self._clock.now_ms()
            await self._read()
            if not self._again:
                self._cut()
                await self._wait_to_retry()

    async def _read(self) -> None:
        """Read the part until it fails, falls silent or is to be started again."""
        failures = 0
        while not self._again:
            await self._clock.wait_beat(self.source.poll_ms)
            self.beats += 1
            try:
                self.read_block()
                failures = 0
            except OSError:
                failures += 1
            self._check_fault()
            quiet_ms = self._clock.now_ms() - self._heard_ms
            if failures >= MAX_FAILURES or quiet_ms >= SILENCE_MS:
                return

    def read_block(self) -> None:
        """Read what there is and hand it on.

        Raises:
            OSError: the part does not answer.
        """
        source = self.source
        before_ms = self._clock.now_ms()
        count = source.read()
        after_ms = self._clock.now_ms()
        if not count:
            return
        times = self._times
        first_ms = times.stamp(count, source.lost(count), before_ms, after_ms)
        self._note_good(after_ms)
        self.lost += times.lost
        if self._tap is not None:
            if times.lost:
                self._tap.cut()
            self._tap.feed(source.counts, count, first_ms)
        self._emit(source.counts, count, first_ms, times.index)

    def _cut(self) -> None:
        if self._tap is not None:
            self._tap.cut()

    def _note_good(self, now_ms: int) -> None:
        self._good_ms = self._heard_ms = now_ms
        if self._since_ms < 0:
            self._since_ms = now_ms
        elif now_ms - self._since_ms >= HEALTHY_MS:
            self._retry_ms = 0
            if self.faulty:
                self.faulty = False
                self._tell(False)

    def _check_fault(self) -> None:
        """Tell it once when the part has given nothing for too long."""
        if not self.faulty and self._clock.now_ms() - self._good_ms >= SILENCE_MS:
            self.faulty = True
            self._tell(True)

    async def _wait_to_retry(self) -> None:
        """Wait before the next start; after healthy times the first one is at once."""
        until_ms = self._clock.now_ms() + self._retry_ms
        self._retry_ms = max(RETRY_FIRST_MS, min(2 * self._retry_ms, RETRY_SLOWEST_MS))
        self._check_fault()
        while not self._again and self._clock.now_ms() < until_ms:
            await self._clock.wait_beat(RETRY_FIRST_MS)
            self.beats += 1
            self._check_fault()
