"""Three axes at any rate, on a 100 Hz grid that begins with the first sample after a gap.

```
   200 Hz    o o o o o o o o      averaged in pairs
   100 Hz    o   o   o   o        as they are
    87 Hz    o    o    o    o     interpolated linearly
   grid      |   |   |   |   |    100 Hz, g, the last 7.7 s
```
What comes out at a place of the grid depends on the samples alone, never on how they were cut
into chunks, to the last bit: every operation is done element by element. Samples that are
missing are NaN, and so is every grid sample that is made of one.
"""

import math

import numpy as np
from numpy.typing import NDArray

GRID_HZ = 100.0
"""Places a second; 50 Hz costs 0.3 points of sensitivity to falls, more gains nothing."""

STANDARD_GRAVITY = 9.80665
"""m/s^2 in one g (CGPM 1901)."""

RATES_HZ = (1.0, 4000.0)
"""Sampling rates the grid can be made from; 20 to 200 Hz is what it is made for."""

BLOCK = 50
"""The most places that are filled and looked at at once; below EARLY, so that an impact is seen
before it is first judged."""

CAPACITY = 768
"""Places held, 12 kB with their squares."""

KEPT = 525
"""Places that survive when the store is full: 5.25 s."""


class Places:
    """The time line of a grid: which samples make which places; holds no samples itself.

    Attributes:
        rate_hz: of the samples that come in.
        start_s: time of the first of them.
        received: how many came since.
        filled: places of the grid made of them.
    """

    def __init__(self) -> None:
        self.rate_hz = 0.0
        self.begin(0.0, GRID_HZ)

    def begin(self, start_s: float, rate_hz: float) -> None:
        """Forget everything; the next sample lies at start_s.

        Raises:
            ValueError: the rate is outside RATES_HZ.
        """
        if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
            raise ValueError(f"a fall detector takes 1 to 4000 Hz, not {rate_hz!r}")
        if rate_hz != self.rate_hz:
            self.rate_hz = rate_hz
            self.period_s = 1.0 / rate_hz
            self._fold = max(1, round(rate_hz / GRID_HZ))
            self._ratio = rate_hz / self._fold / GRID_HZ
            self._scale = np.float32(1.0 / (self._fold * STANDARD_GRAVITY))
        self.start_s = start_s if math.isfinite(start_s) else 0.0
        self.received = 0
        self.filled = 0

    def samples_for(self, places: int) -> int:
        """Return how many received samples the first places are made of."""
        if self._ratio == 1.0:
            return self._fold * places
        return self._fold * (int((places - 1) * self._ratio) + 2)

    def places(self) -> int:
        """Return how many places the received samples suffice for."""
        folded = self.received // self._fold
        if self._ratio == 1.0 or not folded:
            return folded
        return int((folded - 1) / self._ratio) + 1

    def sample_time(self, received: int) -> float:
        """Return the time of a received sample."""
        return self.start_s + received * self.period_s

    def place_time(self, place: int) -> float:
        """Return the time of a place: the middle of the samples averaged into it."""
        return self.start_s + 0.5 * (self._fold - 1) * self.period_s + place / GRID_HZ

    def first(self) -> int:
        """Return the oldest place that is still held."""
        raise NotImplementedError

    def vectors(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return places [start, stop), shape (3, n), g."""
        raise NotImplementedError

    def norm2(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return |a|^2 of places [start, stop), g^2."""
        raise NotImplementedError

    def fill(self, upto: int) -> None:
        """Make the places up to `upto`, at most BLOCK of them, from the received samples."""
        raise NotImplementedError


class Grid(Places):
    """A ring of the latest vectors and their squared lengths, about 16 kB."""

    def __init__(self) -> None:
        self._vectors = np.empty((3, CAPACITY), dtype=np.float32)
        self._norm2 = np.empty(CAPACITY, dtype=np.float32)
        self._squares = np.empty((3, BLOCK), dtype=np.float32)
        super().__init__()

    def begin(self, start_s: float, rate_hz: float) -> None:
        """Forget everything; the next sample lies at start_s.

        Raises:
            ValueError: the rate is outside RATES_HZ.
        """
        before_hz = self.rate_hz
        super().begin(start_s, rate_hz)
        if rate_hz != before_hz:
            longest = self._fold * (math.ceil(BLOCK * self._ratio) + 3)
            self._raw = np.empty((longest, 3), dtype=np.float32)
        self._raw_first = 0
        self._slot_first = 0

    def put(self, values: NDArray[np.float32], missing: NDArray[np.bool_] | None) -> None:
        """Take samples of shape (n, 3), m/s^2: no more than the next BLOCK places need."""
        at = self.received - self._raw_first
        self.received += len(values)
        self._raw[at : at + len(values)] = values
        if missing is not None:
            self._raw[at : at + len(values)][missing] = np.nan

    def first(self) -> int:
        """Return the oldest place that is still held."""
        return self._slot_first

    def vectors(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return places [start, stop) as a view of shape (3, n), g."""
        return self._vectors[:, start - self._slot_first : stop - self._slot_first]

    def norm2(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return |a|^2 of places [start, stop) as a view, g^2."""
        return self._norm2[start - self._slot_first : stop - self._slot_first]

    def fill(self, upto: int) -> None:
        """Make the places up to `upto`, at most BLOCK of them, from the received samples."""
        filled, count = self.filled, upto - self.filled
        if count <= 0:
            return
        slot = filled - self._slot_first
        if slot + count > CAPACITY:
            self._vectors[:, :KEPT] = self._vectors[:, slot - KEPT : slot]
            self._norm2[:KEPT] = self._norm2[slot - KEPT : slot]
            self._slot_first = filled - KEPT
            slot = KEPT
        vectors = self._vectors[:, slot : slot + count]
        fold, have = self._fold, self.received - self._raw_first
        samples = self._raw[: have - have % fold]
        if fold > 1:
            total = samples[::fold] + samples[1::fold]
            for i in range(2, fold):
                total += samples[i::fold]
            samples = total
        if self._ratio == 1.0:
            np.multiply(samples[:count].T, self._scale, out=vectors)
            used = fold * upto
        else:
            place = np.arange(filled, upto) * self._ratio
            whole = place.astype(np.intp)
            share = (place - whole).astype(np.float32)[:, None]
            whole -= self._raw_first // fold
            start = samples[whole]
            start += (samples[np.minimum(whole + 1, len(samples) - 1)] - start) * share
            np.multiply(start.T, self._scale, out=vectors)
            used = fold * int(upto * self._ratio)
        norm2, squares = self._norm2[slot : slot + count], self._squares[:, :count]
        np.multiply(vectors, vectors, out=squares)
        np.add(squares[0], squares[1], out=norm2)
        norm2 += squares[2]
        used = min(used, self.received)
        if used < self.received:
            self._raw[: self.received - used] = self._raw[used - self._raw_first : have]
        self._raw_first = used
        self.filled = upto
