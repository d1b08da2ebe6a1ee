"""Falls from a worn accelerometer: gate, candidate, features, decision at 0.75 or 1.4 s.

```
             |a|^2 > (1.4 g)^2,       largest within +-1 s,
  chunk --> 100 Hz grid, 0.5 s block --> candidate --> impact + 0.75 s: certain? --> Detection
                                            |                            | no
                                            |              impact + 1.4 s: forest --> Detection
                                            +--> gap or end: decided at once, errs to raising
```
Everything happens at fixed places of a grid that starts with the first sample after a gap, so
any chunking of the same samples gives the same floats.

Where an `Upright` is given, the posture it has learnt speaks against people who lay before or are
upright after, and steps in that posture after a fall are said as `fall_recovered`. Where a
`Calibration` is given, what it has learnt of the wearer's own impacts may ask for a little more
than a margin of zero, and only of impacts whose whole context came (`calibration.py`).

Known weakness: turning over in bed with a bump (SisFall D13, D14) makes most false alarms while
the upright posture is unknown, since nothing else tells a bed from a floor; soft falls of people
who faint on a chair (F13) and of the trained are missed most. Slow slides along a wall, with a
peak below 1.4 g, are not seen at all, nor is an impact whose samples are all missing.
"""

import math

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.detector import Detection
from edge_agent.detect.falls.calibration import Calibration
from edge_agent.detect.falls.candidate import Candidate, detection_of, recovery_of
from edge_agent.detect.falls.features import (
    AFTERMATH,
    EARLY,
    HISTORY,
    measure,
)
from edge_agent.detect.falls.grid import BLOCK, GRID_HZ, Grid, Places
from edge_agent.detect.falls.model import FallModel, probability, shipped_model
from edge_agent.detect.falls.recovery import Recovery
from edge_agent.detect.falls.upright import Direction, Upright
from edge_agent.stream.chunk import HOLE_LIMIT_S, Channel, Chunk, Gap

GATE_G = 1.4
"""|a| that makes a candidate: 1.4 to 1.6 g keeps every SisFall fall, and people of 80 hit
16 % slower than the young volunteers of that set (Choi 2015)."""

APART = 100
"""Grid samples: a candidate is the largest |a| within 1 s on both sides. Not below BLOCK, so
that it is always the largest of its block; not above AFTERMATH, when it is decided."""

REFRACTORY_S = 10.0
"""After a detection, further bumps are taken for the same fall for this long, unless one is a
clearer fall than the one that was raised: the first may have been a hard seat."""

SAME_FALL_S = 3.0
"""Bumps this soon after are the same fall however clear they are; the latest second bump of
about 1400 recorded falls came 1.7 s after the first."""

ENOUGH_HISTORY = 100
"""Grid samples before the impact (1 s) with which the complete model decides."""

IMPOSSIBLE_G2 = 5000.0
"""|a|^2 above this (70 g, twice a +-400 m/s^2 corner) is a broken sample, not a person."""

RATE_DRIFT = 0.02
"""Relative change of a chunk's rate that is still the same clock; more restarts the grid."""

CALIBRATED_HZ = 80.0
"""Slower streams are judged as ever. The bound holds at 87 to 200 Hz, with and without clipping; of
MobiFall's falls brought to 50, 25 and 20 Hz it would cost 0.7, 2.1 and 2.1 %."""


