"""How well sitting up in bed is warned of, and the training of that detector.

```
trial --> single readings at their own times --> SitUpWarning --> warnings, one label a reading
```
The recordings are of the form of the UCI set "Activity recognition with healthy older people
using a batteryless wearable sensor" (Shinmoto Torres and others), trials end to end in one `.npz`:
```
acc    int16   (readings, 3)  counts; acc * scale_g is g      scale_g  ()  g per count
t      float   (readings)     s, rising within a trial        start    int64 (trials + 1)
label  int8    (readings)     index into labels               labels   str   names of postures
trial  str     (trials)       optional
```
An event is a reading labelled `sit_bed` after one labelled `lying`. A `sitting_up` is right when
it is decided from `EARLY_S` before to `LATE_S` after an event, one for each event; any other is
false, even when the person did get up and the watcher wrote no sitting. So a second account is
given, of rises: any other label after `lying`, told by `sitting_up` or `risen`.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.grid import STANDARD_GRAVITY
from edge_agent.detect.sit_up import SitUpModel, SitUpWarning, model_table, shipped_model
from edge_agent.evaluate.npz import (
    COUNTS,
    MOST_SAMPLES,
    NAMES,
    OFFSETS,
    NpzReader,
    TrialError,
    Wanted,
)
from edge_agent.evaluate.trials import SCALES_G

EARLY_S = 2.0
"""A warning this long before the label is still right: the watcher writes down a person who
sits, the trunk leaves the bed while that happens, and readings lie up to 2.8 s apart there."""

LATE_S = 5.0
"""... and this long after: the shortest stay on the edge is a few seconds, later is too late."""

SAME_RISE_S = 3.0
"""A `sitting_up` whose onset is this close to a `risen` confirms it and is no second warning."""

RESAMPLES = 2000
"""Draws of trials for the confidence intervals; the seed is fixed."""

FOLDS = 10
"""Parts of the trials held out in turn; trial i is in part i modulo this."""

PASSES = 2
"""Rounds of the search over the grid, one parameter at a time."""

LATE_WEIGHT = 0.5
"""What an event told more than 1 s late costs in the search, an event missed being 1."""

LYING, SITTING = "lying", "sit_bed"

_TIMES = Wanted("f", 8, 1, MOST_SAMPLES)
_LABELS = Wanted("i", 1, 1, MOST_SAMPLES)
_SCALE = Wanted("f", 8, 0, 1)

_BEGIN = SitUpModel(
    up=(0.0, 1.0, 0.0),
    lying_deg=12.0,
    rise_deg=18.0,
    lying_s=1.0,
    fresh_s=4.0,
    silence_s=1.1,
    step_deg=50.0,
    steep_deg=72.0,
    confirm_s=1.6,
    still_g=0.15,
)
"""Where the search begins; what is not on the grid stays. Sixty events cannot fix more than a
few numbers; with all nine free, more was gained on the trials learnt from and none held out."""

_GRID: dict[str, tuple[float, ...]] = {
    "rise_deg": (18.0, 17.0, 19.0, 20.0, 21.0),
    "lying_deg": (12.0, 10.0),
    "fresh_s": (4.0, 3.0, 6.0),
    "step_deg": (50.0, 35.0, 45.0),
}
"""What is tried."""

_BESIDE_DEG = (-1.0, 0.0, 1.0)
"""A model is worth the mean of itself and of neighbours whose `rise_deg` is off by this much,
so that the search prefers a plateau to a peak that a few trials made."""


@dataclass(frozen=True, slots=True)
class BedTrial:
    """One trial.

    Attributes:
        t_s: time of each reading, seconds, not falling.
        acceleration: shape (n, 3), m/s^2.
        label: name of the posture at each reading.
    """

    name: str
    t_s: tuple[float, ...]
    acceleration: NDArray[np.float64]
    label: tuple[str, ...]

    def rises(self, to: str | None = None) -> list[float]:
        """Return the times at which `lying` turned into that label, or into any other."""
        pairs = zip(self.label, self.label[1:], self.t_s[1:], strict=False)
        return [
            at_s
            for before, after, at_s in pairs
            if before == LYING and after != LYING and to in (None, after)
        ]


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
        ci95: `sensitivity` and `ppv`, trials resampled with replacement.
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
class _Outcome:
    """One trial: events and warnings, and what belongs together."""

    events: int
    delays_s: tuple[float, ...]
    false_at: tuple[str, ...]
    rises: int
    rises_told: int
    rises_false: int


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
    return _summary(path.name, trials, [_run(trial, model) for trial in trials])


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
    outcomes: dict[int, _Outcome] = {}
    for fold in range(FOLDS):
        model = _learn([trial for i, trial in enumerate(trials) if i % FOLDS != fold])
        for i in range(fold, len(trials), FOLDS):
            outcomes[i] = _run(trials[i], model)
        if progress is not None:
            progress(f"{path.name}: part {fold + 1} of {FOLDS}")
    held_out = _summary(path.name, trials, [outcomes[i] for i in range(len(trials))])
    model = _learn(trials)
    shipped = _summary(path.name, trials, [_run(trial, model) for trial in trials])
    table = {"made_by": "edge_agent.evaluate.bed.train_sit_up"} | model_table(model)
    out.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    return {"held_out": dataclasses.asdict(held_out), "as_shipped": dataclasses.asdict(shipped)}


def read_bed_trials(path: Path) -> list[BedTrial]:
    """Read and check a whole file.

    Raises:
        TrialError: it cannot be read; one line that names the file and the member or byte.
    """
    try:
        with path.open("rb") as file:
            return _TagReader(path, file).read_readings()
    except OSError as error:
        raise TrialError(f"{path}: {error.strerror or error}") from error


class _TagReader(NpzReader):
    def read_readings(self) -> list[BedTrial]:
        counts = self._array("acc", COUNTS)
        if counts.shape[1] != 3:
            raise self._wrong("acc", f"shape (n, 3) wanted, found {counts.shape}")
        t_s = self._array("t", _TIMES).astype(np.float64)
        label = self._array("label", _LABELS)
        for name, array in (("t", t_s), ("label", label)):
            if len(array) != len(counts):
                raise self._wrong(name, f"{len(array)} entries for {len(counts)} readings")
        start = self._offsets(len(counts))
        broken = np.flatnonzero(~np.isfinite(t_s))
        if len(broken):
            raise self._wrong(f"t[{broken[0]}]", "not a finite time")
        falling = np.setdiff1d(np.flatnonzero(np.diff(t_s) < 0.0) + 1, start)
        if len(falling):
            raise self._wrong(f"t[{falling[0]}]", "earlier than the reading before")
        labels = [str(text) for text in self._array("labels", NAMES)]
        for wanted in (LYING, SITTING):
            if labels.count(wanted) != 1:
                raise self._wrong("labels", f"{wanted!r} must be among them, once")
        outside = np.flatnonzero((label < 0) | (label >= len(labels)))
        if len(outside):
            raise self._wrong(f"label[{outside[0]}]", f"{label[outside[0]]} is not among labels")
        names = tuple(str(i) for i in range(len(start) - 1))
        if "trial.npy" in self._zip.namelist():
            names = self._names("trial")
        if len(names) != len(start) - 1:
            raise self._wrong("trial", f"{len(names)} entries for {len(start) - 1} trials")
        scale_g = float(self._array("scale_g", _SCALE).item())
        if not SCALES_G[0] <= scale_g <= SCALES_G[1]:
            raise self._wrong("scale_g", f"{scale_g!r} is not a scale")
        trials = []
        for name, begin, end in zip(names, start[:-1].tolist(), start[1:].tolist(), strict=True):
            trials.append(
                BedTrial(
                    name=name,
                    t_s=tuple(t_s[begin:end].tolist()),
                    acceleration=counts[begin:end] * (scale_g * STANDARD_GRAVITY),
                    label=tuple(labels[i] for i in label[begin:end].tolist()),
                )
            )
        return trials

    def _offsets(self, readings: int) -> NDArray[np.int64]:
        start = self._array("start", OFFSETS).astype(np.int64)
        if len(start) < 2:
            raise self._wrong("start", "no trial")
        if start[0] != 0 or start[-1] != readings:
            raise self._wrong(
                "start", f"must run from 0 to {readings}, runs from {start[0]} to {start[-1]}"
            )
        falling = np.flatnonzero(np.diff(start) <= 0)
        if len(falling):
            raise self._wrong(f"start[{falling[0] + 1}]", "does not rise")
        return start


def _run(trial: BedTrial, model: SitUpModel) -> _Outcome:
    """Feed one trial reading by reading and judge what comes out."""
    detector = SitUpWarning(model)
    warned: list[float] = []
    told: list[float] = []
    onset_s = -math.inf
    false_label: dict[float, str] = {}
    for at_s, vector, label in zip(
        trial.t_s, trial.acceleration.tolist(), trial.label, strict=True
    ):
        for one in detector.read(at_s, vector):
            if one.kind == "sitting_up":
                warned.append(at_s)
                false_label[at_s] = label
            if one.onset_s - onset_s > SAME_RISE_S or one.kind == "risen":
                told.append(at_s)
            onset_s = one.onset_s
    events, rises = trial.rises(SITTING), trial.rises()
    delays_s, false_s = _match(events, warned)
    rise_delays_s, rise_false_s = _match(rises, told)
    return _Outcome(
        events=len(events),
        delays_s=tuple(delays_s),
        false_at=tuple(false_label[at_s] for at_s in false_s),
        rises=len(rises),
        rises_told=len(rise_delays_s),
        rises_false=len(rise_false_s),
    )


def _match(events: Sequence[float], warned: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the delay of each event's first warning and the times of the warnings left over."""
    left, delays_s = list(warned), []
    for event_s in events:
        for at_s in left:
            if -EARLY_S <= at_s - event_s <= LATE_S:
                left.remove(at_s)
                delays_s.append(at_s - event_s)
                break
    return delays_s, left


