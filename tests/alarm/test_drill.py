"""A drill rehearses one condition of one unit; everything else stays real."""

from dataclasses import replace

import pytest

from edge_agent.alarm.alarm import AgentStamp, State
from edge_agent.alarm.drill import DRILL, LONGEST_DRILL_S, DrillError, Drills
from edge_agent.alarm.policy import Policy
from edge_agent.alarm.table import AlarmTable, Identity
from edge_agent.clock import Instant, Quality
from edge_agent.home.cause import Cause, Over

pytestmark = pytest.mark.fast

UTC_S = 1_795_400_000.0
IDENTITY = Identity("640302001001", "h1", AgentStamp("session", "0"), "boot")


def at(second: float) -> Instant:
    return Instant(1000.0 + second, UTC_S + second, Quality.NTP)


def call(unit: str = "bed-1", second: float = 1.0, condition: str = "call") -> Cause:
    return Cause(condition, UTC_S + second, ("room", "卧室", "bedroom"), person="p1", unit=unit)


def begun(condition: str = "call", length_s: float = 600.0) -> Drills:
    drills = Drills(["bed-1", "bath-1"])
    drills.begin("bed-1", condition, length_s, [], at(0))
    return drills


def make_table() -> AlarmTable:
    return AlarmTable(IDENTITY, Policy(), lambda count: bytes(count))


def flags(drills: Drills, cause: Cause, second: float) -> tuple[str, ...]:
    (marked,) = drills.mark([cause], at(second))
    assert replace(marked, flags=()) == cause
    return marked.flags


def test_only_the_rehearsed_condition_of_the_rehearsed_unit_is_a_drill():
    drills = begun()

    assert flags(drills, call(), 2) == (DRILL,)
    assert flags(drills, call("bath-1"), 2) == ()
    assert flags(drills, call(condition="fall"), 2) == ()
    over = Over("call", "p1", "it ended")
    assert drills.mark([over], at(2)) == [over]


def test_a_press_from_before_the_drill_that_comes_late_is_real():
    assert flags(begun(), call(second=-0.1), 2) == ()


def test_a_drill_ends_by_itself():
    drills = begun(length_s=LONGEST_DRILL_S)

    assert flags(drills, call(second=1799.9), 1799.9) == (DRILL,)
    assert flags(drills, call(second=1800.0), 1800.0) == ()
    assert drills.running(at(1800)) == []


def test_a_drill_is_over_with_its_alarm_and_not_with_another():
    table, drills = make_table(), begun()
    (rehearsed,) = drills.mark([call()], at(1))
    alarm, _ = table.report(rehearsed, at(1))
    real, _ = table.report(call(), at(1))

    drills.end_alarm(real.last)
    assert len(drills.running(at(2))) == 1
    drills.end_alarm(alarm.last)
    assert drills.running(at(2)) == []


def test_a_real_call_during_a_drill_is_an_alarm_of_its_own():
    table = make_table()
    drill, _ = table.report(replace(call(), flags=(DRILL,)), at(1))
    real, _ = table.report(call("bath-1"), at(2))
    again, _ = table.report(replace(call(), flags=(DRILL,)), at(3))

    assert real.alarm_id != drill.alarm_id
    assert real.last.flags == []
    assert (again.alarm_id, again.last.event) == (drill.alarm_id, 2)
    assert table.find_open("call", "p1") == real


def test_what_ends_a_condition_ends_the_drill_of_it_too():
    table = make_table()
    table.report(replace(call(condition="fall"), flags=(DRILL,)), at(1))
    table.report(call(condition="fall"), at(100))

    states = [change.alarm.last.state for change in table.recover("fall", "p1", at(101))]
    assert states == [State.RECOVERED] * 2


def test_no_drill_begins_while_somebody_needs_help():
    table, drills = make_table(), Drills(["bed-1"])
    table.report(call("bath-1"), at(0))

    with pytest.raises(DrillError, match="call is open: "):
        drills.begin("bed-1", "call", 60, table.open_events(), at(1))


def test_a_drill_or_a_fault_that_is_open_stops_no_drill():
    table, drills = make_table(), Drills(["bed-1"])
    table.report(replace(call(), flags=(DRILL,)), at(0))
    table.report(call(condition="battery_low"), at(0))

    assert drills.begin("bed-1", "call", 60, table.open_events(), at(1)).unit == "bed-1"


@pytest.mark.parametrize(
    ("unit", "condition", "length_s", "why"),
    [
        ("other", "call", 60, "no unit 'other'"),
        ("bed-1", "battery_low", 60, "'battery_low' is not rehearsed; these are: fall, call"),
        ("bed-1", "nothing", 60, "not rehearsed"),
        ("bed-1", "call", 0, "above 0, at most 30"),
        ("bed-1", "call", 1801, "above 0, at most 30"),
        ("bed-1", "call", float("nan"), "above 0, at most 30"),
    ],
)
def test_a_drill_that_cannot_begin_says_why(unit, condition, length_s, why):
    with pytest.raises(DrillError, match=why):
        Drills(["bed-1"]).begin(unit, condition, length_s, [], at(0))
