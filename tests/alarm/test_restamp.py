"""What was stored under a wrong clock gets its true time, unless somebody may have heard it."""

import random

import msgspec
import pytest

from edge_agent.alarm.alarm import AgentStamp, AlarmEvent
from edge_agent.alarm.policy import Policy
from edge_agent.alarm.restamp import ClockWatch, restamped
from edge_agent.alarm.table import AlarmTable, Identity
from edge_agent.clock import Instant, Quality, SystemClock, format_utc
from edge_agent.home.cause import Cause
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Batch

pytestmark = pytest.mark.fast

WRONG_S, TRUE_S = 1_795_400_000.0, 1_797_214_400.0  # three weeks between them


def wrong(second: float) -> Instant:
    return Instant(second, WRONG_S + second, Quality.NONE)


def true(second: float) -> Instant:
    return Instant(second, TRUE_S + second, Quality.NTP)


def make_table() -> AlarmTable:
    identity = Identity("640302001001", "h1", AgentStamp("s1", "0"), "boot")
    return AlarmTable(identity, Policy(), random.Random(1).randbytes)


def call(second: float, unit: str) -> Cause:
    return Cause("call", WRONG_S + second, ("bath", "卫生间", "bathroom"), None, unit, "cord")


def test_the_step_is_told_once_when_the_clock_becomes_trusted():
    watch = ClockWatch()

    assert [watch.step_s(wrong(0)), watch.step_s(wrong(1))] == [None, None]
    assert watch.step_s(true(2)) == TRUE_S - WRONG_S
    assert watch.step_s(true(3)) is None
    jumped = Instant(4, TRUE_S + 9999, Quality.NTP)
    assert watch.step_s(jumped) is None  # a trusted clock that jumps changes nothing


def test_a_step_below_a_second_changes_nothing():
    watch = ClockWatch()
    watch.step_s(Instant(0, TRUE_S - 0.9, Quality.NONE))

    assert watch.step_s(true(0)) is None


def test_only_events_of_this_run_and_of_the_untrusted_clock_are_changed():
    table = make_table()
    alarm, _ = table.report(call(0, "a"), wrong(1))
    event = alarm.last
    new = restamped(event, TRUE_S - WRONG_S, "s1", "ntp")

    assert new is not None
    assert (new.onset, new.at, new.clock) == (format_utc(TRUE_S), format_utc(TRUE_S + 1), "ntp")
    assert (new.alarm_id, new.event) == (event.alarm_id, event.event)
    assert restamped(event, 1e6, "s2", "ntp") is None
    assert restamped(new, 1e6, "s1", "ntp") is None


async def test_events_that_a_route_was_given_stay_and_the_others_keep_their_order(tmp_path):
    table = make_table()
    outbox = Outbox(tmp_path / "o.db", ["mqtt"], SystemClock().outside)
    await outbox.open()
    for number, unit in enumerate("abc"):
        _, changes = table.report(call(number, unit), wrong(number))
        await outbox.put(Batch([change.alarm for change in changes]), WRONG_S)
    (given,) = await outbox.pending("mqtt", 1)
    alarms = table.restamp(TRUE_S - WRONG_S, "ntp")

    def change(body: bytes) -> bytes | None:
        event = restamped(msgspec.json.decode(body, type=AlarmEvent), TRUE_S - WRONG_S, "s1", "ntp")
        return None if event is None else msgspec.json.encode(event)

    assert await outbox.rewrite(change, alarms) == 2
    rows = await outbox.pending("mqtt", 10)
    events = [msgspec.json.decode(row.body, type=AlarmEvent) for row in rows]
    await outbox.close()

    assert rows[0].body == given.body
    assert [event.clock for event in events] == ["none", "ntp", "ntp"]
    assert [event.unit for event in events] == ["a", "b", "c"]
    assert events[2].onset == format_utc(TRUE_S + 2)
    again = Outbox(tmp_path / "o.db", ["mqtt"], SystemClock().outside)
    stored = await again.open()
    await again.close()
    assert sorted(one.onset_utc_s for one in stored.alarms) == [TRUE_S, TRUE_S + 1, TRUE_S + 2]
