"""Where a radar's person can be: the room's limits, its beds, seats and doors on the floor."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.radar.frame import RadarFrame, RadarTarget

BELOW_M = -0.6
ABOVE_M = 2.2
"""Heights that may be a person's: what lies outside is a mirror image or an aliased elevation.
Elevations of an IWR6843 scatter by 0.3 m at 5 m, so that a foot may lie below the floor."""


class ZoneKind(StrEnum):
    """What a part of the floor is for."""

    BED = "bed"
    SEAT = "seat"
    DOOR = "door"


@dataclass(frozen=True, slots=True)
class Zone:
    """A rectangle of the floor, m on the radar's axes."""

    kind: ZoneKind
    x_m: tuple[float, float]
    y_m: tuple[float, float]

    def holds(self, x_m: float, y_m: float) -> bool:
        """Return True for a place inside."""
        return self.x_m[0] <= x_m <= self.x_m[1] and self.y_m[0] <= y_m <= self.y_m[1]


@dataclass(frozen=True, slots=True)
class RadarRoom:
    """The part of the radar's field that is the room, m on the radar's axes."""

    x_m: tuple[float, float] = (-6.0, 6.0)
    y_m: tuple[float, float] = (-6.0, 8.0)
    zones: tuple[Zone, ...] = ()

    def holds(self, x_m: float, y_m: float) -> bool:
        """Return True for a place in the room; NaN is nowhere."""
        return self.x_m[0] <= x_m <= self.x_m[1] and self.y_m[0] <= y_m <= self.y_m[1]

    def zone_at(self, x_m: float, y_m: float) -> ZoneKind | None:
        """Return what the floor is for at a place."""
        return next((one.kind for one in self.zones if one.holds(x_m, y_m)), None)

    def points_inside(self, frame: RadarFrame) -> NDArray[np.float64]:
        """Return the points that may be a person's, finite and in the room."""
        points = frame.points
        if not len(points):
            return points
        x, y, height, doppler = points.T
        with np.errstate(invalid="ignore"):
            inside: NDArray[np.bool_] = (
                (x >= self.x_m[0])
                & (x <= self.x_m[1])
                & (y >= self.y_m[0])
                & (y <= self.y_m[1])
                & (height > BELOW_M)
                & (height < ABOVE_M)
                & np.isfinite(doppler)
            )
        kept: NDArray[np.float64] = points[inside]
        return kept

    def targets_inside(self, frame: RadarFrame) -> list[RadarTarget]:
        """Return the targets in the room; a height that no person has is taken as unknown."""
        found = []
        for one in frame.targets:
            if not self.holds(one.x_m, one.y_m):
                continue
            height, speed = one.height_m, one.speed_mps
            if height is not None and not BELOW_M < height < ABOVE_M:
                height = None
            if speed is not None and not math.isfinite(speed):
                speed = None
            found.append(RadarTarget(one.number, one.x_m, one.y_m, height, speed))
        return found
