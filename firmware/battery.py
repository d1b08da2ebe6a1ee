"""The battery: its voltage for the Status, told when it is low, and again each day.

```
 above low ----- below `battery_low_mv` for a minute ----> BATTERY_LOW, again every 24 h
     ^                                                        |
     +---- 100 mV above it for a minute: BATTERY_GOOD --------+
```
A radio's burst or a cold morning pulls a cell down for a moment; that is not told.
"""

from protocol.messages import EventKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.backlog import Backlog
    from firmware.boards.board import Adc

READ_MS = 5_000
SETTLE_READS = 12
AGAIN_MS = 86_400_000
RISE_MV = 100
_CHANNEL = 20
"""Behind those of all other parts."""


class Battery:
    """One battery on an input of the board.

    Args:
        full_mv: what the input at its full ratio stands for.
    """

    def __init__(self, adc: "Adc", full_mv: int, low_mv: int, backlog: "Backlog") -> None:
        self._adc = adc
        self._full_mv = full_mv
        self.low_mv = low_mv
        self._backlog = backlog
        self._due_ms = 0
        self._told_ms = 0
        self._differing = 0
        self.mv = 0
        self.is_low = False

    def poll(self, now_ms: int) -> bool:
        """Read it when it is time; True when an event was recorded."""
        if now_ms < self._due_ms:
            return False
        self._due_ms = now_ms + READ_MS
        self.mv = self._adc.read_u16() * self._full_mv // 65535
        is_low = self.mv < self.low_mv + (RISE_MV if self.is_low else 0)
        self._differing = self._differing + 1 if is_low != self.is_low else 0
        if self._differing >= SETTLE_READS:
            self._differing = 0
            self.is_low = is_low
        elif not self.is_low or now_ms - self._told_ms < AGAIN_MS:
            return False
        kind = EventKind.BATTERY_LOW if self.is_low else EventKind.BATTERY_GOOD
        self._told_ms = now_ms
        self._backlog.add_event(kind, _CHANNEL, self.mv, now_ms)
        return True
