r"""A worn accelerometer: what a pendant on the chest or a clip at the waist feels.

```
 spans --> turns (attitude)  --> gravity in body axes -+
       --> rises, drops, steps --> acceleration -------+--> mounting, gain, offset, noise --> g

 a fall:  imbalance 0.69 s | descent 0.58 s | arrest   bounces  lying     world: x ahead, y left,
                                            /\ 3.5                               z up
   |a| g  1 ~~~~~~~~~~~~~~~~ \____ 0.5 ____/  \_/\_/\___ 1 ~~~~~~        body:  x belly, y left,
                                                                                 z head
```
Everything is made of smooth pieces: attitudes turn along paths of least jerk, an arrest takes
back the speed that its descent gained, so that nothing jumps and nothing drifts. What is called
an assumption is this project's; the source of the falls stands in `activity.py`.

Known weakness: a rigid trunk, no arms, a straight heading; a pendant that swings on its cord,
clothes, falls down stairs and slides along a wall are missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_agent.simulator.sensors.activity import (
    Activity,
    Fall,
    FallKind,
    FallTruth,
    MotionSpan,
    Pose,
    Wearer,
    Worn,
)
from edge_agent.simulator.sensors.motion_plan import (
    ONSET_SHARE,
    Drop,
    Planner,
    check_order,
    full_descent_s,
)
from edge_agent.simulator.sensors.rotation import random_rotation, rotations
from edge_agent.simulator.sensors.shapes import (
    STANDARD_GRAVITY,
    Floats,
    band_noise,
    bump,
    plateau,
    random_of,
    sample_times,
    smooth_step,
    span_slice,
    step_acceleration,
)

__all__ = [
    "Activity",
    "Fall",
    "FallKind",
    "FallTruth",
    "MotionSpan",
    "MotionTruth",
    "Pose",
    "Wearer",
    "Worn",
    "acceleration",
]

LEAST_RATE_HZ = 50.0
"""Below this an impact of 45 ms at half height is no longer sampled."""

SPIKE_SHARE = 0.5
"""Of the speed that the hardest contact takes; hands, knees and the body's give take the rest
(assumption)."""
BRACE_S = 0.32
"""Length of that rest."""
FADE_S = 0.05
"""The descent ends within this time around the impact."""
SLIDE_S = 0.18

AFTER_S = 2.0
"""Made and thrown away after the end of a record: longer than an impact and its bounces."""
STEP_JITTER = 0.035
"""Relative deviation of the length of one step (assumption)."""
TREMOR_HZ = (4.0, 6.0)
"""Rest tremor of Parkinson's disease."""

AXIS_NOISE_G = 0.0022
OFFSET_G = 0.02
GAIN_ERROR = 0.01
"""Noise (0.22 mg per root Hz over 100 Hz), half of the 40 mg of the zero-g level tolerance, and
the sensitivity's error (assumption). Source: ST, LIS3DH datasheet, mechanical characteristics."""

_PLAN, _BODY, _SENSOR = range(3)


@dataclass(frozen=True, slots=True)
class MotionTruth:
    """What a signal was made from.

    Attributes:
        falls: in order.
        seat_s: times at which a hard seat was hit.
        step_s: shape (steps,), heel strikes.
        up: shape (n, 3), the direction away from the ground, in sensor axes.
    """

    falls: tuple[FallTruth, ...]
    seat_s: tuple[float, ...]
    step_s: Floats
    up: Floats


