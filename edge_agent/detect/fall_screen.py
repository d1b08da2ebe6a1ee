"""Which impacts cannot be falls, told from five numbers before all of them are measured.

```
   -3 s            -1 s -0.6 -0.5 -0.1  impact       +0.5    +0.75   end
    |---- before ----|-near-|-late-|     [hit]         |-- settled ----|
                                                       |       |-tail--|
    4 angles between the means, movement of the tail --> bins --> table: "no" or "perhaps"
```
A forest adds up one leaf for each tree. With some features known only to lie in an interval and
the others not at all, every tree still has a largest leaf it can reach; the sum of those is an
upper bound of the margin. Where that is below zero the forest says no, whatever the rest is. The
bounds of all combinations of bins are worked out once, so that asking is five searches and a
look-up: walking, running and stairs of SisFall are told apart from falls without measuring 98 %
of their impacts.

A bin ends at thresholds of the forest, and a number that lies so near to one that rounding could
carry it over is not told: `measure` works with acceleration rounded to float32, this with exact
counts.
"""

import math
from bisect import bisect_right
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.fall_features import (
    AFTERMATH,
    EARLY,
    FEATURES,
    HISTORY,
    LEAST_VECTOR_G,
)
from edge_agent.detect.fall_model import FallModel, Forest, shipped_model

ASKED = ("angle_deg", "angle_near_deg", "angle_late_deg", "angle_hit_deg", "still_end_g")
"""Features with which most daily impacts can be ruled out, found by adding one after the other
(SisFall, walking to jumping: 45 % of the impacts with four, 98 % with these five)."""

EDGES = 10
"""Thresholds a feature's bins end at, the weightiest; more make the table larger than the rest
of the model (a byte for each combination)."""

SLACK_DEG = 0.02
"""An angle nearer than this to a threshold is not told. Rounding moves each sample by 1.2e-7 of
its length: below 70 g and with means of LEAST_VECTOR_G that is 0.01 degrees for two of them."""

SLACK_G2 = 1e-4
"""The same for the squared movement, where the tail is below ROUGH_G2."""

ROUGH_G2 = 100.0
"""A tail whose mean square is larger is not told."""

_PERHAPS = -(1 << 40)
"""Added to the place in the table by a number that is not told: no place is that far."""

_ROUNDING = 1e-9
"""What the order of adding up leaves can change about a margin, many times over."""


class Window:
    """Room for one candidate; an engine needs one for each of its screens.

    Attributes:
        rows: shape (HISTORY + after, 3), the impact in row HISTORY.
        flat: the same, shape (3 * (HISTORY + after),).
        tail: its part that `still_end_g` is made of.
        means: room for the mean vectors, shape (windows, 3).
    """

    def __init__(self, after: int) -> None:
        self.rows = np.zeros((HISTORY + after, 3))
        self.flat = self.rows.reshape(-1)
        self.tail = self.flat[3 * windows_of(after)[-1][0] :]
        self.means = np.empty((len(windows_of(after)), 3))


