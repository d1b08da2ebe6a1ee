"""What units tell of themselves: calls and faults, and whether somebody cares for them.

```
 Event ------------------> Cause | Over | Noted, by the tables below
 Reading of the contact -> held for 5 minutes: Cause("call_stuck"), and no source of calls
 Status flags -----------> not worn: no source of falls; Over of what a restart has forgotten
 CALL_PRESSED, TESTED ---> when the contact last worked, stored
```
Somebody who holds on to a cord has called long before it counts as stuck; the call stays.
A pendant that is not worn goes on being judged: what it sees is an alarm all the same.

Known weakness: a unit begins each boot as worn and charged, so the Over of a restart may be
followed by the same fault again, after a minute (battery) or two hours (worn).
"""

import logging
from dataclasses import dataclass

import msgspec

from edge_agent.clock import Instant
from edge_agent.home.cause import Noted, Origin, Over
from edge_agent.home.home import Home
from edge_agent.pipeline.findings import Finding
from edge_agent.pipeline.times import UnitTimes
from protocol.messages import Event, EventKind, Reading, Status, StatusFlag
from protocol.quantities import CONTACT

_log = logging.getLogger(__name__)

STUCK_S = 300.0
"""Nobody holds a button for so long, and while it is held there is no second call."""
SETTLED_MS = 120_000
"""From this uptime on a flag that is down says that all is well (`firmware/battery.py`: 60 s)."""

_CALL_CHANNELS = (3, 4)
_PRESSED = 1.0

_CAUSES = {
    EventKind.CALL_PRESSED: "call",
    EventKind.CORD_CUT: "cord_cut",
    EventKind.CORD_SHORT: "cord_cut",
    EventKind.SENSOR_FAULT: "sensor_fault",
    EventKind.BACKLOG_FULL: "storage_low",
    EventKind.FALL_SEEN: "fall",
    EventKind.SENSOR_STUCK: "sensor_stuck",
    EventKind.BATTERY_LOW: "battery_low",
    EventKind.NOT_WORN: "pendant_not_worn",
}
_CORD = {
    EventKind.CORD_CUT: True,
    EventKind.CORD_SHORT: True,
    EventKind.CORD_RESTORED: False,
}
_OVER = {
    EventKind.CORD_RESTORED: "cord_cut",
    EventKind.SENSOR_RESTORED: "sensor_fault",
    EventKind.SENSOR_FREE: "sensor_stuck",
    EventKind.BATTERY_GOOD: "battery_low",
    EventKind.WORN: "pendant_not_worn",
}
"""A module whose fall flag falls again is no evidence that anybody got up."""
_FLAGS = {
    StatusFlag.BATTERY: "battery_low",
    StatusFlag.NOT_WORN: "pendant_not_worn",
}


class ContactFact(msgspec.Struct, frozen=True):
    """What is stored of a unit's call contact."""

    worked_utc_s: float


@dataclass(slots=True)
class _Unit:
    """What is remembered of one unit."""

    cord_cut: bool = False
    held_s: float | None = None
    """Since when the contact is held, monotonic."""
    stuck: bool = False
    flags: int | None = None
    """Of the last Status of this boot, None before one that is settled."""
    worn: bool = True
    worked_utc_s: float = 0.0


class UnitEvents:
    """The events and the state of all units."""

    def __init__(self, home: Home, times: dict[str, UnitTimes]) -> None:
        self._home = home
        self._times = times
        self._units = {unit_id: _Unit() for unit_id in times}

    def take(self, unit_id: str, event: Event, now: Instant) -> Finding:
        """Take an event; one that is no alarm is noted, so that it is acknowledged."""
        origin = Origin(unit_id, event.boot_id, event.seq)
        unit, times = self._units[unit_id], self._times[unit_id]
        at_utc_s = times.event_utc(event, event.uptime_ms, now)
        if event.kind in _CORD:
            unit.cord_cut = _CORD[event.kind]
        elif event.kind in (EventKind.CALL_PRESSED, EventKind.TESTED):
            unit.worked_utc_s = max(unit.worked_utc_s, at_utc_s)
        elif event.kind == EventKind.TEST_DUE:
            _log.warning("unit %s: call contact not tested for %d days", unit_id, event.value)
        condition = _CAUSES.get(event.kind)
        if condition is not None:
            return self._home.cause(
                condition,
                unit_id,
                at_utc_s,
                evidence=_evidence(event),
                reason=times.doubt(event),
                origin=origin,
            )
        if event.kind in _OVER:
            return Over(_OVER[event.kind], unit_id, "the unit says so", origin)
        return Noted(origin)

    def take_reading(self, unit_id: str, reading: Reading, now: Instant) -> list[Finding]:
        """Take the state of the call contact; other readings say nothing here."""
        if reading.quantity != CONTACT.code or reading.channel not in _CALL_CHANNELS:
            return []
        unit = self._units[unit_id]
        if reading.value == _PRESSED:
            unit.held_s = now.monotonic_s if unit.held_s is None else unit.held_s
            return []
        unit.held_s, unit.stuck = None, False
        return [Over("call_stuck", unit_id, "the contact is free")]

    def take_status(self, unit_id: str, status: Status) -> list[Finding]:
        """Take a unit's flags."""
        unit = self._units[unit_id]
        unit.worn = not status.flags & StatusFlag.NOT_WORN
        if status.uptime_ms < SETTLED_MS:
            unit.flags = None
            return []
        before, unit.flags = unit.flags, status.flags
        return [
            Over(condition, unit_id, "the unit's status says so")
            for flag, condition in _FLAGS.items()
            if not status.flags & flag and (before is None or before & flag)
        ]

    def tick(self, now: Instant) -> list[Finding]:
        """Look for contacts that are held for too long."""
        findings: list[Finding] = []
        for unit_id, unit in self._units.items():
            if unit.held_s is None or unit.stuck or now.monotonic_s - unit.held_s < STUCK_S:
                continue
            unit.stuck = True
            reason = f"held for {STUCK_S:.0f} s: nobody can call again"
            findings.append(self._home.cause("call_stuck", unit_id, now.utc_s, reason=reason))
        return findings

    def can_call(self, unit_id: str) -> bool:
        """Return False while a unit's contact is known to be cut or stuck."""
        unit = self._units[unit_id]
        return not unit.cord_cut and not unit.stuck

    def is_worn(self, unit_id: str) -> bool:
        """Return False for a pendant that nobody wears, as far as it knows."""
        return self._units[unit_id].worn

    def contacts_worked(self) -> dict[str, float]:
        """Return the UTC at which each unit's contact last worked, of those where it ever did."""
        return {
            unit_id: unit.worked_utc_s for unit_id, unit in self._units.items() if unit.worked_utc_s
        }

    def facts(self) -> dict[str, bytes]:
        """Return what is to be stored."""
        return {
            f"contact:{unit_id}": msgspec.json.encode(ContactFact(utc_s))
            for unit_id, utc_s in self.contacts_worked().items()
        }

    def restore(self, unit_id: str, body: bytes) -> None:
        """Take back a stored fact; one of a unit that is no more is left."""
        if unit_id in self._units:
            fact = msgspec.json.decode(body, type=ContactFact)
            self._units[unit_id].worked_utc_s = fact.worked_utc_s


def _evidence(event: Event) -> dict[str, float]:
    evidence = {"channel": float(event.channel)}
    if event.kind == EventKind.FALL_SEEN:
        evidence["module_flag"] = 1.0
    elif event.kind == EventKind.BATTERY_LOW:
        evidence["battery_mv"] = float(event.value)
    return evidence
