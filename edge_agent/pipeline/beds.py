"""Beds: who is in them, how heart and breath go, for how long they stay away.

```
 Samples, Reading --> BedSensors --bed_entered, bed_left--> Bed ---> BedNews, bed_exit_not_returned
                          |     --breathing_stopped, sensor_stuck--> Cause
                          +--once a second--> VitalsWatch ---------> Cause | Over | VitalsNews
                                              Night, at noon ------> SleepNews
```
"""

from dataclasses import dataclass, field

import msgspec

from edge_agent.clock import Instant
from edge_agent.config.file import Config
from edge_agent.detect.detector import Detection
from edge_agent.home.bed import Bed
from edge_agent.home.cause import Cause, Over
from edge_agent.home.home import Home
from edge_agent.home.night import Night
from edge_agent.home.vitals import Change, Condition, Limits, VitalsWatch
from edge_agent.home.vitals_sums import Vitals
from edge_agent.pipeline.bed_sensors import BedSensors, RateError
from edge_agent.pipeline.findings import BedNews, Finding, SleepNews, VitalsNews
from edge_agent.pipeline.times import UnitTimes
from protocol.messages import Reading, Samples
from protocol.quantities import HEART_RATE, RESPIRATION_RATE

STEP_S = 1.0
"""From one look at the rates to the next."""


class BaseFact(msgspec.Struct, frozen=True):
    """What is stored of a unit's load cells: the load of the empty bed."""

    base_kg: float


@dataclass(slots=True)
class _Side:
    """One bed: its state, the rates of whoever is in it, and the units that watch it."""

    bed: Bed
    vitals: VitalsWatch
    night: Night
    units: list[str]
    told: bool | None = None
    stuck: set[str] = field(default_factory=set)
    judged_s: float = -STEP_S


