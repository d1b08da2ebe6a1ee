"""Which impacts cannot be falls, told from their postures before all of them is measured.

```
   -3 s            -1 s -0.6 -0.5 -0.1  impact       +0.5    +0.75   end
    |---- before ----|-near-|-late-|     [hit]         |-- settled ----|
                                                       |early|  final  |
    mean vectors and energies: one matrix product      |       |-tail--|
                      |
    13 of the 27 features --> a step function of each, added up --> below zero: no fall
```
A forest adds up one leaf for each tree. A tree whose other questions are open still has a largest
leaf it can reach, and a sum of one number for each answered question can be found that is never
below that. Over all trees, these are a bias and a step function of each feature: an upper bound
of the margin for a look-up each. Where it is below zero the forest says no, whatever the rest is.
Of such sums the one is taken that is least for daily impacts; that only makes it useful, it is
never below the forest anywhere.

Asked are the features made of mean vectors, since one product of a fixed matrix with the samples
gives all of them. Of 8800 daily impacts of 14 people of SisFall they rule out 91 %: walking, stairs
and jogging 99 to 100 %, who lies down or turns over (D13, D14) never.

The numbers are those of `measure` up to the order of adding up. An angle is compared as its
cosine and a movement as its square, which saves the inverse; within SLACK of a threshold the
larger of the two steps counts.
"""

import math
from bisect import bisect_right
from functools import cache
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.falls.features import (
    AFTERMATH,
    EARLY,
    FEATURES,
    FROM_UPRIGHT,
    HISTORY,
    LEAST_VECTOR_G,
    LYING_DEG,
)
from edge_agent.detect.falls.model import FallModel, Forest, shipped_model
from edge_agent.detect.falls.upright import Direction

ASKED = {
    "angle_deg": (1.0, 1.9, 2.9, 4.2, 12.7),
    "angle_near_deg": (2.4, 4.4, 5.8, 7.3, 15.1),
    "angle_late_deg": (1.5, 3.1, 4.4, 6.5, 22.4),
    "angle_hit_deg": (3.7, 6.4, 9.5, 13.2, 23.9),
    "angle_late_hit_deg": (4.0, 7.8, 10.7, 14.5, 24.0),
    "angle_settle_deg": (1.5, 3.0, 5.3, 7.9, 11.5),
    "before_g": (0.96, 0.98, 1.01, 1.06, 1.11),
    "before_move_g": (0.06, 0.3, 0.42, 1.09, 1.32),
    "still_g": (0.1, 0.31, 0.4, 1.05, 1.32),
    "still_end_g": (0.04, 0.29, 0.41, 1.04, 1.33),
    "lying_before_deg": (0.4, 0.9, 1.3, 1.8, 3.9),
    "upright_after_deg": (84.1, 86.9, 87.6, 88.4, 88.9),
    "righted_deg": (-3.3, -1.7, -1.0, -0.4, 0.7),
}
"""The features a screen knows, in its order, and where 10, 30, 50, 70 and 90 % of the daily
impacts of SisFall lie below: where the bound should be close. FROM_UPRIGHT are last."""

SQUARES = ("before_g", "before_move_g", "still_g", "still_end_g")
"""Compared as squares."""

SLACK = 1e-6
"""How far a number may be from the one measured. Sums of up to 440 samples below 70 g, added up
in two orders, differ by less than 2e-9 in a mean square (g^2), 2e-9 in the cosine of means of
LEAST_VECTOR_G, and 1e-7 in an angle made of that (radians)."""

_ROUNDING = 1e-9
"""What the order of adding up leaves can change about a margin, many times over."""

_LEAST_G2 = (1.1 * LEAST_VECTOR_G) ** 2
"""Clearly a direction: `measure` gives no angle below LEAST_VECTOR_G."""

_LYING_COS = math.cos(math.radians(LYING_DEG - 0.1))
"""Who lay before may have dropped, and then `measure` forgets the upright posture."""

_Steps = tuple[list[float], list[float]]
"""A step function: where it changes, rising, and its heights, one more."""


