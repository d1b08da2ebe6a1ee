"""The broker is away for a week: 10 000 alarms and all telemetry, and then it comes back."""

import asyncio
import resource
import tracemalloc

import pytest

from edge_agent.alarm.alarm import State
from edge_agent.outbox.rows import Batch, Telemetry
from edge_agent.outbox.trimming import DAY_S, TELEMETRY_S
from tests.test_outbox import make_alarm, make_outbox

NOW_S = 1_795_400_000.0
ALARMS = 10_000
STEP_S = 7 * DAY_S / 1000
PER_STEP = ALARMS // 1000
TELEMETRY_PER_STEP = 30
"""Three messages a minute, all week."""


@pytest.mark.timeout(180)
async def test_a_week_away_costs_no_alarm_and_a_new_one_is_first_in_line(tmp_path):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    tracemalloc.start()
    now_s = NOW_S
    for step in range(1000):
        now_s = NOW_S + step * STEP_S
        names = range(step * PER_STEP, (step + 1) * PER_STEP)
        alarms = [make_alarm(f"a{n}", 1, State.CONFIRMED, "unit_lost") for n in names]
        body = b'{"bpm":%d,"at_s":%d}' % (60, now_s)
        telemetry = [Telemetry("vitals/bed-1", body)] * TELEMETRY_PER_STEP
        assert await outbox.put(Batch(alarms, telemetry=telemetry), now_s)
    traced, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert traced < 2_000_000  # nothing of the backlog is kept in memory

    first = (await outbox.telemetry("mqtt", 1))[0]
    oldest_s = int(first.body.split(b":")[-1][:-1])
    assert oldest_s >= now_s - TELEMETRY_S - 3600 - STEP_S  # trimmed once an hour
    assert oldest_s <= now_s - TELEMETRY_S + STEP_S

    delivered = []
    while rows := await outbox.pending("mqtt", 1 if len(delivered) < 50 else 500):
        if len(delivered) == 20:  # one message of the backlog is under way when she falls
            await outbox.put(Batch([make_alarm("fall", 1)]), now_s)
        await outbox.put(Batch(accepted=[("mqtt", row.row) for row in rows]), now_s)
        delivered += [row.alarm_id for row in rows]
    assert delivered.index("fall") == 21
    delivered.remove("fall")
    assert delivered == [f"a{n}" for n in range(ALARMS)]

    sent = 0
    while messages := await outbox.telemetry("mqtt", 1000):
        await outbox.passed("mqtt", messages[-1].row, now_s)
        sent += len(messages)
    assert sent == pytest.approx(TELEMETRY_S / STEP_S * TELEMETRY_PER_STEP, rel=0.03)
    await outbox.close()


async def test_a_slow_disk_stops_nothing_but_what_is_put(disk, tmp_path):
    """20 ms for every fsync: the loop turns on, and a burst of 100 alarms is stored in 1 s."""
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    disk.sync_s = 0.02
    loop = asyncio.get_running_loop()
    longest_s, stop = 0.0, False

    async def read_units():
        nonlocal longest_s
        while not stop:
            before_s = loop.time()
            await asyncio.sleep(0.001)
            longest_s = max(longest_s, loop.time() - before_s)

    reader = asyncio.create_task(read_units())
    syncs = disk.syncs
    start_s = loop.time()
    await asyncio.gather(*(outbox.put(Batch([make_alarm(f"b{n}")]), 1.0) for n in range(100)))
    burst_s = loop.time() - start_s
    assert disk.syncs - syncs <= 4
    cpu_s = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    for n in range(20):
        await outbox.put(Batch([make_alarm(f"s{n}")]), 1.0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - cpu_s < 0.4
    stop = True
    await reader
    assert burst_s < 1.0
    assert longest_s < 0.2
    disk.sync_s = 0.0
    await outbox.close()
