"""Call cord, button and reed: bounce of the right length, levels within the bands."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.simulator.sensors.contact import (
    BOUNCE_MS,
    BUTTON,
    CORD,
    CUT_RATIO,
    REED,
    SHORT_RATIO,
    fault,
    merge,
    press,
)
from firmware.drivers.contact import CUT, IDLE, PRESSED, SHORT, Debounce
from firmware.settings import Settings

pytestmark = pytest.mark.fast


def level_at(steps, ms):
    return [level for at, level in steps if at <= ms][-1]


def settled(steps, until_ms, states):
    """Return what the unit's debouncing makes of steps: [ms, state] of each change."""
    debounce = Debounce(40)
    return [
        (ms, debounce.state)
        for ms in range(0, until_ms, 10)
        if debounce.add(states(level_at(steps, ms)))
    ]


def of_cord(ratio):
    settings = Settings({})
    for state, key in ((SHORT, "short"), (PRESSED, "pressed"), (IDLE, "idle")):
        if ratio < settings.number(f"cord_{key}_below"):
            return state
    return CUT


@given(
    at_ms=st.integers(1, 10_000_000),
    held_ms=st.integers(1, 5000),
    seed=st.integers(0, 2**32 - 1),
    levels=st.sampled_from([CORD, BUTTON, REED]),
)
def test_a_press_begins_when_it_begins_bounces_and_ends_idle(at_ms, held_ms, seed, levels):
    steps = press(at_ms / 1000, held_ms / 1000, seed, levels)
    times = [ms for ms, _ in steps]

    assert times[0] == at_ms
    assert steps[0][1] == levels.active
    assert steps[-1][1] == levels.idle
    assert times == sorted(set(times))
    assert all(a != b for (_, a), (_, b) in pairwise(steps))
    assert {level for _, level in steps} <= {levels.idle, levels.active}
    closing = [ms for ms in times if ms < at_ms + held_ms]
    opening = [ms for ms in times if ms >= at_ms + held_ms]
    assert closing[-1] - at_ms <= BOUNCE_MS[1]
    assert opening[0] == at_ms + held_ms
    assert opening[-1] - opening[0] <= BOUNCE_MS[1]
    if held_ms > BOUNCE_MS[1]:
        assert level_at(steps, at_ms + held_ms - 1) == levels.active


def test_bounces_take_all_lengths_and_follow_from_the_seed():
    lengths = set()
    for seed in range(60):
        steps = press(1.0, 0.5, seed)
        assert steps == press(1.0, 0.5, seed)
        lengths.add([ms for ms, _ in steps if ms < 1500][-1] - 1000)

    assert lengths == {0, 2, 3, 4, 5}  # a bounce of 1 ms would be one that opens for 0 ms
    assert press(1.0, 0.5, 1) != press(1.0, 0.5, 2)


def test_several_presses_make_one_list_that_begins_idle_and_is_json():
    steps = merge([press(5.0, 0.3, 1), press(1.0, 2.0, 1)])

    assert steps[0] == [0, 0.5]
    assert [ms for ms, _ in steps] == sorted(ms for ms, _ in steps)
    assert json.loads(json.dumps(steps)) == steps
    assert merge([], BUTTON) == [[0, 1]]
    with pytest.raises(
        ValueError, match=r"^a press at 2000 ms begins before the last one has ended"
    ):
        merge([press(1.0, 1.5, 1), press(2.0, 1.0, 1)])


def test_the_unit_sees_each_press_and_each_fault_once():
    steps = merge(
        [
            press(1.0, 0.4, 3),
            press(3.0, 0.4, 4, chatter=0.3),
            fault(5.0, 2.0, 5, CUT_RATIO),
            fault(9.0, 1.0, 6, SHORT_RATIO),
        ]
    )
    changes = settled(steps, 12_000, of_cord)

    assert [state for _, state in changes] == [PRESSED, IDLE, PRESSED, IDLE, CUT, IDLE, SHORT, IDLE]
    assert [ms for ms, _ in changes[:2]] == pytest.approx([1040, 1440], abs=20)


def test_a_button_is_seen_on_its_pin_and_a_touch_too_short_is_not():
    steps = merge([press(1.0, 0.2, 7, BUTTON), press(2.0, 0.02, 7, BUTTON)], BUTTON)

    changes = settled(steps, 3000, lambda level: PRESSED if level == 0 else IDLE)
    assert [state for _, state in changes] == [PRESSED, IDLE]


def test_a_press_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"^nothing is pressed at 1.0 s for 0.0 s$"):
        press(1.0, 0.0, 1)
    with pytest.raises(ValueError, match=r"^nothing is pressed at 0.0 s for 1.0 s$"):
        fault(0.0, 1.0, 1, CUT_RATIO)
