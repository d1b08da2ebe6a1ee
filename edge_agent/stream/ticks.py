"""From a unit's uptime to our monotonic time: one map for each boot of a unit.

A time request leaves at `sent`, the unit stamps its uptime, the answer is read at `received`:
the stamp lies between the two. The request with the shortest way there and back is the best
witness (D. Mills, "Network Time Protocol", RFC 5905, section 10: the clock filter).
"""

from collections import deque

KEPT = 8
"""Requests remembered: at one in 15 s the map follows a drift of 100 ppm within 12 ms."""


class TickMap:
    """Maps seconds of one boot's uptime to monotonic seconds and back."""

    def __init__(self, uptime_s: float, monotonic_s: float) -> None:
        """Begin with the greeting: it left the unit at `uptime_s` and is read now."""
        self._first_s = monotonic_s - uptime_s
        self._samples: deque[tuple[float, float]] = deque(maxlen=KEPT)

    def add(self, sent_s: float, received_s: float, uptime_s: float) -> None:
        """Take one answered time request."""
        self._samples.append((received_s - sent_s, (sent_s + received_s) / 2 - uptime_s))

    @property
    def offset_s(self) -> float:
        """Return monotonic time minus uptime."""
        return min(self._samples)[1] if self._samples else self._first_s

    def monotonic(self, uptime_s: float) -> float:
        """Return the monotonic time of an uptime."""
        return uptime_s + self.offset_s

    def uptime(self, monotonic_s: float) -> float:
        """Return the uptime at a monotonic time."""
        return monotonic_s - self.offset_s
