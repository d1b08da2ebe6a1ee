"""Gradient boosting of oblivious trees in plain numpy, for a few thousand rows.

Every tree asks the same question on all branches of a level, so that a tree of depth d is d
questions and 2^d leaves: few numbers, and hard to fit to single rows. The result depends on
nothing but the arguments.

Source: Friedman, "Greedy function approximation: a gradient boosting machine", Annals of
Statistics 29(5), 2001 (Newton steps on the log-loss), and "Stochastic gradient boosting",
Computational Statistics & Data Analysis 38(4), 2002 (a share of the rows for each tree);
oblivious trees as in Prokhorenkova et al., "CatBoost: unbiased boosting with categorical
features", NeurIPS 2018, section 4.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.falls.model import Forest

FEW_ROWS = 10_000
"""Rows below which every tree sees all of them."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a forest is grown.

    Attributes:
        trees: how many.
        depth: questions a tree asks.
        rate: share of each Newton step that is taken.
        ridge: added to the curvature of every leaf.
        share: of the features each tree may choose from.
        rows: share of the rows each tree is grown on, where there are more than FEW_ROWS.
        cuts: thresholds tried for each feature, at its quantiles.
        seed: of the choice of features and rows.
    """

    trees: int = 240
    depth: int = 3
    rate: float = 0.1
    ridge: float = 0.5
    share: float = 0.3
    rows: float = 0.5
    cuts: int = 48
    seed: int = 0


def grow(
    rows: NDArray[np.float64],
    truth: NDArray[np.bool_],
    weight: NDArray[np.float64],
    recipe: Recipe,
) -> Forest:
    """Fit a forest to rows of shape (n, features) with NaN for unknown; weight of shape (n,)."""
    target = truth.astype(np.float64)
    bias = float(np.log((weight @ target) / (weight @ (1.0 - target))))
    cuts = [_cuts_of(rows[:, j], recipe.cuts) for j in range(rows.shape[1])]
    binned = np.stack([_bin(rows[:, j], cut) for j, cut in enumerate(cuts)])
    random = np.random.default_rng(recipe.seed)
    chosen_of = max(1, round(rows.shape[1] * recipe.share))
    margin = np.full(len(rows), bias)
    features, thresholds, leaves = [], [], []
    size = 1 << recipe.depth
    for _ in range(recipe.trees):
        columns = np.sort(random.permutation(rows.shape[1])[:chosen_of])
        seen: NDArray[np.intp] | slice = slice(None)
        if len(rows) > FEW_ROWS:
            seen = np.flatnonzero(random.random(len(rows)) < recipe.rows)
        odds = 0.5 + 0.5 * np.tanh(0.5 * margin[seen])
        slope = weight[seen] * (target[seen] - odds)
        bend = weight[seen] * odds * (1.0 - odds)
        sample = {int(j): binned[j][seen] for j in columns}
        leaf = np.zeros(len(slope), dtype=np.intp)
        asked, above = [], []
        for level in range(recipe.depth):
            feature, cut = _best_question(sample, cuts, leaf, 1 << level, slope, bend, recipe.ridge)
            asked.append(feature)
            above.append(float(cuts[feature][cut]))
            leaf = 2 * leaf + (sample[feature] > cut)
        step = np.bincount(leaf, slope, size) / (np.bincount(leaf, bend, size) + recipe.ridge)
        reached = np.zeros(len(rows), dtype=np.intp)
        for feature, threshold in zip(asked, above, strict=True):
            reached = 2 * reached + (rows[:, feature] > threshold)
        margin += recipe.rate * step[reached]
        features.append(asked)
        thresholds.append(above)
        leaves.append(recipe.rate * step)
    return Forest(bias, np.array(features, dtype=np.intp), np.array(thresholds), np.array(leaves))


def margins(forest: Forest, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the margins of rows of shape (n, features)."""
    depth = forest.feature.shape[1]
    powers = 1 << np.arange(depth - 1, -1, -1)
    total = np.full(len(rows), forest.bias)
    for feature, threshold, leaf in zip(forest.feature, forest.threshold, forest.leaf, strict=True):
        total += leaf[(rows[:, feature] > threshold) @ powers]
    return total


def _cuts_of(column: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    known = column[np.isfinite(column)]
    if not len(known):
        return np.zeros(1)
    quantiles = np.quantile(known, np.linspace(0.01, 0.99, most))
    # Four significant digits are enough for a threshold and readable in the file.
    return np.unique([float(f"{q:.4g}") for q in quantiles])


def _bin(column: NDArray[np.float64], cuts: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return how many cuts each value is above; NaN is above none."""
    binned = np.searchsorted(cuts, column, side="left")
    binned[np.isnan(column)] = 0
    return binned


def _best_question(
    sample: dict[int, NDArray[np.intp]],
    cuts: list[NDArray[np.float64]],
    leaf: NDArray[np.intp],
    leaves: int,
    slope: NDArray[np.float64],
    bend: NDArray[np.float64],
    ridge: float,
) -> tuple[int, int]:
    """Return the feature and the cut that raise the likelihood most over all leaves."""
    best, answer = -np.inf, (0, 0)
    for j, column in sample.items():
        width = len(cuts[j]) + 1
        key = leaf * width + column
        slopes = np.bincount(key, slope, leaves * width).reshape(leaves, width)
        bends = np.bincount(key, bend, leaves * width).reshape(leaves, width)
        low, low_bend = slopes.cumsum(axis=1)[:, :-1], bends.cumsum(axis=1)[:, :-1]
        high = slopes.sum(axis=1, keepdims=True) - low
        high_bend = bends.sum(axis=1, keepdims=True) - low_bend
        gain = (low**2 / (low_bend + ridge) + high**2 / (high_bend + ridge)).sum(axis=0)
        cut = int(gain.argmax())
        if gain[cut] > best:
            best, answer = float(gain[cut]), (j, cut)
    return answer
