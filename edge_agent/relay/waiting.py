"""Rows that a platform has not yet accepted: which goes next, which again, and when.

```
 pending rows --choose--> sent --verdict accepted, rejected--> settled
                    ^       |
                    |       +--no reply within 5 s, retry--> aside --due--+
                    +------------------------------------------------------+
```
A platform that is silent about one alarm does not hold back another: only events of one alarm wait
for each other, so that they arrive in order. An acceptance that comes late, for an earlier try,
is one.

A verdict may come while the outbox is being read: until a reading has begun after it was stored,
the row that it settled is not taken for one that waits (`begin_read`, `stored`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from edge_agent.outbox.rows import Row
from edge_agent.relay.profile import Answer, Verdict, retry_wait_s

MAX_IN_FLIGHT = 16
"""Rows that a platform is asked for at a time; the next one waits 5 s at most."""
MAX_KEYS = 8
"""Tries of a row whose late acceptance is still understood."""
READ_AHEAD = 4
MAX_READ = 512


@dataclass(slots=True)
class _Try:
    row: Row
    attempts: int = 0
    due_s: float = 0.0
    is_in_flight: bool = False
    keys: list[str] = field(default_factory=list)


class Waiting:
    """What one route has sent and not settled; no I/O, time and chance come in."""

    def __init__(self) -> None:
        self._tries: dict[str, _Try] = {}
        self._settling: set[tuple[str, int]] = set()
        self._stored: set[tuple[str, int]] = set()

    def begin_read(self) -> int:
        """Return how many pending rows to read: past those that wait, one message ahead."""
        self._settling -= self._stored
        self._stored.clear()
        return min(MAX_READ, 1 + READ_AHEAD * (len(self._tries) + len(self._settling)))

    def choose(self, rows: Sequence[Row], now_s: float) -> Row | None:
        """Return the first row that may go now."""
        flying = sum(one.is_in_flight for one in self._tries.values())
        if flying >= MAX_IN_FLIGHT:
            return None
        seen: set[str] = set()
        for row in rows:
            if row.alarm_id in seen:
                continue
            seen.add(row.alarm_id)
            if (row.alarm_id, row.event) in self._settling:
                continue
            tried = self._tries.get(row.alarm_id)
            if tried is None or tried.row.event != row.event:
                return row  # what was tried is parked or settled by now
            if not tried.is_in_flight and tried.due_s <= now_s:
                return row
        return None

    def sent(self, row: Row, key: str, deadline_s: float) -> None:
        """Note that a row went; its reply is due by then."""
        tried = self._tries.get(row.alarm_id)
        if tried is None or tried.row.event != row.event:
            tried = self._tries[row.alarm_id] = _Try(row)
        tried.row = row  # its number may be another one by now
        tried.attempts += 1
        tried.due_s, tried.is_in_flight = deadline_s, True
        tried.keys = [*tried.keys[1 - MAX_KEYS :], key]

    def put_aside(self, row: Row, now_s: float, chance: float) -> None:
        """Note that a row is to go again, after 1 to 30 s."""
        tried = self._tries.get(row.alarm_id)
        if tried is None or tried.row.event != row.event:
            tried = self._tries[row.alarm_id] = _Try(row, attempts=1)
        tried.is_in_flight = False
        tried.due_s = now_s + retry_wait_s(tried.attempts, chance)

    def take(self, verdict: Verdict, now_s: float, chance: float) -> Row | None:
        """Return the row that a verdict settles, to be `stored`, or None.

        None for a retry, and for a key of nobody's. An empty key means whatever went last.
        """
        flying = [one for one in self._tries.values() if one.is_in_flight]
        if verdict.key:
            found = [one for one in self._tries.values() if verdict.key in one.keys]
        else:
            found = flying[-1:]
        if not found:
            return None
        (tried,) = found[:1]
        is_late = bool(verdict.key) and verdict.key != tried.keys[-1]
        if verdict.answer is Answer.RETRY or (is_late and verdict.answer is Answer.REJECTED):
            if not is_late:
                self.put_aside(tried.row, now_s, chance)
            return None
        row = self._tries.pop(tried.row.alarm_id).row
        self._settling.add((row.alarm_id, row.event))
        return row

    def holds(self, key: str) -> bool:
        """Return whether a row waits for the reply of that key."""
        return any(key in one.keys for one in self._tries.values())

    def stored(self, row: Row) -> None:
        """Note that what a verdict made of a row is stored."""
        if (row.alarm_id, row.event) in self._settling:
            self._stored.add((row.alarm_id, row.event))

    def settle(self, row: Row) -> None:
        """Forget a row that needs no verdict any more."""
        tried = self._tries.get(row.alarm_id)
        if tried is not None and tried.row.event == row.event:
            del self._tries[row.alarm_id]

    def expire(self, now_s: float, chance: float) -> list[Row]:
        """Put aside what got no reply in time, and return it."""
        silent = [one for one in self._tries.values() if one.is_in_flight and one.due_s <= now_s]
        for tried in silent:
            self.put_aside(tried.row, now_s, chance)
        return [tried.row for tried in silent]

    def newest(self) -> Row | None:
        """Return what went last of the rows that wait for a reply."""
        flying = (one for one in self._tries.values() if one.is_in_flight)
        newest = max(flying, key=lambda one: one.due_s, default=None)
        return None if newest is None else newest.row

    def lost(self) -> None:
        """Note that the connection ended: what was in flight goes again at once."""
        for tried in self._tries.values():
            if tried.is_in_flight:
                tried.is_in_flight, tried.due_s = False, 0.0

    def next_due_s(self) -> float | None:
        """Return when something expires or is due again, or None."""
        return min((one.due_s for one in self._tries.values()), default=None)
