"""Falls by radar: found once, in time, whatever the radar, rate, mounting, loss and rubbish."""

import csv
import gzip
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_agent.detect.detector import Detection
from edge_agent.detect.radar.descent import DWELL_S
from edge_agent.detect.radar.fall import RadarFallDetector
from edge_agent.detect.radar.frame import RadarFrame, RadarMount, RadarTarget, frame_of_ti
from edge_agent.detect.radar.room import RadarRoom, Zone, ZoneKind
from edge_agent.simulator.sensors.radar import RadarSpan, RadarState
from edge_agent.simulator.sensors.radar_ti import iwr6843
from edge_agent.stream.chunk import Channel, Gap
from protocol.quantities import ACCELERATION
from protocol.sensors.ti_mmwave import TiDecoder
from tests.detect.radar_people import (
    BED,
    FALL,
    FLOOR,
    SIT,
    STANDING,
    TO_BED,
    Leg,
    path,
    point_frames,
    shifted,
    target_frames,
)

CHANNEL = Channel("radar", ACCELERATION)
RADAR = Path(__file__).parents[3] / "shared" / "data" / "radar"


def feed(
    frames: Iterable[RadarFrame], detector: RadarFallDetector | None = None, end: bool = True
) -> list[Detection]:
    detector = detector or RadarFallDetector()
    found: list[Detection] = []
    time_s = 0.0
    for frame in frames:
        found += detector.update(frame)
        time_s = frame.time_s
    return found + (detector.gap(Gap(CHANNEL, time_s, time_s)) if end else [])


def falls(found: Iterable[Detection]) -> list[Detection]:
    return [one for one in found if one.kind == "fall"]


def thinned(frames: list[RadarFrame], keep: float, seed: int = 3) -> list[RadarFrame]:
    rng = np.random.default_rng(seed)
    return [one for one in frames if rng.random() < keep]


@pytest.mark.fast
@pytest.mark.parametrize("rate_hz", [5.0, 10.0, 20.0])
def test_a_fall_of_a_target_is_raised_once_within_1_5_s_of_the_floor(rate_hz: float) -> None:
    (fall,) = falls(feed(target_frames([FALL], 30.0, rate_hz), end=False))
    assert 6.0 < fall.onset_s < 7.0
    assert fall.offset_s - 6.6 <= 1.5
    assert fall.evidence["before_m"] == pytest.approx(STANDING, abs=0.15)
    assert fall.evidence["low_m"] < 0.5
    assert fall.score == 0.9
    assert fall.reason is not None and "Top of the body dropped from 1." in fall.reason


@pytest.mark.parametrize("height_m", [1.5, 2.0, 2.5])
@pytest.mark.parametrize("tilt_deg", [5.0, 15.0])
def test_a_fall_is_found_in_points_of_any_mounting_and_sitting_is_none(
    height_m: float, tilt_deg: float
) -> None:
    mount = RadarMount(height_m, tilt_deg)
    for seed in range(4):
        (fall,) = falls(feed(point_frames([FALL], 20.0, seed=seed, mount=mount), end=False))
        assert fall.onset_s > 6.0 and fall.offset_s - 6.6 <= 1.5
        assert falls(feed(point_frames([SIT], 20.0, seed=seed, mount=mount))) == []


@pytest.mark.parametrize("keep", [0.7, 0.5])
def test_lost_frames_lose_no_fall_and_make_none(keep: float) -> None:
    for seed in range(5):
        for make in (target_frames, point_frames):
            found = falls(feed(thinned(make([FALL], 20.0, seed=seed), keep, seed)))
            assert len(found) == 1
            assert falls(feed(thinned(make([SIT], 20.0, seed=seed), keep, seed))) == []


