"""The real firmware in the MicroPython VM for tests: in real time, or in virtual time.

`LockstepUnit` is its own small conductor: it advances the VM's clock only while the VM waits
and every byte on the line has been read, so minutes pass in milliseconds and every run is
the same.
"""

import errno
import json
import os
import pty
import select
import shutil
import socket
import struct
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.simulator.player import write_uart
from protocol.edge_session import EdgeSession
from protocol.messages import Event, Impact, Reading, Samples, Stage

ROOT = Path(__file__).resolve().parents[2]
MICROPYTHON = shutil.which("micropython", path=os.path.dirname(sys.executable))
needs_vm = pytest.mark.skipif(MICROPYTHON is None, reason="no micropython beside this Python")
HEAP = "256k"
UTC_MS = 1_790_000_000_000
_LIMIT_S = 20.0


def run_script(name: str, *arguments: object, heap: str = "1M") -> list[object]:
    """Run a script of `scripts/` in the VM and return the JSON lines it prints."""
    done = subprocess.run(
        [MICROPYTHON, "-X", f"heapsize={heap}", ROOT / "tests/firmware/scripts" / name]
        + [str(argument) for argument in arguments],
        env={"MICROPYPATH": f".frozen:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def steady(count: int) -> NDArray[np.int16]:
    """Return acceleration counts of a pendant at rest whose x tells the sample's number."""
    counts = np.zeros((count, 3), dtype="<i2")
    counts[:, 0] = np.arange(count) % 1000
    counts[:, 2] = 1333
    return counts


class VmUnit:
    """One unit: its flash, its sensor files, its pty, and the agent's end of the session."""

    def __init__(self, folder: Path, profile: str = "pendant", **settings: object) -> None:
        self.folder = folder
        self.flash = folder / "flash"
        self.flash.mkdir(exist_ok=True)
        self.write_settings({"profile": profile, **settings})
        self.outputs_path = folder / "outputs.jsonl"
        self.host: dict[str, object] = {
            "unit_id": "unit-0001",
            "flash": str(self.flash),
            "link": str(folder / "link"),
            "seed": 7,
            "i2c": {"main": {}},
            "adc": {"cord": {"steps": [[0, 0.5]]}},
            "pins": {"button": {"steps": [[0, 1]]}},
            "outputs": str(self.outputs_path),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.master = -1
        self.events: list[object] = []
        self.session = EdgeSession(b"agent---")
        self.listening = True
        self.acknowledging = True
        self.stderr = folder / "stderr.txt"
        self.heap = HEAP
        self.level = 0
        """Of optimisation: 3 compiles as for a board, without asserts and line numbers."""
        self.sent = 0
        self.received = 0
        self.raw = bytearray()

    def write_settings(self, settings: dict[str, object]) -> None:
        (self.flash / "settings.json").write_text(json.dumps(settings))

    def add_acc(self, counts: NDArray[np.int16], **row: object) -> None:
        """Play acceleration counts, shape (n, 3), into the LIS3DH."""
        self._add_part("24", "lis3dh", counts.astype("<i2"), 100, row)

    def add_strip(self, counts: NDArray[np.int16], **row: object) -> None:
        self._add_part("72", "ads1115", counts.astype("<i2"), 100, row)

    def add_load(self, counts: NDArray[np.int32], **row: object) -> None:
        self._add_part("42", "nau7802", counts.astype("<i4"), 10, row)

    def add_radar(self, stream: Iterable[tuple[float, bytes]], **row: object) -> None:
        """Play what a module sends on the line `radar`; what the unit writes is kept."""
        played = write_uart(self.folder / "radar.bin", stream)
        self.written_path = self.folder / "written.jsonl"
        self.host["uart"] = {"radar": played | {"written": str(self.written_path)} | row}

    def written(self) -> list[tuple[int, bytes]]:
        """Return what the unit wrote to the module: (uptime ms, frame)."""
        rows = [json.loads(line) for line in self.written_path.read_text().splitlines()]
        return [(row["t"], bytes.fromhex(row["hex"])) for row in rows]

    def _add_part(
        self, address: str, model: str, counts: NDArray[np.int_], rate: int, row: dict[str, object]
    ) -> None:
        path = self.folder / f"{model}.bin"
        counts.tofile(path)
        row = {"model": model, "file": str(path), "rate_hz": rate} | row
        self.host["i2c"]["main"][address] = row

    def make_line(self) -> None:
        """Make a pty and let `link` point to it."""
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        attributes = termios.tcgetattr(slave)
        attributes[6][termios.VMIN] = 0
        attributes[6][termios.VTIME] = 0
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        os.set_blocking(self.master, False)
        link = self.folder / "link"
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(slave))
        self.slave = slave
        self.sent = self.received = 0

    def drop_line(self) -> None:
        """Hang up."""
        os.close(self.slave)
        os.close(self.master)
        self.master = -1

    def start(self, **environment: str) -> None:
        """Switch the unit on."""
        if self.master < 0:
            self.make_line()
        self._launch([f".frozen:{ROOT}"], (), environment)

    def _launch(self, path: list[str], fds: tuple[int, ...], environment: dict[str, str]) -> None:
        config = self.folder / "host.json"
        config.write_text(json.dumps(self.host))
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                [
                    MICROPYTHON,
                    f"-O{self.level}",
                    "-X",
                    f"heapsize={self.heap}",
                    ROOT / "firmware/main.py",
                    config,
                ],
                env={"MICROPYPATH": ":".join(path), **environment},
                stdout=stderr,
                stderr=stderr,
                pass_fds=fds,
            )

    def kill(self) -> None:
        """Cut the power."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        self.kill()
        if self.master >= 0:
            self.drop_line()

    def now_ms(self) -> int:
        return int(time.monotonic() * 1000)

    def run(self, until: Callable[[], bool], limit_s: float = _LIMIT_S) -> None:
        """Serve the line in real time until something is true; fail after the limit."""
        end = time.monotonic() + limit_s
        while not until():
            assert time.monotonic() < end, self.explain()
            select.select([self.master] if self.listening else [], [], [], 0.02)
            self.serve()

    def serve(self) -> None:
        """Read, answer, write, once."""
        if not self.listening or self.master < 0:
            return
        now = self.now_ms()
        self.session.utc_ms = UTC_MS
        self.session.quality = 2
        while True:
            try:
                piece = os.read(self.master, 4096)
            except OSError as error:
                assert error.errno in (errno.EAGAIN, errno.EIO)
                break
            self.received += len(piece)
            self.raw += piece
            self.session.receive_data(piece, now)
        due = self.session.next_timeout_ms()
        if due is not None and now >= due:
            self.session.handle_timeout(now)
        for event in self.session.events():
            self.events.append(event)
            if self.acknowledging and isinstance(event, (Event, Impact)):
                self.session.acknowledge(event.boot_id, event.seq, Stage.STORED)
        self.flush()

    def flush(self) -> None:
        data = self.session.data_to_send()
        if data:
            self.sent += len(data)
            assert os.write(self.master, data) == len(data)

    def of(self, kind: type) -> list[object]:
        """Return the received messages of one type."""
        return [event for event in self.events if isinstance(event, kind)]

    def kinds(self) -> list[int]:
        """Return the kinds of the received events."""
        return [event.kind for event in self.of(Event)]

    def readings(self, channel: int) -> list[tuple[int, float]]:
        """Return (uptime ms, value) of a channel's readings."""
        found = [one for one in self.of(Reading) if one.channel == channel]
        return [(one.uptime_ms, one.value) for one in found]

    def samples(self, quantity: int) -> list[Samples]:
        return [block for block in self.of(Samples) if block.quantity == quantity]

    def outputs(self) -> list[tuple[int, str, int]]:
        """Return every change of the light and the buzzer: (uptime ms, pin, value)."""
        if not self.outputs_path.exists():
            return []
        rows = [json.loads(line) for line in self.outputs_path.read_text().splitlines()]
        return [(row["t"], row["pin"], row["value"]) for row in rows]

    def explain(self) -> str:
        text = self.stderr.read_text() if self.stderr.exists() else ""
        names = [type(event).__name__ for event in self.events[-20:]]
        return f"last events {names}, exit {self.process and self.process.poll()}\n{text[-3000:]}"


class LockstepUnit(VmUnit):
    """The same in virtual time."""

    def __init__(self, folder: Path, profile: str = "pendant", **settings: object) -> None:
        super().__init__(folder, profile, **settings)
        self.time_ms = 0
        self.booted_ms = 0
        self.wakeups = 0
        self._control: socket.socket | None = None

    def now_ms(self) -> int:
        return self.time_ms

    @property
    def uptime_ms(self) -> int:
        return self.time_ms - self.booted_ms

    def start(self, **environment: str) -> None:
        if self.master < 0:
            self.make_line()
        self.sent = self.received = 0
        self._control, theirs = socket.socketpair()
        self._control.settimeout(_LIMIT_S)
        environment["ANZHEN_LOCKSTEP"] = str(theirs.fileno())
        path = [str(ROOT / "firmware/boards/lockstep"), ".frozen", str(ROOT)]
        self._launch(path, (theirs.fileno(),), environment)
        theirs.close()
        self.booted_ms = self.time_ms
        self._deadline = self._read_report()

    def kill(self) -> None:
        super().kill()
        self.process = None
        if self._control is not None:
            self._control.close()
            self._control = None
        if self.master >= 0:  # what was on its way is lost with the power
            self.drop_line()

    def advance(self, duration_ms: int) -> None:
        """Let virtual time pass."""
        self.advance_to(self.time_ms + duration_ms)

    def stall(self, duration_ms: int) -> None:
        """Let virtual time pass while the program does not run, as in a long call."""
        self._settle()
        self.time_ms += duration_ms

    def advance_until(self, until: Callable[[], bool], limit_ms: int = 60_000) -> None:
        """Let virtual time pass, 100 ms at a time, until something is true."""
        end = self.time_ms + limit_ms
        while not until():
            assert self.time_ms < end, self.explain()
            self.advance(100)

    def advance_to(self, end_ms: int) -> None:
        while self.process is not None:
            self._settle()
            due = [end_ms]
            if self._deadline >= 0:
                due.append(self._deadline)
            timeout = self.session.next_timeout_ms() if self.listening else None
            if timeout is not None:
                due.append(timeout)
            self.time_ms = max(self.time_ms, min(due))
            if 0 <= self._deadline <= self.time_ms:
                self._tell_time()
                self._deadline = self._read_report()
            elif self.time_ms >= end_ms:
                self._settle()
                return

    def _settle(self) -> None:
        """Exchange bytes until nothing is on the line and the VM waits."""
        while self.process is not None:
            self.serve()
            if not self.listening or self.sent == self._vm_read:
                return
            self._deadline = self._read_report()

    def _tell_time(self) -> None:
        self.wakeups += 1
        self._control.sendall(struct.pack("<q", self.time_ms))

    def _read_report(self) -> int:
        """Return the deadline at which the VM next wants to be woken."""
        while True:
            report = b""
            while len(report) < 25:
                piece = self._control.recv(25 - len(report))
                if not piece:
                    self.exit_code = self.process.wait(timeout=_LIMIT_S)
                    self.kill()
                    return -1
                report += piece
            kind, deadline, self._vm_read, self._vm_written = struct.unpack("<BqQQ", report)
            if kind == 2:
                self._tell_time()
                continue
            if self.listening:
                self._drain_all()
            return deadline

    def _drain_all(self) -> None:
        """Wait until all that the VM has written is here."""
        while self.received < self._vm_written:
            select.select([self.master], [], [], _LIMIT_S)
            self.serve()
