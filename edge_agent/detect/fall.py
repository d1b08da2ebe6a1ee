"""Falls from a worn accelerometer: gate, candidate, features, decision at impact + 1.25 s.

```
            |a|^2 > (1.4 g)^2,      largest within +-1 s,
  chunk --> 100 Hz grid, 1 s block --> candidate --> impact + 1.25 s --> forest --> Detection
                                          |
                                          +--> gap or end: decided at once, errs to raising
```
Everything happens at fixed places of a grid that starts with the first sample after a gap, so
any chunking of the same samples gives the same floats.

Known weakness: turning over in bed with a bump (SisFall D13, D14) makes most false alarms, since
nothing but posture tells a bed from a floor; soft falls of people who faint on a chair (F13) and
of the trained are missed most. Slow slides along a wall, with a peak below 1.4 g, are not seen at
all, nor is an impact whose samples are all missing.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.detector import Detection
from edge_agent.detect.fall_features import AFTERMATH, FEATURES, HISTORY, measure
from edge_agent.detect.fall_model import FallModel, probability, shipped_model
from edge_agent.detect.grid import BLOCK, GRID_HZ, Grid, Places
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

_EVIDENCE = [FEATURES.index(name) for name in ("peak_g", "angle_deg", "free_fall_s")]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An impact that was looked at, raised or not; kept only when asked for.

    Attributes:
        impact_s: time of the largest |a|.
        decided_s: time of the deciding sample.
        score: as in Detection; one half and more was raised unless the detector was refractory.
        history: grid samples there were before the impact.
        after: grid samples there were from the impact on.
        missing: grid samples in holes, from 1 s before the impact on.
        window: shape (3, HISTORY + after), g, NaN where missing.
        features: shape (len(FEATURES),).
    """

    impact_s: float
    decided_s: float
    score: float
    history: int
    after: int
    missing: int
    window: NDArray[np.float64]
    features: NDArray[np.float64]


class FallDecisions:
    """Where one acceleration channel is looked at and decided, wherever its samples are held.

    Attributes:
        candidates: every impact looked at, when `keep_candidates` is set; else None.
    """

    def __init__(
        self, grid: Places, channel: Channel, model: FallModel | None, keep_candidates: bool
    ) -> None:
        self.channel = channel
        self.candidates: list[Candidate] | None = [] if keep_candidates else None
        self._model = shipped_model() if model is None else model
        self._places = grid
        self._last_s = -math.inf
        self._last_margin = 0.0
        self._begin(0.0, GRID_HZ)

    def gap(self, gap: Gap) -> list[Detection]:
        """Decide what is open with the context there is, and begin anew."""
        found = self._flush()
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
        self._begin(chunk.start_s, chunk.rate_hz)
        return found

    def _begin(self, start_s: float, rate_hz: float) -> None:
        self._places.begin(start_s, rate_hz)
        self._block_end = BLOCK
        self._open: list[tuple[int, float]] = []
        self._aim()

    def _aim(self) -> None:
        """Set the next place on the grid where something happens, and the samples it needs."""
        due = self._block_end
        if self._open:
            due = min(due, self._open[0][0] + AFTERMATH)
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
        self._open = []
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
        impact = start + at
        if self._open and impact - self._open[-1][0] <= APART:
            if largest <= self._open[-1][1]:
                return
            self._open.pop()
        self._open.append((impact, largest))

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
        if since_s < SAME_FALL_S and self.candidates is None:
            return []
        history, after = impact - low, high - impact
        window = np.empty((3, HISTORY + after))
        window[:, : HISTORY - history] = np.nan
        window[:, HISTORY - history :] = grid.vectors(low, high)
        missing = 0
        if not norm2[norm2.argmax()] < IMPOSSIBLE_G2:  # a hole is NaN, and that is the largest
            sound = norm2 < IMPOSSIBLE_G2
            window[:, HISTORY - history :][:, ~sound] = np.nan
            needed = sound[max(0, history - ENOUGH_HISTORY) :]
            missing = len(needed) - int(np.count_nonzero(needed))
        features = measure(window, after)
        if history < ENOUGH_HISTORY or after < AFTERMATH:
            forest = self._model.cut
        else:
            forest = self._model.holed if missing else self._model.complete
        margin = forest.margin(features)
        one = Candidate(
            impact_s, now_s, probability(margin), history, after, missing, window, features
        )
        if self.candidates is not None:
            self.candidates.append(one)
        if margin < 0.0 or since_s < SAME_FALL_S:
            return []
        if since_s < REFRACTORY_S and margin <= self._last_margin:
            return []
        self._last_s, self._last_margin = impact_s, margin
        return [_detection(one)]


class FallDetector(FallDecisions):
    """Streaming fall detector of one acceleration channel, about 16 kB of state.

    Attributes:
        candidates: every impact looked at, when `keep_candidates` is set; else None.
    """

    def __init__(
        self, channel: Channel, model: FallModel | None = None, keep_candidates: bool = False
    ) -> None:
        self._grid = Grid()
        super().__init__(self._grid, channel, model, keep_candidates)

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


def _detection(one: Candidate) -> Detection:
    peak_g, angle_deg, free_fall_s = (float(one.features[i]) for i in _EVIDENCE)
    known = angle_deg == angle_deg
    reason = f"Impact of {peak_g:.1f} g after {free_fall_s:.2f} s of weightlessness"
    reason += f", posture changed by {angle_deg:.0f} degrees" if known else ", posture unknown"
    if one.after < AFTERMATH:
        reason += f", signal ended {one.after / GRID_HZ:.2f} s later"
    evidence = {
        "peak_g": peak_g,
        "angle_deg": angle_deg if known else 0.0,
        "free_fall_s": free_fall_s,
        "history_s": one.history / GRID_HZ,
        "after_s": one.after / GRID_HZ,
        "missing_s": one.missing / GRID_HZ,
    }
    return Detection("fall", one.impact_s, one.decided_s, one.score, evidence, reason + ".")
