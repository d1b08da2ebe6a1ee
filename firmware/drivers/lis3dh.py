"""LIS3DH accelerometer: +-16 g, 50 or 100 Hz, read from its FIFO in one burst a block.

```
 FIFO_SRC  -> how many wait (and whether the FIFO ran over)
 OUT_X_L | 80h, 6 * n bytes -> n samples x, y, z
```
Counts are left-justified: 16 of them are one digit of 12 mg.

Ref: ST DocID17530 (LIS3DH datasheet) rev 2, section 2.1 table 4 (12 mg/digit at +-16 g in
high resolution), section 5.1.3 stream mode, section 8.8 to 8.21 registers; ST AN3308 rev 5,
section 9 (FSS with OVRN set stands for 32 samples; a burst read wraps from 2Dh to 28h).
"""

from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.boards.board import I2C

G_MPS2 = 9.80665
G_PER_DIGIT = 0.012
COUNTS_PER_DIGIT = 16
FIFO_LEVELS = 32

_WHO_AM_I = 0x0F
_IDENTITY = 0x33
_CTRL_REG1 = 0x20
_CTRL_REG4 = 0x23
_CTRL_REG5 = 0x24
_FIFO_CTRL = 0x2E
_FIFO_SRC = 0x2F
_OUT_BURST = 0x28 | 0x80

_RATE_50_HZ_ALL_AXES = b"\x47"
_RATE_100_HZ_ALL_AXES = b"\x57"
_BDU_16_G_HIGH_RESOLUTION = b"\xb8"
_FIFO_ON = b"\x40"
_FIFO_BYPASS = b"\x00"
_FIFO_STREAM = b"\x80"

_OVERRUN = 0x40
_EMPTY = 0x20


class Lis3dh:
    """Gives blocks of acceleration; one of the sampler's sources."""

    name = "lis3dh"
    axes = 3
    capacity = FIFO_LEVELS
    g_per_digit = G_PER_DIGIT
    scale = G_PER_DIGIT * G_MPS2 / COUNTS_PER_DIGIT
    """m/s2 for each count."""

    def __init__(self, bus: "I2C", address: int, rate_hz: int = 100, poll_ms: int = 100) -> None:
        self.period_ms = 1000 // rate_hz
        self.poll_ms = poll_ms
        self._rate = _RATE_100_HZ_ALL_AXES if rate_hz == 100 else _RATE_50_HZ_ALL_AXES
        self._bus = bus
        self._address = address
        self._one = bytearray(1)
        self.counts = array("h", bytes(6 * FIFO_LEVELS))
        view = memoryview(self.counts)
        self._views = [view[: 3 * count] for count in range(FIFO_LEVELS + 1)]

    async def start(self) -> None:
        """Set the part up with an empty FIFO.

        Raises:
            OSError: it does not answer, or another part does.
        """
        self._read(_WHO_AM_I)
        if self._one[0] != _IDENTITY:
            raise OSError(19)  # ENODEV
        self._write(_FIFO_CTRL, _FIFO_BYPASS)
        self._write(_CTRL_REG4, _BDU_16_G_HIGH_RESOLUTION)
        self._write(_CTRL_REG5, _FIFO_ON)
        self._write(_CTRL_REG1, self._rate)
        self._write(_FIFO_CTRL, _FIFO_STREAM)

    def read(self) -> int:
        """Read what waits into `counts` and return how many samples; allocates nothing."""
        self._read(_FIFO_SRC)
        source = self._one[0]
        if source & _EMPTY:
            return 0
        waiting = source & 0x1F
        if source & _OVERRUN:
            waiting = FIFO_LEVELS
        if waiting:
            self._bus.readfrom_mem_into(self._address, _OUT_BURST, self._views[waiting])
        return waiting

    def lost(self, count: int) -> int:
        """Return how many samples went missing before the last `count`; -1: time must tell."""
        return -1 if count == FIFO_LEVELS else 0

    def _read(self, register: int) -> None:
        self._bus.readfrom_mem_into(self._address, register, self._one)

    def _write(self, register: int, value: bytes) -> None:
        self._bus.writeto_mem(self._address, register, value)
