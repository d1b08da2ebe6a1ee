"""What detection costs, as ratios within one run.

Each row plays the same packets through our two paths and through what a user would write instead,
a plain Python loop over every sample. `detector` is an assembler and a fall detector for each
stream, `engine` is one `FallEngine` for all of them, polled after every packet of all streams.
What a link hands over exists before the clock starts: `Samples` messages on our side, bytes on
the other; where there are many streams, all of them get the same. Absolute times belong to the
machine of the day; the ratios hold.
"""

import math
import struct
import subprocess
import sys
import time
import tracemalloc
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.engine import FallEngine
from edge_agent.detect.fall import FallDetector
from edge_agent.stream.assemble import Assembler
from edge_agent.stream.chunk import Channel, Gap
from protocol.messages import Samples
from protocol.quantities import ACCELERATION

RATE_HZ = 100
SCALE = 0.012 * 9.80665 / 16
COUNTS_PER_G = 16 / 0.012
GATE_G = 1.5
ROUNDS = 5
STREAM_S = 600
MANY_STREAM_S = 60

Counts = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison; higher is better.

    Attributes:
        path: `detector` or `engine`.
        ours, loop: seconds of one stream for each CPU second (median of the rounds).
        ratio: ours over loop, pair by pair, median.
    """

    path: str

    what: str
    streams: int
    packet_ms: int
    ours: float
    loop: float
    ratio: float


@dataclass(frozen=True, slots=True)
class BenchReport:
    """The whole table."""

    rows: list[Row]
    bytes_per_stream: int
    engine_bytes_per_stream: int
    agent_resident_kb: int

    def as_object(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def run_bench(progress: Callable[[str], None]) -> BenchReport:
    """Measure everything; takes about a minute."""
    rows = []
    for name, make in (("quiet", quiet), ("dense", dense)):
        for packet_ms in (250, 1000):
            progress(f"{name}, {packet_ms} ms packets")
            rows += _compare(name, make(STREAM_S, 1), 1, packet_ms)
    for streams in (16, 256):
        progress(f"{streams} streams")
        rows += _compare("quiet", quiet(MANY_STREAM_S, 2), streams, 1000)
    return BenchReport(rows, bytes_per_stream(), engine_bytes_per_stream(), resident_kb())


def quiet(seconds: int, seed: int) -> Counts:
    """Return somebody sitting: 1 g, noise, a slow sway; shape (n, 3), counts."""
    random = np.random.default_rng(seed)
    t = np.arange(seconds * RATE_HZ) / RATE_HZ
    g = 0.01 * random.standard_normal((len(t), 3))
    g[:, 2] += 1.0
    g[:, 0] += 0.05 * np.sin(2 * math.pi * 0.2 * t)
    return np.asarray(np.rint(g * COUNTS_PER_G), dtype=np.int16)


def dense(seconds: int, seed: int) -> Counts:
    """Return brisk walking with a heel strike of 1.8 g twice a second: every one a candidate."""
    g = quiet(seconds, seed) / COUNTS_PER_G
    t = np.arange(len(g)) / RATE_HZ
    g[:, 2] += 0.8 * np.maximum(0.0, np.sin(2 * math.pi * 2 * t)) ** 8
    return np.asarray(np.rint(g * COUNTS_PER_G), dtype=np.int16)


def format_report(report: BenchReport) -> str:
    """Return the table for people."""
    lines = [
        "  path      signal  streams   packet     ours     loop   ratio"
        "   (stream seconds a CPU second)"
    ]
    lines += [
        f"  {row.path:<9} {row.what:<6} {row.streams:>8}  {row.packet_ms:>4} ms {row.ours:>8.0f}"
        f" {row.loop:>8.0f} {row.ratio:>7.2f}x"
        for row in report.rows
    ]
    lines.append(
        f"  memory of one stream {report.bytes_per_stream} bytes,"
        f" in the engine {report.engine_bytes_per_stream}"
    )
    lines.append(f"  resident size of the agent's modules {report.agent_resident_kb} kB")
    return "\n".join(lines)


def bytes_per_stream() -> int:
    """Return what one stream holds: assembler, detector and grid."""
    channel = Channel("bench", ACCELERATION)
    FallDetector(channel)  # the shared model
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    held = [(Assembler(channel), FallDetector(channel)) for _ in range(64)]
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) // len(held)


def engine_bytes_per_stream() -> int:
    """Return what one stream holds in the engine, with a slab that has seen samples."""
    channel = Channel("bench", ACCELERATION)
    messages = _messages(_packets(quiet(20, 1), 1000))
    FallEngine().add(channel)  # the shared model
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    engine = FallEngine()
    streams = [engine.add(channel) for _ in range(64)]
    for message in messages:
        for stream in streams:
            engine.put(stream, message)
        engine.poll()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) // len(streams)


def resident_kb() -> int:
    """Return the resident size of a process that has imported the agent."""
    code = (
        "import edge_agent.agent, re; print(re.search(r'VmRSS:\\s+(\\d+)',"
        " open('/proc/self/status').read())[1])"
    )
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def _packets(counts: Counts, packet_ms: int) -> list[tuple[int, bytes]]:
    size = packet_ms * RATE_HZ // 1000
    return [
        (first, counts[first : first + size].astype("<i2").tobytes())
        for first in range(0, len(counts) - size + 1, size)
    ]


def _messages(packets: list[tuple[int, bytes]]) -> list[Samples]:
    period_us = 1_000_000 // RATE_HZ
    return [
        Samples(ACCELERATION.code, 0, first * 1000 // RATE_HZ, first, period_us, SCALE, 3, data)
        for first, data in packets
    ]


def _compare(name: str, counts: Counts, streams: int, packet_ms: int) -> list[Row]:
    packets = _packets(counts, packet_ms)
    messages = _messages(packets)
    seconds = streams * len(packets) * packet_ms / 1000
    paths = {"detector": _detectors, "engine": _engine}
    speeds: dict[str, list[float]] = {path: [] for path in paths}
    loop: list[float] = []
    for _ in range(ROUNDS):
        for path, play in paths.items():
            speeds[path].append(seconds / _cpu(partial(play, messages, streams)))
        loop.append(seconds / _cpu(partial(_loop, packets, streams)))
    middle = ROUNDS // 2
    rows = []
    for path, ours in speeds.items():
        pairs = sorted(mine / theirs for mine, theirs in zip(ours, loop, strict=True))
        mine, theirs = sorted(ours)[middle], sorted(loop)[middle]
        rows.append(Row(path, name, streams, packet_ms, mine, theirs, pairs[middle]))
    return rows


def _cpu(work: Callable[[], None]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def _detectors(messages: list[Samples], streams: int) -> None:
    channel = Channel("bench", ACCELERATION)
    paths = [(Assembler(channel), FallDetector(channel)) for _ in range(streams)]
    for block in messages:
        for assembler, detector in paths:
            for part in assembler.add(block):
                if isinstance(part, Gap):
                    detector.gap(part)
                else:
                    detector.update(part)


def _engine(messages: list[Samples], streams: int) -> None:
    channel = Channel("bench", ACCELERATION)
    engine = FallEngine()
    numbers = [engine.add(channel) for _ in range(streams)]
    put, poll = engine.put, engine.poll
    for block in messages:
        for stream in numbers:
            put(stream, block)
        poll()


def _loop(packets: list[tuple[int, bytes]], streams: int) -> None:
    """Do sample by sample the least that a fall needs: gate, weightlessness, posture, a ring."""
    limit, light = GATE_G * GATE_G, 0.7 * 0.7
    scale = 1 / COUNTS_PER_G
    states: list[_LoopState] = [_LoopState() for _ in range(streams)]
    for _, data in packets:
        for state in states:
            ring, fx, fy, fz, fall = state.ring, state.x, state.y, state.z, state.light
            for a, b, c in struct.iter_unpack("<3h", data):
                x, y, z = a * scale, b * scale, c * scale
                norm2 = x * x + y * y + z * z
                fx += 0.02 * (x - fx)
                fy += 0.02 * (y - fy)
                fz += 0.02 * (z - fz)
                ring.append((x, y, z, norm2))
                fall = fall + 1 if norm2 < light else 0
                if norm2 > limit:
                    state.crossings += 1
            state.x, state.y, state.z, state.light = fx, fy, fz, fall


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
