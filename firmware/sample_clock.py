"""The index and the time of blocks of samples, from a part's count and when it was read."""


class SampleClock:
    """Gives each block an index and a time from the part's count and the moments of reading.

    The newest sample was taken at most one period before the read began and not after the
    read ended. Inside that window blocks follow each other to the millisecond; only when the
    part's oscillator has drifted out of it the time is moved, by as much as needed.
    """

    def __init__(self, period_ms: int) -> None:
        self._period_ms = period_ms
        self._next_ms = -1
        self._anchored = False
        self.index = 0
        """Number of the last stamped block's first sample."""
        self.lost = 0
        """Samples missing between the last stamped block and the one before."""
        self._next_index = 0

    def restart(self) -> None:
        """Forget the phase: the part was started anew. The index goes on by time."""
        self._anchored = False

    def stamp(self, count: int, lost: int, before_ms: int, after_ms: int) -> int:
        """Return the uptime of the first of `count` samples and set `index`."""
        period = self._period_ms
        ahead = (count - 1) * period
        if not self._anchored:
            first = max(0, before_ms - period // 2 - ahead)
            if self._next_ms >= 0:
                first = max(first, self._next_ms)
                lost = (first - self._next_ms + period // 2) // period
            else:
                lost = 0
            self._anchored = True
        else:
            first = self._next_ms
            if lost < 0:
                lost = max(0, (after_ms - first - ahead) // period)
            first += lost * period
            newest = first + ahead
            if newest > after_ms:
                first -= newest - after_ms
            elif newest <= before_ms - period:
                first += before_ms - period + 1 - newest
        self.lost = lost
        self.index = self._next_index + lost
        self._next_index = self.index + count
        self._next_ms = first + ahead + period
        return first
