"""The signal path of all units: received messages in; causes, evidence and news out.

```
             +-- acceleration, impacts --> FallWatch --+
 Received ---+-- load, strip ------------> BedWatch ---+--> Cause | Over | Noted | ...News
             +-- events, greetings, losses ------------+
```
No waiting and no I/O: the composition root drains what came in, hands it over in order and then
polls once.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from edge_agent.clock import Instant
from edge_agent.config.file import Config
from edge_agent.home.cause import Cause, Over
from edge_agent.home.fusion import Fusion, Support
from edge_agent.home.home import Home
from edge_agent.home.protection import Kind, Lost, Protection
from edge_agent.pipeline.activity import ActivityWatch
from edge_agent.pipeline.beds import BedWatch
from edge_agent.pipeline.falls import FallWatch
from edge_agent.pipeline.findings import BedNews, Finding, UnitNews
from edge_agent.pipeline.radars import RadarWatch
from edge_agent.pipeline.tags import TagWatch
from edge_agent.pipeline.times import UnitTimes
from edge_agent.pipeline.unit_events import UnitEvents
from edge_agent.unit import LinkLost, Received
from protocol.messages import Event, EventKind, Hello, Impact, Log, Reading, Samples, Status
from protocol.quantities import ACCELERATION, RADAR_TRACK
from protocol.session import ClockSample, LinkDown

_log = logging.getLogger(__name__)

FIRST_WORD_S = 60.0
"""A unit that has not said a word since the agent began is lost after this."""
TICK_S = 0.5


@dataclass(slots=True)
class _UnitState:
    """What the path remembers of one unit."""

    heard_s: float
    online: bool = False
    said_lost: bool = False
    battery_mv: int = 0
    backlog: int = -1


class Pipeline:
    """The path of one home."""

    def __init__(self, config: Config, home: Home, host_boot: str, now: Instant) -> None:
        self._home = home
        self._units = {unit.id: _UnitState(now.monotonic_s) for unit in config.unit}
        self._times = {unit.id: UnitTimes() for unit in config.unit}
        self._events = UnitEvents(home, self._times)
        self._falls = FallWatch(home, self._times)
        self._beds = BedWatch(config, home, self._times, host_boot)
        self._radars = RadarWatch(config, home, self._times)
        self._tags = TagWatch(config, self._times)
        self._fusion = Fusion(home.people, home.worn)
        self._activity = ActivityWatch(config, home, self._times, host_boot, now)
        units: dict[str, list[str]] = {}
        for unit in config.unit:
            if unit.person is not None:
                units.setdefault(unit.person, []).append(unit.id)
        watch = {person.id: [Kind(kind) for kind in person.watch] for person in config.person}
        self._protection = Protection(units, watch, now.monotonic_s)

    def take(self, received: Received, now: Instant) -> list[Finding]:
        """Take one message of a unit; what blocks of samples decided may come with `poll`."""
        return self._joined(self._take(received, now))

    def poll(self, now: Instant) -> list[Finding]:
        """Return what the samples taken since the last time decided."""
        return self._joined(self._falls.poll(now))

    def begin_alarm(self, condition: str, person: str | None, unit_id: str | None) -> None:
        """An alarm is open: of a fall nothing is learnt meanwhile."""
        if condition == "fall":
            self._falls.hold(self._worn_by(person, unit_id))

    def end_alarm(
        self,
        condition: str,
        person: str | None,
        unit_id: str | None,
        now: Instant,
        *,
        was_false: bool,
    ) -> None:
        """An alarm recovered, was cancelled or closed: what is seen from now on is another one.

        Args:
            condition: what it was about.
            person: whom, if known.
            unit_id: the unit that saw it, if one.
            now: now.
            was_false: somebody said that nothing had happened.
        """
        self._fusion.end(condition, person or unit_id or "", now.utc_s)
        if condition == "fall":
            self._falls.release(self._worn_by(person, unit_id), was_fall=not was_false)
        elif condition == "inactivity" and was_false:
            self._activity.forgive()

    def calibrations(self) -> list[dict[str, Any]]:
        """Return what is known of the wearer of each accelerometer, for people."""
        return self._falls.calibrations()

    def reset_calibration(self, unit_id: str) -> bool:
        """Forget what is known of a unit's wearer; False when nothing was."""
        return self._falls.reset_calibration(unit_id)

    def _worn_by(self, person: str | None, about: str | None) -> set[str]:
        """Return the units of whomever an alarm is about."""
        return {
            unit_id
            for unit_id in self._units
            if unit_id == about
            or (person is not None and self._home.unit(unit_id).person == person)
        }

    def _take(self, received: Received, now: Instant) -> Sequence[Finding | Support]:
        unit_id, message = received.unit_id, received.message
        state = self._units[unit_id]
        if isinstance(message, Samples):
            return self._take_samples(unit_id, message, now)
        if isinstance(message, Reading):
            found = self._with_signs(self._beds.take_reading(unit_id, message, now), now)
            found += self._activity.take(unit_id, message, now)
            return [*found, *self._events.take_reading(unit_id, message, now)]
        if isinstance(message, Event):
            return self._take_event(unit_id, message, now)
        if isinstance(message, Impact):
            return self._falls.take_impact(unit_id, message, now)
        if isinstance(message, Hello):
            return self._take_hello(unit_id, state, message, received.monotonic_s, now)
        if isinstance(message, ClockSample):
            self._times[unit_id].add(message)
        elif isinstance(message, Status):
            return self._take_status(unit_id, state, message)
        elif isinstance(message, LinkLost | LinkDown):
            reason = message.reason if isinstance(message, LinkLost) else "silent for 60 s"
            return self._lose(unit_id, state, reason, now)
        elif isinstance(message, Log):
            _log.log(min(message.level, logging.ERROR), "unit %s says: %s", unit_id, message.text)
        return []

    def _take_samples(
        self, unit_id: str, block: Samples, now: Instant
    ) -> Sequence[Finding | Support]:
        if block.quantity == ACCELERATION.code:
            if self._events.is_worn(unit_id):
                self._protection.saw(unit_id, Kind.FALL, now.monotonic_s)
            return [*self._tags.take(unit_id, block, now), *self._falls.take(unit_id, block, now)]
        if block.quantity == RADAR_TRACK.code:
            self._protection.saw(unit_id, Kind.FALL, now.monotonic_s)
            return self._radars.take(unit_id, block, now)
        return self._with_signs(self._beds.take(unit_id, block, now), now)

    def _joined(self, findings: Sequence[Finding | Support]) -> list[Finding]:
        """Return findings with each cause as fusion wants it told, and without its supports."""
        joined: list[Finding] = []
        for finding in findings:
            if isinstance(finding, Support):
                self._fusion.support(finding)
            elif isinstance(finding, Cause):
                joined.append(self._fusion.join(finding))
            else:
                joined.append(finding)
        return joined

    def tick(self, now: Instant) -> list[Finding]:
        """Look for silence: channels without data, units without a word, beds not returned to."""
        seen: list[Finding | Support] = [
            *self._falls.tick(now),
            *self._radars.tick(now),
            *self._events.tick(now),
            *self._with_signs(self._beds.tick(now), now),
        ]
        findings = self._joined(seen)
        online = {unit_id for unit_id, state in self._units.items() if state.online}
        findings += self._activity.tick(now, online)
        for unit_id, state in self._units.items():
            if not state.online and now.monotonic_s - state.heard_s >= FIRST_WORD_S:
                findings += self._lose(unit_id, state, "no word from the unit", now)
            if state.online and self._events.can_call(unit_id):
                self._protection.saw(unit_id, Kind.CALL, now.monotonic_s)
        for news in self._protection.tick(now.monotonic_s):
            if isinstance(news, Lost):
                findings.append(
                    self._home.person_cause("protection_lost", news.person, now.utc_s, news.missing)
                )
            else:
                findings.append(Over("protection_lost", news.person, "a source is back"))
        return findings

    def next_tick_s(self, now: Instant) -> float:
        """Return when `tick` is to be called next (monotonic)."""
        due_s = self._beds.due_s()
        regular_s = now.monotonic_s + TICK_S
        return regular_s if due_s is None else min(regular_s, due_s)

    def samples_lost(self) -> dict[str, int]:
        """Return the samples lost so far, by unit."""
        return {
            unit_id: sum(watch.lost(unit_id) for watch in (self._falls, self._radars, self._beds))
            for unit_id in self._units
        }

    def contacts_worked(self) -> dict[str, float]:
        """Return the UTC at which each unit's call contact last worked, where it ever did."""
        return self._events.contacts_worked()

    def facts(self) -> dict[str, bytes]:
        """Return what is to be stored and given back after a restart, by name."""
        kinds = {
            f"protection:{person}": msgspec.json.encode(fact)
            for person, fact in self._protection.facts().items()
        }
        events = self._events.facts()
        return self._falls.facts() | self._beds.facts() | self._activity.facts() | kinds | events

    def restore(self, facts: dict[str, bytes], now: Instant) -> None:
        """Take back stored facts; one that cannot be read is as if it had never been known."""
        for name, body in facts.items():
            try:
                self._restore(name, body, now)
            except msgspec.MsgspecError as error:
                _log.error("stored fact %s cannot be read: %s", name, error)

    def _restore(self, name: str, body: bytes, now: Instant) -> None:
        kind, _, subject = name.partition(":")
        if kind == "protection":
            self._protection.restore(subject, body)
        elif kind == "contact":
            self._events.restore(subject, body)
        elif kind == "calibration":
            self._falls.restore(subject, body)
        elif kind in ("inactivity", "inactivity_learned", "stay"):
            self._activity.restore(name, body, now)
        else:
            self._beds.restore(name, body, now)

    def _with_signs(self, findings: list[Finding], now: Instant) -> list[Finding]:
        """Return findings of beds with what they mean for the whole home."""
        signs: list[Finding] = []
        for finding in findings:
            if isinstance(finding, BedNews):
                signs += self._activity.take_bed(finding, now)
        return findings + signs

    def _take_hello(
        self, unit_id: str, state: _UnitState, hello: Hello, monotonic_s: float, now: Instant
    ) -> list[Finding | Support]:
        if hello.unit_id != unit_id:
            _log.error("unit %s calls itself %s: wrong port or wrong name", unit_id, hello.unit_id)
        findings: list[Finding | Support] = []
        times = self._times[unit_id]
        if hello.boot_id != times.boot_id:
            if times.boot_id:
                _log.warning("unit %s: rebooted (boot %d)", unit_id, hello.boot_count)
            findings += self._falls.end_boot(unit_id, now)
            findings += self._radars.end_boot(unit_id, now)
            self._beds.end_boot(unit_id)
        times.greet(hello, monotonic_s)
        state.heard_s = monotonic_s
        state.online, state.said_lost = True, False
        return [
            *findings,
            UnitNews(unit_id, True, hello=hello),
            Over("unit_lost", unit_id, "the unit is back"),
        ]

    def _take_event(self, unit_id: str, event: Event, now: Instant) -> list[Finding]:
        pressed = event.kind == EventKind.CALL_PRESSED
        signs = self._activity.take_press(unit_id, now) if pressed else []
        return [self._events.take(unit_id, event, now), *signs]

    def _take_status(self, unit_id: str, state: _UnitState, status: Status) -> list[Finding]:
        findings = self._events.take_status(unit_id, status)
        moved = abs(status.battery_mv - state.battery_mv) >= 50
        if not moved and status.backlog == state.backlog:
            return findings
        state.battery_mv, state.backlog = status.battery_mv, status.backlog
        return [*findings, UnitNews(unit_id, True, status=status)]

    def _lose(self, unit_id: str, state: _UnitState, reason: str, now: Instant) -> list[Finding]:
        state.online = False
        if state.said_lost:
            return []
        state.said_lost = True
        return [
            UnitNews(unit_id, False, reason=reason),
            self._home.cause("unit_lost", unit_id, now.utc_s, reason=reason),
        ]
