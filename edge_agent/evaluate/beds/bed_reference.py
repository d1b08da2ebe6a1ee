r"""What a bed strip is judged by: the heart's rate, the breath's, and the strip's own clock.

```
 R waves  . . . . . . .     sum of the strip after each R wave, at every rate and lag:
 strip    _/\\_/\\_/\\_     in phase at the true rate (a beat stands out), noise at all others
```
"""

import math

import numpy as np
from numpy.typing import NDArray

from edge_agent.evaluate.beds.bed_recordings import BedRecording

HEART_HALF_S = 5.0
BREATH_HALF_S = 15.0
"""Half windows of the references."""

LEAST_PEAK = 0.5
"""Share of the power in 0.1 to 0.7 Hz that the peak of a usable sinus arrhythmia holds."""

HF_HZ = 0.15
"""Lower edge of the band of breath in heart rate. Source: Task Force of ESC and NASPE, "Heart rate
variability", Circulation 93, 1996, table 2."""

LAG_S = 20.0
"""Largest lag between strip and ECG that is tried."""

CLOCK_SPAN, CLOCK_STEP = 0.04, 0.0005
"""Largest error of the strip's clock that is looked for, and the steps: an ADC's own oscillator is
within 2 % (TI ADS1220 data sheet, SBAS501, electrical characteristics)."""

CLOCK_BAND_HZ = (2.0, 9.0)
CLOCK_PLACES_HZ = 50.0
CLOCK_BEAT_S = 0.5
CLOCK_CLEAR = 3.0
"""The best rate's beat stands out by this factor over the median rate's, or it is no answer: 30 and
4 on recordings of a strip whose clock both find within 0.1 %, 2.2 on one too short to tell."""

_Floats = NDArray[np.float64]


def strip_rate(one: BedRecording) -> float | None:
    """Return the strip's true samples a second by the ECG's clock; None when it cannot be told.

    The beat averaged at the R waves, strip running at a rate, is largest where the two clocks stay
    in phase from the first beat to the last: 0.05 % over five minutes. The heart rate the strip
    shows is not looked at, so this does not fit a result to its reference.
    """
    if len(one.beat_s) < 2 or not np.isfinite(one.strip).any():
        return None
    strip = _beats_only(one)
    scales = np.arange(1.0 - CLOCK_SPAN, 1.0 + 0.5 * CLOCK_STEP + CLOCK_SPAN, CLOCK_STEP)
    found = np.array([_beat_power(strip, one, one.rate_hz * scale) for scale in scales])
    best = int(found.argmax())
    if not found[best] > CLOCK_CLEAR * float(np.median(found)):
        return None
    return float(one.rate_hz * scales[best])


def _beats_only(one: BedRecording) -> _Floats:
    """Return the strip's beats, all of about the same size."""
    strip = np.where(np.isfinite(one.strip), one.strip, np.nanmedian(one.strip)).astype(np.float64)
    spectrum = np.fft.rfft(strip - strip.mean())
    hz = np.fft.rfftfreq(len(strip), 1.0 / one.rate_hz)
    spectrum[(hz < CLOCK_BAND_HZ[0]) | (hz > CLOCK_BAND_HZ[1])] = 0.0
    beats = np.fft.irfft(spectrum, len(strip))
    around = np.ones(max(1, min(len(beats), round(2.0 * one.rate_hz))))
    size = np.sqrt(np.convolve(beats * beats, around / len(around), "same"))
    return np.clip(beats / np.maximum(size, 1e-12), -3.0, 3.0)


def _beat_power(strip: _Floats, one: BedRecording, rate_hz: float) -> float:
    """Return the power of the beat averaged at the R waves, at the best lag."""
    places_hz, length_s = CLOCK_PLACES_HZ, len(strip) / rate_hz
    grid = np.interp(
        np.arange(0.0, length_s, 1.0 / places_hz), np.arange(len(strip)) / rate_hz, strip
    )
    beats = one.beat_s[(one.beat_s > -LAG_S) & (one.beat_s < length_s + LAG_S)]
    lags = round(2.0 * LAG_S * places_hz)
    size = 1 << (len(grid) + 2 * lags).bit_length()
    pulses = np.bincount(np.round((beats + LAG_S) * places_hz).astype(np.intp), minlength=size)
    together = np.fft.rfft(grid, size) * np.conj(np.fft.rfft(pulses[:size], size))
    mean = np.roll(np.fft.irfft(together, size), lags)[:lags]
    width = round(CLOCK_BEAT_S * places_hz)
    return float(np.convolve(mean * mean, np.ones(width) / width, "same").max())


def heart_reference(one: BedRecording, at_s: _Floats) -> _Floats:
    """Return the mean heart rate around each time, NaN where the ECG has holes."""
    begin = np.searchsorted(one.beat_s, at_s - HEART_HALF_S)
    end = np.searchsorted(one.beat_s, at_s + HEART_HALF_S)
    total_ms = np.concatenate([[0.0], np.cumsum(one.rr_ms)])
    sums_ms, counts = total_ms[end] - total_ms[begin], end - begin
    # Fewer milliseconds of intervals than the window has means beats are missing.
    known = (counts > 1) & (sums_ms > 1600.0 * HEART_HALF_S)
    return np.where(known, 60000.0 * counts / np.maximum(sums_ms, 1.0), math.nan)


def breath_reference(one: BedRecording, at_s: _Floats) -> _Floats:
    """Return the rate of the sinus arrhythmia around each time, NaN where it is unclear.

    Slower than `HF_HZ` the pressure wave of 0.1 Hz is as strong as breath; such peaks are no
    reference, so breathing below 9 a minute is not scored.
    """
    found = np.full(len(at_s), math.nan)
    grid_hz, half_s = 4.0, BREATH_HALF_S
    size = int(2.0 * half_s * grid_hz)
    hz = np.fft.rfftfreq(4 * size, 1.0 / grid_hz)
    band = (hz >= 0.1) & (hz <= 0.7)
    for i, now_s in enumerate(at_s):
        begin, end = np.searchsorted(one.beat_s, (now_s - half_s, now_s + half_s))
        if end - begin < 10 or float(one.rr_ms[begin:end].sum()) < 1600.0 * half_s:
            continue
        grid_s = now_s - half_s + np.arange(size) / grid_hz
        rr = np.interp(grid_s, one.beat_s[begin:end], one.rr_ms[begin:end])
        slope = np.polyfit(grid_s - now_s, rr, 1)
        rr = (rr - np.polyval(slope, grid_s - now_s)) * np.hanning(size)
        power = np.where(band, np.abs(np.fft.rfft(rr, 4 * size)) ** 2, 0.0)
        peak = int(power.argmax())
        near = np.abs(hz - hz[peak]) < 1.0 / half_s
        clear = power[near].sum() >= LEAST_PEAK * power.sum() > 0.0
        if clear and hz[peak] >= HF_HZ:
            found[i] = 60.0 * hz[peak]
    return found
