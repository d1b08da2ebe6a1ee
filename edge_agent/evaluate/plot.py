"""Scores as pictures: ROC, detection curve, the worst misses and false alarms (matplotlib).

```
 fall:        fall_roc.png  fall_detection.png  fall_missed.png  fall_false.png
 heart-rate, respiration:  KIND_RECORDING.png   given against reference, and the error
```
The one file that imports matplotlib; it is an extra (`pip install anzhen[plot]`) and never part
of the running agent.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.evaluate.beds.rate_series import heart_rate_series, respiration_series
from edge_agent.evaluate.falls.cases import Case, worst_false_alarms, worst_misses
from edge_agent.evaluate.falls.score import Outcome, play_set
from edge_agent.evaluate.falls.trials import read_trials

WORST = 6
"""Trials on a sheet of misses or false alarms."""
_DPI = 110
_WIDE, _HIGH = 9.0, 5.5


class PlotMissingError(Exception):
    """matplotlib is not installed."""


def plot_fall(path: Path, folder: Path) -> list[Path]:
    """Score a fall set and draw its curves and worst trials.

    Raises:
        TrialError: the file cannot be read.
        PlotMissingError: matplotlib is not installed.
        OSError: the folder cannot be written.
    """
    figure = _figure_class()
    trials = read_trials(path)
    outcomes = play_set(trials)
    folder.mkdir(parents=True, exist_ok=True)
    falls = [one for one in outcomes if trials.is_fall[one.trial]]
    daily = [one for one in outcomes if not trials.is_fall[one.trial]]
    hours = sum(trials[one.trial].seconds for one in daily) / 3600.0
    stem = path.stem
    drawn = []
    if falls and daily:
        drawn.append(_save(_roc(figure, stem, falls, daily), folder / "fall_roc.png"))
        curve = _detection(figure, stem, falls, daily, hours)
        drawn.append(_save(curve, folder / "fall_detection.png"))
    for name, cases in (
        ("fall_missed", worst_misses(trials, outcomes, WORST)),
        ("fall_false", worst_false_alarms(trials, outcomes, WORST)),
    ):
        if cases:
            drawn.append(_save(_sheet(figure, cases), folder / f"{name}.png"))
    return drawn


def plot_rates(path: Path, folder: Path, kind: str) -> list[Path]:
    """Draw the given rates of a bed strip's recordings against the reference.

    Args:
        path: the `.npz` file.
        folder: where the pictures go.
        kind: `heart-rate` or `respiration`.

    Raises:
        TrialError, PlotMissingError, OSError: as `plot_fall`.
    """
    figure = _figure_class()
    series = (heart_rate_series if kind == "heart-rate" else respiration_series)(path)
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for one in series:
        sheet = figure(figsize=(_WIDE, _HIGH), layout="constrained")
        above, below = sheet.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        above.plot(one.at_s, one.truth, color="0.6", label="reference")
        above.plot(one.at_s, one.told, ".", markersize=3, color="tab:blue", label="given")
        above.set(ylabel="a minute", title=f"{one.name}, {kind}")
        above.legend(loc="upper right")
        below.plot(one.at_s, one.told - one.truth, ".", markersize=3, color="tab:red")
        below.axhline(0.0, color="0.6", linewidth=0.8)
        below.set(xlabel="s", ylabel="error, a minute")
        drawn.append(_save(sheet, folder / f"{kind}_{one.name}.png"))
    return drawn


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise PlotMissingError("matplotlib is not installed: pip install 'anzhen[plot]'") from None
    return Figure


def _save(sheet: Any, path: Path) -> Path:
    sheet.savefig(path, dpi=_DPI)
    return path


def _roc(figure: Any, name: str, falls: Sequence[Outcome], daily: Sequence[Outcome]) -> Any:
    """Return sensitivity over the share of daily trials raised, whole and in its corner."""
    hit, raised = _shares(falls, daily)
    found = sum(one.right for one in falls) / len(falls)
    false = sum(not one.right for one in daily) / len(daily)
    sheet = figure(figsize=(_WIDE, _HIGH), layout="constrained")
    for axes, limits in zip(
        sheet.subplots(1, 2), (((0, 100), (0, 100)), ((0, 5), (90, 100.1))), strict=True
    ):
        axes.step(100 * raised, 100 * hit, where="post", color="tab:blue")
        axes.plot([100 * false], [100 * found], "o", color="tab:red", label="as it works")
        axes.set(xlim=limits[0], ylim=limits[1])
        axes.set(xlabel="daily trials raised, %", ylabel="falls found, %")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")
    sheet.suptitle(f"{name}: {len(falls)} falls, {len(daily)} daily trials")
    return sheet


def _detection(
    figure: Any, name: str, falls: Sequence[Outcome], daily: Sequence[Outcome], hours: float
) -> Any:
    """Return falls missed over false alarms an hour of daily activity."""
    hit, raised = _shares(falls, daily)
    sheet = figure(figsize=(_WIDE, _HIGH), layout="constrained")
    axes = sheet.subplots()
    axes.step(raised * len(daily) / max(hours, 1e-9), 100 * (1 - hit), where="post")
    axes.set(xlabel="daily trials raised, an hour of daily activity", ylabel="falls missed, %")
    axes.set_xscale("symlog", linthresh=0.1)
    axes.set_ylim(0, 10)
    axes.grid(alpha=0.3)
    axes.set_title(f"{name}: {hours:.1f} h of daily activity")
    return sheet


def _shares(
    falls: Sequence[Outcome], daily: Sequence[Outcome]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of falls and of daily trials at or above each margin, falling."""
    up = np.sort([one.margin for one in falls])
    low = np.sort([one.margin for one in daily])
    limits = np.unique(np.concatenate([up, low]))[::-1]
    hit = 1.0 - np.searchsorted(up, limits, side="left") / len(up)
    raised = 1.0 - np.searchsorted(low, limits, side="left") / len(low)
    return np.concatenate([[0.0], hit]), np.concatenate([[0.0], raised])


def _sheet(figure: Any, cases: Sequence[Case]) -> Any:
    """Return the trials around the impact: the three axes and |a|, g."""
    columns = 2
    rows = -(-len(cases) // columns)
    sheet = figure(figsize=(2 * _WIDE / columns, 2.4 * rows), layout="constrained")
    grid = sheet.subplots(rows, columns, squeeze=False)
    for axes, case in zip(grid.flat, cases, strict=False):
        t = case.start_s + np.arange(case.g.shape[1]) / case.rate_hz - case.impact_s
        axes.plot(t, case.g.T, linewidth=0.7)
        axes.plot(t, np.linalg.norm(case.g, axis=0), color="black", linewidth=0.9)
        axes.axvline(0.0, color="tab:red", linewidth=0.8)
        one = case.outcome
        title = f"{one.trial}: {case.subject} {case.label}, margin {one.margin:+.2f}"
        axes.set_title(title + ("" if one.right else ", wrong"), fontsize=8)
        axes.tick_params(labelsize=7)
    for axes in list(grid.flat)[len(cases) :]:
        axes.set_visible(False)
    sheet.supxlabel("s from the impact; black |a|", fontsize=8)
    sheet.supylabel("g", fontsize=8)
    return sheet
