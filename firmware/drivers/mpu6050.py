"""MPU6050 accelerometer: +-8 or 16 g, 50 or 100 Hz, read from its FIFO in one burst a block.

```
 FIFO_COUNT -> how many bytes wait     INT_STATUS -> has it run over?
 FIFO_R_W, 6 * n bytes -> n samples x, y, z, high byte first
```
Only the accelerometer runs; the gyroscopes stand by. The FIFO holds 170 samples, 1024 bytes,
which is no multiple of a sample: one that has run over no longer says where a sample begins,
and is emptied. The clock is the part's own 8 MHz.

A part frozen at one value, or reset by a dip of its supply, is seen: three axes equal for
5 s (their noise is 5 counts at 16 g), or a FIFO that stays empty. Then the reads fail and the
sampler sets it up anew; it counts as back only when its values move.

Ref: InvenSense RM-MPU-6000A-00 rev 4.2, sections 4.4 to 4.6 (rate, filter, range), 4.7 (FIFO
enable), 4.15 (INT_STATUS), 4.27 to 4.31 (user control, power, FIFO, WHO_AM_I);
PS-MPU-6000A-00 rev 3.4, section 6.2 (noise 400 ug/sqrt(Hz)).
"""

import asyncio
from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.boards.board import I2C

G_MPS2 = 9.80665
COUNTS_PER_DIGIT = 16
MOST_SAMPLES = 32
"""In one burst; the rest waits in the part."""

_RATE_DIVIDER = 0x19
_INT_STATUS = 0x3A
_USER_CONTROL = 0x6A
_POWER_1 = 0x6B
_POWER_2 = 0x6C
_FIFO_COUNT = 0x72
_FIFO = 0x74
_WHO_AM_I = 0x75
_FIFO_SOURCE = 0x23

_IDENTITIES = (0x68, 0x70, 0x98)
"""MPU6050, and the parts sold in its name."""
_RESET = b"\x80"
_AWAKE_OWN_CLOCK = b"\x08"  # temperature sensor off
_GYROSCOPES_STAND_BY = b"\x07"
_FILTER_44_HZ = 0x03  # internal rate 1 kHz
_ACCELERATION_TO_FIFO = b"\x08"
_FIFO_EMPTY = b"\x04"
_FIFO_ON = b"\x40"
_OVERFLOW = 0x10
_SAMPLE = 6
_RESET_MS = 100
_FROZEN_S = 5
_NO_PART = 19  # ENODEV
_TIMED_OUT = 110  # ETIMEDOUT


class Mpu6050:
    """Gives blocks of acceleration; one of the sampler's sources."""

    name = "mpu6050"
    axes = 3
    capacity = MOST_SAMPLES

    def __init__(
        self, bus: "I2C", address: int, rate_hz: int = 100, range_g: int = 16, poll_ms: int = 100
    ) -> None:
        self.period_ms = 1000 // rate_hz
        self.poll_ms = poll_ms
        self.g_per_digit = COUNTS_PER_DIGIT * range_g / 32768
        self.scale = range_g * G_MPS2 / 32768
        self._bus = bus
        self._address = address
        range_bits = 0x18 if range_g == 16 else 0x10
        self._setup = bytes((1000 // rate_hz - 1, _FILTER_44_HZ, 0, range_bits))
        self._two = bytearray(2)
        self._one = bytearray(1)
        self._ran_over = False
        self._frozen = _FROZEN_S * rate_hz
        self._equal = 0
        self._last = array("h", bytes(_SAMPLE))
        self.counts = array("h", bytes(_SAMPLE * MOST_SAMPLES))
        raw = memoryview(bytearray(_SAMPLE * MOST_SAMPLES))
        self._views = [raw[: _SAMPLE * count] for count in range(MOST_SAMPLES + 1)]

    async def start(self) -> None:
        """Reset the part and set it up with an empty FIFO.

        Raises:
            OSError: it does not answer, or another part does.
        """
        self._read(_WHO_AM_I, self._one)
        if self._one[0] not in _IDENTITIES:
            raise OSError(_NO_PART)
        self._write(_POWER_1, _RESET)
        await asyncio.sleep_ms(_RESET_MS)
        self._write(_POWER_1, _AWAKE_OWN_CLOCK)
        self._write(_POWER_2, _GYROSCOPES_STAND_BY)
        self._write(_RATE_DIVIDER, self._setup)  # and filter, gyroscopes, range behind it
        self._write(_FIFO_SOURCE, _ACCELERATION_TO_FIFO)
        self._empty()

    def read(self) -> int:
        """Read what waits into `counts` and return how many samples; allocates nothing.

        Raises:
            OSError: the part does not answer or repeats itself.
        """
        self._read(_INT_STATUS, self._one)
        if self._one[0] & _OVERFLOW:
            self._empty()
            self._ran_over = True
            return 0
        self._read(_FIFO_COUNT, self._two)
        waiting = min((self._two[0] << 8 | self._two[1]) // _SAMPLE, MOST_SAMPLES)
        if not waiting:
            return 0
        raw = self._views[waiting]
        self._read(_FIFO, raw)
        counts = self.counts
        for position in range(3 * waiting):
            value = raw[2 * position] << 8 | raw[2 * position + 1]
            counts[position] = value - (value >> 15 << 16)
        self._check_life(waiting)
        return waiting

    def lost(self, count: int) -> int:
        """Return how many samples went missing before the last `count`; -1: time must tell."""
        if self._ran_over:
            self._ran_over = False
            return -1
        return 0

    def _check_life(self, count: int) -> None:
        last = self._last
        counts = self.counts
        for at in range(0, 3 * count, 3):
            x, y, z = counts[at], counts[at + 1], counts[at + 2]
            if x == last[0] and y == last[1] and z == last[2]:
                self._equal += 1
            else:
                self._equal = 0
                last[0] = x
                last[1] = y
                last[2] = z
        if self._equal >= self._frozen:
            self._equal = self._frozen  # until it moves, whatever is done to it
            raise OSError(_TIMED_OUT)

    def _empty(self) -> None:
        self._write(_USER_CONTROL, _FIFO_EMPTY)
        self._write(_USER_CONTROL, _FIFO_ON)

    def _read(self, register: int, buffer: "bytearray | memoryview") -> None:
        self._bus.readfrom_mem_into(self._address, register, buffer)

    def _write(self, register: int, value: bytes) -> None:
        self._bus.writeto_mem(self._address, register, value)