class Window:
    """Room for one candidate; an engine needs one for each of its screens.

    Attributes:
        after: grid samples from the impact on.
        flat: g, x y z of one sample after the other as they come, shape (3 * (HISTORY + after),).
        rows: the same as `measure` takes it, shape (3, HISTORY + after), once `spread` was called.
        squares: of rows.
        columns: both, shape (HISTORY + after, 6).
    """

    def __init__(self, after: int) -> None:
        self.after = after
        self.flat = np.zeros(3 * (HISTORY + after), dtype=np.float32)
        both = np.zeros((6, HISTORY + after))
        self.rows, self.squares, self.columns = both[:3], both[3:], both.T
        self._flat_rows = self.flat.reshape(-1, 3).T

    def spread(self) -> None:
        """Make rows and squares of what is in `flat`."""
        self.rows[:] = self._flat_rows
        np.multiply(self.rows, self.rows, self.squares)

    def take(self, vectors: NDArray[np.float32]) -> None:
        """Take a context of shape (3, HISTORY + after), g, all there and below 70 g."""
        self._flat_rows[:] = vectors
        self.spread()


class Screen:
    """A forest, as far as the postures go, of contexts with `after` samples from the impact on."""

    def __init__(self, forest: Forest, after: int) -> None:
        windows = _windows(after)
        self._means = np.zeros((len(windows), HISTORY + after))
        for row, (start, stop) in enumerate(windows):
            self._means[row, start:stop] = 1.0 / (stop - start)
        self._sums = np.empty((len(windows), 6))
        self._bias, self._steps = _bound(forest, list(ASKED))
        self._bias_unknown, self._steps_unknown = _bound(forest, list(ASKED)[: -len(FROM_UPRIGHT)])

    def rules_out(self, window: Window, upright: Direction | None) -> bool:
        """Return whether the forest's margin is certainly below zero."""
        (
            (bx, by, bz, bxx, byy, bzz),
            (nx, ny, nz, _, _, _),
            (lx, ly, lz, _, _, _),
            (hx, hy, hz, _, _, _),
            (sx, sy, sz, sxx, syy, szz),
            (ex, ey, ez, _, _, _),
            (fx, fy, fz, _, _, _),
            (tx, ty, tz, txx, tyy, tzz),
        ) = self._means.dot(window.columns, self._sums).tolist()
        b2 = bx * bx + by * by + bz * bz
        n2 = nx * nx + ny * ny + nz * nz
        l2 = lx * lx + ly * ly + lz * lz
        h2 = hx * hx + hy * hy + hz * hz
        s2 = sx * sx + sy * sy + sz * sz
        e2 = ex * ex + ey * ey + ez * ez
        f2 = fx * fx + fy * fy + fz * fz
        if not min(b2, n2, l2, h2, s2, e2, f2) > _LEAST_G2:
            return False
        sqrt = math.sqrt
        values = (
            -(bx * sx + by * sy + bz * sz) / sqrt(b2 * s2),
            -(nx * sx + ny * sy + nz * sz) / sqrt(n2 * s2),
            -(lx * sx + ly * sy + lz * sz) / sqrt(l2 * s2),
            -(bx * hx + by * hy + bz * hz) / sqrt(b2 * h2),
            -(lx * hx + ly * hy + lz * hz) / sqrt(l2 * h2),
            -(ex * fx + ey * fy + ez * fz) / sqrt(e2 * f2),
            b2,
            bxx + byy + bzz - b2,
            sxx + syy + szz - s2,
            txx + tyy + tzz - (tx * tx + ty * ty + tz * tz),
        )
        if upright is None:
            return _sum(self._bias_unknown, self._steps_unknown, values) < 0.0
        x, y, z = upright
        before = (x * bx + y * by + z * bz) / sqrt(b2)
        after = (x * sx + y * sy + z * sz) / sqrt(s2)
        righted = _angle(before) - _angle(after)
        if not _sum(self._bias, self._steps, (*values, -before, after, righted)) < 0.0:
            return False
        return before > _LYING_COS or _sum(self._bias_unknown, self._steps_unknown, values) < 0.0


def screens_of(model: FallModel) -> tuple[Screen, Screen]:
    """Return the screens of a model's two decisions, the early one first."""
    return Screen(model.early, EARLY), Screen(model.complete, AFTERMATH)


@cache
def shipped_screens() -> tuple[Screen, Screen]:
    """Return the screens of the shipped model."""
    return screens_of(shipped_model())


def _angle(cosine: float) -> float:
    return math.acos(max(-1.0, min(1.0, cosine)))


def _sum(bias: float, steps: list[_Steps], values: tuple[float, ...]) -> float:
    total = bias
    for (edges, heights), value in zip(steps, values, strict=True):
        total += heights[bisect_right(edges, value)]
    return total


