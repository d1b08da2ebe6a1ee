"""The limits that a home begins with, and what an alarm says."""

import pytest

from edge_agent.home.silence import HOUR_S, Limits, Silence, Where, bounds_of

pytestmark = pytest.mark.fast

NIGHTS = [
    ("20:00", "08:00"),
    ("22:00", "06:00"),
    ("00:00", "07:30"),
    ("21:00", "20:59"),
    ("01:00", "02:00"),
]


def test_the_ceiling_of_sleep_holds_only_while_a_sleep_can_be_so_old():
    home = bounds_of(Limits())[Where.HOME]

    assert [hour for hour in range(24) if home.ceiling_s[hour] == 12 * HOUR_S] == list(range(4, 12))
    assert [hour for hour in range(24) if home.floor_s[hour] == 4 * HOUR_S] == list(range(12, 20))
    assert home.default_s == home.ceiling_s


@pytest.mark.parametrize("night", NIGHTS)
def test_no_night_makes_a_floor_higher_than_a_ceiling_or_a_limit_without_end(
    night: tuple[str, str],
):
    for bounds in bounds_of(Limits(night=night)).values():
        for hour in range(24):
            low, high = bounds.floor_s[hour], bounds.ceiling_s[hour]
            assert 4 * HOUR_S <= low <= bounds.default_s[hour] <= high <= 16 * HOUR_S


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        (Where.HOME, "no activity anywhere for 8.0 h"),
        (Where.REST, "no activity for 8.0 h, still in bed or seat as far as is known"),
        (Where.OUT, "not back since the front door, 8.0 h ago"),
    ],
)
def test_the_reason_says_what_is_known(where: Where, reason: str):
    assert Silence(where, "hall", 0.0, 8 * HOUR_S, 8 * HOUR_S).reason == reason
