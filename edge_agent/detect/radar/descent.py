"""A body's top that drops and stays down, and a body that stays on the floor, by its heights.

A drop is, with b the top before and h the top over the last 0.2 s (m above the floor):

    to the floor     h <= 0.5, b - h >= 0.5 within 1.5 s, or b - h >= 0.35 with h <= b / 2
    out of sight     h <= 1.0, h <= 0.6 b, b - h >= 0.5 within 1.0 s

A radar removes what does not move: of a person who falls it shows the first two thirds of the way
down and then nothing. So nothing seen is taken for lying, and only heights near those before the
drop, seen again, for getting up. Where a person was out of sight for up to 3 s and is seen on the
floor then, the 1.5 s before they were lost count.

The proportion 0.6 and 1.5 s are those of TI's own fall detection experiment (Radar Toolbox, "Fall
Detection Using mmWave"); 0.5 m is a seat's height: sitting down ends above it.

Known weakness: crouching for more than 4 s where the radar shows it as 0.6 of the height; lying
down fast on a bed that is not drawn as a zone; a fall behind furniture; a person who falls while
another stands within 0.8 m, who looks like getting up; a pet that lies down for 20 s.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.detector import Detection
from edge_agent.detect.radar.room import RadarRoom, ZoneKind
from edge_agent.detect.radar.track import WINDOW_S, Seen, Track, Tracks

FLOOR_M = 0.5
"""The top of a body that lies; a mattress and a seat are no lower."""
DROP_M = 0.5
TO_FLOOR_S = 1.5
PARTLY_SEEN_M = 0.35
"""Drop that is enough when it ends on the floor at half the height or less: near the radar, the
upper body is out of its field."""
SIGHT_M = 1.0
"""Where a person who falls is lost from sight: the middle of a standing body."""
PROPORTION = 0.6
OUT_OF_SIGHT_S = 1.0
AGAIN = 0.75
LIFT_M = 0.15
"""Up again: seen at this part of the height before, and higher by more than noise. Somebody who
sits on the floor is at 0.52 of their stature, on a chair of 0.45 m at 0.79 (sitting height over
stature 0.52, stature 1.65 m)."""
BED_M = 0.4
"""In a bed's zone only what lies lower than its mattress is on the floor."""
FALLING_MPS = 1.0
"""Speed along the radar's line that makes one glimpse of a few points enough."""

SETTLE_S = 0.7
SETTLE_FRAMES = 2
"""How long a drop is watched before it is raised; with the window, within 1 s of the floor."""
CROUCH_S = 4.0
"""How long somebody may crouch, seen between floor and knee, after dropping fast."""
DWELL_S = 20.0
"""Low for this long without a drop that was seen: a slow slide, or fallen out of the field."""
UNKNOWN_DWELL_S = 60.0
"""The same for somebody of whom nothing else was ever seen, as after a restart."""
DWELL_APART_M = 1.0
DWELL_SEEN = 5
ALIVE_TALL_M = 0.8
ALIVE_ROAMED_M = 0.5
ALIVE_SWAY_M = 0.01
"""A low track is a person if it was once this tall or went this far, or if somebody was before a
gap; else it may be a ghost, and counts only when its height sways, and late."""


@dataclass(frozen=True, slots=True)
class Source:
    """How many heights it takes: now, before, and to be up again."""

    now: int
    before: int
    again: int


POINTS = Source(2, 8, 3)
TARGETS = Source(1, 1, 2)


@dataclass(slots=True)
class _Stay:
    """A track that is low: since when, where, how often seen, and the heights it had."""

    track: Track
    since_s: float
    x_m: float
    y_m: float
    lowest_m: float
    highest_m: float
    seen: int = 0
    said: bool = False


@dataclass(slots=True)
class _Drop:
    """A drop that is being watched."""

    found_s: float
    x_m: float
    y_m: float
    before_m: float
    low_m: float
    seen: Seen
    speed_mps: float
    is_weak: bool
    frames: int = 0


