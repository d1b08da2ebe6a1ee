"""Telemetry behind alarms, routes that come later, keys that are forgotten in time, capacity."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from edge_agent.alarm.alarm import State
from edge_agent.outbox import store, trimming
from edge_agent.outbox.rows import Batch, Known, Telemetry, UnitEvent
from tests.test_outbox import make_alarm, make_outbox

DAY_S = 86_400.0
NOW_S = 1_795_400_000.0


def vitals(*numbers):
    return [Telemetry("vitals/bed-1", b"%d" % n) for n in numbers]


def read(messages):
    return [int(message.body) for message in messages]


async def test_each_route_takes_telemetry_in_order_at_its_own_pace_and_over_a_restart(tmp_path):
    outbox = make_outbox(tmp_path / "o.db", ("mqtt", "http"))
    await outbox.open()
    assert await outbox.put(Batch(telemetry=vitals(1, 2, 3)), NOW_S)
    first, second, _ = await outbox.telemetry("mqtt", 10)
    assert first.topic == "vitals/bed-1"
    await outbox.passed("mqtt", second.row, NOW_S)
    await outbox.passed("http", first.row, NOW_S)
    assert read(await outbox.telemetry("mqtt", 10)) == [3]
    await outbox.close()

    outbox = make_outbox(tmp_path / "o.db", ("mqtt", "http"))
    await outbox.open()
    assert read(await outbox.telemetry("mqtt", 10)) == [3]
    assert read(await outbox.telemetry("http", 10)) == [2, 3]
    await outbox.close()


async def test_a_cursor_costs_one_commit_for_many_messages_and_a_kill_repeats_at_most_those(
    tmp_path,
):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    await outbox.put(Batch(telemetry=vitals(*range(100))), NOW_S)
    for message in await outbox.telemetry("mqtt", 100):
        await outbox.passed("mqtt", message.row, NOW_S)

    other = make_outbox(tmp_path / "o.db")  # what a killed agent would find
    await other.open()
    assert read(await other.telemetry("mqtt", 100)) == list(range(64, 100))
    await other.close()
    await outbox.close()


async def test_telemetry_goes_after_72_h_or_when_every_route_has_it_or_beyond_its_size(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(trimming, "TELEMETRY_ROWS", 10)
    outbox = make_outbox(tmp_path / "o.db", ("mqtt", "http"))
    await outbox.open()
    await outbox.put(Batch([make_alarm("old")]), NOW_S - 40 * DAY_S)
    await outbox.put(Batch(telemetry=vitals(1, 2)), NOW_S - 3 * DAY_S - 7200)
    await outbox.put(Batch(telemetry=vitals(3)), NOW_S - 3 * DAY_S + 60)
    assert read(await outbox.telemetry("mqtt", 20)) == [1, 2, 3]
    await outbox.put(Batch(telemetry=vitals(4, 5)), NOW_S)
    assert read(await outbox.telemetry("mqtt", 20)) == [3, 4, 5]

    taken = (await outbox.telemetry("mqtt", 20))[1].row
    await outbox.passed("mqtt", taken, NOW_S)
    await outbox.passed("http", taken - 1, NOW_S)
    await outbox.put(Batch(telemetry=vitals(6)), NOW_S + 3600)
    assert read(await outbox._do(lambda store: store.telemetry(0, 20))) == [4, 5, 6]

    await outbox.put(Batch(telemetry=vitals(*range(7, 20))), NOW_S + 3601)
    assert read(await outbox._do(lambda store: store.telemetry(0, 20))) == list(range(10, 20))
    assert [row.alarm_id for row in await outbox.pending("mqtt", 5)] == ["old"]
    await outbox.close()


async def test_telemetry_that_every_route_has_goes_within_the_hour_and_what_one_lacks_stays(
    tmp_path,
):
    outbox = make_outbox(tmp_path / "o.db", ("mqtt", "http"))
    await outbox.open()
    await outbox.put(Batch(telemetry=vitals(1, 2, 3)), NOW_S)
    first, _, last = await outbox.telemetry("mqtt", 10)
    await outbox.passed("mqtt", last.row, NOW_S)
    await outbox.passed("http", first.row, NOW_S)

    for later_s, kept in ((3599, [1, 2, 3]), (3600, [2, 3])):
        await outbox.put(Batch(facts={"a": b""}), NOW_S + later_s)
        assert read(await outbox._do(lambda store: store.telemetry(0, 20))) == kept
    await outbox.close()


async def test_telemetry_that_is_too_long_is_left_out_alone_and_counted(tmp_path):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    longest = store.TELEMETRY_BODY_BYTES
    bodies = [bytes(longest + 1), bytes(longest), bytes(longest + 1)]
    assert await outbox.put(Batch(telemetry=[Telemetry("t", body) for body in bodies]), NOW_S)

    assert [len(one.body) for one in await outbox.telemetry("mqtt", 9)] == [longest]
    assert outbox._lane.failover.telemetry_dropped == 2
    await outbox.close()


async def test_a_route_that_comes_later_hears_all_of_what_is_open_and_nothing_of_what_is_over(
    tmp_path,
):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    await outbox.put(Batch([make_alarm("over", 1)]), 1.0)
    await outbox.put(Batch([make_alarm("over", 2, State.CLOSED)]), 2.0)
    await outbox.put(Batch([make_alarm("open", 1)]), 3.0)
    await outbox.put(Batch([make_alarm("open", 2, State.CONFIRMED)]), 4.0)
    for row in await outbox.pending("mqtt", 9):
        await outbox.put(Batch(accepted=[("mqtt", row.row)]), 5.0)
    await outbox.close()

    outbox = make_outbox(tmp_path / "o.db", ("mqtt", "http"))
    await outbox.open()
    assert [(r.alarm_id, r.event) for r in await outbox.pending("http", 9)] == [
        ("open", 1),
        ("open", 2),
    ]
    assert await outbox.pending("mqtt", 9) == []
    await outbox.close()


async def test_a_route_that_is_taken_away_keeps_its_place_and_is_not_in_the_backlog(tmp_path):
    outbox = make_outbox(tmp_path / "o.db", ("mqtt", "http"))
    await outbox.open()
    await outbox.put(Batch([make_alarm("a")]), 1.0)
    await outbox.close()
    outbox = make_outbox(tmp_path / "o.db", ("mqtt",))
    await outbox.open()
    assert await outbox.backlog() == {"mqtt": 1}
    await outbox.close()
    outbox = make_outbox(tmp_path / "o.db", ("mqtt", "http"))
    await outbox.open()
    assert await outbox.backlog() == {"mqtt": 1, "http": 1}
    await outbox.close()


async def test_an_alarm_whose_body_is_damaged_is_rebuilt_from_its_events_and_that_is_said(
    tmp_path, caplog
):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    await outbox.put(Batch([make_alarm("a"), make_alarm("b")]), 1.0)
    await outbox.close()
    with closing(sqlite3.connect(tmp_path / "o.db")) as database, database:
        database.execute("UPDATE alarms SET body = '{'")
        database.execute("UPDATE events SET body = '{' WHERE alarm_id = 'b'")

    outbox = make_outbox(tmp_path / "o.db")
    stored = await outbox.open()
    assert [alarm.last for alarm in stored.alarms] == [make_alarm("a").last]
    assert caplog.messages == ["alarm a: damaged, rebuilt", "alarm b: damaged, cannot be read"]
    await outbox.close()


@pytest.mark.parametrize(
    "batch",
    [
        Batch([make_alarm("a")]),
        Batch(unit_events=[UnitEvent("u", b"bootboot", 1)]),
        Batch(facts={"a": b""}),
        Batch(accepted=[("mqtt", 1)]),
        Batch(telemetry=vitals(1)),
    ],
)
def test_a_batch_with_anything_in_it_is_to_be_stored(batch):
    assert batch
    assert not Batch()


async def test_an_accepted_row_is_never_parked(tmp_path):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    await outbox.put(Batch([make_alarm("a")]), 1.0)
    (row,) = await outbox.pending("mqtt", 1)
    await outbox.put(Batch(accepted=[("mqtt", row.row)]), 2.0)

    assert not any([await outbox.count_attempt("mqtt", row.row) for _ in range(4)])
    await outbox.unpark("mqtt")
    assert await outbox.pending("mqtt", 1) == []
    await outbox.close()


async def test_a_units_event_is_known_for_90_days_and_longer_from_its_newest_boot_or_open_alarm(
    tmp_path,
):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    old, new = b"boot-old", b"boot-new"
    await outbox.put(Batch([make_alarm("open")], [UnitEvent("u", old, 1, "open")]), NOW_S)
    await outbox.put(Batch(unit_events=[UnitEvent("u", old, 2)]), NOW_S)
    await outbox.put(Batch(unit_events=[UnitEvent("u", new, 1)]), NOW_S + 1)
    await outbox.put(Batch(unit_events=[UnitEvent("v", old, 1)]), NOW_S + 1)

    await outbox.put(Batch(facts={"a": b""}), NOW_S + 89 * DAY_S)
    assert await outbox.knows("u", old, 2) == Known(None, is_durable=True)
    await outbox.put(Batch(facts={"a": b""}), NOW_S + 91 * DAY_S)
    assert await outbox.knows("u", old, 2) is None
    assert await outbox.knows("u", old, 1) == Known("open", is_durable=True)
    assert await outbox.knows("u", new, 1) == Known(None, is_durable=True)
    assert await outbox.knows("v", old, 1) == Known(None, is_durable=True)
    await outbox.close()


async def test_capacity_counts_what_events_take_at_the_rate_of_the_last_30_days(tmp_path):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    fresh = await outbox.capacity()
    assert (fresh.events_per_day, fresh.bytes_per_event) == (40.0, 2000.0)
    for day in [*range(40), 8.5]:  # one bad day more than 30 days ago
        batch = Batch([make_alarm(f"a{day}-{n}") for n in range(500 if day == 8.5 else 100)])
        await outbox.put(batch, NOW_S + day * DAY_S)

    capacity = await outbox.capacity()
    assert capacity.events_per_day == pytest.approx(100, rel=0.05)
    assert capacity.days == capacity.free_bytes / (
        capacity.events_per_day * capacity.bytes_per_event
    )
    await outbox.close()
    assert (tmp_path / "o.db").stat().st_size / 4500 == pytest.approx(
        capacity.bytes_per_event, rel=0.25
    )


async def test_a_route_that_wants_no_telemetry_passes_over_what_there_is_and_never_back(tmp_path):
    outbox = make_outbox(tmp_path / "o.db", ("county", "mqtt"))
    await outbox.open()
    await outbox.pass_over("county", NOW_S)  # nothing is there yet
    await outbox.put(Batch(telemetry=vitals(1, 2)), NOW_S)
    await outbox.pass_over("county", NOW_S)
    assert await outbox.telemetry("county", 9) == []
    assert read(await outbox.telemetry("mqtt", 9)) == [1, 2]
    await outbox.put(Batch(telemetry=vitals(3)), NOW_S)
    assert read(await outbox.telemetry("county", 9)) == [3]
    await outbox.passed("county", 99, NOW_S)
    await outbox.pass_over("county", NOW_S)
    await outbox.close()

    outbox = make_outbox(tmp_path / "o.db", ("county", "mqtt"))
    await outbox.open()
    assert await outbox._cursor("county") == 99
    assert await outbox._cursor("mqtt") == 0
    await outbox.close()


async def test_passing_over_nothing_new_costs_the_disk_nothing(tmp_path):
    outbox = make_outbox(tmp_path / "o.db", ("county",))
    await outbox.open()
    await outbox.put(Batch(telemetry=vitals(1)), NOW_S)
    with closing(sqlite3.connect(tmp_path / "o.db")) as database:
        before = database.execute("PRAGMA data_version").fetchone()
        for _ in range(130):
            await outbox.pass_over("county", NOW_S)
        assert database.execute("PRAGMA data_version").fetchone() == before
    await outbox.close()


@pytest.mark.parametrize("gone", range(4))
async def test_whoever_does_not_wait_any_more_keeps_nobody_else_waiting(tmp_path, gone):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    puts = [asyncio.create_task(outbox.put(Batch([make_alarm(f"a{n}")]), 1.0)) for n in range(4)]
    await asyncio.sleep(0)
    puts[gone].cancel()
    async with asyncio.timeout(10):
        answers = await asyncio.gather(*puts, return_exceptions=True)
    assert [answer for answer in answers if answer is True] == [True] * 3
    assert len(await outbox.pending("mqtt", 9)) == 4
    await outbox.close()
