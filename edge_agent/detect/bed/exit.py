r"""Bed occupancy from load cells: entered and left, with on and off delays; and a stuck cell.

```
 net kg = load - base          base: what lies on the empty bed (things, a zero that crept)
      |
  >= occupied_kg --for on_delay_s-->  OCCUPIED  --net < left_kg for off_delay_s-->  EMPTY
                                       weight   --net < occupied_kg, UNSURE_S--->   base follows
                                       follows
```
A person leaves when less than `LEFT_SHARE` of the weight is there, though never with more than
`occupied_kg` on the bed: who gets up from beside a bag has left, and the bag becomes base. Turning
over changes the weight by inertia for a fraction of a second; a state holds only when it lasts for
its delay. A hole says nothing; a gap restarts the delays and keeps the state.

The base follows the load only while the bed is empty: slowly upwards (creep), fast downwards, never
beyond `MOST_BASE_KG`. A value that stands still though it used to change is a stuck cell:
`sensor_stuck`, and nobody knows who is in the bed until it changes again.

Known weakness: a suitcase above `occupied_kg` is a person; children below it are nobody; a thing
above `MOST_BASE_KG` that was laid on an empty bed makes every later person heavier by the rest.
"""

import math

from edge_agent.detect.detector import Detection
from edge_agent.stream.chunk import Channel, Chunk, Gap

EMPTY_FRACTION = 0.5
"""Of `occupied_kg`: below, nobody is on the bed, whatever the weight was."""

LEFT_SHARE = 0.35
"""Of the weight. Who sits on the edge leaves 0.78 to 0.88 on the bed (simulator); two thirds gone
within one delay is a person gone."""

UNSURE_S = 30.0
"""After this what is lighter than any person is nobody, whatever share of the weight it is."""

WEIGHT_S = 60.0
"""Time constant with which the weight follows (a bounce is not a weight)."""

CREEP_KG_S = 0.5 / 3600.0
"""Fastest rise of the base. Cells drift by 0.25 kg an hour with temperature (simulator), creep less
than 0.05 % of a load in half an hour (OIML R 60, class C); a cat that sleeps there adds 0.5."""

FALL_KG_S = 1.0
"""Fastest fall of the base: an empty bed does not weigh less than nothing, but one sample may."""

MOST_BASE_KG = 15.0
"""Most of things and creep that is taken for an empty bed; what is more stays load."""

STUCK_S = 60.0
"""Requirement of the catalogue: `sensor_stuck` within a minute."""

STUCK_CHANGES = 30.0
"""Changes that must have been due meanwhile, at the share of samples that changed before: that none
comes by chance is e**-30."""

STUCK_OCCUPIED_S = 600.0
"""The same for a body on the bed whose value never changed: ten minutes of breath, beats and
twitches move any cell (a breath 40 g, a resolution of 12 g on our wire)."""

CHANGES_SAMPLES = 200
"""Samples over which the share of changes is averaged."""

RANGE_KG = (-50.0, 400.0)
"""As in `protocol.quantities`; outside it is no load."""


