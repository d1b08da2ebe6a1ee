"""MicroPython's `machine` as an ESP32 has it, on the models of the VM's board.

It knows nothing of our firmware: pins, converters, buses, UARTs and timers are numbers, what
a chip has not raises the error that the port raises, and what is wired to it stands in the
JSON file of the first argument:

```json
{"chip": "esp32", "unique_id": "a0b1c2d3e4f5", "reset_cause": 1,
 "pins": {"32": {"steps": [[0, 1]]}}, "adc_mv": {"34": {"steps": [[0, 1650]]}},
 "i2c": {"0": {"pins": [22, 21], "parts": {"24": {"model": "lis3dh"}}, "held": [[5000, 9]]}},
 "uart": {"1": {"pins": [25, 26], "line": "/dev/pts/5"}, "2": {"pins": [17, 16], "play": ".."}},
 "hx711": {"pins": [19, 18], "file": "/x/load.bin", "rate_hz": 10},
 "outputs": "/path/outputs.jsonl"}
```
`held`: from that time on SDA is held low until so many clocks have come; `outputs` gets each
change of an output, the watchdog's first feed and a line when it bites.

Ref: MicroPython ports/esp32 machine_pin.c, machine_i2c.c, machine_uart.c, machine_adc.c,
machine_timer.c, machine_wdt.c; MICROPY_SCHEDULER_DEPTH 8.
"""

import asyncio
import binascii
import errno
import json
import select
import sys
import time

from firmware.boards.host_lines import Steps
from firmware.boards.host_link import HostLink
from firmware.boards.host_models import make_part
from firmware.boards.host_uart import HostUart

with open(sys.argv[1]) as _file:
    _config = json.load(_file)

CHIPS = {
    # pins, input only, first converter's pins, its top in mV, UARTs, timers, I2C buses
    "esp32": (
        set(range(40)) - {6, 7, 8, 9, 10, 11, 20, 24, 28, 29, 30, 31},
        {34, 35, 36, 37, 38, 39},
        set(range(32, 40)),
        3150,
        3,
        4,
        2,
    ),
    "esp32s3": (set(range(49)) - set(range(22, 33)), set(), set(range(1, 11)), 3100, 3, 4, 2),
    "esp32c3": (set(range(22)) - set(range(11, 18)), set(), set(range(5)), 2750, 2, 2, 1),
    "esp32c6": (set(range(31)) - set(range(24, 31)), set(), set(range(7)), 3300, 2, 2, 1),
}
_PINS, _INPUT_ONLY, _ADC_PINS, _ADC_TOP_MV, _UARTS, _TIMERS, _BUSES = CHIPS[_config["chip"]]
_SCHEDULER_DEPTH = 8
_started = time.ticks_ms()
_levels = {}
_held = {}

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5


def _now():
    return time.ticks_diff(time.ticks_ms(), _started)


def _write_line(line):
    if "outputs" in _config:
        with open(_config["outputs"], "a") as file:
            file.write(json.dumps(dict(line, t=_now())) + "\n")


def reset_cause():
    return _config.get("reset_cause", PWRON_RESET)


def reset():
    sys.exit(3)


def unique_id():
    return binascii.unhexlify(_config["unique_id"])


def freq(hz=None):
    if hz is None:
        return 160_000_000
    if hz not in (20_000_000, 40_000_000, 80_000_000, 160_000_000, 240_000_000):
        raise ValueError("frequency must be 20MHz, 40MHz, 80Mhz, 160MHz or 240MHz")
    _write_line({"freq": hz})
    return None


def disable_irq():
    return 0


def enable_irq(state):
    pass


_hx711 = None
if "hx711" in _config:
    from firmware.boards.host_pins import Hx711

    _hx711 = Hx711(_config["hx711"], _now)


class Pin:
    IN, OUT, OPEN_DRAIN = 1, 3, 7
    PULL_DOWN, PULL_UP = 1, 2

    def __init__(self, number, mode=-1, pull=-1, *, value=None):
        if number not in _PINS:
            raise ValueError("invalid pin")
        if number in _INPUT_ONLY and (mode in (Pin.OUT, Pin.OPEN_DRAIN) or pull > 0):
            raise ValueError("pin can only be input")
        self._number = number
        self._mode = mode
        row = _config.get("pins", {}).get(str(number))
        self._steps = Steps(row["steps"], _now) if row else None
        if value is not None:
            self.value(value)

    def value(self, level=None):
        if level is None:
            return self._read()
        if self._mode not in (Pin.OUT, Pin.OPEN_DRAIN):
            raise OSError(errno.EPERM)
        before = _levels.get(self._number, 0)
        _levels[self._number] = level
        if _hx711 is not None and self._number == _config["hx711"]["pins"][0]:
            _hx711.clock(level)
        elif self._mode == Pin.OPEN_DRAIN:
            if before and not level:
                _count_clock(self._number)
        elif level != before or (level and before is None):
            _write_line({"pin": self._number, "value": level})
        return None

    def _read(self):
        for bus in _config.get("i2c", {}).values():
            if self._number == bus["pins"][1]:
                return 0 if _is_held(bus) else 1
        if _hx711 is not None and self._number == _config["hx711"]["pins"][1]:
            return _hx711.data()
        if self._steps is not None:
            return int(self._steps.value())
        return _levels.get(self._number, 1)


