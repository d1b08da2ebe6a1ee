"""The screen of steps refuses only what `walking_direction` refuses."""

import numpy as np
import pytest

from edge_agent.detect.falls.features import AFTERMATH, HISTORY
from edge_agent.detect.falls.grid import STANDARD_GRAVITY
from edge_agent.detect.falls.screen import Window
from edge_agent.detect.falls.step_screen import has_no_steps, is_largest
from edge_agent.detect.falls.upright import Upright, walking_direction
from tests.detect import synthetic

pytestmark = pytest.mark.fast

UNIT_G = 0.002
WINDOW = HISTORY + AFTERMATH


def windows():
    """Return windows of counts: walks of all strengths and turns, jogging, lying, noise, clipped."""
    random = np.random.default_rng(1)
    for i in range(400):
        walk = synthetic.walking(100.0, 8.0, i) / STANDARD_GRAVITY
        at = int(random.integers(0, len(walk) - WINDOW))
        g = walk[at : at + WINDOW].astype(float)
        steady = g.mean(axis=0)
        g = steady * random.uniform(0.8, 1.2) + (g - steady) * random.uniform(0.0, 4.0)
        if i % 3 == 0:
            turn = np.linspace(0.0, np.deg2rad(random.uniform(0.0, 40.0)), WINDOW)
            x, y = g[:, 0].copy(), g[:, 1].copy()
            g[:, 0], g[:, 1] = (
                x * np.cos(turn) - y * np.sin(turn),
                x * np.sin(turn) + y * np.cos(turn),
            )
        if i % 7 == 0:
            g = np.clip(g, -1.0, 1.0)
        if i % 11 == 0:
            g = random.normal(0.0, random.uniform(0.0, 2.0), g.shape)
        yield np.rint(g / UNIT_G)


def as_window(counts):
    """Return counts as the screens take them, in the detector's own floats."""
    window = Window(AFTERMATH)
    window.take((counts.astype(np.float32) * np.float32(UNIT_G)).T)
    return window


def test_where_it_says_none_there_are_none_and_it_says_so_often():
    none = walks = 0
    for counts in windows():
        window = as_window(counts)
        seen = walking_direction(window.rows)
        if has_no_steps(window):
            assert seen is None
            none += 1
        walks += seen is not None
    assert none > 100
    assert walks > 40


@pytest.mark.parametrize(("at", "is_near"), [(1, 1), (100, 1), (101, 0), (-100, 1), (-101, 0)])
def test_the_largest_within_a_second_is_told_from_a_larger_one(at, is_near):
    counts = np.ones((WINDOW, 3))
    counts[HISTORY] = [300.0, 400.0, 1200.0]
    assert is_largest(as_window(counts))
    counts[HISTORY + at] = [300.0, 400.0, 1200.0]  # as large is no larger
    assert is_largest(as_window(counts))
    counts[HISTORY + at] = [301.0, 400.0, 1200.0]
    assert is_largest(as_window(counts)) is not bool(is_near)


@pytest.mark.parametrize("walks", range(5))
def test_the_direction_with_steps_is_the_one_after_they_were_learnt(walks):
    upright, random = Upright(), np.random.default_rng(walks)
    for i in range(walks + 1):
        x, y = random.normal(0.0, 0.02 if i < 3 else 0.8, 2)
        length = (x * x + y * y + 1.0) ** 0.5
        seen = (x / length, y / length, 1.0 / length)
        before, after = upright.direction, upright.direction_with(seen)
        assert upright.direction_with(None) == upright.direction == before
        upright.learn(seen, 30.0 * i)
        assert upright.direction == after
    assert not upright.is_due(30.0 * walks + 0.5)


def test_a_look_without_steps_is_noted():
    upright = Upright()
    assert upright.is_due(5.0)
    upright.learn(None, 5.0)
    assert not upright.is_due(5.5)
    assert upright.direction is None
