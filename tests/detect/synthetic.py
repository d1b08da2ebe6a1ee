"""Signals made by formula, for tests that need a fall without anybody's recording."""

import numpy as np
from numpy.typing import NDArray

G = 9.80665


def fall(
    rate_hz: float = 100.0,
    before_s: float = 4.0,
    after_s: float = 6.0,
    peak_g: float = 5.0,
    turn_deg: float = 85.0,
    clip_g: float = 16.0,
    seed: int = 1,
) -> NDArray[np.float32]:
    """Return a person who stands, falls over within half a second and lies still, in m/s^2.

    The impact is at `before_s`.
    """
    count = round((before_s + after_s) * rate_hz)
    t = np.arange(count) / rate_hz - before_s
    random = np.random.default_rng(seed)
    share = np.clip((t + 0.5) / 0.5, 0.0, 1.0) ** 2
    angle = np.deg2rad(turn_deg) * share
    length = np.ones(count)
    falling = (t > -0.5) & (t < -0.04)
    length[falling] = 1.0 - 0.75 * np.sin(np.pi * (t[falling] + 0.5) / 0.46)
    length += (peak_g - 1.0) * np.exp(-0.5 * (t / 0.025) ** 2)
    ring = t > 0.0
    length[ring] += 0.5 * np.sin(60.0 * t[ring]) * np.exp(-t[ring] / 0.12)
    sway = 0.03 * np.sin(2.0 * np.pi * 1.1 * t) * (t < -0.5)
    g = np.stack([length * np.sin(angle) + sway, -length * np.cos(angle), sway], axis=1)
    g += random.normal(0.0, 0.01, g.shape)
    return (np.clip(g, -clip_g, clip_g) * G).astype(np.float32)


def standing(rate_hz: float = 100.0, seconds: float = 10.0, seed: int = 2) -> NDArray[np.float32]:
    """Return a person who stands still."""
    random = np.random.default_rng(seed)
    g = random.normal(0.0, 0.01, (round(seconds * rate_hz), 3))
    g[:, 1] -= 1.0
    return (g * G).astype(np.float32)


def walking(rate_hz: float = 100.0, seconds: float = 10.0, seed: int = 3) -> NDArray[np.float32]:
    """Return a brisk walk: two heel strikes a second of about 1.7 g."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    g = np.random.default_rng(seed).normal(0.0, 0.03, (len(t), 3))
    phase = (t * 2.0) % 1.0
    g[:, 1] -= (
        1.0 + 0.8 * np.exp(-0.5 * ((phase - 0.3) / 0.05) ** 2) - 0.15 * np.sin(2.0 * np.pi * phase)
    )
    g[:, 0] += 0.15 * np.sin(2.0 * np.pi * t)
    return (g * G).astype(np.float32)
