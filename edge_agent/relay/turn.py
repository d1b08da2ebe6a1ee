"""Whose turn it is: what waits for a route, and which row of it may go now.

```
 outbox --pending--> reserve (held | left out) --> waiting (asked, set aside) --> next row
```
"""

import asyncio
from contextlib import suppress

from edge_agent.clock import Clock
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Row
from edge_agent.relay.reserve import Reserve
from edge_agent.relay.route import LEAST_WAIT_S, Hooks
from edge_agent.relay.waiting import Waiting


class Turn:
    """The rows of one route, most urgent first."""

    def __init__(
        self,
        route: str,
        outbox: Outbox,
        clock: Clock,
        hooks: Hooks,
        *,
        is_reserve: bool = False,
        has_telemetry: bool = True,
    ) -> None:
        """Begin with nothing.

        Args:
            route: its name.
            outbox: where the rows are.
            clock: the clock.
            hooks: the composition root's.
            is_reserve: whether it goes only for what nobody else has accepted.
            has_telemetry: whether it reports telemetry; else that is passed over, so that the
                outbox keeps none for it.
        """
        self._has_telemetry = has_telemetry
        self.waiting = Waiting()
        self._route = route
        self._outbox = outbox
        self._clock = clock
        self._hooks = hooks
        self._reserve = Reserve(hooks.is_heard) if is_reserve else None
        self._wake = asyncio.Event()
        self._wake.set()

    def wake(self) -> None:
        """Say that there is something new."""
        self._wake.set()

    async def wait(self) -> None:
        """Wait until there is something new, or something is due."""
        now_s = self._clock.now().monotonic_s
        due = [self.waiting.next_due_s()]
        if self._reserve is not None:
            due.append(self._reserve.next_due_s(now_s))
        left_s = min((one - now_s for one in due if one is not None), default=None)
        with suppress(TimeoutError):
            async with asyncio.timeout(None if left_s is None else max(LEAST_WAIT_S, left_s)):
                await self._wake.wait()
        self._wake.clear()

    async def next_row(self) -> Row | None:
        """Return the row that is to go now, or None."""
        if not self._has_telemetry:
            await self._outbox.pass_over(self._route, self._clock.now().utc_s)
        limit = self.waiting.begin_read()
        if self._reserve is None:
            rows = await self._outbox.pending(self._route, limit)
        else:
            rows = await self._outbox.pending(self._route, limit + self._reserve.held)
            rows, heard = self._reserve.sort(rows, self._clock.now().monotonic_s)
            for row in heard:
                await self._hooks.passed(self._route, row)
        return self.waiting.choose(rows, self._clock.now().monotonic_s)

    def sent(self, row: Row) -> None:
        """Note that the platform was told of an alarm."""
        if self._reserve is not None:
            self._reserve.sent(row)
