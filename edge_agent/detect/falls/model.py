"""The learned part of the fall detector: four small forests in `model.json`.

A forest is additive: `margin = bias + sum of one leaf per tree`. A tree asks `depth` questions
`feature > threshold`, the same ones on all its branches (an oblivious tree), so its leaf is the
number the answers spell. NaN answers no. Zero is where the detector raises; the bias holds the
threshold that training chose.
"""

import json
import math
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.falls.features import FEATURES

FORESTS = ("complete", "holed", "cut", "early")
"""The forests of a model, in the order of its first fields."""

MODEL_PATH = Path(__file__).with_name("model.json")


@dataclass(frozen=True, slots=True)
class Forest:
    """Oblivious trees as flat arrays.

    Attributes:
        bias: added to every margin.
        feature: shape (trees, depth), indices into FEATURES.
        threshold: shape (trees, depth), in the feature's own unit.
        leaf: shape (trees, 2 ** depth); the first question is the highest bit.
    """

    bias: float
    feature: NDArray[np.intp]
    threshold: NDArray[np.float64]
    leaf: NDArray[np.float64]
    _bits: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    _first: NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        trees, depth = self.feature.shape
        object.__setattr__(self, "_bits", 2.0 ** np.arange(depth - 1, -1, -1))
        object.__setattr__(self, "_first", np.arange(trees) * 2.0**depth)

    def margin(self, features: NDArray[np.float64]) -> float:
        """Return the log-odds of a fall for features of shape (len(FEATURES),)."""
        answers = features.take(self.feature) > self.threshold
        spelled = answers.astype(np.float64) @ self._bits
        spelled += self._first
        return self.bias + float(np.add.reduce(self.leaf.take(spelled.astype(np.intp))))


@dataclass(frozen=True, slots=True)
class FallModel:
    """What `FallDetector` decides with.

    Attributes:
        complete: for a second of history and the whole aftermath without a hole in them.
        holed: for the same with a hole in it.
        cut: for less, at gaps and soon after them; its bias errs to raising.
        early: for a second of history and EARLY samples of aftermath; its bias errs to waiting,
            since the others decide what it leaves open.
        bound: how far a wearer's own impacts may raise what `complete` and `early` ask for.
    """

    complete: Forest
    holed: Forest
    cut: Forest
    early: Forest
    bound: float = 0.0


def probability(margin: float) -> float:
    """Return the margin as 0 to 1, one half where the detector raises."""
    return 0.5 + 0.5 * math.tanh(0.5 * margin)


def forest_from(table: dict[str, Any]) -> Forest:
    """Build a forest from its JSON form.

    Raises:
        ValueError: a name or a shape is wrong: the file does not belong to this version.
    """
    trees = table["trees"]
    index = {name: i for i, name in enumerate(FEATURES)}
    unknown = sorted({name for tree in trees for name in tree["ask"]} - set(index))
    if unknown:
        raise ValueError(f"fall model: unknown feature {unknown[0]}")
    forest = Forest(
        bias=float(table["bias"]),
        feature=np.array([[index[name] for name in tree["ask"]] for tree in trees], dtype=np.intp),
        threshold=np.array([tree["above"] for tree in trees], dtype=np.float64),
        leaf=np.array([tree["leaf"] for tree in trees], dtype=np.float64),
    )
    shape = forest.feature.shape
    if forest.threshold.shape != shape or forest.leaf.shape != (shape[0], 2 ** shape[1]):
        raise ValueError("fall model: thresholds or leaves do not fit the trees")
    return forest


def model_from(table: dict[str, Any]) -> FallModel:
    """Build a model from its JSON form.

    Raises:
        ValueError: as `forest_from`, or the bound is no number from zero on.
    """
    bound = float(table.get("calibration", {}).get("bound", 0.0))
    if not 0.0 <= bound < math.inf:
        raise ValueError(f"fall model: bound {bound:g}")
    complete, holed, cut, early = (forest_from(table[name]) for name in FORESTS)
    return FallModel(complete, holed, cut, early, bound)


@cache
def shipped_model() -> FallModel:
    """Return the model beside this file."""
    table = json.loads(MODEL_PATH.read_text(encoding="utf-8"))
    return model_from(table)
