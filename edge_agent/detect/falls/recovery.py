"""Getting up again after a fall: steps in the posture from before it, seen twice.

```
   fall ----- 5 s -----| steps, upright | at least 3 s | steps, upright | --> fall_recovered
                               anything else, silence, a gap: nothing is said
```
Only this is evidence of getting up; lying still, moving about or sitting up says nothing. Where
the upright posture was not known when the person fell, nothing is ever said. The steps are those
that `upright.py` sees, so people who tread softly are not seen to recover: the alarm stands.
"""

import math

from edge_agent.detect.falls.upright import Direction

NOT_BEFORE_S = 5.0
"""The steps that are looked at lie up to 3 s back, and the fall itself is over 2 s after it."""

APART_S = 3.0
"""Between two looks that count: they see different steps."""

LOOKS = 2
"""Looks that must agree."""

AS_BEFORE_COS = math.cos(math.radians(30.0))
"""The steps point as the upright posture before the fall did; a belt may have shifted a little."""

WATCH_S = 900.0
"""Steps later than this are for people to judge."""


class Recovery:
    """What was seen since the last fall."""

    def __init__(self) -> None:
        self._up: Direction | None = None
        self.end()

    def end(self) -> None:
        """Watch no longer."""
        self._fall_s = self._last_s = math.nan
        self._looks = 0

    def begin(self, fall_s: float, up: Direction | None) -> None:
        """Watch from a fall on, when up is known; else not at all."""
        self.end()
        if up is not None:
            self._up, self._fall_s = up, fall_s

    def is_open(self, now_s: float) -> bool:
        """Return whether steps would count."""
        return NOT_BEFORE_S <= now_s - self._fall_s <= WATCH_S

    def take_steps(self, direction: Direction, now_s: float) -> bool:
        """Return whether the steps seen now, and before, are enough to say that someone got up."""
        if self._up is None or not self.is_open(now_s) or now_s - self._last_s < APART_S:
            return False
        if sum(a * b for a, b in zip(self._up, direction, strict=True)) < AS_BEFORE_COS:
            self._looks, self._last_s = 0, math.nan
            return False
        self._looks, self._last_s = self._looks + 1, now_s
        if self._looks < LOOKS:
            return False
        self.end()
        return True
