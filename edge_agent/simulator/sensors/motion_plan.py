"""From spans to movements: the turns, rises, pushes and drops of an activity."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_agent.simulator.sensors.activity import (
    Activity,
    Fall,
    FallKind,
    FallTruth,
    MotionSpan,
    Pose,
    Wearer,
    Worn,
)
from edge_agent.simulator.sensors.rotation import rotation_vector, rotations
from edge_agent.simulator.sensors.shapes import STANDARD_GRAVITY, Floats

CHEST_FACTOR = 1.18
"""Speed of the chest over the pelvis's: half way to the head's 2.91 m/s."""
ONSET_SHARE = 0.3
"""Of the descent until it accelerates fully (assumption)."""
MOST_DESCENT_G = 0.95
"""A body that still touches the ground never falls quite freely."""
TOPPLE_MPS = 0.8
"""Speed sideways that friction takes back within SLIDE_S (assumption)."""

HARD_SEAT_DESCENT_S = 0.42
HARD_SEAT_MPS = 1.3
HARD_SEAT_PEAK_G = (1.8, 2.6)
"""Dropping onto a seat: speed and |a| (assumption; daily recordings reach 3 g)."""

STAND_TO_SIT_M = 0.42
SIT_TO_LIE_M = {Worn.CHEST: 0.38, Worn.WAIST: 0.08}
"""How much lower the sensor is (assumption)."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Attitude changes along one axis of the body, a vector of radians."""

    start_s: float
    end_s: float
    rotation: Floats


@dataclass(frozen=True, slots=True)
class Rise:
    """The sensor moves gently by a way in the world, m."""

    start_s: float
    end_s: float
    way_m: Floats


@dataclass(frozen=True, slots=True)
class Push:
    """A Hann pulse of acceleration in the world, g."""

    centre_s: float
    width_s: float
    push_g: Floats


@dataclass(frozen=True, slots=True)
class Drop:
    """A descent and its arrest.

    Attributes:
        speed_mps: downwards at the impact.
        topple_mps: in the world's plane at the impact, shape (3,).
        peak_g: |a| at the impact.
        bounce_s: times of smaller contacts after it.
        ring: of what shakes on for a moment, relative to the impact; its frequency and
            direction, shape (3,).
    """

    impact_s: float
    descent_s: float
    speed_mps: float
    topple_mps: Floats
    peak_g: float
    bounce_s: tuple[float, ...]
    ring: float
    ring_hz: float
    ring_way: Floats


@dataclass(frozen=True, slots=True)
class Unrest:
    """A stretch in which the trunk is not still: attitude and push, root mean square."""

    start_s: float
    end_s: float
    turn_deg: float
    push_g: float
    low_hz: float
    high_hz: float


