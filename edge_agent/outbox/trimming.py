"""What leaves the outbox: telemetry, and names of what units told; never an alarm on disk.

| | goes |
|---|---|
| telemetry | after 72 h, once every route has taken it, or beyond 50 000 messages; oldest first |
| names of units' records | after 90 days, when their boot is not their unit's newest one |
| in memory, while the disk fails | telemetry, then what every route has, then the least urgent |

Routes that report no telemetry pass it over (`Outbox.pass_over`), or nothing were ever taken.
"""

from collections.abc import Sequence

from edge_agent.outbox.connection import Connection

DAY_S = 86_400.0
TELEMETRY_S = 72 * 3600.0
"""Older telemetry goes, sent or not."""
TELEMETRY_ROWS = 50_000
"""More telemetry than this goes sooner: 11 messages a minute for 72 h."""
UNIT_EVENT_S = 90 * DAY_S
"""A unit's event is known again for so long, and as long as its boot is the unit's newest."""
TRIM_EVERY_S = 3600.0

MEMORY_EVENTS = 10_000
MEMORY_DONE = 1000
MEMORY_TELEMETRY = 1000
MEMORY_UNIT_EVENTS = 20_000
"""What memory holds while the disk fails (about 45 MB): so many events in all, and of those that
every route has, so many of the disk's newest. Telemetry goes first; then events that
every route has; only then waiting ones, low priority first, oldest first, and that is counted."""

_IS_DONE = "row NOT IN (SELECT row FROM deliveries WHERE verdict IS NOT 'accepted')"


class Trimming:
    """Deletes within the transaction of whoever calls it."""

    def __init__(self, connection: Connection, routes: Sequence[str]) -> None:
        self._db = connection
        self._routes = routes
        self._trimmed_s: float | None = None

    def telemetry(self) -> None:
        """Keep telemetry within its size; due when some was stored."""
        self._db.execute(
            "DELETE FROM telemetry WHERE row <= (SELECT max(row) FROM telemetry) - ?",
            (TELEMETRY_ROWS,),
        )

    def hourly(self, utc_s: float | None) -> None:
        """Let go what is old or taken, when an hour has passed since the last time."""
        if utc_s is None or (self._trimmed_s and 0 <= utc_s - self._trimmed_s < TRIM_EVERY_S):
            return
        self._trimmed_s = utc_s
        self._db.execute("DELETE FROM telemetry WHERE at_s < ?", (utc_s - TELEMETRY_S,))
        if self._routes:
            cursors = dict(self._db.execute("SELECT route, row FROM cursors"))
            taken = min(cursors.get(route, 0) for route in self._routes)
            self._db.execute("DELETE FROM telemetry WHERE row <= ?", (taken,))
        self._db.execute(
            "DELETE FROM unit_events WHERE at_s < ?"
            " AND (SELECT max(u.at_s) FROM unit_events u WHERE u.unit = unit_events.unit"
            "      AND u.boot_id = unit_events.boot_id)"
            "   < (SELECT max(u.at_s) FROM unit_events u WHERE u.unit = unit_events.unit)"
            " AND NOT EXISTS (SELECT 1 FROM alarms a"
            "      WHERE a.alarm_id = unit_events.alarm_id AND a.is_open)",
            (utc_s - UNIT_EVENT_S,),
        )

    def memory(self) -> int:
        """Keep memory within its limits; return how many waiting events had to go."""
        self._db.execute(
            "DELETE FROM telemetry WHERE row <= (SELECT max(row) FROM telemetry) - ?",
            (MEMORY_TELEMETRY,),
        )
        self._db.execute(
            "DELETE FROM unit_events WHERE at_s < (SELECT at_s FROM unit_events"
            " ORDER BY at_s DESC LIMIT 1 OFFSET ?)",
            (MEMORY_UNIT_EVENTS - 1,),
        )
        ((count,),) = self._db.execute("SELECT count(*) FROM events")
        if count <= MEMORY_EVENTS:
            return 0
        leaving = self._db.execute(
            f"SELECT row, {_IS_DONE} FROM events ORDER BY 2 DESC, priority DESC, row LIMIT ?",  # noqa: S608
            (count - MEMORY_EVENTS,),
        )
        rows = [(row,) for row, _ in leaving]
        self._db.execute_many("DELETE FROM events WHERE row = ?", rows)
        self._db.execute("DELETE FROM deliveries WHERE row NOT IN (SELECT row FROM events)")
        return sum(not is_done for _, is_done in leaving)
