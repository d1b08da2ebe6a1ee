"""What the heart rate of a bed costs each second, alone and in a ward.

It runs in a process of its own with one BLAS thread: products of this size are slower on several,
and a thread that waits for work is counted as work.
"""

import json
import os
import subprocess
import sys
import time

import msgspec
import numpy as np

from edge_agent.detect.bed.heart_rate import HeartRate
from edge_agent.detect.bed.heart_rates import HeartRates
from edge_agent.stream.chunk import Channel, Chunk
from protocol.quantities import BED_STRIP

BEDS = 64
BED_S = 90
WARM_S = 20
RATE_HZ = 100
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class HeartRateCost(msgspec.Struct, frozen=True):
    """CPU time for one bed and one second.

    Attributes:
        beds: how many were together.
    """

    beds: int
    alone_us: float
    together_us: float


def measure_heart_rates() -> HeartRateCost:
    """Return the costs, measured in a child process."""
    code = "from edge_agent.evaluate.costs import bench_beds; bench_beds.print_cost()"
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | ONE_THREAD,
    )
    return msgspec.json.decode(done.stdout, type=HeartRateCost)


def print_cost() -> None:
    """Measure here, and print the result as JSON."""
    sys.stdout.write(json.dumps(msgspec.to_builtins(heart_rate_cost(BEDS, BED_S))))


def heart_rate_cost(beds: int, seconds: int) -> HeartRateCost:
    """Return what a second of some beds costs, after WARM_S seconds."""
    random = np.random.default_rng(3)
    t = np.arange(seconds * RATE_HZ) / RATE_HZ
    beat = np.exp(-(((t * 1.1) % 1.0 - 0.3) ** 2) / 0.004) + 0.3 * np.sin(2 * np.pi * 0.25 * t)
    signal = 0.01 * (beat + 0.05 * random.standard_normal(len(t)))
    values = signal.astype(np.float32).reshape(seconds, RATE_HZ, 1)
    channel = Channel("bench", BED_STRIP)
    chunks = [Chunk(channel, float(i), float(RATE_HZ), values[i]) for i in range(seconds)]
    one, many = HeartRate(channel), HeartRates([channel] * beds)
    for chunk in chunks[:WARM_S]:
        one.update(chunk)
        many.update([chunk] * beds)
    began_s = time.process_time()
    for chunk in chunks[WARM_S:]:
        one.update(chunk)
    alone_s = time.process_time() - began_s
    began_s = time.process_time()
    for chunk in chunks[WARM_S:]:
        many.update([chunk] * beds)
    together_s = time.process_time() - began_s
    steps = seconds - WARM_S
    return HeartRateCost(beds, 1e6 * alone_s / steps, 1e6 * together_s / steps / beds)
