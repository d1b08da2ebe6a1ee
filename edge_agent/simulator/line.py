"""A cable between a unit and the agent: two ptys with a fault in between, if one is wanted.

```
 unit (VM) --pty-- unit end | cable: cut, damage | agent end --pty-- serial port (agent)
```
"""

import asyncio
import os
import pty
import termios
import tty
from collections.abc import Callable
from pathlib import Path

from edge_agent.config.home import UnitConfig
from edge_agent.link.link import LinkError
from edge_agent.link.serial_port import SerialPort

_READ = 65_536

Damage = Callable[[bytes], bytes]


def _open_pty() -> tuple[int, int, str]:
    """Return the master, the slave (kept open) and the slave's path; both raw, not blocking."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    attributes = termios.tcgetattr(slave)
    attributes[6][termios.VMIN] = 0
    attributes[6][termios.VTIME] = 0
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    os.set_blocking(master, False)
    return master, slave, os.ttyname(slave)


class Line:
    """One cable. Counts every byte, so that the conductor knows what is under way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._unit_master, self._unit_slave, self.unit_path = _open_pty()
        self._agent_master, self._agent_slave, self.agent_path = _open_pty()
        self.is_cut = False
        self.damage_up: Damage = bytes
        self.damage_down: Damage = bytes
        self.from_unit = self.to_unit = self.from_agent = self.to_agent = 0
        """Bytes this cable has taken from and given to each end."""
        self._reported: tuple[int, int] | None = None
        self._unit_port: SerialPort | None = None
        self._port: SerialPort | None = None

    def start(self) -> None:
        """Carry bytes on the running loop from now on."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._unit_master, self._carry_up)
        loop.add_reader(self._agent_master, self._carry_down)

    def link_as(self, path: Path) -> None:
        """Give the agent's end a steady name, as udev does for a real port."""
        path.unlink(missing_ok=True)
        path.symlink_to(self.agent_path)

    def open_port(self, unit: UnitConfig) -> SerialPort:
        """Open the agent's end as its serial port.

        Raises:
            LinkError: it is open already.
        """
        if self._port is not None and not self._port.is_closed:
            raise LinkError(f"{unit.port}: in use")
        self._port = SerialPort(self.agent_path, unit.baud)
        self.from_agent = self.to_agent = 0
        return self._port

    def open_unit_port(self) -> SerialPort:
        """Open the unit's end too, for a unit that is played in this process."""
        self._unit_port = SerialPort(self.unit_path, 115200)
        return self._unit_port

    def report_unit(self, counts: tuple[int, int] | None) -> None:
        """Take what a VM says it has read and written so far; None when it is gone."""
        self._reported = counts

    def unplug_unit(self) -> None:
        """Begin to count anew for another unit; what the last one left unread is gone."""
        termios.tcflush(self._unit_slave, termios.TCIOFLUSH)
        self.from_unit = self.to_unit = 0
        self._reported = None

    def descriptors(self) -> list[int]:
        """Return every descriptor that carries this cable's bytes on the loop."""
        ports = [port.fd for port in (self._port, self._unit_port) if port is not None]
        return [self._unit_master, self._agent_master, *ports]

    def expected(self, fd: int) -> int | None:
        """Return how many bytes are yet to be read from one of the descriptors."""
        unit = self._unit_counts()
        if fd == self._unit_master and unit is not None:
            return unit[1] - self.from_unit
        if self._unit_port is not None and fd == self._unit_port.fd and unit is not None:
            return self.to_unit - unit[0]
        if self._port is not None and not self._port.is_closed:
            if fd == self._agent_master:
                return self._port.bytes_written - self.from_agent
            if fd == self._port.fd:
                return self.to_agent - self._port.bytes_read
        return None

    def is_quiet(self) -> bool:
        """Return True when every byte written at one end has been read at the other."""
        unit = self._unit_counts()
        if unit is not None and unit != (self.to_unit, self.from_unit):
            return False
        port = self._port
        if port is None or port.is_closed:
            return True
        return port.bytes_read == self.to_agent and port.bytes_written == self.from_agent

    def _unit_counts(self) -> tuple[int, int] | None:
        if self._unit_port is not None and not self._unit_port.is_closed:
            return self._unit_port.bytes_read, self._unit_port.bytes_written
        return self._reported

    def close(self) -> None:
        """Take the cable away."""
        loop = asyncio.get_running_loop()
        for fd in (self._unit_master, self._agent_master):
            loop.remove_reader(fd)
        for fd in (self._unit_master, self._unit_slave, self._agent_master, self._agent_slave):
            os.close(fd)

    def _carry_up(self) -> None:
        data = os.read(self._unit_master, _READ)
        self.from_unit += len(data)
        is_open = self._port is None or not self._port.is_closed
        if not self.is_cut and is_open:
            self.to_agent += self._write(self._agent_master, self.damage_up(data))

    def _carry_down(self) -> None:
        data = os.read(self._agent_master, _READ)
        self.from_agent += len(data)
        if not self.is_cut:
            self.to_unit += self._write(self._unit_master, self.damage_down(data))

    @staticmethod
    def _write(fd: int, data: bytes) -> int:
        """Write what fits; a cable whose far end does not read loses the rest."""
        try:
            return os.write(fd, data) if data else 0
        except BlockingIOError:
            return 0
