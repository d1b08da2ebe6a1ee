"""What others rely on, written down a second time: names, codes, and every way of an alarm."""

import pytest

from edge_agent.alarm import configure, drill, onsite, policy, restamp, rules, table
from edge_agent.alarm.alarm import ENDED, SCHEMA, TRANSITIONS, State, Trigger
from edge_agent.alarm.catalogue import CONDITIONS, Condition, Priority, subject_of
from edge_agent.alarm.command import REASON_CHARS, TRIGGERS, CommandName

pytestmark = pytest.mark.fast

WAYS = """
suspected     confirm>confirmed repeat>confirmed ack>acknowledged dispatch>dispatched \
recover>recovered cancel>cancelled
confirmed     notify>notified escalate>confirmed remind>confirmed shelve>confirmed \
unshelve>confirmed repeat>confirmed ack>acknowledged dispatch>dispatched recover>recovered \
cancel>cancelled close>closed
notified      escalate>notified remind>notified shelve>notified unshelve>confirmed \
repeat>confirmed ack>acknowledged dispatch>dispatched recover>recovered cancel>cancelled \
close>closed
acknowledged  confirm>confirmed remind>acknowledged shelve>acknowledged unshelve>confirmed \
repeat>confirmed dispatch>dispatched arrive>arrived recover>recovered cancel>cancelled close>closed
dispatched    remind>dispatched repeat>dispatched arrive>arrived close>closed
arrived       repeat>arrived close>closed
recovered     close>closed
cancelled     close>closed
"""

CATALOGUE = """
fall                  high   life 1 0005 跌倒 Fall
call                  high   life 2 -    一键呼救 Call for help
breathing_stopped     high   life - -    呼吸停止 Breathing stopped
smoke                 high   life 3 -    烟雾 Smoke
gas                   high   life 6 -    燃气泄漏 Gas leak
co                    high   life 4 -    一氧化碳 Carbon monoxide
bed_exit_not_returned medium -    7 -    离床未归 Not back in bed
bathroom_stay         medium -    7 -    卫生间滞留 Long stay
inactivity            medium -    7 -    长时间无活动 No activity
heart_rate_high       medium -    - -    心率过高 Heart rate high
heart_rate_low        medium -    - -    心率过低 Heart rate low
respiration_high      medium -    - -    呼吸过快 Breathing fast
respiration_low       medium -    - -    呼吸过慢 Breathing slow
water_leak            medium -    5 -    漏水 Water leak
wandering             medium -    8 -    夜间外出 Door opened at night
protection_lost       medium -    - -    失去守护 Nobody is watching over this person
unit_lost             low    tech - -    设备失联 Unit lost
battery_low           low    tech - -    电池电量低 Battery low
mains_lost            low    tech - -    市电中断 Mains power lost
sensor_stuck          low    tech - -    传感器卡滞 Sensor stuck
sensor_fault          low    tech - -    传感器故障 Sensor fault
cord_cut              low    tech - -    呼叫拉绳断线 Call cord cut
call_stuck            low    tech - -    呼叫按钮卡住 Call button stuck
pendant_not_worn      low    tech - -    未佩戴吊坠 Pendant not worn
vitals_unavailable    low    tech - -    体征不可用 Vital signs unavailable
clock_untrusted       low    tech - -    时钟不可信 Clock not trusted
platform_unreachable  low    tech - -    平台不可达 Platform unreachable
certificate_expiring  low    tech - -    证书将到期 Certificate expiring
storage_low           low    tech - -    存储空间不足 Storage low
tamper                low    tech - -    设备被拆动 Tampering
"""


def test_every_way_of_an_alarm_and_no_other():
    ways = {}
    for line in WAYS.strip().splitlines():
        state, *steps = line.split()
        for step in steps:
            trigger, after = step.split(">")
            ways[State(state), Trigger(trigger)] = State(after)

    assert ways == TRANSITIONS


def test_the_catalogue_row_by_row():
    rows = {}
    for line in CATALOGUE.strip().splitlines():
        name, priority, kind, ieee, scaip, zh, en = line.split(maxsplit=6)
        rows[name] = Condition(
            name,
            Priority[priority.upper()],
            zh,
            en,
            kind == "life",
            kind == "tech",
            None if ieee == "-" else int(ieee),
            None if scaip == "-" else scaip,
        )

    assert rows == CONDITIONS
    assert list(rows) == list(CONDITIONS)


def test_the_names_on_topics():
    assert [state.value for state in State] == [
        "suspected", "confirmed", "notified", "acknowledged", "dispatched", "arrived",
        "recovered", "cancelled", "closed",
    ]  # fmt: skip
    assert [trigger.value for trigger in Trigger] == [
        "confirm", "notify", "escalate", "remind", "shelve", "unshelve", "repeat", "ack",
        "dispatch", "arrive", "recover", "cancel", "close",
    ]  # fmt: skip
    assert [priority.label for priority in sorted(Priority)] == ["high", "medium", "low"]
    assert (policy.ESCALATED, policy.SHELVED, drill.DRILL) == ("escalated", "shelved", "drill")
    assert SCHEMA == "anzhen.alarm/1"


def test_the_commands_that_move_an_alarm():
    assert {name.value: trigger.value for name, trigger in TRIGGERS.items()} == {
        "ack": "ack",
        "dispatch": "dispatch",
        "arrive": "arrive",
        "close": "close",
        "shelve": "shelve",
    }
    assert [name.value for name in CommandName] == [
        "ack", "dispatch", "arrive", "close", "shelve", "drill", "configure", "time", "snapshot",
    ]  # fmt: skip


def test_an_alarm_is_open_until_it_ended():
    assert {state.value for state in ENDED} == {"recovered", "cancelled", "closed"}


def test_the_delays_and_bounds_of_the_requirements():
    delays = policy.Policy()
    assert (delays.fall_confirm_s, delays.escalate_s, delays.remind_s) == (10.0, 90.0, 600.0)
    assert (delays.arrival_s, delays.technical_s) == (1800.0, 86_400.0)
    assert (policy.SAME_FALL_S, policy.LONGEST_SHELF_S) == (10.0, 28_800.0)
    assert (drill.LONGEST_DRILL_S, drill.CALL) == (1800.0, "call")
    assert (onsite.SOUND_S, onsite.REPEAT_S) == (30, 20.0)
    assert (table.LATE_S, table.ENDED_KEPT) == (3.0, 32)
    assert (rules.LONGEST_DELAY_S, rules.MOST_HELD) == (3600.0, 256)
    assert configure.KEYS == ("escalate_s", "remind_s", "arrival_s")
    assert (restamp.LEAST_S, REASON_CHARS) == (1.0, 200)


def test_a_fault_is_a_units_and_everything_else_a_persons():
    assert subject_of("battery_low", "p1", "bed-1") == "bed-1"
    assert subject_of("call", "p1", "bed-1") == "p1"
    assert subject_of("call", None, "bed-1") == "bed-1"
    assert subject_of("inactivity", None, None) == ""
