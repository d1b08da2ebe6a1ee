"""Every readable row of a database that SQLite will not read: its pages, one by one.

Nothing is taken on trust but the page size: not the schema, not the trees, not the free list. A
page that looks like a leaf (or an inner page of a table without row ids, which holds rows too) is
taken apart, and a record whose columns have the shape of one of our tables is a row of it.
Stale copies of a row are harmless: see merge.py. Pages of the write-ahead log come last.

Known weakness: a row is lost where its own page or overflow chain is lost.
Source: "Database File Format", sqlite.org/fileformat2.html, sections 1.3 to 1.6, 2.1 and 4.1.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import msgspec

from edge_agent.alarm.alarm import SCHEMA, Alarm, AlarmEvent
from edge_agent.outbox.merge import Contents

MAX_FILE_BYTES = 512 * 1024 * 1024
MAX_RECORD_BYTES = 1024 * 1024
DEFAULT_PAGE_BYTES = 4096
_PAGE_BYTES = tuple(512 << n for n in range(8))

_INNER_INDEX, _LEAF_INDEX, _LEAF_TABLE = 0x02, 0x0A, 0x0D
_CELLS = {_INNER_INDEX: 12, _LEAF_INDEX: 8, _LEAF_TABLE: 8}
"""Kinds of pages that hold records, with the size of their header."""
_INT_BYTES = (0, 1, 2, 3, 4, 6, 8)
_WAL_HEADER, _FRAME_HEADER = 32, 24

_ROUTE_NAME_LENGTH = 64


def salvage(path: Path) -> Contents:
    """Return what can be read of a database and of its log.

    Raises:
        OSError: not even the bytes can be read.
    """
    contents = Contents(is_salvaged=True)
    wal = path.with_name(path.name + "-wal")
    with _mapped(path) as data, _mapped(wal) as log:
        pages = _Pages(data, log)
        for number in pages.numbers():
            for row_id, record in _records(pages.page(number), pages):
                _sort_in(contents, row_id, record)
    contents.events = sorted({row[1:3]: row for row in contents.events}.values())
    return contents


# -- pages --------------------------------------------------------------------------------------


@contextmanager
def _mapped(path: Path) -> Iterator[bytes | mmap]:
    """Map a file for reading, where it is; b"" for one that is not there or empty."""
    if not path.exists() or not path.stat().st_size:
        yield b""
        return
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        yield data


class _Pages:
    """The newest copy of every page, by number from 1: in the log, or else in the file."""

    def __init__(self, data: bytes | mmap, log: bytes | mmap) -> None:
        self._data, self._log = data, log
        size = int.from_bytes(data[16:18], "big")
        self.size = 65_536 if size == 1 else size
        if self.size not in _PAGE_BYTES:
            self.size = DEFAULT_PAGE_BYTES
        step = self.size + _FRAME_HEADER
        self._frames = {
            int.from_bytes(log[at : at + 4], "big"): at + _FRAME_HEADER
            for at in range(_WAL_HEADER, len(log) - step + 1, step)
            if log[at + 8 : at + 16] == log[16:24]  # else a frame of an earlier round
        }

    def numbers(self) -> Iterator[int]:
        count = min(len(self._data), MAX_FILE_BYTES) // self.size
        yield from range(1, count + 1)
        yield from (number for number in self._frames if number > count)

    def page(self, number: int) -> bytes:
        at = self._frames.get(number)
        if at is not None:
            return self._log[at : at + self.size]
        return self._data[max(0, number - 1) * self.size : number * self.size]


def _records(page: bytes, pages: _Pages) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield (row id or 0, columns) of every cell that can be read."""
    size = pages.size
    start = 100 if page.startswith(b"SQLite format 3\0") else 0
    kind = page[start] if len(page) == size else 0
    if kind not in _CELLS:
        return
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    first = start + _CELLS[kind]
    for at in range(first, min(first + 2 * count, size - 1), 2):
        try:
            yield _cell(page, int.from_bytes(page[at : at + 2], "big"), kind, pages)
        except (IndexError, ValueError, struct.error):
            continue  # this cell is not readable; the next may be


