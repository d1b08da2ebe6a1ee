"""What a strip's detectors told second by second, beside what was true: for scores and for plots.

Only start times are known, and strip and ECG were started by hand: one lag is searched for each
recording, the one with the least error.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.bed.heart_rate import HeartRate
from edge_agent.detect.bed.respiration import Respiration
from edge_agent.detect.bed.rhythm import Rate
from edge_agent.detect.detector import Detection
from edge_agent.evaluate.beds.bed_recordings import CHANNEL, BedRecording, read_bed_recordings
from edge_agent.evaluate.beds.bed_reference import LAG_S, breath_reference, heart_reference

LAG_STEP_S = 0.5

LEAST_OVERLAP = 0.8
"""A lag must leave this share of the most values any lag leaves, so that none is picked for the
few it keeps."""

FAR_OFF_BPM = 10.0
FAR_OFF_RPM = 3.0
"""Errors that count as wrong."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RateSeries:
    """One recording second by second, at the lag that was found.

    Attributes:
        at_s: shape (n,), seconds from the strip's first sample.
        told: shape (n,), per minute; NaN where nothing was told.
        truth: shape (n,), the reference; NaN where there is none.
        quality: shape (n,), 0 to 1, the detector's own.
        lag_s: added to the reference's times.
    """

    name: str
    at_s: Floats
    told: Floats
    truth: Floats
    quality: Floats
    lag_s: float


@dataclass(frozen=True, slots=True)
class ErrorCurve:
    """What would be gained by telling the values of better quality only; shapes (values,).

    Attributes:
        quality: of the worst value that is told.
        coverage: share of the judged seconds.
        mae: mean error without sign of all that are told.
    """

    quality: Floats
    coverage: Floats
    mae: Floats


@dataclass(frozen=True, slots=True)
class VitalKind:
    """What differs between the two detectors.

    Attributes:
        run: a recording through a new detector.
        reference: the truth at given times.
        far_off: an error that counts as wrong, per minute.
    """

    name: str
    run: Callable[[BedRecording], tuple[list[Rate], list[Detection]]]
    reference: Callable[[BedRecording, Floats], Floats]
    far_off: float


def heart_rate_series(path: Path) -> list[RateSeries]:
    """Return what was told and what was true, recording by recording, nominal clocks.

    Raises:
        TrialError: the file cannot be read.
    """
    return [series_of(one, HEART.run(one)[0], HEART)[0] for one in read_bed_recordings(path)]


def respiration_series(path: Path) -> list[RateSeries]:
    """Return the same of the respiration.

    Raises:
        TrialError: the file cannot be read.
    """
    return [series_of(one, BREATH.run(one)[0], BREATH)[0] for one in read_bed_recordings(path)]


def error_curve(series: Sequence[RateSeries]) -> ErrorCurve:
    """Return coverage and error over the quality that is asked for, best values first."""
    error = np.concatenate([np.zeros(0), *(np.abs(one.told - one.truth) for one in series)])
    quality = np.concatenate([np.zeros(0), *(one.quality for one in series)])
    judged = sum(int(np.isfinite(one.truth).sum()) for one in series)
    known = np.flatnonzero(np.isfinite(error))
    order = known[np.argsort(-quality[known], kind="stable")]
    count = np.arange(1, len(order) + 1)
    return ErrorCurve(quality[order], count / max(1, judged), np.cumsum(error[order]) / count)


def series_of(
    one: BedRecording, rates: Sequence[Rate], kind: VitalKind
) -> tuple[RateSeries, float | None]:
    """Return the series at the lag with the least error, and the error at lag 0."""
    at_s = np.array([rate.at_s for rate in rates])
    told = np.array([math.nan if rate.bpm is None else rate.bpm for rate in rates])
    quality = np.array([rate.quality for rate in rates])
    steps = round(LAG_S / LAG_STEP_S)
    lags = [step * LAG_STEP_S for step in sorted(range(-steps, steps + 1), key=abs)]
    truths = [kind.reference(one, at_s - lag) for lag in lags]
    errors = [np.abs(told - truth)[np.isfinite(told - truth)] for truth in truths]
    enough = max(1.0, LEAST_OVERLAP * max(len(error) for error in errors))
    means = [error.mean() if len(error) >= enough else math.inf for error in errors]
    best = int(np.argmin(means))
    series = RateSeries(one.name, at_s, told, truths[best], quality, lags[best])
    return series, float(errors[0].mean()) if len(errors[0]) else None


def _run_heart(one: BedRecording) -> tuple[list[Rate], list[Detection]]:
    detector = HeartRate(CHANNEL)
    return [rate for chunk in one.chunks() for rate in detector.update(chunk)], []


def _run_breath(one: BedRecording) -> tuple[list[Rate], list[Detection]]:
    detector = Respiration(CHANNEL)
    found = [item for chunk in one.chunks() for item in detector.update(chunk)]
    rates = [item for item in found if isinstance(item, Rate)]
    return rates, [item for item in found if isinstance(item, Detection)]


HEART = VitalKind("heart_rate", _run_heart, heart_reference, FAR_OFF_BPM)
BREATH = VitalKind("respiration", _run_breath, breath_reference, FAR_OFF_RPM)
