r"""HX711 converter on the bed's load cells: 10 Hz, clocked out bit by bit, sent in 0.01 kg.

```
 DOUT  ____      __23_22_21_ ... _0________      low: a conversion is ready
           \____/                          \___  high after the 25th pulse until the next one
 SCK   __________|~|_|~|_|~| ... |~|_|~|_______  24 pulses read, the 25th sets gain 128, A
```
A pulse that is high for 60 us or more puts the part to sleep, so the board makes each one
with the interrupts off and measures it (`board.pulse`); a spoilt conversion is thrown away.

| what is wrong | how it is seen |
|---|---|
| no part, wire off | DOUT never low, or not high after the 25th pulse |
| silent | no conversion for a second |
| frozen, or a cell's wire broken (rails) | the same 24 bits 50 times: the noise is 20 counts |

Then the reads fail, and the sampler starts it anew by a sleep, again and again.

Ref: Avia Semiconductor HX711 datasheet, "Serial Interface", figure 2 (clock high 50 us at most),
"Reset and Power-Down"; table 2 (settling 400 ms at 10 Hz, noise 50 nV rms: not read again).
"""

import asyncio

from firmware.drivers.paced import PacedSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.boards.board import Board, Pin

_BITS = 24
_SLEEP_MS = 2
_SETTLE_MS = 400
_STALE_READS = 10
_FROZEN_READS = 50
_ERROR = 5  # EIO
_NO_PART = 19  # ENODEV
_TIMED_OUT = 110  # ETIMEDOUT

CENTIKILOGRAM = 0.01


class Hx711(PacedSource):
    """Gives blocks of weight; one of the sampler's sources.

    Raises:
        OSError: the board has no pins for it.
    """

    name = "hx711"
    period_ms = 100
    capacity = 20
    scale = CENTIKILOGRAM
    """kg for each count."""

    def __init__(self, board: "Board", zero: int, kg_per_count: float) -> None:
        PacedSource.__init__(self, board)
        self._clock: "Pin" = board.pin("load_clock")
        self._data: "Pin" = board.pin("load_data")
        self._pulse: "Callable[[], int]" = board.pulse("load_clock", "load_data")
        self.zero = zero
        self.kg_per_count = kg_per_count
        self._last = 0
        self._stale = 0
        self._equal = 0

    async def start(self) -> None:
        """Put the part to sleep, wake it and let the board's timer read it.

        Raises:
            OSError: it does not wake up.
        """
        self._stale = _STALE_READS + 1  # nothing is read from a part that sleeps
        self._clock.write(1)
        await asyncio.sleep_ms(_SLEEP_MS)
        if not self._data.read():
            self._clock.write(0)
            raise OSError(_NO_PART)  # asleep it holds DOUT high
        self._clock.write(0)
        await asyncio.sleep_ms(_SETTLE_MS)
        self._pace()

    def set_scale(self, zero: int, kg_per_count: float) -> None:
        """Set what a count stands for."""
        self.zero = zero
        self.kg_per_count = kg_per_count

    def _read_one(self) -> int:
        if self._data.read():
            self._stale += 1
        else:
            self._take(self._shift_in())
        if self._stale > _STALE_READS or self._equal >= _FROZEN_READS:
            raise OSError(_TIMED_OUT)
        kilograms = (self._last - self.zero) * self.kg_per_count
        return max(-0x8000, min(0x7FFF, round(kilograms / CENTIKILOGRAM)))

    def _take(self, counts: int) -> None:
        self._stale = 0
        self._equal = self._equal + 1 if counts == self._last else 0
        self._last = counts

    def _shift_in(self) -> int:
        """Return the conversion.

        Raises:
            OSError: a pulse was too long, or nobody is there to end the conversion.
        """
        counts = 0
        end = 0
        spoilt = False
        for _ in range(_BITS + 1):  # all of them: stopped half way the next one would be rubbish
            counts = counts << 1 | end
            try:
                end = self._pulse()
            except OSError:
                spoilt = True
        if spoilt or not end:
            self._stale += 1
            raise OSError(_ERROR)
        return counts - (counts >> 23 << 24)
