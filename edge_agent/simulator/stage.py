"""A stage for simulated homes: units in VMs, cables, the agent, one virtual clock.

```
 with LockstepRunner(...) as runner:  runner.run(story)     story(stage): what happens when
```
The story is a coroutine on virtual time; it starts and stops units, cuts cables and waits.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edge_agent import BUILD_DATE_S
from edge_agent.agent import Agent
from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.config.file import Config
from edge_agent.config.home import UnitConfig
from edge_agent.link.serial_port import SerialPort
from edge_agent.simulator.conductor import Conductor, LockstepLoop, Machine, VirtualClock
from edge_agent.simulator.line import Line
from edge_agent.simulator.vm import UnitSpec, UnitVm

START_UTC_S = BUILD_DATE_S + 18 * 3600 + 14 * 60
"""Two o'clock at night in Shanghai: where virtual clocks begin unless told otherwise."""

_T = TypeVar("_T")


class UnitEndedError(RuntimeError):
    """A unit's firmware ended by itself; the message is what it printed last."""


@dataclass(frozen=True, slots=True)
class StageOptions:
    """How to set the stage.

    Attributes:
        speed: virtual seconds a second, None for as fast as it goes.
        seed: of every random number.
        start_utc_s: where the virtual clock begins.
    """

    speed: float | None = None
    seed: int = 1
    start_utc_s: float = START_UTC_S


class Stage:
    """A home on virtual time. Made by `on_stage`."""

    def __init__(
        self,
        config: Config,
        options: StageOptions,
        conductor: Conductor,
        folder: Path,
        on_event: Callable[[AlarmEvent], None] | None = None,
    ) -> None:
        self.config = config
        self.folder = folder
        self.conductor = conductor
        self.events: list[AlarmEvent] = []
        self.lines = {unit.id: Line(unit.id) for unit in config.unit}
        self.clock = VirtualClock(conductor, options.start_utc_s, options.seed)
        self._seed = options.seed
        self._on_event = on_event
        self._vms: dict[str, tuple[UnitVm, Machine]] = {}
        for line in self.lines.values():
            line.start()
        self.agent = self._make_agent()
        self._running: asyncio.Task[None] | None = None

    @property
    def now_s(self) -> float:
        """Return virtual seconds."""
        return self.conductor.now_us / 1e6

    def start_agent(self) -> None:
        """Start the agent."""
        self._running = asyncio.create_task(self.agent.run(), name="agent")

    async def stop_agent(self) -> None:
        """Stop the agent; its files stay."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
            self._running = None

    async def restart_agent(self) -> None:
        """Stop the agent and start another one on its files."""
        await self.stop_agent()
        self.agent = self._make_agent()
        self.start_agent()

    def start_unit(self, spec: UnitSpec) -> UnitVm:
        """Switch a unit on, with the flash that it had before."""
        if spec.seed is None:
            spec.seed = self._seed
        line = self.lines[spec.unit_id]
        line.unplug_unit()
        machine = Machine(spec.unit_id, line)
        vm = UnitVm(spec, self.folder / spec.unit_id, line, machine)
        self.conductor.add_machine(machine)
        self._vms[spec.unit_id] = vm, machine
        return vm

    def stop_unit(self, unit_id: str) -> None:
        """Cut a unit's power."""
        vm, machine = self._vms.pop(unit_id)
        vm.stop()
        self.conductor.remove_machine(machine)

    async def until_quiet(self, rounds: int = 60) -> int:
        """Wait for every suspicion and for the routes; return how many events are left.

        Reminders of what nobody answers have no end and are not waited for.

        Args:
            rounds: half seconds that the routes get to take what is left.
        """
        while (due_s := self.agent.next_confirmation_s()) is not None:  # noqa: ASYNC110 (virtual time)
            await asyncio.sleep(max(0.0, due_s - self.now_s) + 0.001)
        await asyncio.sleep(1.0)  # the last timer's event is stored and told
        waiting = sum((await self.agent.outbox.backlog()).values())
        for _ in range(rounds):
            if not waiting:
                break
            await asyncio.sleep(0.5)
            waiting = sum((await self.agent.outbox.backlog()).values())
        return waiting

    async def watch(self) -> None:
        """Return never; raise when the agent or a unit ends by itself.

        Raises:
            UnitEndedError: a firmware ended.
        """
        while True:
            if self._running is not None and self._running.done():
                await self._running
            for vm, machine in self._vms.values():
                if machine.is_gone:
                    raise UnitEndedError(vm.log[-2000:])
            await asyncio.sleep(1.0)

    async def close(self) -> None:
        """Take everything down."""
        await self.stop_agent()
        for unit_id in list(self._vms):
            self.stop_unit(unit_id)
        for line in self.lines.values():
            line.close()

    def _make_agent(self) -> Agent:
        return Agent(
            self.config,
            self.clock,
            self._open_link,
            self.folder / "outbox.db",
            None,
            self._collect,
        )

    def _open_link(self, unit: UnitConfig) -> SerialPort:
        return self.lines[unit.id].open_port(unit)

    def _collect(self, event: AlarmEvent) -> None:
        self.events.append(event)
        if self._on_event is not None:
            self._on_event(event)


def on_stage(
    config: Config,
    options: StageOptions,
    story: Callable[[Stage], Awaitable[_T]],
    on_event: Callable[[AlarmEvent], None] | None = None,
) -> _T:
    """Play a story on a stage of its own and return what it returns.

    Raises:
        VmMissingError: there is no MicroPython VM here.
        LockstepError: a unit hangs.
        UnitEndedError: a unit's firmware ended by itself.
    """
    conductor = Conductor(options.speed)

    async def play(folder: Path) -> _T:
        stage = Stage(config, options, conductor, folder, on_event)
        telling = asyncio.ensure_future(story(stage))
        watching = asyncio.create_task(stage.watch(), name="watch")
        try:
            await asyncio.wait({telling, watching}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                await watching
            return await telling
        finally:
            for task in (telling, watching):
                task.cancel()
            await asyncio.gather(telling, watching, return_exceptions=True)
            await stage.close()

    with (
        tempfile.TemporaryDirectory(prefix="anzhen-") as folder,
        asyncio.Runner(loop_factory=lambda: LockstepLoop(conductor)) as runner,
    ):
        try:
            return runner.run(play(Path(folder)))
        finally:
            conductor.hold()  # winding down takes real time
