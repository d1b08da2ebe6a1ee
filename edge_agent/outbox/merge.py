"""Everything an outbox holds, and how it joins what another one holds already.

The same union serves three ways: disk to memory when the disk fails, memory to disk when it works
again, and what was salvaged of a damaged file to a new one. Alarms and events are only ever added
and a verdict only ever goes from waiting to accepted, so a union in any order, done twice, or
with stale rows in it, forgets nothing: an event is its name `(alarm_id, event)`, not its row.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from edge_agent.alarm.alarm import Alarm, AlarmEvent, Due, State, Trigger
from edge_agent.clock import parse_utc
from edge_agent.outbox.connection import Connection

_Rows = list[tuple[Any, ...]]


@dataclass(slots=True)
class Contents:
    """Rows by table, columns as in schema.sql; row numbers hold within one `Contents`."""

    alarms: _Rows = field(default_factory=list)
    events: _Rows = field(default_factory=list)
    deliveries: _Rows = field(default_factory=list)
    unit_events: _Rows = field(default_factory=list)
    facts: _Rows = field(default_factory=list)
    telemetry: _Rows = field(default_factory=list)
    cursors: _Rows = field(default_factory=list)
    is_salvaged: bool = False
    """Rows may be missing: alarms are rebuilt from their events, and an event without a
    verdict goes to every route again."""


def take_contents(
    db: Connection, *, waiting: int, done: int, telemetry: int, unit_events: int
) -> Contents:
    """Return what an outbox holds, at most so many rows of each: the most urgent, the newest."""
    waits = "(SELECT row FROM deliveries WHERE verdict IS NOT 'accepted')"
    found = db.execute(
        f"SELECT * FROM events WHERE row IN {waits} ORDER BY priority, row LIMIT ?",  # noqa: S608
        (waiting,),
    )
    found += db.execute(
        f"SELECT * FROM events WHERE row NOT IN {waits} ORDER BY row DESC LIMIT ?",  # noqa: S608
        (done,),
    )
    rows = {row[0] for row in found}
    return Contents(
        alarms=db.execute("SELECT * FROM alarms WHERE is_open")
        + db.execute(
            "SELECT * FROM alarms WHERE NOT is_open ORDER BY changed_s DESC LIMIT ?", (done,)
        ),
        events=sorted(found),
        deliveries=[row for row in db.execute("SELECT * FROM deliveries") if row[1] in rows],
        unit_events=db.execute(
            "SELECT * FROM unit_events ORDER BY at_s DESC LIMIT ?", (unit_events,)
        ),
        facts=db.execute("SELECT * FROM facts"),
        telemetry=db.execute("SELECT * FROM telemetry ORDER BY row DESC LIMIT ?", (telemetry,))[
            ::-1
        ],
        cursors=db.execute("SELECT * FROM cursors"),
    )


def merge(db: Connection, contents: Contents, routes: Sequence[str]) -> None:
    """Add contents in one commit.

    Raises:
        DiskError: it could not be stored; nothing of it was.
    """
    with db.transaction():
        rows = _merge_events(db, contents.events)
        _merge_deliveries(db, contents, rows, routes)
        alarms = [alarm for row in contents.alarms if (alarm := read_alarm(row[3]))]
        if contents.is_salvaged:
            alarms += rebuild_alarms(contents.events)
        _merge_alarms(db, alarms)
        db.execute_many(
            "INSERT INTO unit_events VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET alarm_id = coalesce(alarm_id, excluded.alarm_id)",
            contents.unit_events,
        )
        db.execute_many("INSERT OR REPLACE INTO facts VALUES (?, ?)", contents.facts)
        _merge_telemetry(db, contents.telemetry)
        db.execute_many(
            "INSERT INTO cursors VALUES (?, ?)"
            " ON CONFLICT (route) DO UPDATE SET row = max(row, excluded.row)",
            contents.cursors,
        )


def _merge_events(db: Connection, events: _Rows) -> dict[int, int]:
    """Add events; return the row here for each row there."""
    rows: dict[int, int] = {}
    for row, *values in events:
        here = db.execute(
            "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?) RETURNING row", (row, *values)
        ) or db.execute(
            "INSERT OR IGNORE INTO events (alarm_id, event, priority, at_s, body)"
            " VALUES (?, ?, ?, ?, ?) RETURNING row",
            values,
        )
        if not here:
            here = db.execute("SELECT row FROM events WHERE alarm_id = ? AND event = ?", values[:2])
        rows[row] = here[0][0]
    return rows


def _merge_deliveries(
    db: Connection, contents: Contents, rows: dict[int, int], routes: Sequence[str]
) -> None:
    db.execute_many(
        "INSERT INTO deliveries VALUES (?, ?, ?, ?, ?) ON CONFLICT (route, row)"
        " DO UPDATE SET verdict = 'accepted' WHERE excluded.verdict = 'accepted'",
        [
            (route, rows[row], priority, verdict, attempts)
            for route, row, priority, verdict, attempts in contents.deliveries
            if row in rows
        ],
    )
    if contents.is_salvaged:
        db.execute_many(
            "INSERT OR IGNORE INTO deliveries (route, row, priority)"
            " SELECT ?, row, priority FROM events WHERE row = ?",
            [(route, row) for route in routes for row in rows.values()],
        )


def _merge_alarms(db: Connection, alarms: Iterable[Alarm]) -> None:
    for alarm in alarms:
        here = db.execute("SELECT body FROM alarms WHERE alarm_id = ?", (alarm.alarm_id,))
        known = read_alarm(here[0][0]) if here else None
        if known is None or known.last.event < alarm.last.event:
            body = msgspec.json.encode(alarm)
            row = (alarm.alarm_id, alarm.is_open, alarm.changed_utc_s, body)
            db.execute("INSERT OR REPLACE INTO alarms VALUES (?, ?, ?, ?)", row)


def _merge_telemetry(db: Connection, telemetry: _Rows) -> None:
    for row in telemetry:
        if not db.execute("INSERT OR IGNORE INTO telemetry VALUES (?, ?, ?, ?) RETURNING 1", row):
            db.execute(
                "INSERT INTO telemetry (at_s, topic, body) SELECT ?, ?, ? WHERE NOT EXISTS"
                " (SELECT 1 FROM telemetry WHERE at_s = ? AND topic = ? AND body = ?)",
                (*row[1:], *row[1:]),
            )


def read_alarm(body: bytes) -> Alarm | None:
    """Return a stored alarm, or None when its bytes are damaged."""
    try:
        return msgspec.json.decode(body, type=Alarm)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def rebuild_alarms(events: Iterable[tuple[Any, ...]]) -> list[Alarm]:
    """Make alarms from their last readable events.

    The timer of a suspicion was in the row that is lost: it counts as over, which confirms it.
    """
    last: dict[str, tuple[AlarmEvent, float]] = {}
    for _, name, number, _, at_s, body in events:
        if name not in last or number > last[name][0].event:
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                last[name] = msgspec.json.decode(body, type=AlarmEvent), at_s
    return [_rebuild(event, at_s) for event, at_s in last.values()]


def _rebuild(event: AlarmEvent, at_s: float) -> Alarm:
    over = Due(Trigger.CONFIRM, 0.0, "") if event.state is State.SUSPECTED else None
    try:
        return Alarm(event, parse_utc(event.onset), parse_utc(event.at), over)
    except ValueError:  # a bit of it is wrong, and it is an alarm all the same
        return Alarm(event, at_s, at_s, over)
