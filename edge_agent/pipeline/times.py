"""When it happened: the uptimes of every unit's boots on our clock.

```
 (unit, boot, uptime) --TickMap--> monotonic --Instant--> UTC, never later than now
```
"""

from edge_agent.clock import Instant
from edge_agent.stream.ticks import TickMap
from protocol.messages import Event, Hello, Impact
from protocol.session import ClockSample

BOOTS_KEPT = 4
"""Earlier boots of a unit whose clock is remembered, for events that were kept meanwhile."""


class UnitTimes:
    """The clocks of one unit's latest boots."""

    def __init__(self) -> None:
        self.boot_id = b""
        self._maps: dict[bytes, TickMap] = {}

    def greet(self, hello: Hello, monotonic_s: float) -> None:
        """Take a greeting that was read at a monotonic time."""
        if hello.boot_id == self.boot_id:
            return
        self.boot_id = hello.boot_id
        self._maps.setdefault(hello.boot_id, TickMap(hello.uptime_ms / 1000, monotonic_s))
        while len(self._maps) > BOOTS_KEPT:
            del self._maps[next(iter(self._maps))]

    def add(self, sample: ClockSample) -> None:
        """Take an answered time request of the present boot."""
        clock = self._maps.get(self.boot_id)
        if clock is not None:
            clock.add(sample.sent_ms / 1000, sample.received_ms / 1000, sample.uptime_ms / 1000)

    def uptime(self, monotonic_s: float) -> float | None:
        """Return the present boot's uptime at a monotonic time, or None before a greeting."""
        clock = self._maps.get(self.boot_id)
        return None if clock is None else clock.uptime(monotonic_s)

    def monotonic(self, uptime_s: float) -> float | None:
        """Return the monotonic time of the present boot's uptime, or None before a greeting."""
        clock = self._maps.get(self.boot_id)
        return None if clock is None else clock.monotonic(uptime_s)

    def utc(self, uptime_s: float, now: Instant, boot_id: bytes | None = None) -> float:
        """Return the UTC of an uptime; now, when nobody knows that boot's clock."""
        clock = self._maps.get(self.boot_id if boot_id is None else boot_id)
        return now.utc_s if clock is None else now.utc_of(clock.monotonic(uptime_s))

    def event_utc(self, record: Event | Impact, uptime_ms: int, now: Instant) -> float:
        """Return when something in a record happened, never later than now."""
        if record.boot_id not in self._maps and record.utc_ms:
            return min(record.utc_ms / 1000, now.utc_s)
        return min(self.utc(uptime_ms / 1000, now, record.boot_id), now.utc_s)

    def doubt(self, record: Event | Impact) -> str | None:
        """Return what must be said of a record's time: that nobody knows it."""
        if record.boot_id in self._maps or record.utc_ms:
            return None
        return "kept from an earlier boot of the unit; when it happened is not known"
