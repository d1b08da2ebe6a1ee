"""A bed and its return timer: left at night and not back in time.

```
 occupied --left, night--> away, timer runs --time over--> alarmed
    ^                          |                             |
    +--------------- entered (positive evidence) ------------+
```
The timer is stored: it outlives the agent, and runs through gaps and lost units. While the
clock is not trusted every hour counts as night.
"""

import msgspec

from edge_agent.clock import Instant
from edge_agent.home.hours import Hours

UNKNOWN_AWAY_S = 60.0
"""After a power cut nobody knows how long it was: the bed gets this long to say who is in it."""


class BedFact(msgspec.Struct, frozen=True):
    """What is stored of a bed."""

    occupied: bool
    since_utc_s: float
    due_monotonic_s: float | None = None
    host_boot: str = ""


class Bed:
    """One bed's state and its not-returned timer."""

    def __init__(self, return_s: float, night: tuple[str, str], host_boot: str) -> None:
        self._return_s = return_s
        self._night = Hours(*night)
        self._host_boot = host_boot
        self.fact: BedFact | None = None

    def restore(self, body: bytes, now: Instant) -> None:
        """Take back a stored fact."""
        fact = msgspec.json.decode(body, type=BedFact)
        if fact.due_monotonic_s is not None and fact.host_boot != self._host_boot:
            fact = msgspec.structs.replace(
                fact, due_monotonic_s=now.monotonic_s + UNKNOWN_AWAY_S, host_boot=self._host_boot
            )
        self.fact = fact

    def enter(self, at_utc_s: float) -> None:
        """Note that somebody is in the bed."""
        self.fact = BedFact(True, at_utc_s)

    def leave(self, at_utc_s: float, now: Instant) -> None:
        """Note that the bed is empty; at night the timer starts, once for each leaving."""
        if self.fact is not None and not self.fact.occupied:
            return
        if self.fact is None or not self._night.contains(
            now
        ):  # nobody was seen in it, or it is day
            self.fact = BedFact(False, at_utc_s)
            return
        away_s = max(0.0, now.utc_s - at_utc_s)
        due_s = now.monotonic_s - away_s + self._return_s
        self.fact = BedFact(False, at_utc_s, due_s, self._host_boot)

    def due_s(self) -> float | None:
        """Return the monotonic time at which the person counts as not returned."""
        return self.fact.due_monotonic_s if self.fact else None

    def take_due(self, now: Instant) -> bool:
        """Return True once when the time is over."""
        due_s = self.due_s()
        if self.fact is None or due_s is None or now.monotonic_s < due_s:
            return False
        self.fact = msgspec.structs.replace(self.fact, due_monotonic_s=None)
        return True
