r"""A rhythm in a window of signal: autocorrelation, lag comb, and a tracker over rates.

```
 window --> |rfft| * band --> irfft = r(lag) --> comb --> forward step of an HMM --> rate
                                                            states: rates, log-spaced

 comb(T) = r(T) + 0.5 r(2T) - 0.4 max(0, r(T/2)) - 0.4 max(0, r(3T/2))
```
A period T shows at T, 2T, ... and not between; its double shows at T/2 too, its half not at 3/2:
the comb is what tells them apart. The magnitude spectrum in place of the power spectrum keeps one
strong harmonic from making a comb of its own (Tolonen and Karjalainen, "A computationally
efficient multipitch analysis model", IEEE Trans Speech Audio Process 8(6), 2000, section II.B).
Known weakness: a signal whose beats alternate in size has the double period in truth.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Window = NDArray[np.float32] | NDArray[np.float64]

TWICE, HALF, THREE_HALVES = 0.5, 0.4, 0.4
"""Weights of the comb; anything from 0.3 to 0.6 does the same within 0.1 bpm on the simulator."""

STEP = 0.015
"""ln(rate) between two states: 1 bpm at 67."""

WANDER = 0.02
"""Deviation of ln(rate) in one second, chosen on the simulator's hearts of RMSSD 15 to 30 ms:
0.012 and 0.03 differ by less than 0.15 bpm."""

JUMP = 1e-5
"""Chance in one second that the rhythm is suddenly another one: about one a day."""

SHARPNESS = 5.0
"""Comb to log-likelihood. Windows overlap by nine tenths, so each second adds little; 4 to 10 do
the same within 0.15 bpm on the simulator."""

FOCUS = 4.0
"""The rate that is told is the centre of exp(FOCUS * comb) around the tracked one: the tracker
decides which rhythm it is, the window of now how fast it is. A value is 0.7 s late that way. A
heart that speeds up and slows down with the breath makes a broad hill, whose centre is the mean
rate; 8 in place of 4 hangs on its highest bump."""

TAPER = 0.1
"""Share of the window that fades in, and out, linearly. A long fade tells the rate of the middle
in place of the mean of the window: 0.25 costs 0.2 bpm on the simulator, 0.05 gains less."""

EDGE = 0.125
"""Softness of the band's edges relative to the lower one."""

NEAR = 5
"""States to either side that count as the same rate: 8 %, what a breath makes of a heart."""

_REACH = 6
AT_EDGE = 3
LEAST_POWER = 1e-12


