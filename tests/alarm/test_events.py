"""Every field of the events and answers that the alarm table makes."""

import pytest
from msgspec.structs import asdict, replace

from edge_agent.alarm.alarm import AgentStamp, AlarmEvent, Due, State, Trigger
from edge_agent.alarm.command import Command, CommandName, Response
from edge_agent.alarm.configure import Delays
from edge_agent.alarm.policy import LONGEST_SHELF_S, SAME_FALL_S, Policy
from edge_agent.alarm.table import ENDED_KEPT, LATE_S, AlarmTable, Identity
from edge_agent.clock import Instant, Quality, format_utc, uuid7
from edge_agent.config.policy import AlarmConfig
from edge_agent.home.cause import Cause

pytestmark = pytest.mark.fast

UTC_S = 1_795_400_000.0
BEFORE, AFTER = AgentStamp("session-1", "0.1.0"), AgentStamp("session-2", "0.2.0")
BATH = ("bath", "卫生间", "bathroom")


def at(second: float, quality: Quality = Quality.NTP) -> Instant:
    return Instant(1000.0 + second, UTC_S + second, quality)


def make_table(agent: AgentStamp = BEFORE, host_boot: str = "boot-1") -> AlarmTable:
    """Return a table whose random bytes are all the number of the alarm."""
    count = iter(range(200))
    identity = Identity("640302001001", "h1", agent, host_boot)
    return AlarmTable(identity, Policy(), lambda size: bytes([next(count)]) * size)


def water(second: float = 0.0, unit: str = "bath-1") -> Cause:
    return Cause(
        "water_leak", UTC_S + second, BATH, "p1", unit, "probe", 0.123456,
        {"level": 1.0}, "a probe is wet", flags=("simulated",),
    )  # fmt: skip


def call(second: float = 0.0, unit: str = "bath-1") -> Cause:
    return Cause("call", UTC_S + second, BATH, "p1", unit, "cord", reason="the cord was pulled")


def fall(second: float = 0.0, unit: str = "pendant-1", **evidence: float) -> Cause:
    return Cause("fall", UTC_S + second, BATH, "p1", unit, "pendant", 0.9, evidence)


def fault(second: float = 0.0, unit: str = "bath-1") -> Cause:
    return Cause("battery_low", UTC_S + second, BATH, "p1", unit, "unit")


def command(name: CommandName, alarm_id: str | None, **fields: object) -> Command:
    return Command(name=name, route="mqtt", transaction="t-1", alarm_id=alarm_id, **fields)


def changed(before: AlarmEvent, after: AlarmEvent) -> dict[str, object]:
    """Return the fields that differ."""
    old, new = asdict(before), asdict(after)
    return {name: value for name, value in new.items() if value != old[name]}


def test_the_first_event_says_everything_that_is_known():
    alarm, _ = make_table().report(water(), at(3.04))

    assert asdict(alarm.last) == {
        "schema_": "anzhen.alarm/1",
        "alarm_id": uuid7(UTC_S + 3.04, bytes(10)),
        "event": 1,
        "condition": "water_leak",
        "state": State.CONFIRMED,
        "priority": "medium",
        "region": "640302001001",
        "home": "h1",
        "place": "bath",
        "person": "p1",
        "unit": "bath-1",
        "source": "probe",
        "onset": format_utc(UTC_S),
        "at": format_utc(UTC_S + 3.04),
        "clock": "ntp",
        "late_s": 3.0,
        "score": 0.1235,
        "evidence": {"level": 1.0},
        "reason": "a probe is wet",
        "flags": ["simulated"],
        "text": {"zh": "卫生间漏水", "en": "Water leak in the bathroom"},
        "agent": BEFORE,
        "trigger": None,
        "shelved_until": None,
    }
    assert (alarm.onset_utc_s, alarm.changed_utc_s) == (UTC_S, UTC_S + 3.04)
    assert alarm.due == Due(Trigger.ESCALATE, 1000.0 + 3.04 + 90.0, "boot-1")


def test_what_is_known_within_three_seconds_is_not_late():
    assert make_table().report(call(), at(LATE_S))[0].last.late_s == 0.0
    assert make_table().report(call(), at(LATE_S + 0.06))[0].last.late_s == 3.1


def test_a_timers_event_changes_what_it_must_and_nothing_else():
    stored, _ = make_table().report(water(), at(1))
    table = make_table(AFTER)
    table.restore([stored], at(2))

    (change,) = table.run_timers(at(91, Quality.RTC))
    assert changed(stored.last, change.alarm.last) == {
        "event": 2,
        "at": format_utc(UTC_S + 91),
        "clock": "rtc",
        "flags": ["simulated", "escalated"],
        "agent": AFTER,
        "trigger": Trigger.ESCALATE,
    }
    assert (change.alarm.onset_utc_s, change.alarm.changed_utc_s) == (UTC_S, UTC_S + 91)


