"""The outbox: what must not be lost, on disk before anybody hears of it (SQLite).

WAL with `synchronous=FULL`: a commit that returned survives a power cut. The database lives
on a thread of its own; everything that waits is written in one commit. Alarm rows are never
evicted and never expire.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import msgspec

from edge_agent.alarm.alarm import Alarm
from edge_agent.alarm.catalogue import CONDITIONS

SCHEMA_VERSION = 1
ENDED_LOADED = 32
MAX_PARK_ATTEMPTS = 3

_T = TypeVar("_T")


class OutboxError(Exception):
    """The outbox cannot be opened or cannot store; an alarm path must not go on."""


@dataclass(frozen=True, slots=True)
class Row:
    """One event waiting for a route."""

    row: int
    alarm_id: str
    event: int
    body: bytes
    attempts: int


@dataclass(frozen=True, slots=True)
class UnitEvent:
    """The name of something a unit told, with the alarm it became."""

    unit: str
    boot_id: bytes
    seq: int
    alarm_id: str | None = None


@dataclass(slots=True)
class Batch:
    """What is to be stored in one go: all of it or nothing."""

    alarms: list[Alarm] = field(default_factory=list)
    unit_events: list[UnitEvent] = field(default_factory=list)
    facts: dict[str, bytes] = field(default_factory=dict)
    accepted: list[tuple[str, int]] = field(default_factory=list)
    """(route, row) that a route has accepted: only that closes a row, for that route."""

    def __bool__(self) -> bool:
        return bool(self.alarms or self.unit_events or self.facts or self.accepted)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the outbox held at start."""

    alarms: list[Alarm]
    origins: list[UnitEvent]
    """The units' events that the open alarms came with."""
    facts: dict[str, bytes]
    latest_utc_s: float


