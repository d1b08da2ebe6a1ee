"""What storing costs: against the bare disk of the same run, and on a disk that takes 20 ms.

Each figure is a ratio within one run, or holds with an fsync that is made slow on purpose: the
absolute rate belongs to the disk of the day. `one` stores an alarm at a time, as a quiet home
does; `crowd` has 16 that put at once and share commits.

The bare disk is asked two ways, with as many bytes as a commit adds to the log: appending to a
new file, whose length fdatasync has to store as well, and overwriting one, which is what SQLite
does once its log has grown to full size. The latter is the strict comparison.

Known weakness: on a disk that syncs in 0.2 ms, `one` measures the machine more than the disk: of
about 0.6 ms a put, SQLite's 20 writes and Python take 0.25, and the way to the outbox's thread
and back 0.15.
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
CROWD = 16
FRESH = 200
"""Alarms stored before anything is measured: trees with one page are nobody's."""
LOGGED = 50
"""Commits whose log is measured; the log is not written back before 1000 pages."""
ROUNDS = 25
PUTS = 40


@dataclass(frozen=True, slots=True)
class OutboxReport:
    """The figures.

    Attributes:
        burst_s: a burst of 100 alarms, each put on its own, on disk; fsync takes 20 ms more.
        burst_syncs: the fsyncs that took.
        raw_hz: bare appended writes of a commit's size with fdatasync, a second (median of the
            rounds).
        one_ratio, crowd_ratio: alarms stored a second over `raw_hz`, round by round, median.
        slow_ratio: one alarm at a time over bare fdatasync, both on the slow disk.
        over_hz, one_over_ratio: the same against bare overwriting.
        commit_bytes: what a commit of one alarm adds to the log, on average.
    """

    burst_s: float | None
    burst_syncs: int | None
    raw_hz: float
    one_ratio: float
    crowd_ratio: float
    slow_ratio: float | None
    over_hz: float
    one_over_ratio: float
    commit_bytes: int

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
        f"  fdatasync of {report.commit_bytes} bytes: appended {report.raw_hz:.0f}/s,"
        f" overwritten {report.over_hz:.0f}/s on this disk; alarms stored one by one:"
        f" {report.one_ratio:.2f}x and {report.one_over_ratio:.2f}x that,"
        f" {CROWD} at a time {report.crowd_ratio:.1f}x appending"
    ]
    if report.burst_s is not None:
        lines.append(
            f"  with 20 ms more for every fsync: a burst of {BURST} alarms in"
            f" {report.burst_s:.2f} s ({report.burst_syncs} fsyncs),"
            f" one by one {report.slow_ratio:.2f}x bare fdatasync"
        )
    return "\n".join(lines)


async def _measure(folder: Path) -> OutboxReport:
    size = await _commit_bytes(folder / "log.db")
    outbox = await _open(folder / "plain.db")
    raw, over, one, one_over, crowd = [], [], [], [], []
    for number in range(ROUNDS):
        raw.append(_raw_hz(folder / "raw", PUTS, size))
        over.append(_raw_hz(folder / "raw", PUTS, size, again=True))
        one_hz = await _store_hz(outbox, f"one{number}", PUTS, 1)
        one.append(one_hz / raw[-1])
        one_over.append(one_hz / over[-1])
        crowd.append(await _store_hz(outbox, f"crowd{number}", PUTS, CROWD) / raw[-1])
    await outbox.close()
    slow = await _measure_slow(folder, size)
    burst_s, syncs, slow_ratio = slow or (None, None, None)
    return OutboxReport(
        burst_s, syncs, median(raw), median(one), median(crowd), slow_ratio,
        median(over), median(one_over), size,
    )  # fmt: skip


async def _commit_bytes(path: Path) -> int:
    """Return what a commit of one alarm adds to the log, on average."""
    outbox = await _open(path)
    await _store_hz(outbox, "fresh", FRESH, FRESH)
    await outbox.close()  # writes the log back: the next one begins at its head
    outbox = await _open(path)
    log = path.with_name(path.name + "-wal")
    before = log.stat().st_size
    await _store_hz(outbox, "logged", LOGGED, 1)
    size = (log.stat().st_size - before) // LOGGED
    await outbox.close()
    return size


async def _measure_slow(folder: Path, size: int) -> tuple[float, int, float] | None:
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
    return burst_s, syncs, one_hz / _raw_hz(folder / "raw", 50, size, SLOW_SYNC_S)


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


def _raw_hz(
    path: Path, count: int, size: int, sync_s: float = 0.0, *, again: bool = False
) -> float:
    """Return writes with fdatasync a second: appended, or over what was written before."""
    file = os.open(path, os.O_CREAT | os.O_RDWR)
    data = os.urandom(size)
    try:
        if again:
            os.pwrite(file, data * count, 0)
            os.fsync(file)
        start_s = time.perf_counter()
        for number in range(count):
            os.pwrite(file, data, number * size)
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
