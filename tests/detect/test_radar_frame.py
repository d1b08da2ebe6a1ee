"""What a radar said, in the room's axes: antenna to floor, and a unit's track samples to frames."""

import math

import numpy as np
import pytest

from edge_agent.detect.radar.frame import RadarMount, RadarTarget, frame_of_ti, frames_of_track
from edge_agent.detect.radar.room import RadarRoom, Zone, ZoneKind
from edge_agent.stream.chunk import Channel, Chunk
from protocol.quantities import Quantity
from protocol.sensors.ti_mmwave import TiFrame, TiTarget

pytestmark = pytest.mark.fast

TRACK = Channel("radar", Quantity(99, "radar_track", "m", 12, -33.0, 33.0))
NONE = -32768


def chunk(rows: list[list[int]], missing: list[bool] | None = None) -> Chunk:
    values = np.array(rows, dtype="<i2").astype(np.float32) * np.float32(0.001)
    mask = None if missing is None else np.array(missing)
    return Chunk(TRACK, 5.0, 10.0, values, mask)


@pytest.mark.parametrize("tilt_deg", [0.0, 10.0, 45.0, 90.0])
@pytest.mark.parametrize("height_m", [0.6, 2.0, 3.0])
def test_points_on_the_floor_and_on_a_head_come_out_where_they_are(
    tilt_deg: float, height_m: float
) -> None:
    mount, tilt = RadarMount(height_m, tilt_deg), math.radians(tilt_deg)
    frame = TiFrame(7, 0)
    places = [(0.5, 3.0, 0.0), (-1.0, 4.0, 1.7)]
    for x, y, height in places:
        z = height - height_m
        ahead, above = (
            y * math.cos(tilt) - z * math.sin(tilt),
            y * math.sin(tilt) + z * math.cos(tilt),
        )
        distance = math.sqrt(x * x + y * y + z * z)
        elevation = math.asin(above / distance)
        frame.polar.append((elevation, math.atan2(x, ahead), 0.3, distance, 9.0))
        frame.cartesian.append((x, ahead, above, 0.3))
    seen = frame_of_ti(frame, 1.5, mount)
    assert seen.time_s == 1.5 and seen.number == 7 and seen.present is None
    assert seen.points == pytest.approx(np.array([[*place, 0.3] for place in places]))
    frame.polar = []
    assert frame_of_ti(frame, 1.5, mount).points == pytest.approx(seen.points)


def test_the_radars_own_housing_is_no_point() -> None:
    frame = TiFrame(1, 0)
    frame.polar = [(0.0, 0.0, 3.0, 0.25, 9.0), (0.0, 0.0, 0.0, 2.0, 9.0)]
    assert len(frame_of_ti(frame, 0.0, RadarMount()).points) == 1


def test_a_target_has_its_highest_point_or_else_its_middle() -> None:
    frame = TiFrame(1, 0)
    tall, bare = (
        TiTarget(3, (3.0, 4.0, 0.9), (0.3, 0.4, 0.0), 0.9),
        TiTarget(4, (0.0, 2.0, 0.9), (0.0, -1.0, 0.0), 0.9),
    )
    tall.high_m = 1.6
    frame.targets, frame.presence = [tall, bare], 1
    seen = frame_of_ti(frame, 0.0, RadarMount())
    assert seen.present is True
    assert seen.targets[0] == RadarTarget(3, 3.0, 4.0, 1.6, pytest.approx(0.5))
    assert seen.targets[1] == RadarTarget(4, 0.0, 2.0, 0.9, pytest.approx(-1.0))


def test_track_samples_become_frames_and_what_is_not_known_stays_unknown() -> None:
    rows = [
        [1000, 2000, 1500, -300, *[NONE] * 8],
        [1100, 2000, NONE, NONE, NONE, NONE, NONE, NONE, -2500, 900, 300, 0],
        [NONE] * 12,
    ]
    one, two, none = frames_of_track(chunk(rows))
    assert [frame.time_s for frame in (one, two, none)] == pytest.approx([5.0, 5.1, 5.2])
    (target,) = one.targets
    assert target.number == 0 and target.height_m == pytest.approx(1.5)
    assert target.speed_mps == pytest.approx(-0.3)
    assert [target.number for target in two.targets] == [0, 2]
    assert (two.targets[0].height_m, two.targets[0].speed_mps) == (None, None)
    assert two.targets[1].x_m == pytest.approx(-2.5)
    assert none.targets == ()


def test_a_sample_that_never_came_is_no_frame() -> None:
    row = [1000, 2000, 1500, 0, *[NONE] * 8]
    frames = frames_of_track(chunk([row, row, row], [False, True, False]))
    assert [frame.time_s for frame in frames] == pytest.approx([5.0, 5.2])


def test_a_room_keeps_what_may_be_a_person() -> None:
    room = RadarRoom((-2.0, 2.0), (0.0, 5.0), (Zone(ZoneKind.BED, (1.0, 2.0), (3.0, 5.0)),))
    assert room.zone_at(1.5, 4.0) is ZoneKind.BED and room.zone_at(0.0, 4.0) is None
    frame = TiFrame(1, 0)
    frame.cartesian = [
        (0.0, 2.0, 0.0, 0.0),
        (3.0, 2.0, 0.0, 0.0),
        (0.0, 2.0, 2.5, 0.0),
        (0.0, 2.0, math.nan, 0.0),
    ]
    seen = frame_of_ti(frame, 0.0, RadarMount(1.0, 0.0))
    assert len(room.points_inside(seen)) == 1
    targets = (
        RadarTarget(0, 0.0, 2.0, 9.0, math.nan),
        RadarTarget(1, 3.0, 2.0),
        RadarTarget(2, math.nan, 2.0),
    )
    (kept,) = room.targets_inside(
        frame_of_ti(TiFrame(1, 0), 0.0, RadarMount()).__class__(0.0, targets)
    )
    assert kept == RadarTarget(0, 0.0, 2.0, None, None)