def _cell(page: bytes, at: int, kind: int, pages: _Pages) -> tuple[int, tuple[Any, ...]]:
    size = pages.size
    if kind == _INNER_INDEX:
        at += 4
    length, at = _varint(page, at)
    row_id = 0
    most = size - 35
    if kind == _LEAF_TABLE:
        row_id, at = _varint(page, at)
    else:
        most = (size - 12) * 64 // 255 - 23
    if length <= most:
        return row_id, _columns(page[at : at + length], length)
    least = (size - 12) * 32 // 255 - 23
    local = least + (length - least) % (size - 4)
    local = local if local <= most else least
    payload = bytearray(page[at : at + local])
    following = int.from_bytes(page[at + local : at + local + 4], "big")
    while following and len(payload) < min(length, MAX_RECORD_BYTES):
        overflow = pages.page(following)
        if not overflow:
            break
        payload += overflow[4:]
        following = int.from_bytes(overflow[:4], "big")
    return row_id, _columns(bytes(payload[:length]), length)


def _columns(payload: bytes, length: int) -> tuple[Any, ...]:
    if len(payload) != length:
        raise ValueError("the record runs past the page")
    end, at = _varint(payload, 0)
    body = end
    columns: list[Any] = []
    while at < end:
        kind, at = _varint(payload, at)
        value, body = _value(payload, body, kind)
        columns.append(value)
    return tuple(columns)


def _value(payload: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind == 0:
        return None, at
    if kind in (8, 9):
        return kind - 8, at
    if kind == 7:
        return struct.unpack_from(">d", payload, at)[0], at + 8
    if kind < 7:
        length = _INT_BYTES[kind]
    elif kind >= 12:
        length = (kind - 12) // 2
    else:
        raise ValueError("a reserved type")
    raw = payload[at : at + length]
    if len(raw) != length:
        raise ValueError("the column runs past the record")
    if kind < 7:
        return int.from_bytes(raw, "big", signed=True), at + length
    return (raw.decode("utf-8") if kind % 2 else raw), at + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for n in range(8):
        byte = data[at + n]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + n + 1
    value = value << 8 | data[at + 8]
    return value - (1 << 64 if value >> 63 else 0), at + 9


# -- records to rows ----------------------------------------------------------------------------


def _sort_in(contents: Contents, row_id: int, record: tuple[Any, ...]) -> None:
    """Add a record to the table whose shape it has, if any."""
    match row_id, record:
        case 0, (str(name), int(), int() | float(), bytes(body)):
            if _decodes(body, Alarm, name):
                contents.alarms.append(record)
        case row, (None, str(name), int(event), int() as priority, int() | float(), bytes(body)):
            if row > 0 and 0 <= priority <= 2 and _decodes(body, AlarmEvent, name, event):
                contents.events.append((row, *record[1:]))
        case 0, (str(), int() as row, int(), None | "accepted" | "parked", int()):
            if row > 0:
                contents.deliveries.append(record)
        case 0, (str(), bytes(boot_id), int(), None | str(), int() | float()):
            if len(boot_id) == 8:
                contents.unit_events.append(record)
        case 0, (str(), bytes()):
            contents.facts.append(record)
        case row, (None, int() | float(), str(), bytes()) if row > 0:
            contents.telemetry.append((row, *record[1:]))
        case 0, (str(route), int() as row) if row > 0 and len(route) <= _ROUTE_NAME_LENGTH:
            contents.cursors.append(record)


def _decodes(
    body: bytes, kind: type[Alarm] | type[AlarmEvent], name: str, number: int | None = None
) -> bool:
    try:
        found = msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    event = found.last if isinstance(found, Alarm) else found
    return event.schema_ == SCHEMA and event.alarm_id == name and number in (None, event.event)
