"""Forests: evaluated by hand, and refused when they do not fit."""

import numpy as np
import pytest

from edge_agent.detect.falls.features import FEATURES
from edge_agent.detect.falls.model import (
    forest_from,
    probability,
    shipped_model,
)
from edge_agent.evaluate.falls.boost import margins

pytestmark = pytest.mark.fast

TREE = {"ask": ["peak_g", "angle_deg"], "above": [2.0, 45.0], "leaf": [-2.0, -1.0, 0.5, 3.0]}


def features(**known):
    return np.array([known.get(name, np.nan) for name in FEATURES])


def test_the_first_question_is_the_highest_bit():
    forest = forest_from({"bias": 0.25, "trees": [TREE, TREE]})
    assert forest.margin(features(peak_g=1.0, angle_deg=10.0)) == -3.75
    assert forest.margin(features(peak_g=1.0, angle_deg=50.0)) == -1.75
    assert forest.margin(features(peak_g=3.0, angle_deg=10.0)) == 1.25
    assert forest.margin(features(peak_g=3.0, angle_deg=50.0)) == 6.25


def test_an_unknown_number_answers_no():
    forest = forest_from({"bias": 0.0, "trees": [TREE]})
    assert forest.margin(features(peak_g=3.0)) == 0.5


def test_one_half_is_where_the_detector_raises():
    assert probability(0.0) == 0.5
    assert probability(-1000.0) == 0.0
    assert probability(1000.0) == 1.0


def test_the_shipped_model_fits_and_is_the_same_row_by_row_and_at_once():
    model = shipped_model()
    rows = np.random.default_rng(0).uniform(0.0, 90.0, (50, len(FEATURES)))
    for forest in (model.complete, model.holed, model.cut, model.early):
        one_by_one = [forest.margin(row) for row in rows]
        assert np.allclose(margins(forest, rows), one_by_one, atol=1e-9)


def test_an_unknown_feature_is_refused():
    with pytest.raises(ValueError, match="unknown") as caught:
        forest_from({"bias": 0.0, "trees": [TREE | {"ask": ["peak_g", "colour"]}]})
    assert str(caught.value) == "fall model: unknown feature colour"


def test_leaves_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit") as caught:
        forest_from({"bias": 0.0, "trees": [TREE | {"leaf": [1.0, 2.0]}]})
    assert str(caught.value) == "fall model: thresholds or leaves do not fit the trees"
