"""Light and buzzer: the whole table, and what a person sees and hears."""

import re

import pytest

from firmware import local_alarm
from firmware.local_alarm import (
    ACKNOWLEDGED,
    DELIVERED,
    DISPATCHED,
    ESCALATED,
    LATE,
    OFF,
    ON_ACKNOWLEDGED,
    ON_ENDED,
    ON_STORED,
    PATTERNS,
    PRESS,
    PRESSED,
    STORED,
    TRANSITIONS,
    LocalAlarm,
)
from protocol.messages import Stage

pytestmark = pytest.mark.fast

STATES = (OFF, PRESSED, STORED, DELIVERED, ACKNOWLEDGED, DISPATCHED, ESCALATED)
A, B = (b"bootbyte", 1), (b"bootbyte", 2)


class Output:
    def __init__(self):
        self.level = 0

    def read(self):
        return self.level

    def write(self, level):
        self.level = level


@pytest.fixture
def alarm():
    return LocalAlarm(Output(), Output())


def press(alarm, call, now_ms):
    alarm.press(now_ms)
    alarm.name_call(*call)


def bring(alarm, state):
    """Bring an alarm that is off to a state by its own events."""
    if state == OFF:
        alarm.name_call(*A)  # as after a power cut
    else:
        press(alarm, A, 0)
    if state == ESCALATED:
        alarm.tick(local_alarm.ESCALATE_MS)
    elif state > PRESSED:
        alarm.acknowledge(*A, state - 1, 0)
    assert alarm.state == state


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", range(7))
def test_every_pair_of_state_and_event(alarm, state, event):
    bring(alarm, state)
    if event == PRESS:
        press(alarm, B, 1)
    elif event == LATE:
        alarm.tick(10 * local_alarm.ESCALATE_MS)
    else:
        alarm.acknowledge(*A, event, 1)
    assert alarm.state == TRANSITIONS[state][event]
    if event != LATE:  # a tick may be at any step of the pattern
        lit = alarm._light.level or alarm._buzzer.level
        assert bool(lit) == (alarm.state != OFF)


def test_the_table_says_what_must_hold():
    for state in STATES:
        assert TRANSITIONS[state][ON_ENDED] == OFF
        assert TRANSITIONS[state][PRESS] in (PRESSED, ESCALATED)  # never silenced by a press
    for state in (PRESSED, STORED, DELIVERED):
        assert TRANSITIONS[state][LATE] == ESCALATED
    for state in STATES[1:]:  # a stage never goes back
        for stage in range(ON_STORED, ON_ENDED):
            if state != ESCALATED:
                assert TRANSITIONS[state][stage] >= state
    assert [ON_STORED, ON_ENDED] == [Stage.STORED, Stage.ENDED]


def test_the_docstring_shows_the_table():
    names = ["off", "pressed", "stored", "delivered", "ack", "disp", "esc"]
    rows = re.findall(r"^\| (\w+) \| (.*) \|$", local_alarm.__doc__, re.MULTILINE)[-7:]
    for state, (name, cells) in enumerate(rows):
        assert name.startswith(names[state])
        for event, cell in enumerate(cells.split(" | ")):
            assert cell.startswith(names[TRANSITIONS[state][event]]), (name, cell)


def test_every_pattern_but_off_begins_with_light_and_sound():
    assert PATTERNS[OFF] == ((1000, 0, 0),)
    for state in STATES[1:]:
        assert PATTERNS[state][0][1:] == (1, 1)
        assert len(set(PATTERNS)) == len(PATTERNS)


def test_nobody_acknowledges_for_90_s(alarm):
    press(alarm, A, 1000)
    alarm.acknowledge(*A, Stage.DELIVERED, 2000)
    press(alarm, B, 60_000)  # does not begin the 90 s anew
    alarm.acknowledge(*B, Stage.STORED, 60_500)
    alarm.tick(90_900)
    assert alarm.state == STORED
    alarm.tick(91_000)
    assert alarm.state == ESCALATED
    alarm.acknowledge(*B, ON_ACKNOWLEDGED, 95_000)
    assert alarm.state == ACKNOWLEDGED
    alarm.tick(10**6)
    assert alarm.state == ACKNOWLEDGED


def test_a_press_after_help_is_on_its_way_is_a_new_call(alarm):
    bring(alarm, DISPATCHED)
    press(alarm, B, 200_000)
    assert alarm.state == PRESSED
    alarm.acknowledge(*A, Stage.ENDED, 200_100)  # that was the first call
    assert alarm.state == PRESSED
    alarm.acknowledge(*B, Stage.STORED, 200_200)
    alarm.acknowledge(*A, Stage.ACKNOWLEDGED, 200_300)  # the same alarm by its first event
    assert alarm.state == ACKNOWLEDGED


def test_records_that_are_no_call_of_ours_change_nothing(alarm):
    press(alarm, A, 0)
    alarm.acknowledge(b"otherboo", 1, Stage.ENDED, 10)
    alarm.acknowledge(b"bootbyte", 99, Stage.ENDED, 10)
    assert alarm.state == PRESSED


def test_a_call_that_was_ended_is_forgotten(alarm):
    press(alarm, A, 0)
    alarm.acknowledge(*A, Stage.ENDED, 10)
    alarm.acknowledge(*A, Stage.DELIVERED, 20)
    assert alarm.state == OFF


def test_a_call_taken_up_after_a_power_cut_escalates_90_s_after_its_stage(alarm):
    alarm.name_call(*A)
    alarm.tick(500_000)
    assert alarm.state == OFF
    alarm.acknowledge(*A, Stage.DELIVERED, 500_000)
    alarm.tick(589_900)
    assert alarm.state == DELIVERED
    alarm.tick(590_000)
    assert alarm.state == ESCALATED


def test_a_press_that_is_not_recorded_yet_is_ended_by_no_older_call(alarm):
    press(alarm, A, 0)
    alarm.press(100)
    alarm.acknowledge(*A, Stage.ENDED, 150)
    assert alarm.state == PRESSED


def test_an_unknown_stage_shows_like_the_highest_known_one(alarm):
    press(alarm, A, 0)
    alarm.acknowledge(*A, 6, 10)
    assert alarm.state == OFF


def test_what_the_agent_switches_ends_by_itself_and_never_hides_a_call(alarm):
    alarm.ask(0, 1, 5000)
    alarm.ask(1, 1, 2000)
    alarm.tick(100)
    assert (alarm._light.level, alarm._buzzer.level) == (1, 1)
    alarm.tick(2000)
    assert (alarm._light.level, alarm._buzzer.level) == (1, 0)
    press(alarm, A, 3000)
    alarm.ask(1, 0, 100_000)
    alarm.tick(3100)
    assert (alarm._light.level, alarm._buzzer.level) == (1, 1)


def test_a_pattern_goes_on_in_its_steps(alarm):
    press(alarm, A, 0)
    shown = []
    for now_ms in range(0, 1000, 100):
        alarm.tick(now_ms)
        shown.append((alarm._light.level, alarm._buzzer.level))
    assert shown == [(1, 1), (1, 1), (0, 0), (0, 0)] * 2 + [(1, 1), (1, 1)]