def test_a_repeated_press_tells_of_itself():
    table = make_table()
    first, _ = table.report(call(), at(0))
    again = replace_cause(call(20, "bed-1"))
    alarm, (change,) = table.report(again, at(21))

    assert alarm == change.alarm
    assert changed(first.last, alarm.last) == {
        "event": 2,
        "at": format_utc(UTC_S + 21),
        "unit": "bed-1",
        "source": "button",
        "score": 0.5,
        "evidence": {"channel": 4.0},
        "reason": "pressed again",
        "trigger": Trigger.REPEAT,
    }


def replace_cause(cause: Cause) -> Cause:
    return Cause(
        cause.condition, cause.onset_utc_s, cause.place, cause.person, cause.unit,
        "button", 0.5, {"channel": 4.0}, "pressed again",
    )  # fmt: skip


def test_a_fall_that_more_sources_have_seen_is_told_again():
    table = make_table()
    first, _ = table.report(fall(), at(1))
    assert table.report(fall(0.5, sources=1.0), at(2)) == (first, [])

    alarm, (change,) = table.report(fall(0.5, "radar-1", sources=2.0), at(3))
    assert alarm == change.alarm
    assert changed(first.last, alarm.last) == {
        "event": 2,
        "state": State.CONFIRMED,
        "at": format_utc(UTC_S + 3),
        "unit": "radar-1",
        "evidence": {"sources": 2.0},
        "trigger": Trigger.REPEAT,
    }
    assert table.report(fall(0.5, sources=2.0), at(4)) == (alarm, [])


def test_falls_up_to_ten_seconds_apart_are_one_also_after_its_end():
    table = make_table()
    first, _ = table.report(fall(), at(1))
    assert table.report(fall(SAME_FALL_S), at(12))[0].alarm_id == first.alarm_id
    (over,) = table.recover("fall", "p1", at(5), "the wearer stood up")

    assert changed(first.last, over.alarm.last) == {
        "event": 2,
        "state": State.RECOVERED,
        "at": format_utc(UTC_S + 5),
        "reason": "the wearer stood up",
        "trigger": Trigger.RECOVER,
    }
    assert table.report(fall(5), at(12)) == (over.alarm, [])
    assert table.report(fall(5.001), at(12))[0].alarm_id != first.alarm_id


def test_a_recovery_without_a_reason_keeps_the_reason_of_the_alarm():
    table = make_table()
    table.report(call(), at(0))
    (change,) = table.recover("call", "p1", at(5))

    assert change.alarm.last.reason == "the cord was pulled"


def test_the_answer_to_a_command_and_the_event_it_made():
    table = make_table()
    first, _ = table.report(call(), at(0))
    response, (change,) = table.apply(
        command(CommandName.ACK, first.alarm_id, reason="nurse 4"), at(9)
    )

    assert response == Response(
        transaction="t-1", ok=True, alarm_id=first.alarm_id, state="acknowledged"
    )
    assert changed(first.last, change.alarm.last) == {
        "event": 2,
        "state": State.ACKNOWLEDGED,
        "at": format_utc(UTC_S + 9),
        "reason": "nurse 4",
        "trigger": Trigger.ACKNOWLEDGE,
    }


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("called 13812345678, coming", "called ***, coming"),
        ("138-1234-5678", "***"),
        ("ID 640302194501011234, 64030219450101123X", "ID ***, ***"),
        ("已电话联系 138 1234 5678", "已电话联系 ***"),
        ("room 123456, 10 min", "room 123456, 10 min"),
        ("false_alarm", "false_alarm"),
        ("x" * 500, "x" * 200),
        ("1" * 500, "***"),
        ("", ""),
    ],
)
def test_a_reason_carries_no_telephone_and_no_identity_number(written, kept):
    table = make_table()
    alarm, _ = table.report(call(), at(0))
    _, (change,) = table.apply(command(CommandName.CLOSE, alarm.alarm_id, reason=written), at(9))

    assert change.alarm.last.reason == kept


def test_a_refusal_names_the_alarm_its_state_and_why():
    table = make_table()
    alarm, _ = table.report(call(), at(0))
    table.apply(command(CommandName.CLOSE, alarm.alarm_id), at(1))

    def refused(error: str, alarm_id: str | None, state: str | None) -> tuple[Response, list]:
        answer = Response(transaction="t-1", ok=False, error=error, alarm_id=alarm_id, state=state)
        return answer, []

    closed = "an alarm that is closed does not take ack"
    assert table.apply(command(CommandName.ACK, alarm.alarm_id), at(2)) == refused(
        closed, alarm.alarm_id, "closed"
    )
    assert table.apply(command(CommandName.ACK, "x"), at(2)) == refused("no such alarm", "x", None)
    assert table.apply(command(CommandName.ACK, None), at(2)) == refused(
        "no such alarm", None, None
    )


def test_a_refused_shelving_names_the_alarm_and_its_state():
    table = make_table()
    alarm, _ = table.report(call(), at(0))
    response, changes = table.apply(command(CommandName.SHELVE, alarm.alarm_id, minutes=5.0), at(1))

    assert changes == []
    assert response == Response(
        transaction="t-1",
        ok=False,
        error="call is life-critical and is never shelved",
        alarm_id=alarm.alarm_id,
        state="confirmed",
    )