class BedOccupancy:
    """Tells `bed_entered`, `bed_left` and `sensor_stuck` from the total load on a bed.

    The first state that holds is told as well, so that a restarted agent knows.

    Attributes:
        occupied: None while unknown.
        stuck: the cells say nothing; True from `sensor_stuck` until they change again.
        base_kg: what an empty bed shows now, kg.
    """

    def __init__(
        self,
        channel: Channel,
        occupied_kg: float = 20.0,
        on_delay_s: float = 2.0,
        off_delay_s: float = 1.0,
        base_kg: float = 0.0,
    ) -> None:
        """Begin knowing nothing; base_kg is what a former detector had learnt."""
        self.channel = channel
        self.occupied: bool | None = None
        self.stuck = False
        self._occupied_kg = occupied_kg
        self._delay_s = {True: on_delay_s, False: off_delay_s}
        self.base_kg = _bounded(base_kg)
        self._weight_kg = 0.0
        self._changes = 0.0
        self._last_s = -math.inf
        self._restart()

    def update(self, chunk: Chunk) -> list[Detection]:
        """Take the next chunk of load (kg)."""
        detections = []
        if self._last_s - chunk.start_s > 0.5 / chunk.rate_hz:
            self._restart()  # Time ran backwards.
        for i, kg in enumerate(chunk.values[:, 0].tolist()):
            if chunk.missing is not None and chunk.missing[i]:
                continue
            one = self._sample(kg, chunk.start_s + i / chunk.rate_hz, 1.0 / chunk.rate_hz)
            if one is not None:
                detections.append(one)
        return detections

    def gap(self, gap: Gap) -> list[Detection]:
        """Restart the delays; what was known stays known."""
        self._restart()
        return []

    def _restart(self) -> None:
        self._candidate: bool | None = None
        self._since_s = self._light_since_s = math.nan
        self._value_kg = math.nan
        self._still_s = self._still_samples = 0.0
        self._last_s = -math.inf

    def _sample(self, kg: float, now_s: float, step_s: float) -> Detection | None:
        self._last_s = now_s
        sound = RANGE_KG[0] <= kg <= RANGE_KG[1]
        stuck = self._watch_change(kg if sound else self._value_kg, sound, now_s, step_s)
        if self.stuck or not sound:
            return stuck
        net_kg = kg - self.base_kg
        seen = self._judge(net_kg, now_s)
        if seen is None or seen == self.occupied:
            self._candidate = None
            self._follow(net_kg, step_s)
            return None
        if seen != self._candidate:
            self._candidate, self._since_s = seen, now_s
        if now_s - self._since_s < self._delay_s[seen]:
            return None
        return self._turn(seen, now_s, kg)

    def _judge(self, net_kg: float, now_s: float) -> bool | None:
        """Tell whether there is a person, nobody, or neither for sure."""
        if net_kg >= self._occupied_kg:
            self._light_since_s = math.nan
            return True
        left_kg = EMPTY_FRACTION * self._occupied_kg
        if self.occupied:
            left_kg = max(left_kg, min(LEFT_SHARE * self._weight_kg, self._occupied_kg))
            if math.isnan(self._light_since_s):
                self._light_since_s = now_s
            if now_s - self._light_since_s >= UNSURE_S:
                return False
        return False if net_kg < left_kg else None

    def _follow(self, net_kg: float, step_s: float) -> None:
        """Follow the person's weight, or the base of the empty bed."""
        if self.occupied:
            self._weight_kg += min(1.0, step_s / WEIGHT_S) * (net_kg - self._weight_kg)
        elif self.occupied is False:
            step_kg = max(-FALL_KG_S * step_s, min(CREEP_KG_S * step_s, net_kg))
            self.base_kg = _bounded(self.base_kg + step_kg)

    def _turn(self, occupied: bool, now_s: float, kg: float) -> Detection:
        evidence = {"load_kg": round(kg, 1), "base_kg": round(self.base_kg, 1)}
        if occupied:
            self._weight_kg = kg - self.base_kg
        elif self.occupied:
            evidence["weight_kg"] = round(self._weight_kg, 1)
            self.base_kg = _bounded(kg)
        self.occupied = occupied
        self._candidate = None
        self._light_since_s = math.nan
        return Detection(
            kind="bed_entered" if occupied else "bed_left",
            onset_s=self._since_s,
            offset_s=now_s,
            score=1.0,
            evidence=evidence,
            reason="load of a person" if occupied else "load gone",
        )

    def _watch_change(
        self, kg: float, sound: bool, now_s: float, step_s: float
    ) -> Detection | None:
        """Tell once when the value stands still that should not, or is none."""
        if sound and kg != self._value_kg:
            keep = (1.0 - 1.0 / CHANGES_SAMPLES) ** (self._still_samples + 1.0)
            if not math.isnan(self._value_kg):
                self._changes = keep * self._changes + 1.0 / CHANGES_SAMPLES
            self._value_kg, self._still_s, self._still_samples = kg, 0.0, 0.0
            self.stuck = False
            return None
        self._still_s += step_s
        self._still_samples += 1.0
        due = self._changes * self._still_samples >= STUCK_CHANGES or not sound
        due |= bool(self.occupied) and self._still_s >= STUCK_OCCUPIED_S
        if self.stuck or not due or self._still_s < STUCK_S:
            return None
        self.occupied, self.stuck, self._candidate = None, True, None
        evidence = {"still_s": round(self._still_s, 1)}
        if sound:
            evidence["load_kg"] = round(kg, 1)
        reason = "one and the same load" if sound else "no load that can be"
        reason += f" for {self._still_s:.0f} s"
        return Detection("sensor_stuck", now_s - self._still_s, now_s, 1.0, evidence, reason)


def _bounded(base_kg: float) -> float:
    return max(-MOST_BASE_KG, min(MOST_BASE_KG, base_kg))
