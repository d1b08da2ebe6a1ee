"""A long stay in one room, the bathroom above all: entered, and no sign of life elsewhere.

```
          sign inside, or its door opened          time over
 elsewhere --------------------------------> inside ------> alarmed
    ^                                          |               |
    +--- sign elsewhere (of one resident), or -+---------------+
         the room's own door opened after a sign inside
```
The clock starts at the entering and signs inside do not move it: who lies on the floor before a
motion detector is seen as well. What ends a stay is positive evidence: a sign of another room, or
the door opened from inside, which nobody on the floor does. A sign inside within `BACK_S` after
that door goes on with the same stay. Radar that sees nobody any more ends nothing.

    limit = (1.2 + EARLY / n) * min(longest, RISE * second longest)   of the last `STAYS` stays
            never under the configured limit of the hour, never over `CEILING` times that

A door alone says that perhaps somebody is inside: until there is a sign inside the limit is the
ceiling. In a recorded home of doors only that is one alarm in nine days instead of one in three.
A stay that was told is not learned. While the clock is not trusted the shorter limit holds.
In a home of several, signs elsewhere may be of somebody else and end nothing: there the room
needs a door contact, or every visit ends in an alarm and the limit lies at its ceiling.

Known weaknesses: a door left ajar while somebody is inside, then touched, looks like leaving;
so does a pet in another room. `inactivity` remains. Signs of a source that chatters are not to be
handed in (`Inactivity.believes`), or every stay ends at once.
"""

import math
from dataclasses import dataclass

import msgspec

from edge_agent.clock import Instant, Quality
from edge_agent.home.hours import Hours
from edge_agent.home.sign import PULSES, Kind, Sign

BACK_S = 120.0
STAYS = 64
"""Stays remembered: one to two weeks of bathroom visits."""
ENOUGH_STAYS = 20
FACTOR = 1.2
EARLY = 5.0
"""The longest of n stays is exceeded by one in n + 1: twenty give a factor of 1.45, all 1.28."""
RISE = 1.5
CEILING = 2.0
"""No habit makes the limit longer than twice what was configured."""
UNKNOWN_STAY_S = 300.0
"""After a reboot nobody knows how long it was: the person has this long to show up elsewhere."""
SHORTEST_S = 60.0
"""A shorter stay was nobody's visit: a door closed in passing."""


class StayLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Configured limits, seconds."""

    night: tuple[str, str] = ("20:00", "08:00")
    day_s: float = 1800.0
    night_s: float = 1200.0


class StayFact(msgspec.Struct, frozen=True):
    """What is stored.

    Attributes:
        entered_s: monotonic time of entering, within `host_boot`; None when nobody is inside.
        seen_inside: a sign inside was seen, not only the door.
        last: an ended stay and when its door was opened, while it may still go on.
        lasted_min: by `day` and `night` the minutes of the last stays, oldest first.
    """

    host_boot: str
    entered_s: float | None = None
    entered_utc_s: float = 0.0
    trusted: bool = False
    seen_inside: bool = False
    alarmed: bool = False
    not_before_s: float = 0.0
    last: tuple[float, float] | None = None
    levels: dict[str, bool] = {}
    lasted_min: dict[str, tuple[int, ...]] = {}


@dataclass(frozen=True, slots=True)
class LongStay:
    """A stay that has become too long."""

    place: str
    since_utc_s: float
    stayed_s: float
    limit_s: float

    @property
    def reason(self) -> str:
        """Return what the alarm says."""
        return f"in {self.place} for {self.stayed_s / 60:.0f} min and nowhere else since"


class Stay:
    """The stays in one room of a home."""

    def __init__(self, place: str, limits: StayLimits, residents: int, host_boot: str) -> None:
        self.place = place
        self._limits = limits
        self._night = Hours(*limits.night)
        self._residents = residents
        self._host_boot = host_boot
        self.fact = StayFact(host_boot)

    def restore(self, body: bytes, now: Instant) -> None:
        """Take back a stored fact; a stay goes on, also through a power cut."""
        fact = msgspec.json.decode(body, type=StayFact)
        if fact.host_boot != self._host_boot:
            entered_s = None
            if fact.entered_s is not None:  # UTC never goes back over what was stored.
                entered_s = now.monotonic_s - max(0.0, now.utc_s - fact.entered_utc_s)
            fact = msgspec.structs.replace(
                fact,
                host_boot=self._host_boot,
                entered_s=entered_s,
                trusted=False,
                last=None,
                not_before_s=now.monotonic_s + UNKNOWN_STAY_S,
            )
        self.fact = fact

    def note(self, sign: Sign, now: Instant) -> bool:
        """Take a change of any sensor of the home; return True when it ended a told stay."""
        if sign.kind in PULSES:
            if not sign.active:
                return False
        elif sign.place == self.place:
            if self.fact.levels.get(sign.source) == sign.active:
                return False
            self._change(levels={**self.fact.levels, sign.source: sign.active})
        at_s = sign.between(-math.inf, now.monotonic_s).monotonic_s
        if sign.place != self.place:
            lives = sign.active or sign.kind is not Kind.PRESENCE
            return lives and self._residents == 1 and self._leave(at_s, now)
        if sign.kind is Kind.ROOM_DOOR:
            if not sign.active:
                return False
            if self.fact.entered_s is None:
                self._enter(at_s, now, seen=False)
                return False
            return self._leave(at_s, now, by_door=True)
        if sign.active:
            self._see_inside(at_s, now)
        return False

    def stayed_s(self, now: Instant) -> float:
        """Return how long somebody has been inside, 0 when nobody is."""
        entered_s = self.fact.entered_s
        return 0.0 if entered_s is None else max(0.0, now.monotonic_s - entered_s)

    def limit_s(self, now: Instant) -> float:
        """Return the limit in force."""
        limits = self._learned_s("day"), self._learned_s("night")
        if self.fact.entered_s is not None and not self.fact.seen_inside:
            limits = CEILING * self._limits.day_s, CEILING * self._limits.night_s
        return (
            min(limits)
            if now.quality is Quality.NONE
            else limits[self._night.contains_utc(now.utc_s)]
        )

    def learned_s(self) -> dict[str, float]:
        """Return the limits by `day` and `night` as they are with what was learned."""
        return {name: self._learned_s(name) for name in ("day", "night")}

    def due_s(self, now: Instant) -> float | None:
        """Return the monotonic time at which the stay will be too long, as things are."""
        fact = self.fact
        if fact.entered_s is None or fact.alarmed:
            return None
        return max(fact.entered_s + self.limit_s(now), fact.not_before_s)

    def take_due(self, now: Instant) -> LongStay | None:
        """Return the stay once, when it is too long."""
        due_s = self.due_s(now)
        if due_s is None or now.monotonic_s < due_s:
            return None
        self._change(alarmed=True)
        stayed_s = self.stayed_s(now)
        return LongStay(self.place, now.utc_s - stayed_s, stayed_s, self.limit_s(now))

    def _see_inside(self, at_s: float, now: Instant) -> None:
        last = self.fact.last
        if self.fact.entered_s is None:
            goes_on = last is not None and 0.0 <= at_s - last[1] <= BACK_S
            self._enter(last[0] if goes_on and last is not None else at_s, now, seen=True)
        elif not self.fact.seen_inside:
            self._change(seen_inside=True)

    def _enter(self, at_s: float, now: Instant, *, seen: bool) -> None:
        self._change(
            entered_s=at_s,
            entered_utc_s=now.utc_of(at_s),
            trusted=now.quality is not Quality.NONE,
            seen_inside=seen,
            alarmed=False,
            not_before_s=0.0,
            last=None,
        )

    def _leave(self, at_s: float, now: Instant, *, by_door: bool = False) -> bool:
        """End the stay; return True when it had been told."""
        fact = self.fact
        if fact.entered_s is None:
            return False
        stayed_s = at_s - fact.entered_s
        if stayed_s < 0.0:  # kept by a unit, and older than the entering
            return False
        if fact.trusted and fact.seen_inside and not fact.alarmed and stayed_s >= SHORTEST_S:
            self._learn(stayed_s, self._night.contains_utc(fact.entered_utc_s))
        self._change(
            entered_s=None,
            alarmed=False,
            last=(fact.entered_s, at_s) if by_door and not fact.alarmed else None,
        )
        return fact.alarmed

    def _learn(self, stayed_s: float, night: bool) -> None:
        name = "night" if night else "day"
        lasted = (*self.fact.lasted_min.get(name, ()), round(stayed_s / 60.0))
        self._change(lasted_min={**self.fact.lasted_min, name: lasted[-STAYS:]})

    def _learned_s(self, name: str) -> float:
        floor_s = self._limits.day_s if name == "day" else self._limits.night_s
        lasted = sorted(self.fact.lasted_min.get(name, ()))
        if len(lasted) < ENOUGH_STAYS:
            return floor_s
        usual_s = 60.0 * min(lasted[-1], RISE * lasted[-2])
        wanted_s = (FACTOR + EARLY / len(lasted)) * usual_s
        return min(CEILING * floor_s, max(floor_s, wanted_s))

    def _change(self, **values: object) -> None:
        self.fact = msgspec.structs.replace(self.fact, **values)
