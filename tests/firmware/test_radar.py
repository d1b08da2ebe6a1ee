"""Radars of every family in the VM: what the agent gets, and a fall with nobody listening."""

import json
import struct
from itertools import pairwise

import numpy as np
import pytest

from edge_agent.simulator.sensors import radar_hilink, radar_sip, radar_tinyframe
from edge_agent.simulator.sensors.radar import RadarSpan, RadarState
from firmware.radar_watch import BED, BREATH, HEART, MOTION, RADAR
from protocol import quantities
from protocol.messages import (
    Command,
    CommandKind,
    Event,
    EventKind,
    Hello,
    Inventory,
    Result,
    Samples,
    Stage,
    Status,
)
from protocol.sensors import sip, tinyframe
from tests.firmware.vm import needs_vm

pytestmark = [pytest.mark.vm, needs_vm]

WALKS_AND_SLEEPS = [
    RadarSpan(5, 20, RadarState.MOVING, (0.0, 0.5), (0.5, 1.0)),
    RadarSpan(20, 130, RadarState.STILL, (0.5, 1.0), in_bed=True, breath_rpm=14, heart_bpm=66),
]
FALLS = [
    RadarSpan(5, 20, RadarState.MOVING, (0.0, 0.5), (0.5, 1.0)),
    RadarSpan(20, 50, RadarState.FALLEN, (0.5, 1.0)),
    RadarSpan(50, 70, RadarState.MOVING, (0.5, 1.0), (0.0, 0.5)),
]


def in_mode(kind, data):
    return sip.encode_query(kind).hex(), sip.encode(kind >> 8, kind & 0xFF | 0x80, data).hex()


def told(unit, channel):
    """Return the values of a channel without those that repeat the last one."""
    values = [value for _, value in unit.readings(channel)]
    return values[:1] + [after for before, after in pairwise(values) if after != before]


def test_a_bed_radar_tells_presence_bed_and_rates_once_a_second_and_no_more_when_alone(make_unit):
    unit = make_unit(profile="room", radar="r60abd1")
    unit.add_radar(radar_sip.r60abd1(WALKS_AND_SLEEPS, 200, 1))
    unit.start()
    unit.advance(200_000)
    assert told(unit, RADAR) == [0, 1, 0]
    assert told(unit, MOTION) == [0, 1, 0]
    assert told(unit, BED) == [0, 1, 0]
    for channel, low, high in ((HEART, 60, 73), (BREATH, 10, 18)):
        rates = unit.readings(channel)
        assert len(rates) > 25
        assert all(low <= value <= high for _, value in rates)
        assert min(b - a for (a, _), (b, _) in pairwise(rates)) >= 1000
        assert rates[-1][0] < 133_000
    repeats = [at_ms for at_ms, _ in unit.readings(RADAR)]
    assert max(b - a for a, b in pairwise(repeats)) <= 15_100
    assert not unit.kinds()
    assert unit.of(Status)[-1].flags == 0


def test_rates_that_a_module_keeps_when_the_person_has_left_end_with_presence(make_unit):
    unit = make_unit(profile="room", radar="mr60bha2")
    unit.add_radar(radar_tinyframe.mr60bha2(WALKS_AND_SLEEPS, 200, 1))
    unit.start()
    unit.advance(200_000)
    assert told(unit, RADAR) == [0, 1, 0]
    rates = unit.readings(HEART)
    assert len(rates) > 30
    assert min(b - a for (a, _), (b, _) in pairwise(rates)) >= 900  # on the beat of 100 ms
    assert rates[-1][0] < 146_000  # it says so 15 s after the person left


def test_tracks_of_an_ld2450_come_at_the_rate_of_its_frames(make_unit):
    unit = make_unit(profile="room", radar="ld2450")
    spans = [RadarSpan(5, 40, RadarState.MOVING, (-1.0, 1.0), (1.0, 3.0))]
    unit.add_radar(radar_hilink.ld2450(spans, 60, 1))
    unit.start()
    unit.advance(60_000)
    blocks = unit.samples(quantities.RADAR_TRACK.code)
    assert {(b.channel, b.axes, b.period_us) for b in blocks} == {(RADAR, 12, 100_000)}
    assert sum(block.count for block in blocks) >= 500
    lost = sum(b.index - a.index - a.count for a, b in pairwise(blocks))
    assert lost <= 3
    for before, after in pairwise(blocks):
        assert after.index >= before.index + before.count
        assert after.uptime_ms >= before.uptime_ms
    times = np.concatenate([b.uptime_ms + 100 * np.arange(b.count) for b in blocks]) / 1000
    rows = np.concatenate([np.frombuffer(b.data, "<i2").reshape(-1, 12) for b in blocks])
    walking = (times > 10) & (times < 38)
    truth = -1.0 + 2.0 * (times - 5) / 35
    assert np.abs(rows[walking, 0] / 1000 - truth[walking]).max() < 0.15
    assert (rows[walking, 2] == -0x8000).all()  # no height
    assert (rows[times > 42] == -0x8000).all()  # and nobody
    assert told(unit, RADAR)[:2] == [0, 1]
    assert not unit.kinds()


