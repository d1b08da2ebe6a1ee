"""Databases of other releases: an older one keeps every row, a newer one is left as it is."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

from edge_agent.alarm.alarm import State
from edge_agent.outbox.connection import steps
from edge_agent.outbox.rows import Batch, Known, OutboxError, Telemetry
from tests.test_outbox import make_alarm, make_outbox

VERSION_1 = (Path(__file__).parent / "schema_v1.sql").read_text("utf-8")
TABLES = ("alarms", "events", "deliveries", "unit_events", "facts")


def write_version_1(path):
    """Write a database as version 0.1.0 of the agent did."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.executescript(f"BEGIN EXCLUSIVE;{VERSION_1}COMMIT;")
    for n in range(50):
        alarm = make_alarm(f"a{n}", 1, State.CONFIRMED)
        database.execute(
            "INSERT INTO alarms VALUES (?, 1, ?, ?)", (f"a{n}", 2.0 + n, msgspec.json.encode(alarm))
        )
        body = msgspec.json.encode(alarm.last)
        database.execute(
            "INSERT INTO events VALUES (?, ?, 1, 0, ?, ?)", (n + 7, f"a{n}", 5.0, body)
        )
        verdict = (None, "accepted", "parked")[n % 3]
        database.execute("INSERT INTO deliveries VALUES ('mqtt', ?, 0, ?, 1)", (n + 7, verdict))
        database.execute(
            "INSERT INTO unit_events VALUES ('u', ?, ?, ?, 5.0)", (b"bootboot", n, f"a{n}")
        )
        database.execute("INSERT INTO facts VALUES (?, ?)", (f"fact{n}", b"{}"))
    rows = dump(database)
    database.close()
    return rows


def dump(database):
    return {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}


def test_the_first_step_is_what_was_shipped_as_version_1():
    def bare(sql):
        lines = (line.split("--")[0].strip() for line in sql.splitlines())
        return [line for line in lines if line and not line.startswith("PRAGMA")]

    assert bare(steps()[1]) == bare(VERSION_1)


async def test_a_database_of_version_1_keeps_every_row_and_takes_telemetry(tmp_path):
    path = tmp_path / "o.db"
    before = write_version_1(path)
    outbox = make_outbox(path)
    stored = await outbox.open()
    assert len(stored.alarms) == 50
    assert await outbox.knows("u", b"bootboot", 49) == Known("a49", is_durable=True)
    assert len(await outbox.pending("mqtt", 99)) == 33  # waiting, and parked: tried again
    await outbox.put(Batch([make_alarm("new")], telemetry=[Telemetry("t", b"1")]), 6.0)
    assert len(await outbox.telemetry("mqtt", 9)) == 1
    await outbox.close()

    database = sqlite3.connect(path)
    after = dump(database)
    assert database.execute("PRAGMA user_version").fetchone() == (max(steps()),)
    database.close()
    for table in TABLES:
        kept = [row[:3] for row in after[table]] if table == "deliveries" else after[table]
        old = [row[:3] for row in before[table]] if table == "deliveries" else before[table]
        assert set(old) <= set(kept), table


async def test_a_newer_format_is_refused_and_its_files_are_left_as_they_are(tmp_path):
    path = tmp_path / "o.db"
    outbox = make_outbox(path)
    await outbox.open()
    await outbox.put(Batch([make_alarm("a")]), 1.0)
    await outbox.close()
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA user_version = 99")
    database.execute("CREATE TABLE later (x)")
    files = {p.name: p.read_bytes() for p in tmp_path.iterdir() if not p.name.endswith("-shm")}
    assert "o.db-wal" in files  # as after a power cut

    with pytest.raises(OutboxError) as caught:
        await make_outbox(path).open()
    assert str(caught.value) == f"{path}: written by a newer release (format 99)"
    after = {p.name: p.read_bytes() for p in tmp_path.iterdir() if not p.name.endswith("-shm")}
    assert after == files
    database.close()
