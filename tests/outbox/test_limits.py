"""What the outbox promises in numbers: waits, sizes, and how much of each is kept."""

import asyncio
import os
import sqlite3
import time
from collections import namedtuple
from contextlib import closing

import pytest

from edge_agent.alarm.alarm import State
from edge_agent.evaluate.costs.bad_disk import Fault
from edge_agent.outbox.connection import Connection, DamageError, DiskError, _translated
from edge_agent.outbox.failover import Failover, try_to_open
from edge_agent.outbox.handed import Handed
from edge_agent.outbox.repair import open_or_repair
from edge_agent.outbox.rows import Batch, OutboxError, Row, Telemetry, UnitEvent
from edge_agent.outbox.store import Store, Waiting
from edge_agent.outbox.trimming import Trimming
from tests.outbox.conftest import Watched
from tests.test_outbox import make_alarm, make_outbox

MIB = 1024 * 1024
NOW_S = 1_795_400_000.0
ROWS = "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n LIMIT ?)"

Space = namedtuple("Space", "f_bavail f_frsize")


@pytest.fixture
def free(monkeypatch):
    """Let the file system say how many bytes it has left."""

    def say(count):
        monkeypatch.setattr(os, "statvfs", lambda _: Space(count, 1))

    return say


# -- the database file ----------------------------------------------------------------------------


@pytest.fixture
def connection(tmp_path):
    connection = Connection(tmp_path / "o.db")
    yield connection
    connection.close()


def test_a_database_that_another_program_holds_is_waited_for_one_second(connection):
    assert connection.execute("PRAGMA busy_timeout") == [(1000,)]


def test_the_folder_of_a_new_database_is_for_its_owner_alone(tmp_path):
    Connection(tmp_path / "a" / "b" / "o.db").close()
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_file_that_another_one_has_replaced_is_not_written_to(connection, tmp_path):
    (tmp_path / "other").write_bytes(b"")
    (tmp_path / "other").replace(tmp_path / "o.db")
    with (
        pytest.raises(DiskError, match=r"^another file has taken the database's place$"),
        connection.transaction(),
    ):
        pytest.fail("it began")


def insert_telemetry(connection, count):
    with connection.transaction():
        connection.execute(
            f"{ROWS} INSERT INTO telemetry (at_s, topic, body)"
            " SELECT 1.0, 't', zeroblob(3900) FROM n",
            (count,),
        )


def test_the_log_of_small_commits_stays_near_4_mb(connection, tmp_path):
    for _ in range(60):
        insert_telemetry(connection, 50)
    assert 3.5 * MIB < (tmp_path / "o.db-wal").stat().st_size < 5 * MIB


def test_a_log_that_one_commit_made_huge_is_cut_back_to_8_mib(connection, tmp_path):
    insert_telemetry(connection, 5000)
    assert (tmp_path / "o.db-wal").stat().st_size > 18 * MIB
    insert_telemetry(connection, 1)
    assert (tmp_path / "o.db-wal").stat().st_size == 8 * MIB


