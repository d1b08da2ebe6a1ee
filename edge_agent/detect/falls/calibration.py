"""What one wearer's own daily impacts teach the fall detector: to ask for a little more.

```
  margin of    0        shift           bound
  an impact ---|----------|--------------|------------------------>
      quiet    |  quiet   |    raised    |   raised, and no lesson
                   near misses: they teach
```
An impact is judged by the margins of the forests `early` and `complete` (`model.py`); the
larger one counts. One at or above zero that the wearer's shift could ever keep quiet, so one below
`bound`, is a near one. Once LEAST events of this wearer have crossed zero, the shift is just above
their largest near one: never more than would have kept quiet what was seen, and never the bound.

How much this can cost: training chooses the bound so that a shift of all of it, for everybody and
all the time, loses at most half a point of sensitivity on people held out (`calibration` in
`model.json`). So most falls teach nothing: their margins lie above. Nothing is learnt while
an alarm is open, and what raised it is only learnt when it ends as something else than a fall.
The shift is in force only while the upright posture is known and points as it did when the shift
was learnt, and never for impacts with holes, without their surroundings, or of a stream slower than
the proof covers (`fall.CALIBRATED_HZ`).

Nothing here reads a clock: time is the detector's, and it counts only while impacts come.

Known weakness: a wearer who falls softly, twice, with margins below the bound, and whose alarms
nobody answers, teaches it that those are daily life, for MEMORY_S. A sensor moved to another place
of the body with the same side up is not noticed.
"""

import math
from dataclasses import dataclass

from edge_agent.detect.falls.calibration_fact import LONGEST_S, MOST, MOST_EVENTS, CalibrationFact
from edge_agent.detect.falls.upright import AGREE_COS, Direction

ENOUGH_SEEN = 100
"""Impacts before a shift is in force; a wearer's daily life shows in the first hundred, SisFall's
people have 300 to 500 in all. Whoever tries the sensor out at the hand-over makes fewer."""

ENOUGH_S = 1800.0
"""... and time during which they came. Pauses hardly count, so this is half an hour of moving about
and some hours of wear. What it guards is small, since the bound holds from the first second on."""

PAUSE_S = 60.0
"""A longer time without an impact counts as this long."""

LEAST = 2
"""Events above zero before a shift: one may have been the fall that this is all about."""

EVENT_S = 10.0
"""Impacts this close together are one event, as they are one alarm."""

MEMORY_S = 30 * 3600.0
"""Events are forgotten after this long, some weeks of wear: people and what they do change."""

STEP = 1e-6
"""The shift lies above what taught it by this."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is shown to people: the stored numbers, and a sentence.

    Attributes:
        seen: impacts learnt from.
        active_h: hours during which they came.
        events: events above zero that are remembered.
        near: those of them below the bound.
        shift: margin that is asked for more, in this wearer's mounting.
        bound: the most it can ever be.
        kept_quiet: events that were not raised because of it.
        words: the same as a sentence.
    """

    seen: int
    active_h: float
    events: int
    near: int
    shift: float
    bound: float
    kept_quiet: int
    words: str


