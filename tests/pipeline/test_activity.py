"""Contacts, PIRs and beds become signs of life; what is too long becomes a cause."""

import pytest

from edge_agent.clock import Instant, Quality
from edge_agent.config.file import Config
from edge_agent.config.home import HomeConfig, InputConfig, PlaceConfig, UnitConfig
from edge_agent.home.cause import Cause, Over
from edge_agent.home.home import Home
from edge_agent.pipeline.pipeline import Pipeline
from edge_agent.unit import Received
from protocol.messages import Event, EventKind, Hello, Reading
from protocol.quantities import CONTACT

pytestmark = pytest.mark.fast

BOOT = b"bootboot"
UTC_S = 1_795_406_400.0 - 8 * 3600
"""Midnight in Shanghai."""
HOUR_S = 3600.0
DOOR, HALL, BATH = 10, 11, 12


def at(second: float) -> Instant:
    return Instant(1000.0 + second, UTC_S + second, Quality.NTP)


def make(now: Instant) -> Pipeline:
    config = Config(
        home=HomeConfig(region="640302001001", home="h1"),
        place=[
            PlaceConfig(id="hall", zh="门厅", en="hall"),
            PlaceConfig(id="bath", zh="卫生间", en="bathroom", stay=True),
        ],
        unit=[
            UnitConfig(
                id="u1",
                port="x",
                place="hall",
                person="p1",
                input=[
                    InputConfig(channel=DOOR, kind="front_door"),
                    InputConfig(channel=HALL, kind="motion"),
                    InputConfig(channel=BATH, kind="motion", place="bath"),
                ],
            )
        ],
    )
    pipeline = Pipeline(config, Home(config), "boot", now)
    hello = Hello("u1", BOOT, 1, b"n" * 8, uptime_ms=round(1000 * now.monotonic_s - 1e6))
    pipeline.take(Received("u1", hello, now.monotonic_s), now)
    return pipeline


def seen(pipeline: Pipeline, channel: int, second: float, value: float = 1.0):
    message = Reading(CONTACT.code, channel, round(1000 * second), value)
    return pipeline.take(Received("u1", message, 1000.0 + second), at(second))


def wait(pipeline: Pipeline, first_s: float, last_s: float, step_s: float = 60.0) -> list:
    """Tick on, and return the causes and their ends; the unit speaks all the time."""
    found = []
    second = first_s
    while second <= last_s:
        found += [one for one in pipeline.tick(at(second)) if isinstance(one, Cause | Over)]
        second += step_s
    return [one for one in found if one.condition not in ("protection_lost", "unit_lost")]


def test_a_long_stay_is_told_with_its_room_and_ends_elsewhere():
    pipeline = make(at(9 * HOUR_S))
    seen(pipeline, BATH, 0.0)
    for minute in range(1, 9):  # whoever lies there moves
        assert seen(pipeline, BATH, 9 * HOUR_S + 60.0 * minute, 0.0) == []
        assert seen(pipeline, BATH, 9 * HOUR_S + 60.0 * minute + 5, 1.0) == []
    (cause,) = wait(pipeline, 9 * HOUR_S + 600, 10 * HOUR_S)
    (over,) = [
        one for one in (*seen(pipeline, HALL, 10 * HOUR_S), *seen(pipeline, HALL, 10 * HOUR_S + 40))
        if isinstance(one, Over)
    ][:1]  # fmt: skip

    assert (cause.condition, cause.place[0], cause.person) == ("bathroom_stay", "bath", "p1")
    assert cause.evidence["limit_s"] == 1800.0
    assert (over.condition, over.subject) == ("bathroom_stay", "p1")


def test_a_silent_home_is_told_within_the_limit_and_a_press_ends_it():
    pipeline = make(at(9 * HOUR_S))
    seen(pipeline, HALL, 9 * HOUR_S)
    (cause,) = wait(pipeline, 9 * HOUR_S, 18 * HOUR_S, 600.0)
    found = pipeline.take(
        Received("u1", Event(BOOT, 1, EventKind.CALL_PRESSED, 3, 1000), 1000.0), at(18 * HOUR_S)
    )

    assert (cause.condition, cause.person, cause.unit) == ("inactivity", "p1", None)
    assert 7.9 * HOUR_S < cause.evidence["silent_s"] <= 8.2 * HOUR_S  # the first weeks' limit
    assert [one.condition for one in found] == ["call", "inactivity"]
    assert isinstance(found[1], Over)


def test_a_silence_goes_on_over_a_restart():
    before = make(at(9 * HOUR_S))
    seen(before, HALL, 9 * HOUR_S)
    wait(before, 9 * HOUR_S, 13 * HOUR_S, 600.0)
    after = make(at(13 * HOUR_S))
    after.restore(before.facts() | {"stay:bath": b"{"}, at(13 * HOUR_S))
    (cause,) = wait(after, 13 * HOUR_S, 18 * HOUR_S, 600.0)

    assert cause.condition == "inactivity"
    assert cause.evidence["silent_s"] <= 8.2 * HOUR_S


def test_an_input_that_nobody_configured_is_no_sign():
    pipeline = make(at(9 * HOUR_S))
    seen(pipeline, HALL, 9 * HOUR_S)
    for hour in range(10, 18):
        assert seen(pipeline, 99, hour * HOUR_S) == []
    (cause,) = wait(pipeline, 17 * HOUR_S, 18 * HOUR_S, 600.0)
    assert cause.condition == "inactivity"
