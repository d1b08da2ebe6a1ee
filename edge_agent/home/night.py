"""One night in one bed: what the information message `sleep_summary` says.

```
 noon                                                                     noon
   |      .-nap-.          .--------.  exit  .----.  .---------.            |
   |______|     |__________|        |________|    |__|         |____________|
          one period       |<--- the longest period, which is told -------->|
                                     absence      ^ off and on within RESTLESS_S
```
Absences over `APART_S` divide periods, so that a nap is not a night with a long absence. Nothing
is learned and nothing is judged: an absence that is an alarm is `bed_exit_not_returned`.
"""

from itertools import pairwise

import msgspec

from edge_agent.clock import Instant, Quality
from edge_agent.home.hours import LOCAL_OFFSET_S

RESTLESS_S = 30.0
"""Off and on again within this is turning over; nobody goes anywhere and comes back in it."""
APART_S = 3 * 3600.0
MOST_SPANS = 64
"""Times in bed kept for one night; with more, the shortest absence is forgotten."""

_DAY_S = 86_400.0

Span = tuple[float, float | None]
"""Time in bed: entered, and left or None, UTC seconds."""


class NightFact(msgspec.Struct, frozen=True):
    """What is stored: the night (days since 1970, of its first noon) and the times in bed."""

    night: int
    spans: tuple[Span, ...] = ()
    restless: int = 0


class NightSummary(msgspec.Struct, frozen=True):
    """What is told of a night.

    Attributes:
        begin_utc_s: in bed first.
        end_utc_s: out of bed last, or noon.
        in_bed_s: all times in bed together.
        exits: times out and back again.
        longest_absence_s: the longest of these.
        restless: times off and on within `RESTLESS_S`, of the whole day.
    """

    begin_utc_s: float
    end_utc_s: float
    in_bed_s: float
    exits: int
    longest_absence_s: float
    restless: int


class Night:
    """The current night of one bed."""

    def __init__(self, restless_s: float = RESTLESS_S) -> None:
        self._restless_s = restless_s
        self.fact: NightFact | None = None

    def restore(self, body: bytes) -> None:
        """Take back a stored fact."""
        self.fact = msgspec.json.decode(body, type=NightFact)

    def note(self, occupied: bool, at_utc_s: float) -> None:
        """Take that the bed was entered or left."""
        fact = self.fact or NightFact(_night(at_utc_s))
        spans, restless = join(fact.spans, occupied, at_utc_s, self._restless_s)
        self.fact = NightFact(fact.night, spans, fact.restless + restless)

    def take_due(self, now: Instant) -> NightSummary | None:
        """Return the summary once, after the night's last noon on a trusted clock."""
        fact = self.fact
        if fact is None or now.quality is Quality.NONE:
            return None
        night = _night(now.utc_s)
        if night == fact.night:
            return None
        noon_utc_s = (fact.night + 1) * _DAY_S + _DAY_S / 2 - LOCAL_OFFSET_S
        stays_on = bool(fact.spans) and fact.spans[-1][1] is None
        begun = _noon_before(now.utc_s)
        self.fact = NightFact(night, ((begun, None),) if stays_on else ())
        return summarize(fact, noon_utc_s) if night > fact.night else None


def join(
    spans: tuple[Span, ...], occupied: bool, at_s: float, restless_s: float
) -> tuple[tuple[Span, ...], int]:
    """Return the times in bed with one more edge, and 1 when it was only restlessness."""
    if not spans or spans[-1][1] is not None:
        if not occupied:
            return spans, 0
        left_s = spans[-1][1] if spans else None
        if left_s is None or at_s - left_s >= restless_s:
            return _bounded((*spans, (at_s, None))), 0
        return (*spans[:-1], (spans[-1][0], None)), 1
    if occupied:
        return spans, 0
    entered_s = spans[-1][0]
    return (*spans[:-1], (entered_s, max(entered_s, at_s))), 0


def summarize(fact: NightFact, noon_utc_s: float) -> NightSummary | None:
    """Return what the longest period of a night was like; None when nobody was in bed."""
    spans = [
        (entered_s, min(noon_utc_s if left_s is None else left_s, noon_utc_s))
        for entered_s, left_s in fact.spans
        if entered_s < noon_utc_s
    ]
    periods: list[list[tuple[float, float]]] = []
    for span in spans:
        if periods and span[0] - periods[-1][-1][1] <= APART_S:
            periods[-1].append(span)
        else:
            periods.append([span])
    if not periods:
        return None
    period = max(periods, key=lambda one: sum(left - entered for entered, left in one))
    absences = [after[0] - before[1] for before, after in pairwise(period)]
    return NightSummary(
        begin_utc_s=period[0][0],
        end_utc_s=period[-1][1],
        in_bed_s=sum(left - entered for entered, left in period),
        exits=len(absences),
        longest_absence_s=max(absences, default=0.0),
        restless=fact.restless,
    )


def _bounded(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """Close the shortest absence when there are too many."""
    if len(spans) <= MOST_SPANS:
        return spans
    gaps = [spans[i + 1][0] - (spans[i][1] or 0.0) for i in range(len(spans) - 1)]
    i = gaps.index(min(gaps))
    return (*spans[:i], (spans[i][0], spans[i + 1][1]), *spans[i + 2 :])


def _night(utc_s: float) -> int:
    """Return the day on whose noon the night began."""
    return int((utc_s + LOCAL_OFFSET_S - _DAY_S / 2) // _DAY_S)


def _noon_before(utc_s: float) -> float:
    return _night(utc_s) * _DAY_S + _DAY_S / 2 - LOCAL_OFFSET_S
