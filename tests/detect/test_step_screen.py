"""The screen of steps refuses only what `walking_direction` refuses."""

import numpy as np
import pytest

from edge_agent.detect.fall_features import AFTERMATH, HISTORY
from edge_agent.detect.grid import STANDARD_GRAVITY
from edge_agent.detect.step_screen import NOTHING, has_no_steps, is_largest, norm2_of
from edge_agent.detect.upright import Upright, walking_direction
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


def test_where_it_says_none_there_are_none_and_it_says_so_often():
    none = walks = 0
    for counts in windows():
        made = (counts.astype(np.float32) * np.float32(UNIT_G)).T.astype(np.float64)
        seen = walking_direction(made)
        if has_no_steps(counts, norm2_of(counts), UNIT_G):
            assert seen is None
            none += 1
        walks += seen is not None
    assert none > 100
    assert walks > 40


def test_the_largest_is_told_unless_rounding_may_decide():
    norm2 = np.ones(WINDOW)
    assert is_largest(norm2) is None
    norm2[HISTORY] = 4.0
    assert is_largest(norm2) is True
    for at, expected in ((HISTORY + 100, None), (HISTORY + 101, True), (HISTORY - 101, True)):
        other = norm2.copy()
        other[at] = 4.00001
        assert is_largest(other) is expected
    norm2[HISTORY - 100] = 4.01
    assert is_largest(norm2) is False


def test_nothing_is_noted_as_a_look_without_steps():
    upright = Upright()
    assert upright.is_due(5.0)
    assert upright.look(NOTHING, 5.0) is None
    assert not upright.is_due(5.5)
    assert upright.direction is None
