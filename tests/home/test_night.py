"""What is told of a night in bed."""

import msgspec
import pytest

from edge_agent.clock import Instant, Quality
from edge_agent.home.night import MOST_SPANS, Night, NightSummary

pytestmark = pytest.mark.fast

NOON_UTC_S = 1_795_392_000.0 + 4 * 3600
"""12:00 in Shanghai."""
HOUR_S = 3600.0


def at(hour: float, quality: Quality = Quality.NTP) -> Instant:
    return Instant(hour * HOUR_S, NOON_UTC_S + hour * HOUR_S, quality)


def slept(*edges_h: float) -> Night:
    """Return a night with the bed entered and left in turn, in hours from noon."""
    night = Night()
    for i, hour in enumerate(edges_h):
        night.note(i % 2 == 0, NOON_UTC_S + hour * HOUR_S)
    return night


def test_a_night_with_an_exit_is_told_after_noon_once():
    night = slept(10.0, 14.0, 14.25, 19.0)
    assert night.take_due(at(23.9)) is None
    assert night.take_due(at(24.1)) == NightSummary(
        begin_utc_s=NOON_UTC_S + 10 * HOUR_S,
        end_utc_s=NOON_UTC_S + 19 * HOUR_S,
        in_bed_s=8.75 * HOUR_S,
        exits=1,
        longest_absence_s=0.25 * HOUR_S,
        restless=0,
    )
    assert night.take_due(at(24.2)) is None


def test_turning_over_is_restlessness_and_no_exit():
    night = slept(10.0, 12.0, 12.0 + 20 / 3600, 19.0)
    summary = night.take_due(at(25.0))
    assert summary is not None
    assert (summary.exits, summary.restless) == (0, 1)
    assert summary.in_bed_s == pytest.approx(9 * HOUR_S)


def test_a_nap_is_not_part_of_the_night():
    summary = slept(2.0, 3.0, 10.0, 18.0).take_due(at(25.0))
    assert summary is not None
    assert summary.begin_utc_s == NOON_UTC_S + 10 * HOUR_S
    assert summary.exits == 0


def test_who_is_still_in_bed_at_noon_is_in_both_nights():
    night = slept(10.0)
    first = night.take_due(at(24.5))
    night.note(False, NOON_UTC_S + 25 * HOUR_S)
    second = night.take_due(at(49.0))
    assert first is not None
    assert first.end_utc_s == NOON_UTC_S + 24 * HOUR_S
    assert second is not None
    assert second.in_bed_s == pytest.approx(HOUR_S)


def test_a_bed_nobody_was_in_has_nothing_to_tell():
    night = Night()
    night.note(False, NOON_UTC_S)
    assert night.take_due(at(30.0)) is None


def test_the_fact_outlives_a_restart_and_is_bounded():
    night = slept(*(i * 0.02 for i in range(1001)))
    assert night.fact is not None
    assert len(night.fact.spans) == MOST_SPANS
    again = Night()
    again.restore(msgspec.json.encode(night.fact))
    assert again.fact == night.fact
    assert again.take_due(at(25.0)) == night.take_due(at(25.0))


@pytest.mark.parametrize("hour", [24.0 * 21 + 1, -24.0 * 21])
def test_a_clock_jump_tells_no_more_than_the_night(hour: float):
    night = slept(10.0, 19.0)
    first = night.take_due(at(hour))
    assert (first is not None) == (hour > 0)
    assert night.take_due(at(hour + 24)) is None


def test_nothing_is_told_on_a_clock_that_is_not_trusted():
    night = slept(10.0, 19.0)
    assert night.take_due(at(30.0, Quality.NONE)) is None
    assert night.take_due(at(30.0)) is not None


def test_time_that_goes_back_makes_no_negative_time_in_bed():
    summary = slept(10.0, 8.0).take_due(at(25.0))
    assert summary is not None
    assert summary.in_bed_s == 0.0
