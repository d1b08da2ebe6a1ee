"""How far it has come, told to the units: each record of theirs, by the alarm that it became.

```
 record --stored--> STORED --its alarm notified--> DELIVERED --acknowledged--> ... --> ENDED
```
Any stage lets a unit forget its record, so none is told before the record is on disk.
"""

from collections.abc import Iterable, Mapping

from edge_agent.alarm.alarm import Alarm, AlarmEvent, State
from edge_agent.home.cause import Origin
from edge_agent.outbox.rows import UnitEvent
from edge_agent.unit import Unit
from protocol.messages import Stage

STAGES = {
    State.NOTIFIED: Stage.DELIVERED,
    State.ACKNOWLEDGED: Stage.ACKNOWLEDGED,
    State.DISPATCHED: Stage.DISPATCHED,
    State.ARRIVED: Stage.DISPATCHED,
    State.RECOVERED: Stage.ENDED,
    State.CANCELLED: Stage.ENDED,
    State.CLOSED: Stage.ENDED,
}
"""What a unit's light shows for a state; STORED for all others."""

ORIGINS_KEPT = 64
"""Records of units, for each alarm, whose units are told how it goes on: the newest presses."""


class Acks:
    """Which records of units the open alarms came with."""

    def __init__(self, units: Mapping[str, Unit]) -> None:
        self._units = units
        self._origins: dict[str, list[Origin]] = {}

    def restore(self, stored: Iterable[UnitEvent]) -> None:
        """Take back the records of the open alarms."""
        for one in stored:
            self.remember(one.alarm_id or "", Origin(one.unit, one.boot_id, one.seq))

    def remember(self, alarm_id: str, origin: Origin) -> None:
        """Note that a record became this alarm, or another event of it."""
        names = self._origins.setdefault(alarm_id, [])
        names.append(origin)
        del names[:-ORIGINS_KEPT]

    def acknowledge(self, origin: Origin, stage: int) -> None:
        """Tell a unit how far a record of its has come."""
        unit = self._units.get(origin.unit)
        if unit is not None:
            unit.session.acknowledge(origin.boot_id, origin.seq, stage)
            unit.flush()

    def tell(self, alarm: Alarm, *, durable: bool) -> None:
        """Tell its units how far an alarm has come; an ended one is forgotten."""
        stage = STAGES.get(alarm.last.state)
        for origin in self._origins.get(alarm.alarm_id, ()):
            if stage is not None and durable:
                self.acknowledge(origin, stage)
        if not alarm.is_open:
            self._origins.pop(alarm.alarm_id, None)

    def remind(self, unit_id: str, open_events: Iterable[AlarmEvent]) -> None:
        """Tell a unit that greets again how far its open alarms have come."""
        for event in open_events:
            for origin in self._origins.get(event.alarm_id, ()):
                if origin.unit == unit_id:
                    self.acknowledge(origin, STAGES.get(event.state, Stage.STORED))
