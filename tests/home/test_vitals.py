"""Conditions of heart and breath: delays, deadband, latching, silence, restarts, sums."""

import math

import msgspec
import pytest

from edge_agent.clock import Instant, Quality
from edge_agent.detect.bed.rhythm import Rate, Reason
from edge_agent.home.vitals import (
    RESTART_S,
    STALE_S,
    Change,
    Condition,
    Limits,
    VitalsWatch,
)
from edge_agent.home.vitals_sums import Vitals

pytestmark = pytest.mark.fast


def delays(on_s, off_s, **more):
    return Limits(
        heart_rate_on_delay_s=on_s,
        heart_rate_off_delay_s=off_s,
        respiration_on_delay_s=on_s,
        respiration_off_delay_s=off_s,
        **more,
    )


LIMITS = delays(20.0, 30.0, unavailable_s=120.0)
SILENT = Rate(0.0, None, 0.0, Reason.NO_RHYTHM)
HIGH, UNAVAILABLE = Condition.HEART_RATE_HIGH, Condition.VITALS_UNAVAILABLE


def rate(value, quality=0.8):
    return SILENT if value is None else Rate(0.0, float(value), quality, None)


class Bed:
    """A watch that is fed one value a second."""

    def __init__(self, limits=LIMITS, now_s=1000.0):
        self.watch = VitalsWatch(limits, "boot")
        self.limits, self.now_s, self.found = limits, now_s, []

    def feed(self, seconds, heart=None, breath=None, occupied=True):
        """Return the changes of so many seconds."""
        found = []
        for _ in range(seconds):
            self.now_s += 1.0
            found += self.watch.update(self.now_s, rate(heart), rate(breath), occupied)
        self.found += found
        return [(one.condition, one.active, self.now_s) for one in found if isinstance(one, Change)]

    def restart(self, away_s, host_boot="boot"):
        body = self.watch.store()
        self.watch = VitalsWatch(self.limits, host_boot)
        self.now_s += away_s
        self.watch.restore(body, Instant(self.now_s, 0.0, Quality.NTP))


@pytest.mark.parametrize(
    ("condition", "beyond", "inside"),
    [
        (Condition.HEART_RATE_HIGH, {"heart": 131}, {"heart": 125}),
        (Condition.HEART_RATE_LOW, {"heart": 39}, {"heart": 45}),
        (Condition.RESPIRATION_HIGH, {"breath": 25}, {"breath": 23}),
        (Condition.RESPIRATION_LOW, {"breath": 8.5}, {"breath": 10}),
    ],
)
def test_a_condition_is_raised_after_the_on_delay_and_over_after_the_off_delay(
    condition, beyond, inside
):
    bed = Bed()
    bed.feed(30, **inside)
    assert bed.feed(20, **beyond) == []
    ((raised, active, _),) = bed.feed(1, **beyond)
    assert (raised, active) == (condition, True)
    assert bed.watch.active() == {condition}
    assert bed.feed(600, **beyond) == []
    assert bed.feed(30, **inside) == []
    assert bed.feed(1, **inside) == [(condition, False, bed.now_s)]
    change = next(one for one in bed.found if isinstance(one, Change))
    assert change.onset_s == 1000.0 + 31.0
    assert change.reason == "beyond its limit for 20 s"


def test_a_value_within_the_limit_ends_the_on_delay_and_one_within_the_deadband_the_off_delay():
    bed = Bed()
    for _ in range(10):
        assert bed.feed(19, heart=140) == []
        assert bed.feed(1, heart=130) == []
    bed.feed(21, heart=140)
    for _ in range(10):
        assert bed.feed(29, heart=120) == []
        assert bed.feed(1, heart=126) == []
    assert bed.watch.active() == {HIGH}


def test_silence_is_bridged_for_a_while_and_says_nothing_for_longer():
    bed = Bed()
    bed.feed(5, heart=140)
    assert bed.feed(int(STALE_S) - 1) == []
    assert bed.feed(1, heart=140) == [(HIGH, True, bed.now_s)]
    assert bed.feed(3000, occupied=None) == []
    assert bed.watch.active() == {HIGH}
    bed = Bed()
    bed.feed(19, heart=140)
    bed.feed(int(STALE_S) + 1)
    assert bed.feed(20, heart=140) == []
    assert bed.feed(1, heart=140) == [(HIGH, True, bed.now_s)]


def test_no_delay_means_at_once():
    bed = Bed(delays(0.0, 0.0))
    assert bed.feed(1, heart=140) == [(HIGH, True, bed.now_s)]
    assert bed.feed(1, heart=120) == [(HIGH, False, bed.now_s)]


def test_a_latched_condition_stays_until_it_is_reset_and_back():
    bed = Bed(delays(5.0, 5.0, latching=(HIGH,)))
    bed.feed(6, heart=140)
    assert bed.feed(600, heart=80) == []
    bed.watch.reset(HIGH)
    assert bed.feed(1, heart=80) == [(HIGH, False, bed.now_s)]
    bed.feed(6, heart=140)
    bed.watch.reset(HIGH)
    assert bed.feed(10, heart=140) == []
    assert bed.feed(6, heart=80) == [(HIGH, False, bed.now_s)]


def test_who_leaves_the_bed_is_watched_no_more():
    bed = Bed()
    bed.feed(21, heart=140)
    assert bed.feed(30, occupied=False) == []
    assert bed.feed(1, occupied=False) == [(HIGH, False, bed.now_s)]
    assert bed.found[-1].reason == "nobody in bed"
    assert bed.feed(3000, occupied=False) == []


