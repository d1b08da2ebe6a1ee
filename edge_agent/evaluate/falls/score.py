"""How well the fall detector does on recorded trials, as the agent would run it.

```
trial --> 100 ms packets of int16 counts --> Chunk --> FallDetector --> end of trial = gap
                                                           |
                          wearer's Upright, from trial to trial in the order of the file
```
The detector is new for each trial and never sees labels, file name or length. What a wearer's
steps have taught it about the upright posture is carried over to their next trial, as it is in a
home, falls and all; scored `blank`, it is not; scored `calibrated`, what their impacts have taught
it is too, no alarm ever being answered. A fall is found when the onset of a detection lies
within 2 s of the fall and its decision within 3 s after it; any other detection is a false alarm;
a daily activity with any detection is one false trial.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.detector import Detection
from edge_agent.detect.falls.candidate import Candidate
from edge_agent.detect.falls.fall import FallDetector
from edge_agent.detect.falls.grid import STANDARD_GRAVITY
from edge_agent.detect.falls.model import FallModel, shipped_model
from edge_agent.evaluate.falls.trials import Trial, TrialSet, read_trials
from edge_agent.evaluate.falls.wearers import Wearers
from edge_agent.stream.chunk import HOLE_LIMIT_S, Channel, Chunk, Gap
from protocol.quantities import ACCELERATION

PACKET_S = 0.1
"""Length of one packet."""

ONSET_WITHIN_S = 2.0
"""A detection belongs to the fall when its onset is this close to it."""

DECIDED_WITHIN_S = 3.0
"""... and when it is decided no later than this after it."""

SPECIFICITY_POINT = 0.995
"""Where the sensitivity of the ranking is read."""

RESAMPLES, FEWER_RESAMPLES = 2000, 400
"""Draws of people for the confidence intervals, of shares and of what takes longer; the seed is
fixed."""

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
        blank: nothing was carried from trial to trial.
        recovered_wrongly: trials with a `fall_recovered`.
        calibrated: each wearer's own impacts taught the detector.
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
    blank: bool
    recovered_wrongly: int
    calibrated: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one trial went.

    Attributes:
        trial: its index within the set.
        right: the fall was found, or nothing was raised on a daily trial.
        false_alarms: falls raised that were none.
        recovered: a `fall_recovered` was said.
        latency_s: from the fall to the deciding sample, None where it was not found.
        margin: of the candidate that came nearest to being raised, near the fall in a fall trial;
            minus infinity where nothing passed the gate.
        impact_s: its time within the trial, NaN where there is none.
    """

    trial: int
    right: bool
    false_alarms: int
    recovered: bool
    latency_s: float | None
    margin: float
    impact_s: float


def score_fall(
    path: Path,
    model: FallModel | None = None,
    progress: Callable[[str], None] | None = None,
    blank: bool = False,
    calibrated: bool = False,
) -> FallScore:
    """Score the fall detector on one file of the flat form.

    Args:
        path: the `.npz` file.
        model: the shipped one when None.
        progress: told now and then how far it is.
        blank: carry nothing from trial to trial.
        calibrated: let each wearer's own impacts teach the detector.

    Raises:
        TrialError: the file cannot be read.
    """
    trials = read_trials(path)
    began = time.process_time()
    outcomes = play_set(trials, model, progress=progress, blank=blank, calibrated=calibrated)
    spent = time.process_time() - began
    seconds = len(trials.counts) / trials.rate_hz
    return _summary(trials, outcomes, seconds / max(spent, 1e-9), blank, calibrated)


def play_set(
    trials: TrialSet,
    model: FallModel | None = None,
    change: Callable[[int, Trial], Chunk] | None = None,
    progress: Callable[[str], None] | None = None,
    blank: bool = False,
    calibrated: bool = False,
) -> list[Outcome]:
    """Play all trials of a set and return how each went.

    Args:
        trials: the set.
        model: the shipped one when None.
        change: makes of a trial and its index what arrives of it, from time zero; as recorded
            when None.
        progress: told now and then how far it is.
        blank: carry nothing from trial to trial.
        calibrated: let each wearer's own impacts teach the detector.
    """
    model = shipped_model() if model is None else model
    wearers = Wearers()
    outcomes = []
    for i, trial in enumerate(trials):
        if blank:
            wearers = Wearers()
        start_s, upright = wearers.begin(trial)
        chunk = _as_recorded(trial) if change is None else change(i, trial)
        detector = FallDetector(_CHANNEL, model, keep_candidates=True, upright=upright)
        if calibrated:
            detector.calibration = wearers.calibration(trial.subject, model.bound)
        found = _play(detector, replace(chunk, start_s=start_s))
        outcomes.append(_judge(i, trial, start_s, found, detector.candidates or []))
        if progress is not None and (i + 1) % 500 == 0:
            progress(f"{trials.name}: {i + 1} of {len(trials)} trials")
    return outcomes


