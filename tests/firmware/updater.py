"""The agent's part of an update against a unit in the VM, without an agent."""

import struct
from pathlib import Path

from edge_agent.update_bundle import Bundle
from protocol.messages import CommandKind, Result, ResultStatus
from tests.firmware.vm import ROOT, LockstepUnit

BLOCK = 800


class InstalledUnit(LockstepUnit):
    """A unit with the factory's program in bytecode, as on a device; source costs it more heap."""

    def __init__(self, folder: Path, factory: Path, **settings: object) -> None:
        super().__init__(folder, **settings)
        self._factory = str(factory)

    def _launch(self, path: list[str], fds: tuple[int, ...], environment: dict[str, str]) -> None:
        path = [self._factory if entry == str(ROOT) else entry for entry in path]
        super()._launch(path, fds, environment)


def ask(unit: LockstepUnit, kind: int, argument: bytes = b"") -> tuple[int, str]:
    """Return status and text of a command's result."""
    number = unit.session.command(kind, argument)
    for _ in range(50):
        unit.advance(20)
        for result in reversed(unit.of(Result)):
            if result.number == number:
                return result.status, result.text
    raise AssertionError(unit.explain())


def begin(unit: LockstepUnit, bundle: Bundle) -> tuple[int, str]:
    while True:
        argument = bundle.identity + struct.pack("<I", bundle.front)
        status, text = ask(unit, CommandKind.UPDATE_BEGIN, argument)
        if status != ResultStatus.GOING_ON:
            return status, text


def send(unit: LockstepUnit, bundle: Bundle, until: int | None = None) -> tuple[int, str]:
    """Send a bundle from where the unit is, up to a byte or its end, or a refusal."""
    end = len(bundle.content) if until is None else until
    status, text = begin(unit, bundle)
    while status == ResultStatus.DONE and int(text) < end:
        at = int(text)
        piece = bundle.content[at : min(at + BLOCK, end)]
        status, text = ask(unit, CommandKind.UPDATE_BLOCK, struct.pack("<I", at) + piece)
    return status, text


def finish(unit: LockstepUnit) -> tuple[int, str]:
    while True:
        status, text = ask(unit, CommandKind.UPDATE_FINISH)
        if status != ResultStatus.GOING_ON:
            return status, text
