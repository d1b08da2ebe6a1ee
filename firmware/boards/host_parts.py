"""Models of I2C parts, register by register: what the VM's bus answers.

Samples come from files, read a few at a time. Each part gets `now_ms`, a function that says
how long its board has been up. Sample k of a file exists from `start_ms + k * 1000 / rate_hz`
on. After the last one the part is silent, or with `hold` repeats it for ever. In the windows
of `away` ([[from_ms, to_ms], ...]) the part does not answer at all. From a time of `freezes`
([ms]) on it repeats one sample, and being reset does not help in the first `stubborn_ms`.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NotRequired, TypedDict

    from firmware.boards.board import Buffer

    class PartRow(TypedDict):
        """A part in `host.json`."""

        model: str
        file: str
        rate_hz: int
        start_ms: NotRequired[int]
        hold: NotRequired[bool]
        away: NotRequired[list[tuple[int, int]]]
        freezes: NotRequired[list[int]]
        stubborn_ms: NotRequired[int]
        range_g: NotRequired[int]


_ENODEV = 19


class ModelError(Exception):
    """The firmware has set a part up in a way that its file was not made for."""


class Part:
    """A file of samples on a time axis, and the windows in which the part is away."""

    def __init__(self, row: "PartRow", now_ms: "Callable[[], int]", width: int) -> None:
        self._now_ms = now_ms
        self._width = width
        self._rate_hz = row["rate_hz"]
        self._start_ms = row.get("start_ms", 0)
        self._hold = row.get("hold", False)
        self._away = row.get("away", ())
        self._freezes = list(row.get("freezes", ()))
        self._stubborn_ms = row.get("stubborn_ms", 0)
        self._file = open(row["file"], "rb")  # noqa: SIM115 (as long as the part)
        self._total = self._file.seek(0, 2) // width

    def check_there(self) -> None:
        """Raise OSError, as a bus does, while the part is away."""
        now = self._now_ms()
        for begin, end in self._away:
            if begin <= now < end:
                raise OSError(_ENODEV)

    def newest(self) -> int:
        """Return the number of the newest sample that exists; -1 before the first."""
        number = (self._now_ms() - self._start_ms) * self._rate_hz // 1000
        if not self._hold and number >= self._total:
            number = self._total - 1
        return max(-1, number)

    def reset(self) -> None:
        """Start anew: what was frozen is so no more, unless it is stubborn."""
        while self._freezes and self._freezes[0] + self._stubborn_ms <= self._now_ms():
            self._freezes.pop(0)

    def read(self, register: int, buffer: "Buffer") -> None:
        """Answer a read from a register on."""
        raise NotImplementedError

    def write(self, register: int, data: bytes) -> None:
        """Take a write to a register on."""
        raise NotImplementedError

    def copy(self, first: int, buffer: "Buffer") -> None:
        """Fill a buffer with the samples from number `first` on."""
        view = memoryview(buffer)
        done = 0
        while done < len(view):
            number = first + done // self._width
            if self._freezes:
                number = min(number, self._freezes[0] * self._rate_hz // 1000)
            if number < self._total:
                self._file.seek(number * self._width)
                done += self._file.readinto(view[done:])
            elif self._total:
                self._file.seek((self._total - 1) * self._width)
                done += self._file.readinto(view[done : done + self._width])
            else:
                return


class Lis3dh(Part):
    """ST LIS3DH accelerometer: identity, control registers and the 32-level FIFO.

    File: int16 little endian x, y, z in output-register counts (left-justified).

    Ref: ST DocID17530 (LIS3DH datasheet) rev 2, section 5.1 FIFO, section 6.1.1 (bit 7 of the
    sub-address: auto-increment), section 8 registers; ST AN3308 rev 5, section 9 (a burst
    read wraps from 2Dh to 28h; FSS with OVRN set stands for 32 samples).
    """

    _LEVELS = 32
    _ODR_HZ = (0, 1, 10, 25, 50, 100, 200, 400)

    def __init__(self, row: "PartRow", now_ms: "Callable[[], int]") -> None:
        Part.__init__(self, row, now_ms, 6)
        self._registers = bytearray(0x40)
        self._registers[0x0F] = 0x33
        self._registers[0x20] = 0x07
        self._next = 0

    def read(self, register: int, buffer: "Buffer") -> None:
        """Answer a read of `buffer`'s length from a sub-address on."""
        increment = register & 0x80
        register &= 0x7F
        if register == 0x28 and increment:
            self._read_samples(buffer)
            return
        view = memoryview(buffer)
        for position in range(len(view)):
            view[position] = self._source() if register == 0x2F else self._registers[register]
            if increment:
                register = (register + 1) & 0x3F

    def write(self, register: int, data: bytes) -> None:
        """Take a write to a sub-address on."""
        increment = register & 0x80
        register &= 0x7F
        for value in data:
            self._registers[register] = value
            if register in (0x20, 0x23):
                self._check_rate()
            elif register == 0x2E and not value & 0xC0:
                self._next = self.newest() + 1  # bypass mode empties the FIFO
            if increment:
                register += 1

    def _check_rate(self) -> None:
        odr = self._registers[0x20] >> 4
        if odr == 0:
            return
        rate = self._ODR_HZ[odr] if odr < len(self._ODR_HZ) else 0
        if rate != self._rate_hz:
            raise ModelError("LIS3DH set to %d Hz, its file is %d Hz" % (rate, self._rate_hz))

    def _streaming(self) -> bool:
        running = self._registers[0x20] >> 4 and self._registers[0x24] & 0x40
        return bool(running and self._registers[0x2E] & 0xC0 == 0x80)

    def _unread(self) -> int:
        """Return how many samples wait, having overwritten what no longer fits."""
        if not self._streaming():
            self._next = self.newest() + 1
            return 0
        waiting = self.newest() + 1 - self._next
        if waiting > self._LEVELS:
            self._next += waiting - self._LEVELS
            waiting = self._LEVELS
        return max(0, waiting)

    def _source(self) -> int:
        waiting = self._unread()
        source = min(waiting, 31)
        if waiting == 0:
            source |= 0x20
        if waiting == self._LEVELS:
            source |= 0x40
        if waiting > self._registers[0x2E] & 0x1F:
            source |= 0x80
        return source

    def _read_samples(self, buffer: "Buffer") -> None:
        view = memoryview(buffer)
        wanted = len(view) // 6
        ready = min(wanted, self._unread())
        if ready:
            self.copy(self._next, view[: 6 * ready])
            self._next += ready
        for position in range(6 * ready, len(view)):
            view[position] = 0


