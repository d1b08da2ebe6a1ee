"""Which reports of sensors are changes, and which sensors are believed."""

import pytest

from edge_agent.home.sign import Kind, Sign
from edge_agent.home.sources import (
    CHATTER_H,
    MOST_SOURCES,
    QUIET_H,
    Sources,
    is_believed,
    is_change,
    moved_to,
    see,
)

pytestmark = pytest.mark.fast


def sign(hour: float, kind: Kind = Kind.MOTION, source: str = "s", active: bool = True) -> Sign:
    return Sign(3600 * hour, source, kind, "hall", active)


def hourly(hours: int) -> Sources:
    sources: Sources = {}
    for hour in range(hours):
        sources = see(sources, sign(hour + 0.5))
    return sources


@pytest.mark.parametrize("kind", list(Kind))
def test_a_pulse_is_a_change_each_time_and_a_level_once(kind: Kind):
    sources = see({}, sign(1.0, kind))
    is_pulse = kind in (Kind.MOTION, Kind.USE)

    assert is_change({}, sign(1.0, kind))
    assert is_change(sources, sign(1.1, kind)) is is_pulse
    assert is_change(sources, sign(1.1, kind, active=False)) is not is_pulse


def test_a_day_and_night_without_an_hour_of_rest_is_chatter():
    assert is_believed(hourly(CHATTER_H - 1), sign(0))
    assert not is_believed(hourly(CHATTER_H), sign(0))


def test_one_hour_of_rest_begins_the_run_anew():
    sources = hourly(CHATTER_H - 1)
    for hour in range(CHATTER_H, 2 * CHATTER_H - 1):
        sources = see(sources, sign(hour + 0.5))
    assert is_believed(sources, sign(0))


def test_what_chattered_is_believed_again_after_being_quiet():
    sources = hourly(CHATTER_H)
    assert not is_believed(see(sources, sign(CHATTER_H + QUIET_H - 2)), sign(0))
    assert is_believed(see(sources, sign(CHATTER_H + QUIET_H)), sign(0))


def test_a_reboot_does_not_make_a_chatterer_believed():
    sources = moved_to(hourly(CHATTER_H), 10.0, 3600.0 * 5)
    assert not is_believed(see(sources, sign(5.5)), sign(0))


def test_one_source_too_many_is_not_believed_and_not_kept():
    sources: Sources = {}
    for i in range(MOST_SOURCES + 10):
        sources = see(sources, sign(1.0, source=f"s{i}"))
    assert len(sources) == MOST_SOURCES
    assert not is_believed(sources, sign(1.0, source="one more"))


def test_the_same_minute_changes_nothing():
    sources = see({}, sign(1.0))
    assert see(sources, sign(1.01)) is sources
