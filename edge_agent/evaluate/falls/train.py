"""Learns the forests of the fall detector from recorded trials, people held out.

```
sets --> variants (rate, clipping, loss) --> FallDetector's own candidates --> features
     --> 5 folds by person: out-of-fold margins --> thresholds, figures, bound of calibration
     --> all people: the forests that ship
```
Every recorded trial counts once, however many variants it has. The same folder gives the same
file. Rotation needs no variant: the features do not see it.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.falls.features import FEATURES
from edge_agent.detect.falls.model import FORESTS, Forest
from edge_agent.evaluate.falls.boost import Recipe, grow, margins
from edge_agent.evaluate.falls.bound import calibration_of
from edge_agent.evaluate.falls.candidates import (
    FOLDS,
    Collected,
    Rows,
    collect,
    folds_of,
    forgotten,
    joined,
    only_holed,
)
from edge_agent.evaluate.falls.score import (
    SPECIFICITY_POINT,
    area_under_curve,
    interval_of,
    sensitivity_at,
)
from edge_agent.evaluate.falls.trials import TrialSet, read_trials
from edge_agent.evaluate.falls.variants import Variant, variants_of
from edge_agent.evaluate.npz import TrialError

SHIPPED = Recipe()
"""How the forests that ship are grown."""

SPECIFICITY = 0.994
"""Share of daily trials, all sets together, that the complete forest must leave quiet."""

EARLY_SPECIFICITY = 1.0
"""The same of the early forest: what it leaves open is decided later anyway."""

HOLED_SPECIFICITY = 0.99
"""The same where packets are lost: a miss weighs more when less is seen."""

_POINT = ("sensitivity", "specificity", "sensitivity_ci95", "specificity_ci95")

CUT_SENSITIVITY = 0.97
"""Share of falls of every set that must be raised when the signal ends 0.1 to 0.5 s later."""


def train_fall(
    directory: Path, out: Path, progress: Callable[[str], None], recipe: Recipe = SHIPPED
) -> dict[str, Any]:
    """Fit the fall model to all sets of a folder and write it.

    Args:
        directory: holds `.npz` files of the flat form; others are named and skipped.
        out: the model file to write.
        progress: told what is done.
        recipe: how the forests are grown.

    Returns:
        The out-of-fold figures that stand in the file.

    Raises:
        TrialError: the folder holds no set, or too few people.
    """
    sets = read_sets(directory, progress)
    parts = collect_all(sets, progress)
    table, measured = fit_model(sets, parts, progress, recipe)
    table = {
        "about": "Learned by `train fall`; see edge_agent/evaluate/falls/train.py.",
        "measured_out_of_fold": measured,
        **table,
    }
    out.write_text(_as_text(table), encoding="utf-8")
    return measured


def read_sets(directory: Path, progress: Callable[[str], None]) -> list[TrialSet]:
    """Return all sets of a folder.

    Raises:
        TrialError: the folder holds no set, or too few people.
    """
    sets = []
    for path in sorted(directory.glob("*.npz")):
        try:
            sets.append(read_trials(path))
        except TrialError as error:
            progress(f"skipped {error}")
    if not sets:
        raise TrialError(f"{directory}: no fall recordings (.npz)")
    falls = np.concatenate([trials.is_fall for trials in sets])
    if len(folds_of(sets)) < FOLDS or falls.all() or not falls.any():
        raise TrialError(f"{directory}: falls and daily trials of {FOLDS} people are needed")
    return sets


Parts = list[dict[int, tuple[Variant, Collected]]]
"""For each set, its variants by number; 0 is as recorded."""


def collect_all(sets: list[TrialSet], progress: Callable[[str], None]) -> Parts:
    """Return the candidates of every variant of every set."""
    folds = folds_of(sets)
    parts: Parts = []
    for number, trials in enumerate(sets):
        variants = variants_of(trials)
        of_set: dict[int, tuple[Variant, Collected]] = {}
        for k, variant in enumerate(variants):
            random = np.random.default_rng([number, k])
            found = collect(trials, number, variant, folds, 1.0 / len(variants), random)
            of_set[k] = variant, found
            progress(f"{trials.name}: {len(found.whole.trial)} candidates of {variant}")
        parts.append(of_set)
    return parts


def fit_model(
    sets: list[TrialSet],
    parts: Parts,
    progress: Callable[[str], None],
    recipe: Recipe = SHIPPED,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the model in its JSON form, and the out-of-fold figures of every set."""
    everything = [found for of_set in parts for _, found in of_set.values()]
    first = [of_set[0][1] for of_set in parts]
    lost = [
        (trials, only_holed(found.judged))
        for trials, of_set in zip(sets, parts, strict=True)
        for variant, found in of_set.values()
        if variant.lost
    ]
    table: dict[str, Any] = {}
    measured: dict[str, Any] = {}

    # What lost packets teach about whole windows carries over badly to other sets.
    unbroken = [found for of_set in parts for variant, found in of_set.values() if not variant.lost]
    rows = joined([found.whole for found in unbroken])
    folded = _fold_forests(rows, recipe)
    judged = [found.judged for found in first]
    late = [_held_out(folded, part) for part in judged]
    blank = [_held_out(folded, forgotten(part)) for part in judged]
    threshold = _quiet_threshold(sets, judged, late, SPECIFICITY)
    for trials, part, margin, without in zip(sets, judged, late, blank, strict=True):
        measured[trials.name] = _figures(trials, part, margin - threshold)
        figures = _figures(trials, part, without - threshold)
        measured[trials.name].update({f"blank_{key}": value for key, value in figures.items()})
    table["complete"] = _table(_fit(rows, recipe), threshold)
    progress("complete: done")

    rows = joined([found.whole for found in everything])
    folded = _fold_forests(rows, recipe)
    held_out = [_held_out(folded, part) for _, part in lost]
    holed_threshold = _quiet_threshold(
        [trials for trials, _ in lost], [part for _, part in lost], held_out, HOLED_SPECIFICITY
    )
    for trials in sets:
        mine = [i for i, (of, _) in enumerate(lost) if of is trials]
        chosen = [lost[i][1] for i in mine], [held_out[i] for i in mine]
        measured[trials.name].update(_shares("holed", *chosen, holed_threshold))
    table["holed"] = _table(_fit(rows, recipe), holed_threshold)
    progress("holed: done")

    rows = joined([found.cut for found in everything])
    folded = _fold_forests(rows, recipe)
    checks = [found.judged_cut for found in first]
    held_out = [_held_out(folded, part) for part in checks]
    cut_threshold = min(
        float(np.quantile(margin[part.truth], 1.0 - CUT_SENSITIVITY, method="lower"))
        for part, margin in zip(checks, held_out, strict=True)
        if part.truth.any()
    )
    for trials, part, margin in zip(sets, checks, held_out, strict=True):
        measured[trials.name].update(_shares("cut", [part], [margin], cut_threshold))
    table["cut"] = _table(_fit(rows, recipe), cut_threshold)
    progress("cut: done")

    rows = joined([found.early for found in everything])
    folded = _fold_forests(rows, recipe)
    checks = [found.judged_early for found in first]
    held_out = [_held_out(folded, part) for part in checks]
    early_threshold = _quiet_threshold(sets, checks, held_out, EARLY_SPECIFICITY)
    best: list[NDArray[np.float64]] = []
    for i, (trials, part, margin) in enumerate(zip(sets, checks, held_out, strict=True)):
        figures = _figures(trials, part, margin - early_threshold)
        mine = measured[trials.name]
        mine.update({f"early_{key}": value for key, value in figures.items()})
        either = np.maximum(
            _best(trials, judged[i], late[i] - threshold),
            _best(trials, part, margin - early_threshold),
        )
        best.append(either)
        figures = _shown(trials, either)
        mine.update({f"either_{key}": figures[key] for key in _POINT})
        progress(f"{trials.name}: {mine}")
    table["early"] = _table(_fit(rows, recipe), early_threshold)
    table["calibration"] = calibration_of(sets, best)
    return table, measured


