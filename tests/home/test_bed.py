"""The return timer of a bed."""

import msgspec
import pytest

from edge_agent.clock import Instant, Quality
from edge_agent.home.bed import Bed

pytestmark = pytest.mark.fast

MIDNIGHT_UTC_S = 1_795_392_000.0 + 16 * 3600  # 00:00 in Shanghai


def at(second: float, quality: Quality = Quality.NTP) -> Instant:
    return Instant(5000.0 + second, MIDNIGHT_UTC_S + second, quality)


def make_bed(host_boot: str = "b1") -> Bed:
    return Bed(900.0, ("20:00", "08:00"), host_boot)


def test_left_at_night_and_not_back_in_time_is_due_once():
    bed = make_bed()
    bed.enter(MIDNIGHT_UTC_S)
    bed.leave(MIDNIGHT_UTC_S + 60, at(61))

    assert bed.due_s() == pytest.approx(5000 + 960)
    assert not bed.take_due(at(959))
    assert bed.take_due(at(960))
    assert not bed.take_due(at(2000))


def test_coming_back_stops_the_timer():
    bed = make_bed()
    bed.enter(MIDNIGHT_UTC_S)
    bed.leave(MIDNIGHT_UTC_S + 60, at(61))
    bed.enter(MIDNIGHT_UTC_S + 300)

    assert bed.due_s() is None


def test_no_timer_by_day_unless_the_clock_is_not_trusted():
    noon = 12 * 3600.0
    by_day, untrusted = make_bed(), make_bed()
    for bed, quality in ((by_day, Quality.NTP), (untrusted, Quality.NONE)):
        bed.enter(MIDNIGHT_UTC_S)
        bed.leave(MIDNIGHT_UTC_S + noon, at(noon, quality))

    assert by_day.due_s() is None
    assert untrusted.due_s() is not None


def test_the_timer_outlives_the_agent_and_a_power_cut():
    bed = make_bed()
    bed.enter(MIDNIGHT_UTC_S)
    bed.leave(MIDNIGHT_UTC_S + 60, at(60))
    stored = msgspec.json.encode(bed.fact)
    restarted, rebooted = make_bed(), make_bed("b2")
    restarted.restore(stored, at(200))
    rebooted.restore(stored, at(-4000))

    assert restarted.due_s() == pytest.approx(5960)
    assert rebooted.due_s() == pytest.approx(1000 + 60)


def test_an_empty_bed_at_start_starts_no_timer():
    bed = make_bed()
    bed.leave(MIDNIGHT_UTC_S, at(0))

    assert bed.due_s() is None
