"""The alarm's transition table, walked over the whole product of states and triggers."""

from itertools import product

import pytest

from edge_agent.alarm.alarm import ENDED, TRANSITIONS, State, TransitionError, Trigger, next_state
from edge_agent.alarm.catalogue import CONDITIONS, Priority

pytestmark = pytest.mark.fast


def test_every_pair_leads_to_its_state_or_is_refused():
    for state, trigger in product(State, Trigger):
        if (state, trigger) in TRANSITIONS:
            assert next_state(state, trigger) is TRANSITIONS[state, trigger]
        else:
            with pytest.raises(TransitionError) as caught:
                next_state(state, trigger)
            assert str(caught.value) == f"an alarm that is {state} does not take {trigger}"


def test_only_recovery_cancelling_and_closing_end_an_alarm():
    ending = {trigger for (_, trigger), after in TRANSITIONS.items() if after in ENDED}

    assert ending == {Trigger.RECOVER, Trigger.CANCEL, Trigger.CLOSE}


def test_nothing_leads_back_to_a_suspicion_and_its_timer_confirms():
    assert State.SUSPECTED not in TRANSITIONS.values()
    assert TRANSITIONS[State.SUSPECTED, Trigger.CONFIRM] is State.CONFIRMED


def test_every_open_state_can_be_closed_or_ends_otherwise():
    for state in set(State) - {State.CLOSED, State.SUSPECTED}:
        assert TRANSITIONS[state, Trigger.CLOSE] is State.CLOSED


def test_a_repeated_press_never_lowers_what_is_known_of_help():
    for state in (State.DISPATCHED, State.ARRIVED):
        assert TRANSITIONS[state, Trigger.REPEAT] is state
    for state in (State.SUSPECTED, State.NOTIFIED, State.ACKNOWLEDGED):
        assert TRANSITIONS[state, Trigger.REPEAT] is State.CONFIRMED


def test_the_catalogue_is_the_requirements():
    high = {c.name for c in CONDITIONS.values() if c.priority is Priority.HIGH}

    assert high == {"fall", "call", "breathing_stopped", "smoke", "gas", "co"}
    assert all(CONDITIONS[name].life_critical for name in high)
    assert not any(c.life_critical for c in CONDITIONS.values() if c.name not in high)
    assert len(CONDITIONS) == 30
    assert all(c.zh and c.en for c in CONDITIONS.values())
    assert CONDITIONS["fall"].ieee == 1
    assert CONDITIONS["fall"].scaip == "0005"
