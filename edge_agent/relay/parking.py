"""Rows that a platform will not take: out of the way of the next one, and tried again.

| parked when | tried again |
|---|---|
| the connection ended three times on it without an answer | every minute, and at start |
| the platform rejected it, or its profile cannot say it | the same |

What was parked counts as parked until the platform accepts it: only that is an end.
"""

import asyncio
import logging
from collections.abc import Callable

from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Row
from edge_agent.outbox.store import MAX_PARK_ATTEMPTS
from edge_agent.relay.route import Standing

_log = logging.getLogger(__name__)

RETRY_PARKED_S = 60.0
"""A row is parked after three connections that ended on it, which is soon: so is the next try."""
MAX_NAMED = 1000
"""Parked rows that are told apart in the count; more of them count as so many."""


class Parking:
    """The parked rows of one route."""

    def __init__(self, route: str, outbox: Outbox, standing: Standing) -> None:
        self._route = route
        self._outbox = outbox
        self._standing = standing
        self._named: set[tuple[str, int]] = set()

    async def park(self, row: Row, why: str) -> None:
        """Park a row at once."""
        for _ in range(MAX_PARK_ATTEMPTS):
            if await self.count_attempt(row, why):
                return

    async def count_attempt(self, row: Row, why: str) -> bool:
        """Count one failure of a row; True when it is parked now."""
        if not await self._outbox.count_attempt(self._route, row.row):
            return False
        _log.error("route %s: parked %s event %d: %s", self._route, row.alarm_id, row.event, why)
        if len(self._named) < MAX_NAMED:
            self._named.add((row.alarm_id, row.event))
        self._standing.parked = len(self._named)
        self._standing.refused = why
        return True

    def accepted(self, row: Row) -> None:
        """Note that the platform took a row after all."""
        self._named.discard((row.alarm_id, row.event))
        self._standing.parked = len(self._named)
        if not self._named:
            self._standing.refused = None

    async def retry(self, wake: Callable[[], None]) -> None:
        """Let parked rows wait again every minute, for ever."""
        while True:
            await asyncio.sleep(RETRY_PARKED_S)
            if self._named:
                await self._outbox.unpark(self._route)
                wake()