def acceleration(
    timeline: Sequence[MotionSpan],
    wearer: Wearer,
    rate_hz: float,
    duration_s: float,
    seed: int,
    *,
    is_turned: bool = True,
) -> tuple[Floats, MotionTruth]:
    """Return the acceleration in g, shape (n, 3), gravity included, and what is true of it.

    The values are neither quantised nor clipped; the part that plays them does that.

    Args:
        timeline: spans in order without holes; before and after them the attitude is held.
        wearer: the person.
        rate_hz: samples a second, 50 or more.
        duration_s: length of the record.
        seed: of every random number.
        is_turned: the sensor is mounted any way, by seed; else its axes are the body's.

    Raises:
        ValueError: the timeline has holes or overlaps, an activity does not follow from the one
            before, a fall is faster than falling allows, or the rate is too low.
    """
    if rate_hz < LEAST_RATE_HZ:
        raise ValueError(f"falls are sampled at {LEAST_RATE_HZ:g} Hz or more, not {rate_hz!r}")
    check_order(timeline)
    plan = Planner(wearer, random_of(seed, _PLAN))
    for span in timeline:
        plan.add(span)
    count = round(duration_s * rate_hz)
    # A little more than the record, so that an impact just after its end is whole.
    t = sample_times(rate_hz, duration_s + AFTER_S)
    random = random_of(seed, _BODY)
    steps_s, phase, walking = _gait(t, plan.walks, wearer, random)
    attitude = _attitudes(t, rate_hz, plan)
    attitude = attitude @ rotations(_small_turns(t, rate_hz, plan, phase, walking, random))
    linear = _linear(t, rate_hz, plan, wearer, phase, walking, random)
    for drop in plan.drops:
        _arrest(t, rate_hz, drop, linear)

    # What a mass in the box feels: its acceleration and the push against gravity, body axes.
    linear[:, 2] += 1.0
    body = np.einsum("nij,ni->nj", attitude, linear)
    up = attitude[:, 2, :]
    body += _tremor(t, rate_hz, plan, wearer, random)
    sensor = random_of(seed, _SENSOR)
    mounting = random_rotation(sensor) if is_turned else np.eye(3)
    gain = 1.0 + GAIN_ERROR * sensor.standard_normal(3)
    offset = OFFSET_G * sensor.standard_normal(3)
    felt: Floats = body @ mounting * gain + offset
    felt += AXIS_NOISE_G * sensor.standard_normal(felt.shape)
    steps_s = steps_s[steps_s < duration_s]
    up = (up @ mounting)[:count]
    return felt[:count], MotionTruth(tuple(plan.falls), tuple(plan.seats_s), steps_s, up)


