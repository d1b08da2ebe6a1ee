"""The outbox's tables: the same ones on disk and, while the disk fails, in memory.

```
 events ----< deliveries (route, row): NULL waits | 'accepted' | 'parked'     alarms never leave
 telemetry    cursors (route): the last row taken                             trimmed, oldest first
```
A route's rows go high priority first, then in the order they were stored; telemetry only when no
alarm waits. A row is closed for a route by that route's own acceptance and by nothing else.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import msgspec

from edge_agent.alarm.alarm import Alarm
from edge_agent.alarm.catalogue import CONDITIONS
from edge_agent.outbox.connection import ConflictError, Connection
from edge_agent.outbox.merge import Contents, merge, read_alarm, rebuild_alarms
from edge_agent.outbox.rows import Batch, Row, Stored, Telemetry, UnitEvent
from edge_agent.outbox.trimming import DAY_S, Trimming

_log = logging.getLogger(__name__)

ENDED_LOADED = 32
MAX_PARK_ATTEMPTS = 3

TELEMETRY_BODY_BYTES = 2048
"""Longer telemetry is not stored."""

EVENTS_A_DAY = 40.0
EVENT_BYTES = 2000.0
"""What a home is taken to need before it has shown; fewer events a day are never counted on."""

Delivery = tuple[str, str, int]
"""Route, alarm and event: names hold across databases, row numbers only within one."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A batch that waits for its commit."""

    batch: Batch
    accepted: list[Delivery]
    utc_s: float


