r"""A channel at any rate, cut into blocks of one second and filtered onto an even grid.

```
 samples   ....|--- halo ---|======= block, round(rate) samples =======|--- halo ---|....
                            o   o   o   o   o   o   o   o   o   o   o     `places` outputs
 [outputs] = matrix @ [halo, block, halo]            one product a second for all filters
```
A block always holds a whole number of samples, so one matrix serves for all of them. It lasts
`round(rate) / rate` seconds, 1 % off one second at 50 Hz and less above: `Block.stretch` says so.

What comes out depends on the samples alone, never on how they were cut into chunks, to the last
bit: the same matrix is always applied to the same store. Holes are bridged by straight lines.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_agent.stream.chunk import HOLE_LIMIT_S, Chunk

RATES_HZ = (40.0, 1000.0)
"""Rates taken; below 40 Hz the waves of a heartbeat are no longer sampled."""

RATE_DRIFT = 0.02
"""Relative change of a chunk's rate that is still the same clock; more restarts the filters."""

LARGEST = 1e9
"""A larger value, in whatever unit, is a broken sample and counts as missing."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Filter:
    """A linear filter without delay, evaluated at `places` even places a second.

    Attributes:
        places: outputs a second.
        low_pass_hz: cut-off of a windowed sinc of +-`REACH_S`, or None for no sinc.
        smooth_s: full width of a raised cosine. It is the output where low_pass_hz is None
            (zero at 2 / smooth_s Hz), and is taken away from it (a high pass) where it is not.
    """

    places: int
    low_pass_hz: float | None
    smooth_s: float

    @property
    def reach_s(self) -> float:
        """Return how far it looks to either side."""
        return max(0.5 * self.smooth_s, REACH_S if self.low_pass_hz is not None else 0.0)

    def rows(self, rate_hz: float, halo: int) -> Floats:
        """Return the weights, shape (places, 2 * halo + round(rate_hz))."""
        block = round(rate_hz)
        place = np.arange(self.places)[:, None] * (block / self.places)
        away_s = (np.arange(-halo, block + halo)[None, :] - place) / rate_hz
        smooth = _raised_cosine(away_s, 0.5 * self.smooth_s)
        if self.low_pass_hz is None:
            return smooth
        sinc = np.sinc(2.0 * self.low_pass_hz * away_s) * _raised_cosine(away_s, REACH_S)
        rows: Floats = sinc / sinc.sum(axis=1, keepdims=True) - smooth
        return rows


REACH_S = 0.12
"""Half length of the windowed sinc: at a cut-off of 12 Hz it has its third zero there, and mains
hum is more than 40 dB down."""


@dataclass(frozen=True, slots=True)
class Block:
    """What the filters made of one second.

    Attributes:
        start_s: time of the first output.
        stretch: block lengths per second, round(rate) / rate lasting one block: a rhythm of n
            per block is one of n * stretch per second.
        outputs: one array of shape (places,) for each filter.
        missing: share of the block's samples that never arrived or were no numbers.
    """

    start_s: float
    stretch: float
    outputs: tuple[Floats, ...]
    missing: float


class BlockFilter:
    """Streaming filters of one axis; holds less than 3 s of samples.

    Attributes:
        received: samples since the last beginning.
        restarts: how often it began anew because time jumped or the rate changed.
    """

    def __init__(self, filters: Sequence[Filter]) -> None:
        self._filters = tuple(filters)
        self._ends = np.cumsum([one.places for one in filters]).tolist()
        self._level_rows = [one.low_pass_hz is None for one in filters]
        self._reach_s = max(one.reach_s for one in filters)
        self._rate_hz = 0.0
        self.restarts = 0
        self.begin(0.0)

    def begin(self, start_s: float, rate_hz: float | None = None) -> None:
        """Forget everything; the next sample lies at start_s.

        Raises:
            ValueError: the rate is outside RATES_HZ.
        """
        if rate_hz is not None and rate_hz != self._rate_hz:
            if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
                raise ValueError(f"a bed strip is sampled at 40 to 1000 Hz, not {rate_hz!r}")
            self._rate_hz = rate_hz
            self._block = round(rate_hz)
            self._halo = math.ceil(self._reach_s * rate_hz)
            self._matrix = _matrix(self._filters, rate_hz, self._halo)
            self._store = np.empty(2 * self._halo + self._block, dtype=np.float32)
        self._start_s = start_s if math.isfinite(start_s) else 0.0
        self.received = 0
        self._held = 0
        self._blocks = 0

    def put(self, chunk: Chunk) -> list[Block | None]:
        """Take a chunk; return the blocks it completed, None where the filters began anew.

        Raises:
            ValueError: the chunk has more than one axis, or its rate cannot be taken.
        """
        if chunk.values.shape[1:] != (1,):
            raise ValueError(f"a bed strip has one axis, not shape {chunk.values.shape}")
        size = len(chunk.values)
        found: list[Block | None] = []
        if not size:
            return found
        if self._align(chunk):
            found.append(None)
        values = chunk.values[:, 0]
        if chunk.missing is not None:
            values = np.where(chunk.missing, np.float32(np.nan), values)
        store, taken = self._store, 0
        while taken < size:
            end = min(size, taken + len(store) - self._held)
            store[self._held : self._held + end - taken] = values[taken:end]
            self._held += end - taken
            taken = end
            if self._held == len(store):
                found.append(self._filter())
        self.received += size
        return found

    def _align(self, chunk: Chunk) -> bool:
        """Follow a clock that drifts; begin anew, and say so, where it jumps."""
        if not self.received:
            self.begin(chunk.start_s, chunk.rate_hz)
            return False
        late = chunk.start_s - self._start_s - self.received / self._rate_hz
        steady = abs(chunk.rate_hz - self._rate_hz) <= RATE_DRIFT * self._rate_hz
        if steady and abs(late) <= HOLE_LIMIT_S:
            if abs(late) >= 0.5 / self._rate_hz:
                self._start_s += late
            return False
        self.begin(chunk.start_s, chunk.rate_hz)
        self.restarts += 1
        return True

    def _filter(self) -> Block:
        """Filter the full store and move on by one block."""
        store, block, halo = self._store, self._block, self._halo
        missing = 0.0
        samples = store
        size = np.abs(store)
        if not np.maximum.reduce(size) < LARGEST:
            wrong = ~(size < LARGEST)
            missing = float(np.count_nonzero(wrong[halo : halo + block])) / block
            samples = _bridged(store, wrong)
        level = samples[halo]
        made = (self._matrix @ (samples - level)).astype(np.float64)
        outputs, begin = [], 0
        for end, keeps_level in zip(self._ends, self._level_rows, strict=True):
            part = made[begin:end]
            outputs.append(part + float(level) if keeps_level else part)
            begin = end
        start_s = self._start_s + (halo + self._blocks * block) / self._rate_hz
        store[: 2 * halo] = store[block:]
        self._held = 2 * halo
        self._blocks += 1
        return Block(start_s, self._rate_hz / block, tuple(outputs), missing)


@lru_cache(maxsize=16)
def _matrix(filters: tuple[Filter, ...], rate_hz: float, halo: int) -> NDArray[np.float32]:
    """Return the weights of all filters; streams of the same rate share them."""
    return np.concatenate([one.rows(rate_hz, halo) for one in filters]).astype(np.float32)


def _raised_cosine(away_s: Floats, half_s: float) -> Floats:
    """Return weights that add up to 1 in each row."""
    inside = np.abs(away_s) < half_s
    weights = np.where(inside, 0.5 + 0.5 * np.cos(np.pi * away_s / half_s), 0.0)
    normal: Floats = weights / weights.sum(axis=1, keepdims=True)
    return normal


def _bridged(values: NDArray[np.float32], wrong: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the values with straight lines in place of the wrong ones, zero if all are."""
    right = np.flatnonzero(~wrong)
    if not len(right):
        return np.zeros_like(values)
    bridged = values.copy()
    bridged[wrong] = np.interp(np.flatnonzero(wrong), right, values[right])
    return bridged