class Ads1115(Part):
    """TI ADS1115: config register and the last conversion.

    File: int16 little endian counts. Converting is shown at the file's rate, whatever the
    data rate set: the file is what the input did. A silent part goes on showing its last
    conversion, as the real one does when its input stands still.

    Ref: TI SBAS444D (ADS111x datasheet), section 9.6 register map, tables 6 to 8.
    """

    def __init__(self, row: "PartRow", now_ms: "Callable[[], int]") -> None:
        Part.__init__(self, row, now_ms, 2)
        self._config = 0x8583  # the reset value: single-shot, power-down
        self._last = bytearray(2)

    def read(self, register: int, buffer: "Buffer") -> None:
        """Answer a read of two bytes, high byte first."""
        view = memoryview(buffer)
        if register == 1:
            view[0], view[1] = self._config >> 8, self._config & 0xFF
            return
        number = self.newest()
        if number >= 0 and not self._config & 0x0100:
            self.copy(number, self._last)
        view[0], view[1] = self._last[1], self._last[0]

    def write(self, register: int, data: bytes) -> None:
        """Take a write of two bytes, high byte first."""
        if register == 1:
            self._config = data[0] << 8 | data[1]
            if not self._config & 0x0100 and self._config & 0x0E00 != 0x0200:
                raise ModelError("ADS1115 files are made for the +-4.096 V range")


class Nau7802(Part):
    """Nuvoton NAU7802: power-up, calibration, rate, and conversions with a ready flag.

    File: int32 little endian, each a 24-bit conversion.

    Ref: Nuvoton NAU7802 datasheet rev 1.7, section 11 (register map details).
    """

    def __init__(self, row: "PartRow", now_ms: "Callable[[], int]") -> None:
        Part.__init__(self, row, now_ms, 4)
        self._registers = bytearray(0x20)
        self._taken = -1
        self._sample = bytearray(4)

    def read(self, register: int, buffer: "Buffer") -> None:
        """Answer a read from a register on."""
        view = memoryview(buffer)
        if register == 0x12:
            self._load()
            self._registers[0x12] = self._sample[2]
            self._registers[0x13] = self._sample[1]
            self._registers[0x14] = self._sample[0]
        for position in range(len(view)):
            view[position] = self._power() if register == 0 else self._registers[register]
            register += 1

    def write(self, register: int, data: bytes) -> None:
        """Take a write to a register on."""
        for value in data:
            if register == 0 and value & 0x01:
                self._registers = bytearray(0x20)
            if register == 2:
                rate = _NAU7802_RATES_HZ.get(value >> 4 & 7, 0)
                if rate != self._rate_hz:
                    text = "NAU7802 set to %d Hz, its file is %d Hz"
                    raise ModelError(text % (rate, self._rate_hz))
                value &= ~0x04  # the calibration is over at once, without an error
            self._registers[register] = value
            register += 1

    def _converting(self) -> bool:
        return self._registers[0] & 0x16 == 0x16  # PUD, PUA, CS

    def _power(self) -> int:
        value = self._registers[0] & ~0x28
        if value & 0x02:
            value |= 0x08  # PUR
        if self._converting() and self.newest() > self._taken:
            value |= 0x20  # CR
        return value

    def _load(self) -> None:
        number = self.newest()
        if number >= 0 and self._converting():
            self.copy(number, self._sample)
            self._taken = number


_NAU7802_RATES_HZ = {0: 10, 1: 20, 2: 40, 3: 80, 7: 320}

MODELS = {"lis3dh": Lis3dh, "ads1115": Ads1115, "nau7802": Nau7802}
"""The MPU6050 and the HX711 are in `host_pins.py`."""
