"""Sitting up in bed from a tag on the breastbone: a warning before the bed is left.

```
              tilt < lying_deg               tilt > rise_deg and up by rise_step_deg, clear
   UNKNOWN ------------------> LYING ---------------------------------> UPRIGHT + sitting_up
      ^        for lying_s     |   |         tilt > rise_deg, unclear
      |                        |   +----------------------------------> UPRIGHT + risen
      +--- silence > fresh_s --+                                           |
           (an upright reading within REMEMBER_S: risen)                   | next reading within
                                                                           | confirm_s: leaning,
                                                                           | still -> sitting_up
```
Formula: `tilt = asin(up . a / |a|)` in degrees: 0 lying on the back or either side, 90 standing.
`up`, the wearer's long axis in the tag's frame, starts from the model (the direction that gravity
never takes while people lie) and is turned slowly, while lying, until gravity is square to it.

The tag has no battery, so readings come when an antenna reaches it. A rise is unclear when the
moment of it was not seen: a silence of `silence_s` and then a trunk `step_deg` higher, or a trunk
so steep (`steep_deg`) that its person may be on foot. `risen` is told at once then ("was lying, is
upright"), and `sitting_up` follows if the next reading shows a leaning trunk at rest. Somebody who
must not get up unnoticed should be warned of both kinds.

Source of the setting: Shinmoto Torres, Visvanathan, Abbott, Hill, Ranasinghe, "A battery-less and
wireless wearable sensor system for identifying bed and chair exits in a pilot trial in
hospitalized older people", PLoS ONE 12(10), 2017. The rules and constants here are this project's.
The signal strength is taken and not used: where the antennas hang is a property of the room.

On 60 trials of that set, whole trials held out: 96.7 % of 60 times sitting up (92 to 100 over
trials), 92.1 % of the warnings right (85 to 98), delay 0.0 s in the median, 0.5 s at p95. The two
missed lie before an antenna that read nothing: once the only lying reading in 75 s is the last one,
once the trunk is read flat for the label's whole life. Four of five false ones are people whom the
watcher saw on foot right after lying: they did rise.

Known weakness: a raised backrest is a rise like any other, and a wearer propped up above
`lying_deg` is never lying. A tag turned in its plane by much more than `TURN_LIMIT_DEG` needs
`up`. Who rises in one unread second is told as `risen` only.
"""

import json
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.detector import Detection
from edge_agent.detect.falls.grid import STANDARD_GRAVITY

MODEL_PATH = Path(__file__).with_name("sit_up_model.json")

SOUND_G = (0.4, 2.5)
"""|a| of a reading with a direction worth knowing; outside it is a knock, clipped or broken."""

REMEMBER_S = 120.0
"""After a longer silence nobody knows that the wearer was lying (a body turned between tag and
antennas keeps it silent for minutes; design value)."""

LEARN_S = 60.0
"""Time constant with which the long axis follows the lying wearer."""

LONGEST_STEP_S = 5.0
"""A reading after a silence counts for this long at most in learning."""

LOWEST_S = 10.0
"""A chest that slopes reads 10 degrees on one side and 20 on the other: who turns from side to side
is compared with the lower one, who rises slowly with where the rise began."""

LOWEST_READINGS = 64
"""Of them at most."""

TURN_LIMIT_DEG = 25.0
"""Farthest the learnt axis may turn: a tag slips and chests slope, but no tag turns over."""


class Posture(Enum):
    """What the detector holds for true."""

    UNKNOWN = "unknown"
    LYING = "lying"
    UPRIGHT = "upright"


@dataclass(frozen=True, slots=True)
class SitUpModel:
    """What was learnt from recordings (`edge_agent.evaluate.beds.bed.train_sit_up`).

    Attributes:
        up: the long axis of the body towards the head, unit vector in the tag's frame.
        lying_deg: tilt below which the trunk lies.
        rise_deg: tilt above which it has risen ...
        rise_step_deg: ... when it is this much above the lowest of the last `LOWEST_S` of lying.
        lying_s: how long it lies before a rise counts.
        fresh_s: longest silence after which the posture is still known.
        silence_s: silence, up to the first upright reading, that makes a rise unclear ...
        step_deg: ... when the trunk is this much higher than it lay.
        steep_deg: tilt from which a person may be on foot.
        confirm_s: an unclear rise is sitting up when the next reading comes this soon ...
        still_g: ... with |a| this close to 1 g and a trunk less than steep.
    """

    up: tuple[float, float, float]
    lying_deg: float
    rise_deg: float
    rise_step_deg: float
    lying_s: float
    fresh_s: float
    silence_s: float
    step_deg: float
    steep_deg: float
    confirm_s: float
    still_g: float