@pytest.mark.parametrize(
    ("version", "error", "words"),
    [
        (999, OutboxError, "written by a newer release (format 999)"),
        (1000, DamageError, "the database is damaged (format 1000)"),
        (-1, DamageError, "the database is damaged (format -1)"),
    ],
)
def test_a_format_that_no_release_will_have_is_noise(tmp_path, version, error, words):
    path = tmp_path / "o.db"
    Connection(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(error) as caught:
        Connection(path)
    assert str(caught.value).endswith(words)


def test_an_error_of_sqlites_without_a_code_is_damage():
    with pytest.raises(DamageError, match=r"^the database is damaged \(whatever\)$"), _translated:
        raise sqlite3.DatabaseError("whatever")


# -- room on the disk -----------------------------------------------------------------------------


def test_memory_is_left_for_a_disk_with_4_mib_and_for_none_that_has_less(tmp_path, free):
    free(4 * MIB - 1)
    assert try_to_open(tmp_path / "o.db", []) == "the disk is full"
    assert not (tmp_path / "o.db").exists()
    free(4 * MIB)
    opened = try_to_open(tmp_path / "o.db", [])
    assert not isinstance(opened, str)
    opened[0].close()


async def test_telemetry_leaves_the_last_64_mib_to_alarms(tmp_path, free):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    for count in (64 * MIB - 1, 64 * MIB):
        free(count)
        assert await outbox.put(Batch(telemetry=[Telemetry("t", b"%d" % count)]), NOW_S)
    kept = await outbox.telemetry("mqtt", 9)
    assert [int(one.body) for one in kept] == [64 * MIB]
    await outbox.close()


async def test_a_message_of_2048_bytes_is_stored_and_none_that_is_longer(tmp_path):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    await outbox.put(Batch(telemetry=[Telemetry("t", bytes(n)) for n in (2049, 2048)]), NOW_S)
    assert [len(one.body) for one in await outbox.telemetry("mqtt", 9)] == [2048]
    await outbox.close()


# -- waits ----------------------------------------------------------------------------------------


async def test_a_disk_that_hangs_holds_an_alarm_back_for_3_s(disk, watch, tmp_path):
    home = watch(tmp_path / "o.db")
    await home.outbox.open()
    disk.hold.clear()
    begin_s = time.monotonic()
    assert await home.outbox.put(Batch([make_alarm("a")]), NOW_S) is False
    assert 2.9 < time.monotonic() - begin_s < 5.0
    disk.hold.set()
    while not (await home.next_health()).is_durable:
        pass
    await home.outbox.close()


async def test_a_disk_that_fails_is_tried_again_after_1_s_and_then_ever_more_seldom_to_30_s(
    disk, tmp_path, monkeypatch
):
    waits_s = []
    slept = asyncio.sleep

    async def sleep(wait_s):
        waits_s.append(wait_s)
        if len(waits_s) == 9:
            disk.fault = Fault.NONE
        await slept(0)

    home = Watched(tmp_path / "o.db")
    await home.outbox.open()
    monkeypatch.setattr(asyncio, "sleep", sleep)
    disk.fault = Fault.FULL
    assert await home.outbox.put(Batch([make_alarm("a")]), NOW_S) is False
    while not (await home.next_health()).is_durable:
        pass
    assert waits_s == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]
    await home.outbox.close()


# -- what is kept ---------------------------------------------------------------------------------


def test_the_last_1024_rows_that_a_route_was_handed_can_be_accepted(caplog):
    handed = Handed()
    handed.note("mqtt", [Row(n, f"a{n}", 1, b"", 0) for n in range(1, 1026)])
    handed.note("http", [Row(1, "other", 2, b"", 0)])
    assert handed.name("mqtt", 1) is None
    assert handed.name("mqtt", 2) == ("mqtt", "a2", 1)
    assert handed.name("http", 1) == ("http", "other", 2)
    assert len(handed.events()) == 1025
    assert caplog.messages == ["route mqtt: row 1 was not handed out"]


def test_a_row_that_was_handed_again_is_among_the_last():
    handed = Handed()
    rows = [Row(n, f"a{n}", 1, b"", 0) for n in range(1, 1025)]
    handed.note("mqtt", rows)
    handed.note("mqtt", rows[:1])
    handed.note("mqtt", [Row(2000, "new", 1, b"", 0)])
    assert handed.name("mqtt", 1) == ("mqtt", "a1", 1)
    assert handed.name("mqtt", 2) is None


async def test_the_32_alarms_that_changed_last_of_those_that_are_over_are_taken_back(tmp_path):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    over = [make_alarm(f"a{n}", 1, State.CLOSED) for n in range(40)]
    await outbox.put(Batch([*over, make_alarm("open")]), NOW_S)
    await outbox.close()
    outbox = make_outbox(tmp_path / "o.db")
    assert len((await outbox.open()).alarms) == 32 + 1
    await outbox.close()


@pytest.fixture
def memory():
    connection = Connection(None)
    yield connection
    connection.close()


def test_telemetry_beyond_50_000_messages_goes_the_oldest_first(memory):
    memory.execute(
        f"{ROWS} INSERT INTO telemetry (at_s, topic, body) SELECT 1.0, 't', '' FROM n",
        (50_003,),
    )
    Trimming(memory, []).telemetry()
    assert memory.execute("SELECT min(row), count(*) FROM telemetry") == [(4, 50_000)]


