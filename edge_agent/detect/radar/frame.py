r"""What any radar says at one instant, whoever made it, in the room's own axes.

```
      radar                height_m above the floor, looking down by tilt_deg
        \  ...              x to its right, y ahead of it on the floor, heights from the floor
         \     person
  -------+------o----- y   IWR6843: targets, points     LD2450: targets without height
                           R60AFD1, LD6002C: flags      MR60FDA2: flag and a target's height
```
A value that a radar does not give is None (a flag, a height) or an empty array (points).
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_agent.stream.chunk import Chunk
from protocol.sensors.ti_mmwave import TiFrame, TiTarget

NEAR_M = 0.5
"""Points nearer than this are the radar's own housing and leakage: real dumps of an IWR6843 have
one at 0.25 m in every third frame, with any doppler."""

TRACK_TARGETS = 3
TRACK_FIELDS = 4
"""A sample of `radar_track`: x, y, height and speed of three targets, one after another."""

NO_VALUE = -32.7675
"""m: count -32768 of a millimetre scale, half a count above it; a target whose place is below is
absent, a height or a speed below is not known."""


@dataclass(frozen=True, slots=True)
class RadarTarget:
    """One person as the radar's own tracker sees them.

    Attributes:
        number: the tracker's name for it while it lasts.
        x_m: to the radar's right.
        y_m: ahead of the radar, on the floor.
        height_m: the highest point above the floor; where the radar has no heights, that of
            the body's middle; None when neither is known.
        speed_mps: away from the radar, None when unknown.
    """

    number: int
    x_m: float
    y_m: float
    height_m: float | None = None
    speed_mps: float | None = None


def no_points() -> NDArray[np.float64]:
    """Return the points of a radar that sees none."""
    return np.empty((0, 4))


@dataclass(frozen=True, slots=True)
class RadarFrame:
    """One frame.

    Attributes:
        time_s: on the unit's time line.
        targets: people, as the radar's own tracker sees them.
        points: shape (n, 4): x, y, height above the floor in m, doppler in m/s.
        number: the radar's own count of frames.
        present: somebody is there.
        fall: the module's own fall flag.
        dwell: the module's own flag that somebody neither moves nor leaves.
    """

    time_s: float
    targets: tuple[RadarTarget, ...] = ()
    points: NDArray[np.float64] = field(default_factory=no_points)
    number: int | None = None
    present: bool | None = None
    fall: bool | None = None
    dwell: bool | None = None


@dataclass(frozen=True, slots=True)
class RadarMount:
    """How a radar hangs on its wall: height of the antenna, and how far it looks down."""

    height_m: float = 2.0
    tilt_deg: float = 10.0


def frame_of_ti(frame: TiFrame, time_s: float, mount: RadarMount) -> RadarFrame:
    """Return a frame of an IWR6843; its tracker is taken to know the mounting (sensorPosition)."""
    targets = tuple(_ti_target(one) for one in frame.targets)
    if frame.polar:
        points = _from_antenna(_cartesian(np.array(frame.polar)), mount)
    elif frame.cartesian:
        points = _from_antenna(np.array(frame.cartesian, dtype=np.float64), mount)
    else:
        points = no_points()
    present = None if frame.presence is None else bool(frame.presence)
    return RadarFrame(time_s, targets, points, frame.number, present)


def frames_of_track(chunk: Chunk) -> list[RadarFrame]:
    """Return the frames of a piece of `radar_track`; a sample that never came is no frame."""
    values = chunk.values.astype(np.float64)
    frames = []
    for i in range(len(values)):
        if chunk.missing is None or not chunk.missing[i]:
            targets = tuple(_targets_of_sample(values[i]))
            frames.append(RadarFrame(chunk.start_s + i / chunk.rate_hz, targets))
    return frames


def _targets_of_sample(sample: NDArray[np.float64]) -> list[RadarTarget]:
    targets = []
    for number, (x, y, height, speed) in enumerate(sample.reshape(-1, TRACK_FIELDS).tolist()):
        if x > NO_VALUE and y > NO_VALUE:
            targets.append(
                RadarTarget(
                    number,
                    x,
                    y,
                    height if height > NO_VALUE else None,
                    speed if speed > NO_VALUE else None,
                )
            )
    return targets


def _ti_target(target: TiTarget) -> RadarTarget:
    x, y, z = target.place
    vx, vy, _ = target.velocity
    away_mps = (x * vx + y * vy) / max(math.hypot(x, y), 1e-6)
    return RadarTarget(target.number, x, y, z if target.high_m is None else target.high_m, away_mps)


def _cartesian(polar: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return x, y, z, doppler on the antenna's axes from elevation, azimuth, doppler, range."""
    elevation, azimuth, doppler, distance = polar.T[:4]
    flat = distance * np.cos(elevation)
    return np.column_stack(
        [flat * np.sin(azimuth), flat * np.cos(azimuth), distance * np.sin(elevation), doppler]
    )


def _from_antenna(points: NDArray[np.float64], mount: RadarMount) -> NDArray[np.float64]:
    """Return points in the room's axes, without the radar's own housing."""
    points = points[np.sqrt((points[:, :3] ** 2).sum(axis=1)) >= NEAR_M]
    tilt = math.radians(mount.tilt_deg)
    x, y, z, doppler = points.T
    ahead = y * math.cos(tilt) + z * math.sin(tilt)
    above = z * math.cos(tilt) - y * math.sin(tilt) + mount.height_m
    return np.column_stack([x, ahead, above, doppler])
