"""The long silence: what begins it, what moves its limit, what ends it."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.clock import Instant, Quality
from edge_agent.home import inactivity
from edge_agent.home.inactivity import Inactivity
from edge_agent.home.sign import Kind, Sign
from edge_agent.home.silence import Limits, Where

pytestmark = pytest.mark.fast

HOUR_S = 3600.0
MIDNIGHT_UTC_S = 1_795_392_000.0 + 16 * HOUR_S
"""00:00 in Shanghai."""


def at(hour: float, quality: Quality = Quality.NTP, offset_h: float = 0.0) -> Instant:
    """Return a reading at that local hour of the first day; monotonic time began at 1000 h."""
    second = hour * HOUR_S
    return Instant(3.6e6 + second, MIDNIGHT_UTC_S + second + offset_h * HOUR_S, quality)


def make(hour: float = 0.0, residents: int = 1, boot: str = "b1") -> Inactivity:
    return Inactivity(Limits(), residents, boot, at(hour))


def note(
    home: Inactivity,
    hour: float,
    kind: Kind = Kind.CONTACT,
    place: str = "kitchen",
    active: bool = True,
    source: str | None = None,
    now: Instant | None = None,
) -> bool:
    sign = Sign(at(hour).monotonic_s, source or f"{place} {kind}", kind, place, active)
    return home.note(sign, now or at(hour))


def use(home: Inactivity, hour: float, place: str = "kitchen") -> bool:
    """Let somebody do what only a person does."""
    return note(home, hour, Kind.USE, place)


def front_door(home: Inactivity, hour: float) -> None:
    note(home, hour, Kind.FRONT_DOOR, "entrance")
    note(home, hour + 0.001, Kind.FRONT_DOOR, "entrance", active=False)


def due_h(home: Inactivity, hour: float) -> float | None:
    due_s = home.due_s(at(hour))
    return None if due_s is None else (due_s - at(0).monotonic_s) / HOUR_S


def live(home: Inactivity, days: int, up_h: int = 7, bed_h: int = 23) -> None:
    """Let somebody be about every half hour from getting up to going to bed."""
    for day in range(days):
        for half in range(2 * up_h, 2 * bed_h):
            use(home, 24 * day + half / 2)


def test_the_first_week_has_the_default_limits():
    home = make()
    use(home, 13.0)
    assert due_h(home, 13.0) == pytest.approx(13 + 8)
    use(home, 21.0)
    assert due_h(home, 21.0) == pytest.approx(21 + 12)


def test_a_silence_over_the_limit_is_told_once_and_the_next_sign_ends_it():
    home = make()
    use(home, 9.0)
    assert home.take_due(at(16.9)) is None
    silence = home.take_due(at(17.1))
    assert silence is not None
    assert silence.reason == "no activity anywhere for 8.1 h"
    assert silence.where is Where.HOME
    assert home.take_due(at(18.0)) is None
    assert use(home, 19.0)
    assert not use(home, 19.5)
    assert home.take_due(at(20.0)) is None


def test_what_was_learned_misses_somebody_soon_after_they_are_usually_up():
    home = make()
    live(home, 14)
    day = 13 * 24
    assert use(home, day + 23.0) is False
    due = due_h(home, day + 23.0)
    assert due is not None
    assert 24 * 14 + 7 + 2 <= due <= 24 * 14 + 11  # two hours late is nothing, four are


def test_by_day_the_limit_comes_down_to_its_floor_and_never_under_it():
    home = make()
    live(home, 14)
    use(home, 13 * 24 + 23.5)
    use(home, 14 * 24 + 13.0)
    assert due_h(home, 14 * 24 + 13.0) == pytest.approx(14 * 24 + 17)


def test_a_silence_that_was_told_is_not_learned_unless_forgiven():
    home, forgiven = make(), make()
    for one in (home, forgiven):
        live(one, 14)
        for day in range(14, 20):
            use(one, 24 * day + 7)
            assert one.take_due(at(24 * day + 15.1)) is not None
            assert use(one, 24 * day + 15.2)
            if one is forgiven:
                one.forgive()
            use(one, 24 * day + 23)
    hour = 14
    assert home.learned.limits_s(Where.HOME)[hour] == 4 * HOUR_S
    assert forgiven.learned.limits_s(Where.HOME)[hour] == 8 * HOUR_S  # the ceiling


def test_the_door_opened_once_is_out_and_said_as_not_back():
    home = make()
    use(home, 9.9)
    front_door(home, 10.0)
    assert home.fact.where is Where.OUT
    assert due_h(home, 10.0) == pytest.approx(22.0, abs=0.01)
    silence = home.take_due(at(22.1))
    assert silence is not None
    assert silence.reason == "not back since the front door, 12.1 h ago"


def test_a_fall_after_taking_in_the_post_has_the_limit_of_being_at_home():
    home = make()
    live(home, 14)
    day = 24 * 14
    use(home, day + 12.0)
    front_door(home, day + 12.5)
    front_door(home, day + 12.6)  # back with the post, and nothing after
    assert home.fact.where is Where.HOME
    assert due_h(home, day + 12.6) == pytest.approx(day + 12.6 + 4, abs=0.01)


def test_the_lock_tried_twice_is_one_going_out():
    home = make()
    use(home, 9.9)
    front_door(home, 10.0)
    front_door(home, 10.0 + 60 / 3600)
    assert home.fact.where is Where.OUT


def test_a_sign_inside_after_the_door_is_being_at_home():
    home = make()
    front_door(home, 10.0)
    use(home, 10.1)
    assert home.fact.where is Where.HOME


def test_nobody_of_several_is_out_and_radar_that_sees_somebody_denies_it():
    several, seen = make(residents=2), make()
    note(seen, 9.0, Kind.PRESENCE, "bedroom")
    for home in (several, seen):
        front_door(home, 10.0)
        assert home.fact.where is Where.HOME


def test_a_taken_bed_moves_the_limit_and_never_stops_the_clock():
    home = make()
    note(home, 22.0, Kind.REST, "bedroom")
    assert home.fact.where is Where.REST
    assert due_h(home, 22.0) == pytest.approx(34.0)
    silence = home.take_due(at(34.0))
    assert silence is not None
    assert silence.where is Where.REST


def test_a_bed_stuck_on_is_forgotten_at_the_next_sign_elsewhere():
    home = make()
    note(home, 8.0, Kind.REST, "bedroom")
    use(home, 9.0)
    assert home.fact.where is Where.HOME
    note(home, 9.5, Kind.REST, "bedroom")  # the same level again is no change
    assert due_h(home, 9.5) == pytest.approx(17.0)


def test_the_end_of_a_hold_time_is_no_sign_of_life():
    home = make()
    use(home, 9.0)
    note(home, 9.0, Kind.MOTION)
    note(home, 9.9, Kind.MOTION, active=False)
    assert due_h(home, 12.0) == pytest.approx(17.0)


def test_motion_seen_once_does_not_end_a_long_silence_but_twice_does():
    once, twice, elsewhere = make(), make(), make()
    for home in (once, twice, elsewhere):
        use(home, 9.0)
        note(home, 12.0, Kind.MOTION, "hall")
        note(home, 12.0 + 5 / 3600, Kind.MOTION, "hall")
    note(twice, 12.0 + 60 / 3600, Kind.MOTION, "hall")
    use(elsewhere, 12.0 + 20 / 3600, "bathroom")
    assert due_h(once, 12.1) == pytest.approx(17.0)
    assert due_h(twice, 12.1) == pytest.approx(20.0, abs=0.1)
    assert due_h(elsewhere, 12.1) == pytest.approx(20.0, abs=0.1)


def test_motion_on_the_floor_every_hour_does_not_keep_the_alarm_away():
    home = make()
    use(home, 9.0)
    for quarter in range(4, 32, 4):
        note(home, 9.0 + quarter / 4 + 0.01, Kind.MOTION, "hall")
    assert home.take_due(at(17.1)) is not None


def test_radar_that_loses_and_finds_somebody_lying_still_sees_no_sign_of_life():
    home = make()
    note(home, 9.0, Kind.PRESENCE, "bathroom")
    for minute in range(10, 480, 10):
        note(home, 9.0 + minute / 60, Kind.PRESENCE, "bathroom", active=False)
        note(home, 9.0 + (minute + 1) / 60, Kind.PRESENCE, "bathroom")
    assert home.take_due(at(17.1)) is not None


def test_a_source_that_chatters_day_and_night_does_not_hide_a_silence():
    home = make()
    use(home, 9.0)
    alarmed_h = None
    for minute in range(0, 40 * 60, 10):
        hour = 9.1 + minute / 60
        note(home, hour, Kind.MOTION, "window")
        if home.take_due(at(hour)) is not None:
            alarmed_h = hour
            break
    assert home.chattering() == ["window motion"]
    assert alarmed_h is not None
    assert 32 <= alarmed_h <= 34  # a day to find out, half an hour's grace
    assert not note(home, alarmed_h + 0.1, Kind.MOTION, "window")


def test_a_source_that_is_quiet_for_hours_is_believed_again():
    home = make()
    for minute in range(0, 30 * 60, 10):
        note(home, minute / 60, Kind.MOTION, "window")
    assert home.chattering() == ["window motion"]
    assert not home.believes(Sign(0.0, "window motion", Kind.MOTION, "window"))
    note(home, 35.0, Kind.MOTION, "window")
    assert home.chattering() == []


def test_with_nothing_covered_a_young_silence_stands_and_an_old_one_runs():
    young, old = make(), make()
    use(young, 9.0)
    use(old, 9.0)
    young.cover(False, at(9.5))
    old.cover(False, at(11.0))
    assert due_h(young, 12.0) is None
    assert old.take_due(at(17.1)) is not None
    young.cover(True, at(20.0))
    assert young.silent_s(at(20.0)) == pytest.approx(0.5 * HOUR_S)
    assert not young.fact.alarmed


def test_after_a_loss_the_person_has_time_to_show_a_sign():
    home = make()
    use(home, 9.0)
    home.cover(False, at(11.0))
    home.cover(True, at(16.9))
    assert home.take_due(at(17.1)) is None
    assert home.take_due(at(17.41)) is not None


def test_a_restart_and_a_power_cut_of_unknown_length_keep_the_silence():
    home = make()
    use(home, 9.0)
    stored = msgspec.json.encode(home.fact)
    restarted = make(12.0)
    restarted.restore(stored, at(12.0))
    assert due_h(restarted, 12.0) == pytest.approx(17.0)

    rebooted = make(boot="b2")
    now = Instant(50.0, at(30.0).utc_s, Quality.NTP)
    rebooted.restore(stored, now)
    assert rebooted.silent_s(now) == pytest.approx(21 * HOUR_S)
    assert rebooted.due_s(now) == pytest.approx(50.0 + inactivity.GRACE_S)


def test_a_power_cut_with_a_clock_before_the_silence_begins_it_anew():
    home = make()
    use(home, 9.0)
    rebooted = make(boot="b2")
    now = Instant(50.0, at(-600.0).utc_s, Quality.NONE)
    rebooted.restore(msgspec.json.encode(home.fact), now)
    assert rebooted.silent_s(now) == 0.0
    assert rebooted.due_s(now) == pytest.approx(50.0 + 8 * HOUR_S)


@pytest.mark.parametrize("jump_h", [8.0, -8.0, 3 * 7 * 24.0, -3 * 7 * 24.0])
def test_a_clock_jump_neither_ends_nor_lengthens_a_silence(jump_h: float):
    home = make()
    use(home, 9.0)
    jumped = at(12.0, offset_h=jump_h)
    assert home.silent_s(jumped) == pytest.approx(3 * HOUR_S)
    due_s = home.due_s(jumped)
    assert due_s is not None
    assert due_s - at(9.0).monotonic_s <= 12 * HOUR_S


def test_while_the_clock_is_not_trusted_the_shortest_limit_holds_and_nothing_is_learned():
    home = make()
    live(home, 14)
    now = at(14 * 24 + 1.0, Quality.NONE)
    known = home.learned.fact
    use_s = at(14 * 24 + 1.0)
    home.note(Sign(use_s.monotonic_s, "tap", Kind.USE, "kitchen"), now)
    due_s = home.due_s(now)
    assert due_s == pytest.approx(use_s.monotonic_s + 4 * HOUR_S)
    later = replace(now, monotonic_s=now.monotonic_s + 3 * HOUR_S, utc_s=now.utc_s + 3 * HOUR_S)
    home.note(Sign(later.monotonic_s, "tap", Kind.USE, "kitchen"), later)
    assert home.learned.fact == known


def test_an_event_kept_by_a_unit_does_not_move_the_silence_back():
    home = make()
    use(home, 9.0)
    note(home, 7.0, Kind.USE, "hall", now=at(9.1))
    assert due_h(home, 9.1) == pytest.approx(17.0)


def test_no_state_can_keep_the_alarm_away_for_longer_than_the_longest_ceiling():
    """Cut off after anything at any hour, the alarm comes; asked anew every ten minutes."""
    for kind in Kind:
        for start in range(24):
            home = make()
            note(home, float(start), kind)
            told = [
                tenth / 6
                for tenth in range(6 * start, 6 * (start + 17))
                if home.take_due(at(tenth / 6)) is not None
            ]
            assert len(told) == 1
            assert told[0] - start <= 12.2


def test_the_due_time_is_when_the_silence_first_reaches_the_limit_of_the_hour():
    home = make()
    live(home, 14)
    for start in range(24):
        begin = 24 * 15 + start
        use(home, begin)
        due_s = home.due_s(at(begin))
        assert due_s is not None
        for minute in range(20 * 60):
            now = at(begin + minute / 60)
            is_over = home.silent_s(now) >= home.limit_s(now)
            assert is_over <= (now.monotonic_s >= due_s - 1e-6)
            if is_over:
                break
        else:
            pytest.fail("no limit in twenty hours")
        assert due_s <= now.monotonic_s + 1e-6


def test_the_facts_stay_small_with_more_sensors_than_a_home_has():
    home = make()
    for i in range(300):
        note(home, i / 100, Kind.CONTACT, source=f"sensor {i}")
    live(home, 40)
    assert len(home.fact.sources) == 256
    assert len(msgspec.json.encode(home.fact)) < 16_000
    assert len(msgspec.json.encode(home.learned.fact)) < 6000


def test_a_busy_minute_is_one_write():
    home = make()
    use(home, 9.0)
    note(home, 9.0, Kind.MOTION, "hall")
    before = home.fact
    for second in range(1, 50):
        note(home, 9.0 + second / 3600, Kind.MOTION, "hall")
    assert home.fact == before


ANY_TIME_H = st.one_of(
    st.floats(-10, 400), st.sampled_from([float("nan"), float("inf"), -float("inf")])
)
ANY_STEP = st.tuples(
    st.floats(0, 20),  # hours that pass
    ANY_TIME_H,  # when the sensor says it was
    st.sampled_from(list(Kind)),
    st.sampled_from(["bed", "bath", "hall"]),
    st.booleans(),
    st.sampled_from(list(Quality)),
    st.floats(-600, 600),  # jump of the clock
    st.sampled_from(["sign", "lost", "found", "reboot", "forgive"]),
)


@given(st.lists(ANY_STEP, max_size=40))
def test_whatever_comes_in_the_alarm_comes_within_the_longest_ceiling_while_covered(steps):
    home, hour, boot = make(), 0.0, "b1"
    for passed, said_h, kind, place, active, quality, jump_h, event in steps:
        hour += passed
        now = at(hour, quality, jump_h)
        if event == "sign":
            said_s = 3.6e6 + 3600 * said_h
            home.note(Sign(said_s, f"{place} {kind}", kind, place, active), now)
        elif event in ("lost", "found"):
            home.cover(event == "found", now)
        elif event == "forgive":
            home.forgive()
        else:
            boot += "x"
            stored, learned = msgspec.json.encode(home.fact), msgspec.json.encode(home.learned.fact)
            home = Inactivity(Limits(), 1, boot, now)
            home.restore(stored, now)
            home.learned.restore(learned)
        home.take_due(now)
    home.cover(True, at(hour))
    due_s = home.due_s(at(hour))
    assert home.fact.since_s <= at(hour).monotonic_s
    assert home.fact.alarmed == (due_s is None)
    assert due_s is None or due_s - at(hour).monotonic_s <= 16.01 * HOUR_S
