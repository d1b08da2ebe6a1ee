"""The states of a silent home, and how long each may be silent at each local hour.

```
 hour      0 . . . 4 . . . . . . . 12 . . . . . . . 20 . . 24      night 20:00 to 08:00
 HOME      ........|================|...............|......       . day_ceiling, = night_ceiling
 floors    ^^^^^^^^^^^^^^^^^^^^^^^^^|_______________|^^^^^^       ^ night_floor, _ day_floor
 REST      the same floors under night_ceiling; OUT from out_floor to out_ceiling at any hour
```
Night is the configured one and `MORNING_H` more; no night's sleep is older than `day_ceiling_s`
until that long after its beginning, so the ceiling of sleep holds only from there.
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from edge_agent.home.learned import Bounds

HOUR_S = 3600.0
MORNING_H = 4
"""What began at night counts as night until this long after its end."""


class Where(StrEnum):
    """What the home was like when the silence began."""

    HOME = "home"
    REST = "rest"
    OUT = "out"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits in seconds; none of them can be infinite, so none switches the alarm off."""

    night: tuple[str, str] = ("20:00", "08:00")
    day_floor_s: float = 4 * HOUR_S
    day_ceiling_s: float = 8 * HOUR_S
    night_floor_s: float = 8 * HOUR_S
    night_ceiling_s: float = 12 * HOUR_S
    out_floor_s: float = 12 * HOUR_S
    out_ceiling_s: float = 16 * HOUR_S


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence that has become too long."""

    where: Where
    place: str
    since_utc_s: float
    silent_s: float
    limit_s: float

    @property
    def reason(self) -> str:
        """Return what the alarm says."""
        hours = f"{self.silent_s / HOUR_S:.1f} h"
        if self.where is Where.OUT:
            return f"not back since the front door, {hours} ago"
        if self.where is Where.REST:
            return f"no activity for {hours}, still in bed or seat as far as is known"
        return f"no activity anywhere for {hours}"


def bounds_of(limits: Limits) -> dict[str, Bounds]:
    """Return the bounds of each state at each local hour; minutes of the night are dropped."""
    first, last = (int(text.split(":")[0]) for text in limits.night)
    night_h = (last - first) % 24 + MORNING_H
    deep_h = int(limits.day_ceiling_s // HOUR_S)
    floor = _by_hour(first, night_h, limits.night_floor_s, limits.day_floor_s)
    ceiling = _by_hour(
        first + deep_h, night_h - deep_h, limits.night_ceiling_s, limits.day_ceiling_s
    )
    asleep = (limits.night_ceiling_s,) * 24
    return {
        Where.HOME: Bounds(ceiling, floor, ceiling),
        Where.REST: Bounds(asleep, floor, asleep),
        Where.OUT: Bounds.flat(limits.out_floor_s, limits.out_floor_s, limits.out_ceiling_s),
    }


def _by_hour(first: int, count: int, inside_s: float, outside_s: float) -> tuple[float, ...]:
    """Return one value for so many hours from the first on, and another for the others."""
    return tuple(inside_s if (hour - first) % 24 < count else outside_s for hour in range(24))