class SitUpWarning:
    """Tells `sitting_up`, and `risen` where the moment was not seen, from single readings.

    Attributes:
        posture: as of the last sound reading.
    """

    def __init__(self, model: SitUpModel | None = None, up: Sequence[float] | None = None) -> None:
        """Begin knowing nothing of the wearer.

        Args:
            model: the shipped one when None.
            up: the wearer's long axis in the tag's frame, any length, for a tag mounted
                unlike the recorded ones (`learn_up` measures it); the model's when None.

        Raises:
            ValueError: `up` is not a direction.
        """
        self._model = shipped_model() if model is None else model
        self._mounted = self._model.up if up is None else _direction(up)
        self._last_s = -math.inf
        self._restart()

    def read(
        self, at_s: float, acceleration: Sequence[float] | NDArray[Any], rssi: float | None = None
    ) -> list[Detection]:
        """Take the next reading and return what it decided.

        Args:
            at_s: time on the unit's time line; earlier than the last one begins anew.
            acceleration: shape (3,), m/s^2, gravity included.
            rssi: signal strength, dBm; not used.
        """
        x, y, z = (float(one) for one in acceleration)
        norm_g = math.sqrt(x * x + y * y + z * z) / STANDARD_GRAVITY
        if not SOUND_G[0] <= norm_g <= SOUND_G[1] or not math.isfinite(at_s):
            return []
        if at_s < self._last_s:
            self._restart()
        model, scale = self._model, 1.0 / (norm_g * STANDARD_GRAVITY)
        gravity = (x * scale, y * scale, z * scale)
        sine = sum(u * g for u, g in zip(self._up, gravity, strict=True))
        tilt_deg = math.degrees(math.asin(max(-1.0, min(1.0, sine))))
        silence_s = at_s - self._last_s
        self._last_s = at_s
        if silence_s > model.fresh_s:
            self._forget(at_s - silence_s)
        found = [] if self._open is None else self._confirm(at_s, tilt_deg, norm_g)
        if tilt_deg < model.lying_deg:
            self._lie(at_s, min(silence_s, LONGEST_STEP_S), tilt_deg, gravity, sine)
        elif tilt_deg > model.rise_deg and tilt_deg >= self._lowest_deg() + model.rise_step_deg:
            found += self._rise(at_s, silence_s, tilt_deg, norm_g)
        return found

    def _restart(self) -> None:
        self.posture = Posture.UNKNOWN
        self._up: tuple[float, float, float] = self._mounted
        self._last_s = -math.inf
        self._lying_since_s: float | None = None
        self._lay_until_s: float = -math.inf
        self._lay_deg = 0.0
        self._lowest: deque[tuple[float, float]] = deque(maxlen=LOWEST_READINGS)
        self._open: Detection | None = None

    def _forget(self, heard_s: float) -> None:
        """Turn what was known before a long silence into a memory."""
        if self.posture is Posture.LYING:
            self._lay_until_s = heard_s
        self.posture = Posture.UNKNOWN
        self._lying_since_s = None
        self._open = None

    def _lie(
        self,
        at_s: float,
        step_s: float,
        tilt_deg: float,
        gravity: tuple[float, float, float],
        sine: float,
    ) -> None:
        if self._lying_since_s is None:
            self._lying_since_s = at_s
        if at_s - self._lying_since_s >= self._model.lying_s:
            self.posture = Posture.LYING
        if self.posture is not Posture.LYING:
            return
        self._lay_deg = tilt_deg
        self._lowest.append((at_s, tilt_deg))
        pull = sine * -math.expm1(-step_s / LEARN_S)
        turned = _direction([u - pull * g for u, g in zip(self._up, gravity, strict=True)])
        cosine = sum(a * b for a, b in zip(turned, self._mounted, strict=True))
        if cosine >= math.cos(math.radians(TURN_LIMIT_DEG)):
            self._up = turned

    def _lowest_deg(self) -> float:
        """Return the lowest tilt of the last lying."""
        if not self._lowest:
            return -math.inf
        since_s = self._lowest[-1][0] - LOWEST_S
        return min(tilt_deg for at_s, tilt_deg in self._lowest if at_s >= since_s)

    def _rise(
        self, at_s: float, silence_s: float, tilt_deg: float, norm_g: float
    ) -> list[Detection]:
        model = self._model
        lay, since_s = self.posture is Posture.LYING, self._lying_since_s
        remembered = at_s - self._lay_until_s <= REMEMBER_S
        step_deg = tilt_deg - self._lay_deg
        self.posture, self._lying_since_s = Posture.UPRIGHT, None
        self._lay_until_s = -math.inf
        self._lowest.clear()
        if not lay and not remembered:
            return []
        evidence = {
            "tilt_deg": round(tilt_deg, 1),
            "rise_deg": round(step_deg, 1),
            "silence_s": round(silence_s, 2),
            "norm_g": round(norm_g, 2),
        }
        if silence_s > 0.0:
            evidence["rate_deg_s"] = round(step_deg / silence_s, 1)
        if lay and since_s is not None:
            evidence["lying_s"] = round(at_s - since_s, 2)
        unseen = silence_s >= model.silence_s and step_deg >= model.step_deg
        if lay and not unseen and tilt_deg < model.steep_deg:
            return [_sitting_up(at_s, at_s, tilt_deg, evidence)]
        reason = f"Was lying; after {silence_s:.1f} s unread, trunk at {tilt_deg:.0f} degrees."
        one = Detection("risen", at_s, at_s, _sureness(tilt_deg), evidence, reason)
        if lay:
            self._open = one
        return [one]

    def _confirm(self, at_s: float, tilt_deg: float, norm_g: float) -> list[Detection]:
        """Decide with a second reading whether an unclear rise was sitting up."""
        model, first, self._open = self._model, self._open, None
        assert first is not None
        leaning = model.rise_deg < tilt_deg < model.steep_deg
        if at_s - first.onset_s > model.confirm_s or not leaning:
            return []
        if abs(norm_g - 1.0) > model.still_g:
            return []
        return [_sitting_up(first.onset_s, at_s, tilt_deg, first.evidence)]