class Store:
    """Reads and writes the tables of one connection."""

    def __init__(self, connection: Connection, routes: Sequence[str]) -> None:
        self._db = connection
        self._routes = list(routes)
        self._trimming = Trimming(connection, self._routes)

    def start(self) -> None:
        """Let parked rows try again; give a new route every event of the open alarms.

        A platform that is added later hears of what is going on and of nothing that is over.
        """
        with self._db.transaction():
            self._db.probe()
            for route in self._routes:
                self.unpark(route)
                self._db.execute(
                    "INSERT OR IGNORE INTO deliveries (route, row, priority)"
                    " SELECT ?, e.row, e.priority FROM alarms a"
                    " JOIN events e ON e.alarm_id = a.alarm_id WHERE a.is_open",
                    (route,),
                )

    def stored(self) -> Stored:
        """Return what a starting agent takes back."""
        rows = self._db.execute(
            "SELECT alarm_id, body FROM alarms WHERE is_open UNION ALL "
            "SELECT * FROM (SELECT alarm_id, body FROM alarms WHERE NOT is_open"
            " ORDER BY changed_s DESC LIMIT ?)",
            (ENDED_LOADED,),
        )
        alarms = [alarm for name, body in rows if (alarm := self._alarm(name, body))]
        origins = self._db.execute(
            "SELECT u.unit, u.boot_id, u.seq, u.alarm_id FROM unit_events u"
            " JOIN alarms a ON a.alarm_id = u.alarm_id WHERE a.is_open"
        )
        facts = dict(self._db.execute("SELECT name, body FROM facts"))
        ((latest,),) = self._db.execute("SELECT max(at_s) FROM events")
        return Stored(alarms, [UnitEvent(*row) for row in origins], facts, latest or 0.0)

    def _alarm(self, name: str, body: bytes) -> Alarm | None:
        alarm = read_alarm(body)
        if alarm is None:  # a bit that no check of SQLite's sees: its events say what it was
            events = self._db.execute("SELECT * FROM events WHERE alarm_id = ?", (name,))
            alarm = next(iter(rebuild_alarms(events)), None)
            _log.error("alarm %s: damaged, %s", name, "rebuilt" if alarm else "cannot be read")
        return alarm

    def open_alarms(self) -> set[str]:
        """Return the names of the alarms that are open."""
        return {name for (name,) in self._db.execute("SELECT alarm_id FROM alarms WHERE is_open")}

    # -- writing ------------------------------------------------------------------------------

    def write(self, batches: Sequence[Waiting], cursors: dict[str, int]) -> list[str | None]:
        """Store batches in one commit; return for each None, or why it cannot be stored.

        One that goes against the schema is left out: it does not block the others.
        """
        try:
            with self._db.transaction():
                for waiting in batches:
                    self._write_batch(waiting.batch, waiting.utc_s)
                    self._accept(waiting.accepted)
                self._write_cursors(cursors)
                if any(waiting.batch.telemetry for waiting in batches):
                    self._trimming.telemetry()
                self._trimming.hourly(batches[-1].utc_s if batches else None)
        except ConflictError as error:
            if len(batches) == 1:
                return [str(error)]
            return [reason for batch in batches for reason in self.write([batch], cursors)]
        return [None] * len(batches)

    def _write_batch(self, batch: Batch, utc_s: float) -> None:
        for alarm in batch.alarms:
            self._write_alarm(alarm, utc_s)
        self._db.execute_many(
            "INSERT OR IGNORE INTO unit_events VALUES (?, ?, ?, ?, ?)",
            [(e.unit, e.boot_id, e.seq, e.alarm_id, utc_s) for e in batch.unit_events],
        )
        self._db.execute_many(
            "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body",
            batch.facts.items(),
        )
        self._db.execute_many(
            "INSERT INTO telemetry (at_s, topic, body) VALUES (?, ?, ?)",
            [(utc_s, message.topic, message.body) for message in batch.telemetry],
        )

    def _write_alarm(self, alarm: Alarm, utc_s: float) -> None:
        event = alarm.last
        priority = int(CONDITIONS[event.condition].priority)
        self._db.execute(
            "INSERT INTO alarms VALUES (?, ?, ?, ?) ON CONFLICT (alarm_id) DO UPDATE SET"
            " is_open = excluded.is_open, changed_s = excluded.changed_s, body = excluded.body",
            (alarm.alarm_id, alarm.is_open, alarm.changed_utc_s, msgspec.json.encode(alarm)),
        )
        ((row,),) = self._db.execute(
            "INSERT INTO events (alarm_id, event, priority, at_s, body) VALUES (?, ?, ?, ?, ?)"
            " RETURNING row",
            (event.alarm_id, event.event, priority, utc_s, msgspec.json.encode(event)),
        )
        self._db.execute_many(
            "INSERT INTO deliveries (route, row, priority) VALUES (?, ?, ?)",
            [(route, row, priority) for route in self._routes],
        )

    def rewrite(
        self,
        change: Callable[[bytes], bytes | None],
        given: Collection[tuple[str, int]],
        alarms: Sequence[Alarm],
    ) -> int:
        """Change the bodies of events that no route has been given; return how many.

        Args:
            change: returns the new body, or None to leave it.
            given: (alarm_id, event) that routes were handed.
            alarms: to be stored as they are now, without an event.
        """
        rows = self._db.execute(
            "SELECT row, alarm_id, event, body FROM events WHERE row NOT IN"
            " (SELECT row FROM deliveries WHERE verdict = 'accepted' OR attempts > 0)"
        )
        changed = [
            (body, row)
            for row, alarm_id, event, before in list(rows)
            if (alarm_id, event) not in given and (body := change(before)) is not None
        ]
        with self._db.transaction():
            self._db.execute_many("UPDATE events SET body = ? WHERE row = ?", changed)
            self._db.execute_many(
                "UPDATE alarms SET body = ?, changed_s = ? WHERE alarm_id = ?",
                [(msgspec.json.encode(one), one.changed_utc_s, one.alarm_id) for one in alarms],
            )
        return len(changed)

    def _accept(self, names: list[Delivery]) -> None:
        self._db.execute_many(
            "UPDATE deliveries SET verdict = 'accepted' WHERE route = ?"
            " AND row = (SELECT row FROM events WHERE alarm_id = ? AND event = ?)",
            names,
        )

    def _write_cursors(self, cursors: dict[str, int]) -> None:
        self._db.execute_many(
            "INSERT INTO cursors VALUES (?, ?)"
            " ON CONFLICT (route) DO UPDATE SET row = max(row, excluded.row)",
            cursors.items(),
        )

    def trim_memory(self) -> int:
        """Keep memory within its limits; return how many waiting events had to go."""
        return self._trimming.memory()

    def join(self, contents: Contents) -> None:
        """Add what another store holds, in one commit."""
        merge(self._db, contents, self._routes)

    # -- what waits ---------------------------------------------------------------------------

    def pending(self, route: str, limit: int) -> list[Row]:
        """Return what waits for a route: high priority first, then the order of events."""
        rows = self._db.execute(
            "SELECT d.row, e.alarm_id, e.event, e.body, d.attempts FROM deliveries d"
            " JOIN events e ON e.row = d.row WHERE d.route = ? AND d.verdict IS NULL"
            " ORDER BY d.priority, d.row LIMIT ?",
            (route, limit),
        )
        return [Row(*row) for row in rows]

    def telemetry(self, after: int, limit: int) -> list[Telemetry]:
        """Return the telemetry after a row, oldest first."""
        rows = self._db.execute(
            "SELECT topic, body, row FROM telemetry WHERE row > ? ORDER BY row LIMIT ?",
            (after, limit),
        )
        return [Telemetry(*row) for row in rows]

    def newest_telemetry(self) -> int:
        """Return the newest row of telemetry, 0 for none."""
        ((row,),) = self._db.execute("SELECT max(row) FROM telemetry")
        return int(row or 0)

    def cursor(self, route: str) -> int:
        """Return the last row of telemetry that a route has taken, 0 for none."""
        rows = self._db.execute("SELECT row FROM cursors WHERE route = ?", (route,))
        return int(rows[0][0]) if rows else 0

    def count_attempt(self, name: Delivery) -> bool:
        """Count a connection that ended on this event; True when it is parked now."""
        found = self._db.execute(
            "UPDATE deliveries SET attempts = attempts + 1,"
            " verdict = CASE WHEN attempts + 1 >= ? THEN 'parked' END"
            " WHERE route = ? AND row = (SELECT row FROM events WHERE alarm_id = ? AND event = ?)"
            " AND verdict IS NOT 'accepted' RETURNING attempts",
            (MAX_PARK_ATTEMPTS, *name),
        )
        return bool(found and found[0][0] >= MAX_PARK_ATTEMPTS)

    def unpark(self, route: str) -> None:
        """Let the parked rows of a route wait again."""
        self._db.execute(
            "UPDATE deliveries SET verdict = NULL, attempts = 0"
            " WHERE route = ? AND verdict = 'parked'",
            (route,),
        )

    def backlog(self) -> dict[str, int]:
        """Return how many events wait, by route."""
        rows = self._db.execute(
            "SELECT route, count(*) FROM deliveries WHERE verdict IS NULL GROUP BY route"
        )
        waiting = dict(rows)
        return {route: waiting.get(route, 0) for route in self._routes}

    def find(self, unit: str, boot_id: bytes, seq: int) -> UnitEvent | None:
        """Return a unit's event if it was stored before."""
        rows = self._db.execute(
            "SELECT alarm_id FROM unit_events WHERE unit = ? AND boot_id = ? AND seq = ?",
            (unit, boot_id, seq),
        )
        return UnitEvent(unit, boot_id, seq, rows[0][0]) if rows else None

    def usage(self) -> tuple[float, float]:
        """Return the events a day over the last 30 days, and the bytes that one takes."""
        ((first, last, mean),) = self._db.execute(
            "SELECT min(at_s), max(at_s), avg(length(body)) FROM events"
        )
        if first is None:
            return EVENTS_A_DAY, EVENT_BYTES
        since_s = max(first, last - 30 * DAY_S)
        ((count,),) = self._db.execute("SELECT count(*) FROM events WHERE at_s >= ?", (since_s,))
        a_day = count / max(1.0, (last - since_s) / DAY_S)
        # The event's body, its alarm's, and the rows and index entries around them.
        return max(a_day, EVENTS_A_DAY), 2 * mean + 200 * (1 + len(self._routes))
