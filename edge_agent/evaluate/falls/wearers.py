"""The trials of a set as a home would see them: each wearer's in the order of the file.

```
   wearer A  --trial--| 60 s |--trial--| 60 s |--trial--      one time line and one Upright each
   wearer B      --trial--| 60 s |--trial--
```
A recording of the flat form is many short trials; a wearer's detector lives for months. What it
has learnt without being told anything (which way is up, how near to a fall the wearer's own daily
life comes) is carried from trial to trial, falls included; everything else begins anew with each.
"""

from edge_agent.detect.falls.calibration import Calibration
from edge_agent.detect.falls.upright import Upright
from edge_agent.evaluate.falls.trials import Trial

PAUSE_S = 60.0
"""Between two trials of a wearer."""


class Wearers:
    """Where every wearer's time line has come to, and what was learnt on it."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[float, Upright]] = {}
        self._calibrations: dict[str, Calibration] = {}

    def begin(self, trial: Trial) -> tuple[float, Upright]:
        """Return when a trial begins on its wearer's time line, and what was learnt before."""
        start_s, upright = self._of.get(trial.subject, (0.0, Upright()))
        self._of[trial.subject] = start_s + trial.seconds + PAUSE_S, upright
        return start_s, upright

    def calibration(self, subject: str, bound: float) -> Calibration:
        """Return a wearer's calibration within a model's bound, which is always the same one."""
        return self._calibrations.setdefault(subject, Calibration(bound))
