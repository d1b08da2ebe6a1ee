# ruff: noqa: D102 (documented in board.py)
"""The board of the MicroPython VM: its sensors are files, its link is a pty.

`host.json` (all times in ms of uptime; what is not needed may be left out):

```json
{"unit_id": "pend-0001", "flash": "/dir", "link": "/dev/pts/5", "reset_cause": 1,
 "ticks_start_ms": 0, "seed": 7,
 "i2c": {"main": {"24": {"model": "lis3dh", "file": "/x/acc.bin", "rate_hz": 100,
                         "start_ms": 0, "hold": false, "away": [[5000, 8000]]}}},
 "adc": {"cord": {"steps": [[0, 0.5], [12000, 0.25]]}},
 "pins": {"button": {"steps": [[0, 1], [5000, 0], [5300, 1]]}},
 "uart": {"radar": {"play": "/x/radar.bin"}},
 "hx711": {"file": "/x/load.bin", "rate_hz": 10},
 "outputs": "/path/outputs.jsonl"}
```
What else a line of `uart` may have stands in `host_uart.py`. A `link` of `ble:/path` is the radio
that listens on this socket (`host_bluetooth.py`).

With `"mains": true` the standard input is a cable that somebody holds at its other end: when
that process is gone, however it ended, the power is off.

A step holds until the next one. With `seed` every random byte follows from the seed and the
number of boots on this flash. The process ends with status 3 when the firmware resets.
"""

import errno
import hashlib
import json
import os
import select
import sys
import time
from array import array

import uctypes

from firmware import boot
from firmware.boards.host_lines import (
    InputPin,
    OutputPin,
    PowerPin,
    RatioInput,
    Steps,
)
from firmware.boards.host_link import HostLink
from firmware.boards.host_models import make_part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.boards.board import I2C, Adc, Buffer, Link, Paced, Pin, Uart
    from firmware.boards.host_parts import Part
    from firmware.boards.host_uart import HostUart

_TICKS_MASK = (1 << 30) - 1
RESET_STATUS = 3
_RADIO = "ble:"


class _Now:
    """The board's age in ms; stands at a tick while a paced read of that tick is made up."""

    def __init__(self) -> None:
        self._started = time.ticks_ms()
        self.tick_ms = -1

    def __call__(self) -> int:
        if self.tick_ms >= 0:
            return self.tick_ms
        return time.ticks_diff(time.ticks_ms(), self._started)


class _Bus:
    """An I2C bus: parts by address."""

    def __init__(self, parts: "dict[int, Part]") -> None:
        self._parts = parts

    def readfrom_mem_into(self, addr: int, memaddr: int, buf: "Buffer") -> None:
        self._part(addr).read(memaddr, _bytes_of(buf))

    def writeto_mem(self, addr: int, memaddr: int, buf: bytes) -> None:
        self._part(addr).write(memaddr, buf)

    def _part(self, addr: int) -> "Part":
        part = self._parts.get(addr)
        if part is None:
            raise OSError(errno.ENODEV)
        part.check_there()
        return part


class _Paced:
    """Makes up, when asked, what a timer would have read meanwhile, each at its own time."""

    def __init__(self, read: "Callable[[], int]", period_ms: int, depth: int, now: _Now) -> None:
        self._read = read
        self._period_ms = period_ms
        self._ring = array("h", bytes(2 * depth))
        self._depth = depth
        self._now = now
        self._next_ms = now()
        self._first = 0
        self._count = 0
        self.lost = 0

    def take(self, out: "array[int]") -> int:
        self._catch_up()
        count = min(self._count, len(out))
        for position in range(count):
            out[position] = self._ring[(self._first + position) % self._depth]
        self._first = (self._first + count) % self._depth
        self._count -= count
        return count

    def _catch_up(self) -> None:
        now = self._now()
        while self._next_ms <= now:
            self._now.tick_ms = self._next_ms
            try:
                value = self._read()
            except OSError:
                self.lost += 1
            else:
                self._put(value)
            self._now.tick_ms = -1
            self._next_ms += self._period_ms

    def _put(self, value: int) -> None:
        if self._count == self._depth:
            self._first = (self._first + 1) % self._depth
            self._count -= 1
            self.lost += 1
        self._ring[(self._first + self._count) % self._depth] = value
        self._count += 1


