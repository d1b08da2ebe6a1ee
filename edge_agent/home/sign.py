"""What one sensor of a home tells: a change, when, and where.

```
 kind         begin (active)            end                     both tell of a person, but
 MOTION       seen                      hold time over          the end is nobody's doing
 USE          flushed, switched on      machine done            the end is nobody's doing
 CONTACT      cupboard, window opened   closed
 ROOM_DOOR    door of `place` opened    closed                  it says nothing of which side
 FRONT_DOOR   opened                    closed                  it says nothing of which side
 REST         bed or seat taken         left                    taken may last for hours
 PRESENCE     radar: somebody there     nobody there            also of a person on the floor
```
A level that is only repeated (a contact still open, a bed still taken) is no change and no sign.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self


class Kind(StrEnum):
    """What kind of sensor it is, by what its changes mean."""

    MOTION = "motion"
    USE = "use"
    CONTACT = "contact"
    ROOM_DOOR = "room_door"
    FRONT_DOOR = "front_door"
    REST = "rest"
    PRESENCE = "presence"


PULSES = frozenset({Kind.MOTION, Kind.USE})
"""Kinds whose beginning counts each time, and whose end does not."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One change of one sensor.

    Attributes:
        monotonic_s: when, on the agent's monotonic clock; late ones may lie in the past.
        source: a name of the sensor that no other has.
        active: opened, seen, taken, switched on; False for the end of it.
    """

    monotonic_s: float
    source: str
    kind: Kind
    place: str
    active: bool = True

    def between(self, first_s: float, last_s: float) -> Self:
        """Return it with a time in these limits; a time that is no number becomes the last."""
        if first_s <= self.monotonic_s <= last_s:
            return self
        earliest_s = first_s if self.monotonic_s < first_s else last_s
        return replace(self, monotonic_s=min(earliest_s, last_s))