def format_table(score: FallScore) -> str:
    """Return the score as a table for people."""
    interval = score.ci95
    lines = [
        f"{score.file}: {score.n_falls} falls, {score.n_adl} daily trials "
        f"of {score.hours_adl:.2f} h"
        + (", each from a blank state" if score.blank else ", upright posture carried over")
        + (", calibrated" if score.calibrated else ""),
        f"  sensitivity            {_percent(score.sensitivity)} {_span(interval['sensitivity'])}",
        f"  specificity            {_percent(score.specificity)} {_span(interval['specificity'])}",
        f"  AUC                    {_percent(score.auc)} {_span(interval['auc'])}",
        f"  sensitivity at 99.5 %  {_percent(score.sensitivity_at_specificity_99_5)} "
        f"{_span(interval['sensitivity_at_specificity_99_5'])}",
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


def _as_recorded(trial: Trial) -> Chunk:
    scale = np.float32(trial.scale_g * STANDARD_GRAVITY)
    return Chunk(_CHANNEL, 0.0, trial.rate_hz, trial.counts * scale)


def _play(detector: FallDetector, chunk: Chunk) -> list[Detection]:
    """Feed a trial packet by packet; a run of lost ones longer than a hole is a gap."""
    found: list[Detection] = []
    rate_hz, size, missing = chunk.rate_hz, len(chunk.values), chunk.missing
    begin = packet = 0
    silent = 0.0
    while begin < size:
        packet += 1
        end = max(begin + 1, int(packet * PACKET_S * rate_hz + 1e-9))
        at_s = chunk.start_s + begin / rate_hz
        if missing is not None and missing[begin:end].all():
            silent += PACKET_S
        else:
            if silent > HOLE_LIMIT_S + 1e-9:
                found += detector.gap(Gap(_CHANNEL, at_s - silent, at_s))
            elif silent:
                lost = begin - round(silent * rate_hz)
                found += detector.update(_piece(chunk, max(0, lost), begin))
            silent = 0.0
            found += detector.update(_piece(chunk, begin, end))
        begin = end
    return found + detector.gap(Gap(_CHANNEL, chunk.end_s, chunk.end_s))


def _piece(chunk: Chunk, begin: int, end: int) -> Chunk:
    missing = None if chunk.missing is None else chunk.missing[begin:end]
    start_s = chunk.start_s + begin / chunk.rate_hz
    return Chunk(_CHANNEL, start_s, chunk.rate_hz, chunk.values[begin:end], missing)


def _judge(
    index: int, trial: Trial, start_s: float, said: list[Detection], candidates: list[Candidate]
) -> Outcome:
    found = [one for one in said if one.kind == "fall"]
    looked = [(one.margin, one.impact_s - start_s) for one in candidates]
    late: list[float] = []
    if trial.is_fall:
        fall_s = trial.impact_index() / trial.rate_hz
        late = [
            one.offset_s - start_s - fall_s
            for one in found
            if abs(one.onset_s - start_s - fall_s) <= ONSET_WITHIN_S
            and one.offset_s - start_s - fall_s <= DECIDED_WITHIN_S
        ]
        looked = [(margin, at_s) for margin, at_s in looked if abs(at_s - fall_s) <= ONSET_WITHIN_S]
    margin, impact_s = max(looked, default=(-math.inf, math.nan))
    return Outcome(
        trial=index,
        right=bool(late) if trial.is_fall else not found,
        false_alarms=len(found) - bool(late),
        recovered=len(said) > len(found),
        latency_s=min(late, default=None),
        margin=margin,
        impact_s=impact_s,
    )


def _summary(
    trials: TrialSet, outcomes: list[Outcome], speed: float, blank: bool, calibrated: bool
) -> FallScore:
    falls = trials.is_fall
    right = np.array([one.right for one in outcomes])
    best = np.array([one.margin for one in outcomes])
    false = np.array([one.false_alarms for one in outcomes])
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
        false_alarms_per_hour=(float(false.sum()) / hours if hours > 0.0 else None),
        latency_s={
            "median": float(np.median(late)) if len(late) else None,
            "p95": float(np.quantile(late, 0.95)) if len(late) else None,
        },
        ci95={
            "sensitivity": _interval(trials.subject, falls, right),
            "specificity": _interval(trials.subject, ~falls, right),
            "auc": interval_of(
                trials.subject, lambda rows: area_under_curve(*_parted(best, falls, rows))
            ),
            "sensitivity_at_specificity_99_5": interval_of(
                trials.subject,
                lambda rows: sensitivity_at(*_parted(best, falls, rows), SPECIFICITY_POINT),
            ),
            "false_alarms_per_hour": interval_of(
                trials.subject, lambda rows: _rate(false, lengths / trials.rate_hz, falls, rows)
            ),
        },
        by_label=by_label,
        seconds_per_cpu_second=speed,
        blank=blank,
        recovered_wrongly=sum(one.recovered for one in outcomes),
        calibrated=calibrated,
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


def interval_of(
    subjects: tuple[str, ...], measure: Callable[[NDArray[np.intp]], float | None]
) -> list[float] | None:
    """Return the 95 % interval of any figure of trials, people drawn with replacement."""
    people, index = np.unique(np.array(subjects), return_inverse=True)
    if len(people) < 2:
        return None
    rows_of = [np.flatnonzero(index == i) for i in range(len(people))]
    random = np.random.default_rng(0)
    values = []
    for _ in range(FEWER_RESAMPLES):
        drawn = random.integers(0, len(people), len(people))
        value = measure(np.concatenate([rows_of[i] for i in drawn]))
        if value is not None:
            values.append(value)
    return [float(np.quantile(values, q)) for q in (0.025, 0.975)] if values else None


def _parted(
    best: NDArray[np.float64], falls: NDArray[np.bool_], rows: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    chosen, is_fall = best[rows], falls[rows]
    return chosen[is_fall], chosen[~is_fall]


def _rate(
    false: NDArray[np.int_],
    seconds: NDArray[np.float64],
    falls: NDArray[np.bool_],
    rows: NDArray[np.intp],
) -> float | None:
    """Return false alarms per hour of daily activity."""
    hours = float(seconds[rows][~falls[rows]].sum()) / 3600.0
    return float(false[rows].sum()) / hours if hours > 0.0 else None


def _percent(value: float | None) -> str:
    return "      -" if value is None else f"{100.0 * value:6.2f}%"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _span(interval: list[float] | None) -> str:
    if interval is None:
        return ""
    return f"({100.0 * interval[0]:.1f} to {100.0 * interval[1]:.1f} over people)"