class Calibration:
    """What is learnt of one wearer; it outlives detectors and restarts.

    Args:
        bound: of the model that decides, `FallModel.bound`.
        fact: what was stored, if anything; dropped when it belongs to another model.
    """

    def __init__(self, bound: float, fact: CalibrationFact | None = None) -> None:
        self._bound = bound
        self._held = False
        self._seen = self._quiet = 0
        self._active_s, self._last_s = 0.0, math.inf
        self._up: Direction | None = None
        self._events: list[tuple[float, float]] = []
        self._event: tuple[float, float, float] | None = None
        self._asked = 0.0
        self._begin(fact if fact is not None and fact.bound == bound else CalibrationFact(bound))

    def reset(self) -> None:
        """Know nothing, as of a new wearer."""
        self._begin(CalibrationFact(self._bound))

    def fact(self) -> CalibrationFact:
        """Return what to store."""
        return CalibrationFact(
            self._bound, self._seen, self._active_s, self._up, tuple(self._events), self._quiet
        )

    def hold(self) -> None:
        """Learn nothing and ask for nothing more: an alarm is open."""
        self._held = True

    def release(self, was_fall: bool) -> None:
        """Learn again; what came last before `hold` is dropped if it was a fall, or may have been.

        Args:
            was_fall: False only where somebody said that nothing had happened.
        """
        self._held = False
        if was_fall:
            self._event = None

    def count(self, impact_s: float, up: Direction | None) -> None:
        """Take note of an impact, whatever it will be judged to be.

        Args:
            impact_s: its time, on the detector's time line.
            up: the upright posture as the detector knows it.
        """
        if self._held or up is None:
            return
        if self._up is not None and _cosine(self._up, up) < AGREE_COS:
            self.reset()  # Put on otherwise.
        self._up = up
        self._seen = min(self._seen + 1, MOST)
        passed_s = impact_s - self._last_s
        if passed_s > 0.0:
            self._active_s = min(self._active_s + min(passed_s, PAUSE_S), LONGEST_S)
        self._last_s = impact_s
        self._close(impact_s)
        while self._events and self._active_s - self._events[0][0] > MEMORY_S:
            del self._events[0]

    def look(self, margin: float, impact_s: float, up: Direction | None) -> float:
        """Learn from a margin at or above zero, and return what it must reach to be raised.

        Args:
            margin: of a forest that saw everything it asks for.
            impact_s: time of the impact; it has been counted.
            up: as in `count`.
        """
        if self._held or not self._fits(up):
            return 0.0
        self._close(impact_s)
        asked = self.shift(up)
        begun_s, at_s, largest = self._event or (impact_s, self._active_s, 0.0)
        self._event = begun_s, at_s, min(max(margin, largest), self._bound)
        self._asked = asked
        return asked

    def awaits(self, impact_s: float) -> bool:
        """Return whether another margin of this very impact is wanted."""
        return self._event is not None and self._event[0] == impact_s and not self._held

    def shift(self, up: Direction | None) -> float:
        """Return by how much a margin must be above zero, for an impact with all surroundings."""
        if self._held or self._seen < ENOUGH_SEEN or self._active_s < ENOUGH_S:
            return 0.0
        if len(self._events) < LEAST or not self._fits(up):
            return 0.0
        near = [margin + STEP for _, margin in self._events if margin < self._bound]
        return min(max(near, default=0.0), self._bound)

    def inspect(self) -> Inspection:
        """Return what is known of the wearer, in numbers and in words."""
        shift, near = self.shift(self._up), sum(one < self._bound for _, one in self._events)
        hours = self._active_s / 3600.0
        if shift > 0.0:
            words = f"Asks for {shift:.2f} more than usual, at most {self._bound:.2f}"
        else:
            words = f"Asks for nothing more than usual, at most {self._bound:.2f}"
        words += f"; {near} near ones among {self._seen} impacts in {hours:.1f} h"
        words += f", {self._quiet} kept quiet."
        return Inspection(
            seen=self._seen,
            active_h=hours,
            events=len(self._events),
            near=near,
            shift=shift,
            bound=self._bound,
            kept_quiet=self._quiet,
            words=words,
        )

    def _begin(self, fact: CalibrationFact) -> None:
        self._seen, self._active_s, self._up = fact.seen, fact.active_s, fact.up
        self._events = list(fact.events)
        self._quiet = fact.kept_quiet
        self._last_s = math.inf
        self._event = None

    def _fits(self, up: Direction | None) -> bool:
        """Return whether the sensor is worn as it was when this was learnt."""
        return up is not None and self._up is not None and _cosine(self._up, up) >= AGREE_COS

    def _close(self, impact_s: float) -> None:
        """End the event that is open, unless the impact still belongs to it."""
        if self._event is None or 0.0 <= impact_s - self._event[0] <= EVENT_S:
            return
        _, at_s, margin = self._event
        if margin < self._asked:
            self._quiet = min(self._quiet + 1, MOST)
        self._events.append((at_s, margin))
        del self._events[:-MOST_EVENTS]
        self._event = None


def _cosine(a: Direction, b: Direction) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
