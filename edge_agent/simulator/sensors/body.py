"""A sleeper's breaths and heartbeats: the truth that drives the bed's model.

```
 respiration --(sinus arrhythmia)--> R-R intervals <-- slow waves (0.1 Hz, below 0.04 Hz)
```
Known weakness: sinus rhythm only, no ectopic beats and no atrial fibrillation; an apnoea stops
the breath but does not slow the heart.
"""

import math
from dataclasses import dataclass

import numpy as np

from edge_agent.simulator.sensors.shapes import Floats, band_noise

BREATH_JITTER = 0.07
"""Relative deviation of one breath's length in sleep (assumption of this project)."""
DEPTH_JITTER = 0.12
"""Relative deviation of one breath's depth (assumption of this project)."""
INSPIRATION_SHARE = 0.4
"""Of a breath; expiration takes the rest (textbook 1 : 1.5)."""
RECOVERY_BREATHS = 3
RECOVERY_DEPTH = 1.5
"""The first breaths after an apnoea are deeper (assumption of this project)."""

LF_HZ = (0.085, 0.115)
VLF_HZ = (0.005, 0.04)
"""Bands of the slow waves of the heart rate. Source: Task Force, "Heart rate variability:
standards of measurement", Circulation 93(5), 1996 (LF 0.04-0.15 Hz, VLF below); LF narrowed to
the Mayer wave as in McSharry et al., IEEE Trans Biomed Eng 50(3), 2003."""
VLF_TO_LF = 1.0
"""Power of the slowest waves relative to LF (assumption of this project)."""
_GRID_HZ = 4.0


@dataclass(frozen=True, slots=True)
class Sleeper:
    """A person in bed; the defaults are somebody of about 75.

    Attributes:
        weight_kg: body weight.
        heart_rate_bpm: mean heart rate.
        rmssd_ms: root mean square of successive differences of the R-R intervals; 22 to 24 ms
            at 60 to 79 years (Umetani et al., J Am Coll Cardiol 31(3), 1998).
        lf_hf: power of the 0.1 Hz wave over that of the respiratory sinus arrhythmia.
        respiration_rpm: mean breaths per minute.
        breathing_depth: 1 is quiet breathing.
        apnoeas: [start_s, end_s) without breath.
        turns_per_hour: position changes while `lying`; 2.1 at 65 to 80 years (De Koninck et al.,
            "Sleep positions and position shifts in five age groups", Sleep 15(2), 1992).
    """

    weight_kg: float = 62.0
    heart_rate_bpm: float = 64.0
    rmssd_ms: float = 23.0
    lf_hf: float = 1.5
    respiration_rpm: float = 15.0
    breathing_depth: float = 1.0
    apnoeas: tuple[tuple[float, float], ...] = ()
    turns_per_hour: float = 2.1


@dataclass(frozen=True, slots=True)
class Breathing:
    """Breaths in order.

    Attributes:
        start_s: shape (breaths,), beginning of each inspiration.
        length_s: shape (breaths,), until the end of its expiration.
        depth: shape (breaths,), 1 is quiet breathing.
    """

    start_s: Floats
    length_s: Floats
    depth: Floats

    def expansion(self, t: Floats) -> Floats:
        """Return how far the chest is out at each time, 0 (end of expiration) to depth."""
        if not len(self.start_s):
            return np.zeros(len(t))
        last = np.maximum(np.searchsorted(self.start_s, t, side="right") - 1, 0)
        u = np.clip((t - self.start_s[last]) / self.length_s[last], 0.0, 1.0)
        rising = u < INSPIRATION_SHARE
        angle = np.where(
            rising, u / INSPIRATION_SHARE, 1.0 + (u - INSPIRATION_SHARE) / (1.0 - INSPIRATION_SHARE)
        )
        out: Floats = self.depth[last] * 0.5 * (1.0 - np.cos(np.pi * angle))
        return out


def breathe(sleeper: Sleeper, duration_s: float, random: np.random.Generator) -> Breathing:
    """Return the breaths of a record; a breath that has begun is finished before an apnoea."""
    mean_s = 60.0 / sleeper.respiration_rpm
    starts: list[float] = []
    lengths: list[float] = []
    depths: list[float] = []
    t = -mean_s * float(random.random())
    recovering = 0
    while t < duration_s:
        stop_s = next((end for begin, end in sleeper.apnoeas if begin <= t < end), None)
        if stop_s is not None:
            t = stop_s
            recovering = RECOVERY_BREATHS
            continue
        jitter = float(np.clip(random.standard_normal(), -2.5, 2.5))
        length_s = mean_s * (1.0 + BREATH_JITTER * jitter)
        depth = 1.0 + DEPTH_JITTER * float(np.clip(random.standard_normal(), -2.5, 2.5))
        if recovering:
            depth *= RECOVERY_DEPTH
            recovering -= 1
        starts.append(t)
        lengths.append(length_s)
        depths.append(depth * sleeper.breathing_depth)
        t += length_s
    return Breathing(np.array(starts), np.array(lengths), np.array(depths))


def beat(
    sleeper: Sleeper, breathing: Breathing, duration_s: float, random: np.random.Generator
) -> Floats:
    """Return the times of the R waves, shape (beats,).

    The R-R interval is its mean plus the waves at the time of the beat:
    `rr = 60 / bpm + hf * breath + lf * wave(0.1 Hz) + vlf * wave(0.02 Hz)`. The deviations
    follow from `rmssd^2 = sum over waves of 4 sin^2(pi f rr) deviation^2`, exact for sines.
    """
    mean_s = 60.0 / sleeper.heart_rate_bpm
    count = int(duration_s * _GRID_HZ) + 2
    grid_s = np.arange(count) / _GRID_HZ
    breath = breathing.expansion(grid_s)
    spread = float(breath.std())
    hf_wave = (breath - breath.mean()) / spread if spread > 0.0 else np.zeros(count)
    lf_wave = band_noise(random, count, _GRID_HZ, *LF_HZ)
    vlf_wave = band_noise(random, count, _GRID_HZ, *VLF_HZ)

    def gain(frequency_hz: float) -> float:
        return 4.0 * math.sin(math.pi * frequency_hz * mean_s) ** 2

    # Powers relative to HF; inspiration shortens the interval, hence the minus sign below.
    hf, lf = 1.0, sleeper.lf_hf
    vlf = VLF_TO_LF * lf
    together = hf * gain(sleeper.respiration_rpm / 60.0)
    together += lf * gain(float(np.mean(LF_HZ))) + vlf * gain(float(np.mean(VLF_HZ)))
    scale_s = 1e-3 * sleeper.rmssd_ms / math.sqrt(together)
    waves = scale_s * (-hf_wave + math.sqrt(lf) * lf_wave + math.sqrt(vlf) * vlf_wave)
    waves = np.clip(waves, -0.4 * mean_s, 0.4 * mean_s)

    times: list[float] = []
    t = mean_s * float(random.random())
    while t < duration_s:
        times.append(t)
        t += mean_s + float(waves[int(t * _GRID_HZ)])
    return np.array(times)
