"""The signal path of all units: received messages in; causes, evidence and news out.

```
 Received --> TickMap, Assembler --> detectors --> Home, Bed --> Cause | Over | Noted | ...
```
No waiting and no I/O: the composition root drains what came in and hands it over in order.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from edge_agent.clock import Instant
from edge_agent.config import Config
from edge_agent.detect.bed_exit import BedOccupancy
from edge_agent.detect.detector import Detection, Detector
from edge_agent.detect.fall import FallDetector, detect_snippet
from edge_agent.detect.grid import RATES_HZ
from edge_agent.home.bed import Bed
from edge_agent.home.cause import Cause, Noted, Origin, Over
from edge_agent.home.home import Home
from edge_agent.stream.assemble import Assembler
from edge_agent.stream.chunk import Channel, Chunk, Gap
from edge_agent.stream.ticks import TickMap
from edge_agent.unit import LinkLost, Received
from protocol.messages import Event, EventKind, Hello, Impact, Log, Samples, Status
from protocol.quantities import ACCELERATION, BY_CODE, LOAD
from protocol.session import ClockSample, LinkDown

_log = logging.getLogger(__name__)

BOOTS_KEPT = 4
"""Earlier boots of a unit whose clock is remembered, for events that were kept meanwhile."""
FIRST_WORD_S = 60.0
"""A unit that has not said a word since the agent began is lost after this."""
TICK_S = 0.5
MAX_CHANNELS = 8
SNIPPET_AFTER_S = 4.9
"""A snippet with this much after its crossing is whole."""
SNIPPET_OWN_S = 2.5
"""Crossings up to this long after a snippet's own are judged in it. Earlier and later ones
have snippets of their own, with their whole surroundings (`firmware/impact_gate.py`)."""
SNIPPET_SLACK_S = 0.5
"""A fall's onset lies near its crossing, not on it."""


@dataclass(frozen=True, slots=True)
class UnitNews:
    """Something about a unit that its state topic shows."""

    unit: str
    online: bool
    reason: str | None = None
    hello: Hello | None = None
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class BedNews:
    """Somebody got into or out of a bed."""

    bed: str
    unit: str
    place: str
    occupied: bool
    since_utc_s: float


Finding = Cause | Over | Noted | UnitNews | BedNews


@dataclass(slots=True)
class _UnitState:
    """What the path remembers of one unit."""

    heard_s: float
    online: bool = False
    said_lost: bool = False
    boot_id: bytes = b""
    maps: dict[bytes, TickMap] = field(default_factory=dict)
    channels: dict[tuple[int, int], tuple[Assembler, list[Detector]]] = field(default_factory=dict)
    battery_mv: int = 0
    backlog: int = -1


