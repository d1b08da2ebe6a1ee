"""Which records of a damaged database are rows, where they are, and what becomes of the rest."""

import shutil
import sqlite3
from contextlib import closing

import msgspec
import pytest

from edge_agent.alarm.alarm import State
from edge_agent.outbox.connection import Connection
from edge_agent.outbox.merge import merge, rebuild_alarms
from edge_agent.outbox.rows import Batch, Telemetry, UnitEvent
from edge_agent.outbox.salvage import salvage
from edge_agent.outbox.store import Store
from tests.test_outbox import make_alarm, make_outbox

NOW_S = 1_795_400_000.0


async def fill(path, *, close=True):
    """Two alarms: one goes on, one is parked; a third one is over."""
    outbox = make_outbox(path)
    await outbox.open()
    await outbox.put(Batch([make_alarm("a", 1)], [UnitEvent("u", b"bootboot", 1, "a")]), NOW_S)
    await outbox.put(Batch([make_alarm("a", 2, State.CONFIRMED)]), NOW_S)
    await outbox.put(Batch([make_alarm("bad")]), NOW_S)
    await outbox.put(Batch([make_alarm("over", 1, State.CLOSED)], facts={"f": b"1"}), NOW_S)
    await outbox.put(Batch(telemetry=[Telemetry("t", b"1"), Telemetry("t", b"2")]), NOW_S)
    parked = next(row for row in await outbox.pending("mqtt", 9) if row.alarm_id == "bad")
    for _ in range(3):
        await outbox.count_attempt("mqtt", parked.row)
    await outbox.passed("mqtt", 1, NOW_S)
    if close:
        await outbox.close()
    return outbox


@pytest.fixture
async def path(tmp_path):
    await fill(tmp_path / "o.db")
    return tmp_path / "o.db"


def change(path, *statements):
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)


def merged(contents):
    """Return the alarms of a new database with these contents."""
    database = Connection(None)
    merge(database, contents, ["mqtt"])
    stored = Store(database, ["mqtt"]).stored()
    database.close()
    return stored.alarms


def names(contents):
    return [row[1:3] for row in contents.events]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("body", "CAST(replace(body, 'anzhen', 'another') AS BLOB)"),
        ("body", "x'7b'"),
        ("body", "x'ff' || body"),
        ("body", "(SELECT body FROM events WHERE alarm_id = 'over')"),
        ("event", "7"),
        ("priority", "3"),
        ("priority", "-1"),
    ],
)
async def test_an_event_whose_body_does_not_bear_its_name_is_no_event(path, column, value):
    assert names(salvage(path)) == [("a", 1), ("a", 2), ("bad", 1), ("over", 1)]
    change(path, f"UPDATE events SET {column} = {value} WHERE alarm_id = 'bad'")
    assert names(salvage(path)) == [("a", 1), ("a", 2), ("over", 1)]


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("alarms", "UPDATE alarms SET body = CAST('{' AS BLOB) WHERE alarm_id = 'bad'"),
        ("unit_events", "UPDATE unit_events SET boot_id = x'00112233445566'"),
        ("deliveries", "UPDATE deliveries SET verdict = 'perhaps' WHERE row = 3"),
        ("cursors", "UPDATE cursors SET row = 0"),
        ("cursors", f"UPDATE cursors SET route = '{'r' * 65}'"),
    ],
)
async def test_a_record_that_only_has_the_shape_of_a_row_is_none(path, table, statement):
    before = len(getattr(salvage(path), table))
    change(path, "PRAGMA ignore_check_constraints = ON", statement)
    assert len(getattr(salvage(path), table)) == before - 1


async def test_everything_is_read_and_what_was_parked_is_parked(path):
    contents = salvage(path)
    assert {row[0] for row in contents.alarms} == {"a", "bad", "over"}
    assert [row[:4] for row in contents.unit_events] == [("u", b"bootboot", 1, "a")]
    assert sorted(row[1:4] for row in contents.deliveries) == [
        (1, 0, None), (2, 0, None), (3, 0, "parked"), (4, 0, None),
    ]  # fmt: skip
    assert contents.facts == [("f", b"1")]
    assert [row[2:] for row in contents.telemetry] == [("t", b"2")]
    assert contents.cursors == [("mqtt", 1)]


