"""Radar streams: frames that parse and say what is true, as late as real ones."""

import struct
from itertools import pairwise

import numpy as np
import pytest

from edge_agent.simulator.sensors.radar import RadarSpan, RadarState, Truth
from edge_agent.simulator.sensors.radar_hilink import ld2410, ld2450
from edge_agent.simulator.sensors.radar_sip import r60abd1, r60afd1
from edge_agent.simulator.sensors.radar_ti import MOUNT_M, TILT_RAD, iwr6843
from edge_agent.simulator.sensors.radar_tinyframe import ld6002c, mr60bha2

pytestmark = pytest.mark.fast

COMES = RadarSpan(2.0, 8.0, RadarState.MOVING, (1.5, 3.0), (0.2, 1.0))
RESTS = RadarSpan(8.0, 100.0, RadarState.STILL, (0.2, 1.0), in_bed=True, heart_bpm=71.0)
GETS_UP = RadarSpan(100.0, 104.0, RadarState.MOVING, (0.2, 1.0), (1.0, 2.0))
FALLS = RadarSpan(104.0, 130.0, RadarState.FALLEN, (1.0, 2.0))
NIGHT = [COMES, RESTS, GETS_UP, FALLS]
END_S = 180.0

STREAMS = [r60abd1, r60afd1, mr60bha2, ld6002c, ld2450, ld2410, iwr6843]


def sip(stream):
    reports = []
    for t, frame in stream:
        control, command, length = struct.unpack_from(">BBH", frame, 2)
        assert frame[:2] == b"SY"
        assert frame[-2:] == b"TC"
        assert len(frame) == 9 + length
        assert frame[-3] == sum(frame[:-3]) & 0xFF
        reports.append((t, control << 8 | command, frame[6:-3]))
    return reports


def tiny(stream):
    reports = []
    for t, frame in stream:
        _, number, length, kind = struct.unpack_from(">BHHH", frame)
        head = frame[7]
        for byte in frame[:7]:
            head ^= byte
        assert head == 0xFF
        data = frame[8 : 8 + length]
        check = frame[8 + length]
        for byte in data:
            check ^= byte
        assert check == 0xFF
        assert len(frame) == 9 + length
        reports.append((t, number, kind, data))
    return reports


def ti(stream):
    frames = []
    for t, frame in stream:
        assert frame[:8] == b"\x02\x01\x04\x03\x06\x05\x08\x07"
        _, total, platform, number, _, points, count, _ = struct.unpack_from("<8I", frame, 8)
        assert total == len(frame)
        assert total % 32 == 0
        assert platform == 0xA6843
        at, tlvs = 40, {}
        for _ in range(count):
            kind, length = struct.unpack_from("<II", frame, at)
            tlvs[kind] = frame[at + 8 : at + 8 + length]
            at += 8 + length
        assert set(frame[at:]) <= {0xBE}
        assert total - at < 32
        frames.append((t, number, points, tlvs))
    return frames


def values_of(reports, kind, begin_s=0.0, end_s=END_S):
    return [data for t, code, data in reports if code == kind and begin_s <= t < end_s]


@pytest.mark.parametrize("make", STREAMS)
def test_a_stream_is_in_order_and_follows_from_its_seed(make):
    first = list(make(NIGHT, 25.0, 1))

    assert first == list(make(NIGHT, 25.0, 1))
    assert first != list(make(NIGHT, 25.0, 2))
    assert all(a <= b for (a, _), (b, _) in pairwise(first))
    assert 0.0 <= first[0][0] < 1.5
    assert first[-1][0] < 25.01


