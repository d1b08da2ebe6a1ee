"""The unit put together: parts, tasks, and what goes from one to the other.

```
 drivers -> sampler --+--> uplink -> agent
                      +--> impact gate --+
 contact -+-> local alarm                +--> backlog -> uplink
          +------------------------------+
 room (radar, inputs) ---> local alarm, backlog, uplink
```
A press lights and sounds first, then it is written to the flash, then it is sent.
"""

import asyncio
import binascii
import sys

from firmware import profile, settings
from firmware.backlog import Backlog
from firmware.boot import begin_boot
from firmware.calls import Calls
from firmware.commands import Commands
from firmware.drivers.contact import Contact
from firmware.health import (
    FLAG_ALARM,
    FLAG_FLASH,
    FLAG_SENSOR,
    FLAG_SETTINGS,
    Health,
    leave_last_words,
)
from firmware.local_alarm import OFF, LocalAlarm
from firmware.sampler import Sampler
from firmware.uplink import Uplink
from firmware.uptime import Clock
from protocol import quantities
from protocol.messages import (
    Ack,
    EventKind,
    Hello,
    Inventory,
    Log,
    Reading,
    Samples,
    TimeSync,
)
from protocol.session import LinkUp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array

    from firmware.backlog import Record
    from firmware.boards.board import Adc, Board
    from firmware.drivers.contact import Button, Cord
    from firmware.impact_gate import ImpactGate
    from firmware.room import Room
    from firmware.sampler import Source
    from protocol.messages import Status

VERSION = "0.1.0"
BEAT_MS = 100
"""Contacts and patterns are worked on this often; the sampler's blocks fall on the same beat."""

_BEAT_LIMIT_MS = 5_000
_SAMPLER_LIMIT_MS = 10_000
_LINK_LIMIT_MS = 20_000
_WARNING = 30
_CRASH_PAUSE_S = 5


