"""Load cells under a bed's legs: weight, sway, creep, drift, noise.

```
 spans --> share of the weight on the bed --> mattress (a spring) --+
           plops, moves (inertia), breath --------------------------+--> kg
           creep, drift of the zero, bedding, noise ----------------+
```
What is called an assumption is this project's.

Known weakness: the mattress is as stiff and as damped with nobody on it.
"""

from collections.abc import Sequence

import numpy as np

from edge_agent.simulator.sensors.bed import LOAD, BedSpan, plan_of
from edge_agent.simulator.sensors.bed_truth import (
    BedTruth,
    body_of,
    follow,
    strength_of,
    truth_of,
)
from edge_agent.simulator.sensors.body import Sleeper
from edge_agent.simulator.sensors.shapes import (
    Floats,
    band_noise,
    bump,
    random_of,
    span_slice,
)

LOAD_RATE_HZ = 10.0
"""NAU7802 at its slowest; the firmware's load driver runs there."""

CREEP_SHARE = 0.004
CREEP_S = 300.0
"""Of the load, and its time constant: load cells and frame settle (assumption)."""
DRIFT_KG = 0.25
DRIFT_S = 3600.0
"""Deviation and time constant of the zero's drift with temperature (assumption)."""
LOAD_NOISE_KG = 0.012
SWAY_HZ = 3.0
SWAY_DAMPING = 0.15
"""The mattress with a person on it as a spring (assumption)."""
_FINE = 5
"""Load is made at five times the rate and averaged, as a sigma-delta converter does."""


def load(
    timeline: Sequence[BedSpan],
    sleeper: Sleeper,
    duration_s: float,
    seed: int,
    rate_hz: float = LOAD_RATE_HZ,
) -> tuple[Floats, BedTruth]:
    """Return the load on the bed in kg, shape (n,), and what is true of it.

    The mattress and the frame are tared away; a load may be a little below zero.

    Args:
        timeline: spans in order that do not overlap.
        sleeper: the person.
        duration_s: length of the record.
        seed: of every random number; the strip's of the same bed.
        rate_hz: samples a second, 10 or more.

    Raises:
        ValueError: spans overlap or are out of order.
    """
    plan = plan_of(timeline, sleeper, duration_s, seed)
    count = round(duration_s * rate_hz)
    fine_hz = rate_hz * _FINE
    t = np.arange(count * _FINE) / fine_hz
    random = random_of(seed, LOAD)
    breathing, beats_s = body_of(sleeper, duration_s, seed)

    share = follow(t, fine_hz, plan.share)
    for at_s, height in plan.plops:
        around = span_slice(fine_hz, len(t), at_s - 0.2, at_s + 0.2)
        share[around] += height * bump(t[around], at_s, 0.3)
    kg = sleeper.weight_kg * _sway(share, fine_hz)
    strength = strength_of(t, fine_hz, plan.moves)
    # Inertia only: what goes up comes down, so a move does not change the mean.
    kg += 0.05 * sleeper.weight_kg * strength * share * band_noise(random, len(t), fine_hz, 0.4, 4)
    kg += 0.04 * share * (breathing.expansion(t) - 0.5)
    for change in plan.share:
        later = span_slice(fine_hz, len(t), change.start_s, duration_s)
        settled = 1.0 - np.exp(-(t[later] - change.start_s) / CREEP_S)
        kg[later] += CREEP_SHARE * sleeper.weight_kg * change.step * settled
    kg += follow(t, fine_hz, plan.bedding)
    means: Floats = kg.reshape(count, _FINE).mean(axis=1)
    means += _drift(count, rate_hz, random) + LOAD_NOISE_KG * random.standard_normal(count)
    slow_t, slow = t[::_FINE], strength[::_FINE]
    return means, truth_of(slow_t, rate_hz, plan, beats_s, breathing, sleeper, slow)


def _sway(share: Floats, rate_hz: float) -> Floats:
    """Return the load through the spring that the mattress is; its mean gain is 1."""
    if not len(share):
        return share
    t = np.arange(round(2.0 * rate_hz)) / rate_hz
    omega = 2.0 * np.pi * SWAY_HZ
    response = np.exp(-SWAY_DAMPING * omega * t) * np.sin(
        omega * np.sqrt(1.0 - SWAY_DAMPING**2) * t
    )
    response /= response.sum()
    before = np.full(len(response) - 1, share[0])
    swayed: Floats = np.convolve(np.concatenate([before, share]), response, mode="valid")
    return swayed


def _drift(count: int, rate_hz: float, random: np.random.Generator) -> Floats:
    """Return the slow walk of the zero in kg, starting at zero."""
    every = round(30.0 * rate_hz)
    knots = count // every + 2
    keep = float(np.exp(-30.0 / DRIFT_S))
    pushes = DRIFT_KG * np.sqrt(1.0 - keep * keep) * random.standard_normal(knots)
    walk = np.zeros(knots)
    for i in range(1, knots):
        walk[i] = keep * walk[i - 1] + pushes[i]
    return np.interp(np.arange(count), every * np.arange(knots), walk)