def _summary(name: str, trials: Sequence[BedTrial], outcomes: Sequence[_Outcome]) -> SitUpScore:
    hours = sum(trial.t_s[-1] - trial.t_s[0] for trial in trials) / 3600.0
    events = np.array([one.events for one in outcomes])
    found = np.array([len(one.delays_s) for one in outcomes])
    false = np.array([len(one.false_at) for one in outcomes])
    late = np.array([delay for one in outcomes for delay in one.delays_s])
    false_at: dict[str, int] = {}
    for label in sorted(label for one in outcomes for label in one.false_at):
        false_at[label] = false_at.get(label, 0) + 1
    rises = sum(one.rises for one in outcomes)
    told = sum(one.rises_told for one in outcomes)
    return SitUpScore(
        file=name,
        detector="sit_up",
        n_trials=len(trials),
        hours=hours,
        n_events=int(events.sum()),
        sensitivity=_share(int(found.sum()), int(events.sum())),
        ppv=_share(int(found.sum()), int((found + false).sum())),
        false_per_hour=int(false.sum()) / hours if hours > 0.0 else None,
        delay_s={
            "median": float(np.median(late)) if len(late) else None,
            "p95": float(np.quantile(late, 0.95)) if len(late) else None,
        },
        ci95={
            "sensitivity": _interval(found, events),
            "ppv": _interval(found, found + false),
        },
        false_at=false_at,
        n_rises=rises,
        rise_sensitivity=_share(told, rises),
        rise_ppv=_share(told, told + sum(one.rises_false for one in outcomes)),
    )


