"""Which rows each route was handed: a number may mean another row after the disk has failed."""

import logging
from collections import OrderedDict
from collections.abc import Iterable

from edge_agent.outbox.rows import Row
from edge_agent.outbox.store import Delivery

_log = logging.getLogger(__name__)

MAX_HANDED = 1024
"""Rows of a route that can be accepted: the last ones that it was handed."""


class Handed:
    """The names behind the numbers that routes know."""

    def __init__(self) -> None:
        self._names: dict[str, OrderedDict[int, tuple[str, int]]] = {}

    def note(self, route: str, rows: Iterable[Row]) -> None:
        """Note that a route was handed these rows."""
        names = self._names.setdefault(route, OrderedDict())
        for row in rows:
            names[row.row] = (row.alarm_id, row.event)
            names.move_to_end(row.row)
        while len(names) > MAX_HANDED:
            names.popitem(last=False)

    def name(self, route: str, row: int) -> Delivery | None:
        """Return the name of a row that was handed out, or None."""
        name = self._names.get(route, OrderedDict()).get(row)
        if name is None:
            _log.error("route %s: row %d was not handed out", route, row)
            return None
        return route, *name

    def events(self) -> set[tuple[str, int]]:
        """Return the (alarm_id, event) that any route was handed."""
        return {name for names in self._names.values() for name in names.values()}
