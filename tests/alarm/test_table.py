"""The alarm table: one alarm for one fall, stored timers, commands, restarts."""

import random

import pytest

from edge_agent.alarm.alarm import AgentStamp, State
from edge_agent.alarm.command import Command, CommandName
from edge_agent.alarm.policy import Policy
from edge_agent.alarm.table import AlarmTable, Identity
from edge_agent.clock import Instant, Quality, format_utc
from edge_agent.home.cause import Cause

pytestmark = pytest.mark.fast

UTC_S = 1_795_400_000.0


def at(second: float) -> Instant:
    return Instant(1000.0 + second, UTC_S + second, Quality.NTP)


def make_table(host_boot: str = "boot-1") -> AlarmTable:
    identity = Identity("640302001001", "h1", AgentStamp("s", "0"), host_boot)
    return AlarmTable(identity, Policy(10.0), random.Random(1).randbytes)


def fall(second: float, person: str = "p1", unit: str = "pendant-1") -> Cause:
    return Cause(
        "fall", UTC_S + second, ("bath", "卫生间", "bathroom"), person, unit, "pendant", 0.9
    )


def call(second: float) -> Cause:
    return Cause("call", UTC_S + second, ("bath", "卫生间", "bathroom"), "p1", "bath-1", "cord")


def test_a_fall_is_suspected_and_its_timer_confirms_it():
    table = make_table()
    _, (change,) = table.report(fall(0), at(1.5))

    assert change.alarm.last.state is State.SUSPECTED
    assert change.alarm.last.late_s == 0.0
    assert change.alarm.last.text == {"zh": "卫生间跌倒", "en": "Fall in the bathroom"}
    assert table.run_timers(at(11.4)) == []
    (confirmed,) = table.run_timers(at(11.5))
    assert (confirmed.alarm.last.event, confirmed.alarm.last.state) == (2, State.CONFIRMED)
    assert confirmed.alarm.last.onset == change.alarm.last.onset


def test_bumps_and_the_late_snippet_of_one_fall_are_one_alarm():
    table = make_table()
    alarm, _ = table.report(fall(0), at(1.5))

    for onset in (-9.9, 0.4, 9.9):
        again, changes = table.report(fall(onset), at(8))
        assert (again.alarm_id, changes) == (alarm.alarm_id, [])


def test_two_units_that_see_one_fall_of_one_person_are_one_alarm():
    table = make_table()
    alarm, _ = table.report(fall(0), at(1.5))
    again, changes = table.report(fall(1, unit="radar-1"), at(3))

    assert (again.alarm_id, changes) == (alarm.alarm_id, [])


def test_another_persons_fall_is_another_alarm():
    table = make_table()
    alarm, _ = table.report(fall(0), at(1.5))
    other, _ = table.report(fall(0, person="p2"), at(1.5))

    assert other.alarm_id != alarm.alarm_id


def test_a_fall_soon_after_recovery_is_a_new_alarm():
    table = make_table()
    alarm, _ = table.report(fall(0), at(1.5))
    table.recover("fall", "p1", at(4))
    late, nothing = table.report(fall(0.2), at(6))  # the snippet of the first fall
    second, changes = table.report(fall(6), at(7.5))

    assert (late.alarm_id, nothing) == (alarm.alarm_id, [])
    assert second.alarm_id != alarm.alarm_id
    assert changes[0].alarm.last.state is State.SUSPECTED


def test_a_later_fall_while_the_alarm_is_open_is_a_new_event_of_it():
    table = make_table()
    alarm, _ = table.report(fall(0), at(1.5))
    table.run_timers(at(12))
    again, (change,) = table.report(fall(60), at(61.5))

    assert again.alarm_id == alarm.alarm_id
    assert (change.alarm.last.event, change.alarm.last.state) == (3, State.CONFIRMED)


def test_a_repeated_press_is_a_new_event_delivered_again():
    table = make_table()
    alarm, _ = table.report(call(0), at(0.1))
    table.notify(alarm.alarm_id, 1, at(0.2))
    again, (change,) = table.report(call(30), at(30.1))

    assert again.alarm_id == alarm.alarm_id
    assert (change.alarm.last.event, change.alarm.last.state) == (3, State.CONFIRMED)


def test_only_the_confirmed_event_itself_notifies_and_only_once():
    table = make_table()
    alarm, _ = table.report(fall(0), at(1.5))

    assert table.notify(alarm.alarm_id, 1, at(2)) == []
    table.run_timers(at(12))
    assert table.notify(alarm.alarm_id, 1, at(12)) == []
    (change,) = table.notify(alarm.alarm_id, 2, at(12))
    assert change.alarm.last.state is State.NOTIFIED
    assert table.notify(alarm.alarm_id, 3, at(12)) == []


def test_a_late_fall_keeps_its_onset_and_says_how_late():
    table = make_table()
    _, (change,) = table.report(fall(-3600), at(0))

    assert change.alarm.last.late_s == 3600.0
    assert change.alarm.last.onset < change.alarm.last.at