class Unit:
    """All parts of one unit, and the ways between them."""

    def __init__(self, board: "Board") -> None:
        root = board.flash_root
        self.board = board
        self.clock = Clock(board)
        self.settings = settings.load(root)
        self.alarm = LocalAlarm(board.pin("light"), board.pin("buzzer"))
        self.health = Health(board, self.clock, self._report)
        boot = begin_boot(root, board.random)
        self.backlog = Backlog(
            root,
            boot.boot_id,
            self.clock,
            self.settings.whole("backlog_events"),
            self.settings.whole("backlog_impacts"),
        )
        self.gate: "ImpactGate | None" = None
        self.samplers: "dict[int, Sampler]" = {}
        self.contact: "Contact | None" = None
        self.contact_channel = profile.contact_channel(self.settings)
        self.contact_input: "Button | Cord | None" = None
        self.beats = 0
        self._early: "Record | None" = None
        self._battery: "Adc | None" = None
        self._told_boot = False
        self._make_parts()
        self.hello = Hello(
            board.unit_id,
            boot.boot_id,
            boot.count,
            board.random(8),
            self.settings.text("profile"),
            VERSION,
            reset_cause=board.reset_cause(),
        )
        self.uplink = Uplink(
            self.hello, board.link(), self.clock, self.backlog, self._take, board.unique_key()
        )
        self.room = self._make_room()
        self.note_inventory()
        self.commands = Commands(self)
        self.calls = Calls(
            root, self.clock, self.alarm, self.backlog, self.contact_channel, self.uplink.pump
        )
        if self.settings.complaint:
            self.health.flags |= FLAG_SETTINGS

    def start(self) -> None:
        """Start every task of the unit."""
        keep = self.health.keep
        keep("beat", self._run_beat, self, _BEAT_LIMIT_MS)
        for channel, sampler in self.samplers.items():
            keep("sampler " + profile.NAMES[channel], sampler.run, sampler, _SAMPLER_LIMIT_MS)
        if self.room is not None:
            self.room.start(self.health)
        keep("link reader", self.uplink.run_reader)
        keep("link timer", self.uplink.run_timer, self.uplink, _LINK_LIMIT_MS)
        keep("health", self.health.run)

    def inventory(self) -> str:
        """Return what the unit is made of, as JSON text of at most 900 bytes."""
        sources = {channel: sampler.source for channel, sampler in self.samplers.items()}
        contact = self.contact_channel if self.contact is not None else -1
        room = self.room.parts() if self.room is not None else []
        return profile.inventory(self.board.unit_id, VERSION, self.settings, sources, contact, room)

    def note_inventory(self) -> None:
        """Let the next greeting tell the inventory of now."""
        self.hello.inventory_crc = binascii.crc32(self.inventory().encode()) & 0xFFFFFFFF

    # Making the parts

    def _make_parts(self) -> None:
        for channel in profile.source_channels(self.settings):
            try:
                source = profile.make_source(channel, self.board, self.settings)
            except OSError:
                self._tell_sensor(channel, True)
                continue
            if channel == profile.ACC:
                from firmware.drivers.lis3dh import G_PER_DIGIT
                from firmware.impact_gate import ImpactGate

                limit_g = self.settings.number("impact_limit_g")
                self.gate = ImpactGate(source.period_ms, G_PER_DIGIT, limit_g, self._keep_impact)
            self.samplers[channel] = self._make_sampler(channel, source)
        if profile.has_contact(self.settings):
            self._make_contact()
        if self.settings.whole("battery_full_mv"):
            try:
                self._battery = self.board.adc("battery")
            except OSError:
                self.health.flags |= FLAG_SETTINGS

    def _make_contact(self) -> None:
        try:
            self.contact_input = profile.make_contact(
                self.contact_channel, self.board, self.settings
            )
            self.contact = Contact(
                self.board,
                self.contact_input.read,
                self.settings.whole("debounce_ms"),
                self._contact_changed,
            )
        except OSError:
            self._tell_sensor(self.contact_channel, True)

    def _make_room(self) -> "Room | None":
        if not profile.watches_room(self.settings):
            return None
        from firmware.room import Room

        return Room(
            self.board,
            self.settings,
            self.clock,
            self.alarm,
            self.backlog,
            self.uplink,
            self._tell_inventory,
        )

    def _make_sampler(self, channel: int, source: "Source") -> Sampler:
        quantity = profile.QUANTITIES[channel]
        period_us = 1000 * source.period_ms

        def emit(counts: "array[int]", count: int, first_ms: int, index: int) -> None:
            if not self.uplink.wants_samples():
                return
            try:
                samples = bytes(memoryview(counts)[: count * source.axes])
            except MemoryError:
                self.uplink.dropped += 1
                return
            block = Samples(
                quantity.code, channel, first_ms, index,
                period_us, source.scale, source.axes, samples,
            )  # fmt: skip
            self.uplink.send(block)

        def tell(faulty: bool) -> None:
            self._tell_sensor(channel, faulty)
            self.uplink.pump()

        tap = self.gate if channel == profile.ACC else None
        return Sampler(source, self.clock, emit, tell, tap)

    # From the parts to the backlog

    def _tell_sensor(self, channel: int, faulty: bool) -> None:
        kind = EventKind.SENSOR_FAULT if faulty else EventKind.SENSOR_RESTORED
        self.backlog.add_event(kind, channel, profile.QUANTITIES[channel].code)

    def _keep_impact(
        self,
        first_ms: int,
        trigger_ms: int,
        peak_mg: int,
        pieces: "list[memoryview]",
        whole: bool,
    ) -> None:
        source = self.samplers[profile.ACC].source
        record = self.backlog.add_impact(
            profile.ACC,
            first_ms,
            trigger_ms,
            1000 * source.period_ms,
            source.scale,
            source.axes,
            pieces,
            peak_mg,
            not whole,
            self._early,
        )
        self._early = None if whole else record
        if whole:
            self.uplink.pump()

    def _contact_changed(self, before: int, state: int, at_ms: int) -> None:
        self.calls.changed(before, state, at_ms)
        self._tell_contact(at_ms)

    async def _run_beat(self) -> None:
        while True:
            await self.clock.wait_beat(BEAT_MS)
            self.beats += 1
            now_ms = self.clock.now_ms()
            self.calls.record()
            if self.contact is not None:
                self.contact.poll(now_ms)
            if self.room is not None:
                self.room.poll(now_ms)
            self.alarm.tick(now_ms)

    # From and to the agent

    def _take(self, event: object) -> None:
        now_ms = self.clock.now_ms()
        if isinstance(event, Ack):
            self.calls.acknowledge(event)
        elif isinstance(event, TimeSync):
            self.clock.learn_utc(event.utc_ms, event.quality)
        elif isinstance(event, LinkUp):
            self.clock.learn_utc(event.welcome.utc_ms, event.welcome.quality)
            self._tell_boot()
            self._tell_contact(now_ms)
            if self.room is not None:
                self.room.tell_again()
        else:
            result = self.commands.answer(event)
            if result is not None:
                self.uplink.send(result)

    def _tell_boot(self) -> None:
        """Say once what was wrong at the start."""
        if self._told_boot:
            return
        self._told_boot = True
        now_ms = self.clock.now_ms()
        if self.settings.complaint:
            text = "settings: %s (using %s)" % (self.settings.complaint, self.settings.origin)
            self.uplink.send(Log(_WARNING, now_ms, text))
        if self.health.last_words:
            text = "the last boot ended: %s" % self.health.last_words
            self.uplink.send(Log(_WARNING, now_ms, text))

    def _tell_contact(self, at_ms: int) -> None:
        if self.contact is not None and self.uplink.online:
            state = float(self.contact.state)
            code = quantities.CONTACT.code
            self.uplink.send(Reading(code, self.contact_channel, at_ms, state))

    def _tell_inventory(self) -> None:
        self.note_inventory()
        if self.uplink.online:
            self.uplink.send(Inventory(self.inventory()))

    def _report(self, status: "Status") -> None:
        if not self.uplink.online:
            return
        status.dropped = self.uplink.dropped
        status.rejected = self.uplink.rejected
        status.backlog = len(self.backlog)
        for sampler in self.samplers.values():
            status.overruns += sampler.lost
            if sampler.faulty:
                status.flags |= FLAG_SENSOR
        if self.room is not None:
            self.room.report(status)
        if self.backlog.flash_errors or self.backlog.damaged:
            status.flags |= FLAG_FLASH
        if self.alarm.state != OFF:
            status.flags |= FLAG_ALARM
        if self._battery is not None:
            full_mv = self.settings.whole("battery_full_mv")
            status.battery_mv = self._battery.read_u16() * full_mv // 65535
        self.uplink.send(status)


def run(board: "Board") -> None:
    """Run the unit on a board, for ever; whatever ends it starts the board anew."""

    async def main() -> None:
        Unit(board).start()
        await asyncio.Event().wait()  # never set

    async def pause() -> None:
        await asyncio.sleep(_CRASH_PAUSE_S)  # boot after boot would wear the flash out

    try:
        asyncio.run(main())
        why = "every task has ended"
    except Exception as error:
        sys.print_exception(error, sys.stderr)  # type: ignore[arg-type]
        why = "the unit: %r" % error
    leave_last_words(board.flash_root, why)
    asyncio.run(pause())
    board.reset()