def _windows(after: int) -> list[tuple[int, int]]:
    """Return the columns that `measure` makes mean vectors of, half-open, before to tail."""
    end = HISTORY + after
    settled = HISTORY + min(50, after * 2 // 5)
    middle = (settled + end) // 2
    return [
        (0, HISTORY - 100),
        (HISTORY - 100, HISTORY - 60),
        (HISTORY - 50, HISTORY - 10),
        (HISTORY - 4, HISTORY + 5),
        (settled, end),
        (settled, middle),
        (middle, end),
        (max(end - 50, settled), end),
    ]


def _compared(name: str, value: float) -> float:
    """Return a value or threshold of a feature as the number it is compared as."""
    if name in SQUARES:
        return math.copysign(value * value, value)
    if name == "upright_after_deg":
        return math.sin(math.radians(max(-90.0, min(90.0, value))))
    if name == "righted_deg":
        return math.radians(value)
    return -2.0 if value < 0.0 else -math.cos(math.radians(min(value, 180.0)))


def _bound(forest: Forest, names: list[str]) -> tuple[float, list[_Steps]]:
    """Return a bias and a step function for each name whose sum is never below the margin.

    Nothing is known of the other features, but that FROM_UPRIGHT answer no where they are left out.
    """
    trees, depth = forest.feature.shape
    leaf = forest.leaf.reshape(trees, *(2,) * depth).copy()
    likely = np.zeros((trees, depth))
    answers = forest.feature.tolist()
    for tree, asked in enumerate(answers):
        for question, number in enumerate(asked):
            name = FEATURES[number]
            if name in names:
                typical, threshold = np.array(ASKED[name]), forest.threshold[tree, question]
                likely[tree, question] = float((typical > threshold).mean())
            elif name not in FROM_UPRIGHT:
                leaf[tree] = leaf[tree].max(axis=question, keepdims=True)
    planes = _planes(leaf.reshape(trees, -1), likely)
    rises: dict[str, dict[float, float]] = {name: {} for name in names}
    for tree, asked in enumerate(answers):
        for question, number in enumerate(asked):
            name = FEATURES[number]
            if name in names:
                rise = rises[name]
                threshold = _compared(name, float(forest.threshold[tree, question]))
                rise[threshold] = rise.get(threshold, 0.0) + float(planes[tree, 1 + question])
    bias = forest.bias + float(planes[:, 0].sum()) + _ROUNDING
    return bias, [_steps(rises[name]) for name in names]


def _planes(leaf: NDArray[np.float64], likely: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each tree a number and one for each yes that add up to no less than its leaf.

    Of those the one that is least at the likely answers: it goes through depth + 1 of the leaves.

    Args:
        leaf: shape (trees, 2 ** depth).
        likely: shape (trees, depth), share of yes among the answers.

    Returns:
        Shape (trees, 1 + depth).
    """
    corners, chosen, solved = _simplices(likely.shape[1])
    planes = np.einsum("pij,tpj->tpi", solved, leaf[:, chosen])
    heights = planes[:, :, 0] + np.einsum("tpi,ti->tp", planes[:, :, 1:], likely)
    lacking = (leaf[:, None, :] - planes @ corners.T).max(axis=2)
    best = np.where(lacking > _ROUNDING, math.inf, heights).argmin(axis=1)
    trees = np.arange(len(leaf))
    found: NDArray[np.float64] = planes[trees, best]
    found[:, 0] += lacking[trees, best]
    return found


@cache
def _simplices(depth: int) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
    """Return (1, answers) of each leaf, and the leaves and the matrix of each possible plane."""
    corners = np.array([(1.0, *answers) for answers in product((0.0, 1.0), repeat=depth)])
    chosen = np.array(list(combinations(range(len(corners)), 1 + depth)))
    chosen = chosen[np.abs(np.linalg.det(corners[chosen])) > 0.5]
    return corners, chosen, np.linalg.inv(corners[chosen])


def _steps(rises: dict[float, float]) -> _Steps:
    """Return the sum of `rise` where a number is above its threshold, the largest within SLACK."""
    thresholds = sorted(rises)
    levels = [0.0]
    for threshold in thresholds:
        levels.append(levels[-1] + rises[threshold])
    edges: list[float] = []
    heights = [levels[0]]
    first = 0
    while first < len(thresholds):
        last = first
        while last + 1 < len(thresholds) and thresholds[last + 1] - thresholds[last] < 3.0 * SLACK:
            last += 1
        edges += [thresholds[first] - SLACK, thresholds[last] + SLACK]
        heights += [max(levels[first : last + 2]), levels[last + 1]]
        first = last + 1
    return edges, heights
