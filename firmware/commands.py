"""What the agent may ask of the unit, and the Result it gets.

| command | argument | does |
|---|---|---|
| LIGHT, BUZZER | u8 level, u16 seconds (default 1, 10) | switches it; a call's pattern goes first |
| SELF_TEST | | says how each part is; lights and sounds for a second |
| SENSOR_RESET | u8 channel | sets that part up anew |
| REBOOT | | starts the unit anew within two seconds |
| INVENTORY | | sends the Inventory message before the Result |
| UPDATE_BEGIN, _BLOCK, _FINISH, _STATE | | see `update/commands.py` |
| Configure | JSON object | changes settings, at once |
"""

import struct
import sys

from firmware import profile
from firmware.self_test import test_parts
from firmware.setting_names import SettingsError
from firmware.update import read_state
from protocol.messages import (
    Command,
    CommandKind,
    Configure,
    Inventory,
    Result,
    ResultStatus,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.drivers.radar_line import Radar
    from firmware.sampler import Sampler
    from firmware.settings import Settings
    from firmware.unit import Unit
    from firmware.update.commands import UpdateCommands
    from firmware.update.state import State

_DEFAULT_SECONDS = 10
_TEST_MS = 1000
_MAX_TEXT = 200
_UPDATE = (
    CommandKind.UPDATE_BEGIN,
    CommandKind.UPDATE_BLOCK,
    CommandKind.UPDATE_FINISH,
    CommandKind.UPDATE_STATE,
)


class Commands:
    """Carries out commands and says what came of them."""

    def __init__(self, unit: "Unit") -> None:
        self._unit = unit
        self._state: "State | None" = None
        self._update: "UpdateCommands | None" = None

    def start(self) -> None:
        """Watch over a version that is on trial; tell of one that was taken back."""
        state = read_state(self._unit.board.flash_root)
        if state is not None and (state["trial"] or state["failed"]):
            from firmware.update.trial import Trial

            self._unit.health.keep("trial", Trial(self._unit, self._open_state()).run)

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
            status, text = ResultStatus.FAILED, repr(error)[:_MAX_TEXT]
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
                return ResultStatus.REFUSED, "no such channel"
            part.start_again()
            return ResultStatus.DONE, ""
        if kind == CommandKind.REBOOT:
            unit.health.reset_soon("asked by the agent")
            return ResultStatus.DONE, ""
        if kind == CommandKind.INVENTORY:
            unit.uplink.send(Inventory(unit.inventory()))
            return ResultStatus.DONE, ""
        if kind in _UPDATE:
            if self._update is None:  # its memory is only taken when there is an update
                from firmware.update.commands import UpdateCommands

                self._update = UpdateCommands(unit, self._open_state())
            return self._update.take(kind, argument)
        return ResultStatus.UNKNOWN, "command %d is not known" % kind

    def _open_state(self) -> "State":
        if self._state is None:
            from firmware.update import state

            self._state = state.State(self._unit.board.flash_root, state.__file__)
        return self._state

    def _switch(self, kind: int, argument: bytes) -> "tuple[int, str]":
        level, seconds = 1, _DEFAULT_SECONDS
        if len(argument) >= 3:
            level, seconds = struct.unpack("<BH", argument[:3])
        elif argument:
            level = argument[0]
        output = 0 if kind == CommandKind.LIGHT else 1
        until_ms = self._unit.clock.now_ms() + 1000 * seconds
        self._unit.alarm.ask(output, 1 if level else 0, until_ms)
        return ResultStatus.DONE, ""

    def _test(self) -> "tuple[int, str]":
        unit = self._unit
        faulty, words = test_parts(unit)
        until_ms = unit.clock.now_ms() + _TEST_MS
        unit.alarm.ask(0, 1, until_ms)
        unit.alarm.ask(1, 1, until_ms)
        return ResultStatus.FAILED if faulty else ResultStatus.DONE, words

    def _configure(self, text: str) -> "tuple[int, str]":
        unit = self._unit
        try:
            changed = unit.settings.changed_by(text)
        except SettingsError as error:
            return ResultStatus.REFUSED, str(error)
        try:
            changed.save(unit.board.flash_root)
        except OSError as error:
            return ResultStatus.FAILED, "flash: %r" % error
        unit.settings = changed
        self._apply(changed)
        unit.note_inventory()
        return ResultStatus.DONE, ""

    def _apply(self, changed: "Settings") -> None:
        """Let every part that is running take what may be changed over the link."""
        unit = self._unit
        unit.backlog.max_events = changed.whole("backlog_events")
        unit.backlog.max_impacts = changed.whole("backlog_impacts")
        if unit.gate is not None:
            unit.gate.set_limit(changed.number("impact_limit_g"))
        unit.parts.apply(changed)
        if unit.contact is not None:
            unit.contact.debounce.set_time(changed.whole("debounce_ms"))
