"""Lockstep virtual time: the event loop's selector is the conductor of all machines.

```
 everybody idle, every byte written also read, nothing of the outside world in flight
     -> the clock jumps to the earliest deadline -> those whose time has come run -> ...
```
The agent runs on this loop; units run in MicroPython VMs that report over a control line
(`firmware/boards/lockstep/lockstep.py`). The agent sees what the units did at an instant only
when all of them are idle again, and ports in the order of their numbers, so that a run is
the same every time. `speed` holds the jumps back to so many virtual seconds a second.
"""

import asyncio
import fcntl
import random
import select
import selectors
import socket
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

from edge_agent import BUILD_DATE_S
from edge_agent.clock import Instant, Quality
from edge_agent.simulator.line import Line

_REPORT = struct.Struct("<BqQQ")
_TIME = struct.Struct("<q")
_IDLE = 1
OUTSIDE_S = 0.05
STALL_S = 10.0
"""Real time without any progress after which a run is called stuck."""


class LockstepError(Exception):
    """Virtual time cannot go on; the message names who holds it."""


def _descriptor(entry: tuple[selectors.SelectorKey, int]) -> int:
    return entry[0].fd


class Machine:
    """One VM: its control line and what it last reported."""

    def __init__(self, name: str, line: Line) -> None:
        self.name = name
        self.line = line
        self.control, self.vm_control = socket.socketpair()
        self.control.setblocking(False)
        self.is_busy = True
        self.is_gone = False
        self.deadline_ms = -1

    def is_quiet(self) -> bool:
        """Return True when the VM waits, or is no more."""
        return self.is_gone or not self.is_busy


