"""No sign of life for too long: a silence, the state it began in, and the limit it runs against.

```
          indoor sign                 bed or seat taken
   OUT ---------------> HOME <----------------------------> REST
    ^ front door opened   |  left, or a sign from elsewhere
    +---------------------+                 each state has limits of its own, by the local hour:
 sign:  |.|..|            |                 first week     learned, at least   never over
        ^ silence begins here     HOME      8 h, sleep 12  4 h, night 8        8 h, sleep 12
                                  REST      12 h           4 h, night 8        12 h
                                  OUT       12 h           12 h                16 h
```
A silence that is longer than the limit of the hour is told once; the next sign of life ends it.
One timer does for every state, so a state can only move the limit and never stop the clock.

- OUT needs evidence: the front door was opened an odd number of times since the last sign from
  inside. Out and in again for the post is even, and whoever falls then falls at HOME. Openings
  within `SAME_OPENING_S` are one; a home of several is never OUT.
- A silence that was told is not learned, except when somebody says that it was no emergency.
- With the clock not trusted the shortest limit of the day holds, and nothing is learned.
- With no source working a silence younger than `RUNNING_S` stands still, an older one runs on;
  neither ends. After that, and after a reboot, the person has `GRACE_S` to show a sign.
- Motion seen once does not end a silence over `LONE_AFTER_S`: another source, or the same again
  `LONE_APART_S` later, must say so too within `LONE_WITHIN_S`. A warm draught in an empty home
  does not make somebody be in, and an arm moved on the floor is not getting up. Radar that loses
  somebody and finds them in the same place within `FLICKER_S` saw no sign of life.
- A source that chatters (`sources.py`) is not believed, and the silence begins with the last sign
  of the others.

Known weaknesses: a fall outside the door, or at it after one opening, has the limit of OUT; so
has one after a visitor has left, until the person is seen again, where no radar watches.
"""

import msgspec

from edge_agent.clock import Instant, Quality
from edge_agent.home.hours import LOCAL_OFFSET_S
from edge_agent.home.learned import Learned
from edge_agent.home.sign import Kind, Sign
from edge_agent.home.silence import HOUR_S, Limits, Silence, Where, bounds_of
from edge_agent.home.sources import Sources, is_believed, is_change, moved_to, see

SAME_OPENING_S = 120.0
"""The door again within this: a key forgotten, a lock tried; still the same going out."""
RUNNING_S = HOUR_S
"""A silence this old when the last source is lost runs on."""
GRACE_S = 1800.0
"""After a reboot or a loss nobody knows what was: the person has this long to show a sign."""
LEARNED_FROM_S = 600.0
"""A silence shorter than this moves no limit and is not worth storing."""

LONE_AFTER_S = HOUR_S
LONE_APART_S = 30.0
LONE_WITHIN_S = 600.0
"""In a recorded home that was empty for 33 h motion was seen seven times, each time once and for
at most 5 s; who is up and about is seen again within minutes."""
FLICKER_S = 600.0

KEPT_WITHIN_S = 60.0
"""Signs this close to the stored one leave the fact alone, so that a busy hour is one minute's
writes; the silence then begins up to this early."""


class InactivityFact(msgspec.Struct, frozen=True):
    """What is stored; monotonic times hold within `host_boot`.

    Attributes:
        since_s: monotonic time of the last sign of life, moved on by time that did not count.
        trusted: the clock was, when the silence began.
        not_before_s: no alarm before this monotonic time.
        openings: of the front door, since the last sign from inside.
        resting: sources that say a bed or seat is taken, by place.
        present: sources of radar presence that say somebody is there.
        lone: motion that waits for another sign: monotonic time and source.
        lost_s: since when no source works.
        holed: a time without sources lies in this silence.
        told: `begin` and `end` (local seconds) and state of the last silence that was told.
    """

    since_s: float
    since_utc_s: float
    host_boot: str
    trusted: bool = False
    where: Where = Where.HOME
    place: str = ""
    alarmed: bool = False
    not_before_s: float = 0.0
    openings: int = 0
    opened_s: float | None = None
    resting: dict[str, str] = {}
    present: tuple[str, ...] = ()
    lone: tuple[float, str] | None = None
    lost_s: float | None = None
    holed: bool = False
    told: tuple[float, float, Where] | None = None
    sources: Sources = {}


