r"""Who is where and how high: heights seen by a radar, gathered by the place they were seen at.

```
 frame: heights at places --> nearest track within reach --> track: the last 3 s of heights
                          \-> none near: a new track            top = 80 % quantile of 0.2 s
```
A radar's points and the targets of its own tracker are followed alike: a target is one height at
its place. Numbers that a radar gives its targets are not used, since falling makes many trackers
let go of a person and find a new one on the floor.

The high quantile follows the top of a body without trusting a single point: points of a mirror
image or an aliased elevation come in ones and twos. Known weakness: two people closer than
`REACH_M` are one track, whose top is the higher one's.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REACH_M = 0.8
"""A height this near a track's place is the same person: half a body lying down."""
REACH_MPS = 1.5
"""A person not seen for a while may have moved this fast ..."""
REACH_MOST_M = 1.6
"""... but no farther than this."""
FIRM_S = 1.5
"""Heights that make a track firm must come within this time. A firm track takes what it can reach
before any other does, so that a lost point beside a body does not take half of it away."""
FORGET_S = 6.0
"""Not seen for this long: the track ends, unless a fall is being decided on it."""
HISTORY_S = 3.0
MOST_IN_FRAME = 16
"""Heights kept of one frame, evenly over their order, so that their quantiles stay."""
MOST_HEIGHTS = 960
"""Heights kept of a track: 3 s at 20 Hz."""
MOST_COMPARED = 512
"""Points among which the densest place of a frame is looked for."""
MOST_TRACKS = 16
MOST_NEW = 4
"""Tracks that may begin in one frame; a burst of clutter must not push people out."""
WINDOW_S = 0.2
"""Over which a height is taken: 2 frames at 10 Hz, 4 at 18 Hz. A person who falls is out of a
radar's sight within 0.3 s of the last height: movement is what it sees."""
TOP = 0.8
"""Quantile that stands for the top of a body."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a body in a stretch of time.

    Attributes:
        top_m: its top above the floor.
        count: heights it was taken from; frames: frames they came in.
    """

    top_m: float
    count: int
    frames: int

    def is_firm(self, least: int) -> bool:
        """Return True for at least so many heights, in half as many frames."""
        return self.count >= least and 2 * self.frames >= least


class Track:
    """One person, or what looks like one.

    Attributes:
        x_m, y_m: the place, smoothed.
        begin_s, seen_s: first and last time seen.
        roamed_m: how far from its beginning it has been.
        tallest_m: the largest `top` it has had.
    """

    def __init__(self, time_s: float, x_m: float, y_m: float, firm: int) -> None:
        self._firm = firm
        self.x_m = x_m
        self.y_m = y_m
        self.begin_s = time_s
        self.seen_s = time_s
        self.roamed_m = 0.0
        self.tallest_m = -math.inf
        self._begin = (x_m, y_m)
        self._seen: NDArray[np.float64] = np.empty((0, 3))  # time, height, speed

    def is_firm(self, time_s: float) -> bool:
        """Return True when so many heights, in half as many frames, were seen lately."""
        lately = self._between(time_s - FIRM_S, time_s)
        return len(lately) >= self._firm and 2 * _frames(lately) >= self._firm

    def weight(self, time_s: float) -> tuple[int, float]:
        """Return by what the more important of two tracks is known: heights lately, then time."""
        return len(self._between(time_s - FIRM_S, time_s)), self.seen_s

    def reach_m(self, time_s: float) -> float:
        """Return how near a height must be to belong to this track."""
        return min(REACH_M + REACH_MPS * max(0.0, time_s - self.seen_s), REACH_MOST_M)

    def add(self, time_s: float, seen: NDArray[np.float64]) -> None:
        """Take the heights of one frame; shape (n, 4): x, y, height, speed."""
        weight = 0.5 if time_s - self.seen_s < 0.5 else 1.0
        x, y = float(seen[:, 0].mean()), float(seen[:, 1].mean())
        self.x_m += weight * (x - self.x_m)
        self.y_m += weight * (y - self.y_m)
        self.seen_s = time_s
        away = math.hypot(self.x_m - self._begin[0], self.y_m - self._begin[1])
        self.roamed_m = max(self.roamed_m, away)
        if len(seen) > MOST_IN_FRAME:
            evenly = np.linspace(0, len(seen) - 1, MOST_IN_FRAME).round().astype(int)
            seen = seen[seen[:, 2].argsort()[evenly]]
        rows = np.column_stack([np.full(len(seen), time_s), seen[:, 2:4]])
        recent = self._seen[self._seen[:, 0] > time_s - HISTORY_S]
        self._seen = np.concatenate([recent, rows])[-MOST_HEIGHTS:]
        now = self.seen(time_s - WINDOW_S, time_s)
        if now is not None and self.is_firm(time_s):
            self.tallest_m = max(self.tallest_m, now.top_m)

    def last_seen_s(self, until_s: float) -> float:
        """Return when it was last seen up to a time, minus infinity if not in the history."""
        at = int(self._seen[:, 0].searchsorted(until_s, side="right"))
        return float(self._seen[at - 1, 0]) if at else -math.inf

    def seen(self, after_s: float, until_s: float) -> Seen | None:
        """Return what was seen in (after_s, until_s], None where nothing was."""
        rows = self._between(after_s, until_s)
        if not len(rows):
            return None
        ordered = np.sort(rows[:, 1])
        top = float(ordered[min(len(ordered) - 1, int(TOP * len(ordered)))])
        return Seen(top, len(rows), _frames(rows))

    def speed_mps(self, after_s: float, until_s: float) -> float:
        """Return the median speed in (after_s, until_s] along the radar's line, without sign."""
        rows = self._between(after_s, until_s)
        return float(np.median(np.abs(rows[:, 2]))) if len(rows) else 0.0

    def _between(self, after_s: float, until_s: float) -> NDArray[np.float64]:
        low, high = self._seen[:, 0].searchsorted((after_s, until_s), side="right")
        return self._seen[low:high]


