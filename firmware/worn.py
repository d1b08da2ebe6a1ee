"""Is the pendant worn? By the contact of its strap, or by whether it ever moves.

| how | worn | not worn |
|---|---|---|
| strap | contact closed (level 0) for 10 s | open for 10 s |
| motion | moved in 5 different seconds of the last minute | no motion for `still_min` |

Motion is one axis 60 mg away from where it was when it last moved: a turn of 3 degrees, more
than the digits of a part at rest flicker and less than any turn in bed. NOT_WORN is told once
a day while it lasts. Nothing else follows from it: the impact gate and the button go on.

Known weakness: a sleeper who lies still for two hours counts as not worn until the next turn;
breathing is below a digit of the LIS3DH at 16 g. A pendant in a moving bag counts as worn.

Source: 2 h: healthy sleepers change posture 1 to 4 times an hour (J. De Koninck et al., "Sleep
positions and position shifts in five age groups", Sleep 15(2), 1992: fewest with age, 2.1/h).
"""

from protocol.messages import EventKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array

    from firmware.backlog import Backlog
    from firmware.boards.board import Pin

MOVED_G = 0.06
WORN_SECONDS = 5
WINDOW_MS = 60_000
STRAP_MS = 10_000
AGAIN_MS = 86_400_000
_MINUTE_MS = 60_000
_DIGIT_SHIFT = 4


class Worn:
    """What tells whether the pendant is worn; worn at the start.

    Args:
        channel: the accelerometer's.
        strap: the strap's contact, None to go by motion.
    """

    def __init__(
        self,
        channel: int,
        g_per_digit: float,
        still_min: int,
        strap: "Pin | None",
        backlog: "Backlog",
    ) -> None:
        self._channel = channel
        self._strap = strap
        self._backlog = backlog
        self._limit = max(1, int(MOVED_G / g_per_digit))
        self.still_min = still_min
        self._at = [0, 0, 0]
        self._moved_ms = 0
        self._seconds = 0
        self._second_ms = -1000
        self._window_ms = 0
        self._told_ms = 0
        self._strap_ms = 0
        self.is_worn = True

    def feed(self, counts: "array[int]", now_ms: int) -> None:
        """Take the first sample of a block; allocates nothing."""
        moved = False
        for axis in (0, 1, 2):
            difference = (counts[axis] >> _DIGIT_SHIFT) - self._at[axis]
            if difference > self._limit or -difference > self._limit:
                moved = True
        if not moved:
            return
        for axis in (0, 1, 2):
            self._at[axis] = counts[axis] >> _DIGIT_SHIFT
        self._moved_ms = now_ms
        if now_ms - self._second_ms >= 1000:
            if now_ms - self._window_ms > WINDOW_MS:
                self._window_ms = now_ms
                self._seconds = 0
            self._second_ms = now_ms
            self._seconds += 1

    def poll(self, now_ms: int) -> bool:
        """Decide; True when an event was recorded."""
        is_worn = self._is_worn(now_ms)
        if is_worn == self.is_worn and (is_worn or now_ms - self._told_ms < AGAIN_MS):
            return False
        self.is_worn = is_worn
        self._told_ms = now_ms
        kind = EventKind.WORN if is_worn else EventKind.NOT_WORN
        self._backlog.add_event(kind, self._channel, 0, now_ms)
        return True

    def _is_worn(self, now_ms: int) -> bool:
        if self._strap is not None:
            if (self._strap.read() == 0) == self.is_worn:
                self._strap_ms = now_ms
            return self.is_worn != (now_ms - self._strap_ms >= STRAP_MS)
        if self.is_worn:
            return now_ms - self._moved_ms < self.still_min * _MINUTE_MS
        return self._seconds >= WORN_SECONDS and now_ms - self._window_ms <= WINDOW_MS