def test_a_simulated_iwr6843_from_bytes_to_a_fall_and_nothing_else() -> None:
    moving, fallen, still = RadarState.MOVING, RadarState.FALLEN, RadarState.STILL
    walk = RadarSpan(1.0, 8.0, moving, (-2.0, 4.0), (1.0, 2.0))
    scenes = [
        ([walk, RadarSpan(8.0, 25.0, fallen, (1.0, 2.0))], 1),
        ([walk, RadarSpan(8.0, 25.0, still, (1.0, 2.0))], 0),
        ([walk, RadarSpan(8.0, 16.0, still, (1.0, 2.0)), RadarSpan(16.0, 25.0, moving, (1.0, 2.0), (-2.0, 5.0))], 0),
    ]  # fmt: skip
    for spans, expected in scenes:
        decoder, frames = TiDecoder(), []
        for t, data in iwr6843(spans, 25.0, 4):
            frames += [frame_of_ti(one, t, RadarMount()) for one in decoder.feed(data)]
        for shown in (
            frames,
            [replace(one, targets=()) for one in frames],
            [replace(one, points=np.empty((0, 4))) for one in frames],
        ):
            assert len(falls(feed(shown))) == expected


@pytest.mark.fast
def test_an_end_or_a_gap_right_after_the_drop_raises_at_once() -> None:
    frames = [one for one in target_frames([FALL], 30.0) if one.time_s < 6.75]
    assert falls(feed(frames, end=False)) == []
    (fall,) = falls(feed(frames))
    assert fall.offset_s < 6.8
    assert "its signal ended" in (fall.reason or "")
    jumped = feed([*frames, *shifted(target_frames([SIT], 3.0), 500.0)], end=False)
    assert len(falls(jumped)) == 1
    reversed_ = feed([*frames, *shifted(target_frames([SIT], 3.0), -100.0)], end=False)
    assert len(falls(reversed_)) == 1


@pytest.mark.fast
def test_a_fall_inside_a_gap_is_raised_by_lying_after_it() -> None:
    frames = target_frames([FALL], 40.0)
    detector = RadarFallDetector()
    found = feed([one for one in frames if one.time_s < 5.9], detector)
    found += feed([one for one in frames if one.time_s > 9.0], detector, end=False)
    (fall,) = falls(found)
    assert fall.offset_s == pytest.approx(9.0 + DWELL_S, abs=0.5)
    assert fall.evidence["low_s"] >= DWELL_S


@pytest.mark.fast
def test_a_slow_slide_is_raised_once_by_lying() -> None:
    slide = path([Leg(0.1, 0, 4, STANDING), Leg(5, 0, 3, STANDING, 4), Leg(80, 0, 3, FLOOR, 8.0)])
    for noise_m in (0.04, 0.0):
        (fall,) = falls(feed(target_frames([slide], 75.0, noise_m=noise_m), end=False))
        assert 0.5 <= fall.score < 0.75
        assert 10.0 < fall.onset_s < 14.0
        assert DWELL_S <= fall.evidence["low_s"] < DWELL_S + 0.5


@pytest.mark.fast
def test_a_bed_that_is_drawn_is_no_floor_but_the_floor_of_its_zone_is() -> None:
    room = RadarRoom(zones=(Zone(ZoneKind.BED, (-0.5, 1.5), (2.0, 4.0)),))
    fast = path([Leg(6, 0.5, 3, STANDING), Leg(40, 0.5, 3, BED, 0.5)])
    for seed in range(2):
        frames = target_frames([fast], 30.0, seed=seed)
        assert falls(feed(frames, RadarFallDetector(room))) == []
        assert falls(feed(target_frames([TO_BED], 30.0, seed=seed))) == []
        assert (
            len(falls(feed(target_frames([FALL], 30.0, seed=seed), RadarFallDetector(room)))) == 1
        )


@pytest.mark.fast
def test_bending_down_for_a_moment_is_no_fall() -> None:
    bend = path([Leg(5, 0, 3, STANDING), Leg(8, 0, 3, 0.85, 0.8), Leg(30, 0, 3, STANDING, 0.8)])
    for seed in range(5):
        assert falls(feed(target_frames([bend], 25.0, seed=seed))) == []


@pytest.mark.fast
def test_a_second_fall_after_getting_up_is_a_second_fall() -> None:
    twice = path(
        [
            Leg(5, 0, 3, STANDING), Leg(9, 0, 3, FLOOR, 0.6), Leg(12, 0, 3, STANDING, 2.0),
            Leg(30, 0, 3, FLOOR, 0.6),
        ]
    )  # fmt: skip
    first, second = falls(feed(target_frames([twice], 25.0), end=False))
    assert 5.0 < first.onset_s < 6.0
    assert 12.0 < second.onset_s < 13.5


