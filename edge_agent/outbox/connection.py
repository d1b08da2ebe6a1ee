"""One SQLite database (the only file that knows sqlite3): how it is opened and what can fail.

WAL with `synchronous=FULL`: a commit that returned survives a power cut. Every failure of
SQLite becomes one of three: the disk does not work, the file is damaged, a statement is wrong.
"""

import os
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from edge_agent.outbox.rows import OutboxError

BUSY_S = 1.0
CHECKPOINT_PAGES = 1000
WAL_BYTES = 8 * 1024 * 1024
"""A log that grew beyond this is cut back after the next checkpoint."""

_STEP = re.compile(r"^-- version (\d+)\b.*$", re.MULTILINE)

FULL = "the disk is full"
_REASONS = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: "the file system or the file is read-only",
    sqlite3.SQLITE_IOERR: "the disk does not read or write (I/O error)",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened",
    sqlite3.SQLITE_PERM: "no permission",
    sqlite3.SQLITE_BUSY: "another program holds the database",
    sqlite3.SQLITE_LOCKED: "another program holds the database",
    sqlite3.SQLITE_PROTOCOL: "another program holds the database",
    sqlite3.SQLITE_NOMEM: "out of memory",
}
MAX_FORMAT = 999
"""No release has a higher one: a version beyond it is noise."""


class DiskError(Exception):
    """The disk or the file system does not do what is asked; it may work again later."""


class DamageError(DiskError):
    """The database's bytes make no sense; waiting does not help."""


class ConflictError(Exception):
    """A statement goes against the schema: what was to be stored is wrong."""


class _Translated:
    """`with _translated:` around whatever asks SQLite or the file system for something.

    A class, for a commit does it a dozen times: a generator's context costs 2 us more each time.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if isinstance(error, sqlite3.IntegrityError):
            raise ConflictError(str(error)) from error
        if isinstance(error, sqlite3.ProgrammingError):
            return  # we are wrong
        if isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _REASONS:
                raise DiskError(_REASONS[code]) from error
            # Our statements are tested: one that fails in itself has met bytes that are not ours.
            raise DamageError(f"the database is damaged ({error})") from error
        if isinstance(error, UnicodeDecodeError):
            raise DamageError(f"the database is damaged ({error.reason})") from error
        if isinstance(error, OSError):
            raise DiskError(error.strerror or str(error)) from error


_translated = _Translated()


def steps() -> dict[int, str]:
    """Return the schema's steps by the version each leads to, in order."""
    text = files("edge_agent").joinpath("schema.sql").read_text("utf-8")
    parts = _STEP.split(text)[1:]
    return {int(version): sql for version, sql in zip(parts[::2], parts[1::2], strict=True)}


class Connection:
    """An open database at the newest version of the schema."""

    def __init__(self, path: Path | None) -> None:
        """Open or make the database; None for one in memory.

        Raises:
            OutboxError: a newer release wrote it; nothing was touched.
            DiskError: it cannot be opened.
            DamageError: it is no whole database.
        """
        self._path = path
        with _translated:
            if path is not None:
                _make_folder(path.parent)
                if path.exists() and path.stat().st_size:
                    _look_at_version(path)
            self._database = sqlite3.connect(
                path or ":memory:", timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
        try:
            with _translated:
                self._prepare()
                self._file = path.stat() if path is not None else None
        except BaseException:
            self.close()
            raise

    def execute(self, sql: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        with _translated:
            return self._database.execute(sql, tuple(values)).fetchall()

    def execute_many(self, sql: str, rows: Collection[tuple[Any, ...]]) -> None:
        """Run one statement for each row of values."""
        if not rows:
            return
        with _translated:
            self._database.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside, or nothing of it."""
        self._check_in_place()
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # a full disk has rolled it back already
                with suppress(DiskError):
                    self.execute("ROLLBACK")
            raise

    def probe(self) -> None:
        """Write something within a transaction: a disk that takes nothing is found now."""
        ((version,),) = self.execute("PRAGMA user_version")
        self.execute(f"PRAGMA user_version = {version}")

    def checkpoint(self) -> None:
        """Write the whole log into the database and sync both.

        After an fsync that failed, the kernel may hold pages that it calls written and that are
        nowhere (fsync(2), EIO): here they are written again.
        """
        self.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close it; a disk that fails only now has lost nothing."""
        with suppress(DiskError), _translated:
            self._database.close()

    def _prepare(self) -> None:
        if self._path is not None:
            self._database.execute("PRAGMA journal_mode=WAL").fetchall()
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute("PRAGMA foreign_keys=ON")
            self._database.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}").fetchall()
            self._database.execute(f"PRAGMA journal_size_limit={WAL_BYTES}").fetchall()
            _check(self._database)
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        _refuse_newer(self._path, version)
        for step, sql in steps().items():
            if step > version:
                self._database.executescript(
                    f"BEGIN EXCLUSIVE;{sql}PRAGMA user_version = {step};COMMIT;"
                )

    def _check_in_place(self) -> None:
        """See that the file still has its name: writing to a deleted one keeps nothing."""
        if self._path is not None and self._file is not None:
            with _translated:
                if not os.path.samestat(self._path.stat(), self._file):
                    raise DiskError("another file has taken the database's place")


def _look_at_version(path: Path) -> None:
    """Refuse a newer format before anything is opened for writing."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version > max(steps()):
                _check(database)  # noise may look like a newer version
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
        return  # a journal left when it was made: opening for writing rolls it back
    _refuse_newer(path, version)


def _check(database: sqlite3.Connection) -> None:
    """Look at everything: an index that misses an entry would hide an alarm."""
    (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise DamageError(f"the database is damaged ({verdict.splitlines()[-1]})")


def _refuse_newer(path: Path | None, version: int) -> None:
    if not 0 <= version <= MAX_FORMAT:
        raise DamageError(f"the database is damaged (format {version})")
    if version > max(steps()):
        raise OutboxError(f"{path}: written by a newer release (format {version})")


def _make_folder(path: Path) -> None:
    if not path.exists():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Bring names in a folder to disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
