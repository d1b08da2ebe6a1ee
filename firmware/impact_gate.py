"""Peak gate: keeps 3 s before and 5 s after every hard acceleration.

```
            crossing
 ... ---3 s---|-1 s-|------4 s------|
              early copy            whole snippet
```
A sample whose squared norm is over the limit is a crossing. One second after it what there
is goes to the flash (a pendant may lose its battery in the fall), five seconds after it the
whole snippet takes that copy's place. Lost at a power cut: a crossing in the last second.

A crossing in the second half of those five seconds begins a snippet of its own, so that a
stumble never hides the fall that follows it. Where samples are missing the snippet ends, or
begins, at the gap.

Squares are taken of 12-bit digits (counts / 16), so that three of them fit a small integer.
"""

from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

AXES = 3
BEFORE_MS = 3000
AFTER_MS = 5000
EARLY_MS = 1000
OWN_SNIPPET_MS = 2500
ROW_MS = 1000
_DIGIT_SHIFT = 4


class ImpactGate:
    """A ring of the last 8 s and the gate; a tap of the sampler.

    The ring is made of rows of a second each, which a fragmented heap still has room for.

    Args:
        keep: called with (first sample's ms, crossing's ms, strongest norm in thousandths
            of g, pieces of the ring in order, whole). `whole` is False for the early copy.
    """

    def __init__(
        self,
        period_ms: int,
        g_per_digit: float,
        limit_g: float,
        keep: "Callable[[int, int, int, list[memoryview], bool], None]",
    ) -> None:
        self._period_ms = period_ms
        self._g_per_digit = g_per_digit
        self._keep = keep
        self._before = BEFORE_MS // period_ms
        self._after = AFTER_MS // period_ms
        self._early = EARLY_MS // period_ms
        self._own = OWN_SNIPPET_MS // period_ms
        self._size = self._before + self._after
        self._row = ROW_MS // period_ms
        self._rows = []
        for _ in range(self._size // self._row):
            self._rows.append(memoryview(array("h", bytes(2 * AXES * self._row))))
        self._at = 0
        self._filled = 0
        self._since = -1
        self._since_second = -1
        self._peak = 0
        self._newest_ms = 0
        self.crossings = 0
        self.set_limit(limit_g)

    def set_limit(self, limit_g: float) -> None:
        """Set the norm above which an acceleration is a crossing."""
        self._limit = int((limit_g / self._g_per_digit) ** 2)

    def feed(self, counts: "array[int]", count: int, first_ms: int) -> None:
        """Take samples x, y, z that follow the last ones; allocates nothing without a peak."""
        source = 0
        for position in range(count):
            row = self._rows[self._at // self._row]
            at = AXES * (self._at % self._row)
            x = counts[source]
            y = counts[source + 1]
            z = counts[source + 2]
            source += AXES
            row[at] = x
            row[at + 1] = y
            row[at + 2] = z
            self._at = self._at + 1 if self._at + 1 < self._size else 0
            if self._filled < self._size:
                self._filled += 1
            x >>= _DIGIT_SHIFT
            y >>= _DIGIT_SHIFT
            z >>= _DIGIT_SHIFT
            norm = x * x + y * y + z * z
            if self._since >= 0 or norm > self._limit:
                self._newest_ms = first_ms + position * self._period_ms
                self._follow(norm)

    def cut(self) -> None:
        """End at a gap: what comes next does not follow what is in the ring."""
        if self._since >= 0:
            self._hand_over(True)
        self._since = -1
        self._since_second = -1
        self._filled = 0

    def _follow(self, norm: int) -> None:
        """Go on with an open snippet by the newest sample, or begin one."""
        crossing = norm > self._limit
        if self._since < 0:
            self.crossings += 1
            self._since = 0
            self._peak = norm
        else:
            self._since += 1
            if norm > self._peak:
                self._peak = norm
            if self._since_second >= 0:
                self._since_second += 1
            elif crossing and self._since >= self._own:
                self.crossings += 1
                self._since_second = 0
        if self._since == self._early:
            self._hand_over(False)
        elif self._since == self._after - 1:
            self._hand_over(True)
            self._since = self._since_second
            self._since_second = -1
            self._peak = self._strongest_since() if self._since >= 0 else 0
            if self._since > self._early:
                self._hand_over(False)

    def _strongest_since(self) -> int:
        """Return the greatest norm since the crossing that is open now."""
        strongest = 0
        for back in range(self._since + 1):
            place = (self._at - 1 - back) % self._size
            row = self._rows[place // self._row]
            at = AXES * (place % self._row)
            x = row[at] >> _DIGIT_SHIFT
            y = row[at + 1] >> _DIGIT_SHIFT
            z = row[at + 2] >> _DIGIT_SHIFT
            strongest = max(strongest, x * x + y * y + z * z)
        return strongest

    def _hand_over(self, whole: bool) -> None:
        count = min(self._filled, self._since + 1 + self._before)
        begin = (self._at - count) % self._size
        pieces = []
        left = count
        while left:
            column = begin % self._row
            length = min(left, self._row - column)
            row = self._rows[begin // self._row]
            pieces.append(row[AXES * column : AXES * (column + length)])
            left -= length
            begin = (begin + length) % self._size
        peak_mg = round(1000 * self._g_per_digit * self._peak**0.5)
        first_ms = self._newest_ms - (count - 1) * self._period_ms
        trigger_ms = self._newest_ms - self._since * self._period_ms
        self._keep(max(0, first_ms), trigger_ms, peak_mg, pieces, whole)
