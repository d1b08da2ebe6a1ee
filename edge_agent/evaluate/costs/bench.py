"""What detection costs, as ratios within one run.

```
   path       signal    streams  packet      ours      loop    ratio
   engine     quiet           1  1000 ms   480000     31000    15.5x     stream seconds a CPU second
```
Each row plays the same packets through one path and, turn by turn, through what a user would
write instead, a plain Python loop over every sample; its ratio is the median of the pairs.
`detector` is an assembler and a fall detector for each stream, `engine` is one `FallEngine` for
all of them, polled after every packet of all streams. What a link hands over exists before the
clock starts: `Samples` messages with their stream's number on our side, bytes on the other; where
there are many streams, all of them get the same. Streams live for weeks, so what they do once in
their life is not timed: everybody plays the first seconds before. Absolute times belong to the
machine of the day; the ratios hold.
"""

import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any, TypeVar

import msgspec
import numpy as np

from edge_agent.detect.engine import FallEngine
from edge_agent.detect.fall import FallDetector
from edge_agent.detect.upright import Upright
from edge_agent.evaluate.costs import (
    bench_agent,
    bench_beds,
    bench_latency,
    bench_outbox,
    bench_peers,
)
from edge_agent.evaluate.costs.bench_signals import (
    Counts,
    jogging,
    messages_of,
    packets_of,
    quiet,
    stepping,
    walking,
)
from edge_agent.stream.assemble import Assembler
from edge_agent.stream.chunk import Channel, Gap
from protocol.messages import Samples
from protocol.quantities import ACCELERATION

ROUNDS = 9
STREAM_S = 420
MANY_STREAM_S = 60
PEER_S = 60
WARM_S = 20

_T = TypeVar("_T")

Feed = Callable[[int, int], None]
"""Plays packets first to last."""


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison; higher is better.

    Attributes:
        path: `detector`, `engine` or a peer.
        what: the signal.
        ours, loop: seconds of one stream for each CPU second (median of the rounds).
        ratio: ours over loop, pair by pair, median.
        absent: why there are no numbers, or None.
    """

    path: str
    what: str
    streams: int
    packet_ms: int
    ours: float = 0.0
    loop: float = 0.0
    ratio: float = 0.0
    absent: str | None = None


@dataclass(frozen=True, slots=True)
class BenchReport:
    """The whole table.

    Attributes:
        rows: comparisons with the loop.
        heart_rates: what the heart rate of a bed costs.
        bytes_per_stream, engine_bytes_per_stream: held by one stream.
        resident: of an agent process with one bed, or why it was not measured.
        latency: from the deciding sample to the PUBLISH, or why it was not measured.
        outbox: what storing an alarm costs, against the disk itself.
    """

    rows: list[Row]
    heart_rates: bench_beds.HeartRateCost
    bytes_per_stream: int
    engine_bytes_per_stream: int
    resident: bench_agent.Resident | str
    latency: bench_latency.Latency | str
    outbox: bench_outbox.OutboxReport

    def as_object(self) -> dict[str, Any]:
        """Return it for JSON."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def run_bench(progress: Callable[[str], None]) -> BenchReport:
    """Measure everything; takes about two minutes."""
    signals: list[tuple[str, Counts | None]] = [
        ("quiet", quiet(STREAM_S, 1)),
        ("walking", walking(STREAM_S, 1)),
        ("stepping", stepping(STREAM_S, 1)),
        ("jogging", jogging(STREAM_S)),
    ]
    rows = []
    for name, counts in signals:
        for packet_ms in (250, 1000):
            progress(f"{name}, {packet_ms} ms packets")
            rows += compare(name, counts, 1, packet_ms, OURS)
    for streams in (16, 256):
        progress(f"{streams} streams")
        rows += compare("quiet", quiet(MANY_STREAM_S, 2), streams, 1000, OURS)
    progress("what a user would run instead")
    rows += compare("quiet", quiet(PEER_S, 1), 1, 250, PEERS)
    progress("heart rate")
    heart = bench_beds.measure_heart_rates()
    progress("memory")
    held, engine_held = bytes_per_stream(), engine_bytes_per_stream()
    progress("a whole agent")
    resident = _or_why(bench_agent.measure_resident)
    progress("falls through a whole agent")
    latency = _or_why(bench_latency.measure_latency)
    progress("the outbox")
    outbox = bench_outbox.run_bench_outbox()
    return BenchReport(rows, heart, held, engine_held, resident, latency, outbox)


def format_report(report: BenchReport) -> str:
    """Return the table for people."""
    lines = [
        "  path            signal    streams   packet     ours     loop   ratio"
        "   (stream seconds a CPU second)"
    ]
    for row in report.rows:
        what = f"  {row.path:<15} {row.what:<8} {row.streams:>8}  {row.packet_ms:>4} ms"
        numbers = f" {row.ours:>8.0f} {row.loop:>8.0f} {row.ratio:>7.2f}x"
        lines.append(what + (numbers if row.absent is None else f"  {row.absent}"))
    lines.append(
        f"  heart rate of one bed and second {report.heart_rates.alone_us:.0f} us,"
        f" of {report.heart_rates.beds} beds together {report.heart_rates.together_us:.1f} us each"
    )
    lines.append(
        f"  memory of one stream {report.bytes_per_stream} bytes,"
        f" in the engine {report.engine_bytes_per_stream}"
    )
    resident, latency = report.resident, report.latency
    if isinstance(resident, str):
        lines.append(f"  resident size of an agent: not measured, {resident}")
    else:
        loaded = ", ".join(resident.modules) or "no scipy, pandas or numba"
        lines.append(f"  resident size of an agent with one bed {resident.rss_kb} kB, {loaded}")
    if isinstance(latency, str):
        lines.append(f"  deciding sample to PUBLISH: not measured, {latency}")
    else:
        lines.append(
            f"  deciding sample to PUBLISH p50 {latency.p50_ms:.1f} ms,"
            f" p99 {latency.p99_ms:.1f} ms, {latency.falls} falls"
        )
    lines.append(bench_outbox.format_outbox(report.outbox))
    return "\n".join(lines)


