"""A source whose part has no FIFO: the board's timer reads it, the sampler takes what was read."""

from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.boards.board import Board, Paced


class PacedSource:
    """What the drivers of such parts share; they give `_read_one`, the timer's.

    A subclass names `period_ms` and `capacity`, the samples that are kept.
    """

    axes = 1
    poll_ms = 500
    period_ms: int
    capacity: int

    def __init__(self, board: "Board") -> None:
        self._board = board
        self._paced: "Paced | None" = None
        self._lost = 0
        self.counts = array("h", bytes(2 * self.capacity))

    def read(self) -> int:
        """Move what the timer has read into `counts` and return how many samples."""
        return self._paced.take(self.counts) if self._paced else 0

    def lost(self, count: int) -> int:
        """Return how many samples went missing before the last `count`."""
        if self._paced is None:
            return 0
        lost = self._paced.lost - self._lost
        self._lost = self._paced.lost
        return lost

    def _pace(self) -> None:
        """Let the timer read, from now on: what it has read before is dropped."""
        if self._paced is None:
            self._paced = self._board.paced(self._read_one, self.period_ms, self.capacity)
        while self._paced.take(self.counts):
            pass
        self._lost = self._paced.lost

    if TYPE_CHECKING:

        def _read_one(self) -> int:
            """Return the part's newest count; OSError when it does not answer."""
