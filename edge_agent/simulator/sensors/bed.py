r"""A bed's sensors: a strip under the mattress and load cells under the legs.

```
 spans --> moves (turns, twitches, getting in and out) ----+--> load: weight, sway, creep, drift
 sleeper --> breaths --> beats --> H I J K L of each beat --+--> strip: all of it, 0 .. 4.096 V

        J                     the strip is an FSR in a divider: its level is the load on it,
       /\      L              breath and beat ride on that level
   H  /  \    /\
 _/\_/    \  /  \_/\_         ballistocardiogram of one beat, seen from the R wave:
    \/     \/                 H 0.07  I 0.15  J 0.25  K 0.36  L 0.46 s at 60 bpm
    I      K
```
Both signals of one seed belong together: the same moves at the same times.

Sources: names and order of the waves Starr et al., Am J Physiol 127, 1939; Inan et al.,
"Ballistocardiography and seismocardiography: a review of recent advances", IEEE J Biomed Health
Inform 19(4), 2015. Sizes relative to each other (breath 1.6 times the beat, mains, noise) are
those of the quiet parts of the FSR recordings this project develops on; what is called an
assumption is this project's.

Known weakness: one person, one strip, linear superposition; an FSR's hysteresis, a partner, a
pet and a wet sheet are missing. A sleeper's posture changes the size of a beat, not its shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from edge_agent.simulator.sensors.body import Breathing, Sleeper, beat, breathe
from edge_agent.simulator.sensors.shapes import (
    Floats,
    band_noise,
    bump,
    plateau,
    random_of,
    sample_times,
    smooth_step,
    span_slice,
)

STRIP_LOW_V = 0.0
STRIP_HIGH_V = 4.096
"""What the ADC's range of 4.096 V and the strip's supply leave of the signal."""
LOAD_RATE_HZ = 10.0
"""NAU7802 at its slowest; the firmware's load driver runs there."""
LEAST_RATE_HZ = 40.0
"""Below this the strip's beats are no longer sampled (their waves reach 15 Hz)."""

J_V = 0.02
"""Height of a J wave above the line; fixes the scale of all that the body does (assumption)."""
BREATH_V = 0.035
"""Of a quiet breath, end of expiration to end of inspiration."""
BEAT_JITTER = 0.05
WAVE_JITTER = 0.12
"""Relative deviation of a beat's size, and of each of its waves beside J (assumption)."""
BEAT_BY_BREATH = 0.25
"""How much a beat grows from end of expiration to end of inspiration (assumption)."""
MAINS_V = 0.003
MAINS_HZ = 49.98
"""Amplitude and frequency of the hum; a grid is never exactly at 50 Hz."""
EMPTY_V = 0.12
LYING_V = (1.5, 2.4)
EDGE_V = (0.45, 0.8)
"""Level of the divider: nothing on the strip, a chest on it, a person on the edge beside it."""
EDGE_COUPLING = 0.15
"""Share of beat and breath that is left while sitting on the edge (assumption)."""
FSR_DRIFT = 0.03
"""Of the level, per decade of seconds under load. Source: Interlink, FSR 400 series data sheet:
below 5 % per log10 of time."""
MOVE_V = 1.3
"""Root mean square swing of the strip in a full move; reaches both ends of the range."""
MOVE_HZ = (0.3, 6.0)
TWITCHES_PER_HOUR = 10.0
"""Small moves of a sleeper between two turns (assumption)."""

# Seconds from J at 60 bpm, height relative to J, width (deviation) of each wave. HIJKL are
# followed by the after-waves M and N and carried by the slow heave of the abdomen.
_WAVES = (
    (-0.180, 0.25, 0.028),  # H
    (-0.098, -0.60, 0.027),  # I
    (0.000, 1.00, 0.028),  # J
    (0.108, -0.80, 0.032),  # K
    (0.212, 0.45, 0.036),  # L
    (0.318, -0.28, 0.042),  # M
    (0.430, 0.16, 0.050),  # N
    (0.100, 0.45, 0.110),  # heave
)
_J = 2
_FIRST_S, _LAST_S = -0.30, 0.62
_J_HEIGHT = 1.2961
_J_LATE_S = 0.0017
"""The sum of all waves at its peak, and how long after J's own centre that is; taken out again."""

