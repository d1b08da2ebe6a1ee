# ruff: noqa: D102 (documented in board.py)
"""Models of parts that are read in other ways: the MPU6050's byte FIFO, the HX711's two wires.

Files and times as in `host_parts.py`.
"""

import errno

from firmware.boards.host_parts import ModelError, Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.boards.board import Buffer, Pin
    from firmware.boards.host_parts import PartRow


class Mpu6050(Part):
    """InvenSense MPU6050: power, rate, range, and the FIFO of 1024 bytes.

    File: int16 little endian x, y, z in counts of the range `range_g` (default 16).

    Ref: InvenSense RM-MPU-6000A-00 rev 4.2, section 4. A FIFO that is full loses its oldest
    bytes and says so in INT_STATUS until that is read (section 4.15).
    """

    _BYTES = 1024

    def __init__(self, row: "PartRow", now_ms: "Callable[[], int]") -> None:
        Part.__init__(self, row, now_ms, 6)
        self._range_g = row.get("range_g", 16)
        self._sample = bytearray(6)
        self._clear()

    def read(self, register: int, buffer: "Buffer") -> None:
        """Answer a read of `buffer`'s length from a register on."""
        view = memoryview(buffer)
        waiting = self._waiting()
        if register == 0x74:
            for position in range(len(view)):
                view[position] = self._next_byte() if position < waiting else 0xFF
            return
        self._registers[0x72] = waiting >> 8
        self._registers[0x73] = waiting & 0xFF
        for position in range(len(view)):
            view[position] = self._registers[register + position]
        if register == 0x3A:
            self._registers[0x3A] = 0

    def write(self, register: int, data: bytes) -> None:
        """Take a write to a register on."""
        for value in data:
            if register == 0x6B and value & 0x80:
                self.reset()
                self._clear()
            elif register == 0x6A and value & 0x04:
                self._taken = 0
                self._base = self.newest() + 1
                self._registers[0x3A] = 0
            else:
                self._registers[register] = value
            register += 1
        self._check_setup()

    def _clear(self) -> None:
        self._registers = bytearray(0x80)
        self._registers[0x6B] = 0x40  # it sleeps
        self._registers[0x75] = 0x68
        self._base = 0
        self._taken = 0

    def _running(self) -> bool:
        registers = self._registers
        awake = not registers[0x6B] & 0x40
        return bool(awake and registers[0x6A] & 0x40 and registers[0x23] & 0x08)

    def _check_setup(self) -> None:
        if not self._running():
            return
        registers = self._registers
        internal_hz = 1000 if 1 <= registers[0x1A] & 7 <= 6 else 8000
        rate = internal_hz // (1 + registers[0x19])
        if rate != self._rate_hz:
            raise ModelError("MPU6050 set to %d Hz, its file is %d Hz" % (rate, self._rate_hz))
        range_g = 2 << (registers[0x1C] >> 3 & 3)
        if range_g != self._range_g:
            raise ModelError("MPU6050 set to %d g, its file is %d g" % (range_g, self._range_g))

    def _waiting(self) -> int:
        """Return how many bytes wait, having lost what no longer fits."""
        if not self._running():
            self._base = self.newest() + 1
            self._taken = 0
            return 0
        waiting = 6 * max(0, self.newest() + 1 - self._base) - self._taken
        if waiting > self._BYTES:
            self._taken += waiting - self._BYTES
            self._registers[0x3A] |= 0x10
            waiting = self._BYTES
        return waiting

    def _next_byte(self) -> int:
        number, within = divmod(self._taken, 6)
        self.copy(self._base + number, self._sample)
        self._taken += 1
        return self._sample[within ^ 1]


class Hx711(Part):
    """Avia HX711: clock in, data out, conversions of its own oscillator.

    File: int32 little endian, each a 24-bit conversion. A clock that is high over a tick of
    the board's clock puts it to sleep; the time in between is not seen.

    Ref: Avia HX711 datasheet, "Serial Interface", "Reset and Power-Down".
    """

    _SETTLE_MS = 400

    def __init__(self, row: "PartRow", now_ms: "Callable[[], int]") -> None:
        Part.__init__(self, row, now_ms, 4)
        self._level = 0
        self._rose_ms = 0
        self._settled_ms = self._SETTLE_MS
        self._taken = -1
        self._pulses = 0
        self._sample = bytearray(4)

    def clock(self, level: int) -> None:
        """Take the clock's level."""
        now = self._now_ms()
        if level and not self._level:
            self._rose_ms = now
            self._pulses += 1 if self._pulses or self._is_ready() else 0
            if self._pulses == 1:
                self.copy(self.newest(), self._sample)
                self._taken = self.newest()
        elif self._level and not level:
            if self._is_asleep():
                self.reset()
                self._pulses = 0
                self._settled_ms = now + self._SETTLE_MS
            elif self._pulses == 25:
                self._pulses = 0
        self._level = level

    def data(self) -> int:
        """Return the level of DOUT."""
        for begin, end in self._away:
            if begin <= self._now_ms() < end:
                return 1  # nobody pulls it down
        if self._is_asleep():
            return 1
        if 1 <= self._pulses <= 24:
            bit = 24 - self._pulses
            return self._sample[bit // 8] >> bit % 8 & 1
        return 0 if self._is_ready() and not self._pulses else 1

    def _is_asleep(self) -> bool:
        return bool(self._level and self._now_ms() > self._rose_ms)

    def _is_ready(self) -> bool:
        return self._now_ms() >= self._settled_ms and self.newest() > self._taken


class ClockPin:
    """The clock of an HX711."""

    def __init__(self, part: Hx711) -> None:
        self._part = part
        self._level = 0

    def read(self) -> int:
        return self._level

    def write(self, level: int) -> None:
        self._level = level
        self._part.clock(level)


class DataPin:
    """The data line of an HX711."""

    def __init__(self, part: Hx711) -> None:
        self._part = part

    def read(self) -> int:
        return self._part.data()

    def write(self, level: int) -> None:
        raise OSError(errno.EPERM)


def make_pulse(clock: "Pin", data: "Pin") -> "Callable[[], int]":
    """Return what clocks a part once and reads its data line."""

    def pulse() -> int:
        clock.write(1)
        clock.write(0)
        return data.read()

    return pulse


def make_pin(
    name: str, config: "dict[str, PartRow]", now_ms: "Callable[[], int]"
) -> "ClockPin | DataPin":
    """Return a line of the board's only HX711.

    Raises:
        OSError: the board has none.
    """
    if "hx711" not in config:
        raise OSError(errno.ENODEV)
    if not _hx711:
        _hx711.append(Hx711(config["hx711"], now_ms))
    return ClockPin(_hx711[0]) if name == "load_clock" else DataPin(_hx711[0])


_hx711: "list[Hx711]" = []
