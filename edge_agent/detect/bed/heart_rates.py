"""Heart rates of many beds at once: the numbers of `heart_rate.py` at half the cost.

```
 n strips --> n BlockFilters --> windows (n, 250) --> combs (n, states) --> n trackers --> rates
               one by one         from here on one call for all beds that completed a second
```
For a ward, a county's replay or an evaluation; a home with one bed uses `HeartRate`. The filters
hold each strip's own clock and holes and stay one by one; they are half of what is left of the
bill. Rates agree with the single detector to 1e-3 bpm (the order of sums differs), the reasons
exactly, except where a sum lies on a threshold to its last bit.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.bed.beats import (
    BAND_HZ,
    FOUND_STRENGTH,
    HEART,
    KEPT_STRENGTH,
    LEAST_CERTAINTY,
    LEAST_SIZE,
    MOST_GAIN,
    MOST_MISSING,
    MOST_MOVES,
    MOVE_RATIO,
    PLACES_HZ,
    RATES_BPM,
    STEADY_S,
    WINDOW_S,
)
from edge_agent.detect.bed.rhythm import (
    AT_EDGE,
    FOCUS,
    LEAST_POWER,
    NEAR,
    SHARPNESS,
    STEP,
    Floats,
    Rate,
    Reason,
    combs_of,
    tables_of,
)
from edge_agent.stream.chunk import Channel, Chunk, Gap
from edge_agent.stream.filters import Block, BlockFilter

_Ints = NDArray[np.intp]
_Rows = TypeVar("_Rows", Floats, NDArray[np.float32])
_AROUND = np.arange(-NEAR, NEAR + 1)


class HeartRates:
    """Streaming heart rates of n strips; stream i is channels[i]."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self.channels = tuple(channels)
        count = len(self.channels)
        self._tables = tables_of(WINDOW_S * PLACES_HZ, PLACES_HZ, BAND_HZ, RATES_BPM)
        states = len(self._tables.log_rate)
        self._filters = [BlockFilter([HEART]) for _ in self.channels]
        self._window = np.zeros((count, WINDOW_S * PLACES_HZ), dtype=np.float32)
        self._size = np.zeros((count, WINDOW_S))
        self._missing = np.zeros((count, WINDOW_S))
        self._seconds = np.zeros(count, dtype=np.intp)
        self._belief = np.full((count, states), 1.0 / states)
        self._strength = np.zeros((count, STEADY_S))
        self._strengths = np.zeros(count, dtype=np.intp)
        self._telling = np.zeros(count, dtype=np.bool_)

    def update(self, chunks: Sequence[Chunk | None]) -> list[list[Rate]]:
        """Take the next chunk of each stream, None where there is none; return their rates.

        Raises:
            ValueError: not one entry a stream, or a chunk that `HeartRate` would refuse.
        """
        if len(chunks) != len(self.channels):
            raise ValueError(f"{len(chunks)} chunks for {len(self.channels)} streams")
        queues = [
            [] if chunk is None else one.put(chunk)
            for one, chunk in zip(self._filters, chunks, strict=True)
        ]
        found: list[list[Rate]] = [[] for _ in queues]
        for turn in range(max(map(len, queues), default=0)):
            blocks: list[Block] = []
            who: list[int] = []
            for i, queue in enumerate(queues):
                if turn >= len(queue):
                    continue
                block = queue[turn]
                if block is None:
                    self._begin(i)
                else:
                    blocks.append(block)
                    who.append(i)
            if who:
                for i, rate in zip(who, self._second(np.array(who), blocks), strict=True):
                    found[i].append(rate)
        return found

    def gap(self, stream: int, gap: Gap) -> None:
        """Begin one stream anew."""
        self._filters[stream].begin(gap.end_s)
        self._begin(stream)

    def _begin(self, i: int) -> None:
        self._seconds[i] = self._strengths[i] = 0
        self._telling[i] = False
        self._belief[i] = 1.0 / self._belief.shape[1]

    def _second(self, who: _Ints, blocks: Sequence[Block]) -> list[Rate]:
        """Take one second of the streams `who`."""
        wave = np.array([block.outputs[0] for block in blocks])
        window = _shifted(self._window, who, wave)
        now = np.sqrt(np.einsum("ij,ij->i", wave, wave) / PLACES_HZ)[:, np.newaxis]
        size = _shifted(self._size, who, now)
        lost = np.array([[block.missing] for block in blocks])
        missing = _shifted(self._missing, who, lost).sum(axis=1)
        self._seconds[who] += 1

        usual = np.sort(size, axis=1)[:, WINDOW_S // 2]
        most = MOVE_RATIO * usual
        moves = (size > most[:, np.newaxis]).sum(axis=1)
        warming = self._seconds[who] < WINDOW_S
        gone = ~warming & (missing > MOST_MISSING * WINDOW_S)
        silent = ~warming & ~gone & (usual < LEAST_SIZE)
        moved = ~warming & ~gone & ~silent & (moves > MOST_MOVES)
        sound = ~(warming | gone | silent | moved)

        least = np.maximum(usual, LEAST_SIZE)[:, np.newaxis] / MOST_GAIN
        gain = (1.0 / np.maximum(size, least)).astype(np.float32)
        comb, power = combs_of(window * np.repeat(gain, PLACES_HZ, axis=1), self._tables)
        comb /= np.maximum(power, LEAST_POWER)[:, np.newaxis]
        silent |= sound & ~(power > LEAST_POWER)
        sound &= ~silent
        rate, certainty, strength = self._step(who, comb, sound, warming)

        steady = self._steady(who, strength, sound)
        mean = self._strength[who].sum(axis=1) / np.maximum(self._strengths[who], 1)
        quality = np.where(sound, certainty * np.clip(2.0 * mean, 0.0, 1.0), 0.0)
        bar = np.where(self._telling[who], KEPT_STRENGTH, FOUND_STRENGTH)
        told = sound & steady & (mean >= bar) & (certainty >= LEAST_CERTAINTY)
        self._telling[who] = told
        cases = {
            Reason.WARMING_UP: warming,
            Reason.MISSING: gone,
            Reason.NO_SIGNAL: silent,
            Reason.MOVEMENT: moved | (sound & ~told & (moves > 0)),
        }
        rates = []
        for i, block in enumerate(blocks):
            at_s = block.start_s + (1.0 - 0.5 * WINDOW_S) / block.stretch
            if told[i]:
                rates.append(Rate(at_s, float(rate[i]) * block.stretch, float(quality[i]), None))
                continue
            reason = next((name for name, case in cases.items() if case[i]), Reason.NO_RHYTHM)
            rates.append(Rate(at_s, None, float(quality[i]), reason))
        return rates

    def _step(
        self, who: _Ints, comb: Floats, sound: NDArray[np.bool_], warming: NDArray[np.bool_]
    ) -> tuple[Floats, Floats, Floats]:
        """Advance the trackers; return rate, certainty and strength of each."""
        before = self._belief[who]
        belief = before @ self._tables.walk.T
        belief *= np.exp(SHARPNESS * np.where(sound[:, np.newaxis], comb, 0.0))
        belief /= belief.sum(axis=1, keepdims=True)
        self._belief[who] = np.where(warming[:, np.newaxis], before, belief)

        last = belief.shape[1] - 1
        best = belief.argmax(axis=1)
        at = best[:, np.newaxis] + _AROUND
        inside = (at >= 0) & (at <= last)
        at = np.clip(at, 0, last)
        rows = np.arange(len(who))
        near = np.where(inside, np.exp(FOCUS * comb[rows[:, np.newaxis], at]), 0.0)
        middle = (near * at).sum(axis=1) / near.sum(axis=1)
        low = np.minimum(middle.astype(np.intp), np.minimum(best + NEAR, last) - 1)
        strength = comb[rows, low] + (comb[rows, low + 1] - comb[rows, low]) * (middle - low)
        edge = (best < AT_EDGE) | (best >= last + 1 - AT_EDGE)
        strength = np.where(edge, np.minimum(strength, 0.0), strength)
        certainty = np.where(inside, belief[rows[:, np.newaxis], at], 0.0).sum(axis=1)
        rate = np.exp(self._tables.log_rate[0] + STEP * middle)
        return rate, np.minimum(certainty, 1.0), strength

    def _steady(self, who: _Ints, strength: Floats, sound: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Note the strengths; return where STEADY_S of them follow each other."""
        kept = np.where(self._strengths[who, np.newaxis] > 0, self._strength[who], 0.0)
        kept = np.concatenate([kept[:, 1:], strength[:, np.newaxis]], axis=1)
        self._strength[who] = np.where(sound[:, np.newaxis], kept, 0.0)
        count = np.minimum(self._strengths[who] + 1, STEADY_S)
        self._strengths[who] = np.where(sound, count, 0)
        steady: NDArray[np.bool_] = self._strengths[who] == STEADY_S
        return steady


def _shifted(rows: _Rows, who: _Ints, new: Floats) -> _Rows:
    """Move the rows `who` to the left by the width of the new columns, and return them."""
    kept = np.concatenate([rows[who, new.shape[1] :], new.astype(rows.dtype)], axis=1)
    rows[who] = kept
    return kept