class DescentWatch:
    """Drops and low stays of the tracks of one source."""

    def __init__(self, source: Source, room: RadarRoom) -> None:
        self._source = source
        self._room = room
        self._tracks = Tracks(self._source.before)
        self._open: dict[int, tuple[Track, _Drop]] = {}
        self._low: dict[int, _Stay] = {}
        self._somebody = False

    def update(self, time_s: float, seen: NDArray[np.float64]) -> list[Detection]:
        """Take the heights of one frame, later than the one before.

        Args:
            time_s: of the frame.
            seen: shape (n, 4): x, y, height above the floor, speed along the radar's line; finite.
        """
        touched = self._tracks.add(time_s, seen)
        for track in touched:
            self._look(track, time_s)
        found = []
        for key, (track, drop) in list(self._open.items()):
            drop.frames += 1
            verdict = self._judge(track, drop, time_s)
            if verdict is not None:
                del self._open[key]
            if isinstance(verdict, Detection):
                found.append(verdict)
        return found + self._dwell(touched, time_s)

    def flush(self, time_s: float) -> list[Detection]:
        """Decide every open drop with what was seen, and begin anew."""
        found = [_raised(drop, time_s, "its signal ended") for _, drop in self._open.values()]
        self._somebody = self._somebody or any(map(_is_alive, self._tracks.tracks))
        self._tracks = Tracks(self._source.before)
        self._open, self._low = {}, {}
        return found

    def _look(self, track: Track, time_s: float) -> None:
        """Open a drop, or follow an open one further down."""
        now = track.seen(time_s - WINDOW_S, time_s)
        if now is None or now.count < self._source.now:
            return
        held = self._open.get(id(track))
        if held is not None:
            drop = held[1]
            drop.low_m = min(drop.low_m, now.top_m)
            return
        before_m = self._drop_from(track, time_s, now)
        if before_m is None:
            return
        is_weak = self._source is POINTS and (now.count < 3 or now.frames < 2)
        speed_mps = track.speed_mps(time_s - WINDOW_S, time_s)
        if is_weak and speed_mps < FALLING_MPS:
            return
        self._open[id(track)] = (
            track,
            _Drop(time_s, track.x_m, track.y_m, before_m, now.top_m, now, speed_mps, is_weak),
        )

    def _drop_from(self, track: Track, time_s: float, now: Seen) -> float | None:
        """Return the top before the drop that ends now, or None when there is no drop."""
        in_bed = self._room.zone_at(track.x_m, track.y_m) is ZoneKind.BED
        begin_s = time_s - WINDOW_S
        top = now.top_m
        if top <= (BED_M if in_bed else FLOOR_M):
            last_s = track.last_seen_s(begin_s)
            before = track.seen(last_s - TO_FLOOR_S, last_s)
            if before is not None and before.is_firm(self._source.before):
                dropped = before.top_m - top
                partly = dropped >= PARTLY_SEEN_M and top <= before.top_m / 2.0
                if dropped >= DROP_M or partly:
                    return before.top_m
        if top <= SIGHT_M and not in_bed:
            before = track.seen(begin_s - OUT_OF_SIGHT_S, begin_s)
            if (
                before is not None
                and before.is_firm(self._source.before)
                and top <= PROPORTION * before.top_m
                and before.top_m - top >= DROP_M
            ):
                return before.top_m
        return None

    def _judge(self, track: Track, drop: _Drop, time_s: float) -> Detection | bool | None:
        """Return the fall, False when the person is up again, None while it is open."""
        after = track.seen(drop.found_s, time_s)
        again_m = max(AGAIN * drop.before_m, drop.low_m + LIFT_M)
        if after is not None and after.count >= self._source.again and after.top_m > again_m:
            return False
        watched_s = time_s - drop.found_s
        if watched_s < SETTLE_S or drop.frames < SETTLE_FRAMES:
            return None
        lately = track.seen(time_s - SETTLE_S, time_s)
        crouches = drop.low_m > FLOOR_M and lately is not None and lately.top_m > FLOOR_M
        if crouches and watched_s < CROUCH_S:
            return None
        return _raised(drop, time_s, "still low" if after is not None else "not seen again")

    def _dwell(self, touched: list[Track], time_s: float) -> list[Detection]:
        """Return the people who have been on the floor for long without a drop that was seen."""
        found = []
        for track in touched:
            now = track.seen(time_s - WINDOW_S, time_s)
            if now is None:
                continue
            stay = self._low.get(id(track))
            if now.top_m > FLOOR_M:
                self._low.pop(id(track), None)
                continue
            if (
                stay is None
                or math.hypot(track.x_m - stay.x_m, track.y_m - stay.y_m) > DWELL_APART_M
            ):
                stay = _Stay(track, time_s, track.x_m, track.y_m, now.top_m, now.top_m)
                self._low[id(track)] = stay
            stay.seen += 1
            stay.lowest_m = min(stay.lowest_m, now.top_m)
            stay.highest_m = max(stay.highest_m, now.top_m)
            if not stay.said and self._has_dwelt(stay, time_s):
                stay.said = True
                found.append(_dwelt(track, now, time_s - stay.since_s, time_s))
        known = {id(track) for track in self._tracks.tracks}
        self._low = {key: stay for key, stay in self._low.items() if key in known}
        return found

    def _has_dwelt(self, stay: _Stay, time_s: float) -> bool:
        """Return True for a person who has been low for long enough; see ALIVE_SWAY_M."""
        low_s = time_s - stay.since_s
        if low_s < DWELL_S or stay.seen < DWELL_SEEN:
            return False
        if self._somebody or _is_alive(stay.track):
            return True
        return low_s >= UNKNOWN_DWELL_S and stay.highest_m - stay.lowest_m >= ALIVE_SWAY_M


def _is_alive(track: Track) -> bool:
    return track.tallest_m >= ALIVE_TALL_M or track.roamed_m >= ALIVE_ROAMED_M


def _raised(drop: _Drop, time_s: float, how: str) -> Detection:
    """Return the fall of a drop; surest on the floor, least where few points were seen."""
    on_floor = drop.low_m <= FLOOR_M
    score = 0.6 if drop.is_weak else 0.9 if on_floor else 0.75
    watched_s = max(0.0, time_s - drop.found_s)
    if watched_s >= CROUCH_S:
        score = 0.55
    evidence = {
        "before_m": drop.before_m,
        "low_m": drop.low_m,
        "drop_m": drop.before_m - drop.low_m,
        "speed_mps": drop.speed_mps,
        "heights": float(drop.seen.count),
        "watched_s": watched_s,
        "x_m": drop.x_m,
        "y_m": drop.y_m,
    }
    where = "to the floor" if on_floor else "and out of sight"
    reason = (
        f"Top of the body dropped from {drop.before_m:.1f} to {drop.low_m:.1f} m {where}, "
        f"{how} {watched_s:.1f} s later."
    )
    return Detection("fall", drop.found_s, max(time_s, drop.found_s), score, evidence, reason)


def _dwelt(track: Track, now: Seen, low_s: float, time_s: float) -> Detection:
    evidence = {"low_m": now.top_m, "low_s": low_s, "x_m": track.x_m, "y_m": track.y_m}
    reason = f"Somebody has been on the floor ({now.top_m:.1f} m) for {low_s:.0f} s."
    return Detection("fall", time_s - low_s, time_s, 0.5, evidence, reason)
