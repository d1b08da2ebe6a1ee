"""What the agent may ask of the unit, and the Result it gets.

| command | argument | does |
|---|---|---|
| LIGHT, BUZZER | u8 level, u16 seconds (default 1, 10) | switches it; a call's pattern goes first |
| SELF_TEST | | says how each part is; lights and sounds for a second |
| SENSOR_RESET | u8 channel | sets that part up anew |
| REBOOT | | starts the unit anew within two seconds |
| INVENTORY | | sends the Inventory message before the Result |
| Configure | JSON object | changes settings, at once |

Result status: 0 done, 1 not known, 2 refused, 3 failed.
"""

import struct
import sys

from firmware import flash, profile, settings
from firmware.drivers.contact import Cord
from firmware.settings import SettingsError
from protocol.messages import Command, CommandKind, Configure, Inventory, Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from firmware.backlog import Backlog
    from firmware.boards.board import Board
    from firmware.drivers.contact import Button, Contact
    from firmware.drivers.radar_line import Radar
    from firmware.health import Health
    from firmware.impact_gate import ImpactGate
    from firmware.local_alarm import LocalAlarm
    from firmware.room import Room
    from firmware.sampler import Sampler
    from firmware.settings import Settings
    from firmware.uplink import Uplink
    from firmware.uptime import Clock

    class Unit(Protocol):
        """The parts that a command may reach."""

        board: Board
        clock: Clock
        settings: Settings
        alarm: LocalAlarm
        health: Health
        backlog: Backlog
        uplink: Uplink
        gate: ImpactGate | None
        samplers: dict[int, Sampler]
        contact: Contact | None
        contact_channel: int
        contact_input: Button | Cord | None
        room: Room | None

        def inventory(self) -> str:
            """Return what the unit is made of."""

        def note_inventory(self) -> None:
            """Let the next greeting tell the inventory of now."""


DONE = 0
UNKNOWN = 1
REFUSED = 2
FAILED = 3

_DEFAULT_SECONDS = 10
_CONTACT_NAMES = ("idle", "pressed", "cut", "short")
_TEST_MS = 1000
_MAX_TEXT = 200


class Commands:
    """Carries out commands and says what came of them."""

    def __init__(self, unit: "Unit") -> None:
        self._unit = unit

    def answer(self, message: object) -> "Result | None":
        """Do what a message asks and return its Result, None when it asks nothing."""
        if not isinstance(message, (Command, Configure)):
            return None
        try:
            if isinstance(message, Configure):
                status, text = self._configure(message.text)
            else:
                status, text = self._do(message.kind, message.argument)
        except Exception as error:  # our mistake; repeated for ever it must not stop the unit
            sys.print_exception(error, sys.stderr)  # type: ignore[arg-type]
            status, text = FAILED, repr(error)[:_MAX_TEXT]
        return Result(message.number, status, text)

    def _do(self, kind: int, argument: bytes) -> "tuple[int, str]":
        unit = self._unit
        if kind in (CommandKind.LIGHT, CommandKind.BUZZER):
            return self._switch(kind, argument)
        if kind == CommandKind.SELF_TEST:
            return self._test()
        if kind == CommandKind.SENSOR_RESET:
            part: "Sampler | Radar | None" = unit.samplers.get(argument[0]) if argument else None
            if argument and argument[0] == profile.RADAR and unit.room is not None:
                part = unit.room.radar
            if part is None:
                return REFUSED, "no such channel"
            part.start_again()
            return DONE, ""
        if kind == CommandKind.REBOOT:
            unit.health.reset_soon("asked by the agent")
            return DONE, ""
        if kind == CommandKind.INVENTORY:
            unit.uplink.send(Inventory(unit.inventory()))
            return DONE, ""
        return UNKNOWN, "command %d is not known" % kind

    def _switch(self, kind: int, argument: bytes) -> "tuple[int, str]":
        level, seconds = 1, _DEFAULT_SECONDS
        if len(argument) >= 3:
            level, seconds = struct.unpack("<BH", argument[:3])
        elif argument:
            level = argument[0]
        output = 0 if kind == CommandKind.LIGHT else 1
        until_ms = self._unit.clock.now_ms() + 1000 * seconds
        self._unit.alarm.ask(output, 1 if level else 0, until_ms)
        return DONE, ""

    def _test(self) -> "tuple[int, str]":
        unit = self._unit
        status = DONE
        words = []
        for channel in profile.source_channels(unit.settings):
            sampler = unit.samplers.get(channel)
            good = sampler is not None and not sampler.faulty
            words.append("%s %s" % (profile.NAMES[channel], "ok" if good else "faulty"))
            status = status if good else FAILED
        if unit.settings.text("radar") != settings.NONE:
            radar = unit.room.radar if unit.room is not None else None
            good = radar is not None and not radar.faulty and not radar.stuck
            words.append("radar %s" % ("ok" if good else "faulty"))
            status = status if good else FAILED
        name = profile.NAMES[unit.contact_channel]
        if unit.contact is not None:
            words.append("%s %s" % (name, _CONTACT_NAMES[unit.contact.state]))
        elif profile.has_contact(unit.settings):
            words.append("%s faulty" % name)
            status = FAILED
        try:
            path = unit.board.flash_root + "/self_test"
            flash.write_checked(path, '"ok"')
            good = flash.read_checked(path) == "ok"
            flash.remove_file(path)
        except OSError:
            good = False
        words.append("flash %s" % ("ok" if good else "faulty"))
        status = status if good else FAILED
        until_ms = unit.clock.now_ms() + _TEST_MS
        unit.alarm.ask(0, 1, until_ms)
        unit.alarm.ask(1, 1, until_ms)
        return status, ", ".join(words)

    def _configure(self, text: str) -> "tuple[int, str]":
        unit = self._unit
        try:
            changed = unit.settings.changed_by(text)
        except SettingsError as error:
            return REFUSED, str(error)
        try:
            changed.save(unit.board.flash_root)
        except OSError as error:
            return FAILED, "flash: %r" % error
        unit.settings = changed
        self._apply(changed)
        unit.note_inventory()
        return DONE, ""

    def _apply(self, changed: "Settings") -> None:
        """Let every part that is running take what may be changed over the link."""
        unit = self._unit
        unit.backlog.max_events = changed.whole("backlog_events")
        unit.backlog.max_impacts = changed.whole("backlog_impacts")
        if unit.gate is not None:
            unit.gate.set_limit(changed.number("impact_limit_g"))
        load = unit.samplers.get(profile.LOAD)
        if load is not None:
            from firmware.drivers.nau7802 import Nau7802

            assert isinstance(load.source, Nau7802)
            load.source.zero = changed.whole("load_zero")
            load.source.kg_per_count = changed.number("load_kg_per_count")
        if unit.contact is not None:
            unit.contact.debounce.set_time(changed.whole("debounce_ms"))
        if isinstance(unit.contact_input, Cord):
            unit.contact_input.set_limits(
                changed.number("cord_short_below"),
                changed.number("cord_pressed_below"),
                changed.number("cord_idle_below"),
            )
