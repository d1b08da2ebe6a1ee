"""What detection costs, as ratios within one run.

```
   path     signal   streams  packet     ours    loop   ratio  deciding   ratio
   engine   quiet          1  1000 ms  300000   29000   10.4x     55000    5.5x
                                       stream seconds a CPU second
```
Each row plays the same packets through one path and, turn by turn, through two plain Python loops
over every sample; a ratio is the median of the pairs. `loop` is what a user would write
(`bench_peers`): it keeps up to date for every sample what three phases of a fall need, and decides
nothing. It does more than our gate while all is quiet and lacks our work on every impact, so on
activity it is no measure of the same job. `deciding` is (`bench_deciding`): the same decisions as
ours, from the least that a loop can do for a sample.
`detector` is an assembler and a fall detector for each stream, `engine` is one `FallEngine` for
all of them, polled after every packet of all streams. What a link hands over exists before the
clock starts: `Samples` messages with their stream's number on our side, bytes on the other; where
there are many streams, all of them get the same. Streams live for weeks, so what they do once in
their life is not timed: everybody plays the first seconds before. Absolute times belong to the
machine of the day; the ratios hold.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from statistics import median
from typing import Any, TypeVar

import msgspec

from edge_agent.evaluate.costs import (
    bench_agent,
    bench_beds,
    bench_deciding,
    bench_latency,
    bench_outbox,
    bench_paths,
    bench_peers,
)
from edge_agent.evaluate.costs.bench_paths import Begin, Feed, Packets
from edge_agent.evaluate.costs.bench_signals import (
    Counts,
    jogging,
    packets_of,
    quiet,
    stepping,
    walking,
)

ROUNDS = 9
STREAM_S = 420
MANY_STREAM_S = 60
PEER_S = 60
WARM_S = 20

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison; higher is better.

    Attributes:
        path: `detector`, `engine` or a peer.
        what: the signal.
        ours, loop, deciding: seconds of one stream for each CPU second (median of the rounds).
        ratio, deciding_ratio: ours over loop and over deciding, pair by pair, median.
        absent: why there are no numbers, or None.
    """

    path: str
    what: str
    streams: int
    packet_ms: int
    ours: float = 0.0
    loop: float = 0.0
    ratio: float = 0.0
    deciding: float = 0.0
    deciding_ratio: float = 0.0
    absent: str | None = None


@dataclass(frozen=True, slots=True)
class BenchReport:
    """The whole table.

    Attributes:
        rows: comparisons with the loops.
        heart_rates: what the heart rate of a bed costs.
        bytes_per_stream, engine_bytes_per_stream: held by one stream.
        resident: of an agent process with one bed, or why it was not measured.
        latency: from the deciding sample to the PUBLISH, in a quiet home, a busy one, and a busy
            one on a slow disk, or why it was not measured.
        outbox: what storing an alarm costs, against the disk itself.
    """

    rows: list[Row]
    heart_rates: bench_beds.HeartRateCost
    bytes_per_stream: int
    engine_bytes_per_stream: int
    resident: bench_agent.Resident | str
    latency: list[bench_latency.Latency] | str
    outbox: bench_outbox.OutboxReport

    def as_object(self) -> dict[str, Any]:
        """Return it for JSON."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def run_bench(progress: Callable[[str], None]) -> BenchReport:
    """Measure everything; takes about three minutes."""
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
    held = bench_paths.bytes_per_stream()
    engine_held = bench_paths.engine_bytes_per_stream()
    progress("a whole agent")
    resident = _or_why(bench_agent.measure_resident)
    progress("falls through a whole agent")
    latency = _or_why(bench_latency.measure_latencies)
    progress("the outbox")
    outbox = bench_outbox.run_bench_outbox()
    return BenchReport(rows, heart, held, engine_held, resident, latency, outbox)


def format_report(report: BenchReport) -> str:
    """Return the table for people."""
    lines = [
        "  path            signal    streams   packet     ours     loop   ratio deciding   ratio"
        "   (stream seconds a CPU second)"
    ]
    for row in report.rows:
        what = f"  {row.path:<15} {row.what:<8} {row.streams:>8}  {row.packet_ms:>4} ms"
        numbers = (
            f" {row.ours:>8.0f} {row.loop:>8.0f} {row.ratio:>6.2f}x"
            f" {row.deciding:>8.0f} {row.deciding_ratio:>6.2f}x"
        )
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
        lines += [
            f"  deciding sample to PUBLISH p50 {one.p50_ms:.1f} ms, p99 {one.p99_ms:.1f} ms,"
            f" first {one.first_ms:.1f} ms; {one.falls} falls, {one.streaming} units streaming,"
            f" fsync +{one.sync_ms:.0f} ms"
            for one in latency
        ]
    lines.append(bench_outbox.format_outbox(report.outbox))
    return "\n".join(lines)


def compare(
    name: str,
    counts: Counts | None,
    streams: int,
    packet_ms: int,
    paths: Mapping[str, Begin],
) -> list[Row]:
    """Play a signal through some paths and the loops in turn, and return a row for each."""
    if counts is None:
        return [Row(path, name, streams, packet_ms, absent="no recordings") for path in paths]
    packets = packets_of(counts, packet_ms)
    warm = WARM_S * 1000 // packet_ms
    seconds = streams * (len(packets) - warm) * packet_ms / 1000
    absent = {path for path in paths if path in MODULES and find_spec(MODULES[path]) is None}
    speeds: dict[str, list[float]] = {path: [] for path in paths if path not in absent}
    loop: list[float] = []
    deciding: list[float] = []

    def play(begin: Begin) -> float:
        feed = begin(packets, streams)
        feed(0, warm)
        return seconds / _cpu(partial(feed, warm, len(packets)))

    for _ in range(ROUNDS):
        for path, measured in speeds.items():
            measured.append(play(paths[path]))
        loop.append(play(_peer(bench_peers.begin_loop)))
        deciding.append(play(_peer(bench_deciding.begin_deciding)))
    rows = []
    for path in paths:
        if path in absent:
            rows.append(Row(path, name, streams, packet_ms, absent="not installed"))
            continue
        mine = speeds[path]
        rows.append(
            Row(
                path,
                name,
                streams,
                packet_ms,
                ours=median(mine),
                loop=median(loop),
                ratio=_ratio(mine, loop),
                deciding=median(deciding),
                deciding_ratio=_ratio(mine, deciding),
            )
        )
    return rows


def _peer(begin: Callable[[int], bench_peers.Feed]) -> Begin:
    """Return a peer in the form of our paths."""

    def begin_it(packets: Packets, streams: int) -> Feed:
        feed = begin(streams)
        return lambda first, last: feed(packets[first:last])

    return begin_it


OURS = {"detector": bench_paths.begin_detectors, "engine": bench_paths.begin_engine}
PEERS = {name: _peer(begin) for name, begin in bench_peers.PEERS.items()}
MODULES = {name: name.split()[0] for name in bench_peers.PEERS}
"""What a peer needs to be installed."""


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return median(mine / other for mine, other in zip(ours, theirs, strict=True))


def _or_why(measure: Callable[[], _T]) -> _T | str:
    try:
        return measure()
    except bench_agent.AbsentError as error:
        return str(error)


def _cpu(work: Callable[[], None]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before
