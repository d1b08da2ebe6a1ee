"""Tracks of a radar become falls; two sources of one fall are one alarm, surer."""

import numpy as np
import pytest

from edge_agent.alarm.alarm import AgentStamp, State
from edge_agent.alarm.policy import Policy
from edge_agent.alarm.table import AlarmTable, Identity
from edge_agent.clock import Instant, Quality
from edge_agent.config.file import Config
from edge_agent.config.home import HomeConfig, PlaceConfig, UnitConfig
from edge_agent.home.cause import Cause
from edge_agent.home.home import Home
from edge_agent.pipeline.pipeline import Pipeline
from edge_agent.unit import Received
from protocol.messages import Event, EventKind, Hello, Samples
from protocol.quantities import RADAR_TRACK

pytestmark = pytest.mark.fast

BOOT = b"bootboot"
UTC_S = 1_795_400_000.0
FRAME_S = 0.1
ABSENT = -32768


def at(second: float) -> Instant:
    return Instant(1000.0 + second, UTC_S + second, Quality.NTP)


def make() -> Pipeline:
    config = Config(
        home=HomeConfig(region="640302001001", home="h1"),
        place=[PlaceConfig(id="bath", zh="卫生间", en="bathroom")],
        unit=[
            UnitConfig(id="radar", port="x", place="bath", person="p1", source="radar"),
            UnitConfig(id="pendant", port="y", place="bath", person="p1", source="pendant"),
        ],
    )
    pipeline = Pipeline(config, Home(config), "boot", at(0))
    for unit in ("radar", "pendant"):
        hello = Hello(unit, BOOT, 1, b"n" * 8, uptime_ms=0)
        pipeline.take(Received(unit, hello, 1000.0), at(0))
    return pipeline


def play(pipeline: Pipeline, heights: np.ndarray) -> list[Cause]:
    """A person who stays 2 m ahead of the radar, with these heights, a frame each."""
    random = np.random.default_rng(1)
    causes = []
    for i, height in enumerate(heights):
        x, y = random.normal(0.0, 0.03), 2.0 + random.normal(0.0, 0.03)
        speed = random.normal(0.0, 0.05)
        target = [round(1000 * value) for value in (x, y, height, speed)]
        data = np.array(target + [ABSENT] * 8, dtype="<i2").tobytes()
        block = Samples(RADAR_TRACK.code, 5, round(1000 * i * FRAME_S), i, 100_000, 0.001, 12, data)
        second = i * FRAME_S + 0.05
        causes += pipeline.take(Received("radar", block, 1000.0 + second), at(second))
        if i % 5 == 0:
            causes += pipeline.tick(at(second))
    return [one for one in causes if isinstance(one, Cause)]


def heights_of_a_fall(walk_s: float = 6.0, lie_s: float = 6.0) -> np.ndarray:
    random = np.random.default_rng(2)
    upright = np.full(round(walk_s / FRAME_S), 1.6)
    drop = np.linspace(1.6, 0.25, 7)
    lying = np.full(round(lie_s / FRAME_S), 0.25)
    heights = np.concatenate([upright, drop, lying])
    return heights + random.normal(0.0, 0.03, len(heights))


def test_a_fall_in_the_tracks_is_raised_within_15_s_of_reaching_the_floor():
    (cause,) = play(make(), heights_of_a_fall())

    assert (cause.condition, cause.source, cause.place[0]) == ("fall", "radar", "bath")
    assert cause.onset_utc_s == pytest.approx(UTC_S + 6.5, abs=1.0)


def test_sitting_down_and_a_silent_radar_raise_nothing():
    heights = np.concatenate([np.full(60, 1.6), np.linspace(1.6, 1.1, 15), np.full(100, 1.1)])
    pipeline = make()

    assert play(pipeline, heights) == []
    assert [one for one in pipeline.tick(at(60)) if isinstance(one, Cause)
            and one.condition == "fall"] == []  # fmt: skip


def test_a_fall_that_ends_in_a_reboot_is_decided():
    pipeline = make()
    assert play(pipeline, heights_of_a_fall(lie_s=0.3)) == []
    hello = Hello("radar", b"nextboot", 2, b"n" * 8, uptime_ms=100)
    found = pipeline.take(Received("radar", hello, 1010.0), at(10))

    assert [one.condition for one in found if isinstance(one, Cause)] == ["fall"]


def test_a_fall_that_two_units_see_is_one_alarm_confirmed_by_the_second():
    pipeline = make()
    identity = Identity("640302001001", "h1", AgentStamp("s", "0"), "boot")
    table = AlarmTable(identity, Policy(), lambda count: bytes(count))
    (first,) = play(pipeline, heights_of_a_fall())
    alarm, _ = table.report(first, at(8))
    flag = Event(BOOT, 1, EventKind.FALL_SEEN, 6, 9000)
    (second,) = pipeline.take(Received("pendant", flag, 1009.0), at(9))
    again, (change,) = table.report(second, at(9))

    assert again.alarm_id == alarm.alarm_id
    assert change.alarm.last.state is State.CONFIRMED
    assert change.alarm.last.evidence["sources"] == 2.0
    assert change.alarm.last.source == "radar+pendant"