@pytest.mark.fast
def test_two_people_who_fall_together_are_two_falls_and_a_bystander_hides_none() -> None:
    other = path([Leg(6.2, 2.5, 3, STANDING), Leg(40, 2.5, 3, FLOOR, 0.6)])
    stands = path([Leg(40, 2.0, 3, STANDING)])
    for seed in range(2):
        both = falls(feed(target_frames([FALL, other], 20.0, seed=seed)))
        assert sorted(round(one.evidence["x_m"]) for one in both) in (
            [0, 2],
            [1, 2],
            [0, 3],
            [1, 3],
        )
        assert len(falls(feed(target_frames([FALL, stands], 20.0, seed=seed)))) == 1


@pytest.mark.fast
def test_a_modules_fall_flag_is_raised_at_once_each_time_it_rises() -> None:
    flags = [False] * 20 + [True] * 30 + [None, False] * 5 + [True] * 10
    frames = [RadarFrame(i / 10, present=True, fall=flag) for i, flag in enumerate(flags)]
    first, second = falls(feed(frames, end=False))
    assert (first.onset_s, first.offset_s, second.onset_s) == (2.0, 2.0, 6.0)
    assert first.evidence == {"module_flag": 1.0}
    assert len(falls(feed([RadarFrame(0.0, fall=True)], end=False))) == 1


@pytest.mark.fast
def test_a_flag_counts_whatever_the_time_of_its_frame() -> None:
    for time_s in (math.nan, math.inf, -5.0, 3.0):
        detector = RadarFallDetector()
        detector.update(RadarFrame(3.0, fall=False))
        (fall,) = falls(detector.update(RadarFrame(time_s, fall=True)))
        assert math.isfinite(fall.onset_s) and math.isfinite(fall.offset_s)


@pytest.mark.fast
def test_presence_and_dwelling_count_after_two_seconds_and_are_no_falls() -> None:
    flicker = [RadarFrame(i / 10, present=i % 15 < 10, dwell=i % 15 < 10) for i in range(200)]
    assert feed(flicker) == []
    steady = [RadarFrame(i / 10, present=i < 50, dwell=i < 50) for i in range(100)]
    found = feed(steady)
    assert [(one.kind, one.onset_s, one.offset_s) for one in found] == [
        ("dwelling", 0.0, 2.0), ("present", 0.0, 2.0), ("absent", 5.0, 7.0),
    ]  # fmt: skip


@pytest.mark.fast
def test_a_frozen_frame_number_is_said_once_and_an_open_fall_is_decided_all_the_same() -> None:
    frames = target_frames([FALL], 20.0)
    until = next(i for i, one in enumerate(frames) if one.time_s >= 6.8)
    stuck = [replace(frames[until], time_s=frames[until].time_s + i / 10) for i in range(1, 100)]
    found = feed([*frames[: until + 1], *stuck], end=False)
    assert [one.kind for one in found] == ["fall", "sensor_stuck"]
    assert found[1].reason == "The frame number of the radar has not changed for 3 s."


@pytest.mark.fast
@pytest.mark.parametrize("height_m", [0.3, 1.2, None])
def test_a_target_that_never_changes_is_a_stuck_sensor_and_no_fall(height_m: float | None) -> None:
    ghost = RadarTarget(0, 1.0, 2.0, height_m, 0.0)
    found = feed([RadarFrame(i / 10, (ghost,)) for i in range(2000)])
    assert [(one.kind, one.offset_s) for one in found] == [("sensor_stuck", 30.0)]


@pytest.mark.fast
def test_points_that_never_change_are_a_stuck_sensor() -> None:
    points = np.array([[1.0, 2.0, 1.0, 0.0]])
    found = feed([RadarFrame(i / 10, points=points) for i in range(600)])
    assert [one.kind for one in found] == ["sensor_stuck"]


@pytest.mark.fast
def test_somebody_already_on_the_floor_at_the_start_is_raised_late() -> None:
    lying = path([Leg(200, 1, 3, FLOOR)])
    (fall,) = falls(feed(target_frames([lying], 100.0), end=False))
    assert 60.0 <= fall.offset_s < 61.0


@pytest.mark.fast
def test_targets_outside_the_room_are_nobody() -> None:
    room = RadarRoom(x_m=(-3.0, 3.0), y_m=(0.0, 2.0))
    assert feed(target_frames([FALL], 30.0), RadarFallDetector(room)) == []