class BedWatch:
    """Every bed of a home."""

    def __init__(
        self, config: Config, home: Home, times: dict[str, UnitTimes], host_boot: str
    ) -> None:
        self._config = config
        self._home = home
        self._times = times
        self._sensors: dict[str, BedSensors] = {}
        self._base_kg: dict[str, float] = {}
        self._lost: dict[str, int] = {}
        self._sides: dict[str, _Side] = {}
        night = (config.alarm.night_start, config.alarm.night_end)
        limits = _limits(config)
        for unit in config.unit:
            if unit.bed is None:
                continue
            side = self._sides.get(unit.bed)
            if side is None:
                bed = Bed(config.alarm.bed_return_s, night, host_boot)
                side = _Side(bed, VitalsWatch(limits, host_boot), Night(), [])
                self._sides[unit.bed] = side
            side.units.append(unit.id)

    def take(self, unit_id: str, block: Samples, now: Instant) -> list[Finding]:
        """Take the next block of a channel; units without a bed are not judged."""
        if self._home.unit(unit_id).bed is None:
            return []
        try:
            found = self._sensors_of(unit_id).take(block, now.monotonic_s)
        except RateError as error:
            return [self._home.cause("sensor_fault", unit_id, now.utc_s, reason=str(error))]
        return self._judge_all(unit_id, found, now)

    def take_reading(self, unit_id: str, reading: Reading, now: Instant) -> list[Finding]:
        """Take what a module measured itself."""
        if self._home.unit(unit_id).bed is None:
            return []
        found = self._sensors_of(unit_id).take_reading(reading, now.monotonic_s)
        return self._judge_all(unit_id, found, now)

    def tick(self, now: Instant) -> list[Finding]:
        """Look for silence, at the rates once a second, and for beds not returned to."""
        findings: list[Finding] = []
        for unit_id, sensors in self._sensors.items():
            uptime_s = self._times[unit_id].uptime(now.monotonic_s)
            if uptime_s is not None:
                found = sensors.check_silence(uptime_s, now.monotonic_s)
                findings += self._judge_all(unit_id, found, now)
        for bed_id, side in self._sides.items():
            findings += self._tell_stuck(side)
            findings += self._reconcile(bed_id, side, now)
            if now.monotonic_s - side.judged_s >= STEP_S:
                side.judged_s = now.monotonic_s
                findings += self._look_at_rates(bed_id, side, now)
            if side.bed.take_due(now):
                findings.append(self._not_returned(side, now))
        return findings

    def due_s(self) -> float | None:
        """Return when `tick` is to be called at the latest (monotonic), or None."""
        dues = (side.bed.due_s() for side in self._sides.values())
        return min((due for due in dues if due is not None), default=None)

    def end_boot(self, unit_id: str) -> None:
        """Forget a unit's channels; its next boot counts time anew. Beds stay as they are."""
        sensors = self._sensors.pop(unit_id, None)
        if sensors is not None:
            self._base_kg[unit_id] = sensors.base_kg
            self._lost[unit_id] = self._lost.get(unit_id, 0) + sensors.lost

    def lost(self, unit_id: str) -> int:
        """Return the samples of a unit that never came."""
        sensors = self._sensors.get(unit_id)
        return self._lost.get(unit_id, 0) + (0 if sensors is None else sensors.lost)

    def facts(self) -> dict[str, bytes]:
        """Return what is to be stored of each bed and its load cells."""
        encode = msgspec.json.encode
        facts = {}
        for name, side in self._sides.items():
            facts[f"vitals:{name}"] = side.vitals.store()
            if side.bed.fact is not None:
                facts[f"bed:{name}"] = encode(side.bed.fact)
            if side.night.fact is not None:
                facts[f"night:{name}"] = encode(side.night.fact)
        for unit_id, sensors in self._sensors.items():
            facts[f"load:{unit_id}"] = encode(BaseFact(round(sensors.base_kg, 1)))
        return facts

    def restore(self, name: str, body: bytes, now: Instant) -> None:
        """Take back a stored fact; one of a bed that is no more is left."""
        kind, _, subject = name.partition(":")
        if kind == "load":
            self._base_kg[subject] = msgspec.json.decode(body, type=BaseFact).base_kg
        side = self._sides.get(subject)
        if side is None:
            return
        if kind == "bed":
            side.bed.restore(body, now)
        elif kind == "vitals":
            side.vitals.restore(body, now)
        elif kind == "night":
            side.night.restore(body)

    def _sensors_of(self, unit_id: str) -> BedSensors:
        sensors = self._sensors.get(unit_id)
        if sensors is None:
            base_kg = self._base_kg.get(unit_id, 0.0)
            sensors = self._sensors[unit_id] = BedSensors(unit_id, self._config.bed, base_kg)
        return sensors

    def _judge_all(self, unit_id: str, found: list[Detection], now: Instant) -> list[Finding]:
        findings: list[Finding] = []
        for detection in found:
            findings += self._judge(unit_id, detection, now)
        return findings

    def _judge(self, unit_id: str, detection: Detection, now: Instant) -> list[Finding]:
        onset_utc_s = self._times[unit_id].utc(detection.onset_s, now)
        if detection.kind not in ("bed_entered", "bed_left"):
            return [self._home.detected(unit_id, detection, onset_utc_s)]
        bed_id = self._home.unit(unit_id).bed
        assert bed_id is not None
        side = self._sides[bed_id]
        occupied = detection.kind == "bed_entered"
        if side.told is occupied or self._combined(side) is not occupied:
            return []  # another sensor of this bed has told it, or knows better
        return self._turn(bed_id, side, unit_id, occupied, onset_utc_s, now)

    def _turn(
        self, bed_id: str, side: _Side, unit_id: str, occupied: bool, at_utc_s: float, now: Instant
    ) -> list[Finding]:
        side.told = occupied
        side.night.note(occupied, at_utc_s)
        place = self._home.unit(unit_id).place
        news = BedNews(bed_id, unit_id, place, occupied, at_utc_s)
        if not occupied:
            side.bed.leave(at_utc_s, now)
            return [news]
        side.bed.enter(at_utc_s)
        return [news, Over("bed_exit_not_returned", self._home.subject(unit_id), "back in bed")]

    def _combined(self, side: _Side) -> bool | None:
        """Return who is in a bed: empty only when every unit that knows says so."""
        known = [
            sensors.occupied
            for unit_id in side.units
            if (sensors := self._sensors.get(unit_id)) is not None and sensors.occupied is not None
        ]
        return any(known) if known else None

    def _reconcile(self, bed_id: str, side: _Side, now: Instant) -> list[Finding]:
        """Tell what changed because another sensor took over."""
        occupied = self._combined(side)
        if occupied is None or occupied is side.told:
            return []
        return self._turn(bed_id, side, side.units[0], occupied, now.utc_s, now)

    def _tell_stuck(self, side: _Side) -> list[Finding]:
        """Say that a sensor that was stuck (its detector has told that) lives again."""
        stuck = {
            unit_id
            for unit_id in side.units
            if unit_id in self._sensors and self._sensors[unit_id].stuck
        }
        free = side.stuck - stuck
        side.stuck = stuck
        return [Over("sensor_stuck", unit_id, "values change again") for unit_id in sorted(free)]

    def _look_at_rates(self, bed_id: str, side: _Side, now: Instant) -> list[Finding]:
        """Serve the delays with this second's rates."""
        unit_id = side.units[0]
        heart = respiration = None
        for one in side.units:
            sensors = self._sensors.get(one)
            if sensors is not None:
                heart = heart or sensors.rate(HEART_RATE.code, now.monotonic_s)
                respiration = respiration or sensors.rate(RESPIRATION_RATE.code, now.monotonic_s)
                unit_id = one if sensors.has_strip else unit_id
        has_rates = any(one in self._sensors and self._sensors[one].has_strip for one in side.units)
        if not has_rates and heart is None and respiration is None:
            return []
        findings: list[Finding] = []
        changes = side.vitals.update(now.monotonic_s, heart, respiration, self._combined(side))
        for change in changes:
            if isinstance(change, Vitals):
                place = self._home.unit(unit_id).place
                findings.append(VitalsNews(bed_id, unit_id, place, now.utc_s, change))
            else:
                findings.append(self._condition(unit_id, change, now))
        summary = side.night.take_due(now)
        if summary is not None:
            place = self._home.unit(unit_id).place
            night = side.vitals.take_night()
            findings.append(SleepNews(bed_id, unit_id, place, summary, night))
        return findings

    def _condition(self, unit_id: str, change: Change, now: Instant) -> Finding:
        condition = change.condition
        if not change.active:
            is_technical = condition is Condition.VITALS_UNAVAILABLE
            subject = unit_id if is_technical else self._home.subject(unit_id)
            return Over(condition.value, subject, change.reason)
        evidence = {"delay_s": change.evidence["delay_s"]}
        if self._config.consent.vitals:
            evidence = dict(change.evidence)
        onset_utc_s = now.utc_of(change.onset_s)
        return self._home.cause(
            condition.value, unit_id, onset_utc_s, evidence=evidence, reason=change.reason
        )

    def _not_returned(self, side: _Side, now: Instant) -> Cause:
        left_utc_s = side.bed.fact.since_utc_s if side.bed.fact else now.utc_s
        away_s = round(now.utc_s - left_utc_s)
        return self._home.cause(
            "bed_exit_not_returned",
            side.units[0],
            now.utc_s,
            evidence={"away_s": float(away_s)},
            reason=f"out of bed for {away_s} s",
        )


def _limits(config: Config) -> Limits:
    values = msgspec.structs.asdict(config.vitals)
    latching = tuple(Condition(name) for name in values.pop("latching"))
    return Limits(**values, latching=latching)