def _learn(trials: Sequence[BedTrial]) -> SitUpModel:
    """Fit the long axis, then search the grid one parameter at a time."""
    known: dict[SitUpModel, float] = {}

    def worth_of(model: SitUpModel) -> float:
        total = 0.0
        for beside_deg in _BESIDE_DEG:
            one = dataclasses.replace(model, rise_deg=model.rise_deg + beside_deg)
            if one not in known:
                known[one] = _worth(_run(trial, one) for trial in trials)
            total += known[one]
        return total / len(_BESIDE_DEG)

    best = dataclasses.replace(_BEGIN, up=_long_axis(trials))
    worth = worth_of(best)
    for _ in range(PASSES):
        before = worth
        for name, values in _GRID.items():
            base = best
            for value in values:
                change: dict[str, Any] = {name: value}
                model = dataclasses.replace(base, **change)
                now = worth_of(model)
                if now > worth + 1e-9:
                    best, worth = model, now
        if worth == before:
            break
    return best


def _worth(outcomes: Iterable[_Outcome]) -> float:
    """Return sensitivity + share of right warnings, less what lateness costs."""
    events = found = false = late = 0
    for one in outcomes:
        events += one.events
        found += len(one.delays_s)
        false += len(one.false_at)
        late += sum(delay > 1.0 for delay in one.delays_s)
    if not found:
        return -math.inf
    return (found - LATE_WEIGHT * late) / events + found / (found + false)


def _long_axis(trials: Sequence[BedTrial]) -> tuple[float, float, float]:
    """Return the direction gravity takes least while people lie, pointing up while they sit."""
    stacked = np.concatenate([trial.acceleration for trial in trials])
    label = np.array([one for trial in trials for one in trial.label])
    norm = np.linalg.norm(stacked, axis=1)
    sound = norm > 0.0
    unit = stacked[sound] / norm[sound, np.newaxis]
    lying, sitting = unit[label[sound] == LYING], unit[label[sound] == SITTING]
    axis = np.linalg.eigh(lying.T @ lying)[1][:, 0]
    if float(sitting.sum(axis=0) @ axis) < 0.0:
        axis = -axis
    x, y, z = (round(float(one), 4) for one in axis)
    return x, y, z


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _interval(part: NDArray[np.int_], whole: NDArray[np.int_]) -> list[float] | None:
    """Return the 95 % interval of a share, trials drawn with replacement."""
    if len(part) < 2:
        return None
    drawn = np.random.default_rng(0).integers(0, len(part), (RESAMPLES, len(part)))
    wholes = whole[drawn].sum(axis=1)
    if not wholes.all():
        return None
    shares = part[drawn].sum(axis=1) / wholes
    return [float(np.quantile(shares, q)) for q in (0.025, 0.975)]


def _percent(value: float | None) -> str:
    return "      -" if value is None else f"{100.0 * value:6.2f}%"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _span(interval: list[float] | None) -> str:
    if interval is None:
        return ""
    return f"({100.0 * interval[0]:.1f} to {100.0 * interval[1]:.1f} over trials)"
