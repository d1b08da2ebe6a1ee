"""The latest samples of one stream as the bytes they came in, and the grid made of them at need.

```
   | ............ kept for decisions ............ | not yet looked at |      room      |
   0                                                                 used          12 kB
```
A put is a copy of bytes. Places are made the way `Grid` makes them, to the last bit, and only
those that are asked for.
"""

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.falls.grid import Places

SAMPLE = 6
"""Bytes of a sample: three axes of int16, little endian as they come."""

HELD = 1920
"""Samples a slab has room for, 11.5 kB; at 100 Hz it is moved to its front every 13 s."""

LEAST_PLACES = 800
"""Places it has room for at any rate: what decisions ask for and 3 s; above 240 Hz that is more."""

PLAIN_SCALE = 0.012
"""m/s^2 a count: with less than this no count can be above the 70 g of a broken sample, on all
three axes at once; a sensor of +-32 g has 0.0096."""

_NOTHING = np.empty(0, dtype=np.float32)


class SlabPlaces(Places):
    """A grid that is made from raw counts when asked for.

    Attributes:
        slab: the bytes of the latest samples; a sample that is missing is zero.
        counts: the same as int16.
        used: bytes of it that are samples.
        first_sample: index of the first sample in it.
        scales: (index of the first sample, scale), rising; more than one after a change.
        plain: the scale, as an array, when every place is one sample and none of them can be
            missing or impossible; None where any of it is not so and places have to be made.
    """

    def __init__(self) -> None:
        self.slab = memoryview(bytearray())
        super().__init__()

    def begin(self, start_s: float, rate_hz: float) -> None:
        """Forget everything; the next sample lies at start_s.

        Raises:
            ValueError: the rate is outside RATES_HZ.
        """
        super().begin(start_s, rate_hz)
        size = SAMPLE * max(HELD, self.samples_for(LEAST_PLACES))
        if size != len(self.slab):
            self.slab = memoryview(bytearray(size))
            self.counts: NDArray[np.int16] = np.frombuffer(self.slab, dtype="<i2")
        self.used = 0
        self.first_sample = 0
        self.scales: list[tuple[int, np.float32]] = []
        self._missing: NDArray[np.bool_] | None = None
        self.plain: NDArray[np.float32] | None = None
        self.forget()

    def count_received(self) -> None:
        """Set `received` to what is in the slab."""
        self.received = self.first_sample + self.used // SAMPLE

    def first_of(self, place: int) -> int:
        """Return the index of the first sample a place is made of."""
        return self._fold * int(place * self._ratio)

    def wait_of(self, after: int) -> int:
        """Return how many samples after any one `after` places from one it is in are there.

        That is the earliest: with more of them something may be decided, with fewer nothing.
        """
        if self._ratio == 1.0:
            return self._fold * after - self._fold + 1
        return max(0, int(self._fold * (after - 1) * self._ratio) - 1)

    def place_of(self, sample: int) -> int:
        """Return the first place, or one before it, that a sample is part of."""
        if self._ratio == 1.0:
            return sample // self._fold
        return max(0, int((sample // self._fold - 1) / self._ratio))

    def put(self, data: bytes, scale: float, missing: NDArray[np.bool_] | None) -> None:
        """Append samples for which there is room."""
        start, end = self.used, self.used + len(data)
        self.slab[start:end] = data
        self.used = end
        at = self.first_sample + start // SAMPLE
        factor = np.float32(scale)
        if not self.scales or self.scales[-1][1] != factor:
            self.scales.append((at, factor))
        if missing is not None:
            if self._missing is None:
                self._missing = np.zeros(len(self.slab) // SAMPLE, dtype=np.bool_)
            self._missing[start // SAMPLE : end // SAMPLE] = missing
        self.received = at + len(data) // SAMPLE
        self._see_whether_plain()

    def drop(self, most: int) -> int:
        """Forget the oldest samples, and return how many bytes that were.

        Args:
            most: bytes; rounded down so that the first sample left begins a place.
        """
        gone = most - most % (SAMPLE * self._fold)
        if gone <= 0:
            return 0
        slab, left = self.slab, self.used - gone
        slab[:left] = slab[gone : self.used]
        self.used = left
        self.first_sample += gone // SAMPLE
        if self._missing is not None:
            rest = self._missing[gone // SAMPLE :].copy()
            self._missing[: len(rest)] = rest
            self._missing[len(rest) :] = False
            if not rest.any():
                self._missing = None
        while len(self.scales) > 1 and self.scales[1][0] <= self.first_sample:
            del self.scales[0]
        if self.plain is None:
            self._see_whether_plain()
        return gone

    def forget(self) -> None:
        """Drop what was made; it is made again when asked for."""
        self._made_from = self._made_to = 0
        self._vectors: NDArray[np.float32] = _NOTHING
        self._norm2: NDArray[np.float32] = _NOTHING

    def first(self) -> int:
        """Return 0: the slab holds all that a decision may ask for."""
        return 0

    def fill(self, upto: int) -> None:
        """Count the places up to `upto` as filled."""
        self.filled = max(self.filled, upto)

    def vectors(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return places [start, stop), shape (3, n), g."""
        if start < self._made_from or stop > self._made_to:
            self._make(start, stop)
        return self._vectors[:, start - self._made_from : stop - self._made_from]

    def norm2(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return |a|^2 of places [start, stop), g^2."""
        if start < self._made_from or stop > self._made_to:
            self._make(start, stop)
        return self._norm2[start - self._made_from : stop - self._made_from]

    def _see_whether_plain(self) -> None:
        """Set `plain`; called where samples are put or dropped the exact way."""
        scale = self.scales[-1][1]
        if (
            self._fold == 1
            and self._ratio == 1.0
            and self._missing is None
            and len(self.scales) == 1
            and abs(scale) < PLAIN_SCALE
        ):
            if self.plain is None or self.plain != scale:
                self.plain = np.array(scale)
        else:
            self.plain = None

    def _make(self, start: int, stop: int) -> None:
        """Make places [start, stop) as `Grid.fill` makes them."""
        fold, folded = self._fold, self.received // self._fold
        whole: NDArray[np.intp] | None = None
        low, high = start, stop
        if self._ratio != 1.0:
            place = np.arange(start, stop) * self._ratio
            whole = place.astype(np.intp)
            low, high = int(whole[0]), min(int(whole[-1]) + 2, folded)
        raw = self._samples(fold * low, fold * high)
        samples = raw
        if fold > 1:
            samples = raw[::fold] + raw[1::fold]
            for i in range(2, fold):
                samples += raw[i::fold]
        if whole is not None:
            share = (place - whole).astype(np.float32)[:, None]
            whole -= low
            begin = samples[whole]
            begin += (samples[np.minimum(whole + 1, len(samples) - 1)] - begin) * share
            samples = begin
        vectors = np.empty((3, stop - start), dtype=np.float32)
        np.multiply(samples.T, self._scale, out=vectors)
        squares = vectors * vectors
        norm2 = np.empty(stop - start, dtype=np.float32)
        np.add(squares[0], squares[1], out=norm2)
        norm2 += squares[2]
        self._made_from, self._made_to = start, stop
        self._vectors, self._norm2 = vectors, norm2

    def _samples(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop), shape (n, 3), m/s^2, NaN where missing."""
        first = self.first_sample
        counts = self.counts[3 * (start - first) : 3 * (stop - first)].reshape(-1, 3)
        values = counts.astype(np.float32)
        if len(self.scales) == 1:
            values *= self.scales[0][1]
        else:
            end = stop
            for begin, scale in reversed(self.scales):
                values[max(0, begin - start) : max(0, end - start)] *= scale
                end = begin
        if self._missing is not None:
            values[self._missing[start - first : stop - first]] = np.nan
        return values
