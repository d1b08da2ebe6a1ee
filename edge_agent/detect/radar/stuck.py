"""A radar that says the same for ever: frozen frame numbers, targets and points.

Modules freeze when a person leaves, hold a target that is not there until they are switched off,
or repeat their last frame. A living body never gives the same millimetres, or the same points,
for half a minute: breathing alone moves it. A module with centimetre steps may, so this makes
a technical alarm and nothing else: a fall is decided as if the values were alive.
"""

from edge_agent.detect.detector import Detection
from edge_agent.detect.radar.frame import RadarFrame, RadarTarget

NUMBER_STUCK_S = 3.0
"""The frame number has not moved while frames came: 50 frames of an IWR6843."""
FROZEN_S = 30.0
"""Values that are the same for this long; half of what a technical alarm may take."""
MOST_TARGETS = 64


class StuckWatch:
    """Watches one radar; each standstill is said once."""

    def __init__(self) -> None:
        self._number: tuple[int, float] | None = None
        self._points: tuple[bytes, float] | None = None
        self._targets: dict[int, tuple[RadarTarget, float]] = {}
        self._said: set[str] = set()

    def begin(self) -> None:
        """Forget what was: after a gap, nothing has stood still yet."""
        self._number = self._points = None
        self._targets = {}

    def update(self, frame: RadarFrame) -> list[Detection]:
        """Take a frame; its time is later than the one before."""
        time_s = frame.time_s
        found: list[Detection] = []
        if frame.number is None:
            self._number = None
        elif self._number is None or self._number[0] != frame.number:
            self._number = frame.number, time_s
        found += self._say("the frame number", self._number, time_s, NUMBER_STUCK_S)
        points = frame.points.tobytes() if len(frame.points) else b""
        if not points:
            self._points = None
        elif self._points is None or self._points[0] != points:
            self._points = points, time_s
        found += self._say("every point", self._points, time_s, FROZEN_S)
        before, self._targets = self._targets, {}
        for one in frame.targets[:MOST_TARGETS]:
            held = before.get(one.number)
            since = held if held is not None and held[0] == one else (one, time_s)
            self._targets[one.number] = since
            found += self._say(f"target {one.number}", since, time_s, FROZEN_S)
        gone = {f"target {number}" for number in before} - {
            f"target {number}" for number in self._targets
        }
        self._said -= gone
        return found

    def _say(
        self, what: str, held: tuple[object, float] | None, time_s: float, limit_s: float
    ) -> list[Detection]:
        """Return the news that something has stood still, the first time it is seen so."""
        lasted_s = 0.0 if held is None else time_s - held[1]
        if lasted_s < limit_s:
            self._said.discard(what)
            return []
        if what in self._said:
            return []
        self._said.add(what)
        reason = f"{what.capitalize()} of the radar has not changed for {lasted_s:.0f} s."
        return [
            Detection("sensor_stuck", time_s - lasted_s, time_s, 0.9, {"same_s": lasted_s}, reason)
        ]