class Pipeline:
    """The path of one home."""

    def __init__(self, config: Config, home: Home, host_boot: str, now: Instant) -> None:
        self._config = config
        self._home = home
        self._units = {unit.id: _UnitState(now.monotonic_s) for unit in config.unit}
        night = (config.alarm.night_start, config.alarm.night_end)
        self.beds = {
            unit.bed: Bed(config.alarm.bed_return_s, night, host_boot)
            for unit in config.unit
            if unit.bed is not None
        }

    def take(self, received: Received, now: Instant) -> list[Finding]:
        """Take one message of a unit."""
        unit_id, message = received.unit_id, received.message
        state = self._units[unit_id]
        if isinstance(message, Samples):
            return self._take_samples(unit_id, state, message, now)
        if isinstance(message, Event):
            return [self._take_event(unit_id, state, message, now)]
        if isinstance(message, Impact):
            return self._take_impact(unit_id, state, message, now)
        if isinstance(message, Hello):
            return self._take_hello(unit_id, state, message, received.monotonic_s)
        if isinstance(message, ClockSample):
            self._take_clock(state, message)
        elif isinstance(message, Status):
            return self._take_status(unit_id, state, message)
        elif isinstance(message, LinkLost | LinkDown):
            return self._lose(unit_id, state, message, now)
        elif isinstance(message, Log):
            _log.log(min(message.level, logging.ERROR), "unit %s says: %s", unit_id, message.text)
        return []

    def tick(self, now: Instant) -> list[Finding]:
        """Look for silence: channels without data, units without a word, beds not returned to."""
        findings: list[Finding] = []
        for unit_id, state in self._units.items():
            clock = state.maps.get(state.boot_id)
            if clock is not None:
                for assembler, detectors in state.channels.values():
                    gap = assembler.check_silence(clock.uptime(now.monotonic_s))
                    if gap is not None:
                        findings += self._feed(unit_id, state, detectors, [gap], now)
            if not state.online and now.monotonic_s - state.heard_s >= FIRST_WORD_S:
                findings += self._lost(unit_id, state, now, "no word from the unit")
        for bed_id, bed in self.beds.items():
            if bed.take_due(now):
                findings.append(self._not_returned(bed_id, bed, now))
        return findings

    def next_tick_s(self, now: Instant) -> float:
        """Return when `tick` is to be called next (monotonic)."""
        dues = [due for bed in self.beds.values() if (due := bed.due_s()) is not None]
        return min([now.monotonic_s + TICK_S, *dues])

    def channel_loss(self) -> dict[str, int]:
        """Return the samples lost so far, by unit."""
        return {
            unit_id: sum(assembler.lost for assembler, _ in state.channels.values())
            for unit_id, state in self._units.items()
        }

    def _take_hello(
        self, unit_id: str, state: _UnitState, hello: Hello, monotonic_s: float
    ) -> list[Finding]:
        if hello.unit_id != unit_id:
            _log.error("unit %s calls itself %s: wrong port or wrong name", unit_id, hello.unit_id)
        if hello.boot_id != state.boot_id:
            if state.boot_id:
                _log.warning("unit %s: rebooted (boot %d)", unit_id, hello.boot_count)
            state.channels.clear()
            state.boot_id = hello.boot_id
            state.maps.setdefault(hello.boot_id, TickMap(hello.uptime_ms / 1000, monotonic_s))
            while len(state.maps) > BOOTS_KEPT:
                del state.maps[next(iter(state.maps))]
        state.heard_s = monotonic_s
        state.online, state.said_lost = True, False
        return [
            UnitNews(unit_id, True, hello=hello),
            Over("unit_lost", unit_id, "the unit is back"),
        ]

    def _take_clock(self, state: _UnitState, sample: ClockSample) -> None:
        clock = state.maps.get(state.boot_id)
        if clock is not None:
            clock.add(sample.sent_ms / 1000, sample.received_ms / 1000, sample.uptime_ms / 1000)

    def _take_status(self, unit_id: str, state: _UnitState, status: Status) -> list[Finding]:
        moved = abs(status.battery_mv - state.battery_mv) >= 50
        if not moved and status.backlog == state.backlog:
            return []
        state.battery_mv, state.backlog = status.battery_mv, status.backlog
        return [UnitNews(unit_id, True, status=status)]

    def _lose(
        self, unit_id: str, state: _UnitState, message: LinkLost | LinkDown, now: Instant
    ) -> list[Finding]:
        reason = message.reason if isinstance(message, LinkLost) else "silent for 60 s"
        return self._lost(unit_id, state, now, reason)

    def _lost(self, unit_id: str, state: _UnitState, now: Instant, reason: str) -> list[Finding]:
        state.online = False
        if state.said_lost:
            return []
        state.said_lost = True
        return [
            UnitNews(unit_id, False, reason=reason),
            self._home.cause("unit_lost", unit_id, now.utc_s, reason=reason),
        ]

    def _take_samples(
        self, unit_id: str, state: _UnitState, block: Samples, now: Instant
    ) -> list[Finding]:
        key = (block.quantity, block.channel)
        entry = state.channels.get(key)
        if entry is None:
            quantity = BY_CODE.get(block.quantity)
            if quantity is None or len(state.channels) >= MAX_CHANNELS:
                return []
            channel = Channel(unit_id, quantity)
            entry = state.channels[key] = Assembler(channel), self._detectors(channel)
        assembler, detectors = entry
        rate_hz = 1e6 / block.period_us
        if assembler.channel.quantity is ACCELERATION and not _is_judged(rate_hz):
            return [self._not_judged(unit_id, rate_hz, now)]
        return self._feed(unit_id, state, detectors, assembler.add(block), now)

    def _detectors(self, channel: Channel) -> list[Detector]:
        if channel.quantity is ACCELERATION:
            return [FallDetector(channel)]
        if channel.quantity is LOAD and self._home.unit(channel.unit).bed is not None:
            bed = self._config.bed
            return [BedOccupancy(channel, bed.occupied_kg, bed.on_delay_s, bed.off_delay_s)]
        return []

    def _feed(
        self,
        unit_id: str,
        state: _UnitState,
        detectors: list[Detector],
        parts: Iterable[Chunk | Gap],
        now: Instant,
    ) -> list[Finding]:
        findings: list[Finding] = []
        for part in parts:
            for detector in detectors:
                found = detector.gap(part) if isinstance(part, Gap) else detector.update(part)
                for detection in found:
                    onset_utc_s = self._utc(state, state.boot_id, detection.onset_s, now)
                    findings += self._judge(unit_id, detection, onset_utc_s, now)
        return findings

    def _judge(
        self, unit_id: str, detection: Detection, onset_utc_s: float, now: Instant
    ) -> list[Finding]:
        if detection.kind not in ("bed_entered", "bed_left"):
            return [self._detected(unit_id, detection, onset_utc_s)]
        unit = self._home.unit(unit_id)
        assert unit.bed is not None
        bed = self.beds[unit.bed]
        occupied = detection.kind == "bed_entered"
        news = BedNews(unit.bed, unit_id, unit.place, occupied, onset_utc_s)
        if not occupied:
            bed.leave(onset_utc_s, now)
            return [news]
        bed.enter(onset_utc_s)
        return [news, Over("bed_exit_not_returned", self._home.subject(unit_id), "back in bed")]

    def _detected(
        self, unit_id: str, detection: Detection, onset_utc_s: float, origin: Origin | None = None
    ) -> Cause:
        return self._home.cause(
            detection.kind,
            unit_id,
            onset_utc_s,
            score=detection.score,
            evidence={name: round(value, 3) for name, value in detection.evidence.items()},
            reason=detection.reason,
            origin=origin,
        )

    def _not_returned(self, bed_id: str, bed: Bed, now: Instant) -> Cause:
        unit_id = next(unit.id for unit in self._config.unit if unit.bed == bed_id)
        left_utc_s = bed.fact.since_utc_s if bed.fact else now.utc_s
        away_s = round(now.utc_s - left_utc_s)
        return self._home.cause(
            "bed_exit_not_returned",
            unit_id,
            now.utc_s,
            evidence={"away_s": float(away_s)},
            reason=f"out of bed for {away_s} s",
        )

    def _take_event(self, unit_id: str, state: _UnitState, event: Event, now: Instant) -> Finding:
        origin = Origin(unit_id, event.boot_id, event.seq)
        onset_utc_s = self._event_utc(state, event.boot_id, event.uptime_ms, event.utc_ms, now)
        condition = _CAUSES.get(event.kind)
        if condition is not None:
            return self._home.cause(
                condition,
                unit_id,
                onset_utc_s,
                evidence={"channel": float(event.channel)},
                reason=_reason(state, event),
                origin=origin,
            )
        if event.kind in _OVER:
            return Over(_OVER[event.kind], unit_id, "the unit says so", origin)
        return Noted(origin)

    def _take_impact(
        self, unit_id: str, state: _UnitState, impact: Impact, now: Instant
    ) -> list[Finding]:
        """Run the detector on a late snippet; the link may have been down during the fall."""
        origin = Origin(unit_id, impact.boot_id, impact.seq)
        rate_hz = 1e6 / impact.period_us
        if impact.axes != ACCELERATION.axes or not _is_judged(rate_hz):
            return [self._not_judged(unit_id, rate_hz, now, origin)]
        counts = np.frombuffer(impact.data, dtype="<i2").reshape(-1, impact.axes)
        values = counts.astype(np.float32) * np.float32(impact.scale)
        start_s, trigger_s = impact.uptime_ms / 1000, impact.trigger_ms / 1000
        trigger_utc_s = self._event_utc(
            state, impact.boot_id, impact.trigger_ms, impact.utc_ms, now
        )
        end_s = start_s + len(values) / rate_hz
        is_whole = end_s >= trigger_s + SNIPPET_AFTER_S
        first_s = trigger_s - SNIPPET_SLACK_S
        last_s = trigger_s + SNIPPET_OWN_S + SNIPPET_SLACK_S if is_whole else end_s
        found = [
            detection
            for detection in detect_snippet(
                Channel(unit_id, ACCELERATION), values, rate_hz, start_s
            )
            if first_s <= detection.onset_s <= last_s
        ]
        if not found:
            return [Noted(origin)]
        unknown = _reason(state, impact)
        return [
            self._detected(
                unit_id,
                replace(d, reason=unknown or d.reason),
                trigger_utc_s + (d.onset_s - trigger_s),
                origin,
            )
            for d in found
        ]

    def _not_judged(
        self, unit_id: str, rate_hz: float, now: Instant, origin: Origin | None = None
    ) -> Cause:
        """Return that a unit sends acceleration in which no fall can be seen."""
        reason = f"acceleration at {rate_hz:g} Hz cannot be judged"
        return self._home.cause("sensor_fault", unit_id, now.utc_s, reason=reason, origin=origin)

    def _event_utc(
        self, state: _UnitState, boot_id: bytes, uptime_ms: int, utc_ms: int, now: Instant
    ) -> float:
        """Return when an event happened, never later than now."""
        if boot_id not in state.maps and utc_ms:
            return min(utc_ms / 1000, now.utc_s)
        return min(self._utc(state, boot_id, uptime_ms / 1000, now), now.utc_s)

    def _utc(self, state: _UnitState, boot_id: bytes, uptime_s: float, now: Instant) -> float:
        """Return the UTC of an uptime; now, when nobody knows that boot's clock."""
        clock = state.maps.get(boot_id)
        return now.utc_s if clock is None else now.utc_of(clock.monotonic(uptime_s))


def _is_judged(rate_hz: float) -> bool:
    """Return True for a rate that the fall detector takes."""
    return RATES_HZ[0] <= rate_hz <= RATES_HZ[1]


def _reason(state: _UnitState, record: Event | Impact) -> str | None:
    """Return what must be said of a record's time: that nobody knows it."""
    if record.boot_id in state.maps or record.utc_ms:
        return None
    return "kept from an earlier boot of the unit; when it happened is not known"


_CAUSES = {
    EventKind.CALL_PRESSED: "call",
    EventKind.CORD_CUT: "cord_cut",
    EventKind.CORD_SHORT: "cord_cut",
    EventKind.SENSOR_FAULT: "sensor_fault",
    EventKind.BACKLOG_FULL: "storage_low",
}
_OVER = {
    EventKind.CORD_RESTORED: "cord_cut",
    EventKind.SENSOR_RESTORED: "sensor_fault",
}
