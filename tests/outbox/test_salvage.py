"""A damaged database: everything that can still be read is in the new one, and it is said."""

import asyncio
import random
import shutil
import sqlite3

import pytest

from edge_agent.alarm.alarm import State, Trigger
from edge_agent.outbox.connection import Connection
from edge_agent.outbox.merge import take_contents
from edge_agent.outbox.repair import _repair, open_or_repair
from edge_agent.outbox.rows import Batch, Known, Telemetry, UnitEvent
from edge_agent.outbox.salvage import _Pages, _records, salvage
from tests.test_outbox import make_alarm, make_outbox

PAGE = 4096
ALARMS = 60


async def fill(path, *, close=True):
    """Write 60 alarms of two events each, half of them taken by the route."""
    outbox = make_outbox(path)
    await outbox.open()
    for n in range(ALARMS):
        unit_event = UnitEvent("u", b"bootboot", n, f"a{n}")
        await outbox.put(Batch([make_alarm(f"a{n}", 1)], [unit_event]), 1.0)
        await outbox.put(Batch([make_alarm(f"a{n}", 2, State.CONFIRMED)]), 2.0)
    for row in await outbox.pending("mqtt", ALARMS):
        await outbox.put(Batch(accepted=[("mqtt", row.row)]), 3.0)
    telemetry = [Telemetry("t", b"1"), Telemetry("t", b"2")]
    await outbox.put(Batch(facts={"bed:b1": b"{}"}, telemetry=telemetry), 4.25)
    await outbox.passed("mqtt", 1, 4.25)
    if close:
        await outbox.close()
    return outbox


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    path = tmp_path_factory.mktemp("filled") / "o.db"
    asyncio.run(fill(path))
    return path


@pytest.fixture
def path(filled, tmp_path):
    return shutil.copy(filled, tmp_path / "o.db")


def overwrite(path, at, data):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


async def read_all(path):
    """Open it; return the alarms, what waits, and what was said."""
    outbox = make_outbox(path)
    stored = await outbox.open()
    waiting = {(row.alarm_id, row.event) for row in await outbox.pending("mqtt", 999)}
    known = [await outbox.knows("u", b"bootboot", n) for n in range(ALARMS)]
    health = outbox.health
    await outbox.close()
    return {a.alarm_id: a.last.event for a in stored.alarms}, waiting, known, health


ALL = {f"a{n}": 2 for n in range(ALARMS)}


@pytest.mark.parametrize(
    ("at", "what"),
    [(0, "the header"), (28, "the size"), (100, "the schema"), (PAGE, "the first table")],
)
async def test_a_damaged_page_of_the_frame_costs_no_row(tmp_path, at, what, path):
    _, before, _, _ = await read_all(path)
    overwrite(path, at, random.Random(at).randbytes(100))
    alarms, waiting, known, health = await read_all(path)

    assert alarms == ALL, what
    assert waiting == before
    assert known == [Known(f"a{n}", is_durable=True) for n in range(ALARMS)]
    assert health.is_durable
    kept = [
        p.name for p in tmp_path.iterdir() if "damaged" in p.name and not p.name.endswith("-wal")
    ]
    assert len(kept) == 1
    assert health.repaired is not None
    assert health.repaired.endswith(f"; 120 events read back, the old file is kept as {kept[0]}")
    assert (await read_all(path))[3].repaired is None


