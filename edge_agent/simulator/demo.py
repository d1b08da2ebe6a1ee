"""`anzhen demo`: a whole home on one laptop, played from a scene and checked against it.

```
 scene --> actors --> sensor files --> firmware in VMs --> cables --> agent --> broker (amqtt)
   |                                      ^ light, buzzer                         |
   +--> expectations <------ subscriber, who acknowledges, dispatches, closes <---+
```
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.clock import parse_utc
from edge_agent.simulator.actors import UnitActor, cast_units
from edge_agent.simulator.broker import EmbeddedBroker
from edge_agent.simulator.scene import OF_UNITS, Scene, SceneEvent, What
from edge_agent.simulator.stage import Stage, StageOptions, on_stage
from edge_agent.simulator.verdict import Verdict, judge
from edge_agent.simulator.vm import VmMissingError, find_micropython
from edge_agent.simulator.watcher import Arrival, Watcher

SCENES = Path(__file__).parent / "scenes"
TAIL_S = 2.0
LIGHT_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Light:
    """The light or buzzer of a unit changed."""

    unit: str
    at_s: float
    output: str
    level: int


class Screen(Protocol):
    """Shows a demo while it runs."""

    def happened(self, event: SceneEvent) -> None:
        """Something happened in the scene."""

    def arrived(self, arrival: Arrival, latency_s: float) -> None:
        """The subscriber got an alarm event."""

    def lit(self, light: Light) -> None:
        """A unit's light or buzzer changed."""

    def passed(self, now_s: float) -> None:
        """A second has passed."""


def has_vm() -> bool:
    """Return True when units can run their real firmware here."""
    try:
        find_micropython()
    except VmMissingError:
        return False
    return True


def play(
    scene: Scene,
    speed: float | None,
    screen: Screen,
    link_level: bool,
    on_message: Callable[[str, bytes], None] | None = None,
) -> Verdict:
    """Play a scene to its end and judge it.

    Args:
        scene: what happens.
        speed: scene seconds a second, None for as fast as it goes.
        screen: shown on while it runs.
        link_level: play the units at link level, without their firmware.
        on_message: told of everything a subscriber gets: topic below the home's, body.

    Raises:
        LockstepError: a unit hangs.
        UnitEndedError: a unit's firmware ended by itself.
    """
    with EmbeddedBroker() as port:
        options = StageOptions(speed, scene.seed)
        performance = _Performance(scene, port, screen, link_level, on_message)
        config = scene.make_config(("127.0.0.1", port))
        assert config.mqtt is not None
        # amqtt waits for ever for the rest of a CONNECT of MQTT 5, which it cannot read.
        config = replace(config, mqtt=replace(config.mqtt, protocol="3.1.1"))
        return on_stage(config, options, performance.run, performance.stored)


class _Performance:
    """One playing of a scene."""

    def __init__(
        self,
        scene: Scene,
        port: int,
        screen: Screen,
        link_level: bool,
        on_message: Callable[[str, bytes], None] | None,
    ) -> None:
        self._scene = scene
        self._port = port
        self._screen = screen
        self._link_level = link_level
        self._on_message = on_message
        self._onset_s: dict[str, float] = {}
        self._watcher: Watcher | None = None
        self._start_utc_s = 0.0

    def stored(self, event: AlarmEvent) -> None:
        """Take note of an event that the agent has stored: it is on its way now."""
        if self._watcher is not None:
            self._watcher.expect(event)

    async def run(self, stage: Stage) -> Verdict:
        """Play on a stage."""
        home = self._scene.home
        self._start_utc_s = stage.clock.now().utc_s - stage.now_s
        self._watcher = Watcher(
            f"anzhen/v1/{home.region}/{home.home}/",
            self._port,
            stage.conductor,
            self._scene.platform,
            self._arrived,
            self._on_message,
        )
        actors = cast_units(self._scene, stage)
        async with self._watcher.watching():
            stage.start_agent()
            for actor in actors.values():
                await actor.enter(self._link_level)
            async with asyncio.TaskGroup() as group:
                lights = group.create_task(self._watch_lights(actors), name="lights")
                clock = group.create_task(self._tell_time(stage), name="time")
                await self._tell_story(stage, actors)
                for task in (lights, clock):
                    task.cancel()
            await asyncio.sleep(TAIL_S)
            for actor in actors.values():
                await actor.leave()
        return judge(self._scene, self._watcher.arrivals, self._onset_s)

    async def _tell_story(self, stage: Stage, actors: dict[str, UnitActor]) -> None:
        for event in sorted(self._scene.event, key=lambda event: event.at):
            await asyncio.sleep(max(0.0, event.at - stage.now_s))
            self._screen.happened(event)
            if event.what in OF_UNITS and event.unit is not None:
                await _do(stage, actors[event.unit], event.what, self._link_level)
        await asyncio.sleep(max(0.0, self._scene.duration - stage.now_s))

    async def _tell_time(self, stage: Stage) -> None:
        while True:
            self._screen.passed(stage.now_s)
            await asyncio.sleep(1.0)

    async def _watch_lights(self, actors: dict[str, UnitActor]) -> None:
        seen = dict.fromkeys(actors, 0)
        while True:
            for unit_id, actor in actors.items():
                lines = actor.outputs()
                for line in lines[seen[unit_id] :]:
                    change = json.loads(line)
                    at_s = change["t"] / 1000
                    self._screen.lit(Light(unit_id, at_s, change["pin"], change["value"]))
                seen[unit_id] = len(lines)
            await asyncio.sleep(LIGHT_EVERY_S)

    def _arrived(self, arrival: Arrival) -> None:
        event = arrival.event
        onset_s = self._onset_s.setdefault(
            event.alarm_id, parse_utc(event.onset) - self._start_utc_s
        )
        self._screen.arrived(arrival, arrival.at_s - onset_s)


async def _do(stage: Stage, actor: UnitActor, what: What, link_level: bool) -> None:
    """Do to a unit what the scene says; what its sensors see is in its files already."""
    if what is What.CUT_LINE:
        stage.lines[actor.unit_id].is_cut = True
    elif what is What.MEND_LINE:
        stage.lines[actor.unit_id].is_cut = False
    elif what is What.POWER_OFF:
        await actor.leave()
    elif what is What.POWER_ON:
        await actor.enter(link_level)
