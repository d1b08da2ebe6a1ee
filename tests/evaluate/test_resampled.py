"""Intervals: as wide as the units differ, never made of too few."""

import numpy as np
import pytest

from edge_agent.evaluate.resampled import quantile_interval, ratio_interval

pytestmark = pytest.mark.fast


def test_equal_units_have_an_interval_without_width():
    assert ratio_interval([1, 2, 3], [2, 4, 6]) == [0.5, 0.5]
    assert quantile_interval([[1.0], [1.0], []], 0.95) == [1.0, 1.0]


def test_the_interval_holds_the_mean_of_many_units_about_as_often_as_it_says():
    random, held = np.random.default_rng(1), 0
    for _ in range(100):
        low, high = ratio_interval(random.binomial(20, 0.7, 40), np.full(40, 20))
        held += low <= 0.7 <= high
    assert 88 <= held <= 100


def test_units_that_belong_together_widen_it():
    random = np.random.default_rng(2)
    alone = random.random(400) < 0.5
    together = np.repeat(random.random(20) < 0.5, 20)
    narrow = ratio_interval(alone, np.ones(400))
    wide = ratio_interval(together.reshape(20, 20).sum(axis=1), np.full(20, 20))
    assert wide[1] - wide[0] > 2.0 * (narrow[1] - narrow[0])


@pytest.mark.parametrize(("part", "whole"), [([], []), ([1], [2]), ([0, 1], [0, 2])])
def test_one_unit_has_none(part, whole):
    assert ratio_interval(part, whole) is None


def test_a_quantile_of_one_unit_has_none():
    assert quantile_interval([[1.0, 2.0], []], 0.95) is None
    assert quantile_interval([], 0.95) is None


def test_it_is_the_same_every_time():
    random = np.random.default_rng(3)
    part = random.random(50)
    assert ratio_interval(part, np.ones(50)) == ratio_interval(part, np.ones(50))
