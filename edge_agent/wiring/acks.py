"""How far it has come, told to the units: each record of theirs, by the alarm that it became.

```
 record --on disk--> STORED --its alarm notified--> DELIVERED --acknowledged--> ... --> ENDED
        --in memory only--> nothing at all, whatever becomes of its alarm, until it is on disk
```
Any stage lets a unit forget its record, so none is told before the record is on disk: neither at
once, nor when its alarm goes on, nor when its unit greets again.
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
        self._on_disk: set[Origin] = set()

    def restore(self, stored: Iterable[UnitEvent]) -> None:
        """Take back the records of the open alarms."""
        for one in stored:
            origin = Origin(one.unit, one.boot_id, one.seq)
            self.remember(one.alarm_id or "", origin)
            self._on_disk.add(origin)

    def remember(self, alarm_id: str, origin: Origin) -> None:
        """Note that a record became this alarm, or another event of it."""
        names = self._origins.setdefault(alarm_id, [])
        if origin not in names:
            names.append(origin)
        self._on_disk.difference_update(names[:-ORIGINS_KEPT])
        del names[:-ORIGINS_KEPT]

    def acknowledge(self, origin: Origin, stage: int) -> None:
        """Tell a unit how far a record of its, which is on disk, has come."""
        if any(origin in names for names in self._origins.values()):
            self._on_disk.add(origin)
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
            self._on_disk.difference_update(self._origins.pop(alarm.alarm_id, ()))

    def remind(self, unit_id: str, open_events: Iterable[AlarmEvent]) -> None:
        """Tell a unit that greets again how far the open alarms of its stored records have come."""
        for event in open_events:
            for origin in self._origins.get(event.alarm_id, ()):
                if origin.unit == unit_id and origin in self._on_disk:
                    self.acknowledge(origin, STAGES.get(event.state, Stage.STORED))
