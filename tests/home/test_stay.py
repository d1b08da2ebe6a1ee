"""The long stay in a room: what begins it, what ends it, how long it may be."""

import msgspec
import pytest

from edge_agent.clock import Instant, Quality
from edge_agent.home.sign import Kind, Sign
from edge_agent.home.stay import CEILING, STAYS, UNKNOWN_STAY_S, Stay, StayLimits

pytestmark = pytest.mark.fast

NOON_UTC_S = 1_795_392_000.0 + 4 * 3600
"""12:00 in Shanghai."""
NIGHT_MIN = 12 * 60.0
"""Midnight, in minutes from noon."""


def at(minute: float, quality: Quality = Quality.NTP) -> Instant:
    return Instant(9000.0 + 60 * minute, NOON_UTC_S + 60 * minute, quality)


def make(residents: int = 1, boot: str = "b1") -> Stay:
    return Stay("bathroom", StayLimits(), residents, boot)


def note(
    stay: Stay,
    minute: float,
    kind: Kind = Kind.MOTION,
    place: str = "bathroom",
    active: bool = True,
    now: Instant | None = None,
) -> bool:
    sign = Sign(at(minute).monotonic_s, f"{place} {kind}", kind, place, active)
    return stay.note(sign, now or at(minute))


def door(stay: Stay, minute: float) -> bool:
    ended = note(stay, minute, Kind.ROOM_DOOR)
    return note(stay, minute + 0.05, Kind.ROOM_DOOR, active=False) or ended


def due_min(stay: Stay, now: Instant) -> float | None:
    due_s = stay.due_s(now)
    return None if due_s is None else (due_s - 9000.0) / 60


def visit(stay: Stay, minute: float, lasts_min: float) -> None:
    note(stay, minute)
    note(stay, minute + lasts_min, Kind.USE, "hall")


def test_half_an_hour_by_day_and_twenty_minutes_by_night():
    by_day, by_night = make(), make()
    note(by_day, 0.0)
    note(by_night, NIGHT_MIN)
    assert due_min(by_day, at(0.0)) == pytest.approx(30)
    assert due_min(by_night, at(NIGHT_MIN)) == pytest.approx(NIGHT_MIN + 20)


def test_a_long_stay_is_told_once_and_a_sign_elsewhere_ends_it():
    stay = make()
    note(stay, 0.0)
    told = stay.take_due(at(30.0))
    assert told is not None
    assert told.reason == "in bathroom for 30 min and nowhere else since"
    assert stay.take_due(at(31.0)) is None
    assert note(stay, 40.0, Kind.USE, "kitchen")
    assert due_min(stay, at(40.0)) is None


def test_motion_on_the_floor_does_not_move_the_clock():
    stay = make()
    for minute in range(30):
        note(stay, float(minute))
        note(stay, minute + 0.5, Kind.PRESENCE, active=minute % 2 == 0)
    assert stay.take_due(at(30.0)) is not None


@pytest.mark.parametrize("kind", [Kind.MOTION, Kind.USE, Kind.PRESENCE, Kind.CONTACT, Kind.REST])
def test_any_sign_inside_begins_a_stay(kind: Kind):
    stay = make()
    note(stay, 0.0, kind)
    assert due_min(stay, at(0.0)) == pytest.approx(30)


def test_a_door_alone_has_the_ceiling_until_there_is_a_sign_inside():
    stay = make()
    door(stay, 0.0)
    assert due_min(stay, at(0.0)) == pytest.approx(60)
    note(stay, 1.0)
    assert due_min(stay, at(1.0)) == pytest.approx(30)


def test_the_door_opened_from_inside_is_leaving_and_its_closing_is_not():
    stay = make()
    note(stay, 0.0, Kind.ROOM_DOOR)
    note(stay, 0.1)
    note(stay, 0.2, Kind.ROOM_DOOR, active=False)
    assert due_min(stay, at(0.2)) is not None
    door(stay, 6.0)
    assert due_min(stay, at(6.1)) is None


