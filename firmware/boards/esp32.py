# ruff: noqa: D102 (documented in board.py)
"""The body that all ESP32 boards share; a pin map (`esp32_devkit.py` ...) is tables only.

| member | here |
|---|---|
| `unit_id` | NVS `anzhen`/`unit_id`, else `unit-` and the chip's number |
| `unique_key()` | NVS `anzhen`/`link_key`, else `link.key` on the flash |
| `flash_root` | the root of littlefs; code lies beside it |
| `adc()` | calibrated millivolts over the supply; what is over the converter's range reads full |
| `i2c()` | a bus held low is clocked free and set up anew, once a second at most |
| `pulse()` | interrupts off, and its time measured |
| `link()` | what `settings.json` says: `usb`, `uart` or `ble` |

Ref: MicroPython 1.29 docs, "Quick reference for the ESP32"; Espressif ESP32 datasheet v4.x,
table "ADC calibration results" (2450 mV at 11 dB), likewise S3 (2900), C3 (2500; also ESP-IDF 4.4,
"ADC Attenuation"), C6 (3300; not verified);
NXP UM10204 rev 7, section 3.1.16 (nine clocks free a bus).
"""

import binascii
import errno
import os
import time

import machine
from esp32 import NVS

from firmware import setting_names
from firmware.boards.board import uart_buffer_bytes
from firmware.boards.esp32_pace import Pacer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.boards.board import Adc, Buffer, Link, Paced, Uart

SUPPLY_MV = 3300
WATCHDOG_MS = 20_000

_ROOT = ""
"""The root of littlefs: paths begin with a slash."""
_NAMESPACE = "anzhen"
_NOT_FOUND = -0x1102  # ESP_ERR_NVS_NOT_FOUND, as MicroPython raises it
_KEY_BYTES = 64
_I2C_HZ = 400_000
_I2C_TIMEOUT_US = 10_000
_FREE_AGAIN_MS = 1000
_HIGH_US = 50
"""The HX711 falls asleep when its clock is high for 60 us."""
_SLOW_HZ = 80_000_000
"""The slowest clock at which the radio works."""


class Bus:
    """`machine.I2C` that frees itself when a part holds it down."""

    def __init__(self, number: int, scl: int, sda: int) -> None:
        self._where = (number, scl, sda)
        self._freed_ms = time.ticks_ms()
        self._start()

    def readfrom_mem_into(self, addr: int, memaddr: int, buf: "Buffer") -> None:
        try:
            self._bus.readfrom_mem_into(addr, memaddr, buf)
        except OSError:
            self._free()
            raise

    def writeto_mem(self, addr: int, memaddr: int, buf: bytes) -> None:
        try:
            self._bus.writeto_mem(addr, memaddr, buf)
        except OSError:
            self._free()
            raise

    def _start(self) -> None:
        number, scl, sda = self._where
        self._bus = machine.I2C(
            number,
            scl=machine.Pin(scl),
            sda=machine.Pin(sda),
            freq=_I2C_HZ,
            timeout=_I2C_TIMEOUT_US,
        )

    def _free(self) -> None:
        """Clock out what a part that lost count still wants to say, if the line is low."""
        now_ms = time.ticks_ms()
        _, scl, sda = self._where
        if time.ticks_diff(now_ms, self._freed_ms) < _FREE_AGAIN_MS:
            return
        self._freed_ms = now_ms
        data = machine.Pin(sda, machine.Pin.IN, machine.Pin.PULL_UP)
        clock = machine.Pin(scl, machine.Pin.OPEN_DRAIN, machine.Pin.PULL_UP, value=1)
        for _ in range(9):
            if data.value():
                break
            clock.value(0)
            time.sleep_us(5)
            clock.value(1)
            time.sleep_us(5)
        self._start()


class Ratio:
    """A calibrated converter input over the supply."""

    def __init__(self, pin: int, top_mv: int) -> None:
        self._adc = machine.ADC(machine.Pin(pin), atten=machine.ADC.ATTN_11DB)
        self._top_uv = 1000 * top_mv

    def read_u16(self) -> int:
        microvolts = self._adc.read_uv()
        if microvolts >= self._top_uv:
            return 65535  # a cut cord: above its range a converter cannot tell how much
        return microvolts // 100 * 13107 // (2 * SUPPLY_MV)  # 65535 / 5: small integers only


class Level:
    """A digital input or output."""

    def __init__(self, pin: "machine.Pin") -> None:
        self._pin = pin

    def read(self) -> int:
        return self._pin.value()

    def write(self, level: int) -> None:
        self._pin.value(level)


