r"""Bed occupancy from load cells: entered, left, each after its delay; stuck cells.

```
 net kg = load - base          base: what lies on the empty bed (things, a zero that crept)
      |
  >= occupied_kg --on_delay_s-->  OCCUPIED  --gone:  net < gone_kg, off_delay_s------>  EMPTY
                                   weight   --light: net < left_kg, PARTLY_S--------->   base
                                   follows  --net < occupied_kg, UNSURE_S------------>   follows
```
Who is in the bed presses on it with the weight on average: what a body that only the bed carries
takes off, it gives back on landing. In free flight of height h it weighs nothing for

    t = 2 * sqrt(2 h / g)        0.4 s <=> h = g t^2 / 8 = 0.20 m

so that nobody who lies, turns or drops onto a bed makes it *gone* for `off_delay_s`: feet, or
somebody else, carry the body. *Light* may be a person who holds on to a rail, or half stands up and
sits down again: that has to last for `PARTLY_S`. A sample with the person on the bed takes back as
much of either as it weighs: one wild sample costs two more at most, and bounces do not add up.

A hole says nothing; a gap restarts the delays and keeps the state. Who gets up from beside a bag
has left, and the bag becomes base. The base follows the load only while the bed is empty: slowly
upwards (creep), fast downwards, never beyond `MOST_BASE_KG`. A value that stands still though it
used to change is a stuck cell: `sensor_stuck`, and nobody knows who is in the bed until it changes.

Known weakness: a suitcase above `occupied_kg` is a person; children below it are nobody; a thing
above `MOST_BASE_KG` that was laid on an empty bed makes every later person heavier by the rest. Who
stands beside the bed for `off_delay_s` and sits down again has left and entered.
"""

import math

from edge_agent.detect.detector import Detection
from edge_agent.stream.chunk import Channel, Chunk, Gap

EMPTY_FRACTION = 0.5
"""Of `occupied_kg`: below, nobody is on the bed, whatever the weight was."""

LEFT_SHARE = 0.35
"""Of the weight: light. Who sits on the edge leaves 0.78 to 0.88 on the bed (simulator)."""

PARTLY_S = 1.0
"""Shortest time of being light that is an exit. A whole sit-to-stand of old people takes 1.69 +-
0.26 s (Kazi et al. 2025); one that fails is light for a part of that (assumption)."""

GONE_SHARE = 0.1
GONE_KG = 5.0
"""Of the weight, and at least: gone. What the bedding weighs more or less after an exit deviates
by 1 kg (simulator)."""

HOLE_S = 0.2
"""Most that missing samples between two of a kind count for: one delay is never one hole."""

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

_ROUNDING_S = 1e-6
"""What sums of times may be short by."""