def fill_memory(memory, count):
    memory.execute(
        f"{ROWS} INSERT INTO events (alarm_id, event, priority, at_s, body)"
        " SELECT 'a' || n, 1, 1, 1.0, '' FROM n",
        (count,),
    )
    memory.execute("INSERT INTO deliveries SELECT 'mqtt', row, 1, NULL, 0 FROM events")


def test_memory_holds_10_000_events_1000_messages_and_20_000_names_of_units_records(memory):
    fill_memory(memory, 10_003)
    memory.execute(
        f"{ROWS} INSERT INTO telemetry (at_s, topic, body) SELECT 1.0, 't', '' FROM n",
        (1003,),
    )
    memory.execute(
        f"{ROWS} INSERT INTO unit_events SELECT 'u', x'00', n, NULL, n FROM n",
        (20_010,),
    )
    assert Trimming(memory, ["mqtt"]).memory() == 3
    assert memory.execute("SELECT min(row), count(*) FROM events") == [(4, 10_000)]
    assert memory.execute("SELECT min(row), count(*) FROM deliveries") == [(4, 10_000)]
    assert memory.execute("SELECT min(row), count(*) FROM telemetry") == [(4, 1000)]
    ((names,),) = memory.execute("SELECT count(*) FROM unit_events")
    assert names == 20_000


def test_memory_that_holds_just_as_much_as_it_may_drops_nothing(memory):
    fill_memory(memory, 10_000)
    assert Trimming(memory, ["mqtt"]).memory() == 0
    assert memory.execute("SELECT count(*) FROM events") == [(10_000,)]


def test_of_a_disk_that_fails_its_newest_1000_events_that_are_done_are_taken_along(tmp_path):
    path = tmp_path / "o.db"
    connection = Connection(path)
    with connection.transaction():
        fill_memory(connection, 1200)
        connection.execute("UPDATE deliveries SET verdict = 'accepted' WHERE row > 100")
    connection.close()
    failover = Failover(path, ["mqtt"])
    failover.open()
    path.rename(tmp_path / "gone")
    answers = failover.write([Waiting(Batch(facts={"a": b""}), [], NOW_S)], {})
    assert answers == [False]
    contents = failover.contents()
    assert len(contents.events) == 100 + 1000
    assert [row[0] for row in contents.events[99:101]] == [100, 201]
    failover.close(try_disk=False)


def test_a_units_event_is_found_by_its_whole_name(memory):
    event = UnitEvent("u", b"bootboot", 7, "a1")
    store = Store(memory, [])
    store.write([Waiting(Batch(unit_events=[event]), [], NOW_S)], {})
    assert store.find("u", b"bootboot", 7) == event
    for unit, boot_id, seq in (("v", b"bootboot", 7), ("u", b"bootbook", 7), ("u", b"bootboot", 8)):
        assert store.find(unit, boot_id, seq) is None


def test_a_home_is_taken_to_need_40_events_a_day_of_2000_bytes_until_it_has_shown(memory):
    assert Store(memory, []).usage() == (40.0, 2000.0)


def test_a_repair_keeps_the_newest_damaged_file_with_its_log(tmp_path):
    path = tmp_path / "o.db"
    for day in range(1, 5):
        for suffix in ("", "-wal"):
            (tmp_path / f"o.db.damaged-2026110{day}T000000Z{suffix}").write_bytes(b"old")
    path.write_bytes(bytes(8192))
    (tmp_path / "o.db-wal").write_bytes(b"its log")
    connection, done = open_or_repair(path, [])
    connection.close()
    assert done is not None
    aside = done.rsplit(" ", 1)[1]
    kept = sorted(one.name for one in tmp_path.glob("*.damaged-*"))
    older = [f"o.db.damaged-2026110{day}T000000Z" for day in (3, 4)]
    assert kept == sorted(name + suffix for name in [*older, aside] for suffix in ("", "-wal"))
    assert (tmp_path / f"{aside}-wal").read_bytes() == b"its log"