def test_an_occupied_bed_without_any_rate_is_told_and_any_rate_ends_it():
    bed = Bed()
    assert bed.feed(120) == []
    assert bed.feed(1) == [(UNAVAILABLE, True, bed.now_s)]
    assert bed.feed(11, breath=14) == [(UNAVAILABLE, False, bed.now_s)]
    assert bed.feed(119) == []
    assert bed.feed(1, heart=60) == []
    assert bed.feed(119) == []
    assert bed.feed(600, occupied=None) == []
    assert bed.feed(600, occupied=False) == []


def test_a_restart_serves_the_rest_of_a_delay_and_no_second_more():
    bed = Bed()
    bed.feed(16, heart=140)
    bed.restart(RESTART_S - 1.0)
    assert bed.feed(5, heart=140) == []
    assert bed.feed(1, heart=140) == [(HIGH, True, bed.now_s)]
    bed.restart(5.0)
    assert bed.watch.active() == {HIGH}
    assert bed.feed(100, heart=140) == []


@pytest.mark.parametrize(
    ("away_s", "boot"), [(RESTART_S + 1.0, "boot"), (5.0, "other"), (-9.0, "boot")]
)
def test_a_delay_that_nobody_watched_begins_anew(away_s, boot):
    bed = Bed()
    bed.feed(20, heart=140)
    bed.restart(away_s, boot)
    assert bed.feed(20, heart=140) == []
    assert bed.feed(1, heart=140) == [(HIGH, True, bed.now_s)]


def test_a_stall_of_the_agent_counts_for_no_more_than_its_step():
    bed = Bed()
    bed.feed(2, heart=140)
    bed.now_s += 3600.0
    assert bed.feed(1, heart=140) == []
    assert bed.watch.active() == set()


def test_times_that_stand_still_or_run_back_are_survived():
    watch = VitalsWatch(LIMITS, "boot")
    for now_s in (5.0, 5.0, 4.0, math.nan, -1e9, math.inf, 6.0):
        assert watch.update(now_s, rate(140), rate(math.nan), True) == []
    VitalsWatch(LIMITS, "boot").restore(watch.store(), Instant(6.0, 0.0, Quality.NONE))


def test_one_message_a_minute_with_quality_and_share():
    bed = Bed()
    bed.feed(31, heart=60, breath=14)
    bed.feed(90, heart=None, breath=14)
    bed.feed(300, occupied=False)
    messages = [one for one in bed.found if isinstance(one, Vitals)]
    assert [one.at_s for one in messages] == [1061.0, 1121.0]
    first, second = messages
    assert (first.heart.mean, first.heart.low, first.heart.quality) == (60.0, 60.0, 0.8)
    assert first.heart.share == pytest.approx(0.5, abs=0.02)
    assert (second.heart.mean, second.heart.share, second.respiration.share) == (None, 0.0, 1.0)


def test_the_nights_sums_outlive_a_restart_and_begin_anew_when_taken():
    bed = Bed()
    bed.feed(600, heart=60, breath=14)
    bed.restart(10.0)
    bed.feed(600, heart=80, breath=14)
    bed.feed(300, occupied=False)
    bed.feed(100, occupied=True)
    night = bed.watch.take_night()
    assert night.in_bed_s == pytest.approx(1300.0, abs=3.0)
    assert night.watched_s == pytest.approx(1600.0, abs=3.0)
    assert night.exits == 1
    assert night.heart.mean == pytest.approx(70.0, abs=1.0)
    assert (night.heart.low, night.heart.high) == (60.0, 80.0)
    assert night.heart.share == pytest.approx(1200.0 / 1260.0, abs=0.02)
    assert bed.watch.take_night().in_bed_s == 0.0


def test_raised_conditions_are_counted():
    bed = Bed()
    for _ in range(2):
        bed.feed(25, heart=140)
        bed.feed(35, heart=80)
    assert bed.watch.take_night().raised == {"heart_rate_high": 2}


def test_a_state_with_conditions_we_do_not_know_is_taken_and_rubbish_is_refused():
    bed = Bed()
    bed.feed(21, heart=140)
    body = bed.watch.store().replace(b"heart_rate_low", b"something_else")
    watch = VitalsWatch(LIMITS, "boot")
    watch.restore(body, Instant(bed.now_s, 0.0, Quality.NTP))
    assert watch.active() == {HIGH}
    with pytest.raises(msgspec.DecodeError):
        watch.restore(b'{"host_boot": 3}', Instant(0.0, 0.0, Quality.NTP))


def test_delays_and_latching_are_a_conditions_own():
    limits = Limits(
        heart_rate_on_delay_s=5.0, respiration_on_delay_s=50.0, latching=(Condition.HEART_RATE_LOW,)
    )
    bed = Bed(limits)
    assert bed.feed(6, heart=140, breath=30) == [(HIGH, True, 1006.0)]
    assert bed.feed(44, heart=140, breath=30) == []
    assert bed.feed(1, heart=140, breath=30) == [(Condition.RESPIRATION_HIGH, True, bed.now_s)]
    assert (HIGH, False) in [one[:2] for one in bed.feed(130, heart=80)]


def test_limits_out_of_their_range_are_refused():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"heart_rate_high_bpm": 300.0}, Limits)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"heart_rate_highest": 100.0}, Limits)
    assert msgspec.convert({"latching": ["heart_rate_low"]}, Limits).latching == (
        Condition.HEART_RATE_LOW,
    )
    assert msgspec.convert({}, Limits).heart_rate_high_bpm == 130.0
