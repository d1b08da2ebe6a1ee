"""Somebody or nobody in bed as a radar module says it: with delays, and never for ever.

```
 unknown | nobody --in bed for on_delay_s--> somebody --not in bed for off_delay_s--> nobody
                                                 any --no word for STALE_S--> unknown
```
A reading is a level that is told on change and again every 15 s. A module that flickers while
somebody turns over tells no exit: the off delay is longer than that.

Known weakness: a module that keeps its last word when somebody has left quietly is believed; the
load or the strip of the same bed goes before it where there is one.
"""

from edge_agent.detect.detector import Detection

STALE_S = 60.0
"""Four times the interval at which a unit repeats its readings."""


class BedRadar:
    """One module's word about one bed. Times are of the unit's time line.

    Attributes:
        occupied: None while unknown.
    """

    def __init__(self, on_delay_s: float = 3.0, off_delay_s: float = 10.0) -> None:
        self.occupied: bool | None = None
        self._delay_s = {True: on_delay_s, False: off_delay_s}
        self._heard_s: float | None = None
        self._level: bool | None = None
        self._since_s = 0.0

    def take(self, at_s: float, in_bed: bool) -> list[Detection]:
        """Take a reading and return what it decided; earlier than the last one begins anew."""
        if self._heard_s is not None and not 0.0 <= at_s - self._heard_s < STALE_S:
            self._level = None
        self._heard_s = at_s
        if in_bed is not self._level:
            self._level, self._since_s = in_bed, at_s
        return self.check(at_s)

    def check(self, now_s: float) -> list[Detection]:
        """Return what the passing of time decided."""
        if self._heard_s is None or self._level is None:
            return []
        if now_s - self._heard_s >= STALE_S:
            self.occupied = self._level = None
            return []
        level = self._level
        if level is self.occupied or now_s - self._since_s < self._delay_s[level]:
            return []
        self.occupied = level
        kind = "bed_entered" if level else "bed_left"
        evidence = {"delay_s": now_s - self._since_s}
        reason = "the radar sees somebody in bed" if level else "the radar sees nobody in bed"
        return [Detection(kind, self._since_s, now_s, 0.8, evidence, reason)]