def test_a_presence_radar_tells_motion(make_unit):
    unit = make_unit(profile="bathroom", radar="ld2410")
    unit.add_radar(radar_hilink.ld2410(FALLS, 90, 1))
    unit.start()
    unit.advance(90_000)
    assert told(unit, RADAR) == [0, 1, 0]
    assert told(unit, MOTION) == [0, 1, 0, 1, 0]
    assert not unit.samples(quantities.RADAR_TRACK.code)
    assert not unit.kinds()


@pytest.mark.parametrize("product", ["r60afd1", "ld6002c", "mr60fda2"])
def test_a_fall_flag_lights_within_a_second_and_is_an_event_with_its_time(make_unit, product):
    stream = radar_sip.r60afd1 if product == "r60afd1" else radar_tinyframe.ld6002c
    unit = make_unit(profile="bathroom", radar=product, radar_height_m=2.4)
    unit.add_radar(stream(FALLS, 90, 1, fall_after_s=10))
    unit.start()
    unit.advance(90_000)
    (seen, over) = unit.of(Event)
    assert (seen.kind, seen.channel, seen.value) == (EventKind.FALL_SEEN, RADAR, 1)
    assert (over.kind, over.channel, over.value) == (EventKind.FALL_OVER, RADAR, 1)
    assert 30_000 <= seen.uptime_ms <= 31_000
    assert 50_000 <= over.uptime_ms <= 51_000
    lit = next(t for t, pin, value in unit.outputs() if (pin, value) == ("light", 1))
    sounded = next(t for t, pin, value in unit.outputs() if (pin, value) == ("buzzer", 1))
    assert 30_000 <= lit <= 31_000
    assert 30_000 <= sounded <= 31_000
    unit.session.acknowledge(seen.boot_id, seen.seq, Stage.ENDED)
    unit.serve()
    unit.advance(1_000)
    assert unit.outputs()[-1][2] == 0


def test_a_fall_with_no_agent_and_a_full_backlog_lights_and_outlives_a_power_cut(make_unit):
    unit = make_unit(profile="bathroom", radar="ld6002c", backlog_events=64)
    steps = [[0, 0.5]]
    for k in range(40):  # 80 events of the cord before the fall
        steps += [[1000 + 400 * k, 0.99], [1200 + 400 * k, 0.5]]
    unit.host["adc"]["cord"]["steps"] = steps
    unit.add_radar(radar_tinyframe.ld6002c(FALLS, 60, 1, fall_after_s=10))
    unit.listening = False
    unit.start()
    unit.advance(35_000)
    lit = [t for t, pin, value in unit.outputs() if (pin, value) == ("light", 1)]
    assert 30_000 <= lit[0] <= 31_000
    unit.kill()
    unit.host["adc"]["cord"]["steps"] = [[0, 0.5]]
    unit.add_radar([])
    unit.listening = True
    unit.start()
    unit.advance(30_000)
    falls = [one for one in unit.of(Event) if one.kind == EventKind.FALL_SEEN]
    assert falls
    assert 30_000 <= falls[0].uptime_ms <= 31_000
    assert len({one.boot_id for one in unit.of(Event)}) <= 2


def test_a_fall_flag_that_stands_at_the_start_is_raised(make_unit):
    unit = make_unit(profile="room", radar="ld6002c")
    unit.add_radar([(0.5 * k, tinyframe.encode(0x0E02, b"\x01", k)) for k in range(20)])
    unit.start()
    unit.advance(5_000)
    assert unit.kinds() == [EventKind.FALL_SEEN]
    assert unit.outputs()[0][0] <= 1_000


