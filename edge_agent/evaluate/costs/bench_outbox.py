"""What storing costs: against the bare disk of the same run, and on a disk that takes 20 ms.

Each figure is a ratio within one run, or holds with an fsync that is made slow on purpose: the
absolute rate belongs to the disk of the day. `one` stores an alarm at a time, as a quiet home
does; `crowd` has 16 that put at once and share commits.

Known weakness: on a disk that syncs in 0.4 ms, `one` measures Python (about 0.7 ms a put).
"""

import asyncio
import os
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from edge_agent.alarm.alarm import SCHEMA, AgentStamp, Alarm, AlarmEvent, State
from edge_agent.evaluate.costs.bad_disk import AbsentError, BadDisk
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Batch

BURST = 100
SLOW_SYNC_S = 0.02
COMMIT_BYTES = 5 * 4096
"""What a commit of one alarm adds to the log, measured: the pages of five trees."""
CROWD = 16
ROUNDS = 25
PUTS = 40


@dataclass(frozen=True, slots=True)
class OutboxReport:
    """The figures.

    Attributes:
        burst_s: a burst of 100 alarms, each put on its own, on disk; fsync takes 20 ms more.
        burst_syncs: the fsyncs that took.
        raw_hz: bare writes of a commit's size with fdatasync, a second (median of the rounds).
        one_ratio, crowd_ratio: alarms stored a second over `raw_hz`, round by round, median.
        slow_ratio: one alarm at a time over bare fdatasync, both on the slow disk.
    """

    burst_s: float | None
    burst_syncs: int | None
    raw_hz: float
    one_ratio: float
    crowd_ratio: float
    slow_ratio: float | None

    def as_object(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def run_bench_outbox(folder: Path | None = None) -> OutboxReport:
    """Measure on the disk that holds `folder` (the temporary one); takes some seconds."""
    with TemporaryDirectory(dir=folder) as name:
        return asyncio.run(_measure(Path(name)))


def format_outbox(report: OutboxReport) -> str:
    """Return the figures for people."""
    lines = [
        f"  fdatasync of {COMMIT_BYTES} bytes {report.raw_hz:.0f}/s on this disk;"
        f" alarms stored: one by one {report.one_ratio:.2f}x that,"
        f" {CROWD} at a time {report.crowd_ratio:.1f}x"
    ]
    if report.burst_s is not None:
        lines.append(
            f"  with 20 ms more for every fsync: a burst of {BURST} alarms in"
            f" {report.burst_s:.2f} s ({report.burst_syncs} fsyncs),"
            f" one by one {report.slow_ratio:.2f}x bare fdatasync"
        )
    return "\n".join(lines)


async def _measure(folder: Path) -> OutboxReport:
    outbox = await _open(folder / "plain.db")
    raw, one, crowd = [], [], []
    for number in range(ROUNDS):
        raw.append(_raw_hz(folder / "raw", PUTS))
        one.append(await _store_hz(outbox, f"one{number}", PUTS, 1) / raw[-1])
        crowd.append(await _store_hz(outbox, f"crowd{number}", PUTS, CROWD) / raw[-1])
    await outbox.close()
    slow = await _measure_slow(folder)
    burst_s, syncs, slow_ratio = slow or (None, None, None)
    return OutboxReport(burst_s, syncs, median(raw), median(one), median(crowd), slow_ratio)


async def _measure_slow(folder: Path) -> tuple[float, int, float] | None:
    try:
        with BadDisk() as disk:
            outbox = await _open(folder / "slow.db")
            disk.sync_s = SLOW_SYNC_S
            before, start_s = disk.syncs, time.perf_counter()
            await asyncio.gather(*(outbox.put(_batch(f"b{n}"), 0.0) for n in range(BURST)))
            burst_s, syncs = time.perf_counter() - start_s, disk.syncs - before
            one_hz = await _store_hz(outbox, "slow", 50, 1)
            disk.sync_s = 0.0
            await outbox.close()
    except AbsentError:
        return None
    return burst_s, syncs, one_hz / _raw_hz(folder / "raw", 50, SLOW_SYNC_S)


async def _open(path: Path) -> Outbox:
    outbox = Outbox(path, ["mqtt"], nullcontext)
    await outbox.open()
    return outbox


async def _store_hz(outbox: Outbox, name: str, count: int, together: int) -> float:
    """Return alarms stored a second, each put waiting for its own answer."""

    async def put_in_turn(first: int) -> None:
        for number in range(first, count, together):
            await outbox.put(_batch(f"{name}-{number}"), 0.0)

    start_s = time.perf_counter()
    await asyncio.gather(*(put_in_turn(first) for first in range(together)))
    return count / (time.perf_counter() - start_s)


def _raw_hz(path: Path, count: int, sync_s: float = 0.0) -> float:
    """Return appended writes with fdatasync a second, into a file that is there already."""
    file = os.open(path, os.O_CREAT | os.O_RDWR)
    data = os.urandom(COMMIT_BYTES)
    try:
        start_s = time.perf_counter()
        for number in range(count):
            os.pwrite(file, data, number * COMMIT_BYTES)
            time.sleep(sync_s)
            os.fdatasync(file)
        return count / (time.perf_counter() - start_s)
    finally:
        os.close(file)
        path.unlink()


def _batch(name: str) -> Batch:
    event = AlarmEvent(
        SCHEMA, name, 1, "call", State.CONFIRMED, "high", "000000000000", "bench", "bathroom",
        "p1", "unit-1", "cord", "2026-11-23T02:14:07.310Z", "2026-11-23T02:14:07.320Z", "ntp",
        0.0, None, {"channel": 0.0}, None, [], {"zh": "卫生间一键呼救", "en": "Call for help"},
        AgentStamp("01936b3f-0000-7000-8000-000000000000", "0"),
    )  # fmt: skip
    return Batch([Alarm(event, 0.0, 0.0)])
