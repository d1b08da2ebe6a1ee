"""People for radar tests: a path with heights, seen as targets or as points of any mounting."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_agent.detect.radar.frame import RadarFrame, RadarMount, RadarTarget, frame_of_ti
from protocol.sensors.ti_mmwave import TiFrame

STANDING, SITTING, BED, FLOOR = 1.6, 1.15, 0.7, 0.25


@dataclass(frozen=True)
class Leg:
    """A stretch of a path: until end_s at (x, y) with its top at top_m, reached evenly in takes_s."""

    end_s: float
    x: float
    y: float
    top_m: float
    takes_s: float = 1.0


Where = Callable[[float], tuple[float, float, float, float]]


def path(legs: Sequence[Leg]) -> Where:
    """Return x, y, top and speed at a time; nobody is there before 0 or after the last leg."""

    def at(t: float) -> tuple[float, float, float, float]:
        before, begin = legs[0], 0.0
        for leg in legs:
            if t < leg.end_s:
                share = min(1.0, (t - begin) / leg.takes_s)
                x, y, top = (
                    a + share * (b - a)
                    for a, b in ((before.x, leg.x), (before.y, leg.y), (before.top_m, leg.top_m))
                )
                moved = math.hypot(leg.x - before.x, leg.y - before.y) + abs(
                    leg.top_m - before.top_m
                )
                return x, y, top, moved / leg.takes_s if share < 1.0 else 0.0
            before, begin = leg, leg.end_s
        return math.nan, math.nan, math.nan, 0.0

    return at


FALL = path([Leg(0.1, -2, 5, STANDING), Leg(6, 0.5, 3, STANDING, 5.9), Leg(40, 0.5, 3, FLOOR, 0.6)])
"""Walks in and falls at 6.0 to 6.6 s."""
SIT = path(
    [Leg(0.1, -2, 5, STANDING), Leg(6, 0.5, 3, STANDING, 5.9), Leg(40, 0.5, 3, SITTING, 1.0)]
)
TO_BED = path(
    [
        Leg(0.1, -2, 5, STANDING), Leg(6, 0.5, 3, STANDING, 5.9), Leg(8, 0.5, 3, SITTING, 1.2),
        Leg(40, 0.5, 3, BED, 0.7),
    ]
)  # fmt: skip


def times(seconds: float, rate_hz: float) -> list[float]:
    return [i / rate_hz for i in range(int(seconds * rate_hz))]


def target_frames(
    people: Sequence[Where],
    seconds: float,
    rate_hz: float = 10.0,
    seed: int = 1,
    noise_m: float = 0.04,
) -> list[RadarFrame]:
    rng = np.random.default_rng(seed)
    frames = []
    for number, t in enumerate(times(seconds, rate_hz)):
        targets = []
        for who, at in enumerate(people):
            x, y, top, speed = at(t)
            if x == x:
                dx, dy, dz = rng.normal(0.0, noise_m, 3)
                targets.append(RadarTarget(who, x + dx, y + dy, top + dz, speed))
        frames.append(RadarFrame(t, tuple(targets), number=number))
    return frames


def point_frames(
    people: Sequence[Where], seconds: float, rate_hz: float = 18.0, seed: int = 1,
    mount: RadarMount | None = None,
) -> list[RadarFrame]:  # fmt: skip
    """Return points through the antenna's own polar grid; a still body is nearly removed."""
    rng = np.random.default_rng(seed)
    mount = RadarMount() if mount is None else mount
    tilt = math.radians(mount.tilt_deg)
    frames = []
    for number, t in enumerate(times(seconds, rate_hz)):
        ti = TiFrame(number, 0)
        for at in people:
            x, y, top, speed = at(t)
            if x != x:
                continue
            for _ in range(int(rng.poisson(8.0 if speed > 0.05 else 0.2))):
                px, py = x + rng.normal(0, 0.15), y + rng.normal(0, 0.15)
                pz = rng.triangular(0.0, 0.8 * top, top) - mount.height_m
                ahead = py * math.cos(tilt) - pz * math.sin(tilt)
                above = py * math.sin(tilt) + pz * math.cos(tilt)
                elevation = math.atan2(above, math.hypot(px, ahead)) + rng.normal(0, 0.02)
                distance = math.sqrt(px * px + py * py + pz * pz)
                ti.polar.append(
                    (round(elevation, 2), round(math.atan2(px, ahead), 2), speed, distance, 6.0)
                )
        frames.append(frame_of_ti(ti, t, mount))
    return frames


def shifted(frames: Sequence[RadarFrame], seconds: float) -> list[RadarFrame]:
    return [replace(one, time_s=one.time_s + seconds, number=None) for one in frames]
