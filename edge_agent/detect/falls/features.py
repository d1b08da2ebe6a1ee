"""What separates a fall from daily life: the numbers of one impact candidate.

```
   100 Hz, g   -3 s            -1 s     -0.6  -0.1 impact +0.1  +0.5 s       +1.4 s
    |----- before -----|-- near --|-- late --|--- hit ---|  |----- settled -----|
         posture           weightlessness        height           posture
```
Every feature is made of |a| and of angles between mean vectors, so it is the same for any
mounting. A number that cannot be formed (history or aftermath missing) is NaN, which a model
reads as "not above any threshold". The last three are formed only where the wearer's upright
posture is known (`upright.py`); they are turned so that a large number speaks against a fall, and
NaN for nothing. They are left NaN for who lay before and dropped: no recorded set holds a fall
out of bed, so nothing may be learnt against one.

Source: the stages follow Bagala et al., "Evaluation of accelerometer-based fall detection
algorithms on real-world falls", PLoS ONE 7(5), 2012 (weightlessness, impact, posture); windows
and numbers are this project's own, chosen with people held out: 27 of 90 tried, the rest
changed nothing measurable.
"""

import math

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.falls.grid import GRID_HZ, STANDARD_GRAVITY
from edge_agent.detect.falls.upright import Direction

HISTORY = 300
"""Grid samples kept before the impact: 3 s, room for a posture before the descent."""

EARLY = 75
"""Grid samples after the impact with which a fall that is clear by then is raised: 0.75 s."""

AFTERMATH = 140
"""Grid samples waited for at most: 1.4 s and a packet of 0.1 s, so that `suspected` leaves within
1.5 s."""

LIGHT_G = 0.7
"""|a| below this counts as falling; people of 80 are slowed by their own hands and knees (Choi
2015), so the 0.4 g of textbook free fall is too strict."""

EFFORT_G = 1.3
"""|a| above this counts into the impulse: walking stays below it most of the time."""

LEAST_SAMPLES = 10
"""Fewer valid samples than this give no mean vector of a window longer than that."""

LEAST_VECTOR_G = 0.1
"""A mean vector shorter than this has no direction worth comparing."""

LYING_DEG = 60.0
"""From upright: one who lies."""

DROP_MPS = 1.3
"""Who lay before and gained more speed than this downwards fell out of bed: what is known of the
upright posture is not used against them. Turning over gains up to 1.1 m/s (SisFall D14), half a
metre of free fall 3.1."""

FEATURES = (
    "peak_g",  # |a| of the impact sample
    "free_fall_s",  # time below LIGHT_G in the last second
    "descent_mps",  # largest speed gained downwards: sum of (1 - |a|) over the last 0.6 s
    "lightest_g",  # smallest 0.1 s mean of |a| in the last second
    "brace_g",  # mean |a| from -1 to -0.5 s
    "impulse_mps",  # sum of |a| above EFFORT_G within +-0.5 s
    "impulse_wide_mps",  # the same from -1 s to the end
    "heavy_100ms_g",  # largest 0.1 s mean of |a| around the impact
    "heavy_200ms_g",  # largest 0.2 s mean of |a| around the impact
    "range_g",  # length of (largest - smallest) of the axes within +-0.5 s
    "peak_ratio",  # peak over the largest |a| until -0.6 s
    "rebound_g",  # standard deviation of |a| from +0.1 to +0.5 s
    "after_peak_g",  # largest |a| from +0.2 s to the end
    "angle_deg",  # before to settled: the change of posture
    "angle_near_deg",  # near to settled
    "angle_late_deg",  # late to settled
    "angle_hit_deg",  # before to hit
    "angle_late_hit_deg",  # late to hit
    "angle_settle_deg",  # first to second half of settled
    "path_deg",  # way of the 0.2 s mean direction from -1.5 to -0.3 s
    "before_g",  # length of the mean vector before
    "before_move_g",  # movement before: root mean square distance from it
    "still_g",  # movement while settled
    "still_end_g",  # movement in the last 0.5 s
    "lying_before_deg",  # upright to before
    "upright_after_deg",  # settled to the horizontal, 90 when upright
    "righted_deg",  # by how much nearer to upright after than before
)
"""Names of what `measure` returns, in its order, units last."""