class Outbox:
    """The database and its thread. All methods but the constructor are coroutines."""

    def __init__(
        self,
        path: Path,
        routes: list[str],
        outside: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._path = path
        self._routes = routes
        self._outside = outside
        self._thread = ThreadPoolExecutor(1, "outbox")
        self._database: sqlite3.Connection | None = None
        self._waiting: list[tuple[Batch, float, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def open(self) -> Stored:
        """Open or make the database and return what is in it.

        Raises:
            OutboxError: it cannot be opened, or a newer release wrote it.
        """
        return await self._run(self._open)

    async def put(self, batch: Batch, utc_s: float) -> None:
        """Store a batch; returns once it is on disk.

        Raises:
            OutboxError: it could not be stored, nor could anything else that waited.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((batch, utc_s, done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_waiting(), name="outbox writer")
        await done

    async def pending(self, route: str, limit: int) -> list[Row]:
        """Return what waits for a route: high priority first, then the order of events."""
        return await self._run(lambda: self._pending(route, limit))

    async def count_attempt(self, route: str, row: int) -> bool:
        """Count a connection that ended on this row; True when the row is parked now."""
        return await self._run(lambda: self._count_attempt(route, row))

    async def unpark(self, route: str) -> None:
        """Let parked rows try again (at start and when routes change)."""
        await self._run(lambda: self._unpark(route))

    async def knows(self, unit: str, boot_id: bytes, seq: int) -> str | None:
        """Return the alarm a unit's event became, '' for none, or None when it is new."""
        return await self._run(lambda: self._knows(unit, boot_id, seq))

    async def backlog(self) -> dict[str, int]:
        """Return how many events wait, by route."""
        return await self._run(self._backlog)

    async def close(self) -> None:
        """Write what waits and close the database."""
        if self._writer is not None:
            await self._writer
        await self._run(self._close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], _T]) -> _T:
        with self._outside():
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _write_waiting(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                await self._run(lambda batches=waiting: self._write(batches))  # type: ignore[misc]
            except Exception as error:
                for _, _, done in waiting:
                    if not done.done():
                        done.set_exception(OutboxError(f"{self._path}: {error}"))
                continue
            for _, _, done in waiting:
                if not done.done():
                    done.set_result(None)
        self._writer = None

    # -- on the outbox thread ------------------------------------------------------------

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._database is not None, "the outbox is not open"
        return self._database

    def _open(self) -> Stored:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self._path, isolation_level=None)
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            database.execute("PRAGMA foreign_keys=ON")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version == 0:
                sql = files("edge_agent").joinpath("schema.sql").read_text("utf-8")
                database.executescript(f"BEGIN EXCLUSIVE;{sql}COMMIT;")
            elif version > SCHEMA_VERSION:
                raise OutboxError(f"{self._path}: written by a newer release (format {version})")
            self._database = database
            self._unpark_all()
            return self._stored()
        except (sqlite3.Error, OSError) as error:
            raise OutboxError(f"{self._path}: {error}") from error

    def _stored(self) -> Stored:
        rows = self._db.execute(
            "SELECT body FROM alarms WHERE is_open UNION ALL "
            "SELECT body FROM (SELECT body FROM alarms WHERE NOT is_open"
            " ORDER BY changed_s DESC LIMIT ?)",
            (ENDED_LOADED,),
        )
        alarms = [msgspec.json.decode(body, type=Alarm) for (body,) in rows]
        origins = self._db.execute(
            "SELECT u.unit, u.boot_id, u.seq, u.alarm_id FROM unit_events u"
            " JOIN alarms a ON a.alarm_id = u.alarm_id WHERE a.is_open"
        )
        facts = dict(self._db.execute("SELECT name, body FROM facts"))
        (latest,) = self._db.execute("SELECT max(at_s) FROM events").fetchone()
        return Stored(alarms, [UnitEvent(*row) for row in origins], facts, latest or 0.0)

    def _write(self, batches: list[tuple[Batch, float, "asyncio.Future[None]"]]) -> None:
        database = self._db
        database.execute("BEGIN IMMEDIATE")
        try:
            for batch, utc_s, _ in batches:
                for alarm in batch.alarms:
                    self._write_alarm(alarm, utc_s)
                database.executemany(
                    "INSERT OR IGNORE INTO unit_events VALUES (?, ?, ?, ?, ?)",
                    [(e.unit, e.boot_id, e.seq, e.alarm_id, utc_s) for e in batch.unit_events],
                )
                database.executemany(
                    "INSERT INTO facts VALUES (?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET body = excluded.body",
                    list(batch.facts.items()),
                )
                database.executemany(
                    "UPDATE deliveries SET verdict = 'accepted' WHERE route = ? AND row = ?",
                    batch.accepted,
                )
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:  # a full disk has rolled it back already
                database.execute("ROLLBACK")
            raise

    def _write_alarm(self, alarm: Alarm, utc_s: float) -> None:
        event = alarm.last
        priority = int(CONDITIONS[event.condition].priority)
        self._db.execute(
            "INSERT INTO alarms VALUES (?, ?, ?, ?) ON CONFLICT (alarm_id) DO UPDATE SET"
            " is_open = excluded.is_open, changed_s = excluded.changed_s, body = excluded.body",
            (alarm.alarm_id, alarm.is_open, alarm.changed_utc_s, msgspec.json.encode(alarm)),
        )
        cursor = self._db.execute(
            "INSERT INTO events (alarm_id, event, priority, at_s, body) VALUES (?, ?, ?, ?, ?)",
            (event.alarm_id, event.event, priority, utc_s, msgspec.json.encode(event)),
        )
        self._db.executemany(
            "INSERT INTO deliveries (route, row, priority) VALUES (?, ?, ?)",
            [(route, cursor.lastrowid, priority) for route in self._routes],
        )

    def _pending(self, route: str, limit: int) -> list[Row]:
        rows = self._db.execute(
            "SELECT d.row, e.alarm_id, e.event, e.body, d.attempts FROM deliveries d"
            " JOIN events e ON e.row = d.row WHERE d.route = ? AND d.verdict IS NULL"
            " ORDER BY d.priority, d.row LIMIT ?",
            (route, limit),
        )
        return [Row(*row) for row in rows]

    def _count_attempt(self, route: str, row: int) -> bool:
        (attempts,) = self._db.execute(
            "UPDATE deliveries SET attempts = attempts + 1,"
            " verdict = CASE WHEN attempts + 1 >= ? THEN 'parked' END"
            " WHERE route = ? AND row = ? RETURNING attempts",
            (MAX_PARK_ATTEMPTS, route, row),
        ).fetchone()
        return bool(attempts >= MAX_PARK_ATTEMPTS)

    def _unpark(self, route: str) -> None:
        self._db.execute(
            "UPDATE deliveries SET verdict = NULL, attempts = 0"
            " WHERE route = ? AND verdict = 'parked'",
            (route,),
        )

    def _unpark_all(self) -> None:
        for route in self._routes:
            self._unpark(route)

    def _knows(self, unit: str, boot_id: bytes, seq: int) -> str | None:
        row = self._db.execute(
            "SELECT alarm_id FROM unit_events WHERE unit = ? AND boot_id = ? AND seq = ?",
            (unit, boot_id, seq),
        ).fetchone()
        return None if row is None else row[0] or ""

    def _backlog(self) -> dict[str, int]:
        rows = self._db.execute(
            "SELECT route, count(*) FROM deliveries WHERE verdict IS NULL GROUP BY route"
        )
        return dict.fromkeys(self._routes, 0) | dict(rows)

    def _close(self) -> None:
        self._db.close()
        self._database = None
