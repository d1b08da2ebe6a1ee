"""Signs of life on a bed strip, second by second: moves, breath, beats.

What `presence.py` knows somebody by. A move is a second far above the calm ones; breath is a
slow swing that the fast band's noise cannot make; beats are those of `beats.py`, looked for
only while breath does not already say enough.
"""

import math
from collections import deque

import numpy as np

from edge_agent.detect.bed.beats import HEART, Beats
from edge_agent.stream.filters import Block, Filter

MOVE_RATIO = 4.0
CALM_S, CALM_SHARE = 120, 0.3
DEPTH_S = 8
BREATH_TO_BEAT = 0.5
"""As in `respiration.py`: what a move is, and what a breath; an empty bed's depth is 0.17."""

BEATS_S = 5
BREATHS_S = 8
"""Seconds in a row with beats, or with breath, that are somebody's."""

SIGN_S = 3
"""Seconds in a row with breath, or with beats, that are a sign of life; noise makes one or two."""

STIR_S = 60
"""Seconds over which moves are remembered."""

DEPTH_FOLLOW = 0.05
PLACES_HZ = 10
SLOW = Filter(PLACES_HZ, None, 1.6)
FILTERS = (SLOW, HEART)
"""Outputs that a block must hold, in this order."""


class Life:
    """Signs of life since the last beginning.

    Attributes:
        calm: deviation of the fast band while nobody moves.
        depth: usual deviation of a breath of somebody in bed; 0 before one was seen.
        breaths_s, beats_s: seconds in a row with breath, with beats.
        sign_s: when life was last seen, or when looking began; None before the first second.
        stirred: a move, or a gap, since beats or breath were last sure.
    """

    def __init__(self) -> None:
        self.depth = 0.0
        self._window = np.zeros(DEPTH_S * PLACES_HZ)
        places = np.arange(len(self._window)) - 0.5 * (len(self._window) - 1)
        self._slope = places / math.sqrt(float(places @ places))
        self._beats = Beats()
        self.begin()

    def begin(self) -> None:
        """Forget the signal."""
        self.calm = 0.0
        self.breaths_s = self.beats_s = self._count = 0
        self.sign_s: float | None = None
        self.stirred = True
        self._activity: deque[float] = deque(maxlen=CALM_S)
        self._moved: deque[bool] = deque(maxlen=STIR_S)
        self._beats.begin()

    def leave(self) -> None:
        """Forget what somebody who has left did."""
        self.breaths_s = self.beats_s = 0
        self._moved.clear()

    def second(self, block: Block, activity: float, occupied: bool) -> None:
        """Take a second; activity is the deviation of its fast band."""
        slow, end_s = block.outputs[0], block.start_s + 1.0 / block.stretch
        self._window[: -len(slow)] = self._window[len(slow) :]
        self._window[-len(slow) :] = slow
        self._count += 1
        self._activity.append(activity)
        self.calm = sorted(self._activity)[int(CALM_SHARE * len(self._activity))]
        moved = activity > MOVE_RATIO * self.calm
        self._moved.append(moved)
        breath = self.is_still(DEPTH_S) and self._breathes(activity, occupied)
        self.breaths_s = self.breaths_s + 1 if breath else 0
        if occupied and breath:
            self.beats_s = 0
            self._beats.begin()
        else:
            rate = self._beats.second(block, block.outputs[1])
            self.beats_s = self.beats_s + 1 if rate.bpm is not None else 0
        self.stirred |= moved
        if moved or self.breaths_s >= SIGN_S or self.beats_s >= SIGN_S:
            self.sign_s = end_s
        elif self.sign_s is None:
            self.sign_s = end_s - 1.0
        if self.beats_s >= BEATS_S or self.breaths_s >= BREATHS_S:
            self.stirred = False

    def is_still(self, seconds: int) -> bool:
        """Return True after so many seconds without a move."""
        return self._count >= seconds and not any(list(self._moved)[-seconds:])

    def moves(self, seconds: int) -> int:
        """Return the seconds with moves among the last ones."""
        return sum(list(self._moved)[-seconds:])

    def _breathes(self, activity: float, occupied: bool) -> bool:
        part = self._window - self._window.mean()
        part -= self._slope * float(self._slope @ part)
        depth = math.sqrt(float(part @ part) / len(part))
        breath = depth >= BREATH_TO_BEAT * activity
        if occupied and breath:
            self.depth += DEPTH_FOLLOW * (depth - self.depth) if self.depth else depth
        return breath
