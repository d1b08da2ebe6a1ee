"""What the benchmark plays: people who sit, walk, jog and step, as counts, packets, messages.

| signal | made how | passes the gate of 1.4 g |
|---|---|---|
| quiet | 1 g, noise, a slow sway | never |
| walking | a heel strike of 1.8 g twice a second | twice a second |
| stepping | strikes of 1.7 to 2.6 g, 5 in 2 s, each ringing | over 3 times a second |
| jogging | SisFall D03 and D04 (jogging), if the set is there | as recorded |

Walking with strikes all alike is the hardest of them: every block holds an impact that nothing
larger is near, so each has to be decided.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.evaluate.falls.trials import read_trials
from edge_agent.evaluate.npz import TrialError
from protocol.messages import Samples
from protocol.quantities import ACCELERATION

RATE_HZ = 100
SCALE = 0.012 * 9.80665 / 16
COUNTS_PER_G = 16 / 0.012
"""A 12 bit sensor of +-16 g, read as 16 bit (ADXL345 at 3.9 mg is close)."""

RECORDINGS = Path(__file__).parents[4] / "shared" / "data" / "sisfall_acc_200hz_dev.npz"
"""Where a developer's copy of SisFall may lie; the row is skipped without it."""

JOGGING = ("D03", "D04")

Counts = NDArray[np.int16]


def quiet(seconds: int, seed: int) -> Counts:
    """Return somebody sitting: 1 g, noise, a slow sway; shape (n, 3), counts."""
    random = np.random.default_rng(seed)
    t = np.arange(seconds * RATE_HZ) / RATE_HZ
    g = 0.01 * random.standard_normal((len(t), 3))
    g[:, 2] += 1.0
    g[:, 0] += 0.05 * np.sin(2 * math.pi * 0.2 * t)
    return _counts(g)


def walking(seconds: int, seed: int) -> Counts:
    """Return brisk walking with a heel strike of 1.8 g twice a second: every one a candidate."""
    g = quiet(seconds, seed) / COUNTS_PER_G
    t = np.arange(len(g)) / RATE_HZ
    g[:, 2] += 0.8 * np.maximum(0.0, np.sin(2 * math.pi * 2 * t)) ** 8
    return _counts(g)


def stepping(seconds: int, seed: int) -> Counts:
    """Return stairs taken fast: uneven strikes that ring, several gate crossings a second."""
    random = np.random.default_rng(seed)
    g = quiet(seconds, seed) / COUNTS_PER_G
    at_s = np.cumsum(random.normal(0.4, 0.03, 4 * seconds))
    t = np.arange(60) / RATE_HZ
    for strike_s in at_s[at_s < seconds - 1.0]:
        first = int(strike_s * RATE_HZ)
        ring = np.exp(-t / 0.15) * np.cos(2 * math.pi * 9.0 * t)
        g[first : first + len(t), 2] += random.uniform(0.7, 1.6) * ring
        g[first : first + len(t), 0] += random.uniform(0.0, 0.5) * np.exp(-t / 0.1)
    return _counts(g)


def jogging(seconds: int) -> Counts | None:
    """Return people jogging, one after the other, from SisFall; None without the set."""
    try:
        trials = read_trials(RECORDINGS)
    except TrialError:
        return None
    pieces = [
        trial.counts[::2].astype(np.float64) * (trial.scale_g * COUNTS_PER_G)
        for trial in trials
        if trial.label in JOGGING and trial.rate_hz == 2 * RATE_HZ
    ]
    if not pieces:
        return None
    joined = np.concatenate(pieces)[: seconds * RATE_HZ]
    return np.asarray(np.clip(np.rint(joined), -32768, 32767), dtype=np.int16)


def packets_of(counts: Counts, packet_ms: int) -> list[tuple[int, bytes]]:
    """Return (first sample, bytes) of each packet."""
    size = packet_ms * RATE_HZ // 1000
    return [
        (first, counts[first : first + size].astype("<i2").tobytes())
        for first in range(0, len(counts) - size + 1, size)
    ]


def messages_of(packets: Sequence[tuple[int, bytes]]) -> list[Samples]:
    """Return the packets as a unit sends them."""
    period_us = 1_000_000 // RATE_HZ
    return [
        Samples(ACCELERATION.code, 0, first * 1000 // RATE_HZ, first, period_us, SCALE, 3, data)
        for first, data in packets
    ]


def _counts(g: NDArray[np.float64]) -> Counts:
    return np.asarray(np.rint(g * COUNTS_PER_G), dtype=np.int16)
