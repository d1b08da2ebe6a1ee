"""The search for the sit-up warning's parameters on recorded trials; deterministic.

The long axis is fitted, the rest searched over a small grid, one parameter at a time.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from edge_agent.detect.bed.sit_up import SitUpModel
from edge_agent.evaluate.beds.bed_outcome import Outcome, run_trial
from edge_agent.evaluate.beds.bed_trials import LYING, SITTING, BedTrial

PASSES = 2
"""Rounds of the search over the grid."""

LATE_WEIGHT = 0.5
"""What an event told more than 1 s late costs in the search, an event missed being 1."""

_BEGIN = SitUpModel(
    up=(0.0, 1.0, 0.0),
    lying_deg=12.0,
    rise_deg=17.0,
    rise_step_deg=16.0,
    lying_s=1.0,
    fresh_s=3.0,
    silence_s=1.1,
    step_deg=45.0,
    steep_deg=72.0,
    confirm_s=1.6,
    still_g=0.15,
)
"""Where the search begins; what is not on the grid stays. Sixty events cannot fix more than a
few numbers; with all nine free, more was gained on the trials learnt from and none held out."""

_GRID: dict[str, tuple[float, ...]] = {
    "rise_deg": (17.0, 16.0, 18.0, 20.0),
    "rise_step_deg": (16.0, 8.0, 12.0, 18.0),
    "lying_deg": (12.0, 10.0),
    "fresh_s": (3.0, 4.0),
    "step_deg": (45.0, 50.0),
}
"""What is tried."""

_BESIDE_DEG = (-1.0, 0.0, 1.0)
"""A model is worth the mean of itself and of neighbours whose `rise_deg` is off by this much,
so that the search prefers a plateau to a peak that a few trials made."""


def learn_model(trials: Sequence[BedTrial]) -> SitUpModel:
    """Fit the long axis, then search the grid one parameter at a time."""
    known: dict[SitUpModel, float] = {}

    def worth_of(model: SitUpModel) -> float:
        total = 0.0
        for beside_deg in _BESIDE_DEG:
            one = dataclasses.replace(model, rise_deg=model.rise_deg + beside_deg)
            if one not in known:
                known[one] = _worth(run_trial(trial, one) for trial in trials)
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


def _worth(outcomes: Iterable[Outcome]) -> float:
    """Return sensitivity + share of right warnings, less what lateness costs."""
    events = found = false = late = 0
    for one in outcomes:
        events += len(one.events.wanted_s)
        found += len(one.events.found_s)
        false += len(one.events.false_s)
        late += sum(delay > 1.0 for delay in one.events.delays_s)
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
