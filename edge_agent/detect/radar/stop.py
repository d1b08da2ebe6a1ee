"""A track without height that was walking and stops in the open: support for a fall, never one.

```
   walking, 0.4 m/s and more over 1.5 s ---> still, or lost, within 0.4 m for 5 s ---> stopped
                                             outside every bed, seat and door
```
An LD2450 gives x, y and speed. Somebody who falls stops abruptly and does not go on; so does
somebody who stands still to listen, and the module loses both after a while. Height is what tells
them apart, and it is not there: a `stopped` raises nothing by itself. It lets a fall that another
source saw in the same place be trusted more.

Known weakness: standing still in the middle of a room; a radar that loses a person at the edge of
its field, where no door is drawn.
"""

import math
from dataclasses import dataclass

from edge_agent.detect.detector import Detection
from edge_agent.detect.radar.frame import RadarTarget
from edge_agent.detect.radar.room import RadarRoom

WALKING_MPS = 0.4
"""Slow walking of frail people; half of the 0.8 m/s that geriatrics calls slow gait."""
WALKED_S = 1.5
STOPPED_M = 0.4
"""Swaying of a standing body and the modules' jitter stay within."""
STOPPED_S = 5.0
MOST_PLACES = 64


@dataclass(slots=True)
class _Stop:
    """Where and since when a target has not gone on, and how fast it came."""

    since_s: float
    x_m: float
    y_m: float
    came_mps: float
    said: bool = False


class StopWatch:
    """Watches the targets of one radar that have no height."""

    def __init__(self, room: RadarRoom) -> None:
        self._room = room
        self._paths: dict[int, list[tuple[float, float, float]]] = {}
        self._stops: dict[int, _Stop] = {}

    def update(self, time_s: float, targets: list[RadarTarget]) -> list[Detection]:
        """Take the targets of one frame, later than the one before."""
        for one in targets[:MOST_PLACES]:
            self._follow(one, time_s)
        found = []
        for number, stop in list(self._stops.items()):
            lasted_s = time_s - stop.since_s
            if lasted_s > 2 * STOPPED_S and number not in {one.number for one in targets}:
                del self._stops[number]
            elif lasted_s >= STOPPED_S and not stop.said:
                stop.said = True
                found += self._stopped(stop, time_s)
        return found

    def _follow(self, target: RadarTarget, time_s: float) -> None:
        path = self._paths.setdefault(target.number, [])
        path.append((time_s, target.x_m, target.y_m))
        while len(path) > MOST_PLACES or path[0][0] < time_s - WALKED_S:
            path.pop(0)
        if len(self._paths) > MOST_PLACES:
            del self._paths[next(iter(self._paths))]
        stop = self._stops.get(target.number)
        if stop is not None and _apart(stop, target) <= STOPPED_M:
            return
        begin_s, x, y = path[0]
        walked_m = math.hypot(target.x_m - x, target.y_m - y)
        speed_mps = walked_m / max(time_s - begin_s, WALKED_S / 2)
        if speed_mps >= WALKING_MPS:
            self._stops[target.number] = _Stop(time_s, target.x_m, target.y_m, speed_mps)
        else:
            self._stops.pop(target.number, None)

    def _stopped(self, stop: _Stop, time_s: float) -> list[Detection]:
        if self._room.zone_at(stop.x_m, stop.y_m) is not None:
            return []
        evidence = {"came_mps": stop.came_mps, "x_m": stop.x_m, "y_m": stop.y_m}
        reason = f"Came at {stop.came_mps:.1f} m/s, stopped in the open and did not go on."
        return [Detection("stopped", stop.since_s, time_s, 0.2, evidence, reason)]


def _apart(stop: _Stop, target: RadarTarget) -> float:
    return math.hypot(target.x_m - stop.x_m, target.y_m - stop.y_m)
