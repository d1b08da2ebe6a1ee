"""The outbox: on disk before anybody hears of it, and nothing lost by whatever happens to us."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from edge_agent.alarm.alarm import SCHEMA, AgentStamp, Alarm, AlarmEvent, Due, State, Trigger
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Batch, Known, OutboxError, UnitEvent


def make_alarm(
    name: str = "a1", event: int = 1, state: State = State.SUSPECTED, condition: str = "fall"
) -> Alarm:
    last = AlarmEvent(
        SCHEMA, name, event, condition, state, "high", "640302001001", "h1", "bath", "p1",
        "pendant-1", "pendant", "2026-11-23T02:14:07.310Z", "2026-11-23T02:14:08.810Z", "ntp",
        0.0, 0.9, {"peak_g": 4.8}, None, [], {"zh": "跌倒", "en": "Fall"}, AgentStamp("s", "0"),
    )  # fmt: skip
    due = Due(Trigger.CONFIRM, 1011.5, "boot") if state is State.SUSPECTED else None
    return Alarm(last, 1.0, 2.0, due)


def make_outbox(path: Path, routes: tuple[str, ...] = ("mqtt",)) -> Outbox:
    return Outbox(path, list(routes), nullcontext)


async def test_what_was_put_is_there_after_opening_again(tmp_path):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    alarm = make_alarm()
    await outbox.put(Batch([alarm], [UnitEvent("u", b"12345678", 7, "a1")], {"bed:b1": b"{}"}), 5.0)
    await outbox.close()

    outbox = make_outbox(tmp_path / "o.db")
    stored = await outbox.open()
    assert stored.alarms == [alarm]
    assert stored.origins == [UnitEvent("u", b"12345678", 7, "a1")]
    assert stored.facts == {"bed:b1": b"{}"}
    assert stored.latest_utc_s == 5.0
    assert await outbox.knows("u", b"12345678", 7) == Known("a1", is_durable=True)
    assert await outbox.knows("u", b"12345678", 8) is None
    (row,) = await outbox.pending("mqtt", 10)
    assert (row.alarm_id, row.event) == ("a1", 1)
    await outbox.close()


async def test_a_row_is_closed_only_by_its_own_route(tmp_path):
    outbox = make_outbox(tmp_path / "o.db", ("mqtt", "http"))
    await outbox.open()
    await outbox.put(Batch([make_alarm()]), 1.0)
    (row,) = await outbox.pending("mqtt", 1)
    await outbox.put(Batch(accepted=[("mqtt", row.row)]), 2.0)

    assert await outbox.pending("mqtt", 1) == []
    assert [r.alarm_id for r in await outbox.pending("http", 1)] == ["a1"]
    assert await outbox.backlog() == {"mqtt": 0, "http": 1}
    await outbox.close()


async def test_high_priority_goes_first_and_events_of_an_alarm_stay_in_order(tmp_path):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    await outbox.put(Batch([make_alarm("low", 1, State.CONFIRMED, "unit_lost")]), 1.0)
    await outbox.put(Batch([make_alarm("f", 1)]), 2.0)
    await outbox.put(Batch([make_alarm("f", 2, State.CONFIRMED)]), 3.0)

    rows = await outbox.pending("mqtt", 10)
    assert [(row.alarm_id, row.event) for row in rows] == [("f", 1), ("f", 2), ("low", 1)]
    await outbox.close()


async def test_a_row_that_ends_the_connection_three_times_is_parked_and_tried_again_later(tmp_path):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    await outbox.put(Batch([make_alarm("bad"), make_alarm("good")]), 1.0)
    (bad, _) = await outbox.pending("mqtt", 2)

    assert [await outbox.count_attempt("mqtt", bad.row) for _ in range(3)] == [False, False, True]
    assert [row.alarm_id for row in await outbox.pending("mqtt", 2)] == ["good"]
    await outbox.unpark("mqtt")
    assert [row.alarm_id for row in await outbox.pending("mqtt", 2)] == ["bad", "good"]
    await outbox.close()


async def test_what_waits_together_is_one_commit(tmp_path):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    database = sqlite3.connect(tmp_path / "o.db")
    (before,) = database.execute("PRAGMA data_version").fetchone()
    await asyncio.gather(*(outbox.put(Batch([make_alarm(f"a{n}")]), 1.0) for n in range(50)))

    assert len(await outbox.pending("mqtt", 100)) == 50
    (after,) = database.execute("PRAGMA data_version").fetchone()
    assert after - before <= 2  # the first put alone, the other 49 behind it
    database.close()
    await outbox.close()


async def test_a_batch_is_stored_whole_or_not_at_all_and_says_so(tmp_path):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    await outbox.put(Batch([make_alarm("a", 1)]), 1.0)
    with pytest.raises(OutboxError) as caught:
        await outbox.put(Batch([make_alarm("b", 1), make_alarm("a", 1)]), 2.0)

    assert str(caught.value) == (
        f"{tmp_path / 'o.db'}: UNIQUE constraint failed: events.alarm_id, events.event"
    )
    assert [row.alarm_id for row in await outbox.pending("mqtt", 10)] == ["a"]
    await outbox.put(Batch([make_alarm("c", 1)]), 3.0)
    assert [row.alarm_id for row in await outbox.pending("mqtt", 10)] == ["a", "c"]
    await outbox.close()


async def test_a_batch_that_is_wrong_does_not_take_those_with_it_that_waited_beside_it(tmp_path):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    await outbox.put(Batch([make_alarm("a", 1)]), 1.0)
    results = await asyncio.gather(
        *(outbox.put(Batch([make_alarm(name, 1)]), 2.0) for name in "bac"), return_exceptions=True
    )

    assert [type(result) for result in results] == [bool, OutboxError, bool]
    assert [row.alarm_id for row in await outbox.pending("mqtt", 10)] == ["a", "b", "c"]
    await outbox.close()


async def test_a_row_that_nobody_was_given_is_not_closed(tmp_path, caplog):
    outbox = make_outbox(tmp_path / "o.db", ("mqtt", "http"))
    await outbox.open()
    await outbox.put(Batch([make_alarm("a"), make_alarm("b")]), 1.0)
    (row,) = await outbox.pending("mqtt", 1)
    await outbox.put(Batch(accepted=[("http", row.row), ("mqtt", row.row + 1)]), 2.0)

    assert await outbox.backlog() == {"mqtt": 2, "http": 2}
    assert caplog.messages == [
        f"route http: row {row.row} was not handed out",
        f"route mqtt: row {row.row + 1} was not handed out",
    ]
    await outbox.close()


WRITER = """
import asyncio, sys
from contextlib import nullcontext
from pathlib import Path
sys.path.insert(0, {root!r})
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Batch
from tests.test_outbox import make_alarm

async def main():
    outbox = Outbox(Path(sys.argv[1]), ["mqtt"], nullcontext)
    await outbox.open()
    for n in range(10_000):
        await outbox.put(Batch([make_alarm(f"k{{n}}")]), 1.0)
        print(n, flush=True)

asyncio.run(main())
"""


async def test_kill_9_loses_nothing_that_was_said_to_be_stored(tmp_path):
    root = str(Path(__file__).parents[1])
    for kill_after in (1, 7, 40):
        path = tmp_path / f"{kill_after}.db"
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER.format(root=root), str(path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        said = [int(writer.stdout.readline()) for _ in range(kill_after)]
        writer.send_signal(signal.SIGKILL)
        said += [int(line) for line in writer.stdout.read().split()]
        writer.wait()
        writer.stdout.close()

        outbox = make_outbox(path)
        stored = {alarm.alarm_id for alarm in (await outbox.open()).alarms}
        assert {f"k{n}" for n in said} <= stored
        await outbox.close()
