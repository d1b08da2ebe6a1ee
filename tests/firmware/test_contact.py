"""Call contacts: debouncing, the supervised cord's four states, and what they are told as."""

import itertools
import random

import pytest

from firmware.calls import EVENTS
from firmware.drivers.contact import CUT, IDLE, PRESSED, SHORT, Button, Debounce
from firmware.drivers.cord import Cord
from protocol.messages import EventKind, Reading, Status
from protocol.quantities import CONTACT
from tests.firmware.vm import needs_vm


class Input:
    def __init__(self, value=0):
        self.value = value

    def read_u16(self):
        return round(self.value * 65535)

    def read(self):
        return self.value


def settle(debounce, raws):
    """Return (position, state) of each settled change."""
    changes = []
    for position, raw in enumerate(raws):
        if debounce.add(raw):
            changes.append((position, debounce.state))
    return changes


@pytest.mark.fast
@pytest.mark.parametrize(
    ("ratio", "state"),
    [
        (0.0, SHORT),
        (0.07, SHORT),
        (0.09, PRESSED),
        (0.25, PRESSED),
        (0.35, PRESSED),
        (0.37, IDLE),
        (0.5, IDLE),
        (0.74, IDLE),
        (0.76, CUT),
        (1.0, CUT),
    ],
)
def test_cord_bands(ratio, state):
    assert Cord(Input(ratio), 0.08, 0.36, 0.75).read() == state


@pytest.mark.fast
def test_button_levels():
    assert Button(Input(0), 0).read() == PRESSED
    assert Button(Input(1), 0).read() == IDLE
    assert Button(Input(1), 1).read() == PRESSED


@pytest.mark.fast
@pytest.mark.parametrize(("debounce_ms", "at"), [(30, 3), (40, 4), (50, 5)])
def test_a_clean_press_settles_after_the_debounce_time(debounce_ms, at):
    raws = [PRESSED] * 30 + [IDLE] * 30
    assert settle(Debounce(debounce_ms), raws) == [(at, PRESSED), (30 + at, IDLE)]


@pytest.mark.fast
def test_bounce_at_both_ends_is_one_press():
    bounce = [PRESSED, IDLE, PRESSED, IDLE, IDLE, PRESSED, PRESSED, IDLE]
    raws = [IDLE] * 10 + bounce + [PRESSED] * 30 + bounce + [IDLE] * 30
    assert [state for _, state in settle(Debounce(40), raws)] == [PRESSED, IDLE]


@pytest.mark.fast
def test_spikes_shorter_than_the_debounce_time_are_nothing():
    for spike in (SHORT, CUT, PRESSED):
        raws = ([IDLE] * 20 + [spike] * 3) * 20
        assert settle(Debounce(40), raws) == []


@pytest.mark.fast
def test_a_contact_that_chatters_while_it_is_pulled_still_calls():
    chance = random.Random(5)
    for _ in range(200):
        raws = [PRESSED if chance.random() < 0.75 else IDLE for _ in range(100)]  # one second
        assert (PRESSED) in [state for _, state in settle(Debounce(40), raws)]


@pytest.mark.fast
def test_sweeping_through_the_pressed_band_is_no_press():
    raws = [IDLE] * 10 + [PRESSED] + [SHORT] * 10 + [PRESSED] + [IDLE] * 10 + [CUT] * 10
    assert [state for _, state in settle(Debounce(30), raws)] == [SHORT, IDLE, CUT]


@pytest.mark.fast
def test_every_change_of_state_is_told_and_a_call_first():
    states = (IDLE, PRESSED, CUT, SHORT)
    for before, after in itertools.permutations(states, 2):
        kinds = EVENTS[before, after]
        assert (EventKind.CALL_PRESSED in kinds) == (after == PRESSED)
        assert (EventKind.CALL_RELEASED in kinds) == (before == PRESSED)
        assert (EventKind.CORD_CUT in kinds) == (after == CUT)
        assert (EventKind.CORD_SHORT in kinds) == (after == SHORT)
        if after == PRESSED:
            assert kinds[0] == EventKind.CALL_PRESSED
    assert len(EVENTS) == 12


@pytest.mark.vm
@needs_vm
def test_the_cord_of_a_bathroom_in_the_vm(make_unit):
    unit = make_unit(profile="bathroom")
    bounce = [[5000, 0.25], [5010, 0.5], [5020, 0.25], [5050, 0.5], [5060, 0.25]]
    unit.host["adc"]["cord"]["steps"] = [
        [0, 0.5],
        *bounce,
        [6000, 0.5],
        [8000, 0.99],
        [10_000, 0.5],
        [12_000, 0.01],
        [14_000, 0.25],
        [15_000, 0.5],
    ]
    unit.start()
    unit.advance(20_000)
    assert unit.kinds() == [
        EventKind.CALL_PRESSED,
        EventKind.CALL_RELEASED,
        EventKind.CORD_CUT,
        EventKind.CORD_RESTORED,
        EventKind.CORD_SHORT,
        EventKind.CALL_PRESSED,
        EventKind.CORD_RESTORED,
        EventKind.CALL_RELEASED,
    ]
    states = [r.value for r in unit.of(Reading) if r.quantity == CONTACT.code]
    assert states == [IDLE, PRESSED, IDLE, CUT, IDLE, SHORT, PRESSED, IDLE]
    assert unit.of(Status)[-1].flags == 16  # the alarm is on, nobody has ended it
    assert unit.outputs()[0] == (5100, "light", 1)


@pytest.mark.vm
@needs_vm
def test_a_cord_held_since_before_the_start_calls(make_unit):
    unit = make_unit(profile="bathroom")
    unit.host["adc"]["cord"]["steps"] = [[0, 0.25]]
    unit.start()
    unit.advance(1_000)
    assert unit.kinds() == [EventKind.CALL_PRESSED]
    assert unit.outputs()[0] == (100, "light", 1)


@pytest.mark.vm
@needs_vm
def test_a_board_without_the_cord_says_so(make_unit):
    unit = make_unit(profile="bathroom")
    del unit.host["adc"]["cord"]
    unit.start()
    unit.advance(3_000)
    assert unit.kinds() == [EventKind.SENSOR_FAULT]
    assert unit.process.poll() is None
