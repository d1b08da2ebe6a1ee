"""A reserve route: it goes for an event that no other platform has accepted within 30 s.

```
 pending rows --heard elsewhere--> left out
              --younger than 30 s--> held
              --older, or the reserve already speaks for this alarm--> go
```
The age counts from when this run first saw the row, so a restart may hold it once more. What was
heard before a restart is not known after it: then the reserve tells what is known already.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from edge_agent.outbox.rows import Row

RESERVE_S = 30.0
"""Second route (requirements, the chain)."""
MAX_ALARMS = 1000


class Reserve:
    """Which rows of a reserve route may go; no I/O, time comes in."""

    def __init__(self, is_heard: Callable[[str, int], bool]) -> None:
        self._is_heard = is_heard
        self._since_s: dict[tuple[str, int], float] = {}
        self._speaks_for: OrderedDict[str, None] = OrderedDict()

    @property
    def held(self) -> int:
        """Return how many rows are held: as many more have to be read."""
        return len(self._since_s)

    def sort(self, rows: Sequence[Row], now_s: float) -> tuple[list[Row], list[Row]]:
        """Return the rows that may go, and those to leave out, in their order."""
        go: list[Row] = []
        leave: list[Row] = []
        seen: dict[tuple[str, int], float] = {}
        for row in rows:
            name = row.alarm_id, row.event
            if row.alarm_id in self._speaks_for:
                go.append(row)
            elif self._is_heard(*name):
                leave.append(row)
            else:
                since_s = self._since_s.get(name, now_s)
                if now_s - since_s >= RESERVE_S:
                    go.append(row)
                seen[name] = since_s
        self._since_s = seen
        return go, leave

    def sent(self, row: Row) -> None:
        """Note that the reserve speaks for an alarm: its next events go at once."""
        self._speaks_for[row.alarm_id] = None
        if len(self._speaks_for) > MAX_ALARMS:
            self._speaks_for.popitem(last=False)

    def next_due_s(self, now_s: float) -> float | None:
        """Return when the next held row may go, or None."""
        due = (since_s + RESERVE_S for since_s in self._since_s.values())
        return min((one for one in due if one > now_s), default=None)
