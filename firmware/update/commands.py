"""The agent's commands about updates, and when none is taken.

| command | argument | does |
|---|---|---|
| UPDATE_BEGIN | 32s SHA-256 of the front, u32 its length | begins a bundle or goes on with it |
| UPDATE_BLOCK | u32 offset, bytes | takes bytes of it |
| UPDATE_FINISH | | reads back; then starts the unit anew, on trial |
| UPDATE_STATE | | tells version, build, slot, and how the last trial ended |

Nothing is taken while somebody waits for help, on a low battery, or during a trial. The flash
stands still while it is written, tens of ms at most: contacts and samples are kept by timers.
"""

import json
import struct

from firmware.local_alarm import OFF
from firmware.self_test import test_parts
from firmware.update import BUILD
from protocol.messages import CommandKind, ResultStatus, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.unit import Unit
    from firmware.update.receive import Receiver
    from firmware.update.state import State

LOW_BATTERY_MV = 3600
"""A lithium cell at rest has about a fifth of its charge left here, and a restart draws on it."""


class UpdateCommands:
    """Updates of one unit."""

    def __init__(self, unit: "Unit", state: "State") -> None:
        self._unit = unit
        self._state = state
        self._receiver: "Receiver | None" = None

    def take(self, kind: int, argument: bytes) -> "tuple[int, str]":
        """Carry out a command; return the status of its Result and its text."""
        if kind == CommandKind.UPDATE_STATE:
            return ResultStatus.DONE, self._tell()
        why = self._why_not()
        if why:
            return ResultStatus.REFUSED, why
        if self._receiver is None:
            self._receiver = self._make_receiver()
        if kind == CommandKind.UPDATE_FINISH:
            return self._finish(self._receiver)
        if len(argument) < 4:
            return ResultStatus.REFUSED, "argument of %d bytes" % len(argument)
        if kind == CommandKind.UPDATE_BEGIN:
            (front,) = struct.unpack("<I", argument[-4:])
            return self._receiver.begin(argument[:-4], front)
        (offset,) = struct.unpack("<I", argument[:4])
        return self._receiver.block(offset, argument[4:])

    def _make_receiver(self) -> "Receiver":
        from firmware.update.receive import Receiver
        from firmware.update.slots import FileSlots

        return Receiver(FileSlots(self._unit.board.flash_root, self._state), self._state)

    def _finish(self, receiver: "Receiver") -> "tuple[int, str]":
        faulty, _ = test_parts(self._unit)
        status, text = receiver.finish(faulty)
        if status == ResultStatus.DONE and self._state.trial:
            self._unit.health.reset_soon("to try a new version")
        return status, text

    def _why_not(self) -> str:
        """Return why there can be no update now, empty when there can."""
        unit = self._unit
        if self._state.trial:
            return "a version is on trial"
        if unit.alarm.state != OFF:
            return "a call is open"
        if unit.backlog.calls():
            return "an alarm is not stored by the agent yet"
        status = Status(0)
        unit.parts.report(status)
        if 0 < status.battery_mv < LOW_BATTERY_MV:
            return "the battery is at %d mV" % status.battery_mv
        return ""

    def _tell(self) -> str:
        state = self._state
        return json.dumps(
            {
                "version": self._unit.hello.firmware,
                "build": BUILD,
                "slot": state.running,
                "trial": bool(state.trial),
                "failed": state.failed,
            }
        )