def _frames(rows: NDArray[np.float64]) -> int:
    """Return how many frames the rows came in."""
    return 1 + int(np.count_nonzero(rows[1:, 0] != rows[:-1, 0])) if len(rows) else 0


class Tracks:
    """All tracks of one radar, at most `MOST_TRACKS`; `firm` heights make one firm."""

    def __init__(self, firm: int) -> None:
        self._firm = firm
        self.tracks: list[Track] = []

    def add(self, time_s: float, seen: NDArray[np.float64]) -> list[Track]:
        """Take the heights of one frame, return the tracks they belong to.

        Args:
            time_s: of the frame, later than the frame before.
            seen: shape (n, 4): x, y, height, speed along the radar's line, finite.
        """
        self.tracks = [one for one in self.tracks if time_s - one.seen_s <= FORGET_S]
        touched = []
        left = np.ones(len(seen), dtype=np.bool_)
        if len(seen) and self.tracks:
            places = np.array([(one.x_m, one.y_m) for one in self.tracks])
            reach = np.array([one.reach_m(time_s) for one in self.tracks])
            apart = np.hypot(
                seen[:, 0, None] - places[None, :, 0], seen[:, 1, None] - places[None, :, 1]
            )
            firm = np.array([one.is_firm(time_s) for one in self.tracks])
            cost = np.where(apart <= reach, apart + ~firm * REACH_MOST_M, np.inf)
            nearest = cost.argmin(axis=1)
            left = apart[np.arange(len(seen)), nearest] > reach[nearest]
            for i in np.unique(nearest[~left]):
                self.tracks[i].add(time_s, seen[(nearest == i) & ~left])
                touched.append(self.tracks[i])
        for _ in range(MOST_NEW):
            if not left.any():
                break
            x, y = _densest(seen[left, :2])
            mine = left & (np.hypot(seen[:, 0] - x, seen[:, 1] - y) <= REACH_M)
            track = Track(time_s, x, y, self._firm)
            track.add(time_s, seen[mine])
            self.tracks.append(track)
            touched.append(track)
            left &= ~mine
        self._merge(time_s)
        return touched

    def _merge(self, time_s: float) -> None:
        """Let the most seen of the tracks at one place live, and no more than there is room for."""
        if len(self.tracks) < 2:
            return
        kept: list[Track] = []
        for one in sorted(self.tracks, key=lambda one: one.weight(time_s), reverse=True):
            if all(math.hypot(one.x_m - k.x_m, one.y_m - k.y_m) > REACH_M / 2 for k in kept):
                kept.append(one)
        self.tracks = kept[:MOST_TRACKS]


def _densest(places: NDArray[np.float64]) -> tuple[float, float]:
    """Return the place with the most others within reach, so that clutter begins no track first."""
    at = 0
    if len(places) > 1:
        some = places[:: -(-len(places) // MOST_COMPARED)]
        apart = np.hypot(some[:, 0, None] - some[:, 0], some[:, 1, None] - some[:, 1])
        places, at = some, int((apart <= REACH_M).sum(axis=1).argmax())
    return float(places[at, 0]), float(places[at, 1])
