"""Falls seen by a radar, whatever it sends: heights of points, of targets, or a flag.

```
 points  --> drops and stays of bodies (descent.py) --+
 targets --> the same                                       +-- told once --> fall
 module's own fall flag, each time it rises ----------------+
 gap, end, jump of time: what is open is decided at once, erring to raising
 values that stand still (stuck.py) --> sensor_stuck
```
Sources are joined by OR. A track without height says nothing of falls (see `stop.py`).
Getting up is never reported: a helper beside a person whom the radar no longer sees would look
like it. A flag that is set when the agent starts is raised at once.
"""

import math

import numpy as np

from edge_agent.detect.detector import Detection
from edge_agent.detect.radar.descent import POINTS, TARGETS, DescentWatch
from edge_agent.detect.radar.frame import RadarFrame
from edge_agent.detect.radar.room import RadarRoom
from edge_agent.detect.radar.stop import StopWatch
from edge_agent.detect.radar.stuck import StuckWatch
from edge_agent.stream.chunk import Gap

SAME_DROP_S = 3.0
SAME_STAY_S = 10.0
SAME_PLACE_M = 1.6
"""What one radar tells twice: a drop in its points and in its targets, and the lying after it. A
later drop is a new fall: nobody drops who was not up again."""
JUMP_S = 2.0
"""Frames further apart, or further back, than this: what is open is decided at once."""
PRESENCE_S = 2.0
"""A presence or dwell flag must stand this long (shorter makes 5 false ones an hour: threads of
EverythingSmartHome/everything-presence-one)."""

MOST_RAISED = 8


class RadarFallDetector:
    """Streaming fall detector of one radar, at most 1 MB of state.

    Detections: `fall`; `sensor_stuck`; and, for the home to weigh, never alarms by themselves:
    `stopped` (a track without height, see `stop.py`), `dwelling` (the module's flag that
    somebody neither moves nor leaves), `present` and `absent`.
    """

    def __init__(self, room: RadarRoom | None = None) -> None:
        self._room = RadarRoom() if room is None else room
        self._watches = (DescentWatch(POINTS, self._room), DescentWatch(TARGETS, self._room))
        self._stuck = StuckWatch()
        self._stop = StopWatch(self._room)
        self._flags = {"dwelling": _Flag(), "present": _Flag()}
        self._time_s = -math.inf
        self._number: int | None = None
        self._fall_flag = False
        self._raised: list[Detection] = []

    def update(self, frame: RadarFrame) -> list[Detection]:
        """Take the next frame and return what it decided. Any frame is survived."""
        time_s = frame.time_s
        if not math.isfinite(time_s):
            time_s = self._time_s if math.isfinite(self._time_s) else 0.0
            return self._take_fall_flag(frame, time_s)
        found: list[Detection] = []
        if not -JUMP_S <= time_s - self._time_s <= JUMP_S and self._time_s > -math.inf:
            if time_s < self._time_s:
                self._raised = []  # The unit's time line began again.
            found += self._flush(min(time_s, self._time_s + JUMP_S))
            self._time_s = -math.inf
        found += self._take_fall_flag(frame, time_s)
        if time_s <= self._time_s:
            return found
        self._time_s = time_s
        found += self._stuck.update(frame)
        found += self._take_flags(frame)
        if frame.number is not None and frame.number == self._number:
            frame = RadarFrame(time_s)  # Repeated, no news of anybody; but time goes on.
        else:
            self._number = frame.number
        targets = self._room.targets_inside(frame)
        high = [
            (one.x_m, one.y_m, one.height_m, one.speed_mps or 0.0)
            for one in targets
            if one.height_m is not None
        ]
        falls = self._watches[0].update(time_s, self._room.points_inside(frame))
        falls += self._watches[1].update(time_s, np.array(high).reshape(-1, 4))
        found += self._stop.update(time_s, [one for one in targets if one.height_m is None])
        return found + self._once(falls)

    def gap(self, gap: Gap) -> list[Detection]:
        """Decide every open drop with what was seen, and begin anew."""
        start_s = gap.start_s if math.isfinite(gap.start_s) else self._time_s
        return self._flush(start_s)

    def _flush(self, time_s: float) -> list[Detection]:
        falls = [one for watch in self._watches for one in watch.flush(time_s)]
        self._stuck.begin()
        self._stop = StopWatch(self._room)
        self._number = None
        return self._once(falls)

    def _take_fall_flag(self, frame: RadarFrame, time_s: float) -> list[Detection]:
        """Raise each time the module's own flag rises; it is slow and is never waited for."""
        rises = bool(frame.fall) and not self._fall_flag
        if frame.fall is not None:
            self._fall_flag = frame.fall
        if not rises:
            return []
        reason = "The radar's own fall flag was set."
        return [Detection("fall", time_s, time_s, 0.8, {"module_flag": 1.0}, reason)]

    def _take_flags(self, frame: RadarFrame) -> list[Detection]:
        found = []
        for kind, value in (("dwelling", frame.dwell), ("present", frame.present)):
            changed = self._flags[kind].update(value, frame.time_s)
            if changed is None or (kind == "dwelling" and not changed):
                continue
            since_s = self._flags[kind].since_s
            name = kind if changed else "absent"
            reason = f"The radar's own flag says {name} for {PRESENCE_S:.0f} s."
            found.append(Detection(name, since_s, frame.time_s, 0.5, {}, reason))
        return found

    def _once(self, falls: list[Detection]) -> list[Detection]:
        """Leave out what is the same fall as one raised before, and remember the others."""
        fresh = []
        for fall in falls:
            if not any(_is_same(fall, other) for other in self._raised):
                fresh.append(fall)
                self._raised = [*self._raised, fall][-MOST_RAISED:]
        return fresh


class _Flag:
    """A flag that counts once it has stood for `PRESENCE_S`."""

    def __init__(self) -> None:
        self.since_s = -math.inf
        self._value: bool | None = None
        self._stood: bool | None = None

    def update(self, value: bool | None, time_s: float) -> bool | None:
        """Return the flag when it has newly come to stand, else None."""
        if value is None:
            return None
        if value != self._value or time_s < self.since_s:
            self._value, self.since_s = value, time_s
        if value == self._stood or time_s - self.since_s < PRESENCE_S:
            return None
        self._stood = value
        return value


def _is_same(one: Detection, other: Detection) -> bool:
    apart = math.hypot(
        one.evidence["x_m"] - other.evidence["x_m"], one.evidence["y_m"] - other.evidence["y_m"]
    )
    lies = "low_s" in one.evidence or "low_s" in other.evidence
    same_s = SAME_STAY_S if lies else SAME_DROP_S
    return abs(one.onset_s - other.onset_s) <= same_s and apart <= SAME_PLACE_M
