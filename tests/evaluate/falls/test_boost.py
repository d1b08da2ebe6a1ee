"""Boosting learns what there is, takes unknown numbers as no, and repeats itself."""

import numpy as np
import pytest

from edge_agent.evaluate.falls.boost import Recipe, grow, margins

pytestmark = pytest.mark.fast


def rows(count=400, columns=4, seed=0):
    values = np.random.default_rng(seed).normal(size=(count, columns))
    return values, (values[:, 0] > 0.3) & (values[:, 2] < 0.5)


def test_a_rule_of_two_numbers_is_learnt():
    values, truth = rows()
    forest = grow(values, truth, np.ones(len(values)), Recipe(trees=40))
    fresh, right = rows(seed=1)
    assert ((margins(forest, fresh) > 0.0) == right).mean() > 0.95
    assert forest.feature.shape == forest.threshold.shape == (40, 3)
    assert forest.leaf.shape == (40, 8)


def test_the_same_rows_give_the_same_forest():
    values, truth = rows()
    one, two = (grow(values, truth, np.ones(len(values)), Recipe(trees=5)) for _ in range(2))
    assert np.array_equal(one.feature, two.feature)
    assert np.array_equal(one.threshold, two.threshold)
    assert np.array_equal(one.leaf, two.leaf)


def test_an_unknown_number_is_above_nothing():
    values, truth = rows()
    values[:, 1] = np.nan
    values[::7, 0] = np.nan
    forest = grow(values, truth, np.ones(len(values)), Recipe(trees=20))
    assert np.isfinite(margins(forest, values)).all()
    unknown = np.full((1, 4), np.nan)
    lowest = np.full((1, 4), -1e9)
    assert margins(forest, unknown)[0] == margins(forest, lowest)[0]


def test_a_row_of_weight_two_is_two_rows():
    values, truth = rows(100)
    weight = np.ones(100)
    weight[:50] = 2.0
    twice = np.concatenate([values, values[:50]])
    recipe = Recipe(trees=1, cuts=4, share=1.0)
    one = grow(values, truth, weight, recipe)
    two = grow(twice, np.concatenate([truth, truth[:50]]), np.ones(150), recipe)
    assert one.bias == pytest.approx(two.bias)