def test_the_truth_is_continuous_and_knows_how_long():
    truth = Truth(NIGHT)

    assert not truth.at(0.0).is_there
    assert truth.at(0.0).gone_for_s == np.inf
    assert truth.at(5.0).x_m == pytest.approx(0.85)
    assert truth.at(5.0).radial_mps < -0.3
    assert truth.at(50.0).since_s == 42.0
    assert truth.at(50.0).there_for_s == 48.0
    assert truth.at(140.0).gone_for_s == 10.0
    assert truth.at(104.0).top_m == pytest.approx(1.62)
    assert truth.at(104.7).top_m == pytest.approx(0.30)
    assert truth.at(8.0 - 1e-6).breath == pytest.approx(truth.at(8.0).breath, abs=1e-3)
    with pytest.raises(
        ValueError, match=r"^spans are in order and do not overlap, unlike RadarSpan"
    ):
        Truth([RESTS, COMES])


def test_r60abd1_tells_presence_bed_and_vitals():
    reports = sip(r60abd1(NIGHT, END_S, 1))

    changes = [(t, data[0]) for t, kind, data in reports if kind == 0x8001]
    assert [value for _, value in changes] == [0, 1, 0]
    assert [t for t, _ in changes[1:]] == pytest.approx([2.6, 160.0], abs=0.3)
    bed = [(t, data[0]) for t, kind, data in reports if kind == 0x8401]
    assert [value for _, value in bed] == [0, 1, 0]
    assert [t for t, _ in bed[1:]] == pytest.approx([13.0, 105.0], abs=0.3)
    assert not values_of(reports, 0x8502, 0.0, 22.0)
    assert not values_of(reports, 0x8102, 100.1)
    heart = [data[0] for data in values_of(reports, 0x8502)]
    assert np.mean(heart) == pytest.approx(71.0, abs=1.0)
    breath = [data[0] for data in values_of(reports, 0x8102)]
    assert np.mean(breath) == pytest.approx(15.0, abs=0.6)
    still = [data[0] for data in values_of(reports, 0x8003, 10.0, 99.0)]
    assert set(still) <= {1, 2, 3, 4}
    assert min(data[0] for data in values_of(reports, 0x8003, 2.1, 7.9)) >= 25
    distance = [int.from_bytes(data, "big") for data in values_of(reports, 0x8004, 20.0, 99.0)]
    assert np.mean(distance) == pytest.approx(102.0, abs=1.5)


def test_r60abd1_waves_carry_the_breath():
    reports = sip(r60abd1(NIGHT, END_S, 1))
    waves = values_of(reports, 0x8105, 30.0, 99.0)
    wave = np.frombuffer(b"".join(waves), np.uint8).astype(float)
    power = np.abs(np.fft.rfft(wave - wave.mean()))

    assert all(len(one) == 5 for one in waves)
    assert wave.mean() == pytest.approx(128.0, abs=6.0)
    assert np.fft.rfftfreq(len(wave), 0.2)[power.argmax()] == pytest.approx(0.25, abs=0.02)
    assert len(values_of(reports, 0x8505)) == len(values_of(reports, 0x8105))


def test_r60abd1_cannot_say_a_heart_below_60_and_says_that_there_is_no_breath():
    slow = RadarSpan(0.0, 60.0, RadarState.STILL, heart_bpm=48.0)
    held = RadarSpan(60.0, 90.0, RadarState.STILL, heart_bpm=48.0, breath_rpm=0.0)
    reports = sip(r60abd1([slow, held], 90.0, 1))

    assert {data[0] for data in values_of(reports, 0x8502)} == {60}
    assert {data[0] for data in values_of(reports, 0x8102, 60.5)} == {0}
    assert [data[0] for data in values_of(reports, 0x8101)] == [4, 1, 4]


def test_who_comes_back_in_time_was_never_absent():
    away = [RadarSpan(0.0, 20.0, RadarState.MOVING), RadarSpan(40.0, 60.0, RadarState.MOVING)]

    assert [d[0] for d in values_of(sip(r60abd1(away, 60.0, 1)), 0x8001)] == [0, 1]