class Reason(StrEnum):
    """Why there is no value."""

    WARMING_UP = "warming_up"
    MISSING = "samples_missing"
    MOVEMENT = "movement"
    NO_SIGNAL = "no_signal"
    NO_RHYTHM = "no_rhythm"
    NO_BREATH = "no_breath"


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate, or the reason why there is none.

    Attributes:
        at_s: the time it describes (middle of the window), on the unit's time line; it is known
            half a window later.
        bpm: beats or breaths per minute; None is an abstention.
        quality: 0 to 1, the tracker's certainty times the strength of the rhythm.
        reason: why bpm is None; None with a value.
    """

    at_s: float
    bpm: float | None
    quality: float
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """One step of the tracker.

    Attributes:
        per_minute: the likeliest rate.
        certainty: 0 to 1, probability of the rates within NEAR steps of it.
        strength: the comb there, below 1.6; 0.5 is a clear rhythm.
    """

    per_minute: float
    certainty: float
    strength: float


@dataclass(frozen=True, slots=True)
class Tables:
    """What depends on the kind of rhythm only; shared by all streams of it.

    Attributes:
        size: length of the transform.
        first, last: bins [first, last) of the spectrum that the band keeps.
        taper: shape (length,); single precision, as are all windows of samples.
        lags: shape (3 * states + 1, bins), what each bin gives to r(T) + TWICE r(2T), to
            HALF r(T/2), to THREE_HALVES r(3T/2) of each state, made up for the taper, and to r(0).
        log_rate: shape (states,).
        walk: shape (states, states), chance in one second to get to a state from another.
    """

    size: int
    first: int
    last: int
    taper: NDArray[np.float32]
    lags: NDArray[np.float32]
    log_rate: Floats
    walk: Floats


class Rhythm:
    """Finds and follows one rhythm in windows of a fixed length."""

    def __init__(
        self,
        length: int,
        places_hz: float,
        band_hz: tuple[float, float],
        rates: tuple[float, float],
    ) -> None:
        """Prepare all tables.

        Args:
            length: places of a window.
            places_hz: places a second.
            band_hz: edges of the band in which the rhythm shows; at both half is left.
            rates: least and largest rate per minute.
        """
        self._tables = tables_of(length, places_hz, band_hz, rates)
        self._belief = np.empty(len(self._tables.log_rate))
        self._log_rates: list[float] = self._tables.log_rate.tolist()
        self.restart()

    def restart(self) -> None:
        """Forget the rate."""
        self._belief.fill(1.0 / len(self._belief))

    def comb(self, window: Window) -> Floats | None:
        """Return the comb of each rate, or None when the band holds nothing."""
        comb, powers = combs_of(window, self._tables)
        power = float(powers)
        if not power > LEAST_POWER:
            return None
        comb *= 1.0 / power
        return comb

    def step(self, comb: Floats | None) -> Estimate | None:
        """Advance by one second with what was seen, or with nothing."""
        belief = self._tables.walk @ self._belief
        if comb is None:
            self._belief = belief / np.add.reduce(belief)
            return None
        belief *= np.exp(SHARPNESS * comb)
        belief *= 1.0 / float(np.add.reduce(belief))
        self._belief = belief
        best = int(belief.argmax())
        low = max(0, best - NEAR)
        certainty = sum(belief[low : best + NEAR + 1].tolist())
        seen = comb[low : best + NEAR + 1].tolist()
        near = [math.exp(FOCUS * one) for one in seen]
        middle = sum(i * one for i, one in enumerate(near)) / sum(near)
        i = min(int(middle), len(seen) - 2)
        strength = seen[i] + (seen[i + 1] - seen[i]) * (middle - i)
        if not AT_EDGE <= best < len(belief) - AT_EDGE:
            strength = min(strength, 0.0)  # Rising towards the edge is no peak.
        log_rate = self._log_rates[0] + STEP * (low + middle)
        return Estimate(math.exp(log_rate), min(certainty, 1.0), strength)


def combs_of(windows: Window, tables: Tables) -> tuple[Floats, Floats]:
    """Return the combs times the power in the band, shape (..., states), and the power (...).

    Args:
        windows: shape (..., length).
        tables: of the rhythm.
    """
    spectrum = np.fft.rfft(windows * tables.taper, tables.size)
    shown = np.abs(spectrum[..., tables.first : tables.last]).astype(np.float32, copy=False)
    at = (shown @ tables.lags.T).astype(np.float64)
    power: Floats = at[..., -1]
    count = len(tables.log_rate)
    comb: Floats = at[..., :count]
    between = at[..., count:-1]
    np.maximum(between, 0.0, out=between)
    comb -= between[..., :count]
    comb -= between[..., count:]
    return comb, power


@cache
def tables_of(
    length: int, places_hz: float, band_hz: tuple[float, float], rates: tuple[float, float]
) -> Tables:
    """Return the tables of a rhythm; the arguments are those of Rhythm.

    Raises:
        ValueError: the window does not hold the longest lag.
    """
    count = int(math.log(rates[1] / rates[0]) / STEP) + 1
    log_rate: Floats = math.log(rates[0]) + STEP * np.arange(count, dtype=np.float64)
    lag = 60.0 * places_hz / np.exp(log_rate)
    lags = np.concatenate([lag, 2.0 * lag, 0.5 * lag, 1.5 * lag])
    longest = int(lags.max()) + 2
    if longest >= length:
        raise ValueError(f"a window of {length} is too short for a lag of {longest}")
    size = _smooth_size(length + longest)
    ramp = (np.arange(length) + 0.5) / (TAPER * length)
    taper = np.minimum(1.0, np.minimum(ramp, ramp[::-1]))
    hz = np.fft.rfftfreq(size, 1.0 / places_hz)
    edge = EDGE * band_hz[0]
    band = 1.0 / (1.0 + np.exp(np.clip((band_hz[0] - hz) / edge, -50.0, 50.0)))
    band /= 1.0 + np.exp(np.clip((hz - band_hz[1]) / edge, -50.0, 50.0))
    kept = np.flatnonzero(band > 1e-3)
    first, last = int(kept[0]), int(kept[-1]) + 1
    own = np.fft.irfft(np.abs(np.fft.rfft(taper, size)) ** 2, size)
    made_up = own[0] / np.interp(lags, np.arange(longest), own[:longest])
    angle = 2.0 * math.pi / size * lags[:, None] * np.arange(first, last)
    once, twice, half, more = np.split(np.cos(angle) * made_up[:, None] * band[first:last], 4)
    rows = [once + TWICE * twice, HALF * half, THREE_HALVES * more, band[None, first:last]]
    away = STEP * np.arange(-_REACH, _REACH + 1)
    chances = np.exp(-0.5 * (away / WANDER) ** 2)
    chances *= (1.0 - JUMP) / float(chances.sum())
    walk = np.full((count, count), JUMP / count)
    for step, chance in enumerate(chances.tolist(), -_REACH):
        walk += chance * np.eye(count, k=step)
    lag_rows = np.concatenate(rows).astype(np.float32)
    return Tables(size, first, last, taper.astype(np.float32), lag_rows, log_rate, walk)


def _smooth_size(least: int) -> int:
    """Return the next length whose only prime factors are 2, 3 and 5."""
    size = least
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1 and size % 2 == 0:
            return size
        size += 1