def test_a_fall_flag_that_flickers_is_one_fall(make_unit):
    unit = make_unit(profile="room", radar="ld6002c")
    frames = [(0.5 * k, tinyframe.encode(0x0E02, bytes((k % 2,)), k)) for k in range(60)]
    unit.add_radar(frames + [(30 + k, tinyframe.encode(0x0E02, b"\x00", 60 + k)) for k in range(9)])
    unit.start()
    unit.advance(45_000)
    assert unit.kinds() == [EventKind.FALL_SEEN, EventKind.FALL_OVER]


def test_noise_and_cut_frames_do_not_hide_a_fall(make_unit):
    unit = make_unit(profile="bathroom", radar="ld6002c")
    chance = np.random.default_rng(3)
    frames = []
    for t, frame in radar_tinyframe.ld6002c(FALLS, 60, 1, fall_after_s=10):
        draw = chance.random()
        if draw < 0.15:
            frame = frame[: chance.integers(len(frame))]
        elif draw < 0.3:
            frame = chance.bytes(chance.integers(1, 300)) + frame
        frames.append((t, frame))
    unit.add_radar(frames)
    unit.start()
    unit.advance(45_000)
    assert unit.kinds()[0] == EventKind.FALL_SEEN
    status = unit.of(Status)[-1]
    assert status.overruns > 10
    assert not status.flags & ~16


def test_a_module_that_falls_silent_is_restarted_told_and_told_when_it_is_back(make_unit):
    unit = make_unit(profile="room", radar="r60afd1")
    reset = sip.encode_command("reset", 15)
    frames = [*radar_sip.r60afd1(WALKS_AND_SLEEPS, 25, 1)]
    frames += [(t + 60, frame) for t, frame in radar_sip.r60afd1(WALKS_AND_SLEEPS, 60, 1)]
    unit.add_radar(frames)
    unit.start()
    unit.advance(50_000)
    assert unit.kinds() == [EventKind.SENSOR_FAULT]
    fault = unit.of(Event)[0]
    assert (fault.channel, fault.value) == (RADAR, quantities.RADAR_TRACK.code)
    assert 33_000 <= fault.uptime_ms <= 36_000
    assert unit.of(Status)[-1].flags == 8
    assert 2 <= [frame for _, frame in unit.written()].count(reset) <= 3
    states = len(unit.readings(RADAR))
    unit.advance(9_000)
    assert len(unit.readings(RADAR)) == states  # a silent module says nothing of a person
    unit.advance(60_000)
    assert unit.kinds() == [EventKind.SENSOR_FAULT, EventKind.SENSOR_RESTORED]
    assert unit.of(Status)[-1].flags == 0


def test_a_module_that_repeats_itself_is_stuck(make_unit):
    unit = make_unit(profile="room", radar="ld2450")
    walk = [RadarSpan(0, 60, RadarState.MOVING, (-1.0, 1.0), (1.0, 3.0))]
    frames = [*radar_hilink.ld2450(walk, 20, 1)]
    frames += [(20 + 0.1 * k, frames[-1][1]) for k in range(450)]
    frames += [(t + 65, frame) for t, frame in radar_hilink.ld2450(walk, 20, 2)]
    unit.add_radar(frames)
    unit.start()
    unit.advance(80_000)
    (stuck, free) = unit.of(Event)
    assert (stuck.kind, stuck.channel, stuck.value) == (EventKind.SENSOR_STUCK, RADAR, 30)
    assert (free.kind, free.channel) == (EventKind.SENSOR_FREE, RADAR)
    assert 43 <= free.value <= 47
    assert 49_000 <= stuck.uptime_ms <= 52_000


def test_a_board_without_the_line_says_so(make_unit):
    unit = make_unit(profile="room", radar="ld2450", input_10="pir")
    unit.start()
    unit.advance(3_000)
    assert [(one.kind, one.channel) for one in unit.of(Event)] == [
        (EventKind.SENSOR_FAULT, RADAR),
        (EventKind.SENSOR_FAULT, 10),
    ]
    assert unit.process.poll() is None


def test_the_version_of_the_module_is_in_the_inventory_once_it_has_told_it(make_unit):
    unit = make_unit(profile="room", radar="r60afd1", input_10="reed")
    unit.host["pins"]["input_10"] = {"steps": [[0, 0]]}
    version = sip.encode(0x02, 0xA4, b"SFD1.SY-01.02.07").hex()
    answers = {sip.encode_query(0x02A4).hex(): version}
    unit.add_radar(radar_sip.r60afd1([], 10, 1), answers=answers)
    unit.start()
    unit.advance(5_000)
    inventory = json.loads(unit.of(Inventory)[-1].text)
    assert inventory["profile"] == "room"
    assert inventory["parts"] == [
        [RADAR, "radar", "r60afd1", 0, "SFD1.SY-01.02.07"],
        [10, "reed", "input", 0],
    ]
    assert len(unit.of(Hello)) == 1


