"""How well heart rate and respiration are read from recorded bed strips, beside an ECG.

```
NAME_fsr    float  (n)  counts or V       fsr_fs     ()  Hz, of all recordings of the file
NAME_t0     float  ()   UNIX s of the first sample
NAME_rr_t   float  (m)  UNIX s of each beat     NAME_rr_ms  float (m)  R-R interval that ended
```
Each recording goes through a new detector in 100 ms packets, as the agent would run it; the end is
not told. Only start times are known, and strip and ECG were started by hand: one lag of up to 20 s
is searched for each recording, the one with the least error, and the error without it is reported
too. The strip's clock is taken as nominal: an error of its rate is an error of the result.

Heart rate: the reference is the mean of the R-R intervals within 5 s. Respiration: there is no
belt in these sets; the reference is the respiratory sinus arrhythmia of the R-R intervals within
15 s, only where it is one clear peak, so it scores quiet breathing and is itself no gold standard.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.bcg_rhythm import Rate
from edge_agent.detect.heart_rate import HeartRate
from edge_agent.detect.respiration import Respiration
from edge_agent.evaluate.npz import MOST_SAMPLES, NpzReader, TrialError, Wanted
from edge_agent.stream.chunk import Channel, Chunk
from edge_agent.stream.filters import RATES_HZ
from protocol.quantities import BED_STRIP

PACKET_S = 0.1
LAG_S = 20.0
LAG_STEP_S = 0.5
"""Largest lag between strip and ECG that is tried, and the steps."""

LEAST_OVERLAP = 0.8
"""A lag must leave this share of the most values any lag leaves, so that none is picked for the
few it keeps."""

FAR_OFF_BPM = 10.0
FAR_OFF_RPM = 3.0
"""Errors that count as wrong."""

HEART_HALF_S = 5.0
BREATH_HALF_S = 15.0
"""Half windows of the references."""

RR_MS = (300.0, 2000.0)
"""R-R intervals that are beats (30 to 200 bpm)."""

MOST_RECORDINGS = 1000
LATEST_S = 1e10
"""UNIX times beyond the year 2286 are none."""

LEAST_PEAK = 0.5
"""Share of the power in 0.1 to 0.7 Hz that the peak of a usable sinus arrhythmia holds."""

Floats = NDArray[np.float64]
_CHANNEL = Channel("recording", BED_STRIP)


@dataclass(frozen=True, slots=True)
class RecordingScore:
    """The result of one recording.

    Attributes:
        seconds: length of the strip's record.
        judged: seconds for which there is a reference.
        given: of them, seconds with a value.
        coverage: given / judged; None without reference.
        mae: mean error without sign, per minute; None without values.
        bias: mean error with sign.
        far_off: share of given values that are wrong by more than 10 bpm (3 breaths).
        lag_s: added to the reference's times.
        mae_without_lag: mae at lag 0.
        reasons: seconds without value by reason.
        breathing_stopped: how often that was raised; 0 for heart rate.
    """

    seconds: float
    judged: int
    given: int
    coverage: float | None
    mae: float | None
    bias: float | None
    far_off: float | None
    lag_s: float
    mae_without_lag: float | None
    reasons: dict[str, int]
    breathing_stopped: int


@dataclass(frozen=True, slots=True)
class VitalScore:
    """The result of one file; its fields in this order are the JSON object.

    Attributes:
        file: name without folder.
        detector: `heart_rate` or `respiration`.
        recordings: by name.
    """

    file: str
    detector: str
    recordings: dict[str, RecordingScore]


@dataclass(frozen=True, slots=True)
class BedRecording:
    """One strip with its R-R intervals; times in s from the strip's first sample."""

    name: str
    rate_hz: float
    strip: NDArray[np.float32]
    beat_s: Floats
    rr_ms: Floats