def test_a_suspicion_runs_on_through_a_restart_in_the_same_boot():
    alarm, _ = make_table().report(fall(0), at(1.5))
    table = make_table()

    assert table.restore([alarm], at(5)) == []
    assert table.next_due_s() == 1011.5
    (change,) = table.run_timers(at(11.5))
    assert (change.alarm.alarm_id, change.alarm.last.event) == (alarm.alarm_id, 2)


def test_a_suspicion_found_after_its_time_or_another_boot_is_confirmed_at_once():
    alarm, _ = make_table().report(fall(0), at(1.5))

    (late,) = make_table().restore([alarm], at(60))
    (rebooted,) = make_table("boot-2").restore([alarm], at(-900))
    assert late.alarm.last.state is State.CONFIRMED
    assert rebooted.alarm.last.state is State.CONFIRMED


def test_commands_walk_the_alarm_to_its_end_and_echo_the_transaction():
    table = make_table()
    alarm, _ = table.report(call(0), at(0))
    names = [CommandName.ACK, CommandName.DISPATCH, CommandName.ARRIVE, CommandName.CLOSE]
    states = []
    for number, name in enumerate(names):
        command = Command(
            name=name, route="mqtt", transaction=f"t{number}", alarm_id=alarm.alarm_id
        )
        response, _ = table.apply(command, at(number))
        assert (response.ok, response.transaction) == (True, f"t{number}")
        states.append(response.state)

    assert states == ["acknowledged", "dispatched", "arrived", "closed"]
    assert table.open_events() == []


def test_acknowledging_a_suspicion_does_not_stop_its_timer():
    table = make_table()
    alarm, _ = table.report(fall(0), at(1.5))
    ack = Command(name=CommandName.ACK, route="mqtt", transaction="t", alarm_id=alarm.alarm_id)

    assert table.apply(ack, at(3))[0].state == "acknowledged"
    (change,) = table.run_timers(at(11.5))
    assert change.alarm.last.state is State.CONFIRMED
    assert table.apply(ack, at(20))[0].state == "acknowledged"
    assert table.run_timers(at(619)) == []


def command(name: CommandName, alarm_id: str) -> Command:
    return Command(name=name, route="mqtt", transaction="t", alarm_id=alarm_id)


def fire(table: AlarmTable, second: float) -> tuple[str, str, int] | None:
    """What the timers make at a second: trigger, state, event; one event at most."""
    changes = table.run_timers(at(second))
    assert len(changes) <= 1
    if not changes:
        return None
    event = changes[0].alarm.last
    return str(event.trigger), str(event.state), event.event


def test_what_nobody_acknowledges_escalates_after_90_s_and_is_said_again_every_10_min():
    table = make_table()
    alarm, _ = table.report(call(0), at(0))
    table.notify(alarm.alarm_id, 1, at(1))  # event 2: a broker has it, nobody has read it

    assert fire(table, 89.9) is None
    assert fire(table, 90) == ("escalate", "notified", 3)
    assert table.open_events()[0].flags == ["escalated"]
    assert fire(table, 689.9) is None
    assert fire(table, 690) == ("remind", "notified", 4)
    table.notify(alarm.alarm_id, 4, at(691))
    assert fire(table, 1290) == ("remind", "notified", 5)


def test_acknowledged_and_forgotten_is_reminded_of_for_ever():
    table = make_table()
    alarm, _ = table.report(call(0), at(0))
    table.apply(command(CommandName.ACK, alarm.alarm_id), at(60))

    assert fire(table, 659) is None
    for number in range(20):
        assert fire(table, 660 + 600 * number) == ("remind", "acknowledged", 3 + number)
        table.notify(alarm.alarm_id, 3 + number, at(661 + 600 * number))


def test_a_dispatch_without_arrival_is_reminded_of_after_half_an_hour_and_not_after_arrival():
    table = make_table()
    alarm, _ = table.report(call(0), at(0))
    table.apply(command(CommandName.DISPATCH, alarm.alarm_id), at(60))

    assert fire(table, 1859) is None
    assert fire(table, 1860) == ("remind", "dispatched", 3)
    table.apply(command(CommandName.ARRIVE, alarm.alarm_id), at(2000))
    assert table.next_due_s() is None


def test_reminders_do_not_pile_up_while_no_route_takes_them():
    table = make_table()
    alarm, _ = table.report(call(0), at(0))
    fire(table, 90)
    events = [fire(table, 690 + 600 * number) for number in range(1000)]

    assert [event for event in events if event] == [("remind", "confirmed", 3)]
    table.notify(alarm.alarm_id, 3, at(700_000))
    assert fire(table, 700_000) == ("remind", "notified", 5)


def test_who_acts_ends_the_escalation_and_a_new_press_starts_it_anew():
    table = make_table()
    alarm, _ = table.report(call(0), at(0))
    fire(table, 90)
    table.apply(command(CommandName.ACK, alarm.alarm_id), at(100))
    assert table.open_events()[0].flags == []

    table.report(call(200), at(200))
    assert fire(table, 289) is None
    assert fire(table, 290) == ("escalate", "confirmed", 5)


