"""How well sitting up in bed is warned of, and the training of that detector.

```
trial --> single readings at their own times --> SitUpWarning --> warnings, one label a reading
```
What is right and what is false stands in `bed_outcome.py`, the form of a file in `bed_trials.py`.
"""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.bed.sit_up import SitUpModel, model_table, shipped_model
from edge_agent.evaluate.beds.bed_outcome import Outcome, run_trial
from edge_agent.evaluate.beds.bed_search import learn_model
from edge_agent.evaluate.beds.bed_trials import SITTING, BedTrial, read_bed_trials
from edge_agent.evaluate.npz import TrialError
from edge_agent.evaluate.resampled import quantile_interval, ratio_interval

FOLDS = 10
"""Parts of the trials held out in turn; trial i is in part i modulo this."""


@dataclass(frozen=True, slots=True)
class SitUpScore:
    """The result of one file; its fields in this order are the JSON object.

    Attributes:
        file: name without folder.
        detector: always `sit_up`.
        n_trials: trials.
        hours: their length together.
        n_events: transitions from lying to sitting on the bed.
        sensitivity: share of them that was warned of; None without any.
        ppv: share of the warnings that was right; None without any.
        false_per_hour: other warnings, per hour of recording.
        delay_s: `median` and `p95` from the label to the deciding reading, found events only;
            below zero where the warning came first.
        ci95: `sensitivity`, `ppv`, `false_per_hour`, `delay_p95_s`, `rise_sensitivity` and
            `rise_ppv`, trials resampled with replacement.
        false_at: the label at each false warning, counted.
        n_rises: transitions from lying to any other label.
        rise_sensitivity: share of them told, by `sitting_up` or `risen`.
        rise_ppv: share of the tellings of either kind that belongs to a rise.
    """

    file: str
    detector: str
    n_trials: int
    hours: float
    n_events: int
    sensitivity: float | None
    ppv: float | None
    false_per_hour: float | None
    delay_s: dict[str, float | None]
    ci95: dict[str, list[float] | None]
    false_at: dict[str, int]
    n_rises: int
    rise_sensitivity: float | None
    rise_ppv: float | None


@dataclass(frozen=True, slots=True)
class SitUpSeries:
    """One trial for a plot; times in s of the trial.

    Attributes:
        t_s, tilt_deg: shape (readings,), tilt of the trunk by the model's own axis.
        label: shape (readings,).
        outcome: events, rises, warnings.
    """

    name: str
    t_s: NDArray[np.float64]
    tilt_deg: NDArray[np.float64]
    label: tuple[str, ...]
    outcome: Outcome


def score_sit_up(path: Path, model: SitUpModel | None = None) -> SitUpScore:
    """Score the sit-up warning on one file.

    Args:
        path: the `.npz` file.
        model: the shipped one when None.

    Raises:
        TrialError: the file cannot be read; one line that names the file and the member.
    """
    trials = read_bed_trials(path)
    model = shipped_model() if model is None else model
    return _summary(path.name, trials, [run_trial(trial, model) for trial in trials])


def sit_up_series(path: Path, model: SitUpModel | None = None) -> list[SitUpSeries]:
    """Return every trial with what was told in it.

    Raises:
        TrialError: the file cannot be read.
    """
    model = shipped_model() if model is None else model
    found = []
    for trial in read_bed_trials(path):
        norm = np.maximum(np.linalg.norm(trial.acceleration, axis=1), 1e-9)
        sine = np.clip(trial.acceleration @ np.array(model.up) / norm, -1.0, 1.0)
        tilt_deg = np.degrees(np.arcsin(sine))
        outcome = run_trial(trial, model)
        found.append(SitUpSeries(trial.name, np.array(trial.t_s), tilt_deg, trial.label, outcome))
    return found


def sit_up_curve(
    path: Path, rise_deg: Sequence[float], model: SitUpModel | None = None
) -> dict[float, SitUpScore]:
    """Return the score at each tilt that counts as risen, the other parameters unchanged.

    Raises:
        TrialError: the file cannot be read.
    """
    model = shipped_model() if model is None else model
    return {deg: score_sit_up(path, dataclasses.replace(model, rise_deg=deg)) for deg in rise_deg}