async def test_every_page_can_be_lost_and_no_row_of_another_page_is(tmp_path, path):
    copy = tmp_path / "copy.db"
    events_lost = []
    for page in range(path.stat().st_size // PAGE):
        shutil.copy(path, copy)
        overwrite(copy, page * PAGE, bytes(PAGE))
        events_lost.append(2 * ALARMS - len(salvage(copy).events))

    assert sum(events_lost) == 2 * ALARMS  # each event is on one page, and on one only
    assert max(events_lost) <= 8


TABLES = ("alarms", "events", "deliveries", "unit_events", "facts", "telemetry", "cursors")


@pytest.mark.parametrize("table", TABLES)
def test_what_is_read_byte_by_byte_is_what_sqlite_reads(path, table):
    connection = Connection(path)
    whole = take_contents(connection, waiting=999, done=999, telemetry=9, unit_events=999)
    connection.close()

    rows = getattr(whole, table)
    assert rows
    assert set(rows) <= set(getattr(salvage(path), table))


VALUES = [
    None, 0, 1, -1, 127, -128, 2**15, -(2**15), 2**23, -(2**23) - 1, 2**31, 2**47, -(2**47) - 1,
    2**63 - 1, -(2**63), 0.1, -1e300, "", "床", "x" * 57, "y" * 600, b"", b"\xff" * 97, b"z" * 9000,
]  # fmt: skip
ROW_IDS = [-5, 1, 127, 128, 2**14, 2**28, 2**35, 2**49, 2**56, 2**62]


@pytest.mark.parametrize("page_bytes", [512, PAGE, 65_536])
@pytest.mark.parametrize("without_row_id", [False, True])
def test_a_record_of_any_shape_is_read_as_sqlite_reads_it(tmp_path, page_bytes, without_row_id):
    database = sqlite3.connect(tmp_path / "any.db", isolation_level=None)
    database.execute(f"PRAGMA page_size = {page_bytes}")
    kind = "WITHOUT ROWID" if without_row_id else ""
    database.execute(f"CREATE TABLE any (id INTEGER PRIMARY KEY, one, two) {kind}")
    rows = {
        (row_id + 1000 * n, value, "end") for row_id in ROW_IDS for n, value in enumerate(VALUES)
    }
    longest = (page_bytes - 35, (page_bytes - 12) * 64 // 255 - 23)  # that stay on their page
    around = {length - n for length in longest for n in range(-3, 20)}
    rows |= {(10**6 + length, "l" * length, "end") for length in around}
    database.executemany("INSERT INTO any VALUES (?, ?, ?)", rows)
    database.close()

    pages = _Pages((tmp_path / "any.db").read_bytes(), b"")
    found = [one for number in pages.numbers() for one in _records(pages.page(number), pages)]
    expected = {(0, row) if without_row_id else (row[0], (None, *row[1:])) for row in rows}
    assert pages.size == page_bytes
    assert expected <= set(found)


async def test_an_alarm_whose_own_row_is_lost_is_rebuilt_and_a_lost_timer_is_over(tmp_path):
    path = tmp_path / "o.db"
    outbox = make_outbox(path)
    await outbox.open()
    await outbox.put(Batch([make_alarm("a", 1)]), 1.0)
    await outbox.close()
    database = sqlite3.connect(path)
    (root,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name='alarms'").fetchone()
    database.close()
    overwrite(path, (root - 1) * PAGE, random.Random(1).randbytes(PAGE))

    outbox = make_outbox(path)
    (alarm,) = (await outbox.open()).alarms
    assert alarm.last == make_alarm("a", 1).last
    assert alarm.due is not None
    assert (alarm.due.trigger, alarm.due.host_boot) == (Trigger.CONFIRM, "")
    await outbox.close()


async def test_an_event_whose_verdict_is_lost_goes_out_again(path):
    database = sqlite3.connect(path)
    (root,) = database.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name='deliveries'"
    ).fetchone()
    database.close()
    overwrite(path, (root - 1) * PAGE, bytes(PAGE))

    _, waiting, _, _ = await read_all(path)
    assert waiting == {(f"a{n}", event) for n in range(ALARMS) for event in (1, 2)}


async def test_what_is_only_in_the_log_is_read_from_the_log(tmp_path):
    path, copy = tmp_path / "o.db", tmp_path / "copy.db"
    outbox = await fill(path, close=False)
    shutil.copy(path, copy)
    shutil.copy(tmp_path / "o.db-wal", tmp_path / "copy.db-wal")
    await outbox.close()
    contents = salvage(copy)

    assert len(contents.events) == 2 * ALARMS
    accepted = {row[1] for row in contents.deliveries if row[3] == "accepted"}
    assert len(accepted) == ALARMS


@pytest.mark.parametrize("seed", range(60))
async def test_noise_anywhere_is_survived_and_leaves_whole_alarms(seed, path):
    rng = random.Random(seed)
    size = path.stat().st_size
    for _ in range(rng.randrange(1, 20)):
        overwrite(path, rng.randrange(size), rng.randbytes(rng.choice((1, 8, 300))))
    if rng.random() < 0.3:
        with path.open("r+b") as file:
            file.truncate(rng.randrange(size))
    alarms, _, _, health = await read_all(path)

    assert health.is_durable
    assert set(alarms) <= set(ALL)
    assert set(alarms.values()) <= {1, 2}


async def test_a_file_that_is_no_database_is_put_aside_and_said(tmp_path):
    path = tmp_path / "o.db"
    path.write_bytes(random.Random(3).randbytes(8192))
    alarms, waiting, _, health = await read_all(path)

    assert (alarms, waiting) == ({}, set())
    assert health.repaired is not None
    assert health.repaired.startswith("the database is damaged (file is not a database); 0 events")


async def test_damage_found_while_running_goes_to_memory_and_to_a_new_file(watch, path):
    home = watch(path)
    await home.outbox.open()
    waiting = await home.outbox.pending("mqtt", 999)
    overwrite(path, 2 * PAGE, random.Random(1).randbytes(path.stat().st_size - 2 * PAGE))
    for n in range(40):  # until SQLite has to read a page that it has not kept
        await home.outbox._do(lambda store: store._db.execute("PRAGMA shrink_memory"))
        await home.outbox.put(Batch([make_alarm(f"new{n}")]), 5.0)
    if home.outbox.health.is_durable and home.outbox.health.repaired is None:
        health = await home.next_health()
        assert health.trouble is not None
        assert health.trouble.startswith("the database is damaged")
    while home.outbox.health.repaired is None or not home.outbox.health.is_durable:
        await home.next_health()

    names = {row.alarm_id for row in await home.outbox.pending("mqtt", 999)}
    assert names >= {f"new{n}" for n in range(40)}
    assert waiting
    await home.outbox.close()


@pytest.mark.parametrize("step", ["building", "built", "log aside", "both aside"])
async def test_a_repair_that_is_killed_is_taken_up_again(tmp_path, step, path):
    overwrite(path, 100, bytes(100))
    if step == "building":
        (tmp_path / "o.db.building").write_bytes(path.read_bytes()[:PAGE])
    else:
        _repair(path, ["mqtt"])
        (tmp_path / "o.db-wal").write_bytes(random.Random(2).randbytes(PAGE))
    if step in ("log aside", "both aside"):
        (tmp_path / "o.db-wal").rename(tmp_path / "o.db.damaged-20261123T021407Z-wal")
    if step == "both aside":
        path.rename(tmp_path / "o.db.damaged-20261123T021407Z")

    alarms, _, _, health = await read_all(path)
    assert alarms == ALL
    assert health.is_durable
    assert not (tmp_path / "o.db.new").exists()


def test_at_most_three_damaged_files_are_kept(tmp_path):
    path = tmp_path / "o.db"
    for n in range(6):
        (tmp_path / f"o.db.damaged-2026112{n}T000000Z").write_bytes(b"old")
    path.write_bytes(bytes(8192))
    connection, done = open_or_repair(path, ["mqtt"])
    connection.close()

    assert done is not None
    assert len(list(tmp_path.glob("*.damaged-*"))) == 3
