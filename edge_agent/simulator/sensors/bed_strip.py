r"""A strip under the mattress: an FSR in a divider, breath and beat on its level.

```
 spans --> moves (turns, twitches, getting in and out) ----+
 sleeper --> breaths --> beats --> H I J K L of each beat --+--> 0 .. 4.096 V

        J                     the level is the load on the strip,
       /\      L              breath and beat ride on that level
   H  /  \    /\
 _/\_/    \  /  \_/\_         ballistocardiogram of one beat, seen from the R wave:
    \/     \/                 H 0.07  I 0.15  J 0.25  K 0.36  L 0.46 s at 60 bpm
    I      K
```
Sources: names and order of the waves Starr et al., Am J Physiol 127, 1939; Inan et al.,
"Ballistocardiography and seismocardiography: a review of recent advances", IEEE J Biomed Health
Inform 19(4), 2015. Sizes relative to each other (breath 1.6 times the beat, mains, noise) are
those of the quiet parts of the FSR recordings this project develops on; what is called an
assumption is this project's.

Known weakness: one person, one strip, linear superposition; an FSR's hysteresis is missing. A
sleeper's posture changes the size of a beat, not its shape.
"""

from collections.abc import Sequence

import numpy as np

from edge_agent.simulator.sensors.bed import STRIP, BedSpan, plan_of
from edge_agent.simulator.sensors.bed_truth import (
    BedTruth,
    body_of,
    follow,
    j_delay_s,
    strength_of,
    truth_of,
)
from edge_agent.simulator.sensors.body import Breathing, Sleeper
from edge_agent.simulator.sensors.shapes import (
    Floats,
    band_noise,
    random_of,
    sample_times,
    span_slice,
)

STRIP_LOW_V = 0.0
STRIP_HIGH_V = 4.096
"""What the ADC's range of 4.096 V and the strip's supply leave of the signal."""
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
FSR_DRIFT = 0.03
"""Of the level, per decade of seconds under load. Source: Interlink, FSR 400 series data sheet:
below 5 % per log10 of time."""
MOVE_V = 1.3
"""Root mean square swing of the strip in a full move; reaches both ends of the range."""
MOVE_HZ = (0.3, 6.0)

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
    plan = plan_of(timeline, sleeper, duration_s, seed)
    t = sample_times(rate_hz, duration_s)
    count = len(t)
    random = random_of(seed, STRIP)
    breathing, beats_s = body_of(sleeper, duration_s, seed)

    size = follow(t, rate_hz, plan.size)
    volts = _beats(t, rate_hz, beats_s, breathing, sleeper, random)
    volts += BREATH_V * (breathing.expansion(t) - 0.5)
    volts *= size
    volts += follow(t, rate_hz, plan.level)
    for change in plan.level:
        later = span_slice(rate_hz, count, change.start_s, duration_s)
        age_s = t[later] - change.start_s
        volts[later] += change.step * FSR_DRIFT * np.log10(1.0 + age_s)
    strength = strength_of(t, rate_hz, plan.moves)
    volts += MOVE_V * strength * band_noise(random, count, rate_hz, *MOVE_HZ)
    hum = 1.0 + 0.3 * band_noise(random, count, rate_hz, 0.0, 0.2)
    volts += MAINS_V * hum * np.sin(2.0 * np.pi * (MAINS_HZ * t + float(random.random())))
    volts += J_V / j_to_noise * random.standard_normal(count)
    np.clip(volts, STRIP_LOW_V, STRIP_HIGH_V, out=volts)
    return volts, truth_of(t, rate_hz, plan, beats_s, breathing, sleeper, strength)


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
    starts_s = beats_s + j_delay_s(sleeper) - _J_LATE_S
    for at_s, height, shape in zip(starts_s, heights, shapes, strict=True):
        part = span_slice(rate_hz, len(t), at_s + _FIRST_S, at_s + _LAST_S)
        away = ((t[part] - at_s)[:, None] - centres) / widths
        volts[part] += height * (np.exp(-0.5 * away * away) @ shape)
    return volts
