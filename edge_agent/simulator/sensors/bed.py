"""What somebody does on a bed, planned once for both of its sensors.

```
 spans: GETTING_IN LYING RESTLESS SITTING_UP --> moves, shares of the weight, plops, bedding
                                                      |                 |
                                            bed_strip.py (V)    bed_load.py (kg)
```
Both signals of one seed belong together: the same moves at the same times. What is called an
assumption is this project's.

Known weakness: one person, and one way of getting in and out; a partner, a pet and a wet sheet
are missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from edge_agent.simulator.sensors.body import Sleeper
from edge_agent.simulator.sensors.shapes import random_of

STRIP, BODY, MOVES, LOAD = range(4)
"""Purposes of random numbers."""

EMPTY_V = 0.12
LYING_V = (1.5, 2.4)
EDGE_V = (0.45, 0.8)
"""Level of the strip's divider: nothing on it, a chest on it, a person on the edge beside it."""
EDGE_COUPLING = 0.15
"""Share of beat and breath that is left while sitting on the edge (assumption)."""
TWITCHES_PER_HOUR = 10.0
"""Small moves of a sleeper between two turns (assumption)."""

EDGE_SHARE = (0.78, 0.88)
"""Share of the weight on the bed while sitting on its edge, feet on the floor (assumption)."""
SIT_DOWN_S = 0.7
LEGS_UP_S = 1.2
LEAVE_S = 0.8
"""Times in which the load changes; a whole sit-to-stand of old people takes 1.69 +- 0.26 s (Kazi
et al. 2025), of which the seat is left in the second half."""
BEDDING_KG = 0.7
"""Deviation of what the bedding weighs more or less on the bed after each leaving."""


class BedState(StrEnum):
    """What somebody does on the bed."""

    EMPTY = "empty"
    LYING = "lying"
    RESTLESS = "restless"
    SITTING_UP = "sitting_up"
    GETTING_IN = "getting_in"


@dataclass(frozen=True, slots=True)
class BedSpan:
    """A state from start_s to end_s; outside of all spans the bed is empty.

    A change happens at the beginning of the new span, but who leaves has left when `empty`
    begins.
    """

    start_s: float
    end_s: float
    state: BedState


@dataclass(frozen=True, slots=True)
class Change:
    """A quantity that grows smoothly by `step` within start_s .. start_s + length_s."""

    start_s: float
    length_s: float
    step: float


@dataclass(frozen=True, slots=True)
class Move:
    """Somebody moves, as hard as `strength` (0 to 1)."""

    start_s: float
    end_s: float
    strength: float


@dataclass(slots=True)
class Plan:
    """What happens on the bed, for both sensors.

    `share` is of the weight, `size` of breath and beat on the strip, `level` is the strip's in
    V, `plops` are sudden loads (time, share), `bedding` is in kg.
    """

    moves: list[Move]
    share: list[Change]
    size: list[Change]
    level: list[Change]
    bedding: list[Change]
    plops: list[tuple[float, float]]


def plan_of(timeline: Sequence[BedSpan], sleeper: Sleeper, duration_s: float, seed: int) -> Plan:
    """Return what spans bring.

    Raises:
        ValueError: they overlap or are out of order.
    """
    planner = _Planner(sleeper, random_of(seed, MOVES))
    before, end_s = BedState.EMPTY, 0.0
    for span in timeline:
        if span.start_s < end_s or span.end_s <= span.start_s:
            raise ValueError(f"spans are in order and do not overlap, unlike {span}")
        if span.start_s > end_s:
            planner.leave_at_end(before, end_s)
            before = BedState.EMPTY
        planner.enter(before, span)
        before, end_s = span.state, span.end_s
    if end_s < duration_s:
        planner.leave_at_end(before, end_s)
    return planner.plan