def test_r60afd1_tells_a_fall_late_and_the_end_of_it():
    reports = sip(r60afd1(NIGHT, END_S, 1, fall_after_s=10.0))

    falls = [(t, data[0]) for t, kind, data in reports if kind == 0x8301]
    assert [value for _, value in falls] == [0, 1, 0]
    assert [t for t, _ in falls[1:]] == pytest.approx([114.0, 130.0], abs=0.3)
    assert [data[0] for data in values_of(reports, 0x8305)] == [0, 1, 0]


def test_mr60bha2_counts_its_frames_and_keeps_its_values_when_the_person_leaves():
    reports = tiny(mr60bha2(NIGHT, END_S, 1))

    numbers = [number for _, number, _, _ in reports]
    assert all((b - a) % 0x8000 == 1 for a, b in pairwise(numbers))
    rates = [(t, *struct.unpack("<f", data)) for t, _, kind, data in reports if kind == 0x0A15]
    assert {bpm for t, bpm in rates if t < 68.0} == {0.0}
    assert np.mean([bpm for t, bpm in rates if 69.0 < t < 100.0]) == pytest.approx(71.0, abs=1.5)
    assert len({bpm for t, bpm in rates if t > 101.0}) == 1
    assert rates[-1][1] > 60.0
    distances = [(t, data) for t, _, kind, data in reports if kind == 0x0A16]
    assert {len(data) for t, data in distances if t > 131.0} == {4}
    cm = [struct.unpack("<If", data) for t, data in distances if 20.0 < t < 99.0]
    assert {flag for flag, _ in cm} == {1}
    assert np.mean([far for _, far in cm]) == pytest.approx(102.0, abs=1.0)
    human = [(t, data[0]) for t, _, kind, data in reports if kind == 0x0F09]
    assert {value for t, value in human if 2.1 < t < 144.9} == {1}
    assert {value for t, value in human if t > 145.1} == {0}


def test_mr60bha2_phases_carry_breath_and_heart():
    reports = tiny(mr60bha2(NIGHT, 100.0, 1))
    phases = np.array(
        [struct.unpack("<3f", data) for t, _, kind, data in reports if kind == 0x0A13 and t > 20.0]
    )
    frequency = np.fft.rfftfreq(len(phases), 0.05)
    for column, hz in ((1, 0.25), (2, 71.0 / 60.0)):
        power = np.abs(np.fft.rfft(phases[:, column] - phases[:, column].mean()))
        assert frequency[power.argmax()] == pytest.approx(hz, abs=0.03)
    assert np.abs(phases[:, 0]).max() <= np.pi + 1e-5


def test_ld6002c_tells_presence_fall_and_height():
    reports = tiny(ld6002c(NIGHT, END_S, 1, fall_after_s=15.0, sends_height=True))

    fallen = [t for t, _, kind, data in reports if kind == 0x0E02 and data[0]]
    assert fallen[0] == pytest.approx(119.2, abs=0.3)
    assert fallen[-1] < 130.1
    heights = [(t, *struct.unpack("<f", data)) for t, _, kind, data in reports if kind == 0x0E0E]
    assert np.mean([m for t, m in heights if 106.0 < t < 129.0]) == pytest.approx(0.3, abs=0.05)
    assert {m for t, m in heights if t > 131.0} == {0.0}
    assert 0x0E0E not in {kind for _, _, kind, _ in tiny(ld6002c(NIGHT, 30.0, 1))}


def test_ld2450_tracks_who_moves_and_loses_who_rests():
    frames = list(ld2450(NIGHT, END_S, 1))

    assert {len(frame) for _, frame in frames} == {30}
    assert {frame[:4] + frame[-2:] for _, frame in frames} == {b"\xaa\xff\x03\x00\x55\xcc"}
    near = next(frame for t, frame in frames if t > 5.0)
    x, y, speed, resolution = struct.unpack_from("<4H", near, 4)
    assert (x & 0x8000, y & 0x8000, speed & 0x8000) == (0x8000, 0x8000, 0)
    assert (x & 0x7FFF, y & 0x7FFF) == pytest.approx((850, 2000), abs=150)
    assert speed == pytest.approx(39, abs=3)
    assert resolution == 360
    assert {frame[4:28] for t, frame in frames if 29.0 < t < 99.0} == {bytes(24)}


