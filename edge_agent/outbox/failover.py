"""Where the outbox's rows are: on disk, or in memory while the disk fails, and back again.

```
          +---- full, read-only, I/O error, damaged, gone: take what is there along ---+
          |                                                                            v
 open -> DISK                                                                        MEMORY
          ^                                                                            |
          +---- opened again, repaired when damaged, and all of memory merged into it -+
```
There is always exactly one store, so order, lanes and verdicts are the same in both. What has
only been in memory is not durable: it is said so, and its unit keeps it. All of this runs on
the outbox's thread.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from edge_agent.outbox.connection import FULL, Connection, DamageError, DiskError
from edge_agent.outbox.merge import Contents, merge, take_contents
from edge_agent.outbox.repair import open_or_repair
from edge_agent.outbox.rows import Health, Known, OutboxError, Stored
from edge_agent.outbox.salvage import salvage
from edge_agent.outbox.store import TELEMETRY_BODY_BYTES, Store, Waiting
from edge_agent.outbox.trimming import (
    MEMORY_DONE,
    MEMORY_EVENTS,
    MEMORY_TELEMETRY,
    MEMORY_UNIT_EVENTS,
)

RETURN_BYTES = 4 * 1024 * 1024
"""Memory is left only for a disk with this much room, so that a full one does not come and go."""
RESERVE_BYTES = 64 * 1024 * 1024
"""Free space that belongs to alarms: with less, telemetry is not stored any more."""

_T = TypeVar("_T")
Opened = tuple[Connection, str | None]
"""An open database, and what was done to repair it."""


def free_bytes(path: Path) -> int:
    """Return what the file system of the database has left, 0 when it does not say."""
    try:
        status = os.statvfs(path.parent)
    except OSError:
        return 0
    return status.f_bavail * status.f_frsize


def try_to_open(path: Path, routes: Sequence[str]) -> Opened | str:
    """Open the database, repaired when damaged, and write to it; or return why that fails."""
    if 0 < free_bytes(path) < RETURN_BYTES:
        return FULL
    connection = None
    try:
        connection, done = open_or_repair(path, routes)
        with connection.transaction():
            connection.probe()
    except (DiskError, OutboxError) as error:
        if connection is not None:
            connection.close()
        return str(error)
    return connection, done


class Failover:
    """The one store there is at a time."""

    def __init__(self, path: Path, routes: Sequence[str]) -> None:
        self._path = path
        self._routes = routes
        self._connection: Connection | None = None
        self._store: Store | None = None
        self._in_memory = False
        self._not_durable: set[tuple[str, bytes, int]] = set()
        self.health = Health()
        self.telemetry_dropped = 0

    @classmethod
    def beside_a_stuck_disk(cls, path: Path, routes: Sequence[str]) -> "Failover":
        """Return an empty store in memory, for as long as the disk does not answer."""
        failover = cls(path, routes)
        failover._use(Connection(None), in_memory=True)
        failover.health = Health(trouble="the disk does not answer")
        return failover

    def open(self) -> Stored:
        """Open the database, or begin in memory with what can be read of it.

        Raises:
            OutboxError: a newer release wrote it.
        """
        try:
            connection, done = open_or_repair(self._path, self._routes)
            self._use(connection)
            self.health = replace(self.health, repaired=done)
            self.do(Store.start)
        except DiskError as error:
            self._to_memory(error)
        return self.do(Store.stored)

    def do(self, work: Callable[[Store], _T]) -> _T:
        """Do something with the store, in memory when the disk fails at it."""
        try:
            return work(self._open_store)
        except DiskError as error:
            if self._in_memory:
                raise OutboxError(f"memory fails as well: {error}") from error
            self._to_memory(error)
            return work(self._open_store)

    def write(self, waiting: Sequence[Waiting], cursors: dict[str, int]) -> list[str | bool]:
        """Store batches; for each, why it is wrong, or whether it is durable now."""
        waiting = [self._without_excess(each) for each in waiting]
        failed = self.do(lambda store: store.write(waiting, cursors))
        if self._in_memory:
            dropped = self.do(Store.trim_memory)
            if dropped:
                self.health = replace(self.health, dropped=self.health.dropped + dropped)
            self._not_durable.update(
                (event.unit, event.boot_id, event.seq)
                for each in waiting
                for event in each.batch.unit_events
            )
        return [not self._in_memory if reason is None else reason for reason in failed]

    def known(self, unit: str, boot_id: bytes, seq: int) -> Known | None:
        """Return a unit's event if it was put before."""
        event = self.do(lambda store: store.find(unit, boot_id, seq))
        if event is None:
            return None
        return Known(event.alarm_id, (unit, boot_id, seq) not in self._not_durable)

    def return_to_disk(self, opened: Opened | str) -> None:
        """Take the disk again, with all that memory holds, or the reason why not."""
        if not self._in_memory:
            if not isinstance(opened, str):
                opened[0].close()
            return
        if isinstance(opened, str):
            self.health = replace(self.health, trouble=opened)
            return
        connection, done = opened
        try:
            store = Store(connection, self._routes)
            here = self.contents()
            unseen = store.open_alarms() - {row[0] for row in here.alarms}
            store.join(here)
            store.start()
            connection.checkpoint()
        except DiskError as error:
            connection.close()
            self.health = replace(self.health, trouble=str(error))
            return
        self._use(connection)
        self._not_durable.clear()
        self.health = replace(
            self.health,
            trouble=None,
            repaired=done or self.health.repaired,
            must_restart=self.health.must_restart or bool(unseen),
        )

    def contents(self) -> Contents:
        """Return all that memory holds."""
        assert self._connection is not None
        return self._contents(self._connection, done=MEMORY_EVENTS)

    def join(self, contents: Contents) -> None:
        """Add what another store took meanwhile."""
        self.do(lambda store: store.join(contents))

    def close(self, *, try_disk: bool) -> None:
        """Close, and from memory try the disk a last time before."""
        if self._in_memory and try_disk:
            self.return_to_disk(try_to_open(self._path, self._routes))
        if self._connection is not None:
            self._connection.close()
        self._connection = self._store = None

    @property
    def _open_store(self) -> Store:
        assert self._store is not None, "the outbox is not open"
        return self._store

    def _use(self, connection: Connection, *, in_memory: bool = False) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = connection
        self._store = Store(connection, self._routes)
        self._in_memory = in_memory

    def _to_memory(self, error: DiskError) -> None:
        contents = self._take_along(error)
        memory = Connection(None)
        merge(memory, contents, self._routes)
        self._use(memory, in_memory=True)
        self._open_store.start()
        self._open_store.trim_memory()
        self.health = replace(self.health, trouble=str(error))

    def _take_along(self, error: DiskError) -> Contents:
        """Return what can still be read: by SQLite, or else byte by byte."""
        if self._connection is not None and not isinstance(error, DamageError):
            with suppress(DiskError):
                return self._contents(self._connection, done=MEMORY_DONE)
        with suppress(OSError):
            return salvage(self._path)
        return Contents()

    def _contents(self, connection: Connection, done: int) -> Contents:
        return take_contents(
            connection,
            waiting=MEMORY_EVENTS,
            done=done,
            telemetry=MEMORY_TELEMETRY,
            unit_events=MEMORY_UNIT_EVENTS,
        )

    def _without_excess(self, waiting: Waiting) -> Waiting:
        """Leave telemetry out that is too long, or that would take the alarms' last space."""
        telemetry = waiting.batch.telemetry
        if not telemetry:
            return waiting
        kept = [each for each in telemetry if len(each.body) <= TELEMETRY_BODY_BYTES]
        if not self._in_memory and free_bytes(self._path) < RESERVE_BYTES:
            kept = []
        self.telemetry_dropped += len(telemetry) - len(kept)
        return replace(waiting, batch=replace(waiting.batch, telemetry=kept))
