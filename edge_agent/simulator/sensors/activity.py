"""What somebody who wears an accelerometer does: activities, falls, attitudes.

Source of the falls: Choi, Wakeling, Robinovitch, "Kinematic analysis of video-captured falls
experienced by older adults in long-term care", J Biomech 48(6), 2015: 25 real falls at a mean
age of 80: imbalance to impact 1271 +- 648 ms, descent 583 +- 255 ms, pelvis hits the floor with
2.14 +- 0.63 m/s, head with 2.91 m/s. What is called an assumption is this project's.
"""

from dataclasses import dataclass
from enum import StrEnum

DESCENT_S = 0.583
IMBALANCE_S = 1.271 - DESCENT_S
IMPACT_MPS = 2.14
"""A fall's defaults; source in the head of this file."""
PEAK_G = 3.5
"""|a| at the impact of an old person's fall (assumption)."""

STEPS_PER_S = 1.75
"""Steps of old people, 1.6 to 1.9 a second."""


class Activity(StrEnum):
    """What the wearer does."""

    LYING = "lying"
    SITTING = "sitting"
    STANDING = "standing"
    WALKING = "walking"
    LIE_DOWN = "lie_down"
    GET_UP = "get_up"
    TURN_OVER = "turn_over"
    SIT_DOWN_HARD = "sit_down_hard"
    STUMBLE = "stumble"
    FALL = "fall"


class FallKind(StrEnum):
    """Which way somebody falls; from a chair it begins seated."""

    FORWARD = "forward"
    BACKWARD = "backward"
    LATERAL = "lateral"
    FROM_CHAIR = "from_chair"


class Pose(StrEnum):
    """Attitudes of the trunk."""

    UPRIGHT = "upright"
    SEATED = "seated"
    SUPINE = "supine"
    PRONE = "prone"
    LEFT_SIDE = "left_side"
    RIGHT_SIDE = "right_side"


class Worn(StrEnum):
    """Where the sensor is."""

    CHEST = "chest"
    WAIST = "waist"


@dataclass(frozen=True, slots=True)
class Fall:
    """How somebody falls.

    Attributes:
        kind: which way.
        descent_s: from the start of the descent to the impact.
        impact_mps: vertical speed of the pelvis at the impact.
        peak_g: |a| at the impact, before the sensor's noise.
        imbalance_s: from losing the balance to the start of the descent.
        bounces: smaller contacts after the impact.
        moves_after: the person tries to get up, or lies still.
        ends: attitude in the end; None lets the seed choose one that fits the kind.
    """

    kind: FallKind = FallKind.FORWARD
    descent_s: float = DESCENT_S
    impact_mps: float = IMPACT_MPS
    peak_g: float = PEAK_G
    imbalance_s: float = IMBALANCE_S
    bounces: int = 2
    moves_after: bool = True
    ends: Pose | None = None


@dataclass(frozen=True, slots=True)
class MotionSpan:
    """An activity from start_s to end_s.

    A fall loses its balance at start_s and lies until end_s. Getting from one attitude to the
    next without a span for it happens gently at the beginning of the new span.

    Attributes:
        fall: how, for a `fall`; the default fall when None.
    """

    start_s: float
    end_s: float
    activity: Activity
    fall: Fall | None = None


@dataclass(frozen=True, slots=True)
class Wearer:
    """The person and where the sensor is."""

    worn: Worn = Worn.CHEST
    steps_per_s: float = STEPS_PER_S
    tremor_g: float = 0.008


@dataclass(frozen=True, slots=True)
class FallTruth:
    """One fall that is in a signal."""

    imbalance_s: float
    descent_s: float
    impact_s: float
    kind: FallKind
    peak_g: float
    ends: Pose
