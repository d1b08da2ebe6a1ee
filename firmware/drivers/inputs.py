"""Contacts on digital inputs: PIR, door reed, seat mat, flush contact.

```
 pins --board timer, 10 ms--> one word --bit by bit--> Debounce --> hold of a PIR --> Reading
```
A change is told at once, every state again each minute. A PIR that is at work is told once in
10 s at most, and its end 10 s after it last saw somebody. One timer reads all pins: a board has
few of them.
"""

from array import array

from firmware.drivers.contact import READ_MS, Debounce
from protocol import quantity_codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.boards.board import Board, Pin

PIR, REED, MAT, FLUSH = "pir", "reed", "mat", "flush"
KINDS = (PIR, REED, MAT, FLUSH)
"""`reed` is active while a door is open, `mat` while somebody is on it, `flush` while water runs
or a key is pressed."""

AGAIN_MS = 60_000
HOLD_MS = 10_000
_DEPTH = 100
_SETTLES = 10
"""Reads after the last that differed until no score of a `Debounce` is left."""
_MOST = 15
"""The bits of an int16 that are not its sign."""


class Input:
    """One input: its pin, and what was told of it."""

    def __init__(self, channel: int, kind: str, pin: "Pin", active_level: int, debounce_ms: int):
        self.channel = channel
        self.kind = kind
        self.debounce = Debounce(debounce_ms)
        self.told = -1
        self._pin = pin
        self._active_level = active_level
        self._hold_ms = HOLD_MS if kind == PIR else 0
        self._active_ms = -1
        self._told_ms = 0

    @property
    def quantity(self) -> int:
        """Return the code of what it measures."""
        return quantity_codes.MOTION if self.kind == PIR else quantity_codes.CONTACT

    def read(self) -> int:
        """Return the raw state."""
        return 1 if self._pin.read() == self._active_level else 0

    def look(self, now_ms: int) -> bool:
        """Return True when `told` is to be sent now."""
        state = self.debounce.state
        if state:
            self._active_ms = now_ms
        elif self._active_ms >= 0 and now_ms - self._active_ms < self._hold_ms:
            state = 1
        again_ms = self._hold_ms if self.debounce.state and self._hold_ms else AGAIN_MS
        if state == self.told and now_ms - self._told_ms < again_ms:
            return False
        self.told = state
        self._told_ms = now_ms
        return True

    def tell_again(self) -> None:
        """Let the state be told at once: somebody new listens."""
        self.told = -1


class Inputs:
    """All inputs of a unit, read by one of the board's timers.

    Args:
        tell: called with (input, uptime in ms) when its state is to be sent.
    """

    def __init__(
        self, board: "Board", inputs: "list[Input]", tell: "Callable[[Input, int], None]"
    ) -> None:
        self._inputs = inputs[:_MOST]
        self._tell = tell
        self._raw = array("h", bytes(2 * _DEPTH))
        self._settled = 0
        self._left = _SETTLES
        self._paced = board.paced(self._read, READ_MS, _DEPTH)

    def poll(self, now_ms: int) -> None:
        """Work on what the timer has read since the last call."""
        count = self._paced.take(self._raw)
        for position in range(count):
            word = self._raw[position]
            if word != self._settled:
                self._left = _SETTLES
            if self._left:
                self._left -= 1
                at_ms = max(0, now_ms - (count - 1 - position) * READ_MS)
                self._add(word, at_ms)
        for one in self._inputs:
            if one.look(now_ms):
                self._tell(one, now_ms)

    def _read(self) -> int:
        word = 0
        for bit, one in enumerate(self._inputs):
            word |= one.read() << bit
        return word

    def _add(self, word: int, at_ms: int) -> None:
        """Debounce every bit."""
        settled = 0
        for bit, one in enumerate(self._inputs):
            if one.debounce.add(word >> bit & 1) and one.look(at_ms):
                self._tell(one, at_ms)  # a short one is told though it is over by now
            settled |= one.debounce.state << bit
        self._settled = settled