class HostBoard:
    """The board that `host.json` describes (first argument of the program)."""

    def __init__(self, path: str = "") -> None:
        with open(path or sys.argv[1]) as file:
            self._config = json.load(file)
        self.unit_id = self._config["unit_id"]
        self.flash_root = self._config["flash"]
        self._now = _Now()
        self._ticks_start_ms = self._config.get("ticks_start_ms", 0)
        self._seed = self._config.get("seed")
        self._drawn = 0
        self._boots = boot.count_boots(self.flash_root)
        self._buses: "dict[str, I2C]" = {}
        self._uarts: "dict[str, HostUart]" = {}
        self._outputs: "dict[str, Pin]" = {}
        self._mains: "select.poll | None" = None
        if self._config.get("mains"):
            self._mains = select.poll()
            self._mains.register(sys.stdin, 0)  # hanging up is always told

    def ticks_ms(self) -> int:
        return int(self._now() + self._ticks_start_ms) & _TICKS_MASK

    def random(self, count: int) -> bytes:
        if self._seed is None:
            return os.urandom(count)
        drawn = b""
        while len(drawn) < count:
            self._drawn += 1
            text = "%s %s %d %d" % (self._seed, self.unit_id, self._boots, self._drawn)
            drawn += hashlib.sha256(text.encode()).digest()
        return drawn[:count]

    def unique_key(self) -> bytes:
        try:
            with open(self.flash_root + "/link.key", "rb") as file:
                return file.read(64) or b"empty"  # a damaged key is a wrong one, not none
        except OSError as error:
            return b"" if error.errno == errno.ENOENT else b"unreadable"

    def reset_cause(self) -> int:
        return int(self._config.get("reset_cause", 1))

    def reset(self) -> None:
        sys.exit(RESET_STATUS)

    def feed(self) -> None:
        """End where the power is off; the VM has no watchdog."""
        if self._mains is not None and self._mains.poll(0):
            sys.exit()

    def i2c(self, name: str) -> "I2C":
        if name not in self._buses:
            parts: "dict[int, Part]" = {}
            for address, row in self._config.get("i2c", {}).get(name, {}).items():
                parts[int(address)] = make_part(row, self._now)
            self._buses[name] = _Bus(parts)
        return self._buses[name]

    def uart(self, name: str, baud: int) -> "Uart":
        row = self._config.get("uart", {}).get(name)
        if row is None:
            raise OSError(errno.ENODEV)
        if name not in self._uarts:
            from firmware.boards.host_uart import HostUart

            self._uarts[name] = HostUart(row, baud, self._now)
        return self._uarts[name]

    def adc(self, name: str) -> "Adc":
        return RatioInput(self._steps("adc", name))

    def pin(self, name: str) -> "Pin":
        if name in self._config.get("pins", {}):
            return InputPin(self._steps("pins", name))
        if name == "radar_power":
            return self._power("radar")
        if name in ("load_clock", "load_data"):
            from firmware.boards import host_pins

            return host_pins.make_pin(name, self._config, self._now)
        if name not in ("light", "buzzer"):
            raise OSError(errno.ENODEV)
        if name not in self._outputs:
            self._outputs[name] = OutputPin(name, self._config.get("outputs", ""), self._now)
        return self._outputs[name]

    def pulse(self, clock: str, data: str) -> "Callable[[], int]":
        from firmware.boards.host_pins import make_pulse

        return make_pulse(self.pin(clock), self.pin(data))

    def save_power(self) -> None:
        """Do nothing: the VM has a wire to the mains."""

    def _power(self, name: str) -> "Pin":
        """Return the pin that switches a module's supply."""
        if not self._config.get("uart", {}).get(name, {}).get("power"):
            raise OSError(errno.ENODEV)
        return PowerPin(self._uarts, name)

    def paced(self, read: "Callable[[], int]", period_ms: int, depth: int) -> "Paced":
        return _Paced(read, period_ms, depth, self._now)

    def link(self) -> "Link":
        path = self._config.get("link", "")
        if not path.startswith(_RADIO):
            return HostLink(path)
        from firmware.boards import host_bluetooth

        host_bluetooth.path = path[len(_RADIO) :]
        sys.modules["bluetooth"] = host_bluetooth
        from firmware.boards.ble_link import BleLink

        return BleLink(self)

    def _steps(self, kind: str, name: str) -> Steps:
        row = self._config.get(kind, {}).get(name)
        if row is None:
            raise OSError(errno.ENODEV)
        return Steps(row["steps"], self._now)


def _bytes_of(buffer: "Buffer") -> "bytearray":
    """Return the bytes under a buffer of any item size, not a copy."""
    return uctypes.bytearray_at(uctypes.addressof(buffer), len(bytes(buffer)))