def _fit(rows: Rows, recipe: Recipe, mine: NDArray[np.bool_] | None = None) -> Forest:
    mine = rows.known if mine is None else mine & rows.known
    return grow(rows.features[mine], rows.truth[mine], rows.weight[mine], recipe)


def _fold_forests(rows: Rows, recipe: Recipe) -> list[Forest]:
    """Return for each fold a forest that never saw its people."""
    return [_fit(rows, recipe, rows.fold != fold) for fold in range(FOLDS)]


def _held_out(forests: list[Forest], part: Rows) -> NDArray[np.float64]:
    """Return the margins of a part, each from the forest that never saw its person."""
    held_out = np.empty(len(part.trial))
    for fold, forest in enumerate(forests):
        mine = part.fold == fold
        held_out[mine] = margins(forest, part.features[mine])
    return held_out


def _best(trials: TrialSet, part: Rows, margin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each trial's best margin, minus infinity where nothing passed the gate."""
    best = np.full(len(trials), -np.inf)
    np.maximum.at(best, part.trial[part.near], margin[part.near])
    return best


def _quiet_threshold(
    sets: list[TrialSet],
    parts: list[Rows],
    held_out: list[NDArray[np.float64]],
    specificity: float,
) -> float:
    """Return the margin that this share of all daily trials stay below."""
    daily = np.concatenate(
        [
            _best(trials, part, margin)[~trials.is_fall]
            for trials, part, margin in zip(sets, parts, held_out, strict=True)
        ]
    )
    return float(np.sort(daily)[::-1][int(len(daily) * (1.0 - specificity))]) + 1e-6


def _shares(
    name: str, parts: list[Rows], held_out: list[NDArray[np.float64]], threshold: float
) -> dict[str, float | None]:
    """Return the shares of fall candidates raised and of others left quiet."""
    raised: list[bool] = []
    quiet: list[bool] = []
    for part, margin in zip(parts, held_out, strict=True):
        raised += (margin[part.truth] >= threshold).tolist()
        quiet += (margin[part.known & ~part.truth] < threshold).tolist()
    return {
        f"{name}_sensitivity": round(sum(raised) / len(raised), 4) if raised else None,
        f"{name}_candidates_quiet": round(sum(quiet) / len(quiet), 4) if quiet else None,
    }


def _figures(trials: TrialSet, part: Rows, margin: NDArray[np.float64]) -> dict[str, Any]:
    return _shown(trials, _best(trials, part, margin))


def _shown(trials: TrialSet, best: NDArray[np.float64]) -> dict[str, Any]:
    """Return the figures of the best margins of trials, zero being where one is raised."""
    falls = trials.is_fall

    def figures(rows: NDArray[np.intp]) -> dict[str, float | None]:
        fall, daily = best[rows][falls[rows]], best[rows][~falls[rows]]
        return {
            "sensitivity": float((fall >= 0.0).mean()) if len(fall) else None,
            "specificity": float((daily < 0.0).mean()) if len(daily) else None,
            "auc": area_under_curve(fall, daily),
            "sensitivity_at_specificity_99_5": sensitivity_at(fall, daily, SPECIFICITY_POINT),
        }

    found = figures(np.arange(len(best)))
    shown: dict[str, Any] = {
        key: None if value is None else round(value, 4) for key, value in found.items()
    }
    for key in ("sensitivity", "specificity", "sensitivity_at_specificity_99_5"):
        interval = interval_of(trials.subject, partial(_of_key, figures, key))
        shown[f"{key}_ci95"] = None if interval is None else [round(x, 4) for x in interval]
    return shown


def _of_key(
    figures: Callable[[NDArray[np.intp]], dict[str, float | None]],
    key: str,
    rows: NDArray[np.intp],
) -> float | None:
    return figures(rows)[key]


def _table(forest: Forest, threshold: float) -> dict[str, Any]:
    trees = [
        {
            "ask": [FEATURES[j] for j in asked],
            "above": [float(f"{cut:.4g}") for cut in above],
            "leaf": [round(float(value), 4) for value in leaf],
        }
        for asked, above, leaf in zip(forest.feature, forest.threshold, forest.leaf, strict=True)
    ]
    return {"bias": round(forest.bias - threshold, 4), "trees": trees}


def _as_text(table: dict[str, Any]) -> str:
    """Return JSON with one tree a line."""
    lines = ["{"]
    lines += [
        f"{json.dumps(key)}: {json.dumps(table[key], indent=1)},"
        for key in ("about", "measured_out_of_fold", "calibration")
    ]
    for key in FORESTS:
        lines.append(f'{json.dumps(key)}: {{"bias": {table[key]["bias"]}, "trees": [')
        lines.append(",\n".join(json.dumps(tree) for tree in table[key]["trees"]))
        lines.append("]}" + ("" if key == FORESTS[-1] else ","))
    return "\n".join([*lines, "}", ""])
