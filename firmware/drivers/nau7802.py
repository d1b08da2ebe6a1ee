"""NAU7802 converter on the bed's load cells: 10 Hz, sent in 0.01 kg.

The board's timer looks every 100 ms (`board.paced`) whether a conversion is ready. Its
oscillator is not ours: now and then a conversion is repeated or skipped, which a weight does
not mind. After a second without a new one the reads fail and the sampler starts it anew.

Ref: Nuvoton NAU7802 datasheet rev 1.7, section 9.1 power-on sequencing, section 11 register
map details (PU_CTRL 00h, CTRL1 01h, CTRL2 02h, ADCO 12h to 14h, ADC 15h).
"""

import asyncio

from firmware.drivers.paced import PacedSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.boards.board import I2C, Board

_PU_CTRL = 0x00
_CTRL1 = 0x01
_CTRL2 = 0x02
_ADC_RESULT = 0x12
_ADC_CONTROL = 0x15

_RESET = b"\x01"
_POWER_DIGITAL = b"\x02"
_POWER_ANALOG_INTERNAL_LDO = b"\x86"
_CONVERT = b"\x96"
_LDO_3V0_GAIN_128 = b"\x2f"
_CHOPPER_OFF = b"\x30"
_RATE_10_SPS = b"\x00"
_RATE_10_SPS_CALIBRATE = b"\x04"
_READY = 0x08
_CONVERSION_READY = 0x20
_CALIBRATING = 0x04
_CALIBRATION_ERROR = 0x08

_ANALOG_SETTLE_MS = 600
_CALIBRATION_MS = 1000
_STALE_READS = 10
_ERROR = 5  # EIO
_TIMED_OUT = 110  # ETIMEDOUT

CENTIKILOGRAM = 0.01


class Nau7802(PacedSource):
    """Gives blocks of weight; one of the sampler's sources."""

    name = "nau7802"
    period_ms = 100
    capacity = 20
    scale = CENTIKILOGRAM
    """kg for each count."""

    def __init__(
        self, board: "Board", bus: "I2C", address: int, zero: int, kg_per_count: float
    ) -> None:
        PacedSource.__init__(self, board)
        self._bus = bus
        self._address = address
        self.zero = zero
        self.kg_per_count = kg_per_count
        self._one = bytearray(1)
        self._ready = bytearray(1)  # the timer's own: it reads while `start` may be reading
        self._three = bytearray(3)
        self._last = 0
        self._stale = 0

    async def start(self) -> None:
        """Power the part up, calibrate it and let the board's timer read it.

        Raises:
            OSError: it does not answer, does not become ready or cannot calibrate.
        """
        self._write(_PU_CTRL, _RESET)
        self._write(_PU_CTRL, _POWER_DIGITAL)
        await asyncio.sleep_ms(1)
        await self._wait(_PU_CTRL, _READY, _READY, 100)
        self._write(_PU_CTRL, _POWER_ANALOG_INTERNAL_LDO)
        await asyncio.sleep_ms(_ANALOG_SETTLE_MS)
        self._write(_CTRL1, _LDO_3V0_GAIN_128)
        self._write(_ADC_CONTROL, _CHOPPER_OFF)
        self._write(_CTRL2, _RATE_10_SPS)
        self._write(_CTRL2, _RATE_10_SPS_CALIBRATE)
        await self._wait(_CTRL2, _CALIBRATING, 0, _CALIBRATION_MS)
        if self._read(_CTRL2) & _CALIBRATION_ERROR:
            raise OSError(_ERROR)
        self._write(_PU_CTRL, _CONVERT)
        self._stale = _STALE_READS  # nothing is sent before the first conversion
        self._pace()

    def set_scale(self, zero: int, kg_per_count: float) -> None:
        """Set what a count stands for."""
        self.zero = zero
        self.kg_per_count = kg_per_count

    def _read_one(self) -> int:
        self._bus.readfrom_mem_into(self._address, _PU_CTRL, self._ready)
        if self._ready[0] & _CONVERSION_READY:
            self._bus.readfrom_mem_into(self._address, _ADC_RESULT, self._three)
            self._last = self._three[0] << 16 | self._three[1] << 8 | self._three[2]
            if self._last & 0x800000:
                self._last -= 0x1000000
            self._stale = 0
        else:
            self._stale += 1
            if self._stale > _STALE_READS:
                raise OSError(_TIMED_OUT)
        kilograms = (self._last - self.zero) * self.kg_per_count
        return max(-0x8000, min(0x7FFF, round(kilograms / CENTIKILOGRAM)))

    async def _wait(self, register: int, mask: int, value: int, limit_ms: int) -> None:
        for _ in range(limit_ms // 10):
            if self._read(register) & mask == value:
                return
            await asyncio.sleep_ms(10)
        raise OSError(_TIMED_OUT)

    def _read(self, register: int) -> int:
        self._bus.readfrom_mem_into(self._address, register, self._one)
        return self._one[0]

    def _write(self, register: int, value: bytes) -> None:
        self._bus.writeto_mem(self._address, register, value)
