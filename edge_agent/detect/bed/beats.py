"""Heartbeats in the fast outputs of a bed strip: a rate a second, or why there is none.

What `heart_rate.py` tells, and what `respiration.py` knows a person by.
"""

import math
from collections import deque

import numpy as np

from edge_agent.detect.bed.rhythm import Floats, Rate, Reason, Rhythm
from edge_agent.stream.filters import Block, Filter

PLACES_HZ = 25
"""The comb reads the spectrum, not the places: 50 a second tell the same within 0.02 bpm and cost
a quarter more."""

WINDOW_S = 10
"""Ten beats at 60 bpm; 8 and 12 s differ by less than 0.15 bpm on the simulator."""

BAND_HZ = (1.2, 9.0)
"""From the fundamental of a resting heart to the last harmonics of the J wave. Source of the upper
edge: Inan et al., IEEE J Biomed Health Inform 19(4), 2015 (BCG below 10 Hz). Without the
fundamentals (from 1.8 Hz on) errors by 3:2 return."""

RATES_BPM = (35.0, 150.0)

FOUND_STRENGTH = 0.22
KEPT_STRENGTH = 0.15
"""The comb of a rhythm that begins to be told, and of one that goes on: white noise reaches the
first in about 2 of 1000 seconds."""

LEAST_CERTAINTY = 0.8
"""Probability of the rates within `NEAR` steps (8 %) of the one that is told."""

STEADY_S = 5
"""Seconds over which the strength is averaged, and that it needs before it tells anything."""

MOVE_RATIO = 2.5
"""A second with this many times the median deviation of the window is a move (a beat's own size
changes by a quarter with the breath)."""

MOST_MOVES = 1
"""Seconds with moves in a window that is still judged: one twitch."""

MOST_GAIN = 2.0
"""Every second is brought to the same size, by at most this. A beat grows with the breath, and with
the breath the heart runs faster: unweighted, the fast part of a breath is told as the mean, 0.3 bpm
too high on the simulator (0.1 with it). A twitch is toned down on the way."""

MOST_MISSING = 0.2
"""Share of the window's samples that may be missing."""

HEART = Filter(PLACES_HZ, 10.0, 1.6)
"""12 in place of 10 Hz lets through noise only: a fifth more seconds without rhythm."""

LEAST_SIZE = 1e-30
"""Deviation of a second that is no signal, in whatever unit."""


class Beats:
    """Finds the heart's rhythm in the last WINDOW_S of the filter HEART."""

    def __init__(self) -> None:
        self._rhythm = Rhythm(WINDOW_S * PLACES_HZ, PLACES_HZ, BAND_HZ, RATES_BPM)
        self._window = np.zeros((WINDOW_S, PLACES_HZ), dtype=np.float32)
        self.begin()

    def begin(self) -> None:
        """Forget everything."""
        self._size: deque[float] = deque(maxlen=WINDOW_S)
        self._missing: deque[float] = deque(maxlen=WINDOW_S)
        self._strength: deque[float] = deque(maxlen=STEADY_S)
        self._rhythm.restart()
        self._telling = False

    def second(self, block: Block, wave: Floats) -> Rate:
        """Take the next second; wave is what HEART made of the block."""
        window = self._window
        window[:-1] = window[1:]
        window[-1] = wave
        self._size.append(math.sqrt(float(wave @ wave) / PLACES_HZ))
        self._missing.append(block.missing)
        at_s = block.start_s + (1.0 - 0.5 * WINDOW_S) / block.stretch
        if len(self._size) < WINDOW_S:
            return Rate(at_s, None, 0.0, Reason.WARMING_UP)
        if sum(self._missing) > MOST_MISSING * WINDOW_S:
            return self._nothing(at_s, Reason.MISSING)
        usual = sorted(self._size)[WINDOW_S // 2]
        if usual < LEAST_SIZE:
            return self._nothing(at_s, Reason.NO_SIGNAL)
        most = MOVE_RATIO * usual
        moves = len([size for size in self._size if size > most])
        if moves > MOST_MOVES:
            return self._nothing(at_s, Reason.MOVEMENT)
        least = usual / MOST_GAIN
        gain = np.array([1.0 / max(size, least) for size in self._size], dtype=np.float32)
        comb = self._rhythm.comb((window * gain[:, np.newaxis]).ravel())
        estimate = self._rhythm.step(comb)
        if estimate is None:
            return self._nothing(at_s, Reason.NO_SIGNAL)
        self._strength.append(estimate.strength)
        strength = sum(self._strength) / len(self._strength)
        quality = estimate.certainty * min(1.0, max(0.0, 2.0 * strength))
        bar = KEPT_STRENGTH if self._telling else FOUND_STRENGTH
        steady = len(self._strength) == STEADY_S and strength >= bar
        self._telling = steady and estimate.certainty >= LEAST_CERTAINTY
        if not self._telling:
            reason = Reason.MOVEMENT if moves else Reason.NO_RHYTHM
            return Rate(at_s, None, quality, reason)
        return Rate(at_s, estimate.per_minute * block.stretch, quality, None)

    def _nothing(self, at_s: float, reason: Reason) -> Rate:
        self._rhythm.step(None)
        self._strength.clear()
        self._telling = False
        return Rate(at_s, None, 0.0, reason)
