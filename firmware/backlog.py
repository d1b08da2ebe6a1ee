"""Events and impacts that the agent has not stored yet, kept on the flash.

A record is a packed message with its own boot id, seq and uptime (see `record_file.py`); the
number in its file's name orders the records through all boots. Calls go first, then impacts,
then the rest, oldest first.

What happens when it is full: of the impacts the weakest goes; of the events the oldest that
is no call, and `BACKLOG_FULL` is recorded; among nothing but calls the second oldest, so
that the first keeps its time. A record that the flash does not take is kept in memory.
"""

import os

from firmware import flash, record_file
from protocol.errors import ProtocolError
from protocol.messages import Event, EventKind, Impact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.uptime import Clock
    from protocol.messages import Message

CALL = 0
IMPACT = 1
OTHER = 2

_CALLS = (EventKind.CALL_PRESSED, EventKind.FALL_SEEN)
"""Calls for help: by a person, and by a radar for one."""

PART_BYTES = 480
"""Samples in one part of an impact on the wire: a multiple of 6, so that parts hold wholes."""


class Record:
    """One entry of the index; the payload is on the flash, or here when that failed."""

    __slots__ = ("boot_id", "held", "number", "offered_ms", "payload", "peak", "rank", "seq")

    def __init__(self, rank: int, number: int, boot_id: bytes, seq: int, peak: int) -> None:
        self.rank = rank
        self.number = number
        self.boot_id = boot_id
        self.seq = seq
        self.peak = peak
        self.held = False
        """The early copy of an impact: not sent before it is whole (or the unit restarts)."""
        self.offered_ms = 0
        """When the uplink last took it."""
        self.payload: "bytes | None" = None


