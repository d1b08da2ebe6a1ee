"""Call contacts: debounced, read by the board's timer; and a plain button.

The board reads a contact every 10 ms; a state counts when it has been seen for the debounce time
more often than not, so that a corroded contact that chatters while it is pulled still calls.
"""

from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.boards.board import Board, Pin

IDLE, PRESSED, CUT, SHORT = range(4)
"""States; the value of a `contact` reading."""

READ_MS = 10
_DEPTH = 100


class Debounce:
    """Turns raw states, one every 10 ms, into settled ones.

    A raw state that is not the settled one scores one for each time it is seen and loses one
    for each time it is not; when its score is reached it is settled.
    """

    def __init__(self, debounce_ms: int) -> None:
        self.state = IDLE
        self.set_time(debounce_ms)
        self._candidate = IDLE
        self._score = 0

    def set_time(self, debounce_ms: int) -> None:
        """Set how long a state must be seen."""
        self._needed = debounce_ms // READ_MS + 1

    def add(self, raw: int) -> bool:
        """Take one raw state; True when the settled state has changed."""
        if raw == self._candidate and raw != self.state:
            self._score += 1
        elif self._score > 0:
            self._score -= 1
        if self._score == 0:
            self._candidate = raw
            self._score = 1 if raw != self.state else 0
        if self._score < self._needed:
            return False
        self.state = self._candidate
        self._score = 0
        return True


class Button:
    """Tells the state of a plain button that is not supervised."""

    def __init__(self, pin: "Pin", pressed_level: int) -> None:
        self._pin = pin
        self._pressed_level = pressed_level

    def read(self) -> int:
        """Return the raw state."""
        return PRESSED if self._pin.read() == self._pressed_level else IDLE


class Contact:
    """A debounced contact, read by the board's timer.

    Args:
        changed: called with (state before, state now, uptime of the change in ms).
    """

    def __init__(
        self,
        board: "Board",
        read: "Callable[[], int]",
        debounce_ms: int,
        changed: "Callable[[int, int, int], None]",
    ) -> None:
        self._paced = board.paced(read, READ_MS, _DEPTH)
        self._changed = changed
        self._raw = array("h", bytes(2 * _DEPTH))
        self.debounce = Debounce(debounce_ms)

    @property
    def state(self) -> int:
        """Return the settled state."""
        return self.debounce.state

    def poll(self, now_ms: int) -> None:
        """Work on what the timer has read since the last call."""
        count = self._paced.take(self._raw)
        for position in range(count):
            before = self.debounce.state
            if self.debounce.add(self._raw[position]):
                at_ms = max(0, now_ms - (count - 1 - position) * READ_MS)
                self._changed(before, self.debounce.state, at_ms)
