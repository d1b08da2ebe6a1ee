"""`anzhen unit`: one simulated unit in real time, on a port that any agent can open."""

import asyncio
import logging
import signal
from pathlib import Path
from typing import Any

import numpy as np

from edge_agent.evaluate.falls.trials import Trial
from edge_agent.simulator.line import Line
from edge_agent.simulator.player import write_lis3dh
from edge_agent.simulator.vm import UnitSpec, UnitVm

_log = logging.getLogger(__name__)


async def run_unit(
    unit_id: str, profile: str, port: Path, flash: Path, trial: Trial | None, after_s: float
) -> None:
    """Run a unit until its firmware ends or we are told to stop.

    Raises:
        VmMissingError: there is no MicroPython VM here.
    """
    line = Line(unit_id)
    line.start()
    line.link_as(port)
    board: dict[str, Any] = {
        "pins": {"button": {"steps": [[0, 1]]}},
        "adc": {"cord": {"steps": [[0, 0.5]]}},
    }
    if trial is not None:
        acceleration = trial.counts.astype(np.float64) * trial.scale_g
        part = write_lis3dh(
            flash / "acceleration.bin", acceleration, trial.rate_hz, round(1000 * after_s)
        )
        board["i2c"] = {"main": {"24": part}}
    vm = UnitVm(UnitSpec(unit_id, profile, board), flash, line, None)
    _log.info("unit %s (%s) on %s", unit_id, profile, port)
    running = asyncio.create_task(asyncio.to_thread(vm.wait), name="vm")
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    try:
        await asyncio.wait({running})
        if not running.cancelled():
            _log.error("the firmware ended: %s", vm.log[-2000:])
    finally:
        vm.stop()
        line.close()