class Conductor(selectors.DefaultSelector):
    """The selector of a `LockstepLoop`."""

    def __init__(self, speed: float | None = None) -> None:
        super().__init__()
        self.now_us = 0
        self._holds = 0
        self._machines: list[Machine] = []
        self._lines: dict[str, Line] = {}
        self._speed = speed
        self._began_s = self._progress_s = time.monotonic()

    @property
    def real_s(self) -> float:
        """Return real seconds since the beginning."""
        return time.monotonic() - self._began_s

    def add_machine(self, machine: Machine) -> None:
        """Conduct one more VM from now on."""
        self._machines.append(machine)
        self.add_line(machine.line)
        self.register(machine.control, selectors.EVENT_READ, machine)

    def add_line(self, line: Line) -> None:
        """Watch over a cable whose unit may be played in this process."""
        self._lines[line.name] = line

    def hold(self) -> None:
        """Stop virtual time until `release`: the outside world is at work."""
        self._holds += 1

    def release(self) -> None:
        """Let virtual time go on once everybody who held it has let go."""
        self._holds = max(0, self._holds - 1)

    def remove_machine(self, machine: Machine) -> None:
        """Forget a VM whose power was cut; what it had written is still read."""
        if not machine.is_gone:
            self._lose(machine)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; when nothing is, let virtual time go on."""
        # Rounded up: a timer must be due when its time has come, or the loop would spin.
        deadline_us = None if timeout is None else self.now_us + max(0, ceil(timeout * 1e6))
        self._progress_s = time.monotonic()
        is_idle = timeout is None or timeout > 0
        while True:
            ready = self._look(0, is_idle)
            if ready or not is_idle:
                return ready
            if self._is_any_busy():
                self._wait_for_machines()
            elif self._holds or not self._is_quiet():
                ready = self._look(OUTSIDE_S if self._holds else 0, is_idle)
                if ready:
                    return ready
                self._check_progress()
            elif deadline_us is not None and deadline_us <= self.now_us:
                return []
            else:
                next_us = self._next_us(deadline_us)
                if next_us is None:
                    return self._look(None, is_idle)  # only the outside world can go on
                if not self._pace(next_us):
                    self._advance(next_us)

    def _look(
        self, wait_s: float | None, with_lines: bool
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Poll for real; take the machines' reports, return what is for the agent.

        Bytes move on the lines only while the agent has nothing else to do and no unit runs,
        so that no race between the two can change what happens. The outside world need not
        wait.
        """
        events = super().select(wait_s)
        if not events:
            return events
        ready = []
        for key, mask in events:
            if isinstance(key.data, Machine):
                self._take_report(key.data)
            else:
                ready.append((key, mask))
        if self._is_any_busy() or not with_lines:
            held = {fd for line in self._lines.values() for fd in line.descriptors()}
            ready = [entry for entry in ready if entry[0].fd not in held]
        else:
            ready = [entry for entry in ready if self._is_whole(entry[0].fd)]
        return sorted(ready, key=_descriptor) if len(ready) > 1 else ready

    def _is_any_busy(self) -> bool:
        return any(machine.is_busy and not machine.is_gone for machine in self._machines)

    def _wait_for_machines(self) -> None:
        """Wait until a busy machine reports; nothing else matters meanwhile."""
        busy = [m.control for m in self._machines if m.is_busy and not m.is_gone]
        if select.select(busy, [], [], STALL_S)[0]:
            self._progress_s = time.monotonic()
        else:
            self._give_up()

    def _check_progress(self) -> None:
        if time.monotonic() - self._progress_s > STALL_S:
            self._give_up()

    def _is_whole(self, fd: int) -> bool:
        """Return True unless bytes for this port are still on their way through the kernel."""
        for line in self._lines.values():
            expected = line.expected(fd)
            if expected is not None:
                (waiting,) = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))
                return bool(waiting >= min(expected, 1024))
        return True

    def _is_quiet(self) -> bool:
        return all(machine.is_quiet() for machine in self._machines) and all(
            line.is_quiet() for line in self._lines.values()
        )

    def _take_report(self, machine: Machine) -> None:
        try:
            report = machine.control.recv(_REPORT.size)
        except ConnectionError:
            report = b""
        if len(report) < _REPORT.size:
            self._lose(machine)
            return
        self._progress_s = time.monotonic()
        kind, deadline_ms, read, written = _REPORT.unpack(report)
        machine.line.report_unit((read, written))
        if kind == _IDLE:
            machine.deadline_ms = deadline_ms
            machine.is_busy = False
        else:
            machine.is_busy = True
            self._tell_time(machine)

    def _lose(self, machine: Machine) -> None:
        machine.is_gone = True
        machine.line.report_unit(None)
        self.unregister(machine.control)
        machine.control.close()

    def _tell_time(self, machine: Machine) -> None:
        try:
            machine.control.send(_TIME.pack(self.now_us // 1000))
        except ConnectionError:
            self._lose(machine)

    def _next_us(self, deadline_us: int | None) -> int | None:
        times = [m.deadline_ms * 1000 for m in self._machines if not m.is_gone]
        times = [at_us for at_us in times if at_us >= 0]
        if deadline_us is not None:
            times.append(deadline_us)
        return max(self.now_us, min(times)) if times else None

    def _advance(self, next_us: int) -> None:
        self.now_us = next_us
        for machine in self._machines:
            if not machine.is_gone and 0 <= machine.deadline_ms * 1000 <= next_us:
                machine.is_busy = True
                self._tell_time(machine)

    def _pace(self, next_us: int) -> bool:
        """Wait for real until it is time; True when something else came first."""
        if self._speed is None:
            return False
        wait_s = self._began_s + next_us / 1e6 / self._speed - time.monotonic()
        return wait_s > 0 and bool(super().select(wait_s))

    def _give_up(self) -> None:
        if self._holds and self._is_quiet():
            self._holds = 0  # a broker that swallows everything must not stop the world
            return
        names = [machine.name for machine in self._machines if not machine.is_quiet()]
        lines = [line.name for line in self._lines.values() if not line.is_quiet()]
        raise LockstepError(f"no progress for {STALL_S:g} s; waiting for {names or lines}")


class LockstepLoop(asyncio.SelectorEventLoop):
    """An event loop on the conductor's time."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor
        super().__init__(conductor)

    def time(self) -> float:
        """Return virtual seconds."""
        return self._conductor.now_us / 1e6


class VirtualClock:
    """The conductor's time as the agent's clock; chance comes from a seed."""

    def __init__(
        self, conductor: Conductor, start_utc_s: float, seed: int, quality: Quality = Quality.NTP
    ) -> None:
        self._conductor = conductor
        self._start_utc_s = start_utc_s
        self._random = random.Random(seed)  # noqa: S311 (repeatable on purpose)
        self.quality = quality

    def now(self) -> Instant:
        """Return one reading."""
        now_s = self._conductor.now_us / 1e6
        return Instant(now_s, self._start_utc_s + now_s, self.quality)

    def not_before(self, utc_s: float) -> None:
        """Do nothing: virtual time is what the scene says."""

    def floor_s(self) -> float:
        """Return the build date."""
        return BUILD_DATE_S

    def told(self, utc_s: float) -> bool:
        """Believe nobody: virtual time is what the scene says."""
        return False

    def host_boot(self) -> str:
        """Return the one boot there is."""
        return "virtual"

    def random(self, count: int) -> bytes:
        """Return bytes from the seed."""
        return self._random.randbytes(count)

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Hold virtual time while the outside world works."""
        self._conductor.hold()
        try:
            yield
        finally:
            self._conductor.release()
