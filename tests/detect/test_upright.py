"""Up is learnt from steps alone, in any mounting, and forgotten with the mounting."""

import numpy as np
import pytest

from edge_agent.detect.falls.upright import FORGET_S, LATER_S, SOON_S, Upright, walking_direction
from tests.detect import synthetic

pytestmark = pytest.mark.fast

UP = np.array([0.0, -1.0, 0.0])


def steps(seed=3, turn=None):
    window = synthetic.walking(100.0, 3.0, seed).T.astype(np.float64) / synthetic.G
    return window if turn is None else turn @ window


def mounting(seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]


def angle_deg(a, b):
    return np.degrees(np.arccos(np.clip(np.dot(a, b), -1.0, 1.0)))


@pytest.mark.parametrize("seed", range(5))
def test_steps_point_up_in_any_mounting(seed):
    turn = mounting(seed)
    assert angle_deg(walking_direction(steps(seed, turn)), turn @ UP) < 6.0


def test_what_has_no_rhythm_teaches_nothing():
    random = np.random.default_rng(0)
    still = synthetic.standing(100.0, 3.0).T / synthetic.G
    fallen = synthetic.fall(before_s=1.5, after_s=1.5).T / synthetic.G
    noise = np.array([[0.0], [1.0], [0.0]]) + random.normal(0.0, 0.2, (3, 300))
    turning = steps()
    turning[:, 140:] = mounting(1) @ turning[:, 140:]
    for window in (still, fallen, noise, turning, 3.0 * steps(), np.full((3, 300), np.nan)):
        assert walking_direction(window.astype(np.float64)) is None


def test_a_lost_packet_does_not_hide_steps_and_many_do():
    window = steps()
    window[:, 50:60] = np.nan
    window[:, 200:230] = np.nan
    assert angle_deg(walking_direction(window), UP) < 6.0
    window[:, :80] = np.nan
    assert walking_direction(window) is None


@pytest.mark.parametrize("value", [np.inf, 1e300, 0.0])
def test_broken_samples_teach_nothing(value):
    with np.errstate(all="ignore"):
        assert walking_direction(np.full((3, 300), value)) is None


def test_two_walks_that_agree_are_believed_and_one_that_differs_is_a_remounting():
    upright, turn = Upright(), mounting(2)
    upright.look(steps(1), 10.0)
    assert upright.direction is None
    upright.look(steps(2), 13.0)
    assert angle_deg(upright.direction, UP) < 6.0
    upright.look(steps(3, turn), 40.0)
    assert upright.direction is None
    upright.look(steps(4, turn), 43.0)
    assert angle_deg(upright.direction, turn @ UP) < 6.0


def test_a_slipping_belt_is_followed():
    upright = Upright()
    for i in range(60):
        angle = np.radians(i)
        turn = np.array(
            [
                [np.cos(angle), -np.sin(angle), 0.0],
                [np.sin(angle), np.cos(angle), 0.0],
                [0.0, 0.0, 1.0],
            ]
        )
        upright.look(steps(i, turn), 30.0 * i)
        if i >= 2:
            assert angle_deg(upright.direction, turn @ UP) < 20.0


def test_it_is_asked_seldom_once_it_knows():
    upright = Upright()
    assert upright.is_due(5.0)
    upright.look(steps(1), 5.0)
    assert not upright.is_due(5.0 + SOON_S - 0.1)
    assert upright.is_due(5.0 + SOON_S)
    upright.look(steps(2), 8.0)
    assert not upright.is_due(8.0 + LATER_S - 0.1)
    assert upright.is_due(8.0 + LATER_S)
    assert upright.is_due(1.0)


@pytest.mark.parametrize("silent_s", [FORGET_S + 1.0, -5.0, float("nan")])
def test_a_sensor_that_was_off_may_be_put_on_otherwise(silent_s):
    upright = Upright()
    upright.look(steps(1), 5.0)
    upright.look(steps(2), 8.0)
    upright.pass_gap(60.0)
    assert upright.direction is not None
    upright.pass_gap(silent_s)
    assert upright.direction is None
