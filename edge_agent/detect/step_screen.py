"""Which impacts certainly have no steps before them, told without looking at a spectrum.

`walking_direction` refuses most windows by three numbers: the length of the mean vector, the angle
between the means of its halves, and the deviation of |a|. The same numbers from raw counts, with
room for rounding, tell most of those windows at a tenth of the price: whoever jogs has no upright
direction to learn from and is asked for it every two seconds.
"""

import math

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.fall import APART
from edge_agent.detect.fall_features import HISTORY
from edge_agent.detect.upright import ABOUT_1_G, HALF, LOOKED_AT, MOVING_G, STEADY_COS

SLACK = 1e-4
"""Room for rounding, relative to limits of about one: float32 moves a sample by 1.2e-7."""

NOTHING = np.full((3, LOOKED_AT), math.nan)
"""A window in which nothing came, for an `Upright` to note that there were no steps."""

_HALVES = np.zeros((2, LOOKED_AT))
_HALVES[0, :HALF] = _HALVES[1, HALF:] = 1.0
_AXES = np.ones(3)
_ALL = np.ones(LOOKED_AT)


def norm2_of(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared length of each row."""
    squares: NDArray[np.float64] = (rows * rows).dot(_AXES)
    return squares


def is_largest(norm2: NDArray[np.float64]) -> bool | None:
    """Return whether the impact is the largest within APART; None where rounding may decide.

    Args:
        norm2: of a window with the impact at HISTORY.
    """
    near, peak = norm2[HISTORY - APART : HISTORY + APART + 1], norm2.item(HISTORY)
    if near.item(near.argmax()) > peak * (1.0 + SLACK):
        return False
    return True if np.count_nonzero(near > peak * (1.0 - SLACK)) == 1 else None


def has_no_steps(rows: NDArray[np.float64], norm2: NDArray[np.float64], unit_g: float) -> bool:
    """Return whether `walking_direction` certainly finds none.

    Args:
        rows: shape (at least LOOKED_AT, 3), all of them there.
        norm2: squared lengths of the rows.
        unit_g: g in one unit of the rows.
    """
    norm = np.sqrt(norm2[:LOOKED_AT])
    mean = float(norm.dot(_ALL)) / LOOKED_AT
    spread2 = float(norm.dot(norm)) / LOOKED_AT - mean * mean
    moving_g = unit_g * math.sqrt(max(0.0, spread2))
    if not MOVING_G[0] - SLACK <= moving_g <= MOVING_G[1] + SLACK:
        return True
    (ax, ay, az), (bx, by, bz) = _HALVES.dot(rows[:LOOKED_AT]).tolist()
    x, y, z = ax + bx, ay + by, az + bz
    length_g = unit_g * math.sqrt(x * x + y * y + z * z) / LOOKED_AT
    if abs(length_g - 1.0) > ABOUT_1_G + SLACK:
        return True
    both = math.sqrt((ax * ax + ay * ay + az * az) * (bx * bx + by * by + bz * bz))
    return bool(ax * bx + ay * by + az * bz < (STEADY_COS - SLACK) * both)