def test_a_sign_inside_soon_after_the_door_goes_on_with_the_same_stay():
    soon, late = make(), make()
    for stay in (soon, late):
        note(stay, 0.0)
        door(stay, 20.0)
    note(soon, 21.0)
    note(late, 25.0)
    assert due_min(soon, at(21.0)) == pytest.approx(30)
    assert due_min(late, at(25.0)) == pytest.approx(55)


def test_radar_that_sees_nobody_any_more_and_the_end_of_a_hold_time_end_nothing():
    stay = make()
    note(stay, 0.0, Kind.PRESENCE)
    note(stay, 5.0, Kind.PRESENCE, active=False)
    note(stay, 6.0, Kind.PRESENCE, "hall", active=False)
    note(stay, 7.0, Kind.MOTION, "hall", active=False)
    assert due_min(stay, at(8.0)) == pytest.approx(30)


def test_with_several_residents_signs_elsewhere_prove_nothing():
    stay = make(residents=2)
    note(stay, 0.0)
    assert not note(stay, 5.0, Kind.USE, "kitchen")
    assert stay.take_due(at(30.0)) is not None
    assert door(stay, 35.0)


def test_normal_stays_raise_the_limit_and_the_ceiling_holds():
    usual, long = make(), make()
    for day in range(1, 40):
        visit(usual, day * 1440.0, 25.0)
        visit(long, day * 1440.0, 29.9)
    for day in range(40, 60):
        visit(long, day * 1440.0, 58.0)
    for stay, expected in ((usual, 25 * (1.2 + 5 / 39)), (long, 60.0)):
        note(stay, 61 * 1440.0)
        due = due_min(stay, at(61 * 1440.0))
        assert due == pytest.approx(61 * 1440.0 + expected, abs=0.1)
        assert due - 61 * 1440.0 <= CEILING * 30


def test_a_stay_that_was_told_is_not_learned_and_a_first_few_raise_nothing():
    stay = make()
    for day in range(30):
        note(stay, day * 1440.0)
        assert stay.take_due(at(day * 1440.0 + 31)) is not None
        note(stay, day * 1440.0 + 45, Kind.USE, "hall")
    assert stay.fact.lasted_min == {}


def test_the_fact_is_bounded():
    stay = make()
    for visit_number in range(500):
        visit(stay, visit_number * 100.0, 10.0)
    assert max(len(one) for one in stay.fact.lasted_min.values()) == STAYS
    assert len(msgspec.json.encode(stay.fact)) < 1500


def test_a_restart_keeps_the_stay_and_a_power_cut_leaves_time_to_show_up():
    stay = make()
    note(stay, 0.0)
    stored = msgspec.json.encode(stay.fact)
    restarted, rebooted = make(), make(boot="b2")
    restarted.restore(stored, at(10.0))
    now = Instant(5.0, at(50.0).utc_s, Quality.NTP)
    rebooted.restore(stored, now)

    assert due_min(restarted, at(10.0)) == pytest.approx(30)
    assert rebooted.stayed_s(now) == pytest.approx(3000.0)
    assert rebooted.due_s(now) == pytest.approx(5.0 + UNKNOWN_STAY_S)


def test_while_the_clock_is_not_trusted_the_shorter_limit_holds_and_nothing_is_learned():
    stay = make()
    untrusted = at(0.0, Quality.NONE)
    note(stay, 0.0, now=untrusted)
    assert due_min(stay, untrusted) == pytest.approx(20)
    note(stay, 15.0, Kind.USE, "hall", now=at(15.0, Quality.NONE))
    assert stay.fact.lasted_min == {}


def test_an_event_kept_by_a_unit_does_not_end_a_later_stay():
    stay = make()
    note(stay, 10.0)
    note(stay, 5.0, Kind.USE, "hall", now=at(11.0))
    assert due_min(stay, at(11.0)) == pytest.approx(40)


def test_a_level_told_again_is_no_door_opened():
    stay = make()
    note(stay, 0.0, Kind.ROOM_DOOR)
    note(stay, 0.1)
    note(stay, 5.0, Kind.ROOM_DOOR)
    assert due_min(stay, at(5.0)) == pytest.approx(30)