R_TO_J_S = 0.250
R_TO_J_PER_BPM_S = -0.0004
"""R wave to J peak at 60 bpm and its change with the rate. Source of the change: Weissler et
al., Circulation 37, 1968 (the pre-ejection period shortens by 0.4 ms per bpm)."""

EDGE_SHARE = (0.78, 0.88)
"""Share of the weight on the bed while sitting on its edge, feet on the floor (assumption)."""
SIT_DOWN_S = 0.7
LEGS_UP_S = 1.2
LEAVE_S = 0.8
"""Times in which the load changes; a whole sit-to-stand of old people takes 1.69 +- 0.26 s (Kazi
et al. 2025), of which the seat is left in the second half."""
CREEP_SHARE = 0.004
CREEP_S = 300.0
"""Of the load, and its time constant: load cells and frame settle (assumption)."""
DRIFT_KG = 0.25
DRIFT_S = 3600.0
"""Deviation and time constant of the zero's drift with temperature (assumption)."""
BEDDING_KG = 0.7
"""Deviation of what the bedding weighs more or less on the bed after each leaving."""
LOAD_NOISE_KG = 0.012
SWAY_HZ = 3.0
SWAY_DAMPING = 0.15
"""The mattress with a person on it as a spring (assumption)."""
_FINE = 5
"""Load is made at 50 Hz and averaged to 10 Hz, as a sigma-delta converter does."""

_STRIP, _BODY, _MOVES, _LOAD = range(4)


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


def strip(
    timeline: Sequence[BedSpan],
    sleeper: Sleeper,
    rate_hz: float,
    duration_s: float,
    seed: int,
    *,
    j_to_noise: float = 10.0,
) -> tuple[Floats, BedTruth]:
    """Return the strip's voltage, shape (n,), within 0 to 4.096 V, and what is true of it.

    Args:
        timeline: spans in order that do not overlap.
        sleeper: the person.
        rate_hz: samples a second, 40 or more.
        duration_s: length of the record.
        seed: of every random number.
        j_to_noise: height of the mean J wave over the root mean square of the sensor's noise.

    Raises:
        ValueError: spans overlap or are out of order, or the rate is too low.
    """
    if rate_hz < LEAST_RATE_HZ:
        raise ValueError(f"a strip is sampled at {LEAST_RATE_HZ:g} Hz or more, not {rate_hz!r}")
    plan = _plan(timeline, sleeper, duration_s, seed)
    t = sample_times(rate_hz, duration_s)
    count = len(t)
    random = random_of(seed, _STRIP)
    breathing, beats_s = _body(sleeper, duration_s, seed)

    size = _follow(t, rate_hz, plan.size)
    volts = _beats(t, rate_hz, beats_s, breathing, sleeper, random)
    volts += BREATH_V * (breathing.expansion(t) - 0.5)
    volts *= size
    volts += _follow(t, rate_hz, plan.level)
    for change in plan.level:
        later = span_slice(rate_hz, count, change.start_s, duration_s)
        age_s = t[later] - change.start_s
        volts[later] += change.step * FSR_DRIFT * np.log10(1.0 + age_s)
    strength = _strength(t, rate_hz, plan.moves)
    volts += MOVE_V * strength * band_noise(random, count, rate_hz, *MOVE_HZ)
    hum = 1.0 + 0.3 * band_noise(random, count, rate_hz, 0.0, 0.2)
    volts += MAINS_V * hum * np.sin(2.0 * np.pi * (MAINS_HZ * t + float(random.random())))
    volts += J_V / j_to_noise * random.standard_normal(count)
    np.clip(volts, STRIP_LOW_V, STRIP_HIGH_V, out=volts)
    return volts, _truth(t, rate_hz, plan, beats_s, breathing, sleeper, strength)