def _gait(
    t: Floats, walks: Sequence[tuple[float, float]], wearer: Wearer, random: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Return heel strikes, the number of steps made at each time, and how much is walked."""
    strikes: list[float] = []
    phase = np.zeros(len(t))
    walking = np.zeros(len(t))
    for begin, end in walks:
        if end - begin < 0.5:
            continue
        steps = int((end - begin) * wearer.steps_per_s * 1.5) + 4
        between = 1.0 + STEP_JITTER * np.clip(random.standard_normal(steps), -3.0, 3.0)
        times = begin + 0.2 + np.cumsum(between / wearer.steps_per_s)
        inside = (t >= begin) & (t < end)
        phase[inside] = np.interp(t[inside], times, 1.0 + np.arange(steps), left=0.0)
        early = inside & (t < times[0])
        phase[early] = (t[early] - times[0]) * wearer.steps_per_s + 1.0
        walking[inside] = plateau(t[inside], begin, end, 0.6)
        strikes += [float(one) for one in times if one < end - 0.3]
    return np.array(strikes), phase, walking


def _attitudes(t: Floats, rate_hz: float, plan: Planner) -> Floats:
    """Return the attitude at each time, body to world, shape (n, 3, 3)."""
    attitudes = np.empty((len(t), 3, 3))
    now, done = plan.begin, 0
    for turn in plan.turns:
        part = span_slice(rate_hz, len(t), turn.start_s, turn.end_s)
        progress = (t[part] - turn.start_s) / (turn.end_s - turn.start_s)
        attitudes[done : part.start] = now
        attitudes[part] = now @ rotations(smooth_step(progress)[:, None] * turn.rotation)
        now = now @ rotations(turn.rotation[None])[0]
        done = part.stop
    attitudes[done:] = now
    return attitudes


def _small_turns(
    t: Floats,
    rate_hz: float,
    plan: Planner,
    phase: Floats,
    walking: Floats,
    random: np.random.Generator,
) -> Floats:
    """Return what sways, fidgets and breathes about the attitude, shape (n, 3), radians."""
    turns = np.zeros((len(t), 3))
    for unrest in plan.unrests:
        part = span_slice(rate_hz, len(t), unrest.start_s, unrest.end_s)
        envelope = plateau(t[part], unrest.start_s, unrest.end_s, 0.4)
        size = np.deg2rad(unrest.turn_deg) / np.sqrt(2.0)
        for axis in (0, 1):
            noise = band_noise(random, len(envelope), rate_hz, unrest.low_hz, unrest.high_hz)
            turns[part, axis] += size * envelope * noise
    breath = np.deg2rad(0.8) * np.sin(2.0 * np.pi * (0.25 * t + float(random.random())))
    for begin, end, _ in plan.calm:
        part = span_slice(rate_hz, len(t), begin, end)
        turns[part, 1] += breath[part] * plateau(t[part], begin, end, 1.0)
    # A walker leans 4 degrees forward, rolls with each stride and nods with each step.
    turns[:, 0] += walking * np.deg2rad(2.5) * np.sin(np.pi * phase)
    turns[:, 1] += walking * np.deg2rad(4.0 + 1.5 * np.sin(2.0 * np.pi * phase))
    return turns


def _linear(
    t: Floats,
    rate_hz: float,
    plan: Planner,
    wearer: Wearer,
    phase: Floats,
    walking: Floats,
    random: np.random.Generator,
) -> Floats:
    """Return the sensor's acceleration in the world without impacts, shape (n, 3), g."""
    linear = np.zeros((len(t), 3))
    for rise in plan.rises:
        takes_s = rise.end_s - rise.start_s
        part = span_slice(rate_hz, len(t), rise.start_s, rise.end_s)
        course = step_acceleration((t[part] - rise.start_s) / takes_s)
        scale = rise.way_m / (takes_s * takes_s * STANDARD_GRAVITY)
        linear[part] += course[:, None] * scale
    for push in plan.pushes:
        half_s = 0.5 * push.width_s
        part = span_slice(rate_hz, len(t), push.centre_s - half_s, push.centre_s + half_s)
        linear[part] += bump(t[part], push.centre_s, push.width_s)[:, None] * push.push_g
    for unrest in plan.unrests:
        part = span_slice(rate_hz, len(t), unrest.start_s, unrest.end_s)
        envelope = plateau(t[part], unrest.start_s, unrest.end_s, 0.4)
        for axis in range(3):
            noise = band_noise(random, len(envelope), rate_hz, unrest.low_hz, unrest.high_hz)
            linear[part, axis] += unrest.push_g / np.sqrt(3.0) * envelope * noise
    linear += _walk(t, rate_hz, wearer, phase, walking, random)
    for drop in plan.drops:
        linear += _descent(t, drop)
    return linear


def _walk(
    t: Floats,
    rate_hz: float,
    wearer: Wearer,
    phase: Floats,
    walking: Floats,
    random: np.random.Generator,
) -> Floats:
    """Return the gait's acceleration in the world, g: a rocking of the body and heel strikes.

    The size of the parts is an assumption; the whole has |a| of 0.75 to 1.5 g at the waist and a
    deviation of 0.18 g, as recorded slow walks (0.17 g at 20 to 30 years, 0.21 g at 60 to 75).
    """
    size = 1.25 * walking * (1.0 + 0.08 * band_noise(random, len(t), rate_hz, 0.05, 1.0))
    if wearer.worn is Worn.CHEST:
        size = 0.9 * size
    step = phase % 1.0
    turn = 2.0 * np.pi * step
    heel = bump(step, 0.07, 0.09 * wearer.steps_per_s)
    heel -= 0.045 * wearer.steps_per_s
    walk = np.empty((len(t), 3))
    walk[:, 0] = 0.10 * np.sin(turn) + 0.04 * np.sin(2.0 * turn + 0.6) - 0.10 * heel
    walk[:, 1] = 0.07 * np.sin(np.pi * phase + 0.4)
    walk[:, 2] = 0.16 * np.cos(turn - 0.9) + 0.06 * np.cos(2.0 * turn - 0.5) + 0.16 * heel
    walk *= size[:, None]
    return walk


def _descent(t: Floats, drop: Drop) -> Floats:
    """Return a descent's acceleration in the world, g: down, and over to one side."""
    begin_s = drop.impact_s - drop.descent_s
    grows = smooth_step((t - begin_s) / (ONSET_SHARE * drop.descent_s))
    fades = 1.0 - smooth_step((t - drop.impact_s) / FADE_S + 0.5)
    down_g = drop.speed_mps / (full_descent_s(drop.descent_s) * STANDARD_GRAVITY)
    over_g = 2.0 * drop.topple_mps / (drop.descent_s * STANDARD_GRAVITY)
    middle_s = drop.impact_s - 0.5 * drop.descent_s
    descent: Floats = bump(t, middle_s, drop.descent_s)[:, None] * over_g
    descent[:, 2] -= down_g * grows * fades
    return descent


def _arrest(t: Floats, rate_hz: float, drop: Drop, linear: Floats) -> None:
    """Add an impact to the linear acceleration so that |a| has its peak there.

    Hands, knees and the body's give brake (a long pulse), the hardest contact is a short one;
    together they take back the speed of the descent. What is left rings and bounces.
    """
    part = span_slice(rate_hz, len(t), drop.impact_s - 1.0, drop.impact_s + 1.5)
    near = t[part]
    if not len(near):
        return
    speed_gs = drop.speed_mps / STANDARD_GRAVITY
    contact_s = 2.0 * SPIKE_SHARE * speed_gs / max(0.1, drop.peak_g - 1.0)
    spike = bump(near, drop.impact_s, float(np.clip(contact_s, 0.03, 0.12)))
    spike_s = 0.5 * float(np.clip(contact_s, 0.03, 0.12))
    topple_gs = drop.topple_mps / STANDARD_GRAVITY

    def arrest(height_g: float, stretch: float) -> Floats:
        brace_s, slide_s = stretch * BRACE_S, stretch * SLIDE_S
        brace = bump(near, drop.impact_s + 0.03 + 0.4 * (brace_s - BRACE_S), brace_s)
        slide = bump(near, drop.impact_s + 0.03 + 0.4 * (slide_s - SLIDE_S), slide_s)
        pushed = slide[:, None] * (-2.0 * topple_gs / slide_s)
        left_gs = max(0.0, speed_gs - height_g * spike_s)
        pushed[:, 2] += 2.0 * left_gs / brace_s * brace + height_g * spike
        return pushed

    around = np.abs(near - drop.impact_s) < 0.3

    def strongest_g(pushed: Floats) -> float:
        felt = linear[part][around] + pushed[around]
        felt[:, 2] += 1.0
        return float(np.linalg.norm(felt, axis=1).max(initial=0.0))

    stretch = 1.0
    while strongest_g(arrest(0.0, stretch)) > drop.peak_g and stretch < 3.0:
        stretch *= 1.15
    low, high = 0.0, 2.0 * drop.peak_g
    for _ in range(40):
        middle = 0.5 * (low + high)
        if strongest_g(arrest(middle, stretch)) < drop.peak_g:
            low = middle
        else:
            high = middle
    linear[part] += arrest(low, stretch)
    linear[part] += _aftermath(near, drop)


def _aftermath(t: Floats, drop: Drop) -> Floats:
    """Return ringing and bounces after an impact in the world, g; their areas are about zero."""
    after = np.maximum(t - drop.impact_s - 0.06, 0.0)  # so that the peak stays the peak
    wave = np.exp(-after / 0.07) * np.sin(2.0 * np.pi * drop.ring_hz * after)
    rest: Floats = (drop.ring * (drop.peak_g - 1.0) * wave)[:, None] * drop.ring_way
    height = 0.45 * (drop.peak_g - 1.0)
    for at_s in drop.bounce_s:
        hit = height * bump(t, at_s, 0.08)
        light = -height * 0.08 / 0.14 * bump(t, at_s - 0.11, 0.14)
        rest[:, 2] += hit + np.maximum(light, -0.8)
        height *= 0.4
    return rest


def _tremor(
    t: Floats, rate_hz: float, plan: Planner, wearer: Wearer, random: np.random.Generator
) -> Floats:
    """Return the tremor in body axes, shape (n, 3), g; it is weaker in whoever lies."""
    size = np.full(len(t), wearer.tremor_g / np.sqrt(3.0))
    for begin, end, share in plan.calm:
        part = span_slice(rate_hz, len(t), begin, end)
        size[part] *= 1.0 - (1.0 - share) * plateau(t[part], begin, end, 1.0)
    noise = [band_noise(random, len(t), rate_hz, *TREMOR_HZ) for _ in range(3)]
    tremor: Floats = np.stack(noise, axis=1) * size[:, None]
    return tremor