class FallDecisions:
    """Where one acceleration channel is looked at and decided, wherever its samples are held.

    Attributes:
        calibration: what is learnt of the wearer; may be set or taken away between two chunks.
        candidates: every impact looked at, when `keep_candidates` is set; else None.
    """

    def __init__(
        self,
        grid: Places,
        channel: Channel,
        model: FallModel | None,
        keep_candidates: bool,
        upright: Upright | None = None,
    ) -> None:
        self.channel = channel
        self.calibration: Calibration | None = None
        self.candidates: list[Candidate] | None = [] if keep_candidates else None
        self._model = shipped_model() if model is None else model
        self._places = grid
        self._upright = upright
        self._recovery = Recovery()
        self._last_s = -math.inf
        self._last_margin = 0.0
        self._begin(0.0, GRID_HZ)

    def gap(self, gap: Gap) -> list[Detection]:
        """Decide what is open with the context there is, and begin anew."""
        found = self._flush()
        if self._upright is not None:
            self._upright.pass_gap(gap.end_s - gap.start_s)
        self._begin(gap.end_s, self._places.rate_hz)
        return found

    def _align(self, chunk: Chunk) -> list[Detection]:
        """Make the next sample the chunk's first, and return what that decides."""
        grid = self._places
        late = chunk.start_s - grid.start_s - grid.received * grid.period_s
        if not abs(late) < 0.5 * grid.period_s or chunk.rate_hz != grid.rate_hz:
            return self._realign(chunk, late) if len(chunk.values) else []
        if not grid.received:
            grid.start_s += late
        return []

    def _realign(self, chunk: Chunk, late: float) -> list[Detection]:
        """Follow a clock that drifts; begin anew where it jumps or the rate changes."""
        grid = self._places
        steady = abs(chunk.rate_hz - grid.rate_hz) <= RATE_DRIFT * grid.rate_hz
        if grid.received and steady and abs(late) <= HOLE_LIMIT_S:
            if abs(late) >= 0.5 * grid.period_s:
                grid.start_s += late
            return []
        found = self._flush()
        if late < -HOLE_LIMIT_S:
            self._last_s = -math.inf  # The unit's time line began again.
            self._recovery.end()
        if self._upright is not None and grid.received:
            self._upright.pass_gap(late if abs(late) > HOLE_LIMIT_S else 0.0)
        self._begin(chunk.start_s, chunk.rate_hz)
        return found

    def _begin(self, start_s: float, rate_hz: float) -> None:
        self._places.begin(start_s, rate_hz)
        self._block_end = BLOCK
        self._open: list[tuple[int, float]] = []
        self._early: list[int] = []
        self._aim()

    def _aim(self) -> None:
        """Set the next place on the grid where something happens, and the samples it needs."""
        due = self._block_end
        if self._open:
            due = min(due, self._open[0][0] + AFTERMATH)
        if self._early:
            due = min(due, self._early[0] + EARLY)
        self._due = due
        self._needed = self._places.samples_for(due)

    def _step(self) -> list[Detection]:
        """Advance to the due place, look and decide."""
        due = self._due
        found: list[Detection] = []
        with np.errstate(all="ignore"):
            self._places.fill(due)
            if due == self._block_end:
                self._look(due - BLOCK, due)
                self._block_end += BLOCK
            while self._early and self._early[0] + EARLY <= due:
                found += self._decide_early(self._early.pop(0), self._needed - 1)
            while self._open and self._open[0][0] + AFTERMATH <= due:
                found += self._decide(self._open.pop(0)[0], self._needed - 1)
        self._aim()
        return found

    def _flush(self) -> list[Detection]:
        """Decide everything still open with what was received."""
        found: list[Detection] = []
        with np.errstate(all="ignore"):
            self._places.fill(self._places.places())
            self._look(self._block_end - BLOCK, self._places.filled)
            for impact, _ in self._open:
                found += self._decide(impact, self._places.received - 1)
        self._open, self._early = [], []
        return found

    def _look(self, start: int, stop: int) -> None:
        """Open the largest |a| of a block as a candidate when it passes the gate."""
        if stop <= start:
            return
        norm2 = self._places.norm2(start, stop)
        at = int(norm2.argmax())
        largest = float(norm2[at])
        if largest < GATE_G * GATE_G:
            return
        if not largest < IMPOSSIBLE_G2:
            norm2 = np.where(norm2 < IMPOSSIBLE_G2, norm2, np.float32(0.0))
            at = int(norm2.argmax())
            largest = float(norm2[at])
            if largest < GATE_G * GATE_G:
                return
        self._open_impact(start + at, largest)

    def _open_impact(self, impact: int, largest: float) -> None:
        """Open a candidate, in place of a smaller one that is near."""
        if self._open and impact - self._open[-1][0] <= APART:
            if largest <= self._open[-1][1]:
                return
            smaller, _ = self._open.pop()
            if self._early and self._early[-1] == smaller:
                self._early.pop()
        elif self.calibration is not None and self._upright is not None:
            self.calibration.count(self._places.place_time(impact), self._upright.direction)
        self._open.append((impact, largest))
        self._early.append(impact)

    def _learns_from(self, impact: int) -> bool:
        """Return whether a candidate must be looked at for steps, fall or not."""
        now_s, upright = self._places.place_time(impact), self._upright
        return upright is not None and (self._recovery.is_open(now_s) or upright.is_due(now_s))

    def _decide_early(self, impact: int, deciding: int) -> list[Detection]:
        """Return the fall, if the candidate is certainly one already.

        Args:
            impact: place of the largest |a| until now.
            deciding: index of the received sample that completed the context.
        """
        grid = self._places
        low, high = impact - HISTORY, impact + EARLY
        if low + HISTORY - ENOUGH_HISTORY < grid.first() or high > grid.filled:
            return []
        impact_s = grid.place_time(impact)
        since_s = impact_s - self._last_s
        if since_s < SAME_FALL_S:
            return []
        low = max(grid.first(), low)
        norm2 = grid.norm2(low, high)
        near = norm2[max(0, impact - low - APART) :]
        if not norm2[impact - low] >= near[near < IMPOSSIBLE_G2].max(initial=0.0):
            return []
        window, missing = self._window(impact, low, high)
        direction = None if self._upright is None else self._upright.direction
        features = measure(window, EARLY, direction)
        margin = self._model.early.margin(features)
        asked = 0.0
        if margin >= 0.0 and not missing:
            asked = self._asked(margin, impact_s, since_s >= REFRACTORY_S, direction)
        if margin < asked or (since_s < REFRACTORY_S and margin <= self._last_margin):
            return []
        self._last_s, self._last_margin = impact_s, margin
        self._recovery.begin(impact_s, direction)
        now_s, score = grid.sample_time(deciding), probability(margin)
        one = Candidate(
            impact_s,
            now_s,
            score,
            impact - low,
            EARLY,
            missing,
            window,
            features,
            direction,
            margin,
        )
        return [detection_of(one)]

    def _decide(self, impact: int, deciding: int) -> list[Detection]:
        """Return the fall, if the candidate is one.

        Args:
            impact: place of the largest |a|.
            deciding: index of the received sample that completed the context.
        """
        grid = self._places
        low = max(grid.first(), impact - HISTORY)
        high = min(impact + AFTERMATH, grid.filled)
        norm2 = grid.norm2(low, high)
        near = norm2[max(0, impact - APART - low) : impact + APART + 1 - low]
        peak, largest = norm2[impact - low], near[near.argmax()]
        if not largest <= peak and bool((near[near < IMPOSSIBLE_G2] > peak).any()):
            return []
        impact_s, now_s = grid.place_time(impact), grid.sample_time(deciding)
        since_s = impact_s - self._last_s
        awaited = self.calibration is not None and self.calibration.awaits(impact_s)
        if since_s < SAME_FALL_S and self.candidates is None and not awaited:
            return []
        history, after = impact - low, high - impact
        window, missing = self._window(impact, low, high)
        seen: Direction | None = None
        direction: Direction | None = None
        if self._upright is not None:
            if since_s >= SAME_FALL_S and self._learns_from(impact):
                seen = self._upright.look(window, impact_s)
            direction = self._upright.direction
        features = measure(window, after, direction)
        if history < ENOUGH_HISTORY or after < AFTERMATH:
            forest = self._model.cut
        else:
            forest = self._model.holed if missing else self._model.complete
        margin = forest.margin(features)
        score = probability(margin)
        one = Candidate(
            impact_s, now_s, score, history, after, missing, window, features, direction, margin
        )
        if self.candidates is not None:
            self.candidates.append(one)
        asked = 0.0
        if margin >= 0.0 and forest is self._model.complete:
            asked = self._asked(margin, impact_s, awaited or since_s >= REFRACTORY_S, direction)
        if since_s < SAME_FALL_S:
            return []
        if margin < asked or (since_s < REFRACTORY_S and margin <= self._last_margin):
            if seen is None or not self._recovery.take_steps(seen, impact_s):
                return []
            return [recovery_of(impact_s, now_s, since_s)]
        # What was raised with little context may have been a bump right before the fall.
        self._last_margin = 0.0 if forest is self._model.cut else margin
        self._last_s = impact_s
        self._recovery.begin(impact_s, direction or seen)
        return [detection_of(one)]

    def _asked(
        self, margin: float, impact_s: float, teaches: bool, direction: Direction | None
    ) -> float:
        """Return what a margin from zero on must reach, and let it teach the calibration."""
        if self.calibration is None or not self._places.rate_hz >= CALIBRATED_HZ:
            return 0.0
        if not teaches:
            return self.calibration.shift(direction)
        return self.calibration.look(margin, impact_s, direction)

    def _window(self, impact: int, low: int, high: int) -> tuple[NDArray[np.float64], int]:
        """Return places [low, high) as `measure` takes them, and how many are missing near by."""
        norm2, history = self._places.norm2(low, high), impact - low
        window = np.empty((3, HISTORY + high - impact))
        window[:, : HISTORY - history] = np.nan
        window[:, HISTORY - history :] = self._places.vectors(low, high)
        if norm2[norm2.argmax()] < IMPOSSIBLE_G2:  # a hole is NaN, and that is the largest
            return window, 0
        sound = norm2 < IMPOSSIBLE_G2
        window[:, HISTORY - history :][:, ~sound] = np.nan
        needed = sound[max(0, history - ENOUGH_HISTORY) :]
        return window, len(needed) - int(np.count_nonzero(needed))


