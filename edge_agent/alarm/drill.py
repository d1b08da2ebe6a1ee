"""Drills: a call is rehearsed on one unit, and everything else stays real.

```
 begin(unit, call) --- the next call of that unit: flag "drill" ---> alarm, ended like any other
        |                                                                |
        +---- 30 min, or the agent restarted ----> over <----------------+
```
Only one condition of one unit is rehearsed. Its alarm and a real one of the same person are two
alarms (`table.py`), so a rehearsal never swallows a call for help of another unit; what happened
before it began and comes late is real.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.alarm.catalogue import CONDITIONS
from edge_agent.clock import Instant
from edge_agent.home.cause import Cause
from edge_agent.pipeline.findings import Finding

DRILL = "drill"
"""The flag of an alarm that is a rehearsal."""

LONGEST_DRILL_S = 1800.0
"""A drill ends by itself after this."""

CALL = "call"


class DrillError(Exception):
    """A drill that cannot begin: the message says why."""


@dataclass(frozen=True, slots=True)
class Drill:
    """What is rehearsed.

    Attributes:
        since_utc_s: when it began.
        until_s: monotonic time of its end.
    """

    unit: str
    condition: str
    since_utc_s: float
    until_s: float


class Drills:
    """The drills that run."""

    def __init__(self, units: Iterable[str]) -> None:
        self._units = frozenset(units)
        self._drills: dict[str, Drill] = {}

    def begin(
        self,
        unit: str,
        condition: str,
        length_s: float,
        open_events: Iterable[AlarmEvent],
        now: Instant,
    ) -> Drill:
        """Begin to rehearse a condition on a unit; another drill of that unit is over.

        Raises:
            DrillError: no such unit or condition, too long, or somebody needs help right now.
        """
        if unit not in self._units:
            raise DrillError(f"no unit {unit!r}")
        if condition not in CONDITIONS or not CONDITIONS[condition].life_critical:
            life = ", ".join(row.name for row in CONDITIONS.values() if row.life_critical)
            raise DrillError(f"{condition!r} is not rehearsed; these are: {life}")
        if not 0.0 < length_s <= LONGEST_DRILL_S:
            raise DrillError(f"minutes must be above 0, at most {LONGEST_DRILL_S / 60:g}")
        for event in open_events:
            if CONDITIONS[event.condition].life_critical and DRILL not in event.flags:
                raise DrillError(f"{event.condition} is open: {event.alarm_id}")
        drill = Drill(unit, condition, now.utc_s, now.monotonic_s + length_s)
        self._drills[unit] = drill
        return drill

    def running(self, now: Instant) -> list[Drill]:
        """Return the drills that run now."""
        for unit, drill in list(self._drills.items()):
            if now.monotonic_s >= drill.until_s:
                del self._drills[unit]
        return list(self._drills.values())

    def mark(self, findings: Sequence[Finding], now: Instant) -> list[Finding]:
        """Return the findings with the flag on the causes that are rehearsed."""
        running = self.running(now)
        return [
            replace(finding, flags=(*finding.flags, DRILL))
            if isinstance(finding, Cause) and any(_rehearses(drill, finding) for drill in running)
            else finding
            for finding in findings
        ]

    def end_alarm(self, event: AlarmEvent) -> None:
        """Note that an alarm has ended: with the rehearsed one its drill is over too."""
        if DRILL in event.flags and event.unit is not None:
            self._drills.pop(event.unit, None)


def _rehearses(drill: Drill, cause: Cause) -> bool:
    is_it = (drill.unit, drill.condition) == (cause.unit, cause.condition)
    return is_it and cause.onset_utc_s >= drill.since_utc_s