STREAMS = {
    "r60abd1": radar_sip.r60abd1,
    "r60afd1": radar_sip.r60afd1,
    "mr60bha2": radar_tinyframe.mr60bha2,
    "ld6002c": radar_tinyframe.ld6002c,
    "ld2410": radar_hilink.ld2410,
    "ld2450": radar_hilink.ld2450,
}


@pytest.mark.parametrize("product", STREAMS)
def test_every_radar_fits_the_heap_with_ten_inputs(make_unit, product):
    chosen = {f"input_{channel}": "pir" for channel in range(10, 20)}
    unit = make_unit(profile="bathroom", radar=product, radar_range_m=2, **chosen)
    unit.level = 3  # as a board runs it
    for channel in range(10, 20):
        unit.host["pins"][f"input_{channel}"] = {"steps": [[0, 0], [5000, 1], [9000, 0]]}
    unit.host["adc"]["cord"]["steps"] = [[0, 0.5], [30_000, 0.25], [31_000, 0.5]]
    unit.add_radar(STREAMS[product](WALKS_AND_SLEEPS, 120, 1))
    unit.listening = False
    unit.start()
    unit.advance(80_000)
    unit.listening = True
    unit.advance(40_000)
    status = unit.of(Status)[-1]
    assert status.flags == 16, unit.explain()
    assert status.heap_low > 16_000
    assert EventKind.CALL_PRESSED in unit.kinds()
    assert "Error" not in unit.stderr.read_text()


def test_a_noisy_point_cloud_neither_fills_the_heap_nor_hides_the_fall(make_unit):
    """A ceiling radar's point clouds at 10 kB/s are skipped, not decoded."""
    unit = make_unit(profile="bathroom", radar="ld6002c")
    rows = struct.pack("<i4f", 1, 0.1, 0.2, 0.3, 0.0) * 45
    cloud = tinyframe.encode(0x0A08, struct.pack("<I", 45) + rows)
    frames = [(0.1 * k, cloud) for k in range(300)]
    frames += [(0.5 * k + 0.05, tinyframe.encode(0x0E02, bytes((k > 30,)))) for k in range(60)]
    unit.add_radar(sorted(frames))
    unit.start()
    unit.advance(30_000)
    assert unit.kinds() == [EventKind.FALL_SEEN]
    assert unit.of(Status)[-1].heap_low > 16_000
    assert not unit.of(Samples)


def test_a_fall_that_nobody_has_stored_lights_again_after_a_power_cut_and_is_kept(make_unit):
    unit = make_unit(profile="bathroom", radar="ld6002c", backlog_events=64)
    steps = [[0, 0.5]]
    for k in range(80):  # 160 events of the cord after the fall
        steps += [[35_000 + 400 * k, 0.99], [35_200 + 400 * k, 0.5]]
    unit.host["adc"]["cord"]["steps"] = steps
    unit.add_radar(radar_tinyframe.ld6002c(FALLS, 90, 1, fall_after_s=10))
    unit.listening = False
    unit.start()
    unit.advance(80_000)
    unit.kill()
    unit.outputs_path.unlink()
    unit.host["adc"]["cord"]["steps"] = [[0, 0.5]]
    unit.add_radar([])
    unit.start()
    unit.advance(1_000)
    assert unit.outputs()[0][0] <= 1_000
    unit.listening = True
    unit.advance(10_000)
    assert unit.kinds()[0] == EventKind.FALL_SEEN


def test_the_self_test_tells_the_radar_and_a_command_starts_it_anew(make_unit):
    unit = make_unit(profile="room", radar="r60afd1")
    unit.add_radar(radar_sip.r60afd1(FALLS, 90, 1))
    unit.start()
    unit.advance(5_000)
    unit.session.send(Command(1, CommandKind.SELF_TEST))
    unit.session.send(Command(2, CommandKind.SENSOR_RESET, bytes((RADAR,))))
    unit.serve()
    unit.advance(2_000)
    results = [(one.number, one.status, one.text) for one in unit.of(Result)]
    assert results == [(1, 0, "radar ok, flash ok"), (2, 0, "")]
    assert sip.encode_command("reset", 15) in [frame for _, frame in unit.written()]