class FallDetector(FallDecisions):
    """Streaming fall detector of one acceleration channel, about 16 kB of state.

    Attributes:
        candidates: every impact looked at, when `keep_candidates` is set; else None.
    """

    def __init__(
        self,
        channel: Channel,
        model: FallModel | None = None,
        keep_candidates: bool = False,
        upright: Upright | None = None,
    ) -> None:
        self._grid = Grid()
        super().__init__(self._grid, channel, model, keep_candidates, upright)

    def update(self, chunk: Chunk) -> list[Detection]:
        """Take the next chunk and return the falls it decided.

        Raises:
            ValueError: the chunk is not three axes at a rate the grid can take.
        """
        values, missing, grid = chunk.values, chunk.missing, self._grid
        if values.shape[1:] != (3,):
            raise ValueError(f"a fall detector takes three axes, not shape {values.shape}")
        size, taken = len(values), 0
        found = self._align(chunk)
        while True:
            end = min(size, taken + self._needed - grid.received)
            grid.put(values[taken:end], None if missing is None else missing[taken:end])
            taken = end
            if grid.received < self._needed:
                return found
            found += self._step()


def detect_snippet(
    channel: Channel,
    samples: NDArray[np.float32],
    rate_hz: float,
    start_s: float,
    model: FallModel | None = None,
) -> list[Detection]:
    """Return the falls of one finished recording, as of a late `Impact` snippet.

    Args:
        channel: where the samples come from.
        samples: shape (n, 3), m/s^2.
        rate_hz: samples a second.
        start_s: time of the first sample on the unit's time line.
        model: the shipped one when None.
    """
    detector = FallDetector(channel, model)
    chunk = Chunk(channel, start_s, rate_hz, samples)
    found = detector.update(chunk)
    return found + detector.gap(Gap(channel, chunk.end_s, chunk.end_s))
