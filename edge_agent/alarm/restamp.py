"""Events of an untrusted clock get their true time once it is known.

```
 clock none:  at, onset = wrong UTC --synchronised: delta = true - wrong--> at, onset + delta
```
Only events of this run of the agent, whose wrong clock ran evenly, and only those that no route
has been given yet: what may have been heard is never changed. The order of events is theirs,
not their times'.
"""

from msgspec.structs import replace

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.clock import Instant, Quality, format_utc, parse_utc

LEAST_S = 1.0
"""A smaller step of the clock is not worth changing anything for."""


class ClockWatch:
    """Notes how far the clock was off when it becomes trusted."""

    def __init__(self) -> None:
        self._untrusted_offset_s: float | None = None

    def step_s(self, now: Instant) -> float | None:
        """Return by how much UTC was wrong, once, when the clock becomes trusted."""
        offset_s = now.utc_s - now.monotonic_s
        if now.quality is Quality.NONE:
            self._untrusted_offset_s = offset_s
            return None
        before_s, self._untrusted_offset_s = self._untrusted_offset_s, None
        if before_s is None or abs(offset_s - before_s) < LEAST_S:
            return None
        return offset_s - before_s


def restamped(event: AlarmEvent, step_s: float, session: str, label: str) -> AlarmEvent | None:
    """Return an event with its true times, or None when it is to stay as it is.

    Args:
        event: as it was made.
        step_s: true minus wrong UTC.
        session: of this run of the agent.
        label: of the clock's quality now.
    """
    if event.clock != Quality.NONE.label or event.agent.session != session:
        return None
    return replace(
        event,
        onset=format_utc(parse_utc(event.onset) + step_s),
        at=format_utc(parse_utc(event.at) + step_s),
        clock=label,
    )