class Backlog:
    """What must arrive, in the order in which it is sent."""

    def __init__(
        self, root: str, boot_id: bytes, clock: "Clock", max_events: int, max_impacts: int
    ) -> None:
        self._folder = root + "/backlog"
        self._boot_id = boot_id
        self._clock = clock
        self.max_events = max_events
        self.max_impacts = max_impacts
        self._seq = 0
        self._number = 0
        self._full = False
        self.records: "list[Record]" = []
        self.damaged = 0
        """Files that were set aside."""
        self.dropped_events = 0
        self.dropped_impacts = 0
        self.flash_errors = 0
        self._load_index()

    def __len__(self) -> int:
        return len(self.records)

    def add_event(self, kind: int, channel: int, value: int = 0, uptime_ms: int = -1) -> Record:
        """Record an event. Never raises for the flash's sake."""
        self._make_room(1)
        if uptime_ms < 0:
            uptime_ms = self._clock.now_ms()
        return self._store_event(kind, channel, uptime_ms, value)

    def add_impact(
        self,
        channel: int,
        first_ms: int,
        trigger_ms: int,
        period_us: int,
        scale: float,
        axes: int,
        pieces: "list[memoryview]",
        peak: int,
        held: bool = False,
        early: "Record | None" = None,
    ) -> "Record | None":
        """Record a snippet; with `early` it takes the place of that earlier copy.

        Returns:
            The record, or None when stronger impacts fill the backlog or the flash fails.
        """
        if early is not None and early in self.records:
            record = early
            record.peak = peak
        else:
            if not self._make_room_for_impact(peak):
                return None
            record = Record(IMPACT, self._next_number(), self._boot_id, self._next_seq(), peak)
        utc_ms = self._clock.utc_ms(trigger_ms)
        head = Impact(
            record.boot_id, record.seq, 0, 1, channel, first_ms, trigger_ms, utc_ms,
            period_us, scale, axes, b"",
        ).pack()  # fmt: skip
        try:
            length = len(head)
            for piece in pieces:
                length += 2 * len(piece)
            record_file.write(self._path(record), IMPACT, peak, head, pieces, length)
        except OSError:
            self.flash_errors += 1
            if record is not early:
                self.dropped_impacts += 1
                return None
            held = False  # the early copy is all there will be
        record.held = held
        if record is not early:
            self._insert(record)
        return record

    def remove(self, boot_id: bytes, seq: int) -> bool:
        """Forget a record that the agent has stored. False: there is none of that name."""
        for record in self.records:
            if record.seq == seq and record.boot_id == boot_id:
                self._drop(record)
                if 2 * self._count_events() < self.max_events:
                    self._full = False
                return True
        return False

    def messages(self, record: Record) -> "list[Message]":
        """Return the messages of a record as they go on the wire.

        An empty list: the file was damaged and is set aside; the record is gone.
        """
        pieces = self._read(record)
        try:
            if not pieces:
                raise ProtocolError("damaged")
            if record.rank != IMPACT:
                event = Event.unpack(b"".join(pieces))
                if not event.utc_ms and event.boot_id == self._boot_id:
                    event.utc_ms = self._clock.utc_ms(event.uptime_ms)
                return [event]
            parts: "list[Message]" = []
            for number, piece in enumerate(pieces[1:]):
                part = Impact.unpack(pieces[0] + piece)
                part.part = number
                part.parts = len(pieces) - 1
                if not part.utc_ms and part.boot_id == self._boot_id:
                    part.utc_ms = self._clock.utc_ms(part.trigger_ms)
                parts.append(part)
        except ProtocolError:
            self._give_up(record)
            return []
        return parts

    def calls(self) -> "list[Record]":
        """Return the calls that the agent has not stored yet, oldest first."""
        return [record for record in self.records if record.rank == CALL]

    def _store_event(self, kind: int, channel: int, uptime_ms: int, value: int) -> Record:
        rank = CALL if kind in _CALLS else OTHER
        record = Record(rank, self._next_number(), self._boot_id, self._next_seq(), 0)
        utc_ms = self._clock.utc_ms(uptime_ms)
        event = Event(self._boot_id, record.seq, kind, channel, uptime_ms, utc_ms, value)
        payload = event.pack()
        try:
            record_file.write(self._path(record), rank, 0, payload, [], len(payload))
        except OSError:
            self.flash_errors += 1
            record.payload = payload
        self._insert(record)
        return record

    def _count_events(self) -> int:
        count = 0
        for record in self.records:
            count += record.rank != IMPACT
        return count

    def _make_room(self, wanted: int) -> None:
        """Let events go until `wanted` more fit; say once that it came to that."""
        if self._count_events() + wanted <= self.max_events:
            return
        announce = not self._full
        self._full = True
        while self._count_events() + wanted > self.max_events:
            self._drop_event()
        if announce and any(record.rank == OTHER for record in self.records):
            self._drop_event()
            self._store_event(EventKind.BACKLOG_FULL, 0, self._clock.now_ms(), self.max_events)

    def _drop_event(self) -> None:
        calls = 0
        victim = None
        for record in self.records:
            if record.rank == OTHER:
                victim = record
                break
            if record.rank == CALL:
                calls += 1
                if calls <= 2:
                    victim = record
        if victim is not None:
            self._drop(victim)
            self.dropped_events += 1

    def _make_room_for_impact(self, peak: int) -> bool:
        weakest = None
        count = 0
        for record in self.records:
            if record.rank == IMPACT:
                count += 1
                if weakest is None or record.peak < weakest.peak:
                    weakest = record
        if weakest is None or count < self.max_impacts:
            return True
        self.dropped_impacts += 1
        if weakest.peak >= peak:
            return False
        self._drop(weakest)
        return True

    def _insert(self, record: Record) -> None:
        position = len(self.records)
        while position:
            before = self.records[position - 1]
            if (before.rank, before.number) < (record.rank, record.number):
                break
            position -= 1
        self.records.insert(position, record)

    def _drop(self, record: Record) -> None:
        self.records.remove(record)
        flash.remove_file(self._path(record))

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _path(self, record: Record) -> str:
        return self._folder + "/" + _name(record)

    def _read(self, record: Record) -> "list[bytes]":
        """Return the payload (of an impact: its header, then parts), [] when damaged."""
        if record.payload is not None:
            return [record.payload]
        return record_file.read(self._path(record), Impact.HEADER_LENGTH, PART_BYTES)

    def _give_up(self, record: Record) -> None:
        self.damaged += 1
        record_file.set_aside(self._folder, _name(record))
        self.records.remove(record)

    def _load_index(self) -> None:
        try:
            flash.make_folder(self._folder)
            names = os.listdir(self._folder)
        except OSError:
            self.flash_errors += 1
            return
        for name in names:
            path = self._folder + "/" + name
            if name.endswith(flash.TEMPORARY):
                flash.remove_file(path)
            elif name.endswith(record_file.SUFFIX):
                found = record_file.check(path, (CALL, IMPACT, OTHER))
                number = _number(name)
                if found is None or number < 0:
                    self.damaged += 1
                    record_file.set_aside(self._folder, name)
                else:
                    rank, boot_id, seq, peak = found
                    self._number = max(self._number, number)
                    self._insert(Record(rank, number, boot_id, seq, peak))


def _name(record: Record) -> str:
    return "%08x%s" % (record.number, record_file.SUFFIX)


def _number(name: str) -> int:
    """Return the number in a file's name, -1 when there is none."""
    try:
        return int(name[: -len(record_file.SUFFIX)], 16)
    except ValueError:
        return -1