@pytest.mark.fast
def test_a_track_without_height_is_never_a_fall_but_a_stop_in_the_open_is_said() -> None:
    frames = [
        replace(one, targets=tuple(replace(t, height_m=None) for t in one.targets), number=None)
        for one in target_frames([FALL], 40.0)
    ]
    (stop,) = feed(frames, end=False)
    assert (stop.kind, stop.score) == ("stopped", 0.2)
    assert stop.onset_s == pytest.approx(6.0, abs=0.7)
    for kind in ZoneKind:
        room = RadarRoom(zones=(Zone(kind, (-0.5, 1.5), (2.0, 4.0)),))
        assert feed(frames, RadarFallDetector(room), end=False) == []


@pytest.mark.fast
def test_rubbish_is_survived_with_bounded_memory_and_hides_no_fall() -> None:
    rng = np.random.default_rng(9)
    odd = np.array([math.nan, math.inf, -math.inf, 0.0, 1e300, -1e300, 1.0, 2.0])
    detector = RadarFallDetector()
    time_s = 0.0
    for i in range(1500):
        time_s = float(rng.choice(odd)) if i % 50 == 0 else time_s + 0.1
        points = rng.choice(odd, (int(rng.integers(0, 40)), 4))
        targets = tuple(RadarTarget(int(n), *map(float, rng.choice(odd, 4))) for n in range(3))
        detector.update(RadarFrame(time_s, targets, points, int(rng.integers(5))))
    for watch in detector._watches:
        assert len(watch._tracks.tracks) <= 16
        assert len(watch._open) <= 64 and len(watch._low) <= 16
    found = feed(shifted(target_frames([FALL], 20.0), 5000.0), detector)
    assert len([one for one in falls(found) if one.onset_s > 5005.0]) == 1


@pytest.mark.fast
def test_ghost_points_all_over_the_room_make_no_fall() -> None:
    rng = np.random.default_rng(2)
    frames = []
    for i in range(2000):
        count = int(rng.poisson(0.4))
        points = np.column_stack(
            [rng.uniform(-2.5, 2.5, count), rng.uniform(0.6, 6.0, count), rng.uniform(0, 2.5, count), rng.normal(0, 0.3, count)]
        )  # fmt: skip
        frames.append(RadarFrame(i / 18, points=points))
    assert feed(frames) == []


def ti_recording(name: str) -> list[RadarFrame]:
    file = RADAR / "iwr6843" / f"{name}.bin.gz"
    if not file.is_file():
        pytest.skip(f"no {file.name} of the shared recordings here")
    frames = TiDecoder().feed(gzip.decompress(file.read_bytes()))
    return [frame_of_ti(one, one.number * 0.055, RadarMount()) for one in frames]


def test_the_falls_seen_in_the_recording_are_found() -> None:
    onsets = [one.onset_s for one in falls(feed(ti_recording("fall_0")))]
    for seen_s in (92.1, 115.4, 141.0, 182.7):
        assert any(abs(onset - seen_s) < 0.5 for onset in onsets), seen_s


def test_the_recording_of_sitting_down_is_quiet() -> None:
    assert falls(feed(ti_recording("sit_down"))) == []


@pytest.mark.parametrize("rate_hz", [10.0, 18.2])
@pytest.mark.parametrize(("label", "expected"), [("fall", 1), ("standUp", 0), ("walking", 0)])
def test_the_cut_trials_are_told_apart(label: str, expected: int, rate_hz: float) -> None:
    files = sorted((RADAR / "safesenior" / label).glob("*.csv"))
    if not files:
        pytest.skip("no safesenior of the shared recordings here")
    for file in files:
        with file.open(newline="") as lines:
            table = np.array([[float(cell) for cell in row] for row in list(csv.reader(lines))[1:]])
        floor_m = np.quantile(table[:, 4], 0.01)
        frames = [
            RadarFrame(number / rate_hz, points=rows[:, 2:6] - np.array([0, 0, floor_m, 0]))
            for number in np.unique(table[:, 0])
            for rows in [table[table[:, 0] == number]]
        ]
        assert len(falls(feed(frames))) == expected, file.name
