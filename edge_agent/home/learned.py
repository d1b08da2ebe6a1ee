"""How long a home is usually silent at each hour: four weeks of days, and a limit from them.

```
 day, local hour     0     1     2   ...   8     9    10   ...  23
 Monday            1.2   2.2   3.2   ... 9.1   0.4   1.0   ...  0.3   hours that the longest
 Tuesday           0.1   1.1   2.1   ... 8.1   1.2   0.3   ...  1.1   silence had lasted then
 ...
 reach(day, h) = max over k <= SLACK_H of silent(day, h + k), silent(day, h - k) + k
 usual(h)      = min(longest reach, RISE * second longest)
 limit(h)      = (FACTOR + EARLY / days) * usual(h), from the floor to the ceiling
```
So a person who is up by nine is missed soon after eleven, whenever in the night the silence
began. One strange day raises a limit by `RISE` at most over what the home had shown before, and
no number of them lifts it over the ceiling. A day is forgotten after `DAYS` others.

Known weakness: the limit of one hour rests on at most `DAYS` values; habits that change by more
than `SLACK_H` raise an alarm until somebody says that it was none.
"""

import math
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

DAYS = 28
"""Days remembered: four weeks, so that each day of the week is there four times."""
ENOUGH_DAYS = 7
"""Days before what was learned counts: one of each day of the week."""
FACTOR = 1.2
"""A silence is too long when it is longer than the usual by this, after many days."""
EARLY = 2.0
"""... and by this divided by the days before: the longest of n is itself exceeded on one day of
n + 1. A week gives 1.49, four weeks 1.27. With 1.0 in all, seven false alarms in the week judged
of one of three recorded homes; none from 1.25 to 1.5."""
RISE = 1.5
"""What one single day can add: the longest counts up to this times the second longest."""
SLACK_H = 2
"""Getting up or coming home this much later or earlier is no event."""
STEP_S = 360.0
"""Resolution of what is stored: a tenth of an hour, so that one byte holds 25 hours."""

_HOURS = 24
_DAY_S = 86_400.0
_EMPTY = bytes(_HOURS)


class Day(msgspec.Struct, frozen=True, array_like=True):
    """One local day: for each name of a state 24 bytes, steps of `STEP_S`."""

    number: int
    silent: dict[str, bytes]


class LearnedFact(msgspec.Struct, frozen=True):
    """What is stored: at most `DAYS` days, in the order they came."""

    days: tuple[Day, ...] = ()


class Bounds(msgspec.Struct, frozen=True):
    """For each local hour the limit in the first week, the floor and the ceiling, seconds."""

    default_s: tuple[float, ...]
    floor_s: tuple[float, ...]
    ceiling_s: tuple[float, ...]

    @classmethod
    def flat(cls, default_s: float, floor_s: float, ceiling_s: float) -> Self:
        """Return the same bounds for every hour."""
        return cls((default_s,) * _HOURS, (floor_s,) * _HOURS, (ceiling_s,) * _HOURS)


class Learned:
    """The silences of the last weeks in each state of the home, and the limits from them.

    Args:
        bounds: by name of the state; what is not named there is not learned.
    """

    def __init__(self, bounds: dict[str, Bounds]) -> None:
        self._bounds = bounds
        self._limits: dict[str, tuple[float, ...]] = {}
        self.fact = LearnedFact()

    def restore(self, body: bytes) -> None:
        """Take back a stored fact."""
        days = msgspec.json.decode(body, type=LearnedFact).days
        for day in days:
            if any(len(row) != _HOURS for row in day.silent.values()):
                raise msgspec.ValidationError("a day has 24 hours")
        self.fact = LearnedFact(days[-DAYS:])
        self._limits.clear()

    def see(self, local_s: float) -> None:
        """Note that this day was watched, though there was no silence in it yet."""
        number = int(local_s // _DAY_S)
        if all(day.number != number for day in self.fact.days):
            self._put({number: Day(number, {})})

    def learn(self, state: str, begin_local_s: float, end_local_s: float) -> None:
        """Note a silence that ended well; what is over a day long is cut to its last day."""
        if state not in self._bounds or not 0.0 <= end_local_s - begin_local_s < math.inf:
            return
        known = {day.number: day.silent for day in self.fact.days}
        rows: dict[int, bytearray] = {}
        last = int(end_local_s // 3600)
        for hour in range(max(int(begin_local_s // 3600), last - _HOURS), last + 1):
            number, i = divmod(hour, _HOURS)
            if number not in rows:
                rows[number] = bytearray(known.get(number, {}).get(state, _EMPTY))
            stood_s = min(end_local_s, 3600.0 * (hour + 1)) - begin_local_s
            rows[number][i] = max(rows[number][i], min(255, int(stood_s / STEP_S)))
        changed = {
            number: Day(number, {**known.get(number, {}), state: bytes(row)})
            for number, row in rows.items()
            if bytes(row) != known.get(number, {}).get(state, _EMPTY)
        }
        if changed:
            self._put(changed)

    def limits_s(self, state: str) -> tuple[float, ...]:
        """Return the limit in force at each local hour."""
        limits = self._limits.get(state)
        if limits is None:
            limits = self._limits[state] = self._reckon(state)
        return limits

    def _put(self, changed: dict[int, Day]) -> None:
        """Put days in. The order is that of arrival, so what a wrong clock wrote ages as well."""
        days = {day.number: day for day in self.fact.days} | changed
        self.fact = LearnedFact(tuple(days.values())[-DAYS:])
        self._limits.clear()

    def _reckon(self, state: str) -> tuple[float, ...]:
        bounds = self._bounds[state]
        days = self.fact.days[:-1]  # Today has not shown its whole self.
        if len(days) < ENOUGH_DAYS:
            return bounds.default_s
        stored = b"".join(day.silent.get(state, _EMPTY) for day in days)
        steps = np.frombuffer(stored, dtype=np.uint8).reshape(len(days), _HOURS)
        ranked = np.sort(_reach(steps.astype(np.float64) * STEP_S), axis=0)
        usual = np.minimum(ranked[-1], RISE * ranked[-2])
        limit = np.clip((FACTOR + EARLY / len(days)) * usual, bounds.floor_s, bounds.ceiling_s)
        return tuple(limit.tolist())


def _reach(silent_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how long each hour's silence could have been with the day shifted a little.

    Args:
        silent_s: shape (days, 24), seconds. The hours of a row are taken as a ring.
    """
    reach = silent_s
    for k in range(1, SLACK_H + 1):
        later = np.roll(silent_s, k, axis=1)
        later = np.where(later > 0.0, later + 3600.0 * k, 0.0)
        reach = np.maximum(reach, np.maximum(np.roll(silent_s, -k, axis=1), later))
    return reach
