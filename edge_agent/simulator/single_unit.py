"""`anzhen unit`: one simulated unit in real time, on a port that any agent can open."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_agent.evaluate.falls.trials import Trial
from edge_agent.simulator.line import Line
from edge_agent.simulator.player import write_lis3dh
from edge_agent.simulator.sensors import contact
from edge_agent.simulator.vm import UnitSpec, UnitVm

_log = logging.getLogger(__name__)

PRESSED_S = 1.2


async def run_unit(
    unit_id: str,
    profile: str,
    port: Path,
    flash: Path,
    trial: Trial | None,
    after_s: float,
    board: dict[str, Any],
) -> None:
    """Run a unit until its firmware ends or we are told to stop.

    Args:
        unit_id: its name.
        profile: pendant, bed, bathroom or room.
        port: path to make for the agent.
        flash: folder of its flash.
        trial: what its accelerometer feels, `after_s` after the start.
        after_s: see trial.
        board: what the board plays besides, see `presses`.

    Raises:
        VmMissingError: there is no MicroPython VM here.
    """
    line = Line(unit_id)
    line.start()
    line.link_as(port)
    if trial is not None:
        acceleration = trial.counts.astype(np.float64) * trial.scale_g
        part = write_lis3dh(
            flash / "acceleration.bin", acceleration, trial.rate_hz, round(1000 * after_s)
        )
        board = board | {"i2c": {"main": {"24": part}}}
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


def presses(at_s: Sequence[float]) -> dict[str, Any]:
    """Return a board whose button is pressed and whose cord is pulled, in s after the start.

    Raises:
        ValueError: a press is not after the start, or begins before the last one has ended.
    """

    def steps(levels: contact.Levels) -> contact.Steps:
        parts = [contact.press(one_s, PRESSED_S, 0, levels) for one_s in at_s]
        return contact.merge(parts, levels)

    return {
        "pins": {"button": {"steps": steps(contact.BUTTON)}},
        "adc": {"cord": {"steps": steps(contact.CORD)}},
    }