class Inactivity:
    """One home's silence and what is too long for it.

    Args:
        limits: the configured bounds.
        residents: people who live there.
        host_boot: the name of this boot of the host.
        now: one reading of the clock; a new home's first silence begins here.
    """

    def __init__(self, limits: Limits, residents: int, host_boot: str, now: Instant) -> None:
        self._residents = residents
        self._host_boot = host_boot
        self.learned = Learned(bounds_of(limits))
        self.fact = InactivityFact(now.monotonic_s, now.utc_s, host_boot, trusted=_is_trusted(now))

    def restore(self, body: bytes, now: Instant) -> None:
        """Take back a stored fact; the silence goes on, also through a power cut."""
        fact = msgspec.json.decode(body, type=InactivityFact)
        if fact.host_boot == self._host_boot:
            self.fact = fact
            return
        # UTC never goes back over what was stored, so this is at most the true age.
        silent_s = max(0.0, now.utc_s - fact.since_utc_s)
        self.fact = msgspec.structs.replace(
            fact,
            since_s=now.monotonic_s - silent_s,
            host_boot=self._host_boot,
            not_before_s=now.monotonic_s + GRACE_S,
            opened_s=None,
            lone=None,
            lost_s=None,
            holed=True,
            sources=moved_to(fact.sources, now.monotonic_s - silent_s, now.monotonic_s),
        )

    def note(self, sign: Sign, now: Instant) -> bool:
        """Take a change of a sensor; return True when it ended a silence that was told."""
        since_s = self.fact.since_s
        if sign.monotonic_s < since_s - KEPT_WITHIN_S or not is_change(self.fact.sources, sign):
            return False  # kept by a unit and older than what is known, or no change
        sign = sign.between(since_s, now.monotonic_s)
        lives = sign.kind is not Kind.PRESENCE or (sign.active and not self._flickers(sign))
        if not self._is_believed(sign, now) or (lives and self._is_lone(sign)):
            return False
        self._place(sign, lives)
        return lives and self._end_silence(sign, now)

    def cover(self, covered: bool, now: Instant) -> None:
        """Say whether any source of the home works."""
        fact = self.fact
        if covered == (fact.lost_s is None):
            return
        if fact.lost_s is None:
            self._change(lost_s=now.monotonic_s, holed=True)
            return
        stood_s = 0.0 if self._runs_on() else now.monotonic_s - fact.lost_s
        self._change(
            since_s=fact.since_s + stood_s,
            lost_s=None,
            not_before_s=now.monotonic_s + GRACE_S,
        )

    def silent_s(self, now: Instant) -> float:
        """Return how long the silence counts by now."""
        fact = self.fact
        stands = fact.lost_s is not None and not self._runs_on()
        until_s = fact.lost_s if stands and fact.lost_s is not None else now.monotonic_s
        return max(0.0, until_s - fact.since_s)

    def limit_s(self, now: Instant) -> float:
        """Return the limit in force."""
        limits = self.learned.limits_s(self.fact.where)
        if not _is_trusted(now):
            return min(limits)
        return limits[int((now.utc_s + LOCAL_OFFSET_S) // HOUR_S) % 24]

    def due_s(self, now: Instant) -> float | None:
        """Return the monotonic time at which the silence will be too long."""
        fact = self.fact
        if fact.alarmed or (fact.lost_s is not None and not self._runs_on()):
            return None
        limits = self.learned.limits_s(fact.where)
        if not _is_trusted(now):
            return max(fact.since_s + min(limits), fact.not_before_s)
        from_s = max(now.monotonic_s, fact.not_before_s)
        local_s = now.utc_of(from_s) + LOCAL_OFFSET_S
        begin_s = from_s
        for hour in range(int(local_s // HOUR_S), int(local_s // HOUR_S) + 26):
            due_s = max(begin_s, fact.since_s + limits[hour % 24])
            begin_s = from_s + HOUR_S * (hour + 1) - local_s
            if due_s < begin_s:
                return due_s
        return max(begin_s, fact.since_s + max(limits))

    def take_due(self, now: Instant) -> Silence | None:
        """Return the silence once, when it is too long."""
        due_s = self.due_s(now)
        if due_s is None or now.monotonic_s < due_s:
            return None
        fact = self.fact
        self._change(alarmed=True)
        silent_s = self.silent_s(now)
        return Silence(fact.where, fact.place, now.utc_s - silent_s, silent_s, self.limit_s(now))

    def forgive(self) -> None:
        """Learn the last silence that was told: somebody says that it was no emergency."""
        if self.fact.told is not None:
            begin_s, end_s, where = self.fact.told
            self.learned.learn(where, begin_s, end_s)
            self._change(told=None)

    def believes(self, sign: Sign) -> bool:
        """Return False for a sign of a source that chatters; no stay ends by it either."""
        return is_believed(self.fact.sources, sign)

    def chattering(self) -> list[str]:
        """Return the sources that are not believed; each is a sensor fault to be told."""
        return [name for name, one in self.fact.sources.items() if one.chatters]

    def _is_lone(self, sign: Sign) -> bool:
        """Return True for motion after a long silence that nothing else bears out yet."""
        fact = self.fact
        if sign.kind is not Kind.MOTION or sign.monotonic_s - fact.since_s < LONE_AFTER_S:
            return False
        if fact.lone is not None:
            first_s, source = fact.lone
            apart_s = sign.monotonic_s - first_s
            if apart_s <= LONE_WITHIN_S:
                return source == sign.source and apart_s < LONE_APART_S
        self._change(lone=(sign.monotonic_s, sign.source))
        return True

    def _flickers(self, sign: Sign) -> bool:
        """Return True for radar that has lost somebody lying still, and found them again."""
        known = self.fact.sources.get(sign.source)
        is_same = known is not None and sign.place == self.fact.place
        return is_same and known is not None and sign.monotonic_s - known.seen_s < FLICKER_S

    def _end_silence(self, sign: Sign, now: Instant) -> bool:
        """Begin a new silence with this sign, and learn from the one before."""
        fact = self.fact
        since_s = sign.monotonic_s
        silent_s = since_s - fact.since_s
        local_s = now.utc_of(since_s) + LOCAL_OFFSET_S
        begin_local_s = local_s - silent_s
        if _is_trusted(now) and fact.trusted and not fact.holed:
            self.learned.see(local_s)
            if silent_s >= LEARNED_FROM_S and not fact.alarmed:
                self.learned.learn(fact.where, begin_local_s, local_s)
        if fact.alarmed:
            self._change(told=(begin_local_s, local_s, fact.where))
        where = self._where()
        is_new = silent_s >= KEPT_WITHIN_S or where is not fact.where or fact.alarmed
        if is_new or fact.holed or sign.place != fact.place:
            self._change(
                since_s=since_s,
                since_utc_s=now.utc_of(since_s),
                trusted=_is_trusted(now),
                where=where,
                place=sign.place,
                alarmed=False,
                lone=None,
                lost_s=None,
                holed=False,
            )
        return fact.alarmed

    def _place(self, sign: Sign, lives: bool) -> None:
        """Keep the levels and the openings of the front door."""
        fact = self.fact
        moved = sign.active or sign.kind is Kind.REST
        resting = {
            source: place
            for source, place in fact.resting.items()
            if source != sign.source and not (moved and place != sign.place)
        }
        if sign.kind is Kind.REST and sign.active:
            resting[sign.source] = sign.place
        present = set(fact.present) - {sign.source}
        if sign.kind is Kind.PRESENCE and sign.active:
            present.add(sign.source)
        openings, opened_s = fact.openings, fact.opened_s
        if sign.kind is not Kind.FRONT_DOOR:
            if lives:
                openings, opened_s = 0, None
        elif sign.active:
            if opened_s is None or sign.monotonic_s - opened_s >= SAME_OPENING_S:
                openings += 1
            opened_s = sign.monotonic_s
        if (resting, tuple(sorted(present)), openings) != (
            fact.resting,
            fact.present,
            fact.openings,
        ) or (opened_s != fact.opened_s):
            self._change(
                resting=resting,
                present=tuple(sorted(present)),
                openings=openings,
                opened_s=opened_s,
            )

    def _where(self) -> Where:
        fact = self.fact
        if fact.resting:
            return Where.REST
        if fact.openings % 2 and not fact.present and self._residents == 1:
            return Where.OUT
        return Where.HOME

    def _is_believed(self, sign: Sign, now: Instant) -> bool:
        """Keep what is known of the source; return False when it is not to be believed."""
        before = self.fact.sources
        after = see(before, sign)
        if after is not before:
            self._change(sources=after)
        if is_believed(after, sign):
            return True
        if is_believed(before, sign):
            self._disbelieve(now)
        return False

    def _disbelieve(self, now: Instant) -> None:
        """Let the silence begin with the last sign of the sources that are believed."""
        others = [one.seen_s for one in self.fact.sources.values() if not one.chatters]
        if others:
            since_s = min(self.fact.since_s, max(others))
            self._change(
                since_s=since_s,
                since_utc_s=now.utc_of(since_s),
                where=Where.HOME,
                not_before_s=now.monotonic_s + GRACE_S,
                holed=True,
            )

    def _runs_on(self) -> bool:
        """Return True when the silence was old when the last source was lost."""
        fact = self.fact
        return fact.lost_s is not None and fact.lost_s - fact.since_s >= RUNNING_S

    def _change(self, **values: object) -> None:
        self.fact = msgspec.structs.replace(self.fact, **values)


def _is_trusted(now: Instant) -> bool:
    return now.quality is not Quality.NONE