def windows_of(after: int) -> list[tuple[int, int]]:
    """Return the columns that `measure` makes mean vectors of, half-open.

    Before, near, late, hit, settled and tail, as far as they are asked for here.
    """
    end = HISTORY + after
    settled = HISTORY + min(50, after * 2 // 5)
    return [
        (0, HISTORY - 100),
        (HISTORY - 100, HISTORY - 60),
        (HISTORY - 50, HISTORY - 10),
        (HISTORY - 4, HISTORY + 5),
        (settled, end),
        (max(end - 50, settled), end),
    ]


class Screen:
    """A forest, as far as five features go.

    Attributes:
        after: grid samples from the impact on that it is asked with.
    """

    def __init__(self, forest: Forest, after: int) -> None:
        self.after = after
        windows = windows_of(after)
        self._means = np.zeros((len(windows), HISTORY + after))
        for row, (start, stop) in enumerate(windows):
            self._means[row, start:stop] = 1.0 / (stop - start)
        self._tail = windows[-1][1] - windows[-1][0]
        numbers = [FEATURES.index(name) for name in ASKED]
        edges, cuts = [], []
        for name, number in zip(ASKED, numbers, strict=True):
            sides = _square_sides if name == "still_end_g" else _angle_sides
            kept, cut = _apart(_edges(forest, number), sides)
            edges.append(kept)
            cuts.append(cut)
        self._no = (_bounds(forest, numbers, edges) < -_ROUNDING).tobytes()
        steps = [math.prod(len(later) + 1 for later in edges[i + 1 :]) for i in range(len(edges))]
        places = [
            [_PERHAPS if i % 2 else i // 2 * step for i in range(len(cut) + 1)]
            for cut, step in zip(cuts, steps, strict=True)
        ]
        self._angle, self._near, self._late, self._hit, self._still = zip(cuts, places, strict=True)

    def rules_out(self, window: Window, unit_g: float) -> bool:
        """Return whether the forest's margin is certainly below zero.

        Args:
            window: filled with a complete context, all finite and below 70 g.
            unit_g: g in one unit of the window.
        """
        means = self._means.dot(window.rows, window.means).tolist()
        (bx, by, bz), (nx, ny, nz), (lx, ly, lz), (hx, hy, hz), (sx, sy, sz), (tx, ty, tz) = means
        b2 = bx * bx + by * by + bz * bz
        n2 = nx * nx + ny * ny + nz * nz
        l2 = lx * lx + ly * ly + lz * lz
        h2 = hx * hx + hy * hy + hz * hz
        s2 = sx * sx + sy * sy + sz * sz
        unit_g2 = unit_g * unit_g
        if not min(b2, n2, l2, h2, s2) * unit_g2 > _LEAST_G2:
            return False
        tail = window.tail
        square = float(tail.dot(tail)) / self._tail
        if not square * unit_g2 < ROUGH_G2:
            return False
        sqrt = math.sqrt
        cuts, places = self._angle
        place = places[bisect_right(cuts, -(bx * sx + by * sy + bz * sz) / sqrt(b2 * s2))]
        cuts, places = self._near
        place += places[bisect_right(cuts, -(nx * sx + ny * sy + nz * sz) / sqrt(n2 * s2))]
        cuts, places = self._late
        place += places[bisect_right(cuts, -(lx * sx + ly * sy + lz * sz) / sqrt(l2 * s2))]
        cuts, places = self._hit
        place += places[bisect_right(cuts, -(bx * hx + by * hy + bz * hz) / sqrt(b2 * h2))]
        cuts, places = self._still
        spread2 = (square - (tx * tx + ty * ty + tz * tz)) * unit_g2
        place += places[bisect_right(cuts, spread2)]
        return place >= 0 and self._no[place] == 1


def screens_of(model: FallModel) -> tuple[Screen, Screen]:
    """Return the screens of a model's two decisions, the early one first."""
    return Screen(model.early, EARLY), Screen(model.complete, AFTERMATH)


@cache
def shipped_screens() -> tuple[Screen, Screen]:
    """Return the screens of the shipped model."""
    return screens_of(shipped_model())


_LEAST_G2 = (1.1 * LEAST_VECTOR_G) ** 2
"""Clearly a direction: `measure` gives no angle below LEAST_VECTOR_G."""


def _angle_sides(edge_deg: float) -> tuple[float, float]:
    """Return the two sides of an edge as negative cosines, which rise with the angle."""
    low, high = edge_deg - SLACK_DEG, edge_deg + SLACK_DEG
    return (
        -math.cos(math.radians(low)) if low > 0.0 else -2.0 + min(low, 0.0),
        -math.cos(math.radians(high)) if high < 180.0 else 2.0 + max(high, 0.0),
    )


def _square_sides(edge_g: float) -> tuple[float, float]:
    """Return the two sides of an edge as squares."""
    square = math.copysign(edge_g * edge_g, edge_g)
    return square - SLACK_G2, square + SLACK_G2


def _apart(
    edges: list[float], sides: Callable[[float], tuple[float, float]]
) -> tuple[list[float], list[float]]:
    """Return those edges whose sides do not overlap, and their sides, rising."""
    kept: list[float] = []
    cut = [-math.inf]
    for edge in edges:
        low, high = sides(edge)
        if low > cut[-1]:
            kept.append(edge)
            cut += [low, high]
    return kept, cut[1:]


def _edges(forest: Forest, feature: int) -> list[float]:
    """Return thresholds of a feature, rising: those on whose answer most depends."""
    depth = forest.feature.shape[1]
    weight: dict[float, float] = {}
    for tree, question in np.argwhere(forest.feature == feature).tolist():
        leaf = forest.leaf[tree].reshape((2,) * depth)
        matters = float(np.abs(np.diff(leaf, axis=question)).max())
        threshold = float(forest.threshold[tree, question])
        weight[threshold] = weight.get(threshold, 0.0) + matters
    return sorted(sorted(weight, key=lambda edge: weight[edge])[-EDGES:])


def _bounds(forest: Forest, numbers: list[int], edges: list[list[float]]) -> NDArray[np.float64]:
    """Return the largest margin there can be in each combination of bins."""
    depth = forest.feature.shape[1]
    axes = len(numbers)
    total = np.full([len(own) + 1 for own in edges], forest.bias)
    for asked, thresholds, leaves in zip(
        forest.feature.tolist(), forest.threshold.tolist(), forest.leaf.tolist(), strict=True
    ):
        answers = []
        for feature, threshold in zip(asked, thresholds, strict=True):
            no = yes = np.ones([1] * axes, dtype=np.bool_)
            if feature in numbers:
                axis = numbers.index(feature)
                shape = [-1 if i == axis else 1 for i in range(axes)]
                bins = [-math.inf, *edges[axis], math.inf]
                no = np.array(bins[:-1]).reshape(shape) < threshold
                yes = np.array(bins[1:]).reshape(shape) > threshold
            answers.append((no, yes))
        largest = np.full([1] * axes, -math.inf)
        for number, leaf in enumerate(leaves):
            can = np.ones([1] * axes, dtype=np.bool_)
            for question, answer in enumerate(answers):
                can = can & answer[number >> (depth - 1 - question) & 1]
            largest = np.maximum(largest, np.where(can, leaf, -math.inf))
        total = total + largest
    return total
