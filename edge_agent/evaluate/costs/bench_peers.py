"""What a user would write instead of ours: a plain loop, scipy, pandas, numba.

Each keeps up to date, packet by packet, what three phases of a fall need: |a|^2 against a gate, a
slow mean of each axis for the posture, the last three seconds. None of them decides anything or
learns a posture; the loop that does is in `bench_deciding`. scipy, pandas and numba are no part of
the project; their rows appear where they are installed, and the running agent never imports them.
"""

import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from edge_agent.evaluate.costs.bench_signals import COUNTS_PER_G, RATE_HZ

GATE_G = 1.5
LIGHT_G = 0.7
SLOW = 0.02
"""Share of a sample in the slow mean: half a second at 100 Hz."""

Packets = Sequence[tuple[int, bytes]]
Feed = Callable[[Packets], None]
"""Plays packets to all streams; called several times, it goes on where it was."""


def begin_loop(streams: int) -> Feed:
    """Return the ideal per-sample loop in plain Python: no look-ups, no calls but append."""
    limit, light = GATE_G * GATE_G, LIGHT_G * LIGHT_G
    scale = 1 / COUNTS_PER_G
    states = [_LoopState() for _ in range(streams)]

    def feed(packets: Packets) -> None:
        for _, data in packets:
            for state in states:
                ring, fx, fy, fz, fall = state.ring, state.x, state.y, state.z, state.light
                for a, b, c in struct.iter_unpack("<3h", data):
                    x, y, z = a * scale, b * scale, c * scale
                    norm2 = x * x + y * y + z * z
                    fx += SLOW * (x - fx)
                    fy += SLOW * (y - fy)
                    fz += SLOW * (z - fz)
                    ring.append((x, y, z, norm2))
                    fall = fall + 1 if norm2 < light else 0
                    if norm2 > limit:
                        state.crossings += 1
                state.x, state.y, state.z, state.light = fx, fy, fz, fall

    return feed


def begin_sosfilt(streams: int) -> Feed:
    """Return scipy: the slow mean by `sosfilt` with its state kept, the gate in numpy."""
    signal: Any = import_module("scipy.signal")
    sos = signal.tf2sos([SLOW], [1.0, SLOW - 1.0])
    states = [np.zeros((len(sos), 2, 3)) for _ in range(streams)]
    crossings = [0] * streams

    def feed(packets: Packets) -> None:
        for _, data in packets:
            for i in range(streams):
                g = np.frombuffer(data, dtype="<i2").reshape(-1, 3) / COUNTS_PER_G
                crossings[i] += int(((g * g).sum(axis=1) > GATE_G * GATE_G).sum())
                _, states[i] = signal.sosfilt(sos, g, axis=0, zi=states[i])

    return feed


def begin_pandas(streams: int) -> Feed:
    """Return pandas: rolling mean, largest and deviation of three seconds for each packet."""
    pandas: Any = import_module("pandas")
    held = [np.zeros((3 * RATE_HZ, 3)) for _ in range(streams)]
    crossings = [0] * streams

    def feed(packets: Packets) -> None:
        for _, data in packets:
            for i in range(streams):
                g = np.frombuffer(data, dtype="<i2").reshape(-1, 3) / COUNTS_PER_G
                held[i] = np.concatenate([held[i], g])[-3 * RATE_HZ :]
                norm = pandas.Series(np.sqrt((held[i] ** 2).sum(axis=1)))
                rolling = norm.rolling(RATE_HZ)
                largest, _, _ = rolling.max(), rolling.mean(), rolling.std()
                crossings[i] += int(largest.iloc[-1] > GATE_G)

    return feed


def begin_numba(streams: int) -> Feed:
    """Return the loop compiled by numba: the upper reference, for whom 90 MB are nothing."""
    numba: Any = import_module("numba")
    limit, light, scale = GATE_G * GATE_G, LIGHT_G * LIGHT_G, 1 / COUNTS_PER_G

    def step(counts: Any, state: Any, ring: Any, at: int) -> int:
        fx, fy, fz, fall, crossings = state[0], state[1], state[2], state[3], state[4]
        for i in range(len(counts) // 3):
            x, y, z = counts[3 * i] * scale, counts[3 * i + 1] * scale, counts[3 * i + 2] * scale
            norm2 = x * x + y * y + z * z
            fx += SLOW * (x - fx)
            fy += SLOW * (y - fy)
            fz += SLOW * (z - fz)
            ring[at, 0], ring[at, 1], ring[at, 2], ring[at, 3] = x, y, z, norm2
            at = at + 1 if at + 1 < len(ring) else 0
            fall = fall + 1 if norm2 < light else 0.0
            if norm2 > limit:
                crossings += 1
        state[0], state[1], state[2], state[3], state[4] = fx, fy, fz, fall, crossings
        return at

    compiled = numba.njit(step)
    states = [np.zeros(5) for _ in range(streams)]
    rings = [np.zeros((3 * RATE_HZ, 4)) for _ in range(streams)]
    places = [0] * streams

    def feed(packets: Packets) -> None:
        for _, data in packets:
            for i in range(streams):
                counts = np.frombuffer(data, dtype="<i2")
                places[i] = compiled(counts, states[i], rings[i], places[i])

    return feed


PEERS: dict[str, Callable[[int], Feed]] = {
    "scipy sosfilt": begin_sosfilt,
    "pandas rolling": begin_pandas,
    "numba kernel": begin_numba,
}


@dataclass(slots=True)
class _LoopState:
    ring: deque[tuple[float, float, float, float]] = field(
        default_factory=lambda: deque(maxlen=3 * RATE_HZ)
    )
    x: float = 0.0
    y: float = 0.0
    z: float = 1.0
    light: int = 0
    crossings: int = 0
