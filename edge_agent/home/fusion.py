"""One event seen by several sources becomes one alarm; two events never become one for sure.

```
 pendant  10:00:00 fall, Li --------> event A (Li) ---> alarm of Li
 radar    10:00:02 fall, bathroom --> joins A: same alarm, evidence of both, surer
 flag     10:00:15 of that radar ---> joins A: a module's own flag is slow
 radar    10:00:20 another place ---> event B: nobody's name, a second alarm
 pendant  after A was closed -------> event C: never the old one
```
Every cause goes on to the alarm table, joined or not: a source can never veto, delay or hide. What
is decided here is only whose alarm it belongs to (`person` and `unit`, the table's subject).

A cause joins an event when all of these hold; in doubt it is an event of its own:
1. the same condition, and the event's alarm had not ended at the cause's onset;
2. onsets within `SAME_S`, or within `SLOW_S` after it when the cause is a module's own flag;
3. no two names: what carries a person never joins another person's event;
4. each unit tells an event once. A unit that tells again saw somebody else, unless it repeats
   itself (within `SAME_S` and not from another place of its floor, or its slow flag comes);
5. the same place, or a home of one person and a source that is worn; and in a home of several,
   rule 2 without the slow flag, unless both carry the same name.

Known weakness: two people who fall in one room within 10 s, one seen only by a worn sensor and the
other only by a nameless radar, are one alarm: nothing tells them apart. Its second event is sent.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from edge_agent.home.cause import Cause

JOINED = frozenset({"fall", "breathing_stopped"})
"""Conditions that several sources can see at once. A call is pressed; two are two calls."""
SAME_S = 10.0
"""As the alarm table's own limit for bumps of one fall."""
SLOW_S = 30.0
"""A module's fall flag comes 10 to 20 s after the fall (LD6002C default, MR60FDA2 users)."""
APART_M = 1.6
"""Two falls seen by one radar this far apart are two people: farther than a body is long."""
MOST_SURE = 0.99
EVENTS_KEPT = 64
SUPPORTS_KEPT = 32


@dataclass(slots=True)
class _Event:
    """Something that happened once, as told so far."""

    condition: str
    onset_utc_s: float
    place: str
    person: str | None
    subject: tuple[str | None, str | None]
    source: str | None
    score: float
    evidence: dict[str, float]
    reasons: list[str]
    units: dict[str | None, Cause] = field(default_factory=dict)
    ended_utc_s: float | None = None


@dataclass(frozen=True, slots=True)
class Support:
    """What makes an event surer and is none: `stopped` of a track, `dwelling` of a module."""

    what: str
    place: str
    utc_s: float
    score: float