def compare(
    name: str,
    counts: Counts | None,
    streams: int,
    packet_ms: int,
    paths: Mapping[str, Callable[[Sequence[tuple[int, bytes]], int], Feed]],
) -> list[Row]:
    """Play a signal through some paths and the loop in turn, and return a row for each."""
    if counts is None:
        return [Row(path, name, streams, packet_ms, absent="no recordings") for path in paths]
    packets = packets_of(counts, packet_ms)
    warm = WARM_S * 1000 // packet_ms
    seconds = streams * (len(packets) - warm) * packet_ms / 1000
    absent = {path for path in paths if path in MODULES and find_spec(MODULES[path]) is None}
    speeds: dict[str, list[float]] = {path: [] for path in paths if path not in absent}
    loop: list[float] = []

    def play(begin: Callable[[Sequence[tuple[int, bytes]], int], Feed]) -> float:
        feed = begin(packets, streams)
        feed(0, warm)
        return seconds / _cpu(partial(feed, warm, len(packets)))

    for _ in range(ROUNDS):
        for path, measured in speeds.items():
            measured.append(play(paths[path]))
        loop.append(play(_peer(bench_peers.begin_loop)))
    rows = []
    for path in paths:
        if path in absent:
            rows.append(Row(path, name, streams, packet_ms, absent="not installed"))
            continue
        pairs = [mine / theirs for mine, theirs in zip(speeds[path], loop, strict=True)]
        mine, theirs, ratio = (float(np.median(each)) for each in (speeds[path], loop, pairs))
        rows.append(Row(path, name, streams, packet_ms, mine, theirs, ratio))
    return rows


def begin_detectors(packets: Sequence[tuple[int, bytes]], streams: int) -> Feed:
    """Return an assembler and a fall detector for each stream."""
    messages = messages_of(packets)
    channel = Channel("bench", ACCELERATION)
    paths = [(Assembler(channel), FallDetector(channel, upright=Upright())) for _ in range(streams)]

    def feed(first: int, last: int) -> None:
        for block in messages[first:last]:
            for assembler, detector in paths:
                for part in assembler.add(block):
                    if isinstance(part, Gap):
                        detector.gap(part)
                    else:
                        detector.update(part)

    return feed


def begin_engine(packets: Sequence[tuple[int, bytes]], streams: int) -> Feed:
    """Return one engine for all streams, handed what came in one after the other."""
    channel = Channel("bench", ACCELERATION)
    engine = FallEngine()
    numbers = [engine.add(channel, Upright()) for _ in range(streams)]
    drains: list[list[tuple[int, Samples]]] = [
        [(number, block) for number in numbers] for block in messages_of(packets)
    ]

    def feed(first: int, last: int) -> None:
        put_all, poll = engine.put_all, engine.poll
        for drained in drains[first:last]:
            put_all(drained)
            poll()

    return feed


def bytes_per_stream() -> int:
    """Return what one stream holds: assembler, detector and grid."""
    channel = Channel("bench", ACCELERATION)
    FallDetector(channel)  # the shared model
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    held = [(Assembler(channel), FallDetector(channel, upright=Upright())) for _ in range(64)]
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) // len(held)


def engine_bytes_per_stream() -> int:
    """Return what one stream holds in the engine, with a slab that has seen samples."""
    channel = Channel("bench", ACCELERATION)
    messages = messages_of(packets_of(quiet(20, 1), 1000))
    FallEngine().add(channel)  # the shared model
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    engine = FallEngine()
    streams = [engine.add(channel, Upright()) for _ in range(64)]
    for message in messages:
        for stream in streams:
            engine.put(stream, message)
        engine.poll()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) // len(streams)


def _peer(
    begin: Callable[[int], bench_peers.Feed],
) -> Callable[[Sequence[tuple[int, bytes]], int], Feed]:
    """Return a peer in the form of our paths."""

    def begin_it(packets: Sequence[tuple[int, bytes]], streams: int) -> Feed:
        feed = begin(streams)
        return lambda first, last: feed(packets[first:last])

    return begin_it


OURS = {"detector": begin_detectors, "engine": begin_engine}
PEERS = {name: _peer(begin) for name, begin in bench_peers.PEERS.items()}
MODULES = {name: name.split()[0] for name in bench_peers.PEERS}
"""What a peer needs to be installed."""


def _or_why(measure: Callable[[], _T]) -> _T | str:
    try:
        return measure()
    except bench_agent.AbsentError as error:
        return str(error)


def _cpu(work: Callable[[], None]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before
