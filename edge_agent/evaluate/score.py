"""How well the fall detector does on recorded trials, as the agent would run it.

```
trial --> 100 ms packets of int16 counts --> Chunk --> FallDetector --> end of trial = gap
```
The detector is new for each trial and never sees labels, file name or length. A fall is found
when the onset of a detection lies within 2 s of the fall and its decision within 3 s after it;
any other detection is a false alarm; a daily activity with any detection is one false trial.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.detector import Detection
from edge_agent.detect.fall import FallDetector
from edge_agent.detect.fall_model import FallModel
from edge_agent.detect.grid import STANDARD_GRAVITY
from edge_agent.evaluate.trials import Trial, TrialSet, read_trials
from edge_agent.stream.chunk import Channel, Chunk, Gap
from protocol.quantities import ACCELERATION

PACKET_S = 0.1
"""Length of one packet."""

ONSET_WITHIN_S = 2.0
"""A detection belongs to the fall when its onset is this close to it."""

DECIDED_WITHIN_S = 3.0
"""... and when it is decided no later than this after it."""

SPECIFICITY_POINT = 0.995
"""Where the sensitivity of the ranking is read."""

RESAMPLES = 2000
"""Draws of people for the confidence intervals; the seed is fixed."""

_CHANNEL = Channel("recording", ACCELERATION)


@dataclass(frozen=True, slots=True)
class FallScore:
    """The result of one file; its fields in this order are the JSON object.

    Attributes:
        file: name without folder.
        detector: always `fall`.
        n_falls: fall trials.
        n_adl: trials of daily activities.
        hours_adl: their length together.
        sensitivity: fall trials in which the fall was found; None without fall trials.
        specificity: daily trials without any detection; None without daily trials.
        auc: chance that a fall trial's best candidate scores above a daily trial's.
        sensitivity_at_specificity_99_5: falls ranked above all but 0.5 % of the daily trials.
        false_alarms_per_hour: all false alarms, those in fall trials too, per hour of daily
            activity.
        latency_s: `median` and `p95` from the fall to the deciding sample, found falls only.
        ci95: `sensitivity` and `specificity`, people resampled with replacement.
        by_label: for each label `falls` and `found`, `adl` and `quiet` trials.
        seconds_per_cpu_second: sensor time over CPU time, packets to detections.
    """

    file: str
    detector: str
    n_falls: int
    n_adl: int
    hours_adl: float
    sensitivity: float | None
    specificity: float | None
    auc: float | None
    sensitivity_at_specificity_99_5: float | None
    false_alarms_per_hour: float | None
    latency_s: dict[str, float | None]
    ci95: dict[str, list[float] | None]
    by_label: dict[str, dict[str, int]]
    seconds_per_cpu_second: float


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One trial: was it right, how many false alarms, how late, how sure at best."""

    right: bool
    false_alarms: int
    latency_s: float | None
    best_score: float


def score_fall(
    path: Path,
    model: FallModel | None = None,
    progress: Callable[[str], None] | None = None,
) -> FallScore:
    """Score the fall detector on one file of the flat form.

    Args:
        path: the `.npz` file.
        model: the shipped one when None.
        progress: told now and then how far it is.

    Raises:
        TrialError: the file cannot be read.
    """
    trials = read_trials(path)
    outcomes = []
    began = time.process_time()
    for i, trial in enumerate(trials):
        outcomes.append(_run(trial, model))
        if progress is not None and (i + 1) % 500 == 0:
            progress(f"{trials.name}: {i + 1} of {len(trials)} trials")
    spent = time.process_time() - began
    seconds = len(trials.counts) / trials.rate_hz
    return _summary(trials, outcomes, seconds / max(spent, 1e-9))


def format_table(score: FallScore) -> str:
    """Return the score as a table for people."""
    interval = score.ci95
    lines = [
        f"{score.file}: {score.n_falls} falls, {score.n_adl} daily trials "
        f"of {score.hours_adl:.2f} h",
        f"  sensitivity            {_percent(score.sensitivity)} {_span(interval['sensitivity'])}",
        f"  specificity            {_percent(score.specificity)} {_span(interval['specificity'])}",
        f"  AUC                    {_percent(score.auc)}",
        f"  sensitivity at 99.5 %  {_percent(score.sensitivity_at_specificity_99_5)}",
        f"  false alarms an hour   {_number(score.false_alarms_per_hour)}",
        f"  delay, median / p95    {_number(score.latency_s['median'])} / "
        f"{_number(score.latency_s['p95'])} s",
        f"  sensor s / CPU s       {score.seconds_per_cpu_second:7.0f}",
        "",
        "  label                      falls  found  daily  quiet",
    ]
    for label, counts in score.by_label.items():
        cells = [counts.get(key, "-") for key in ("falls", "found", "adl", "quiet")]
        lines.append(f"  {label:<25}" + "".join(f"{cell:>7}" for cell in cells))
    return "\n".join(lines)