class _Planner:
    """Goes through the spans once and notes what they bring."""

    def __init__(self, sleeper: Sleeper, random: np.random.Generator) -> None:
        self.plan = Plan([], [], [], [Change(-1e6, 1.0, EMPTY_V)], [], [])
        self._sleeper = sleeper
        self._random = random
        self._share = 0.0
        self._size = 0.0
        self._level = EMPTY_V
        self._bedding = 0.0
        self._edge_share = self._uniform(*EDGE_SHARE)

    def enter(self, before: BedState, span: BedSpan) -> None:
        """Note what the beginning of a span brings, and what goes on in it."""
        begin, length = span.start_s, span.end_s - span.start_s
        match span.state:
            case BedState.EMPTY:
                if before is not BedState.EMPTY:
                    self._leave(begin)
            case BedState.GETTING_IN:
                self._get_in(begin, length)
            case BedState.SITTING_UP:
                self._sit_up(before, begin, length)
            case BedState.LYING | BedState.RESTLESS:
                if before is BedState.EMPTY:
                    self.plan.plops.append((begin + 0.5, 0.25))
                if before in (BedState.EMPTY, BedState.SITTING_UP):
                    self._move(begin, begin + min(4.0, length), 1.0)
                    self._lie(begin, LEGS_UP_S)
                if span.state is BedState.LYING:
                    self._sleep(span)
                else:
                    self._toss(span)

    def leave_at_end(self, before: BedState, end_s: float) -> None:
        """Note that the bed is empty when the last span is over."""
        if before is not BedState.EMPTY:
            self._leave(end_s)

    def _get_in(self, begin: float, length: float) -> None:
        """Sit down on the edge, then legs up; moving all the time."""
        sit_s = min(SIT_DOWN_S, 0.2 * length)
        self._load(begin + 0.1 * length, sit_s, self._edge_share)
        self.plan.plops.append((begin + 0.1 * length + sit_s, 0.25))
        self._couple(begin + 0.1 * length, sit_s, EDGE_COUPLING, self._uniform(*EDGE_V))
        self._move(begin + 0.1 * length, begin + 0.5 * length, 0.5)
        legs_s = min(LEGS_UP_S, 0.25 * length)
        self._lie(begin + 0.55 * length, legs_s)
        self._move(begin + 0.5 * length, begin + length, 1.0)

    def _sit_up(self, before: BedState, begin: float, length: float) -> None:
        feet_down_s = min(0.8, 0.2 * length)
        up_s = min(LEGS_UP_S, 0.3 * length)
        if before is BedState.EMPTY:
            self.plan.plops.append((begin + feet_down_s + up_s, 0.25))
        self._move(begin, begin + min(3.0, 0.8 * length), 0.9)
        self._load(begin + feet_down_s, up_s, self._edge_share)
        self._couple(begin, up_s + 0.3, EDGE_COUPLING, self._uniform(*EDGE_V))
        t = begin + 4.0 + self._wait(5.0)
        while t < begin + length - 1.0:
            self._move(t, t + self._uniform(0.5, 1.2), 0.15)
            t += 1.5 + self._wait(5.0)

    def _leave(self, at_s: float) -> None:
        """Lean forward, push off, be gone at at_s."""
        self.plan.plops.append((at_s - LEAVE_S - 0.25, 0.08))
        self._move(at_s - LEAVE_S - 0.6, at_s, 0.7)
        self._load(at_s - LEAVE_S, LEAVE_S, 0.0)
        self._couple(at_s - LEAVE_S - 0.3, LEAVE_S, 0.0, EMPTY_V)
        blanket = BEDDING_KG * float(self._random.standard_normal()) - self._bedding
        self.plan.bedding.append(Change(at_s - 0.5, 0.8, blanket))
        self._bedding += blanket

    def _lie(self, begin: float, length: float) -> None:
        self._load(begin, length, 1.0)
        size = float(np.clip(np.exp(0.25 * self._random.standard_normal()), 0.6, 1.6))
        self._couple(begin, length, size, self._uniform(*LYING_V))

    def _sleep(self, span: BedSpan) -> None:
        """Turn over now and then, and twitch in between."""
        hour = 3600.0
        if self._sleeper.turns_per_hour > 0.0:
            between_s = hour / self._sleeper.turns_per_hour
            t = span.start_s + 6.0 + self._wait(between_s)
            while t < span.end_s - 6.0:
                length = self._uniform(2.5, 5.0)
                self._turn(t, t + length, 0.8)
                t += length + self._wait(between_s)
        between_s = hour / TWITCHES_PER_HOUR
        t = span.start_s + 6.0 + self._wait(between_s)
        while t < span.end_s - 3.0:
            self._move(t, t + self._uniform(0.5, 1.5), 0.12)
            t += 3.0 + self._wait(between_s)

    def _toss(self, span: BedSpan) -> None:
        t = span.start_s + self._uniform(0.2, 1.0)
        while t < span.end_s - 0.5:
            strength = self._uniform(0.25, 1.0)
            length = min(self._uniform(0.8, 3.0), span.end_s - t)
            if strength > 0.7:
                self._turn(t, t + length, strength)
            else:
                self._move(t, t + length, strength)
            t += length + self._wait(2.5)

    def _turn(self, begin: float, end: float, strength: float) -> None:
        self._move(begin, end, strength)
        size = float(np.clip(np.exp(0.25 * self._random.standard_normal()), 0.6, 1.6))
        length = 0.6 * (end - begin)
        self._couple(begin + 0.2 * (end - begin), length, size, self._uniform(*LYING_V))

    def _move(self, begin: float, end: float, strength: float) -> None:
        self.plan.moves.append(Move(begin, end, strength))

    def _load(self, begin: float, length: float, share: float) -> None:
        self.plan.share.append(Change(begin, length, share - self._share))
        self._share = share

    def _couple(self, begin: float, length: float, size: float, level_v: float) -> None:
        self.plan.size.append(Change(begin, length, size - self._size))
        self.plan.level.append(Change(begin, length, level_v - self._level))
        self._size, self._level = size, level_v

    def _uniform(self, low: float, high: float) -> float:
        return float(self._random.uniform(low, high))

    def _wait(self, mean_s: float) -> float:
        return float(self._random.exponential(mean_s))
