"""Intervals of a score by resampling what is independent: people, trials, stretches of time.

Source: Efron, Tibshirani, "An Introduction to the Bootstrap", Chapman and Hall, 1993, chapters 8
(units that stay together) and 13 (percentile intervals). The seed is fixed: the same data give
the same interval.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
QUANTILES = (0.025, 0.975)


def ratio_interval(part: ArrayLike, whole: ArrayLike) -> list[float] | None:
    """Return the 95 % interval of sum(part) / sum(whole), units drawn with replacement.

    Args:
        part: shape (units,), what is counted or summed of each unit.
        whole: shape (units,), out of what; draws without any are left out.

    Returns:
        None with fewer than two units that count, or when hardly any draw has a ratio.
    """
    parts, wholes = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    if np.count_nonzero(wholes) < 2:
        return None
    drawn = np.random.default_rng(0).integers(0, len(parts), (RESAMPLES, len(parts)))
    below = wholes[drawn].sum(axis=1)
    some = below > 0.0
    if some.mean() < QUANTILES[1]:
        return None
    ratios = parts[drawn].sum(axis=1)[some] / below[some]
    return [float(np.quantile(ratios, q)) for q in QUANTILES]


def quantile_interval(units: Sequence[Sequence[float]], quantile: float) -> list[float] | None:
    """Return the 95 % interval of a quantile of all values, units drawn with replacement."""
    filled = [np.asarray(unit, dtype=np.float64) for unit in units]
    if sum(len(unit) > 0 for unit in filled) < 2:
        return None
    random, found = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        values: NDArray[np.float64] = np.concatenate(
            [filled[i] for i in random.integers(0, len(filled), len(filled))]
        )
        if len(values):
            found.append(float(np.quantile(values, quantile)))
    return [float(np.quantile(found, q)) for q in QUANTILES]