class _Hold:
    """For how long something has lasted; whatever speaks against it takes some of that back.

    Attributes:
        since_s: time of the first sample of it, NaN while there is none.
    """

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.since_s = math.nan
        self._held_s = 0.0

    def take(self, holds: bool, now_s: float, after_s: float, against: float) -> bool:
        """Take one more sample and tell whether it has lasted long enough.

        Args:
            holds: the sample speaks for it.
            now_s: its time.
            after_s: time since the sample before.
            against: how many times `after_s` it takes back where it does not hold.
        """
        if math.isnan(self.since_s):
            if not holds:
                return False
            self.since_s = now_s
        elif holds:
            self._held_s += after_s
        else:
            self._held_s -= against * after_s
            if self._held_s <= 0.0:
                self.clear()
            return False
        return self._held_s >= self._delay_s - _ROUNDING_S


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
        off_delay_s: float = 0.4,
        base_kg: float = 0.0,
    ) -> None:
        """Begin knowing nothing; base_kg is what a former detector had learnt."""
        self.channel = channel
        self.occupied: bool | None = None
        self.stuck = False
        self._occupied_kg = occupied_kg
        self._on_delay_s = on_delay_s
        self._gone = _Hold(off_delay_s)
        self._light = _Hold(max(off_delay_s, PARTLY_S))
        self.base_kg = _bounded(base_kg)
        self._weight_kg = 0.0
        self._changes = 0.0
        self._last_s = -math.inf
        self._restart()

    def update(self, chunk: Chunk) -> list[Detection]:
        """Take the next chunk of load (kg)."""
        detections = []
        if not math.isfinite(chunk.start_s):
            self._restart()
            return []
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
        self._forget_delays()
        self._value_kg = math.nan
        self._still_s = self._still_samples = 0.0
        self._last_s = -math.inf

    def _forget_delays(self) -> None:
        self._entering_s = self._unsure_since_s = math.nan
        self._gone.clear()
        self._light.clear()

    def _sample(self, kg: float, now_s: float, step_s: float) -> Detection | None:
        after_s = min(now_s - self._last_s, max(step_s, HOLE_S))
        self._last_s = now_s
        sound = RANGE_KG[0] <= kg <= RANGE_KG[1]
        stuck = self._watch_change(kg if sound else self._value_kg, sound, now_s, step_s)
        if self.stuck or not sound:
            return stuck
        net_kg = kg - self.base_kg
        if self.occupied is not False and self._is_left(net_kg, now_s, after_s):
            return self._turn(False, self._light.since_s, now_s, kg)
        if net_kg < self._occupied_kg or self.occupied:
            self._entering_s = math.nan
            self._follow(net_kg, step_s)
            return None
        if math.isnan(self._entering_s):
            self._entering_s = now_s
        if now_s - self._entering_s < self._on_delay_s - _ROUNDING_S:
            return None
        return self._turn(True, self._entering_s, now_s, kg)

    def _is_left(self, net_kg: float, now_s: float, after_s: float) -> bool:
        """Take one more load and tell whether the person has been gone, or light, for long."""
        if net_kg >= self._occupied_kg:
            self._unsure_since_s = math.nan
            if math.isnan(self._light.since_s):
                return False
        elif math.isnan(self._unsure_since_s):
            self._unsure_since_s = now_s
        left_kg = EMPTY_FRACTION * self._occupied_kg
        gone_kg = -math.inf  # of a weight that nobody knows
        is_unsure = False
        if self.occupied:
            left_kg = max(left_kg, min(LEFT_SHARE * self._weight_kg, self._occupied_kg))
            gone_kg = min(left_kg, max(GONE_KG, GONE_SHARE * self._weight_kg))
            is_unsure = now_s - self._unsure_since_s >= UNSURE_S
        share = max(1.0, net_kg / max(self._weight_kg, self._occupied_kg))
        gone = self._gone.take(net_kg < gone_kg, now_s, after_s, share)
        light = self._light.take(net_kg < left_kg or is_unsure, now_s, after_s, share)
        return gone or light

    def _follow(self, net_kg: float, step_s: float) -> None:
        """Follow the person's weight, or the base of the empty bed."""
        if self.occupied:
            if math.isnan(self._light.since_s):
                self._weight_kg += min(1.0, step_s / WEIGHT_S) * (net_kg - self._weight_kg)
        elif self.occupied is False:
            step_kg = max(-FALL_KG_S * step_s, min(CREEP_KG_S * step_s, net_kg))
            self.base_kg = _bounded(self.base_kg + step_kg)

    def _turn(self, occupied: bool, since_s: float, now_s: float, kg: float) -> Detection:
        evidence = {"load_kg": round(kg, 1), "base_kg": round(self.base_kg, 1)}
        if occupied:
            self._weight_kg = kg - self.base_kg
        elif self.occupied:
            evidence["weight_kg"] = round(self._weight_kg, 1)
            self.base_kg = _bounded(kg)
        self.occupied = occupied
        self._forget_delays()
        return Detection(
            kind="bed_entered" if occupied else "bed_left",
            onset_s=round(since_s, 6),  # so that other chunks make the same of it
            offset_s=round(now_s, 6),
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
        self.occupied, self.stuck = None, True
        self._forget_delays()
        evidence = {"still_s": round(self._still_s, 1)}
        if sound:
            evidence["load_kg"] = round(kg, 1)
        reason = "one and the same load" if sound else "no load that can be"
        reason += f" for {self._still_s:.0f} s"
        return Detection("sensor_stuck", now_s - self._still_s, now_s, 1.0, evidence, reason)


def _bounded(base_kg: float) -> float:
    return max(-MOST_BASE_KG, min(MOST_BASE_KG, base_kg))