def test_pressing_again_does_not_put_the_escalation_off():
    table = make_table()
    table.report(call(0), at(0))
    for second in (30, 60, 85):
        table.report(call(second), at(second))

    assert fire(table, 90) == ("escalate", "confirmed", 5)


def test_a_fault_is_said_again_every_day_until_it_is_mended():
    table = make_table()
    place = ("bath", "卫生间", "bathroom")
    _, _ = table.report(Cause("cord_cut", UTC_S, place, "p1", "a"), at(0))

    assert fire(table, 86_399) is None
    assert fire(table, 86_400) == ("remind", "confirmed", 2)
    table.recover("cord_cut", "a", at(90_000))
    assert table.next_due_s() is None


def test_after_a_power_cut_an_escalation_that_was_running_comes_at_once():
    alarm, _ = make_table().report(call(0), at(0))
    (change,) = make_table("boot-2").restore([alarm], at(-50))

    assert change.alarm.last.trigger == "escalate"


def test_a_command_that_does_not_fit_is_refused_and_changes_nothing():
    table = make_table()
    alarm, _ = table.report(call(0), at(0))
    unknown = Command(name=CommandName.ACK, route="mqtt", transaction="a", alarm_id="nobody")
    early = Command(name=CommandName.ARRIVE, route="mqtt", transaction="b", alarm_id=alarm.alarm_id)

    assert table.apply(unknown, at(1))[0].error == "no such alarm"
    response, changes = table.apply(early, at(1))
    assert response.error == "an alarm that is confirmed does not take arrive"
    assert changes == []


def test_technical_alarms_are_one_for_each_unit():
    table = make_table()
    place = ("bath", "卫生间", "bathroom")
    first, _ = table.report(Cause("unit_lost", UTC_S, place, "p1", "a"), at(0))
    again, nothing = table.report(Cause("unit_lost", UTC_S, place, "p1", "a"), at(9))
    other, _ = table.report(Cause("unit_lost", UTC_S, place, "p1", "b"), at(0))

    assert (again.alarm_id, nothing) == (first.alarm_id, [])
    assert other.alarm_id != first.alarm_id


def inactivity(second: float) -> Cause:
    return Cause("inactivity", UTC_S + second, ("bed", "卧室", "bedroom"), "p1", "bed-1", "bed")


def shelve(alarm_id: str, minutes: float | None) -> Command:
    return Command(
        name=CommandName.SHELVE, route="mqtt", transaction="t", alarm_id=alarm_id, minutes=minutes
    )


def test_a_shelved_alarm_says_until_when_and_comes_back_by_itself():
    table = make_table()
    alarm, _ = table.report(inactivity(0), at(0))
    response, (change,) = table.apply(shelve(alarm.alarm_id, 60), at(10))

    assert response.ok
    assert change.alarm.last.flags == ["shelved"]
    assert change.alarm.last.shelved_until == format_utc(UTC_S + 3610)
    assert fire(table, 3609) is None
    assert fire(table, 3610) == ("unshelve", "confirmed", 3)
    assert (table.open_events()[0].flags, table.open_events()[0].shelved_until) == ([], None)
    assert fire(table, 3700) == ("escalate", "confirmed", 4)


@pytest.mark.parametrize("minutes", [None, 0.0, -5.0, 480.1, float("nan"), float("inf")])
def test_nothing_is_shelved_without_an_end(minutes):
    table = make_table()
    alarm, _ = table.report(inactivity(0), at(0))
    response, changes = table.apply(shelve(alarm.alarm_id, minutes), at(10))

    assert (response.error, changes) == ("minutes must be above 0, at most 480", [])


def test_a_life_critical_alarm_is_never_shelved():
    table = make_table()
    for cause in (fall(0), call(0)):
        alarm, _ = table.report(cause, at(1))
        response, changes = table.apply(shelve(alarm.alarm_id, 10), at(2))
        assert response.error == f"{cause.condition} is life-critical and is never shelved"
        assert changes == []


def test_acknowledging_a_shelved_alarm_does_not_make_its_shelf_endless():
    table = make_table()
    alarm, _ = table.report(inactivity(0), at(0))
    table.apply(shelve(alarm.alarm_id, 10), at(10))
    table.apply(command(CommandName.ACK, alarm.alarm_id), at(20))

    assert fire(table, 610) == ("unshelve", "confirmed", 4)


def test_a_shelf_does_not_outlast_a_power_cut():
    table = make_table()
    alarm, _ = table.report(inactivity(0), at(0))
    _, (shelved,) = table.apply(shelve(alarm.alarm_id, 400), at(10))
    (change,) = make_table("boot-2").restore([shelved.alarm], at(20))

    assert (change.alarm.last.trigger, change.alarm.last.flags) == ("unshelve", [])