FROM_UPRIGHT = FEATURES[-3:]
"""Those that need the upright posture."""

_SPEED = STANDARD_GRAVITY / GRID_HZ

# The methods of an array do the same by way of Python, at twice the price.
_sum = np.add.reduce


def measure(
    window: NDArray[np.float64], after: int, upright: Direction | None = None
) -> NDArray[np.float64]:
    """Return the features of one candidate, NaN where one cannot be formed.

    Args:
        window: shape (3, HISTORY + after), acceleration in g on the 100 Hz grid with the impact
            at column HISTORY; NaN marks samples that are missing or before the beginning.
        after: columns from the impact on, 1 to AFTERMATH; fewer when the signal ended.
        upright: up in the sensor's axes, where it is known.

    Returns:
        Shape (len(FEATURES),), in the order of FEATURES.
    """
    end = HISTORY + after
    rows, valid = _rows(window)
    norm = rows[3]
    sums = np.empty((6, end + 1))
    sums[:, 0] = 0.0
    np.add.accumulate(rows, axis=1, out=sums[:, 1:])

    first = int(valid.argmax())
    before_from, before_to = 0, HISTORY - 100
    if sums[5, before_to] < 50.0:
        # Little history: the oldest half second there is, however close to the impact.
        before_from, before_to = first, max(first, min(first + 50, HISTORY - 40))
    settled_from = HISTORY + min(50, after * 2 // 5)
    middle = (settled_from + end) // 2
    tail_from = max(end - 50, settled_from)
    before, near, late, hit, settled, early, final, tail = _means(
        sums,
        [
            before_from,
            HISTORY - 100,
            HISTORY - 50,
            HISTORY - 4,
            settled_from,
            settled_from,
            middle,
            tail_from,
        ],
        [
            before_to,
            HISTORY - 60,
            HISTORY - 10,
            min(HISTORY + 5, end),
            end,
            middle,
            end,
            end,
        ],
    )

    descent = norm[HISTORY - 100 : HISTORY]
    effort = np.maximum(norm[HISTORY - 100 :] - EFFORT_G, 0.0)
    total = sums[3]
    tenth = total[HISTORY - 90 :] - total[HISTORY - 100 : -10]
    fifth = total[HISTORY - 20 :] - total[HISTORY - 40 : -20]
    peak = float(norm[HISTORY])
    past = norm[first : HISTORY - 60]
    past_g = _largest(past) if len(past) > LEAST_SAMPLES else 0.0  # a dead sensor's is 0, too
    rebound_to = min(HISTORY + 50, end)
    nan = math.nan
    tilt_before = tilt_after = nan
    descent_mps = _SPEED * max(0.0, _largest((1.0 - descent[40:]).cumsum()))
    if upright is not None:
        up = (*upright, 1.0, 0.0)
        tilt_before, tilt_after = _angle_deg(up, before), _angle_deg(up, settled)
        if tilt_before > LYING_DEG and descent_mps > DROP_MPS:
            tilt_before = tilt_after = nan
    return np.array(
        (
            peak,
            np.count_nonzero(descent < LIGHT_G) / GRID_HZ,
            descent_mps,
            0.1 * _smallest(tenth[:90]),
            float(total[HISTORY - 50] - total[HISTORY - 100]) / 50.0,
            _SPEED * float(_sum(effort[50:150])),
            _SPEED * float(_sum(effort)),
            0.1 * _largest(tenth[70:130]),
            0.05 * _largest(fifth[:50]),
            _range(window[:, HISTORY - 50 : rebound_to], valid[HISTORY - 50 : rebound_to]),
            peak / past_g if past_g > 0.0 else nan,
            _deviation(sums, HISTORY + 10, rebound_to) if after > 20 else nan,
            _largest(norm[HISTORY + 20 :]) if after > 20 else nan,
            _angle_deg(before, settled),
            _angle_deg(near, settled),
            _angle_deg(late, settled),
            _angle_deg(before, hit),
            _angle_deg(late, hit),
            _angle_deg(early, final),
            _path_deg(sums),
            before[3],
            before[4],
            settled[4],
            tail[4],
            tilt_before,
            90.0 - tilt_after,
            tilt_before - tilt_after,
        ),
        dtype=np.float64,
    )


_Mean = tuple[float, float, float, float, float]
"""A mean vector, its length, and the root mean square distance from it; NaN where unknown."""


def _rows(window: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return x, y, z, |a|, |a|^2 and validity as rows; what is missing counts as (0, 0, 0, 1)."""
    rows = np.empty((6, window.shape[1]))
    square = rows[4]
    np.multiply(window, window, rows[:3])
    np.add(rows[0], rows[1], square)
    square += rows[2]
    rows[:3] = window
    valid: NDArray[np.bool_] = square == square
    rows[5] = valid
    if not valid.all():
        missing = ~valid
        rows[:3, missing] = 0.0
        square[missing] = 1.0
    np.sqrt(square, out=rows[3])
    return rows, valid


def _means(sums: NDArray[np.float64], starts: list[int], stops: list[int]) -> list[_Mean]:
    """Return the means of half-open windows from running sums."""
    ends = sums.take(stops + starts, axis=1).T
    columns = (ends[: len(stops)] - ends[len(stops) :]).tolist()
    means: list[_Mean] = []
    for (x, y, z, _, square, count), start, stop in zip(columns, starts, stops, strict=True):
        if count < min(LEAST_SAMPLES, max(1, stop - start)):
            means.append((math.nan,) * 5)
            continue
        x, y, z = x / count, y / count, z / count
        length2 = x * x + y * y + z * z
        # Every missing sample was counted as 1 g^2 in the running sum.
        spread2 = (square - (stop - start - count)) / count - length2
        means.append((x, y, z, math.sqrt(length2), math.sqrt(max(0.0, spread2))))
    return means


def _largest(values: NDArray[np.float64]) -> float:
    """Return the largest of some values, at half the price of a reduction."""
    return float(values.item(values.argmax()))


def _smallest(values: NDArray[np.float64]) -> float:
    return float(values.item(values.argmin()))


def _angle_deg(a: _Mean, b: _Mean) -> float:
    if not (a[3] >= LEAST_VECTOR_G and b[3] >= LEAST_VECTOR_G):
        return math.nan
    cosine = (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) / (a[3] * b[3])
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def _path_deg(sums: NDArray[np.float64]) -> float:
    """Return how far the direction of the 0.2 s mean vector travels, in steps of 0.1 s."""
    ends = sums[:3, HISTORY - 150 : HISTORY - 20 : 10]
    x, y, z = (ends[:, 2:] - ends[:, :-2]).tolist()
    path = before2 = 0.0
    px = py = pz = 0.0
    for cx, cy, cz in zip(x, y, z, strict=True):
        square = cx * cx + cy * cy + cz * cz
        length = math.sqrt(before2 * square)
        # (20 samples * LEAST_VECTOR_G)^2; a window without direction adds no way.
        if length > 4.0:
            cosine = (px * cx + py * cy + pz * cz) / length
            path += math.acos(max(-1.0, min(1.0, cosine)))
        before2, px, py, pz = square, cx, cy, cz
    return math.degrees(path)


def _deviation(sums: NDArray[np.float64], start: int, stop: int) -> float:
    """Return the standard deviation of |a|."""
    count = stop - start
    mean = float(sums[3, stop] - sums[3, start]) / count
    return math.sqrt(max(0.0, float(sums[4, stop] - sums[4, start]) / count - mean * mean))


def _range(piece: NDArray[np.float64], valid: NDArray[np.bool_]) -> float:
    if not valid.all():
        piece = piece[:, valid]
    x, y, z = (np.maximum.reduce(piece, axis=1) - np.minimum.reduce(piece, axis=1)).tolist()
    return math.sqrt(x * x + y * y + z * z)