@pytest.mark.parametrize("minutes", [0.01, LONGEST_SHELF_S / 60])
def test_a_shelf_of_any_allowed_length_ends_by_its_own_timer(minutes):
    table = make_table()
    alarm, _ = table.report(water(), at(0))
    response, (change,) = table.apply(
        command(CommandName.SHELVE, alarm.alarm_id, minutes=minutes), at(1)
    )

    assert response.ok
    assert change.alarm.due == Due(Trigger.UNSHELVE, 1001.0 + 60 * minutes, "boot-1")
    assert change.alarm.last.shelved_until == format_utc(UTC_S + 1 + 60 * minutes)


def test_shelving_again_sets_the_flag_once():
    table = make_table()
    alarm, _ = table.report(water(), at(0))
    for minutes in (1.0, 2.0):
        _, (change,) = table.apply(
            command(CommandName.SHELVE, alarm.alarm_id, minutes=minutes), at(1)
        )

    assert change.alarm.last.flags == ["simulated", "shelved"]


def test_an_alarm_that_has_ended_is_still_found_by_its_own_name():
    table = make_table()
    first, _ = table.report(fall(0), at(0))
    table.recover("fall", "p1", at(1))
    second, _ = table.report(fall(100), at(100))
    table.recover("fall", "p1", at(101))

    assert [table.find(one.alarm_id).alarm_id for one in (first, second)] == [
        first.alarm_id,
        second.alarm_id,
    ]
    restored = make_table()
    restored.restore([table.find(first.alarm_id)], at(102))
    assert restored.find(first.alarm_id).alarm_id == first.alarm_id
    assert restored.open_events() == []


def test_only_the_last_ended_alarms_are_remembered():
    table = make_table()
    names = []
    for number in range(ENDED_KEPT + 1):
        alarm, _ = table.report(fall(100 * number), at(100 * number))
        names.append(alarm.alarm_id)
        table.recover("fall", "p1", at(100 * number + 1))

    assert table.find(names[0]) is None
    assert table.find(names[1]) is not None


def test_a_timer_of_an_earlier_boot_of_the_host_fires_now_and_its_next_is_of_this_boot():
    alarm, _ = make_table().report(water(), at(0))
    table = make_table(host_boot="boot-2")
    (change,) = table.restore([alarm], Instant(5.0, UTC_S + 900, Quality.NTP))

    assert change.alarm.last.trigger is Trigger.ESCALATE
    assert change.alarm.due == Due(Trigger.REMIND, 5.0 + 600.0, "boot-2")


def test_a_timer_that_does_not_fire_yet_does_not_stop_the_next_alarms():
    table = make_table()
    table.report(water(0), at(0))
    waiting, _ = table.report(fall(1), at(1))
    confirmed = table.run_timers(at(20))

    assert [change.alarm.alarm_id for change in confirmed] == [waiting.alarm_id]


def test_a_reminder_that_no_route_has_taken_is_put_off_and_not_doubled():
    table = make_table()
    alarm, _ = table.report(fault(), at(0))
    (first,) = table.run_timers(at(86_400))
    assert first.alarm.last.trigger is Trigger.REMIND
    event = first.alarm.last.event

    assert table.run_timers(at(2 * 86_400)) == []
    assert table.find(alarm.alarm_id).due == Due(Trigger.REMIND, 1000.0 + 3 * 86_400, "boot-1")
    table.notify(alarm.alarm_id, event - 1, at(2 * 86_400 + 1))
    assert table.run_timers(at(3 * 86_400)) == []
    table.notify(alarm.alarm_id, event, at(3 * 86_400 + 1))
    assert len(table.run_timers(at(4 * 86_400))) == 1


def test_other_delays_count_from_the_next_event_on():
    table = make_table()
    table.report(water(), at(0))
    delays = Delays(AlarmConfig(fall_confirm_s=7.0))
    delays.change({"escalate_s": 30.0})
    table.set_policy(delays.policy())

    assert table.run_timers(at(89)) == []
    call_alarm, _ = table.report(call(100), at(100))
    fall_alarm, _ = table.report(fall(100), at(100))
    assert call_alarm.due == Due(Trigger.ESCALATE, 1130.0, "boot-1")
    assert fall_alarm.due == Due(Trigger.CONFIRM, 1107.0, "boot-1")


def test_restamping_moves_the_alarm_and_its_last_event_alike():
    table = make_table()
    alarm, _ = table.report(call(), at(5, Quality.NONE))
    (moved,) = table.restamp(1000.0, "ntp")

    assert changed(alarm.last, moved.last) == {
        "onset": format_utc(UTC_S + 1000),
        "at": format_utc(UTC_S + 1005),
        "clock": "ntp",
    }
    assert (moved.onset_utc_s, moved.changed_utc_s) == (UTC_S + 1000, UTC_S + 1005)
    assert moved == replace(
        alarm, last=moved.last, onset_utc_s=UTC_S + 1000, changed_utc_s=UTC_S + 1005
    )
    assert table.find(alarm.alarm_id) == moved