def test_ld2410_has_the_distance_of_who_rests_in_the_field_for_movement():
    frames = list(ld2410(NIGHT, END_S, 1))

    assert {len(frame) for _, frame in frames} == {23}
    rest = next(frame for t, frame in frames if t > 50.0)
    state, move_cm, energy, still_cm, _, detect_cm = struct.unpack_from("<BHBHBH", rest, 8)
    assert (state, energy, still_cm, detect_cm) == (2, 0, 0, 0)
    assert move_cm == pytest.approx(102, abs=12)
    states = [frame[8] for t, frame in frames]
    assert [b for a, b in pairwise([-1, *states]) if a != b] == [0, 3, 2, 3, 2, 0]


def test_iwr6843_heights_drop_in_a_fall():
    frames = ti(iwr6843(NIGHT, 135.0, 1))

    assert [number for _, number, _, _ in frames] == list(range(1, len(frames) + 1))
    heights = {t: struct.unpack("<I2f", tlvs[1012]) for t, _, _, tlvs in frames if 1012 in tlvs}
    assert min(heights) == pytest.approx(2.5, abs=0.1)
    assert max(heights) < 130.1
    assert np.mean([h[1] for t, h in heights.items() if 103.0 < t < 103.9]) > 1.5
    assert np.mean([h[1] for t, h in heights.items() if 104.8 < t < 129.0]) < 0.4
    for t, _, _, tlvs in frames:
        if 1010 in tlvs:
            target = struct.unpack("<I27f", tlvs[1010])
            if 20.0 < t < 90.0:
                assert target[1:3] == pytest.approx((0.2, 1.0), abs=0.25)
    assert {tlvs[1021] for t, _, _, tlvs in frames if t < 2.0} == {bytes(4)}


def test_iwr6843_points_lie_on_the_person_in_both_forms():
    moving = [RadarSpan(0.0, 20.0, RadarState.MOVING, (0.5, 2.0))]
    packed = ti(iwr6843(moving, 10.0, 1))
    plain = ti(iwr6843(moving, 10.0, 1, is_compressed=False))

    def middle(points):
        return np.median(np.vstack(points), axis=0)

    rooms = middle([np.frombuffer(t[1], "<f4").reshape(-1, 4) for *_, t in plain if 1 in t])
    assert rooms[:2] == pytest.approx((0.5, 2.0), abs=0.1)
    polar = []
    for _, _, count, tlvs in packed:
        if 1020 not in tlvs:
            continue
        units = np.frombuffer(tlvs[1020][:20], "<f4")
        rows = list(struct.iter_unpack("<bbhHH", tlvs[1020][20:]))
        assert len(rows) == count
        polar.append(np.array(rows) * units)
    points = np.vstack(polar)
    ahead = points[:, 3] * np.cos(points[:, 0]) * np.cos(points[:, 1])
    aside = points[:, 3] * np.cos(points[:, 0]) * np.sin(points[:, 1])
    above = points[:, 3] * np.sin(points[:, 0])
    y = ahead * np.cos(TILT_RAD) + above * np.sin(TILT_RAD)
    z = above * np.cos(TILT_RAD) - ahead * np.sin(TILT_RAD) + MOUNT_M
    assert np.median(aside) == pytest.approx(0.5, abs=0.1)
    assert np.median(y) == pytest.approx(2.0, abs=0.15)
    assert 0.5 < np.median(z) < 1.1


def test_iwr6843_index_belongs_to_the_points_of_the_frame_before():
    frames = ti(iwr6843([RadarSpan(0.0, 20.0, RadarState.MOVING)], 10.0, 1))
    checked = 0
    for (_, _, points, _), (_, _, _, tlvs) in pairwise(frames):
        if 1011 in tlvs:
            assert len(tlvs[1011]) == points
            assert set(tlvs[1011]) <= {0, 255}
            checked += 1
    assert checked > 100