def load(
    timeline: Sequence[BedSpan], sleeper: Sleeper, duration_s: float, seed: int
) -> tuple[Floats, BedTruth]:
    """Return the load on the bed in kg at 10 Hz, shape (n,), and what is true of it.

    The mattress and the frame are tared away; a load may be a little below zero.

    Args:
        timeline: spans in order that do not overlap.
        sleeper: the person.
        duration_s: length of the record.
        seed: of every random number; the strip's of the same bed.

    Raises:
        ValueError: spans overlap or are out of order.
    """
    plan = _plan(timeline, sleeper, duration_s, seed)
    count = round(duration_s * LOAD_RATE_HZ)
    rate_hz = LOAD_RATE_HZ * _FINE
    t = np.arange(count * _FINE) / rate_hz
    random = random_of(seed, _LOAD)
    breathing, beats_s = _body(sleeper, duration_s, seed)

    share = _follow(t, rate_hz, plan.share)
    for at_s, height in plan.plops:
        around = span_slice(rate_hz, len(t), at_s - 0.2, at_s + 0.2)
        share[around] += height * bump(t[around], at_s, 0.3)
    kg = sleeper.weight_kg * _sway(share, rate_hz)
    strength = _strength(t, rate_hz, plan.moves)
    # Inertia only: what goes up comes down, so a move does not change the mean.
    kg += 0.05 * sleeper.weight_kg * strength * share * band_noise(random, len(t), rate_hz, 0.4, 4)
    kg += 0.04 * share * (breathing.expansion(t) - 0.5)
    for change in plan.share:
        later = span_slice(rate_hz, len(t), change.start_s, duration_s)
        settled = 1.0 - np.exp(-(t[later] - change.start_s) / CREEP_S)
        kg[later] += CREEP_SHARE * sleeper.weight_kg * change.step * settled
    kg += _follow(t, rate_hz, plan.bedding)
    means: Floats = kg.reshape(count, _FINE).mean(axis=1)
    means += _drift(count, random) + LOAD_NOISE_KG * random.standard_normal(count)
    tenth = t[::_FINE]
    slow = strength[::_FINE]
    return means, _truth(tenth, LOAD_RATE_HZ, plan, beats_s, breathing, sleeper, slow)


@dataclass(frozen=True, slots=True)
class _Change:
    """A quantity that grows smoothly by `step` within start_s .. start_s + length_s."""

    start_s: float
    length_s: float
    step: float


@dataclass(frozen=True, slots=True)
class _Move:
    start_s: float
    end_s: float
    strength: float


@dataclass(slots=True)
class _Plan:
    """What happens on the bed, for both sensors.

    `share` is of the weight, `size` of breath and beat on the strip, `level` is the strip's in
    V, `plops` are sudden loads (time, share), `bedding` is in kg.
    """

    moves: list[_Move]
    share: list[_Change]
    size: list[_Change]
    level: list[_Change]
    bedding: list[_Change]
    plops: list[tuple[float, float]]


class _Planner:
    """Goes through the spans once and notes what they bring."""

    def __init__(self, sleeper: Sleeper, random: np.random.Generator) -> None:
        self.plan = _Plan([], [], [], [_Change(-1e6, 1.0, EMPTY_V)], [], [])
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
        self.plan.bedding.append(_Change(at_s - 0.5, 0.8, blanket))
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
        self.plan.moves.append(_Move(begin, end, strength))

    def _load(self, begin: float, length: float, share: float) -> None:
        self.plan.share.append(_Change(begin, length, share - self._share))
        self._share = share

    def _couple(self, begin: float, length: float, size: float, level_v: float) -> None:
        self.plan.size.append(_Change(begin, length, size - self._size))
        self.plan.level.append(_Change(begin, length, level_v - self._level))
        self._size, self._level = size, level_v

    def _uniform(self, low: float, high: float) -> float:
        return float(self._random.uniform(low, high))

    def _wait(self, mean_s: float) -> float:
        return float(self._random.exponential(mean_s))


def _plan(timeline: Sequence[BedSpan], sleeper: Sleeper, duration_s: float, seed: int) -> _Plan:
    planner = _Planner(sleeper, random_of(seed, _MOVES))
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


