"""ADS1115 converter on the bed strip: one conversion taken every 10 ms.

The part has no FIFO: the board's timer reads the last conversion at our own period
(`board.paced`), the converter runs 8 times faster, so a sample is at most 1.2 ms old. A part
that lost its power for a moment converts no more and still answers; therefore its
configuration is read back with each block.

Ref: TI SBAS444D (ADS111x datasheet), section 9.6.2 conversion register, 9.6.3 config
register, table 8.
"""

from firmware.drivers.paced import PacedSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.boards.board import I2C, Board

FULL_SCALE_V = 4.096

_CONVERSION = 0
_CONFIG = 1
_AIN0_4V096_CONTINUOUS_860_SPS = b"\x42\xe3"
_STATUS_BIT = 0x80
_ERROR = 5  # EIO


class Ads1115(PacedSource):
    """Gives blocks of the strip's voltage; one of the sampler's sources."""

    name = "ads1115"
    period_ms = 10
    capacity = 100
    scale = FULL_SCALE_V / 32768
    """V for each count."""

    def __init__(self, board: "Board", bus: "I2C", address: int) -> None:
        PacedSource.__init__(self, board)
        self._bus = bus
        self._address = address
        self._two = bytearray(2)
        self._check = bytearray(2)

    async def start(self) -> None:
        """Set the part up and let the board's timer read it.

        Raises:
            OSError: it does not answer.
        """
        self._bus.writeto_mem(self._address, _CONFIG, _AIN0_4V096_CONTINUOUS_860_SPS)
        self._check_config()
        self._pace()

    def read(self) -> int:
        """Move what the timer has read into `counts` and return how many samples.

        Raises:
            OSError: the part does not answer or has forgotten its configuration.
        """
        self._check_config()
        return PacedSource.read(self)

    def _read_one(self) -> int:
        self._bus.readfrom_mem_into(self._address, _CONVERSION, self._two)
        value = self._two[0] << 8 | self._two[1]
        return value - 0x10000 if value & 0x8000 else value

    def _check_config(self) -> None:
        self._bus.readfrom_mem_into(self._address, _CONFIG, self._check)
        high, low = _AIN0_4V096_CONTINUOUS_860_SPS
        if self._check[0] & ~_STATUS_BIT != high or self._check[1] != low:
            raise OSError(_ERROR)