def format_sit_up(score: SitUpScore) -> str:
    """Return the score as a table for people."""
    false_at = ", ".join(f"{count} {label}" for label, count in score.false_at.items())
    return "\n".join(
        [
            f"{score.file}: {score.n_events} times sitting up in {score.n_trials} trials "
            f"of {score.hours:.2f} h",
            f"  sensitivity            {_percent(score.sensitivity)} "
            f"{_span(score.ci95['sensitivity'])}",
            f"  warnings that are right{_percent(score.ppv)} {_span(score.ci95['ppv'])}",
            f"  false warnings an hour {_number(score.false_per_hour)}"
            + (f" (labelled {false_at})" if false_at else ""),
            f"  delay, median / p95    {_number(score.delay_s['median'])} / "
            f"{_number(score.delay_s['p95'])} s",
            f"  any rise ({score.n_rises}), either kind: told {_percent(score.rise_sensitivity)}, "
            f"right {_percent(score.rise_ppv)}",
        ]
    )


def train_sit_up(
    path: Path, out: Path, progress: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Learn the parameters from one file, write them to `out`, return what they are worth.

    Deterministic. The held-out figures come from `FOLDS` models, each judged on the trials it
    never saw; the one written is learnt from all trials.

    Returns:
        `held_out` and `as_shipped`, both fields of `SitUpScore`.

    Raises:
        TrialError: the file cannot be read or holds nothing to learn from.
    """
    trials = read_bed_trials(path)
    if len(trials) < 2 * FOLDS or not any(trial.rises(SITTING) for trial in trials):
        raise TrialError(f"{path}: label: too few trials, or nobody sits up in them")
    outcomes: dict[int, Outcome] = {}
    for fold in range(FOLDS):
        model = learn_model([trial for i, trial in enumerate(trials) if i % FOLDS != fold])
        for i in range(fold, len(trials), FOLDS):
            outcomes[i] = run_trial(trials[i], model)
        if progress is not None:
            progress(f"{path.name}: part {fold + 1} of {FOLDS}")
    held_out = _summary(path.name, trials, [outcomes[i] for i in range(len(trials))])
    model = learn_model(trials)
    shipped = _summary(path.name, trials, [run_trial(trial, model) for trial in trials])
    table = {"made_by": "edge_agent.evaluate.beds.bed.train_sit_up"} | model_table(model)
    out.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    return {"held_out": dataclasses.asdict(held_out), "as_shipped": dataclasses.asdict(shipped)}


def _summary(name: str, trials: Sequence[BedTrial], outcomes: Sequence[Outcome]) -> SitUpScore:
    hours = sum(trial.t_s[-1] - trial.t_s[0] for trial in trials) / 3600.0
    events = np.array([len(one.events.wanted_s) for one in outcomes])
    found = np.array([len(one.events.found_s) for one in outcomes])
    false = np.array([len(one.events.false_s) for one in outcomes])
    rises = np.array([len(one.rises.wanted_s) for one in outcomes])
    told = np.array([len(one.rises.found_s) for one in outcomes])
    rises_false = np.array([len(one.rises.false_s) for one in outcomes])
    delays_s = [one.events.delays_s for one in outcomes]
    late = np.array([delay for unit in delays_s for delay in unit])
    false_at: dict[str, int] = {}
    for label in sorted(label for one in outcomes for label in one.false_at):
        false_at[label] = false_at.get(label, 0) + 1
    hours_each = np.array([(trial.t_s[-1] - trial.t_s[0]) / 3600.0 for trial in trials])
    return SitUpScore(
        file=name,
        detector="sit_up",
        n_trials=len(trials),
        hours=hours,
        n_events=int(events.sum()),
        sensitivity=_share(found, events),
        ppv=_share(found, found + false),
        false_per_hour=int(false.sum()) / hours if hours > 0.0 else None,
        delay_s={
            "median": float(np.median(late)) if len(late) else None,
            "p95": float(np.quantile(late, 0.95)) if len(late) else None,
        },
        ci95={
            "sensitivity": ratio_interval(found, events),
            "ppv": ratio_interval(found, found + false),
            "false_per_hour": ratio_interval(false, hours_each),
            "delay_p95_s": quantile_interval(delays_s, 0.95),
            "rise_sensitivity": ratio_interval(told, rises),
            "rise_ppv": ratio_interval(told, told + rises_false),
        },
        false_at=false_at,
        n_rises=int(rises.sum()),
        rise_sensitivity=_share(told, rises),
        rise_ppv=_share(told, told + rises_false),
    )


def _share(part: NDArray[np.int_], whole: NDArray[np.int_]) -> float | None:
    return int(part.sum()) / int(whole.sum()) if whole.sum() else None


def _percent(value: float | None) -> str:
    return "      -" if value is None else f"{100.0 * value:6.2f}%"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _span(interval: list[float] | None) -> str:
    if interval is None:
        return ""
    return f"({100.0 * interval[0]:.1f} to {100.0 * interval[1]:.1f} over trials)"
