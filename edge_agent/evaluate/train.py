"""Learns the forests of the fall detector from recorded trials, people held out.

```
sets --> variants (rate, clipping, loss) --> FallDetector's own candidates --> features
     --> 5 folds by person: out-of-fold margins --> thresholds and figures
     --> all people: the three forests that ship
```
Every recorded trial counts once, however many variants it has. The same folder gives the same
file. Rotation needs no variant: the features do not see it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.fall_features import FEATURES
from edge_agent.detect.fall_model import FORESTS, Forest
from edge_agent.evaluate.boost import Recipe, grow, margins
from edge_agent.evaluate.candidates import FOLDS, Rows, collect, folds_of, joined, only_holed
from edge_agent.evaluate.npz import TrialError
from edge_agent.evaluate.score import SPECIFICITY_POINT, area_under_curve, sensitivity_at
from edge_agent.evaluate.trials import TrialSet, read_trials
from edge_agent.evaluate.variants import AS_RECORDED, variants_of

SPECIFICITY = 0.99
"""Share of daily trials, all sets together, that the complete forest must leave quiet."""

CUT_SENSITIVITY = 0.97
"""Share of falls of every set that must be raised when the signal ends 0.1 to 0.5 s later."""


def train_fall(directory: Path, out: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    """Fit the fall model to all sets of a folder and write it.

    Args:
        directory: holds `.npz` files of the flat form; others are named and skipped.
        out: the model file to write.
        progress: told what is done.

    Returns:
        The out-of-fold figures that stand in the file.

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
    folds = folds_of(sets)
    falls = np.concatenate([trials.is_fall for trials in sets])
    if len(folds) < FOLDS or falls.all() or not falls.any():
        raise TrialError(f"{directory}: falls and daily trials of {FOLDS} people are needed")
    first: list[Rows] = []
    whole: list[Rows] = []
    holed: list[Rows] = []
    cut: list[Rows] = []
    cut_first: list[Rows] = []
    for number, trials in enumerate(sets):
        variants = variants_of(trials)
        for k, variant in enumerate(variants):
            random = np.random.default_rng([number, k])
            parts = collect(trials, number, variant, folds, 1.0 / len(variants), random)
            (holed if variant.lost else whole).append(parts[0])
            cut.append(parts[1])
            if variant == AS_RECORDED:
                first.append(parts[0])
                cut_first.append(parts[2])
            progress(f"{trials.name}: {len(parts[0].trial)} candidates of {variant}")
    table: dict[str, Any] = {
        "about": "Learned by `train fall`; see edge_agent/evaluate/train.py.",
        "measured_out_of_fold": {},
    }
    recipe = Recipe()
    measured = table["measured_out_of_fold"]

    rows = joined(whole)
    held_out = [_out_of_fold(rows, part, recipe) for part in first]
    threshold = _quiet_threshold(sets, first, held_out)
    for trials, part, margin in zip(sets, first, held_out, strict=True):
        measured[trials.name] = _figures(trials, part, margin - threshold)
        progress(f"{trials.name}: {measured[trials.name]}")
    table["complete"] = _table(_fit(rows, recipe), threshold)

    holed = [only_holed(part) for part in holed]
    rows = joined([*first, *holed])
    held_out = [_out_of_fold(rows, part, recipe) for part in holed]
    threshold = _quiet_threshold(sets, holed, held_out)
    for number, trials in enumerate(sets):
        mine = [i for i, part in enumerate(holed) if (part.source == number).any()]
        chosen = [holed[i] for i in mine], [held_out[i] for i in mine]
        figures = _shares("holed", *chosen, threshold)
        measured[trials.name].update(figures)
        progress(f"{trials.name}: {figures}")
    table["holed"] = _table(_fit(rows, recipe), threshold)

    rows = joined(cut)
    held_out = [_out_of_fold(rows, part, recipe) for part in cut_first]
    threshold = min(
        float(np.quantile(margin[part.truth], 1.0 - CUT_SENSITIVITY, method="lower"))
        for part, margin in zip(cut_first, held_out, strict=True)
        if part.truth.any()
    )
    for trials, part, margin in zip(sets, cut_first, held_out, strict=True):
        figures = _shares("cut", [part], [margin], threshold)
        measured[trials.name].update(figures)
        progress(f"{trials.name}: {figures}")
    table["cut"] = _table(_fit(rows, recipe), threshold)
    out.write_text(_as_text(table), encoding="utf-8")
    return dict(measured)


def _fit(rows: Rows, recipe: Recipe, mine: NDArray[np.bool_] | None = None) -> Forest:
    mine = rows.known if mine is None else mine & rows.known
    return grow(rows.features[mine], rows.truth[mine], rows.weight[mine], recipe)


def _out_of_fold(rows: Rows, part: Rows, recipe: Recipe) -> NDArray[np.float64]:
    """Return the margins of a part, each from forests that never saw its person."""
    held_out = np.empty(len(part.trial))
    for fold in range(FOLDS):
        mine = part.fold == fold
        if mine.any():
            forest = _fit(rows, recipe, rows.fold != fold)
            held_out[mine] = margins(forest, part.features[mine])
    return held_out


def _best(trials: TrialSet, part: Rows, margin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each trial's best margin, minus infinity where nothing passed the gate."""
    best = np.full(len(trials), -np.inf)
    np.maximum.at(best, part.trial[part.near], margin[part.near])
    return best


def _quiet_threshold(
    sets: list[TrialSet], parts: list[Rows], held_out: list[NDArray[np.float64]]
) -> float:
    """Return the margin that SPECIFICITY of all daily trials stay below."""
    daily = np.concatenate(
        [
            _best(sets[part.source[0]], part, margin)[~sets[part.source[0]].is_fall]
            for part, margin in zip(parts, held_out, strict=True)
            if len(part.source)
        ]
    )
    return float(np.sort(daily)[::-1][int(len(daily) * (1.0 - SPECIFICITY))]) + 1e-6


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
    best = _best(trials, part, margin)
    falls, daily = best[trials.is_fall], best[~trials.is_fall]
    found = {
        "sensitivity": float((falls >= 0.0).mean()) if len(falls) else None,
        "specificity": float((daily < 0.0).mean()) if len(daily) else None,
        "auc": area_under_curve(falls, daily),
        "sensitivity_at_specificity_99_5": sensitivity_at(falls, daily, SPECIFICITY_POINT),
    }
    return {key: None if value is None else round(value, 4) for key, value in found.items()}


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
        for key in ("about", "measured_out_of_fold")
    ]
    for key in FORESTS:
        lines.append(f'{json.dumps(key)}: {{"bias": {table[key]["bias"]}, "trees": [')
        lines.append(",\n".join(json.dumps(tree) for tree in table[key]["trees"]))
        lines.append("]}" + ("" if key == FORESTS[-1] else ","))
    return "\n".join([*lines, "}", ""])