class Fusion:
    """The events of one home, newest last."""

    def __init__(self, people: int, worn: Collection[str] = ()) -> None:
        """Set up for a home.

        Args:
            people: how many live there; 1 when nobody knows better is not safe, say 2.
            worn: units that a person carries from place to place.
        """
        self._is_alone = people <= 1
        self._worn = frozenset(worn)
        self._events: list[_Event] = []
        self._supports: list[Support] = []

    def join(self, cause: Cause) -> Cause:
        """Return the cause as the alarm table is to take it: whose alarm, and all evidence.

        The onset, the origin and the flags stay those of the cause.
        """
        if cause.condition not in JOINED or not math.isfinite(cause.onset_utc_s):
            return cause
        same = [event for event in self._events if self._is_same(event, cause)]
        if not same:
            return self._begin(cause)
        return self._joined(
            min(same, key=lambda event: abs(event.onset_utc_s - cause.onset_utc_s)), cause
        )

    def end(self, condition: str, subject: str, utc_s: float) -> None:
        """Note that an alarm recovered or was closed: what happens later is something new."""
        for event in self._events:
            person, unit = event.subject
            if (
                event.condition == condition
                and (person or unit) == subject
                and event.ended_utc_s is None
            ):
                event.ended_utc_s = utc_s

    def support(self, support: Support) -> None:
        """Keep what would make an event in the same place surer. It raises nothing."""
        self._supports = [*self._supports, support][-SUPPORTS_KEPT:]

    def _is_same(self, event: _Event, cause: Cause) -> bool:
        late_s = cause.onset_utc_s - event.onset_utc_s
        if event.condition != cause.condition:
            return False
        if event.ended_utc_s is not None and cause.onset_utc_s > event.ended_utc_s:
            return False
        names = {event.person, cause.person} - {None}
        if len(names) > 1:
            return False
        is_named = event.person is not None and event.person == cause.person
        may_be_slow = _is_flag(cause) and (self._is_alone or is_named or cause.unit in event.units)
        if not -SAME_S <= late_s <= (SLOW_S if may_be_slow else SAME_S):
            return False
        before = event.units.get(cause.unit)
        if before is not None:
            return _is_repeated(before, cause)
        if event.place == cause.place[0] or is_named:
            return True
        units = {cause.unit, *event.units}
        return self._is_alone and not units.isdisjoint(self._worn)

    def _begin(self, cause: Cause) -> Cause:
        """Return the cause as an event of its own, under a subject that no open event has."""
        person = cause.person
        taken = [
            one.subject
            for one in self._events
            if one.ended_utc_s is None
            and one.condition == cause.condition
            and cause.unit in one.units
            and abs(cause.onset_utc_s - one.onset_utc_s) <= SLOW_S
        ]
        if person is None and cause.unit is not None and (None, cause.unit) in taken:
            person = f"{cause.unit[:60]}-{len(taken) + 1}"
        event = _Event(
            condition=cause.condition,
            onset_utc_s=cause.onset_utc_s,
            place=cause.place[0],
            person=cause.person,
            subject=(person, cause.unit),
            source=cause.source,
            score=cause.score or 0.0,
            evidence=dict(cause.evidence),
            reasons=[cause.reason] if cause.reason else [],
            units={cause.unit: cause},
        )
        self._events = [*self._events, event][-EVENTS_KEPT:]
        return self._supported(event, replace(cause, person=person))

    def _joined(self, event: _Event, cause: Cause) -> Cause:
        """Return the cause under the event's subject, with what all sources said."""
        is_new = cause.unit not in event.units
        event.person = event.person or cause.person
        if is_new:
            event.score = _surer(event.score, cause.score or 0.0)
        else:
            event.score = max(event.score, cause.score or 0.0)
        event.units[cause.unit] = cause
        event.evidence = {**cause.evidence, **event.evidence}
        if cause.reason and cause.reason not in event.reasons:
            event.reasons.append(cause.reason)
        if is_new and cause.source is not None and cause.source != event.source:
            event.source = f"{event.source}+{cause.source}" if event.source else cause.source
        person, unit = event.subject
        joined = replace(
            cause,
            person=person,
            unit=unit,
            source=event.source,
            score=event.score or None,
            evidence={**event.evidence, "sources": float(len(event.units))},
            reason=" ".join(event.reasons) or None,
        )
        return self._supported(event, joined)

    def _supported(self, event: _Event, cause: Cause) -> Cause:
        """Return the cause, surer by what else was noticed in its place at its time."""
        evidence, score = dict(cause.evidence), cause.score
        for one in self._supports:
            if one.place != event.place or abs(one.utc_s - event.onset_utc_s) > SAME_S:
                continue
            evidence[f"{one.what}_after_s"] = one.utc_s - event.onset_utc_s
            score = _surer(score or 0.0, one.score)
        return replace(cause, evidence=evidence, score=score)


def _surer(one: float, other: float) -> float:
    """Return the score of two sources that err independently: 1 - (1 - a)(1 - b)."""
    return min(MOST_SURE, 1.0 - (1.0 - one) * (1.0 - other))


def _is_flag(cause: Cause) -> bool:
    return cause.evidence.get("module_flag", 0.0) > 0.0


def _is_repeated(before: Cause, cause: Cause) -> bool:
    """Return True when a unit says again what it said, False when it saw somebody else."""
    if _is_flag(cause) != _is_flag(before):
        return True
    if abs(cause.onset_utc_s - before.onset_utc_s) > SAME_S:
        return False
    places = [
        (one.evidence["x_m"], one.evidence["y_m"])
        for one in (before, cause)
        if "x_m" in one.evidence and "y_m" in one.evidence
    ]
    return len(places) < 2 or math.dist(places[0], places[1]) <= APART_M
