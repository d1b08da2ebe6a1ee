"""Gradient boosting of oblivious trees in plain numpy, for a few thousand rows.

Every tree asks the same question on all branches of a level, so that a tree of depth d is d
questions and 2^d leaves: few numbers, and hard to fit to single rows. The result depends on
nothing but the arguments.

Source: Friedman, "Greedy function approximation: a gradient boosting machine", Annals of
Statistics 29(5), 2001 (Newton steps on the log-loss); oblivious trees as in Prokhorenkova et
al., "CatBoost: unbiased boosting with categorical features", NeurIPS 2018, section 4.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.fall_model import Forest


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a forest is grown.

    Attributes:
        trees: how many.
        depth: questions a tree asks.
        rate: share of each Newton step that is taken.
        ridge: added to the curvature of every leaf.
        share: of the features each tree may choose from.
        cuts: thresholds tried for each feature, at its quantiles.
        seed: of the choice of features.
    """

    trees: int = 100
    depth: int = 3
    rate: float = 0.15
    ridge: float = 4.0
    share: float = 0.5
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
    for _ in range(recipe.trees):
        odds = 0.5 + 0.5 * np.tanh(0.5 * margin)
        slope = weight * (target - odds)
        bend = weight * odds * (1.0 - odds)
        leaf = np.zeros(len(rows), dtype=np.intp)
        asked, above = [], []
        columns = np.sort(random.permutation(rows.shape[1])[:chosen_of])
        for level in range(recipe.depth):
            feature, cut = _best_question(
                binned, cuts, columns, leaf, 1 << level, slope, bend, recipe.ridge
            )
            asked.append(feature)
            above.append(float(cuts[feature][cut]))
            leaf = 2 * leaf + (binned[feature] > cut)
        size = 1 << recipe.depth
        step = np.bincount(leaf, slope, size) / (np.bincount(leaf, bend, size) + recipe.ridge)
        margin += recipe.rate * step[leaf]
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
    binned: NDArray[np.intp],
    cuts: list[NDArray[np.float64]],
    columns: NDArray[np.intp],
    leaf: NDArray[np.intp],
    leaves: int,
    slope: NDArray[np.float64],
    bend: NDArray[np.float64],
    ridge: float,
) -> tuple[int, int]:
    """Return the feature and the cut that raise the likelihood most over all leaves."""
    best, answer = -np.inf, (0, 0)
    for j in columns:
        width = len(cuts[j]) + 1
        key = leaf * width + binned[j]
        slopes = np.bincount(key, slope, leaves * width).reshape(leaves, width)
        bends = np.bincount(key, bend, leaves * width).reshape(leaves, width)
        low, low_bend = slopes.cumsum(axis=1)[:, :-1], bends.cumsum(axis=1)[:, :-1]
        high = slopes.sum(axis=1, keepdims=True) - low
        high_bend = bends.sum(axis=1, keepdims=True) - low_bend
        gain = (low**2 / (low_bend + ridge) + high**2 / (high_bend + ridge)).sum(axis=0)
        cut = int(gain.argmax())
        if gain[cut] > best:
            best, answer = float(gain[cut]), (int(j), cut)
    return answer