def _is_held(bus):
    for begin, clocks in bus.get("held", ()):
        if _now() >= begin and _held.get(begin, 0) < clocks:
            return True
    return False


def _count_clock(number):
    for bus in _config.get("i2c", {}).values():
        for begin, _ in bus.get("held", ()):
            if number == bus["pins"][0] and _now() >= begin:
                _held[begin] = _held.get(begin, 0) + 1


_parts = {}


class I2C:
    def __init__(self, number, *, scl, sda, freq=400_000, timeout=50_000):
        if number >= _BUSES:
            raise ValueError(f"I2C({number}) doesn't exist")
        self._row = _config.get("i2c", {}).get(str(number), {"pins": [-1, -1], "parts": {}})
        wired = self._row["pins"] in ([scl._number, sda._number], [-1, -1])
        if number not in _parts:
            _parts[number] = {}
            for address, row in self._row["parts"].items():
                _parts[number][int(address)] = make_part(row, _now)
        self._parts = _parts[number] if wired else {}

    def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
        self._part(addr).read(memaddr, memoryview(_bytes_of(buf)))

    def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
        self._part(addr).write(memaddr, buf)

    def _part(self, addr):
        if _is_held(self._row):
            raise OSError(errno.ETIMEDOUT)
        if addr not in self._parts:
            raise OSError(errno.ENODEV)
        self._parts[addr].check_there()
        return self._parts[addr]


def _bytes_of(buffer):
    import uctypes

    size = len(bytes(buffer))
    return uctypes.bytearray_at(uctypes.addressof(buffer), size)


class UART:
    def __init__(self, number, baudrate, *, tx, rx, rxbuf=256, txbuf=256, timeout=0):
        if not 0 <= number < _UARTS:
            raise ValueError(f"UART({number}) does not exist")
        if number == 0 and (rxbuf != 256 or txbuf != 256):
            raise ValueError("REPL UART buffer size is fixed")
        if tx not in _PINS or rx not in _PINS or tx in _INPUT_ONLY:
            raise ValueError("invalid pin")
        row = _config.get("uart", {}).get(str(number))
        self._line = None
        if row is not None and row["pins"] == [tx, rx]:
            self._line = HostLink(row["line"]) if "line" in row else HostUart(row, baudrate, _now)
        self._poll = select.poll()

    def any(self):
        if isinstance(self._line, HostLink):
            if not self._line.open():
                return 0
            self._poll.register(self._line, select.POLLIN)
            found = [flags for _, flags in self._poll.poll(0) if flags & select.POLLIN]
            self._poll.unregister(self._line)
            return len(found)
        return 0

    def readinto(self, buf):
        if isinstance(self._line, HostLink) and not self.any():
            return None
        return self._line.readinto(buf) if self._line is not None else None

    def write(self, buf):
        if isinstance(self._line, HostLink) and not self._line.open():
            return len(buf)  # a wire takes what nobody hears
        return self._line.write(buf) if self._line is not None else len(buf)


class ADC:
    ATTN_0DB, ATTN_2_5DB, ATTN_6DB, ATTN_11DB = range(4)

    def __init__(self, pin, *, atten=ATTN_0DB):
        if pin._number not in _ADC_PINS:
            raise ValueError("invalid pin")
        if atten != ADC.ATTN_11DB:
            raise ValueError("the test's voltages need 11 dB")
        row = _config.get("adc_mv", {}).get(str(pin._number))
        self._steps = Steps(row["steps"], _now) if row else None

    def read_uv(self):
        millivolts = self._steps.value() if self._steps is not None else 0
        return 1000 * int(min(max(millivolts, 75), _ADC_TOP_MV))  # it sees no true zero


class Timer:
    ONE_SHOT, PERIODIC = 0, 1

    def __init__(self, number, *, mode=PERIODIC, period=-1, callback=None):
        if not 0 <= number < _TIMERS:
            raise ValueError(f"invalid Timer number, max {_TIMERS}")
        self._period = period
        self._callback = callback
        self._task = asyncio.create_task(self._run())

    async def _run(self):
        """Do what the scheduler does: late ticks wait, eight at most."""
        due = _now() + self._period
        while True:
            await asyncio.sleep_ms(max(0, due - _now()))
            waiting = 0
            while due <= _now():
                due += self._period
                waiting += 1
            for _ in range(min(waiting, _SCHEDULER_DEPTH)):
                self._callback(self)


class WDT:
    def __init__(self, *, timeout=5000):
        self._timeout = timeout
        self._fed = -1
        self._task = asyncio.create_task(self._run())

    def feed(self):
        if self._fed < 0:
            _write_line({"wdt": "fed"})
        self._fed = _now()

    async def _run(self):
        while True:
            await asyncio.sleep_ms(1000)
            if self._fed >= 0 and _now() - self._fed > self._timeout:
                _write_line({"wdt": "bites"})
                sys.exit(4)