class Esp32Board:
    """An ESP32 of any kind.

    Args:
        i2c_buses: name: number, SCL, SDA.
        uarts: name: number, TX, RX; `link` is the agent's.
        adcs: name: pin, of the first converter (the second is the radio's).
        adc_top_mv: where the converter's calibrated range ends.
        inputs: name: pin; pulled up where the pin can be.
        outputs: name: pin.
        no_pull: input pins without pull-ups: they need one outside.
    """

    def __init__(
        self,
        i2c_buses: "dict[str, tuple[int, int, int]]",
        uarts: "dict[str, tuple[int, int, int]]",
        adcs: "dict[str, int]",
        adc_top_mv: int,
        inputs: "dict[str, int]",
        outputs: "dict[str, int]",
        no_pull: "tuple[int, ...]" = (),
    ) -> None:
        self._i2c_buses = i2c_buses
        self._uarts = uarts
        self._adcs = adcs
        self._adc_top_mv = adc_top_mv
        self._inputs = inputs
        self._outputs = outputs
        self._no_pull = no_pull
        self.flash_root = _ROOT
        self.unit_id = self._name()
        self._buses: "dict[str, Bus]" = {}
        self._levels: "dict[str, Level]" = {}
        self._pacer = Pacer()
        self._watchdog = machine.WDT(timeout=WATCHDOG_MS)

    def ticks_ms(self) -> int:
        return time.ticks_ms()  # type: ignore[return-value]

    def random(self, count: int) -> bytes:
        return os.urandom(count)

    def unique_key(self) -> bytes:
        try:
            return _read_nvs("link_key") or b"empty"
        except OSError as error:
            if error.errno != _NOT_FOUND:
                return b"unreadable"  # a damaged key is a wrong one, not none
        try:
            with open(self.flash_root + "/link.key", "rb") as file:
                return file.read(_KEY_BYTES) or b"empty"
        except OSError as error:
            return b"" if error.errno == errno.ENOENT else b"unreadable"

    def reset_cause(self) -> int:
        return machine.reset_cause()

    def reset(self) -> None:
        machine.reset()

    def feed(self) -> None:
        self._watchdog.feed()

    def save_power(self) -> None:
        machine.freq(_SLOW_HZ)

    def i2c(self, name: str) -> Bus:
        if name not in self._buses:
            if name not in self._i2c_buses:
                raise OSError(errno.ENODEV)
            self._buses[name] = Bus(*self._i2c_buses[name])
        return self._buses[name]

    def uart(self, name: str, baud: int) -> "Uart":
        if name not in self._uarts:
            raise OSError(errno.ENODEV)
        number, tx, rx = self._uarts[name]
        size = uart_buffer_bytes(baud)
        return machine.UART(number, baud, tx=tx, rx=rx, rxbuf=size, timeout=0)

    def adc(self, name: str) -> "Adc":
        if name not in self._adcs:
            raise OSError(errno.ENODEV)
        return Ratio(self._adcs[name], self._adc_top_mv)

    def pin(self, name: str) -> Level:
        if name not in self._levels:
            self._levels[name] = Level(self._make_pin(name))
        return self._levels[name]

    def pulse(self, clock: str, data: str) -> "Callable[[], int]":
        clock_pin = self._make_pin(clock)
        data_pin = self._make_pin(data)

        def pulse() -> int:
            state = machine.disable_irq()
            begin_us = time.ticks_us()
            clock_pin.value(1)
            clock_pin.value(0)
            high_us = time.ticks_diff(time.ticks_us(), begin_us)
            machine.enable_irq(state)
            if high_us > _HIGH_US:  # the flash's cache was refilled in between
                raise OSError(errno.ETIMEDOUT)
            return data_pin.value()

        return pulse

    def paced(self, read: "Callable[[], int]", period_ms: int, depth: int) -> "Paced":
        return self._pacer.add(read, period_ms, depth)

    def link(self) -> "Link":
        from firmware import settings_file

        chosen = settings_file.load(self.flash_root).text("link")
        if chosen == setting_names.BLE:
            from firmware.boards.ble_link import BleLink

            return BleLink(self)
        if chosen == setting_names.UART and "link" in self._uarts:
            from firmware.boards.esp32_line import UartLink

            return UartLink(*self._uarts["link"])
        from firmware.boards.console_line import ConsoleLink

        return ConsoleLink()

    def _name(self) -> str:
        try:
            name = str(_read_nvs("unit_id"), "utf-8")
        except (OSError, UnicodeError):
            name = ""
        return name or "unit-" + str(binascii.hexlify(machine.unique_id()), "ascii")

    def _make_pin(self, name: str) -> "machine.Pin":
        """Return a pin set up for what it is.

        Raises:
            OSError: the board has none of that name.
        """
        if name in self._outputs:
            level = 1 if name == "radar_power" else 0
            return machine.Pin(self._outputs[name], machine.Pin.OUT, value=level)
        if name not in self._inputs:
            raise OSError(errno.ENODEV)
        number = self._inputs[name]
        if number in self._no_pull:
            return machine.Pin(number, machine.Pin.IN)
        return machine.Pin(number, machine.Pin.IN, machine.Pin.PULL_UP)


def _read_nvs(key: str) -> bytes:
    """Return a blob.

    Raises:
        OSError: there is none, or it cannot be read.
    """
    buffer = bytearray(_KEY_BYTES)
    count = NVS(_NAMESPACE).get_blob(key, buffer)
    return bytes(buffer[:count])