def read_bed_recordings(path: Path) -> list[BedRecording]:
    """Read and check a whole file.

    Raises:
        TrialError: it cannot be read; one line that names the file and the member or byte.
    """
    try:
        with path.open("rb") as file:
            return _BedReader(path, file).recordings()
    except OSError as error:
        raise TrialError(f"{path}: {error.strerror or error}") from error


def score_heart_rate(path: Path) -> VitalScore:
    """Score the heart rate on one file.

    Raises:
        TrialError: the file cannot be read.
    """
    scores = {}
    for one in read_bed_recordings(path):
        detector = HeartRate(_CHANNEL)
        rates = [rate for chunk in _chunks(one) for rate in detector.update(chunk)]
        scores[one.name] = _compare(one, rates, _heart_reference, FAR_OFF_BPM, 0)
    return VitalScore(path.name, "heart_rate", scores)


def score_respiration(path: Path) -> VitalScore:
    """Score the respiration on one file.

    Raises:
        TrialError: the file cannot be read.
    """
    scores = {}
    for one in read_bed_recordings(path):
        detector = Respiration(_CHANNEL)
        found = [item for chunk in _chunks(one) for item in detector.update(chunk)]
        rates = [item for item in found if isinstance(item, Rate)]
        stopped = len(found) - len(rates)
        scores[one.name] = _compare(one, rates, _breath_reference, FAR_OFF_RPM, stopped)
    return VitalScore(path.name, "respiration", scores)


def format_vitals(score: VitalScore) -> str:
    """Return the score as a table for people."""
    far = FAR_OFF_BPM if score.detector == "heart_rate" else FAR_OFF_RPM
    heads = ("seconds", "judged", "coverage", "MAE", "bias", f">{far:g} off", "lag s")
    titles = "".join(f"{head:>9}" for head in (*heads, "at lag 0", "stopped"))
    lines = [f"{score.file}: {score.detector}", f"  {'recording':<20}{titles}"]
    for name, one in score.recordings.items():
        cells = (
            f"{one.seconds:.0f}",
            f"{one.judged}",
            _percent(one.coverage),
            _number(one.mae),
            _number(one.bias),
            _percent(one.far_off),
            f"{one.lag_s:.1f}",
            _number(one.mae_without_lag),
            f"{one.breathing_stopped}",
        )
        lines.append(f"  {name:<20}" + "".join(f"{cell:>9}" for cell in cells))
    return "\n".join(lines)


def _chunks(one: BedRecording) -> list[Chunk]:
    """Return the packets of a recording."""
    values = one.strip[:, None]
    step = max(1, round(PACKET_S * one.rate_hz))
    return [
        Chunk(_CHANNEL, at / one.rate_hz, one.rate_hz, values[at : at + step])
        for at in range(0, len(values), step)
    ]


_Reference = Callable[[BedRecording, Floats], Floats]


def _compare(
    one: BedRecording, rates: list[Rate], reference: _Reference, far_off: float, stopped: int
) -> RecordingScore:
    """Judge the rates at the lag with the least error."""
    at_s = np.array([rate.at_s for rate in rates])
    told = np.array([math.nan if rate.bpm is None else rate.bpm for rate in rates])
    reasons: dict[str, int] = {}
    for rate in rates:
        if rate.reason is not None:
            reasons[rate.reason.value] = reasons.get(rate.reason.value, 0) + 1
    steps = round(LAG_S / LAG_STEP_S)
    lags = [step * LAG_STEP_S for step in sorted(range(-steps, steps + 1), key=abs)]
    truths = [reference(one, at_s - lag) for lag in lags]
    errors = [(told - truth)[np.isfinite(told - truth)] for truth in truths]
    most = max(len(error) for error in errors)
    best = 0
    for i, error in enumerate(errors):
        if len(error) < max(1.0, LEAST_OVERLAP * most):
            continue
        enough = len(errors[best]) >= max(1.0, LEAST_OVERLAP * most)
        if not enough or np.abs(error).mean() < np.abs(errors[best]).mean():
            best = i
    error, judged = errors[best], int(np.isfinite(truths[best]).sum())
    some = len(error) > 0
    return RecordingScore(
        seconds=len(one.strip) / one.rate_hz,
        judged=judged,
        given=len(error),
        coverage=len(error) / judged if judged else None,
        mae=float(np.abs(error).mean()) if some else None,
        bias=float(error.mean()) if some else None,
        far_off=float((np.abs(error) > far_off).mean()) if some else None,
        lag_s=lags[best],
        mae_without_lag=float(np.abs(errors[0]).mean()) if len(errors[0]) else None,
        reasons=dict(sorted(reasons.items())),
        breathing_stopped=stopped,
    )


