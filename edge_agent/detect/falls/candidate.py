"""An impact that was looked at, and what is said of it: numbers, severity, a reason in words."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.detector import Detection
from edge_agent.detect.falls.features import EARLY, FEATURES, LYING_DEG
from edge_agent.detect.falls.grid import GRID_HZ
from edge_agent.detect.falls.upright import Direction

STILL_G = 0.1
"""Movement in the last half second below this: nothing was tried yet."""

_EVIDENCE = [
    FEATURES.index(name)
    for name in ("peak_g", "angle_deg", "free_fall_s", "still_end_g", "upright_after_deg")
]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An impact that was looked at, raised or not; kept only when asked for.

    Attributes:
        impact_s: time of the largest |a|.
        decided_s: time of the deciding sample.
        score: as in Detection; one half and more was raised unless the detector was refractory.
        history: grid samples there were before the impact.
        after: grid samples there were from the impact on.
        missing: grid samples in holes, from 1 s before the impact on.
        window: shape (3, HISTORY + after), g, NaN where missing.
        features: shape (len(FEATURES),).
        upright: up in the sensor's axes as it was known then.
        margin: of the forest; zero is a score of one half.
    """

    impact_s: float
    decided_s: float
    score: float
    history: int
    after: int
    missing: int
    window: NDArray[np.float64]
    features: NDArray[np.float64]
    upright: Direction | None
    margin: float


def recovery_of(steps_s: float, now_s: float, since_s: float) -> Detection:
    """Return what is said of steps in the upright posture, since_s after a fall."""
    reason = f"Steps in the upright posture, twice, the last {since_s:.0f} s after the fall."
    return Detection("fall_recovered", steps_s, now_s, 1.0, {"after_fall_s": since_s}, reason)


def detection_of(one: Candidate) -> Detection:
    """Return what is said of a candidate that is a fall.

    Its severity is 0 to 2: one point for lying, one for not moving. It is for those who answer
    the alarm to read, and no condition of anything: people often keep moving after real falls.
    """
    peak_g, angle_deg, free_fall_s, still_g, up_deg = (float(one.features[i]) for i in _EVIDENCE)
    known = angle_deg == angle_deg
    reason = f"Impact of {peak_g:.1f} g after {free_fall_s:.2f} s of weightlessness"
    reason += f", posture changed by {angle_deg:.0f} degrees" if known else ", posture unknown"
    evidence = {
        "peak_g": peak_g,
        "angle_deg": angle_deg if known else 0.0,
        "free_fall_s": free_fall_s,
        "history_s": one.history / GRID_HZ,
        "after_s": one.after / GRID_HZ,
        "missing_s": one.missing / GRID_HZ,
        "margin": one.margin,
    }
    lying = angle_deg >= LYING_DEG
    if up_deg == up_deg:
        evidence["tilt_deg"] = 90.0 - up_deg
        lying = 90.0 - up_deg >= LYING_DEG
        reason += f", now {90.0 - up_deg:.0f} degrees from upright"
    if still_g == still_g:
        evidence["still_g"] = still_g
        evidence["severity"] = float(lying) + float(still_g < STILL_G)
    if one.after < EARLY:
        reason += f", signal ended {one.after / GRID_HZ:.2f} s later"
    return Detection("fall", one.impact_s, one.decided_s, one.score, evidence, reason + ".")
