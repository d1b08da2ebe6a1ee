"""A pendant's firmware in the VM, its radio, and the agent's end of the line through bleak."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from edge_agent.clock import SystemClock
from edge_agent.link.ble import BleRadio
from edge_agent.unit import LinkLost, Received, Unit
from protocol.messages import Event, Impact, Stage
from protocol.passkey import passkey
from tests.ble.central import Central, adapter_of, client_of, scanner_of
from tests.ble.radio import Air, Radio
from tests.firmware.vm import ROOT, VmUnit, steady

KEY = bytes(range(32))
NAME = "unit-0001"


class BlePendant(VmUnit):
    """A unit whose line is a radio."""

    def __init__(self, folder: Path, key: bytes, **settings: object) -> None:
        super().__init__(folder, "pendant", **settings)
        if key:
            (self.flash / "link.key").write_bytes(key)
        self.host["link"] = f"ble:{folder / 'radio'}"

    def start(self, **environment: str) -> None:
        self._launch([f".frozen:{ROOT}"], (), environment)

    def press(self, *at_ms: int) -> None:
        """Press the button for 200 ms at each of these uptimes."""
        edges = [[[at, 0], [at + 200, 1]] for at in at_ms]
        self.host["pins"]["button"]["steps"] = [[0, 1], *(edge for pair in edges for edge in pair)]


class Home:
    """One pendant and one agent's machine in one air."""

    def __init__(self, folder: Path, key: bytes, agent_key: bytes, settings: dict) -> None:
        self.air = Air()
        self.radio = Radio(self.air, folder / "radio")
        self.central = Central(self.air)
        self.central.passkey = passkey(key)
        self.ble = BleRadio(
            scanner_of(self.central), client_of(self.central), adapter_of(self.central)
        )
        self.pendant = BlePendant(folder, key, **settings)
        self.acknowledging = True
        self.messages: list[object] = []
        self.lost: list[str] = []
        self._received: list[Received] = []
        self.unit = Unit(
            NAME,
            lambda: self.ble.open(f"ble:{NAME}"),
            SystemClock(),
            self._received,
            self._take,
            agent_key,
        )

    async def until(self, true: Callable[[], bool], limit_s: float = 20.0) -> None:
        """Wait until something is true; fail after the limit."""
        end = time.monotonic() + limit_s
        while not true():
            names = [type(message).__name__ for message in self.messages[-20:]]
            assert time.monotonic() < end, f"{self.lost} {names}\n{self.pendant.explain()}"
            await asyncio.sleep(0.01)

    def of(self, kind: type) -> list:
        return [message for message in self.messages if isinstance(message, kind)]

    def kinds(self) -> list[int]:
        """Return the kinds of the events that came, each once, in the unit's order."""
        events = {event.seq: event.kind for event in self.of(Event)}
        return [events[seq] for seq in sorted(events)]

    def backlog(self) -> list[Path]:
        return list((self.pendant.flash / "backlog").iterdir())

    def _take(self) -> None:
        taken, self._received[:] = self._received[:], []
        for one in taken:
            self.messages.append(one.message)
            if isinstance(one.message, LinkLost):
                self.lost.append(one.message.reason)
            elif self.acknowledging and isinstance(one.message, Event | Impact):
                message = one.message
                self.unit.session.acknowledge(message.boot_id, message.seq, Stage.STORED)
        self.unit.flush()


@contextlib.asynccontextmanager
async def home(
    folder: Path, key: bytes = KEY, agent_key: bytes = KEY, **settings: object
) -> AsyncIterator[Home]:
    """A home whose pendant is switched off and whose agent does not listen yet."""
    made = Home(folder, key, agent_key, settings)
    made.pendant.add_acc(steady(100), hold=True)
    await made.radio.start()
    await made.central.start()
    try:
        yield made
    finally:
        made.pendant.kill()
        await made.radio.close()


@contextlib.asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let an agent or a unit run for a while; what it died of is raised."""
    task = asyncio.create_task(work)
    try:
        yield
        if task.done():
            await task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def listening(made: Home) -> AbstractAsyncContextManager[None]:
    """Let the agent listen for a while."""
    return running(made.unit.run())
