"""Which impacts certainly have no steps before them, told without looking at a spectrum.

`walking_direction` refuses most windows by three numbers: the length of the mean vector, the angle
between the means of its halves, and the deviation of |a|. The same numbers, added up in another
order, tell most of those windows at a tenth of the price: whoever jogs has no upright direction
to learn from and is asked for it every two seconds.
"""

import math

import numpy as np

from edge_agent.detect.falls.fall import APART
from edge_agent.detect.falls.features import HISTORY
from edge_agent.detect.falls.screen import Window
from edge_agent.detect.falls.upright import ABOUT_1_G, HALF, LOOKED_AT, MOVING_G, STEADY_COS

SLACK = 1e-6
"""Room for the order of adding up, relative to limits of about one."""

_HALVES = np.zeros((LOOKED_AT, 2))
_HALVES[:HALF, 0] = _HALVES[HALF:, 1] = 1.0
_AXES = np.ones(3)
_ALL = np.ones(LOOKED_AT)
_NEAR = slice(3 * (HISTORY - APART), 3 * (HISTORY + APART + 1))


def is_largest(window: Window) -> bool:
    """Return whether no |a| within APART of the impact is larger, in the grid's own floats."""
    near = window.flat[_NEAR]
    squares = near * near
    norm2 = squares[::3] + squares[1::3]
    norm2 += squares[2::3]
    return bool(norm2.item(norm2.argmax()) <= norm2.item(APART))


def has_no_steps(window: Window) -> bool:
    """Return whether `walking_direction` certainly finds none."""
    (ax, bx), (ay, by), (az, bz) = window.rows[:, :LOOKED_AT].dot(_HALVES).tolist()
    x, y, z = ax + bx, ay + by, az + bz
    if abs(math.sqrt(x * x + y * y + z * z) / LOOKED_AT - 1.0) > ABOUT_1_G + SLACK:
        return True
    both = math.sqrt((ax * ax + ay * ay + az * az) * (bx * bx + by * by + bz * bz))
    if ax * bx + ay * by + az * bz < (STEADY_COS - SLACK) * both:
        return True
    norm = np.sqrt(_AXES.dot(window.squares[:, :LOOKED_AT]))
    mean = float(norm.dot(_ALL)) / LOOKED_AT
    moving_g = math.sqrt(max(0.0, float(norm.dot(norm)) / LOOKED_AT - mean * mean))
    return not MOVING_G[0] - SLACK <= moving_g <= MOVING_G[1] + SLACK