def _run(trial: Trial, model: FallModel | None) -> _Outcome:
    """Feed one trial packet by packet and judge what comes out."""
    detector = FallDetector(_CHANNEL, model, keep_candidates=True)
    rate, counts = trial.rate_hz, trial.counts
    scale = np.float32(trial.scale_g * STANDARD_GRAVITY)
    found: list[Detection] = []
    begin = packet = 0
    while begin < len(counts):
        packet += 1
        end = max(begin + 1, int(packet * PACKET_S * rate + 1e-9))
        values = counts[begin:end] * scale
        found += detector.update(Chunk(_CHANNEL, begin / rate, rate, values))
        begin = end
    found += detector.gap(Gap(_CHANNEL, trial.seconds, trial.seconds))
    scores = [(c.impact_s, c.score) for c in detector.candidates or ()]
    if not trial.is_fall:
        best = max((score for _, score in scores), default=0.0)
        return _Outcome(not found, len(found), None, best)
    fall_s = trial.impact_index() / rate
    late = [
        one.offset_s - fall_s
        for one in found
        if abs(one.onset_s - fall_s) <= ONSET_WITHIN_S and one.offset_s - fall_s <= DECIDED_WITHIN_S
    ]
    near = [score for impact_s, score in scores if abs(impact_s - fall_s) <= ONSET_WITHIN_S]
    return _Outcome(
        bool(late), len(found) - bool(late), min(late, default=None), max(near, default=0.0)
    )


def _summary(trials: TrialSet, outcomes: list[_Outcome], speed: float) -> FallScore:
    falls = trials.is_fall
    right = np.array([one.right for one in outcomes])
    best = np.array([one.best_score for one in outcomes])
    lengths = np.diff(trials.start)
    hours = float(lengths[~falls].sum()) / trials.rate_hz / 3600.0
    late = np.array([one.latency_s for one in outcomes if one.latency_s is not None])
    by_label: dict[str, dict[str, int]] = {}
    for label in sorted(set(trials.label)):
        mine = np.array([one == label for one in trials.label])
        counts = by_label[label] = {}
        if (mine & falls).any():
            counts["falls"] = int((mine & falls).sum())
            counts["found"] = int((mine & falls & right).sum())
        if (mine & ~falls).any():
            counts["adl"] = int((mine & ~falls).sum())
            counts["quiet"] = int((mine & ~falls & right).sum())
    return FallScore(
        file=trials.name,
        detector="fall",
        n_falls=int(falls.sum()),
        n_adl=int((~falls).sum()),
        hours_adl=hours,
        sensitivity=_mean(right[falls]),
        specificity=_mean(right[~falls]),
        auc=area_under_curve(best[falls], best[~falls]),
        sensitivity_at_specificity_99_5=sensitivity_at(
            best[falls], best[~falls], SPECIFICITY_POINT
        ),
        false_alarms_per_hour=(
            sum(one.false_alarms for one in outcomes) / hours if hours > 0.0 else None
        ),
        latency_s={
            "median": float(np.median(late)) if len(late) else None,
            "p95": float(np.quantile(late, 0.95)) if len(late) else None,
        },
        ci95={
            "sensitivity": _interval(trials.subject, falls, right),
            "specificity": _interval(trials.subject, ~falls, right),
        },
        by_label=by_label,
        seconds_per_cpu_second=speed,
    )


def area_under_curve(falls: NDArray[np.float64], daily: NDArray[np.float64]) -> float | None:
    """Return the chance that a fall scores above a daily trial, ties counted half."""
    if not len(falls) or not len(daily):
        return None
    ordered = np.sort(daily)
    below = np.searchsorted(ordered, falls, side="left")
    not_above = np.searchsorted(ordered, falls, side="right")
    return float((below + not_above).sum()) / (2.0 * len(falls) * len(daily))


def sensitivity_at(
    falls: NDArray[np.float64], daily: NDArray[np.float64], specificity: float
) -> float | None:
    """Return the share of falls above the threshold that leaves that share of trials quiet."""
    if not len(falls) or not len(daily):
        return None
    allowed = math.floor(len(daily) * (1.0 - specificity) + 1e-9)
    threshold = np.sort(daily)[::-1][allowed] if allowed < len(daily) else -math.inf
    return float((falls > threshold).mean())


def _mean(right: NDArray[np.bool_]) -> float | None:
    return float(right.mean()) if len(right) else None


def _interval(
    subjects: tuple[str, ...], mine: NDArray[np.bool_], right: NDArray[np.bool_]
) -> list[float] | None:
    """Return the 95 % interval of the share that is right, people drawn with replacement."""
    people, index = np.unique(np.array(subjects)[mine], return_inverse=True)
    if len(people) < 2:
        return None
    trials = np.bincount(index)
    good = np.bincount(index, right[mine])
    drawn = np.random.default_rng(0).integers(0, len(people), (RESAMPLES, len(people)))
    shares = good[drawn].sum(axis=1) / trials[drawn].sum(axis=1)
    return [float(np.quantile(shares, q)) for q in (0.025, 0.975)]


def _percent(value: float | None) -> str:
    return "      -" if value is None else f"{100.0 * value:6.2f}%"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _span(interval: list[float] | None) -> str:
    if interval is None:
        return ""
    return f"({100.0 * interval[0]:.1f} to {100.0 * interval[1]:.1f} over people)"