async def test_an_alarm_without_events_and_events_without_an_alarm_are_both_open(path):
    contents = salvage(path)
    contents.events = [row for row in contents.events if row[1] != "bad"]
    contents.alarms = [row for row in contents.alarms if row[0] != "a"]
    assert {one.alarm_id: one.last.event for one in merged(contents)} == {
        "a": 2, "bad": 1, "over": 1,
    }  # fmt: skip


async def test_an_alarm_that_is_whole_keeps_its_timer_whatever_its_events_make_of_it(path):
    found = {one.alarm_id: one for one in merged(salvage(path))}
    assert found["bad"] == make_alarm("bad")
    assert found["a"] == make_alarm("a", 2, State.CONFIRMED)


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"schema":"\xff"}', b"[]", b""])
def test_an_event_that_cannot_be_read_makes_no_alarm(body):
    good = msgspec.json.encode(make_alarm("a").last)
    rows = [(1, "a", 1, 0, 1.0, good), (2, "a", 2, 0, 1.0, body), (3, "b", 1, 0, 1.0, body)]
    assert [one.last for one in rebuild_alarms(rows)] == [make_alarm("a").last]


async def test_a_record_longer_than_a_page_is_read_whole_from_the_log(tmp_path):
    path, copy = tmp_path / "o.db", tmp_path / "copy.db"
    outbox = await fill(path, close=False)
    alarm = make_alarm("long")
    text = {"zh": "跌倒" * 3000, "en": "Fall"}
    alarm = msgspec.structs.replace(alarm, last=msgspec.structs.replace(alarm.last, text=text))
    await outbox.put(Batch([alarm]), NOW_S)
    shutil.copy(path, copy)
    shutil.copy(tmp_path / "o.db-wal", tmp_path / "copy.db-wal")
    await outbox.close()

    contents = salvage(copy)
    assert names(contents)[-1] == ("long", 1)
    assert len(contents.events[-1][5]) > 4 * 4096
    assert "long" in {row[0] for row in contents.alarms}


async def test_a_log_of_an_earlier_round_is_not_read(tmp_path, path):
    """Frames whose salt is not the log's own are what was there before a checkpoint."""
    await (await fill(tmp_path / "other.db", close=False)).close()
    outbox = make_outbox(path)
    await outbox.open()
    await outbox.put(Batch([make_alarm("new")]), NOW_S)
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    log = bytearray((tmp_path / "o.db-wal").read_bytes())
    await outbox.close()
    (tmp_path / "copy.db-wal").write_bytes(log)
    assert ("new", 1) in names(salvage(copy))
    log[16:24] = b"\0" * 8
    (tmp_path / "copy.db-wal").write_bytes(log)
    assert ("new", 1) not in names(salvage(copy))
    assert ("a", 1) in names(salvage(copy))


async def test_a_record_of_more_than_a_mebibyte_is_none_of_ours_and_is_left(tmp_path):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    sizes = {"small": 1000 * 1000, "large": 1100 * 1000}
    await outbox.put(Batch(facts={name: bytes(size) for name, size in sizes.items()}), NOW_S)
    await outbox.close()
    assert [name for name, _ in salvage(tmp_path / "o.db").facts] == ["small"]


async def test_a_log_that_is_cut_short_hides_nothing_of_the_file(tmp_path, path):
    before = salvage(path)
    outbox = make_outbox(path)
    await outbox.open()
    telemetry = [Telemetry("t", b"3")]
    await outbox.put(
        Batch([make_alarm("new")], [UnitEvent("u", b"bootboot", 2)], {}, [], telemetry), NOW_S
    )
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    log = (tmp_path / "o.db-wal").read_bytes()
    await outbox.close()
    step = 4096 + 24
    for cut in range(1, len(log) - 32, step // 2):
        (tmp_path / "copy.db-wal").write_bytes(log[:-cut])
        after = salvage(copy)
        for table in ("alarms", "events", "unit_events", "facts", "telemetry"):
            assert {row[:3] for row in getattr(before, table)} <= {
                row[:3] for row in getattr(after, table)
            }, (table, cut)


async def test_the_first_message_of_all_is_read_as_well(tmp_path):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    await outbox.put(Batch(telemetry=[Telemetry("t", b"1")]), NOW_S)
    await outbox.close()
    assert salvage(tmp_path / "o.db").telemetry == [(1, NOW_S, "t", b"1")]
