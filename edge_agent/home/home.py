"""The home: which unit is where and whom it covers."""

from dataclasses import replace

from edge_agent.config.file import Config
from edge_agent.config.home import UnitConfig
from edge_agent.detect.detector import Detection
from edge_agent.home.cause import Cause, Origin

AGENT = "agent"
"""The unit and source of causes about the agent itself."""
AGENT_PLACE = ("home", "家中", "home")


class Home:
    """Turns what a unit saw into a cause for the person and place it covers."""

    def __init__(self, config: Config) -> None:
        self._units = {unit.id: unit for unit in config.unit}
        self._places = {place.id: place for place in config.place}
        persons = {unit.person for unit in config.unit if unit.person is not None}
        is_alone = len(persons) == 1 and config.activity.residents == 1
        self.resident = next(iter(persons)) if is_alone else None
        """Whom causes about the whole home are about, when only one person lives there."""
        self.people = 1 if is_alone else max(2, len(persons), config.activity.residents)
        """How many live here; two where nobody says."""
        self.worn = {unit.id for unit in config.unit if _is_worn(unit)}
        """Units that a person carries from place to place."""
        self._flags = ("simulated",) if config.simulated else ()

    def unit(self, unit_id: str) -> UnitConfig:
        """Return the configuration of a unit."""
        return self._units[unit_id]

    def subject(self, unit_id: str) -> str:
        """Return whom a unit's alarms are about: its person, or itself."""
        return self._units[unit_id].person or unit_id

    def cause(
        self,
        condition: str,
        unit_id: str,
        onset_utc_s: float,
        *,
        score: float | None = None,
        evidence: dict[str, float] | None = None,
        reason: str | None = None,
        origin: Origin | None = None,
    ) -> Cause:
        """Return a cause with the unit's place, person and source filled in."""
        unit = self._units[unit_id]
        place = self._places[unit.place]
        return Cause(
            condition=condition,
            onset_utc_s=onset_utc_s,
            place=(place.id, place.zh, place.en),
            person=unit.person,
            unit=unit.id,
            source=unit.source,
            score=score,
            evidence=evidence or {},
            reason=reason,
            origin=origin,
            flags=self._flags,
        )

    def agent_cause(self, condition: str, now_utc_s: float, reason: str) -> Cause:
        """Return a cause that is about the agent itself."""
        return Cause(
            condition=condition,
            onset_utc_s=now_utc_s,
            place=AGENT_PLACE,
            unit=AGENT,
            source=AGENT,
            reason=reason,
            flags=self._flags,
        )

    def resident_cause(
        self,
        condition: str,
        place_id: str,
        onset_utc_s: float,
        evidence: dict[str, float],
        reason: str,
    ) -> Cause:
        """Return a cause about whoever lives here, where they were seen last."""
        place = self._places.get(place_id)
        return Cause(
            condition=condition,
            onset_utc_s=onset_utc_s,
            place=AGENT_PLACE if place is None else (place.id, place.zh, place.en),
            person=self.resident,
            source="home",
            evidence=evidence,
            reason=reason,
            flags=self._flags,
        )

    def person_cause(self, condition: str, person: str, onset_utc_s: float, reason: str) -> Cause:
        """Return a cause that is about a person and no single unit."""
        unit_id = next(unit.id for unit in self._units.values() if unit.person == person)
        cause = self.cause(condition, unit_id, onset_utc_s, reason=reason)
        return replace(cause, unit=None, source=None)

    def detected(
        self, unit_id: str, detection: Detection, onset_utc_s: float, origin: Origin | None = None
    ) -> Cause:
        """Return the cause of a detection whose kind is a condition."""
        return self.cause(
            detection.kind,
            unit_id,
            onset_utc_s,
            score=detection.score,
            evidence={name: round(value, 3) for name, value in detection.evidence.items()},
            reason=detection.reason,
            origin=origin,
        )


def _is_worn(unit: UnitConfig) -> bool:
    return unit.source == "pendant" if unit.worn is None else unit.worn
