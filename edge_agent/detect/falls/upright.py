"""Which way is up for a worn sensor, learnt from its wearer's own steps.

```
   impact candidate: the 2.8 s before it
        |--- first half ---|--- second half ---|  same direction, about 1 g,
           ^   ^   ^   ^   ^   ^   ^   ^   ^        moving, with the rhythm of steps?
                                                        |
    unknown --2 agree--> known --1 disagrees--> unknown (remounted?) --2 agree--> known
```
People walk upright, so the mean direction of acceleration while walking is up, however the sensor
is mounted. Steps are looked at only where an impact is decided anyway: heel strikes pass the gate
of 1.4 g often enough (all 20 people of SisFall, eight of them 60 to 75, are known after their
first walk), and nobody lying makes them. What is learnt is one vector a wearer; it is forgotten
when the clock goes back or nothing came for longer than FORGET_S, since a sensor that was taken
off may be put on otherwise.

Known weakness: whoever never steps hard enough stays unknown; a vehicle that shakes a sleeper at
one to three hertz may teach a lying direction until the next walk.
"""

import math

import numpy as np
from numpy.typing import NDArray

Direction = tuple[float, float, float]
"""A unit vector in the sensor's own axes."""

LOOKED_AT = 280
"""Grid samples of the window that are looked at: its history without the last 0.2 s."""

HALF = LOOKED_AT // 2

LEAST_HALF = 70
"""Samples of each half that must have come."""

STEP_LAGS = (30, 110)
"""Grid samples from step to step, or from stride to stride where the sides differ: 0.3 to 1.1 s."""

RHYTHM = 0.45
"""Least autocorrelation of |a| at one of STEP_LAGS; walking has 0.5 to 0.9."""

MOVING_G = (0.08, 0.6)
"""Standard deviation of |a| while walking; running is above."""

ABOUT_1_G = 0.15
"""The mean vector's length may be off one by this much: no turn within the window."""

STEADY_COS = math.cos(math.radians(12.0))
"""The halves of a walk point the same way."""

AGREE_COS = math.cos(math.radians(25.0))
"""Walks that point the same way are of one mounting."""

ENOUGH = 2
"""Walks that agree before the direction is believed."""

SHARE = 0.1
"""Least share of a new walk in the direction, so that a belt may slip slowly."""

SOON_S, LATER_S = 2.0, 20.0
"""Between two looks for steps, while the direction is unknown and once it is known."""

FORGET_S = 600.0
"""Silence after which the sensor may have been taken off and put on again."""


def walking_direction(window: NDArray[np.float64]) -> Direction | None:
    """Return the mean direction of a window that ends in steps, None where it does not.

    Args:
        window: shape (3, at least LOOKED_AT), g on the 100 Hz grid, NaN where missing.
    """
    looked = window[:, :LOOKED_AT]
    norm2 = np.einsum("ij,ij->j", looked, looked)
    sound = norm2 == norm2
    if np.count_nonzero(sound[:HALF]) < LEAST_HALF or np.count_nonzero(sound[HALF:]) < LEAST_HALF:
        return None
    if not sound.all():
        looked = np.where(sound, looked, 0.0)
        norm2 = np.where(sound, norm2, 0.0)
    count = float(np.count_nonzero(sound))
    early, late = looked[:, :HALF].sum(axis=1), looked[:, HALF:].sum(axis=1)
    total = early + late
    length = math.sqrt(float(total @ total))
    if not abs(length / count - 1.0) <= ABOUT_1_G:
        return None
    if float(early @ late) < STEADY_COS * math.sqrt(float(early @ early) * float(late @ late)):
        return None
    norm = np.sqrt(norm2)
    swing = np.where(sound, norm - norm.sum() / count, 0.0)
    energy = float(swing @ swing)
    if not MOVING_G[0] <= math.sqrt(energy / count) <= MOVING_G[1]:
        return None
    later = np.zeros(LOOKED_AT + STEP_LAGS[1] - STEP_LAGS[0] - 1)
    later[: LOOKED_AT - STEP_LAGS[0]] = swing[STEP_LAGS[0] :]
    # Eighty short products cost less than two transforms.
    agreement = np.correlate(later, swing, "valid")
    # Fewer pairs are left at a longer lag.
    agreement *= _PAIRS
    if float(agreement.max()) < RHYTHM * energy:
        return None
    x, y, z = (total / length).tolist()
    return (x, y, z)


_PAIRS = LOOKED_AT / (LOOKED_AT - np.arange(STEP_LAGS[0], STEP_LAGS[1], dtype=np.float64))


class Upright:
    """What the walks of one wearer have taught, and until when they are believed.

    Attributes:
        direction: up in the sensor's axes, None while it is not known.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Know nothing, as after the sensor was put on."""
        self.direction: Direction | None = None
        self._mean: Direction | None = None
        self._agreed = 0
        self._looked_s = -math.inf

    def is_due(self, now_s: float) -> bool:
        """Return whether the next impact should be looked at for steps."""
        wait_s = SOON_S if self.direction is None else LATER_S
        return not 0.0 <= now_s - self._looked_s < wait_s

    def pass_gap(self, silent_s: float) -> None:
        """Take note of a time without samples; below zero where the clock went back."""
        if not 0.0 <= silent_s <= FORGET_S:
            self.forget()

    def look(self, window: NDArray[np.float64], now_s: float) -> Direction | None:
        """Learn from the steps before an impact, if there are any, and return their direction.

        Args:
            window: as `walking_direction` takes it.
            now_s: time of the impact.
        """
        seen = walking_direction(window)
        self.learn(seen, now_s)
        return seen

    def learn(self, seen: Direction | None, now_s: float) -> None:
        """Take note of a look at an impact, and of the steps that were seen."""
        self._looked_s = now_s
        if seen is not None:
            self._mean, self._agreed, self.direction = self._with(seen)

    def direction_with(self, seen: Direction | None) -> Direction | None:
        """Return the direction there will be when these steps were learnt from."""
        return self.direction if seen is None else self._with(seen)[2]

    def _with(self, seen: Direction) -> tuple[Direction, int, Direction | None]:
        """Return the mean, how many agreed and the direction, with one more walk."""
        mean = self._mean
        if mean is None or _cosine(mean, seen) < AGREE_COS:
            return seen, 1, None
        agreed = self._agreed + 1
        share = max(1.0 / agreed, SHARE)
        x, y, z = (old + (new - old) * share for old, new in zip(mean, seen, strict=True))
        length = math.sqrt(x * x + y * y + z * z)
        mean = (x / length, y / length, z / length)
        return mean, agreed, mean if agreed >= ENOUGH else self.direction


def _cosine(a: Direction, b: Direction) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
