"""A damaged database: kept under a dated name, and what can be read of it in a new one.

```
 outbox.db --salvage--> outbox.db.building --rename--> outbox.db.new --rename--> outbox.db
 outbox.db (+ -wal) -----------rename------------> outbox.db.damaged-20261123T021407Z (+ -wal)
```
A kill or a power cut between any two steps is taken up at the next opening: until `.new` has its
name the damaged file is still in place, and from then on the new one is complete.
"""

from collections.abc import Sequence
from pathlib import Path

from edge_agent.clock import format_utc
from edge_agent.outbox.connection import Connection, DamageError, DiskError, sync_folder
from edge_agent.outbox.merge import merge
from edge_agent.outbox.salvage import salvage

KEPT = 3
"""Damaged files that are kept for whoever wants to look; older ones go."""


def open_or_repair(path: Path, routes: Sequence[str]) -> tuple[Connection, str | None]:
    """Open a database, putting a damaged one aside; return it and what was done, in words.

    Raises:
        OutboxError: a newer release wrote it; nothing was touched.
        DiskError: it cannot be opened, nor a new one made.
    """
    try:
        _finish(path)
        try:
            return Connection(path), None
        except DamageError as damage:
            events = _repair(path, routes)
            aside = _finish(path)
            done = f"{damage}; {events} events read back, the old file is kept as {aside}"
            return Connection(path), done
    except OSError as error:
        raise DiskError(error.strerror or str(error)) from error


def _repair(path: Path, routes: Sequence[str]) -> int:
    """Make the new database; it is complete once it has the name `.new`."""
    contents = salvage(path)
    building = _beside(path, ".building")
    for suffix in ("", "-wal", "-shm"):
        _beside(building, suffix).unlink(missing_ok=True)
    connection = Connection(building)
    try:
        merge(connection, contents, routes)
    finally:
        connection.close()  # the last one to close leaves no log behind
    building.rename(_beside(path, ".new"))
    sync_folder(path.parent)
    return len(contents.events)


def _finish(path: Path) -> str | None:
    """Give a complete new database its place; return the name of the damaged one.

    The damaged one's log goes first: it must never be taken for the new one's.
    """
    new = _beside(path, ".new")
    if not new.exists():
        return None
    stamp = format_utc(new.stat().st_mtime)[:19].translate({ord("-"): None, ord(":"): None})
    aside = _beside(path, f".damaged-{stamp}Z")
    for suffix in ("-wal", ""):
        if _beside(path, suffix).exists():
            _beside(path, suffix).replace(_beside(aside, suffix))
    _beside(path, "-shm").unlink(missing_ok=True)
    sync_folder(path.parent)
    new.replace(path)
    sync_folder(path.parent)
    for older in sorted(path.parent.glob(f"{path.name}.damaged-*Z"))[:-KEPT]:
        older.unlink()
        _beside(older, "-wal").unlink(missing_ok=True)
    return aside.name


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