def _heart_reference(one: BedRecording, at_s: Floats) -> Floats:
    """Return the mean heart rate around each time, NaN where the ECG has holes."""
    begin = np.searchsorted(one.beat_s, at_s - HEART_HALF_S)
    end = np.searchsorted(one.beat_s, at_s + HEART_HALF_S)
    total_ms = np.concatenate([[0.0], np.cumsum(one.rr_ms)])
    sums_ms, counts = total_ms[end] - total_ms[begin], end - begin
    # Fewer milliseconds of intervals than the window has means beats are missing.
    known = (counts > 1) & (sums_ms > 1600.0 * HEART_HALF_S)
    return np.where(known, 60000.0 * counts / np.maximum(sums_ms, 1.0), math.nan)


def _breath_reference(one: BedRecording, at_s: Floats) -> Floats:
    """Return the rate of the sinus arrhythmia around each time, NaN where it is unclear."""
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
        if power[near].sum() >= LEAST_PEAK * power.sum() > 0.0:
            found[i] = 60.0 * hz[peak]
    return found


_STRIP = Wanted("fi", 8, 1, MOST_SAMPLES)
_BEATS = Wanted("fi", 8, 1, MOST_SAMPLES)
_NUMBER = Wanted("fi", 8, 0, 1)


class _BedReader(NpzReader):
    """Reads strips with the care that `trials.py` takes with falls."""

    def recordings(self) -> list[BedRecording]:
        """Return all recordings of the file in the order of their names."""
        ending = "_fsr.npy"
        names = sorted(
            name.removesuffix(ending) for name in self._zip.namelist() if name.endswith(ending)
        )
        if not names:
            raise self._wrong("NAME_fsr", "the member is missing")
        if len(names) > MOST_RECORDINGS:
            raise self._wrong("NAME_fsr", f"{len(names)} recordings, at most {MOST_RECORDINGS}")
        rate_hz = self._number("fsr_fs", RATES_HZ)
        return [self._recording(name, rate_hz) for name in names]

    def _recording(self, name: str, rate_hz: float) -> BedRecording:
        if not name.isprintable() or not 0 < len(name) <= 64:
            raise self._wrong(repr(name + "_fsr")[:80], "is not a printable name")
        begin_s = float(self._array(f"{name}_t0", _NUMBER).item())
        if not abs(begin_s) <= LATEST_S:
            raise self._wrong(f"{name}_t0", f"{begin_s!r} is no UNIX time")
        strip = self._array(f"{name}_fsr", _STRIP).astype(np.float32)
        beat_s = self._array(f"{name}_rr_t", _BEATS).astype(np.float64)
        rr_ms = self._array(f"{name}_rr_ms", _BEATS).astype(np.float64)
        if len(beat_s) != len(rr_ms):
            raise self._wrong(f"{name}_rr_ms", f"{len(rr_ms)} entries for {len(beat_s)} times")
        if not (np.abs(beat_s) <= LATEST_S).all():
            raise self._wrong(f"{name}_rr_t", "holds what is no UNIX time")
        if (np.diff(beat_s) < 0.0).any():
            raise self._wrong(f"{name}_rr_t", "does not rise")
        sound = (rr_ms >= RR_MS[0]) & (rr_ms <= RR_MS[1])
        return BedRecording(name, rate_hz, strip, beat_s[sound] - begin_s, rr_ms[sound])


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100.0 * value:.1f}%"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