def _body(sleeper: Sleeper, duration_s: float, seed: int) -> tuple[Breathing, Floats]:
    random = random_of(seed, _BODY)
    breathing = breathe(sleeper, duration_s, random)
    return breathing, beat(sleeper, breathing, duration_s, random)


def _follow(t: Floats, rate_hz: float, changes: Sequence[_Change]) -> Floats:
    """Return a quantity that begins at zero and changes by smooth steps."""
    value = np.zeros(len(t))
    for change in changes:
        end_s = change.start_s + change.length_s
        rising = span_slice(rate_hz, len(t), change.start_s, end_s)
        progress = (t[rising] - change.start_s) / change.length_s
        value[rising] += change.step * smooth_step(progress)
        value[rising.stop :] += change.step
    return value


def _strength(t: Floats, rate_hz: float, moves: Sequence[_Move]) -> Floats:
    """Return how hard is moved, 0 to 1."""
    strength = np.zeros(len(t))
    for move in moves:
        part = span_slice(rate_hz, len(t), move.start_s, move.end_s)
        now = move.strength * plateau(t[part], move.start_s, move.end_s, 0.4)
        strength[part] = np.maximum(strength[part], now)
    return strength


def _j_delay_s(sleeper: Sleeper) -> float:
    return R_TO_J_S + R_TO_J_PER_BPM_S * (sleeper.heart_rate_bpm - 60.0)


def _beats(
    t: Floats,
    rate_hz: float,
    beats_s: Floats,
    breathing: Breathing,
    sleeper: Sleeper,
    random: np.random.Generator,
) -> Floats:
    """Return the ballistocardiogram in V of a person who lies on the strip."""
    volts = np.zeros(len(t))
    jitter = 1.0 + BEAT_JITTER * random.standard_normal(len(beats_s))
    heights = J_V / _J_HEIGHT * jitter
    heights *= 1.0 + BEAT_BY_BREATH * (breathing.expansion(beats_s) - 0.5)
    centres, waves, widths = np.array(_WAVES).T
    shapes = 1.0 + WAVE_JITTER * random.standard_normal((len(beats_s), len(_WAVES)))
    shapes[:, _J] = 1.0
    shapes *= waves
    starts_s = beats_s + _j_delay_s(sleeper) - _J_LATE_S
    for at_s, height, shape in zip(starts_s, heights, shapes, strict=True):
        part = span_slice(rate_hz, len(t), at_s + _FIRST_S, at_s + _LAST_S)
        away = ((t[part] - at_s)[:, None] - centres) / widths
        volts[part] += height * (np.exp(-0.5 * away * away) @ shape)
    return volts


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


def _drift(count: int, random: np.random.Generator) -> Floats:
    """Return the slow walk of the zero in kg at 10 Hz, starting at zero."""
    every = round(30.0 * LOAD_RATE_HZ)
    knots = count // every + 2
    keep = float(np.exp(-30.0 / DRIFT_S))
    pushes = DRIFT_KG * np.sqrt(1.0 - keep * keep) * random.standard_normal(knots)
    walk = np.zeros(knots)
    for i in range(1, knots):
        walk[i] = keep * walk[i - 1] + pushes[i]
    return np.interp(np.arange(count), every * np.arange(knots), walk)


def _truth(
    t: Floats,
    rate_hz: float,
    plan: _Plan,
    beats_s: Floats,
    breathing: Breathing,
    sleeper: Sleeper,
    strength: Floats,
) -> BedTruth:
    occupied = _follow(t, rate_hz, plan.share) > 0.5

    def while_occupied(times_s: Floats) -> NDArray[np.bool_]:
        if not len(t):
            return np.zeros(len(times_s), dtype=np.bool_)
        at = np.clip((times_s * rate_hz).astype(np.intp), 0, len(t) - 1)
        inside: NDArray[np.bool_] = occupied[at] & (times_s >= 0.0)
        return inside

    on_bed_s = beats_s[while_occupied(beats_s)]
    return BedTruth(
        beat_s=on_bed_s,
        j_s=on_bed_s + _j_delay_s(sleeper),
        breath_s=breathing.start_s[while_occupied(breathing.start_s)],
        occupied=occupied,
        moving=strength > 0.02,
    )
