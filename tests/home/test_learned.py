"""What a home's usual silences make of its limits."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.home.learned import DAYS, ENOUGH_DAYS, FACTOR, RISE, Bounds, Learned

pytestmark = pytest.mark.fast

HOUR_S, DAY_S = 3600.0, 86_400.0
BOUNDS = Bounds.flat(10 * HOUR_S, 4 * HOUR_S, 12 * HOUR_S)


def make() -> Learned:
    return Learned({"home": BOUNDS})


def night(learned: Learned, day: int, hours: float = 8.0, begin_h: float = 23.0) -> None:
    begin_s = day * DAY_S + begin_h * HOUR_S
    learned.learn("home", begin_s, begin_s + hours * HOUR_S)


def watched(days: int, hours: float = 8.0) -> Learned:
    """Return what is known after that many whole days."""
    learned = make()
    for day in range(days + 1):
        night(learned, day - 1, hours)
    learned.see(days * DAY_S)
    return learned


def test_before_a_week_the_default_limits_hold():
    assert watched(ENOUGH_DAYS - 2).limits_s("home") == BOUNDS.default_s
    assert watched(ENOUGH_DAYS + 2).limits_s("home") != BOUNDS.default_s


def test_a_silence_counts_at_each_hour_by_how_long_it_had_lasted():
    learned = make()
    learned.learn("home", 23.5 * HOUR_S, 26.25 * HOUR_S)
    first, second = learned.fact.days

    assert [first.number, second.number] == [0, 1]
    assert first.silent["home"][22:] == bytes([0, 5])
    assert second.silent["home"][:4] == bytes([15, 25, 27, 0])


def test_a_regular_night_is_expected_and_a_missing_morning_is_not():
    limits = watched(28).limits_s("home")

    assert limits[7] > 8 * HOUR_S  # still asleep at seven, as always
    assert limits[14] == BOUNDS.floor_s[14]  # but never at two


def test_one_strange_day_raises_the_limit_by_a_bounded_factor():
    learned, plain = watched(21, hours=5.0), watched(21, hours=5.0)
    night(learned, 19, hours=11.9)
    learned.see(22 * DAY_S)
    plain.see(22 * DAY_S)
    raised, usual = (np.array(one.limits_s("home")) for one in (learned, plain))

    assert raised[4] <= RISE * usual[4] + 1e-6
    assert raised[10] == BOUNDS.floor_s[10]  # nothing but that day was ever so late


def test_the_ceiling_holds_whatever_was_learned():
    learned = watched(40, hours=30.0)

    assert max(learned.limits_s("home")) == 12 * HOUR_S


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0, 24), st.floats(0, 60)), max_size=80))
def test_limits_stay_within_their_bounds_and_the_fact_is_small(silences):
    learned = make()
    for day, begin_h, hours in silences:
        night(learned, day, hours, begin_h)
    limits = learned.limits_s("home")
    stored = msgspec.json.encode(learned.fact)
    again = make()
    again.restore(stored)

    assert all(4 * HOUR_S <= limit <= 12 * HOUR_S for limit in limits)
    assert len(learned.fact.days) <= DAYS
    assert len(stored) < 2500
    assert again.limits_s("home") == limits


@pytest.mark.parametrize(
    ("begin_s", "end_s"),
    [(100.0, 50.0), (float("nan"), 1.0), (1.0, float("inf")), (-float("inf"), 1.0)],
)
def test_time_that_goes_back_or_never_was_teaches_nothing(begin_s, end_s):
    learned = make()
    learned.learn("home", begin_s, end_s)

    assert learned.fact.days == ()


def test_a_day_of_a_wrong_clock_ages_like_any_other():
    learned = watched(10)
    learned.see(400 * DAY_S)
    for day in range(11, 11 + DAYS):
        night(learned, day)

    assert 400 not in [day.number for day in learned.fact.days]
    assert len(learned.fact.days) == DAYS


def test_more_days_make_the_margin_smaller():
    few, many = (
        watched(8, hours=7.0).limits_s("home")[5],
        watched(28, hours=7.0).limits_s("home")[5],
    )

    assert few > many > FACTOR * 7 * HOUR_S


def test_a_stored_day_of_the_wrong_length_is_refused():
    with pytest.raises(msgspec.ValidationError, match="a day has 24 hours"):
        make().restore(b'{"days":[[1,{"home":"AAAA"}]]}')
