"""The trials a detector was least right about, with the signal around them, for a plot."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.evaluate.falls.score import Outcome
from edge_agent.evaluate.falls.trials import TrialSet

BEFORE_S, AFTER_S = 4.0, 4.0
"""Shown of a trial, around the impact that decided."""


@dataclass(frozen=True, slots=True)
class Case:
    """One trial, cut out around what was looked at.

    Attributes:
        outcome: how it went; a large margin of a daily trial, a small one of a fall is bad.
        subject: who.
        label: what they did.
        is_fall: whether it was a fall.
        rate_hz: samples a second.
        start_s: time of the first sample shown, within the trial.
        impact_s: time of the impact looked at, or of the fall where none was.
        g: shape (3, n), acceleration in g.
    """

    outcome: Outcome
    subject: str
    label: str
    is_fall: bool
    rate_hz: float
    start_s: float
    impact_s: float
    g: NDArray[np.float64]


def worst_misses(trials: TrialSet, outcomes: list[Outcome], count: int) -> list[Case]:
    """Return the falls with the lowest margins, the worst first."""
    falls = [one for one in outcomes if trials.is_fall[one.trial]]
    return [_case(trials, one) for one in sorted(falls, key=_margin)[:count]]


def worst_false_alarms(trials: TrialSet, outcomes: list[Outcome], count: int) -> list[Case]:
    """Return the daily trials with the highest margins, the worst first."""
    daily = [one for one in outcomes if not trials.is_fall[one.trial]]
    return [_case(trials, one) for one in sorted(daily, key=_margin, reverse=True)[:count]]


def _margin(one: Outcome) -> float:
    return one.margin


def _case(trials: TrialSet, one: Outcome) -> Case:
    trial = trials[one.trial]
    impact_s = one.impact_s
    if math.isnan(impact_s):
        impact_s = trial.impact_index() / trial.rate_hz
    first = max(0, round((impact_s - BEFORE_S) * trial.rate_hz))
    last = min(len(trial.counts), round((impact_s + AFTER_S) * trial.rate_hz))
    g = np.multiply(trial.counts[first:last].T, trial.scale_g, dtype=np.float64)
    start_s = first / trial.rate_hz
    return Case(one, trial.subject, trial.label, trial.is_fall, trial.rate_hz, start_s, impact_s, g)
