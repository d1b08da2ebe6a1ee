"""How well heart rate and respiration are read from recorded bed strips, beside an ECG.

Each recording (`bed_recordings.py`) goes through a new detector in 100 ms packets, as the agent
would run it; the end is not told. Only start times are known, and strip and ECG were started by
hand: one lag of up to 20 s is searched for each recording, the one with the least error, and the
error without it is reported too. The strip's clock is taken as nominal, so an error of its rate is
an error of the result; where the ECG shows the strip's true rate (`bed_reference.strip_rate`), the
same detector is run once more at that rate and both results stand side by side.

Heart rate: the reference is the mean of the R-R intervals within 5 s. Respiration: there is no
belt in these sets; the reference is the respiratory sinus arrhythmia of the R-R intervals within
15 s, only where it is one clear peak, so it scores quiet breathing and is itself no gold standard.

Intervals: of a recording over stretches of 30 s (three windows of the heart's rate), of all
together over recordings.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.evaluate.beds.bed_recordings import read_bed_recordings
from edge_agent.evaluate.beds.bed_reference import strip_rate
from edge_agent.evaluate.beds.rate_series import (
    BREATH,
    FAR_OFF_BPM,
    FAR_OFF_RPM,
    HEART,
    RateSeries,
    VitalKind,
    series_of,
)
from edge_agent.evaluate.resampled import ratio_interval

STRETCH_S = 30.0
"""What is resampled within a recording."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Errors of one run.

    Attributes:
        given: judged seconds with a value.
        coverage: given / judged; None without reference.
        mae: mean error without sign, per minute; None without values.
        bias: mean error with sign.
        far_off: share of given values that are wrong by more than 10 bpm (3 breaths).
        ci95: of `coverage`, `mae` and `far_off`; None where there is too little to resample.
    """

    given: int
    coverage: float | None
    mae: float | None
    bias: float | None
    far_off: float | None
    ci95: dict[str, list[float] | None]


@dataclass(frozen=True, slots=True)
class RecordingScore:
    """The result of one recording.

    Attributes:
        seconds: length of the strip's record.
        judged: seconds for which there is a reference.
        given, coverage, mae, bias, far_off, ci95: as in Accuracy, with the nominal clock.
        lag_s: added to the reference's times.
        mae_without_lag: mae at lag 0.
        reasons: seconds without value by reason.
        breathing_stopped: how often that was raised; 0 for heart rate.
        strip_hz: the strip's true rate by the ECG's clock; None when it cannot be told.
        true_clock: the errors at that rate.
    """

    seconds: float
    judged: int
    given: int
    coverage: float | None
    mae: float | None
    bias: float | None
    far_off: float | None
    ci95: dict[str, list[float] | None]
    lag_s: float
    mae_without_lag: float | None
    reasons: dict[str, int]
    breathing_stopped: int
    strip_hz: float | None
    true_clock: Accuracy | None


@dataclass(frozen=True, slots=True)
class VitalScore:
    """The result of one file; its fields in this order are the JSON object.

    Attributes:
        file: name without folder.
        detector: `heart_rate` or `respiration`.
        recordings: by name.
        together: all recordings as one, nominal clocks; intervals over recordings.
    """

    file: str
    detector: str
    recordings: dict[str, RecordingScore]
    together: Accuracy


def score_heart_rate(path: Path) -> VitalScore:
    """Score the heart rate on one file.

    Raises:
        TrialError: the file cannot be read.
    """
    return _score(path, HEART)


def score_respiration(path: Path) -> VitalScore:
    """Score the respiration on one file.

    Raises:
        TrialError: the file cannot be read.
    """
    return _score(path, BREATH)


def format_vitals(score: VitalScore) -> str:
    """Return the score as a table for people."""
    far = FAR_OFF_BPM if score.detector == "heart_rate" else FAR_OFF_RPM
    heads = ("seconds", "judged", "coverage", "MAE", "bias", f">{far:g} off", "lag s")
    titles = "".join(f"{head:>9}" for head in (*heads, "at lag 0", "stopped"))
    lines = [f"{score.file}: {score.detector}", f"  {'recording':<20}{titles}"]
    notes = []
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
        notes.append(f"  {name}: 95 % over stretches of 30 s: {_spans(one.ci95)}")
        if one.true_clock is not None:
            true = one.true_clock
            notes.append(
                f"  {name}: strip at {one.strip_hz:.2f} Hz by the ECG: coverage "
                f"{_percent(true.coverage)}, MAE {_number(true.mae)}, bias {_number(true.bias)}"
            )
    whole = score.together
    notes.append(
        f"  together: coverage {_percent(whole.coverage)}, MAE {_number(whole.mae)}, >{far:g} off "
        f"{_percent(whole.far_off)}; 95 % over recordings: {_spans(whole.ci95)}"
    )
    return "\n".join(lines + notes)


def _score(path: Path, kind: VitalKind) -> VitalScore:
    scores, tallies = {}, []
    for one in read_bed_recordings(path):
        rates, stopped = kind.run(one)
        series, without_lag = series_of(one, rates, kind)
        rate_hz = strip_rate(one)
        true_clock = None
        if rate_hz is not None:
            timed = replace(one, rate_hz=rate_hz)
            true_clock = _accuracy(_tally(series_of(timed, kind.run(timed)[0], kind)[0], kind))
        tally = _tally(series, kind)
        tallies.append(tally.sum(axis=0))
        nominal = _accuracy(tally)
        reasons: dict[str, int] = {}
        for rate in rates:
            if rate.reason is not None:
                reasons[rate.reason.value] = reasons.get(rate.reason.value, 0) + 1
        scores[one.name] = RecordingScore(
            seconds=len(one.strip) / one.rate_hz,
            judged=int(np.isfinite(series.truth).sum()),
            given=nominal.given,
            coverage=nominal.coverage,
            mae=nominal.mae,
            bias=nominal.bias,
            far_off=nominal.far_off,
            ci95=nominal.ci95,
            lag_s=series.lag_s,
            mae_without_lag=without_lag,
            reasons=dict(sorted(reasons.items())),
            breathing_stopped=len(stopped),
            strip_hz=rate_hz,
            true_clock=true_clock,
        )
    return VitalScore(path.name, kind.name, scores, _accuracy(np.array(tallies)))


def _tally(series: RateSeries, kind: VitalKind) -> _Floats:
    """Return judged, given, sum of |error|, of error, and far off, a row for each stretch."""
    error = series.told - series.truth
    given = np.isfinite(error)
    known = np.where(given, error, 0.0)
    far = np.abs(known) > kind.far_off
    columns = np.stack([np.isfinite(series.truth), given, np.abs(known), known, far], axis=1)
    stretch = ((series.at_s - series.at_s[:1]) // STRETCH_S).astype(np.intp)
    tally = np.zeros((int(stretch.max(initial=0)) + 1, columns.shape[1]))
    np.add.at(tally, stretch, columns.astype(np.float64))
    return tally


def _accuracy(tally: _Floats) -> Accuracy:
    """Return the errors of all rows of a tally, and their intervals over the rows."""
    judged, given, size, signed, far = tally.T if len(tally) else np.zeros((5, 0))
    return Accuracy(
        given=int(given.sum()),
        coverage=_ratio(given, judged),
        mae=_ratio(size, given),
        bias=_ratio(signed, given),
        far_off=_ratio(far, given),
        ci95={
            "coverage": ratio_interval(given, judged),
            "mae": ratio_interval(size, given),
            "far_off": ratio_interval(far, given),
        },
    )


def _ratio(part: _Floats, whole: _Floats) -> float | None:
    return float(part.sum() / whole.sum()) if whole.sum() else None


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100.0 * value:.1f}%"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _spans(ci95: dict[str, list[float] | None]) -> str:
    shown = {"coverage": (_percent, "coverage"), "mae": (_number, "MAE")}
    spans = [
        f"{title} {form(span[0])} to {form(span[1])}"
        for name, (form, title) in shown.items()
        if (span := ci95[name]) is not None
    ]
    return ", ".join(spans) or "too little to tell"