class Planner:
    """Goes through the spans once and notes turns, ways and pushes."""

    def __init__(self, wearer: Wearer, random: np.random.Generator) -> None:
        self.turns: list[Turn] = []
        self.rises: list[Rise] = []
        self.pushes: list[Push] = []
        self.drops: list[Drop] = []
        self.unrests: list[Unrest] = []
        self.walks: list[tuple[float, float]] = []
        self.falls: list[FallTruth] = []
        self.seats_s: list[float] = []
        self.calm: list[tuple[float, float, float]] = []
        self.begin = np.eye(3)
        self._wearer = wearer
        self._random = random
        self._pose: Pose | None = None
        self._attitude = np.eye(3)
        self._restless = False

    def add(self, span: MotionSpan) -> None:
        """Note what a span brings.

        Raises:
            ValueError: it does not follow from the one before, or is too short.
        """
        if self._pose is None:
            self._begin(span.activity)
        begin, end = span.start_s, span.end_s
        match span.activity:
            case Activity.LYING | Activity.SITTING | Activity.STANDING:
                self._rest(span)
            case Activity.WALKING:
                ready_s = self._go(Pose.UPRIGHT, begin, end)
                self.walks.append((ready_s, end))
            case Activity.LIE_DOWN:
                self._need(span, 1.0, Pose.UPRIGHT, Pose.SEATED)
                pose = self._choose((Pose.SUPINE, Pose.LEFT_SIDE, Pose.RIGHT_SIDE))
                self._change(pose, begin, end)
            case Activity.GET_UP:
                self._need(span, 1.0, Pose.SEATED, *_LYING)
                self._change(Pose.UPRIGHT, begin, end)
            case Activity.TURN_OVER:
                self._need(span, 1.0, *_LYING)
                self._turn_over(begin, end)
            case Activity.SIT_DOWN_HARD:
                self._need(span, 1.2, Pose.UPRIGHT)
                self._sit_down_hard(begin, end)
            case Activity.STUMBLE:
                self._need(span, 1.2, Pose.UPRIGHT)
                self._stumble(begin, end)
            case Activity.FALL:
                self._fall(span)

    def _begin(self, activity: Activity) -> None:
        """Take the attitude that the first activity starts from."""
        lying = (Activity.LYING, Activity.GET_UP, Activity.TURN_OVER)
        pose = Pose.SEATED if activity is Activity.SITTING else Pose.UPRIGHT
        if activity in lying:
            pose = self._choose((Pose.SUPINE, Pose.LEFT_SIDE, Pose.RIGHT_SIDE))
        self._pose = pose
        self._attitude = self._near(pose)
        self.begin = self._attitude

    def _need(self, span: MotionSpan, least_s: float, *poses: Pose) -> None:
        if self._pose not in poses:
            raise ValueError(f"{span.activity} does not begin {self._pose}")
        if span.end_s - span.start_s < least_s:
            raise ValueError(f"{span.activity} takes {least_s:g} s or more")

    def _rest(self, span: MotionSpan) -> None:
        begin, end = span.start_s, span.end_s
        match span.activity:
            case Activity.SITTING:
                ready_s = self._go(Pose.SEATED, begin, end)
                self.unrests.append(Unrest(ready_s, end, 0.6, 0.004, 0.05, 0.5))
                self._fidget(ready_s, end)
            case Activity.STANDING:
                ready_s = self._go(Pose.UPRIGHT, begin, end)
                self.unrests.append(Unrest(ready_s, end, 1.0, 0.008, 0.05, 0.8))
                self._fidget(ready_s, end)
            case _:
                lies = self._pose if self._pose in _LYING else Pose.SUPINE
                ready_s = self._go(lies, begin, end)
                self.calm.append((ready_s, end, 0.3))
                if self._restless:
                    self._struggle(ready_s, end, 0.6)

    def _go(self, pose: Pose, begin: float, end: float) -> float:
        """Get gently into an attitude; return when it is reached."""
        if self._pose is pose:
            return begin
        takes_s = 3.5 if (pose in _LYING) != (self._pose in _LYING) else 1.8
        ready_s = begin + min(takes_s, 0.7 * (end - begin))
        self._change(pose, begin, ready_s)
        return ready_s

    def _change(self, pose: Pose, begin: float, end: float) -> None:
        """Move between two attitudes, by way of the seat where there is one between."""
        before = self._pose
        if Pose.UPRIGHT not in (before, pose) or Pose.SEATED in (before, pose):
            self._move(pose, begin, end)
            return
        middle = begin + 0.5 * (end - begin)
        self._move(Pose.SEATED, begin, middle)
        self._move(pose, middle, end)

    def _move(self, pose: Pose, begin: float, end: float) -> None:
        down_m = self._height(self._pose) - self._height(pose)
        ahead = 0.15 if pose is Pose.UPRIGHT else -0.15
        if {self._pose, pose} == {Pose.UPRIGHT, Pose.SEATED}:
            # Bending forward over the knees, and back up.
            lean = np.array([0.0, np.deg2rad(self._uniform(18.0, 35.0)), 0.0])
            half = begin + 0.5 * (end - begin)
            there = self._near(pose)
            bent = self._attitude @ rotations(lean[None])[0]
            self._turn_to(bent, begin, half)
            self._turn_to(there, half, end)
        else:
            self._turn_to(self._near(pose), begin, end)
        self.rises.append(Rise(begin, end, np.array([ahead, 0.0, -down_m])))
        if down_m > 0.0:
            touch = self._uniform(0.1, 0.3)
            at_s = end - 0.1 * (end - begin)
            self.pushes.append(Push(at_s, 0.14, np.array([0.0, 0.0, touch])))
            self.pushes.append(Push(at_s + 0.16, 0.28, np.array([0.0, 0.0, -0.5 * touch])))
        self.unrests.append(Unrest(begin, end, 1.5, 0.03, 0.5, 4.0))
        self._pose = pose
        if pose not in _LYING:
            self._restless = False

    def _turn_over(self, begin: float, end: float) -> None:
        pose = self._choose(tuple(one for one in _LYING[:3] if one is not self._pose))
        self._turn_to(self._near(pose), begin, end)
        self.unrests.append(Unrest(begin, end, 3.0, 0.08, 0.5, 5.0))
        heave = self._uniform(0.2, 0.6)
        self.pushes.append(Push(begin + 0.3 * (end - begin), 0.4, np.array([0.0, 0.0, heave])))
        self.pushes.append(Push(begin + 0.7 * (end - begin), 0.4, np.array([0.0, 0.0, -heave])))
        self._pose = pose

    def _sit_down_hard(self, begin: float, end: float) -> None:
        impact_s = begin + 0.5 + HARD_SEAT_DESCENT_S
        lean = np.array([0.0, np.deg2rad(self._uniform(15.0, 35.0)), 0.0])
        bent = self._attitude @ rotations(lean[None])[0]
        self._turn_to(bent, begin, impact_s - 0.05)
        settled_s = min(end, impact_s + 0.8)
        self._turn_to(self._near(Pose.SEATED), impact_s - 0.05, settled_s)
        speed = HARD_SEAT_MPS * self._uniform(0.85, 1.15)
        back = np.array([-0.3, 0.0, 0.0])
        peak_g = self._uniform(*HARD_SEAT_PEAK_G)
        self._drop(impact_s, HARD_SEAT_DESCENT_S, speed, back, peak_g, 1, 0.12)
        self.unrests.append(Unrest(begin, settled_s, 1.5, 0.03, 0.5, 5.0))
        if settled_s < end:
            self.unrests.append(Unrest(settled_s, end, 0.6, 0.004, 0.05, 0.5))
        self.seats_s.append(impact_s)
        self._pose = Pose.SEATED

    def _stumble(self, begin: float, end: float) -> None:
        """A caught foot: lurch, a hard recovery step, a second one, and on."""
        at_s = begin + 0.3
        side = self._uniform(-0.2, 0.2)
        lurch = np.array([side, np.deg2rad(self._uniform(12.0, 25.0)), 0.0])
        upright = self._near(Pose.UPRIGHT)
        self._turn_to(self._attitude @ rotations(lurch[None])[0], at_s, at_s + 0.4)
        self._turn_to(upright, at_s + 0.4, min(end, at_s + 1.4))
        hard = self._uniform(0.6, 2.0)
        # Areas sum to nothing up and down: no speed is left over.
        self.pushes += [
            Push(at_s + 0.14, 0.28, np.array([0.3, 0.0, -0.4])),
            Push(at_s + 0.38, 0.13, np.array([-0.5, side, hard])),
            Push(at_s + 0.52, 0.20, np.array([-0.1, -side, -0.1 - 0.3 * hard])),
            Push(at_s + 0.72, 0.12, np.array([-0.1, 0.0, 0.6])),
        ]
        left = 0.14 * 0.4 - 0.065 * hard + 0.1 * (0.1 + 0.3 * hard) - 0.06 * 0.6
        self.pushes.append(Push(at_s + 0.95, 0.4, np.array([0.0, 0.0, left / 0.2])))
        self.unrests.append(Unrest(begin, end, 2.5, 0.06, 0.5, 5.0))
        self.walks.append((begin, at_s))
        if end - at_s > 1.5:
            self.walks.append((at_s + 0.9, end))

    def _fall(self, span: MotionSpan) -> None:
        fall = span.fall if span.fall is not None else Fall()
        chair = fall.kind is FallKind.FROM_CHAIR
        self._need(
            span,
            fall.imbalance_s + fall.descent_s + 1.0,
            *((Pose.SEATED,) if chair else (Pose.UPRIGHT, Pose.SEATED)),
        )
        ends = fall.ends if fall.ends is not None else self._choose(_ENDS[fall.kind])
        starts_s = span.start_s + fall.imbalance_s
        impact_s = starts_s + fall.descent_s
        speed = fall.impact_mps * (0.75 if chair else 1.0)
        if self._wearer.worn is Worn.CHEST:
            speed *= CHEST_FACTOR
        if speed > MOST_DESCENT_G * STANDARD_GRAVITY * full_descent_s(fall.descent_s):
            raise ValueError(
                f"nobody reaches {speed:.2f} m/s within {fall.descent_s:g} s of descent"
            )
        ahead = {
            FallKind.FORWARD: (1.0, 0.0),
            FallKind.BACKWARD: (-1.0, 0.0),
            FallKind.LATERAL: (0.0, -1.0 if ends is Pose.RIGHT_SIDE else 1.0),
            FallKind.FROM_CHAIR: (0.9, self._uniform(-0.5, 0.5)),
        }[fall.kind]
        topple = TOPPLE_MPS * self._uniform(0.7, 1.3) * np.array([*ahead, 0.0])
        self._lose_balance(span.start_s, starts_s)
        # The turn is almost over at the impact and ends on the floor.
        self._turn_to(self._near(ends), starts_s - 0.1, impact_s + 0.25)
        self._drop(impact_s, fall.descent_s, speed, topple, fall.peak_g, fall.bounces, 0.3)
        self.unrests.append(Unrest(starts_s, impact_s + 0.5, 2.0, 0.05, 0.8, 6.0))
        self.falls.append(FallTruth(span.start_s, starts_s, impact_s, fall.kind, fall.peak_g, ends))
        self._pose = ends
        self._restless = fall.moves_after
        self.calm.append((impact_s + 0.5, span.end_s, 0.3))
        if fall.moves_after:
            self._struggle(impact_s + 0.8, span.end_s, 1.0)

    def _drop(
        self,
        impact_s: float,
        descent_s: float,
        speed_mps: float,
        topple_mps: Floats,
        peak_g: float,
        bounces: int,
        ring: float,
    ) -> None:
        way = self._random.standard_normal(3)
        way /= np.linalg.norm(way)
        bounce_s = impact_s + np.cumsum(self._random.uniform(0.2, 0.3, bounces))
        ring_hz = self._uniform(9.0, 13.0)
        drop = Drop(
            impact_s,
            descent_s,
            speed_mps,
            topple_mps,
            peak_g,
            tuple(bounce_s.tolist()),
            ring,
            ring_hz,
            way,
        )
        self.drops.append(drop)

    def _lose_balance(self, begin: float, end: float) -> None:
        """Sway, and one or two steps that do not help."""
        sway = np.deg2rad(self._random.uniform(-8.0, 8.0, 3))
        sway[2] = 0.0
        self._turn_to(self._attitude @ rotations(sway[None])[0], begin, max(begin, end - 0.1))
        for share in (0.35, 0.75):
            at_s = begin + share * (end - begin)
            push = self._uniform(0.1, 0.35)
            ahead, side = self._random.uniform(-0.15, 0.15, 2)
            width_s = min(0.22, 0.5 * (end - begin))
            if width_s > 0.05:
                self.pushes.append(Push(at_s, width_s, np.array([ahead, side, push])))
                back = np.array([-ahead, -side, -push])
                self.pushes.append(Push(at_s - 0.7 * width_s, width_s, back))
        self.unrests.append(Unrest(begin, end, 2.0, 0.05, 0.8, 5.0))

    def _struggle(self, begin: float, end: float, strength: float) -> None:
        """Bouts of trying to get up."""
        t = begin
        while t < end - 1.0:
            length = min(self._uniform(1.0, 4.0), end - t)
            self.unrests.append(Unrest(t, t + length, 7.0 * strength, 0.05 * strength, 0.3, 2.5))
            t += length + float(self._random.exponential(2.5))

    def _fidget(self, begin: float, end: float) -> None:
        t = begin + float(self._random.exponential(12.0))
        while t < end - 1.0:
            length = min(self._uniform(0.6, 2.5), end - t)
            self.unrests.append(Unrest(t, t + length, 4.0, 0.03, 0.3, 3.0))
            t += length + float(self._random.exponential(12.0))

    def _turn_to(self, attitude: Floats, begin: float, end: float) -> None:
        if end <= begin:
            return
        self.turns.append(Turn(begin, end, rotation_vector(self._attitude.T @ attitude)))
        self._attitude = attitude

    def _near(self, pose: Pose) -> Floats:
        """Return an attitude a few degrees off the textbook one."""
        off = np.deg2rad(self._random.uniform(-7.0, 7.0, 3))
        if pose is Pose.UPRIGHT:
            off *= 0.5
        near: Floats = _ATTITUDES[pose] @ rotations(off[None])[0]
        return near

    def _height(self, pose: Pose | None) -> float:
        if pose is Pose.UPRIGHT:
            return 0.0
        if pose is Pose.SEATED:
            return -STAND_TO_SIT_M
        return -STAND_TO_SIT_M - SIT_TO_LIE_M[self._wearer.worn]

    def _choose(self, poses: tuple[Pose, ...]) -> Pose:
        return poses[int(self._random.integers(len(poses)))]

    def _uniform(self, low: float, high: float) -> float:
        return float(self._random.uniform(low, high))


