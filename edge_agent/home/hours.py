"""Hours of the day: a window of local time that may go over midnight.

```
 00:00      08:00                  20:00      24:00
   |==========|......................|==========|     Hours("20:00", "08:00")
```
While the clock is not trusted every hour counts as inside.
"""

from edge_agent.clock import Instant, Quality

LOCAL_OFFSET_S = 8 * 3600
"""Asia/Shanghai; it has no summer time."""


class Hours:
    """From a minute of the day to another; equal ones are the whole day."""

    def __init__(self, start: str, end: str) -> None:
        """Take two times of the form HH:MM."""
        self._start, self._end = _minutes(start), _minutes(end)

    def contains(self, now: Instant) -> bool:
        """Return True inside the window, and whenever the clock is not trusted."""
        return now.quality is Quality.NONE or self.contains_utc(now.utc_s)

    def contains_utc(self, utc_s: float) -> bool:
        """Return True when a UTC lies inside the window."""
        minute = int((utc_s + LOCAL_OFFSET_S) // 60) % 1440
        if self._start < self._end:
            return self._start <= minute < self._end
        return minute >= self._start or minute < self._end


def _minutes(text: str) -> int:
    return 60 * int(text[:2]) + int(text[3:5])
