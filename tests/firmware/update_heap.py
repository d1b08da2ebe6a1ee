"""The least heap in which each profile updates itself: `python -m tests.firmware.update_heap`.

Factory's program and new version are both whole, and compiled as for a board. A heap is enough
when the version is received, verified, booted and kept for good while the sensors are sampled and
the agent listens, and nothing ran out of memory on the way. Bytes of the 64-bit VM on its own
board file; `footprint.py` tells what of that a chip of 32 bits takes.
"""

import tempfile
from pathlib import Path

import numpy as np

from edge_agent.simulator.sensors import radar_tinyframe
from edge_agent.simulator.sensors.radar import RadarSpan, RadarState
from edge_agent.update_bundle import Bundle
from firmware.update.trial import PROVEN_MS
from protocol.messages import CommandKind
from tests.firmware.programs import install, make_version, public_line
from tests.firmware.updater import InstalledUnit, ask, finish, send
from tests.firmware.vm import steady

STEP_KB = 4
LEAST_KB, MOST_KB = 120, 400
SETTINGS: dict[str, dict[str, object]] = {
    "pendant": {"profile": "pendant"},
    "bed": {"profile": "bed"},
    "bathroom": {"profile": "bathroom", "radar": "mr60fda2"},
}
_STANDS = [RadarSpan(5, 600, RadarState.MOVING, (0.0, 0.5), (0.5, 1.0))]


def make_unit(folder: Path, factory: Path, name: str, heap_kb: int) -> InstalledUnit:
    """Return a unit with its sensors, not switched on yet."""
    unit = InstalledUnit(folder, factory, **SETTINGS[name])
    (unit.flash / "update.key").write_text(public_line("test"))
    unit.heap, unit.level = f"{heap_kb}k", 3
    if name == "pendant":
        unit.add_acc(steady(100), hold=True)
    elif name == "bed":
        unit.add_strip(np.arange(400, dtype=np.int16) % 200, hold=True)
        unit.add_load(np.arange(400, dtype=np.int32) % 50, hold=True)
    else:
        unit.add_radar(radar_tinyframe.ld6002c(_STANDS, 600, 1))
    return unit


def is_updated(unit: InstalledUnit, version: Bundle) -> bool:
    """Bring a version to a unit and tell whether it was kept, with memory left all the time."""
    try:
        unit.start()
        unit.advance(10_000)
        if send(unit, version)[0] or finish(unit)[0]:
            return False
        unit.advance(5_000)
        if unit.exit_code != 3:
            return False
        unit.kill()
        unit.start()
        unit.advance(3_000 + PROVEN_MS)
        kept = f'"build": {version.about.build}, ' in ask(unit, CommandKind.UPDATE_STATE)[1]
        return kept and "MemoryError" not in unit.stderr.read_text()
    except (AssertionError, AttributeError, OSError):
        return False
    finally:
        unit.close()


def least_heap_kb(factory: Path, version: Bundle, name: str) -> int:
    """Return the least heap that is enough, in steps."""
    low, high = LEAST_KB // STEP_KB, MOST_KB // STEP_KB
    while high - low > 1:
        middle = (low + high) // 2
        with tempfile.TemporaryDirectory() as folder:
            unit = make_unit(Path(folder), factory, name, middle * STEP_KB)
            if is_updated(unit, version):
                high = middle
            else:
                low = middle
    return high * STEP_KB


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        factory = install(Path(folder) / "factory", is_whole=True)
        version = make_version(Path(folder) / "second", is_whole=True)
        print("| profile | least heap of an update |")
        print("|---|---|")
        for name in SETTINGS:
            print(f"| {name} | {least_heap_kb(factory, version, name)} kB |", flush=True)


if __name__ == "__main__":
    main()