def learn_up(upright: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the long axis from readings of a wearer who stands or walks upright.

    Args:
        upright: shape (n, 3), any unit, gravity included; readings with NaN are left out.

    Raises:
        ValueError: no direction in them.
    """
    sound = upright[np.isfinite(upright).all(axis=1)]
    if not len(sound):
        raise ValueError("no reading of an upright wearer")
    return _direction(np.median(sound, axis=0).tolist())


def model_from(table: dict[str, Any]) -> SitUpModel:
    """Build a model from its JSON form; `figures` and `made_by` may stand beside the fields.

    Raises:
        ValueError: a field is missing or no finite number.
    """
    values: dict[str, Any] = {}
    for name in (one.name for one in fields(SitUpModel)):
        if name not in table:
            raise ValueError(f"sit-up model: {name} is missing")
        values[name] = _direction(table[name]) if name == "up" else float(table[name])
        if name != "up" and not math.isfinite(values[name]):
            raise ValueError(f"sit-up model: {name} is not finite")
    return SitUpModel(**values)


def model_table(model: SitUpModel) -> dict[str, Any]:
    """Return the JSON form of a model."""
    return asdict(model) | {"up": [round(one, 4) for one in model.up]}


@cache
def shipped_model() -> SitUpModel:
    """Return the model beside this file."""
    return model_from(json.loads(MODEL_PATH.read_text(encoding="utf-8")))


def _direction(vector: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = (float(one) for one in vector)
    norm = math.sqrt(x * x + y * y + z * z)
    if not 0.0 < norm < math.inf:
        raise ValueError(f"not a direction: {x:g}, {y:g}, {z:g}")
    return x / norm, y / norm, z / norm


def _sitting_up(
    onset_s: float, at_s: float, tilt_deg: float, evidence: dict[str, float]
) -> Detection:
    reason = f"Was lying, trunk raised by {evidence['rise_deg']:.0f} to {tilt_deg:.0f} degrees."
    return Detection("sitting_up", onset_s, at_s, _sureness(tilt_deg), dict(evidence), reason)


def _sureness(tilt_deg: float) -> float:
    """Return 0.5 at a tilt of 0 and 1 from 45 degrees on: propped up or sitting."""
    return 0.5 + 0.5 * max(0.0, min(1.0, tilt_deg / 45.0))
