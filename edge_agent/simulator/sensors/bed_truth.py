"""What a bed's two signals are made of, and what is true of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.simulator.sensors.bed import BODY, Change, Move, Plan
from edge_agent.simulator.sensors.body import Breathing, Sleeper, beat, breathe
from edge_agent.simulator.sensors.shapes import (
    Floats,
    plateau,
    random_of,
    smooth_step,
    span_slice,
)

R_TO_J_S = 0.250
R_TO_J_PER_BPM_S = -0.0004
"""R wave to J peak at 60 bpm and its change with the rate. Source of the change: Weissler et
al., Circulation 37, 1968 (the pre-ejection period shortens by 0.4 ms per bpm)."""


@dataclass(frozen=True, slots=True)
class BedTruth:
    """What the signals were made from.

    Attributes:
        beat_s: shape (beats,), R waves while somebody is on the bed.
        j_s: shape (beats,), peak of the J wave of each.
        breath_s: shape (breaths,), beginning of each inspiration while on the bed.
        occupied: shape (n,), True while more than half of the weight is on the bed.
        moving: shape (n,), True where a move hides beat and breath.
    """

    beat_s: Floats
    j_s: Floats
    breath_s: Floats
    occupied: NDArray[np.bool_]
    moving: NDArray[np.bool_]


def body_of(sleeper: Sleeper, duration_s: float, seed: int) -> tuple[Breathing, Floats]:
    """Return how somebody breathes, and the R waves."""
    random = random_of(seed, BODY)
    breathing = breathe(sleeper, duration_s, random)
    return breathing, beat(sleeper, breathing, duration_s, random)


def follow(t: Floats, rate_hz: float, changes: Sequence[Change]) -> Floats:
    """Return a quantity that begins at zero and changes by smooth steps."""
    value = np.zeros(len(t))
    for change in changes:
        end_s = change.start_s + change.length_s
        rising = span_slice(rate_hz, len(t), change.start_s, end_s)
        progress = (t[rising] - change.start_s) / change.length_s
        value[rising] += change.step * smooth_step(progress)
        value[rising.stop :] += change.step
    return value


def strength_of(t: Floats, rate_hz: float, moves: Sequence[Move]) -> Floats:
    """Return how hard is moved, 0 to 1."""
    strength = np.zeros(len(t))
    for move in moves:
        part = span_slice(rate_hz, len(t), move.start_s, move.end_s)
        now = move.strength * plateau(t[part], move.start_s, move.end_s, 0.4)
        strength[part] = np.maximum(strength[part], now)
    return strength


def j_delay_s(sleeper: Sleeper) -> float:
    """Return the time from an R wave to the peak of its J wave."""
    return R_TO_J_S + R_TO_J_PER_BPM_S * (sleeper.heart_rate_bpm - 60.0)


def truth_of(
    t: Floats,
    rate_hz: float,
    plan: Plan,
    beats_s: Floats,
    breathing: Breathing,
    sleeper: Sleeper,
    strength: Floats,
) -> BedTruth:
    """Return what the signals of a plan were made from."""
    occupied = follow(t, rate_hz, plan.share) > 0.5

    def while_occupied(times_s: Floats) -> NDArray[np.bool_]:
        if not len(t):
            return np.zeros(len(times_s), dtype=np.bool_)
        at = np.clip((times_s * rate_hz).astype(np.intp), 0, len(t) - 1)
        inside: NDArray[np.bool_] = occupied[at] & (times_s >= 0.0)
        return inside

    on_bed_s = beats_s[while_occupied(beats_s)]
    return BedTruth(
        beat_s=on_bed_s,
        j_s=on_bed_s + j_delay_s(sleeper),
        breath_s=breathing.start_s[while_occupied(breathing.start_s)],
        occupied=occupied,
        moving=strength > 0.02,
    )
