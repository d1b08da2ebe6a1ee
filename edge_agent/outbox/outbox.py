"""The outbox: what must not be lost, on disk before anybody hears of it.

```
 put --+
 put --+--> one commit for all that waits --> Failover (disk | memory) --> pending, telemetry
 put --+              own thread                    ^
                                                    +-- while in memory: the disk, tried again
```
The loop never waits for the disk: a slow one delays what is put, and nothing else. One that has
not answered for `STALL_S` is left to itself, with its thread: a second store in memory takes over
until it answers. Alarms are never evicted and never expire. Configuration never touches what
is stored.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from edge_agent.alarm.alarm import Alarm
from edge_agent.outbox.failover import Failover, Opened, free_bytes, try_to_open
from edge_agent.outbox.handed import Handed
from edge_agent.outbox.lane import Lane
from edge_agent.outbox.rows import (
    Batch,
    Capacity,
    Health,
    Known,
    OutboxError,
    Row,
    Stored,
    Telemetry,
)
from edge_agent.outbox.store import Store, Waiting

_log = logging.getLogger(__name__)

RETRY_FIRST_S = 1.0
RETRY_SLOWEST_S = 30.0
"""How long after a failure the disk is tried again, doubling."""
STALL_S = 3.0
"""A disk that takes longer does not hold alarms back: cards have been seen to take seconds."""
CURSOR_EVERY = 64
"""Telemetry that may be sent twice after a kill; its cursor costs one commit for so many."""

_T = TypeVar("_T")


class Outbox:
    """The store and its thread. All methods but the constructor are coroutines."""

    def __init__(
        self,
        path: Path,
        routes: Sequence[str],
        outside: Callable[[], AbstractContextManager[None]],
        on_health: Callable[[Health], None] | None = None,
    ) -> None:
        """Put the parts together; nothing is opened yet.

        Args:
            path: the database; its folder is made when it is not there.
            routes: names of the routes; each has its own verdicts.
            outside: see `Clock.outside`.
            on_health: told on the loop when the health has changed.
        """
        self.health = Health()
        self._path = path
        self._routes = list(routes)
        self._outside = outside
        self._on_health = on_health
        self._lane = Lane(Failover(path, self._routes))
        self._stuck: Lane | None = None
        self._coming_back: asyncio.Task[None] | None = None
        self._waiting: list[tuple[Waiting, asyncio.Future[bool]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._retry: asyncio.Task[None] | None = None
        self._handed = Handed()
        self._cursors: dict[str, int] = {}
        self._unsaved: dict[str, int] = {}
        self._passed = 0

    async def open(self) -> Stored:
        """Open or make the database and return what is in it.

        A damaged database is put aside and read out into a new one; one that cannot be opened
        is read out into memory. Both show in `health`.

        Raises:
            OutboxError: a newer release wrote it; it was not touched.
        """
        with self._outside():
            stored = await self._lane.submit(Failover.open)  # may take its time
        self._tell_health()
        return stored

    async def put(self, batch: Batch, utc_s: float) -> bool:
        """Store a batch; return True once it is on disk, False when it is only in memory.

        What is only in memory goes out all the same; the unit that told of it must keep it.

        Raises:
            OutboxError: the batch goes against what is stored: nothing of it was kept.
        """
        for task in (self._retry, self._coming_back):
            if task is not None and task.done():
                task.result()  # a bug there must not pass in silence
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        names = (self._handed.name(*row) for row in batch.accepted)
        accepted = [name for name in names if name is not None]
        self._waiting.append((Waiting(batch, accepted, utc_s), done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_waiting(), name="outbox writer")
        return await done

    async def rewrite(
        self, change: Callable[[bytes], bytes | None], alarms: Sequence[Alarm]
    ) -> int:
        """Change events that no route has been given yet; return how many were.

        Args:
            change: returns the new body of an event, or None to leave it.
            alarms: open alarms as they are now.
        """
        given = self._handed.events()
        return await self._do(lambda store: store.rewrite(change, given, alarms))

    async def pending(self, route: str, limit: int) -> list[Row]:
        """Return what waits for a route: high priority first, then the order of events."""
        rows = await self._do(lambda store: store.pending(route, limit))
        self._handed.note(route, rows)
        return rows

    async def telemetry(self, route: str, limit: int) -> list[Telemetry]:
        """Return the oldest telemetry that a route has not taken; send it when no alarm waits."""
        after = await self._cursor(route)
        return await self._do(lambda store: store.telemetry(after, limit))

    async def passed(self, route: str, row: int, utc_s: float) -> None:
        """Note that a route has taken telemetry up to a row (or that this one is beyond help)."""
        self._cursors[route] = self._unsaved[route] = row
        self._passed += 1
        if self._passed % CURSOR_EVERY == 0:
            await self.put(Batch(), utc_s)

    async def pass_over(self, route: str, utc_s: float) -> None:
        """Note that a route wants none of the telemetry that there is."""
        newest = await self._do(Store.newest_telemetry)
        if newest > await self._cursor(route):
            await self.passed(route, newest, utc_s)

    async def count_attempt(self, route: str, row: int) -> bool:
        """Count a connection that ended on this row; True when the row is parked now."""
        name = self._handed.name(route, row)
        return name is not None and await self._do(lambda store: store.count_attempt(name))

    async def unpark(self, route: str) -> None:
        """Let parked rows try again (at start and when routes change)."""
        await self._do(lambda store: store.unpark(route))

    async def knows(self, unit: str, boot_id: bytes, seq: int) -> Known | None:
        """Return what a unit's event became, or None when it is new."""
        return await self._run(lambda failover: failover.known(unit, boot_id, seq))

    async def backlog(self) -> dict[str, int]:
        """Return how many events wait, by route."""
        return await self._do(Store.backlog)

    async def capacity(self) -> Capacity:
        """Return how long the free disk lasts at the recent rate of events."""
        free = await self._run(lambda _: free_bytes(self._path))
        per_day, event_bytes = await self._do(Store.usage)
        return Capacity(free / (per_day * event_bytes), free, per_day, event_bytes)

    async def close(self) -> None:
        """Write what waits and close the database."""
        if self._retry is not None:
            self._retry.cancel()
        if self._unsaved:
            await self.put(Batch(), 0.0)
        if self._writer is not None:
            await self._writer
        if self._coming_back is not None:
            await self._coming_back
        is_stuck = self._stuck is not None
        if is_stuck:
            _log.error("outbox: the disk never answered; what was only in memory is gone")
        with self._outside():
            await self._lane.submit(lambda failover: failover.close(try_disk=not is_stuck))
        self._lane.shut()

    async def _cursor(self, route: str) -> int:
        if route not in self._cursors:
            self._cursors[route] = await self._do(lambda store: store.cursor(route))
        return self._cursors[route]

    async def _do(self, work: Callable[[Store], _T]) -> _T:
        return await self._run(lambda failover: failover.do(work))

    async def _run(self, work: Callable[[Failover], _T]) -> _T:
        """Do something with the store; with one in memory when the disk does not answer."""
        lane = self._lane
        with self._outside():
            answer = lane.submit(work)
            await asyncio.wait({answer}, timeout=STALL_S)
            if not answer.done():
                if lane is self._lane:
                    self._leave(lane, answer)
                return await self._run(work)
        self._tell_health()
        return answer.result()

    def _leave(self, lane: Lane, answer: asyncio.Future[Any]) -> None:
        """Go on in memory; what the stuck disk makes of this work in the end is joined by name."""
        if self._stuck is not None:
            raise OutboxError("memory does not answer")
        self._stuck = lane
        self._lane = Lane(Failover.beside_a_stuck_disk(self._path, self._routes))

        def come_back(_: object) -> None:
            self._coming_back = asyncio.create_task(self._come_back(lane), name="outbox back")

        answer.add_done_callback(come_back)

    async def _come_back(self, lane: Lane) -> None:
        """The disk has answered after all: give it what memory took meanwhile."""
        memory = self._lane
        with self._outside():
            submitted = -1
            while submitted != memory.submitted:  # until nothing was put meanwhile
                answer = memory.submit(Failover.contents)
                submitted = memory.submitted
                contents = await answer
            self._lane = lane
            await lane.submit(lambda failover: failover.join(contents))
        self._stuck = None
        memory.shut()
        self._tell_health()

    async def _write_waiting(self) -> None:
        while self._waiting:
            together, self._waiting = self._waiting, []
            cursors, self._unsaved = self._unsaved, {}
            waiting = [each for each, _ in together]
            try:
                results = await self._run(partial(Failover.write, waiting=waiting, cursors=cursors))
            except Exception as error:
                results = [str(error)] * len(together)
            for (_, done), result in zip(together, results, strict=True):
                if done.done():
                    continue
                if isinstance(result, str):
                    done.set_exception(OutboxError(f"{self._path}: {result}"))
                else:
                    done.set_result(result)
        self._writer = None

    def _tell_health(self) -> None:
        health, before = self._lane.failover.health, self.health
        if health == before:
            return
        self.health = health
        if health.repaired != before.repaired:
            _log.error("outbox: %s", health.repaired)
        if health.trouble is not None and health.trouble != before.trouble:
            _log.error("outbox: %s; alarms go out from memory", health.trouble)
        if health.is_durable and not before.is_durable:
            _log.warning("outbox: on disk again")
        if not health.is_durable and (self._retry is None or self._retry.done()):
            self._retry = asyncio.create_task(self._try_disk(), name="outbox disk")
        if self._on_health is not None:
            self._on_health(health)

    async def _try_disk(self) -> None:
        wait_s = RETRY_FIRST_S
        while not self.health.is_durable:
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, RETRY_SLOWEST_S)
            if self._stuck is None:
                await self._return_to_disk()

    async def _return_to_disk(self) -> None:
        loop = asyncio.get_running_loop()
        with self._outside():  # on a thread of its own: this may hang, memory must not
            opening = loop.run_in_executor(None, try_to_open, self._path, self._routes)
            try:
                opened = await asyncio.shield(opening)
            except asyncio.CancelledError:
                opening.add_done_callback(_close_opened)
                raise
        await self._run(lambda failover: failover.return_to_disk(opened))


def _close_opened(opening: asyncio.Future[Opened | str]) -> None:
    """Close what was opened for nobody any more."""
    if not opening.cancelled() and not isinstance(opened := opening.result(), str):
        opened[0].close()
