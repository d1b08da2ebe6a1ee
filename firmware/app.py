"""The unit put together: its parts, its tasks, and what goes from one to the other.

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

from firmware import forget, profile
from firmware.backlog import Backlog
from firmware.calls import Calls
from firmware.health import Health, leave_last_words
from firmware.local_alarm import LocalAlarm
from firmware.parts import Parts
from firmware.safe_mode import SafeMode
from firmware.talk import Talk
from firmware.update import read_state
from firmware.uplink import Uplink
from firmware.uptime import Clock
from protocol.messages import Hello, StatusFlag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.boards.board import Board
    from firmware.button_test import ButtonTest
    from firmware.commands import Commands
    from firmware.room import Room

VERSION = "0.1.0"
BEAT_MS = 100
"""Contacts and patterns are worked on this often; the sampler's blocks fall on the same beat."""

_BEAT_LIMIT_MS = 5_000
_LINK_LIMIT_MS = 20_000
_CRASH_PAUSE_S = 5


class Unit:
    """All parts of one unit, and the ways between them."""

    def __init__(self, board: "Board") -> None:
        from firmware import settings_file
        from firmware.boot import begin_boot

        root = board.flash_root
        self.board = board
        self.clock = Clock(board)
        self.settings = settings_file.load(root)
        self.alarm = LocalAlarm(board.pin("light"), board.pin("buzzer"))
        self.talk = Talk(self)
        self.health = Health(board, self.clock, self.talk.report)
        words = self.health.last_words if self.health.words_are_new else ""
        self.safe_mode = SafeMode(root, board.reset_cause(), words)
        boot = begin_boot(root, board.random)
        self.backlog = Backlog(
            root,
            boot.boot_id,
            self.clock,
            self.settings.whole("backlog_events"),
            self.settings.whole("backlog_impacts"),
        )
        self.beats = 0
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
            self.hello,
            board.link(),
            self.clock,
            self.backlog,
            self.talk.take,
            board.unique_key(),
        )
        self.parts = Parts(
            board,
            self.settings,
            self.clock,
            self.backlog,
            self.uplink,
            self._contact_changed,
            self.safe_mode.is_on,
        )
        self.gate = self.parts.gate
        self.samplers = self.parts.samplers
        self.contact = self.parts.contact
        self.contact_channel = self.parts.contact_channel
        self.contact_input = self.parts.contact_input
        self.room = self._make_room()
        self.note_inventory()
        self._commands: "Commands | None" = None
        self.calls = Calls(
            root, self.clock, self.alarm, self.backlog, self.contact_channel, self.uplink.pump
        )
        self.button_test = self._make_button_test()
        self.health.flags |= self.parts.flags
        if self.safe_mode.is_on:
            self.health.flags |= StatusFlag.SAFE
        if self.settings.complaint:
            self.health.flags |= StatusFlag.SETTINGS
        if self.parts.battery is not None:
            board.save_power()
        for name in ("boot", "making", "settings_file", "setting_names"):
            forget(name)

    def start(self) -> None:
        """Start every task of the unit."""
        keep = self.health.keep
        keep("beat", self._run_beat, self, _BEAT_LIMIT_MS)
        self.parts.start(self.health)
        if self.room is not None:
            self.room.start(self.health)
        keep("link reader", self.uplink.run_reader)
        keep("link timer", self.uplink.run_timer, self.uplink, _LINK_LIMIT_MS)
        keep("health", self.health.run)
        state = read_state(self.board.flash_root)
        if state is not None and (state["trial"] or state["failed"]):
            self.commands.start()

    @property
    def commands(self) -> "Commands":
        """Return what carries out commands; in memory from the first one on."""
        if self._commands is None:
            from firmware.commands import Commands

            self._commands = Commands(self)
        return self._commands

    def inventory(self) -> str:
        """Return what the unit is made of, as JSON text of at most 900 bytes."""
        sources = {channel: sampler.source for channel, sampler in self.samplers.items()}
        contact = self.contact_channel if self.contact is not None else -1
        room = self.room.parts() if self.room is not None else []
        return profile.inventory(self.board.unit_id, VERSION, self.settings, sources, contact, room)

    def note_inventory(self) -> None:
        """Let the next greeting tell the inventory of now."""
        self.hello.inventory_crc = binascii.crc32(self.inventory().encode()) & 0xFFFFFFFF

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
            self.talk.tell_inventory,
            self.safe_mode.is_on,
        )

    def _make_button_test(self) -> "ButtonTest | None":
        if self.contact is None:
            return None
        from firmware.button_test import ButtonTest

        return ButtonTest(
            self.board.flash_root, self.clock, self.alarm, self.backlog, self.contact_channel
        )

    def _contact_changed(self, before: int, state: int, at_ms: int) -> None:
        self.calls.changed(before, state, at_ms)
        self.talk.tell_contact(at_ms)

    async def _run_beat(self) -> None:
        while True:
            await self.clock.wait_beat(BEAT_MS)
            self.beats += 1
            now_ms = self.clock.now_ms()
            self.calls.record()
            self.parts.poll(now_ms)
            if self.button_test is not None and self.button_test.poll(now_ms):
                self.uplink.pump()
            if self.safe_mode.poll(now_ms):
                self.health.reset_soon("asked: safe mode is over")
            if self.room is not None:
                self.room.poll(now_ms)
            self.alarm.tick(now_ms)


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
