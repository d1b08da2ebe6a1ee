"""`anzhen replay`: a recording into the accelerometer port of the real firmware, and on.

```
 trial --> LIS3DH registers --> firmware in the VM --> cable --> serial port --> agent --> broker
```
All of it in lockstep virtual time; the events are the same every time.
"""

import asyncio
import socket
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.config.file import Config
from edge_agent.config.home import HomeConfig, PlaceConfig, UnitConfig
from edge_agent.config.routes import MqttConfig
from edge_agent.evaluate.falls.trials import Trial
from edge_agent.simulator.player import write_lis3dh
from edge_agent.simulator.stage import Stage, StageOptions, on_stage
from edge_agent.simulator.vm import UnitSpec

UNIT = "pendant-1"
LEAD_S = 0.5
"""The unit boots this long after the agent, so that the agent hears its first word."""
LAST_BLOCK_S = 0.3
"""After the recording the last block gets this long; then the unit falls silent, as if its
battery were taken out: nothing is made up after the end."""
TAIL_S = 3.0
"""Time in which the agent notices the silence and decides what is open."""


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What came of a replay."""

    events: list[AlarmEvent]
    virtual_s: float
    real_s: float
    undelivered: int


def reachable(host: str, port: int) -> bool:
    """Return True when something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=2.0):
            return True
    except OSError:
        return False


def make_config(broker: tuple[str, int] | None = None) -> Config:
    """Return the home of a replay: one pendant, one person, nobody real."""
    return Config(
        home=HomeConfig(region="000000000000", home="replay"),
        place=[PlaceConfig(id="room", zh="房间", en="room")],
        unit=[
            UnitConfig(id=UNIT, port="replay", place="room", person="p1", source="pendant"),
        ],
        mqtt=MqttConfig(host=broker[0], port=broker[1]) if broker else None,
        simulated=True,
    )


def make_pendant(stage: Stage, trial: Trial) -> UnitSpec:
    """Return a pendant whose accelerometer plays a trial from its boot on."""
    acceleration = trial.counts.astype(np.float64) * trial.scale_g
    part = write_lis3dh(stage.folder / "acceleration.bin", acceleration, trial.rate_hz)
    button = {"steps": [[0, 1]]}  # there, and not pressed
    return UnitSpec(UNIT, "pendant", {"i2c": {"main": {"24": part}}, "pins": {"button": button}})


def replay(
    trial: Trial,
    options: StageOptions,
    broker: tuple[str, int] | None = None,
    on_event: Callable[[AlarmEvent], None] | None = None,
) -> ReplayResult:
    """Play one trial through the whole chain.

    Raises:
        VmMissingError: there is no MicroPython VM here.
        LockstepError: a unit hangs.
        UnitEndedError: the firmware ended by itself.
    """

    async def story(stage: Stage) -> ReplayResult:
        stage.start_agent()
        await asyncio.sleep(LEAD_S)
        stage.start_unit(make_pendant(stage, trial))
        await asyncio.sleep(trial.seconds + LAST_BLOCK_S)
        stage.stop_unit(UNIT)
        await asyncio.sleep(TAIL_S)
        undelivered = await stage.until_quiet()
        return ReplayResult(stage.events, stage.now_s, stage.conductor.real_s, undelivered)

    # Two trials must not make the same names: what is replayed is a part of the seed.
    seed = zlib.crc32(trial.counts.tobytes(), options.seed & 0xFFFFFFFF)
    return on_stage(make_config(broker), replace(options, seed=seed), story, on_event)