def check_order(timeline: Sequence[MotionSpan]) -> None:
    """Raise ValueError unless the spans follow each other without holes and overlaps."""
    end_s = timeline[0].start_s if timeline else 0.0
    for span in timeline:
        if span.start_s != end_s or span.end_s <= span.start_s:
            raise ValueError(f"spans follow each other without holes, unlike {span}")
        end_s = span.end_s


def full_descent_s(descent_s: float) -> float:
    """Return for how long a descent's full acceleration would have to act for the same speed."""
    return descent_s * (1.0 - 0.5 * ONSET_SHARE)


_LYING = (Pose.SUPINE, Pose.LEFT_SIDE, Pose.RIGHT_SIDE, Pose.PRONE)
_ENDS = {
    FallKind.FORWARD: (Pose.PRONE, Pose.PRONE, Pose.LEFT_SIDE, Pose.RIGHT_SIDE),
    FallKind.BACKWARD: (Pose.SUPINE,),
    FallKind.LATERAL: (Pose.LEFT_SIDE, Pose.RIGHT_SIDE),
    FallKind.FROM_CHAIR: (Pose.PRONE, Pose.LEFT_SIDE, Pose.RIGHT_SIDE),
}
_QUARTER = 0.5 * np.pi


def _attitude_of(roll: float, pitch: float) -> Floats:
    """Return the attitude of a trunk turned about its long side, then about its width."""
    turns = rotations(np.array([[roll, 0.0, 0.0], [0.0, pitch, 0.0]]))
    both: Floats = turns[0] @ turns[1]
    return both


_ATTITUDES = {
    Pose.UPRIGHT: np.eye(3),
    Pose.SEATED: _attitude_of(0.0, -np.deg2rad(14.0)),
    Pose.SUPINE: _attitude_of(0.0, -_QUARTER + np.deg2rad(8.0)),
    Pose.PRONE: _attitude_of(0.0, _QUARTER),
    Pose.LEFT_SIDE: _attitude_of(-_QUARTER, 0.0),
    Pose.RIGHT_SIDE: _attitude_of(_QUARTER, 0.0),
}
