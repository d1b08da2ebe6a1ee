"""Falls from acceleration: live blocks through the engine, late snippets beside it.

```
 Samples --put--> FallEngine --poll, once for each drain--> Cause("fall") | Over("fall")
                      ^ Upright, Calibration of each wearer
 Impact --------> detect_snippet ---------------------------> Cause("fall"), late
```
"""

import logging
from collections.abc import Collection
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from edge_agent.clock import Instant
from edge_agent.detect.detector import Detection
from edge_agent.detect.falls.calibration import Calibration
from edge_agent.detect.falls.calibration_fact import CalibrationFact, fact_from_json, fact_to_json
from edge_agent.detect.falls.engine import FallEngine
from edge_agent.detect.falls.fall import detect_snippet
from edge_agent.detect.falls.grid import RATES_HZ
from edge_agent.detect.falls.model import shipped_model
from edge_agent.detect.falls.upright import Upright
from edge_agent.home.cause import Cause, Noted, Origin, Over
from edge_agent.home.home import Home
from edge_agent.pipeline.findings import Finding
from edge_agent.pipeline.times import UnitTimes
from edge_agent.stream.chunk import Channel
from protocol.messages import Impact, Samples
from protocol.quantities import ACCELERATION

_log = logging.getLogger(__name__)

SNIPPET_AFTER_S = 4.9
"""A snippet with this much after its crossing is whole."""
SNIPPET_OWN_S = 2.5
"""Crossings up to this long after a snippet's own are judged in it. Earlier and later ones
have snippets of their own, with their whole surroundings (`firmware/impact_gate.py`)."""
SNIPPET_SLACK_S = 0.5
"""A fall's onset lies near its crossing, not on it."""
MAX_CHANNELS = 4
"""Accelerometers of one unit that are judged."""


class FallWatch:
    """Every accelerometer of a home."""

    def __init__(self, home: Home, times: dict[str, UnitTimes]) -> None:
        self._home = home
        self._times = times
        self._engine = FallEngine()
        self._streams: dict[tuple[str, int], int] = {}
        self._units: list[str] = []
        self._calibrations: dict[str, Calibration] = {}
        self._stored: dict[str, CalibrationFact] = {}
        self._held: set[str] = set()

    def take(self, unit_id: str, block: Samples, now: Instant) -> list[Finding]:
        """Take the next block of a channel; `poll` tells what it decided."""
        if not _is_judged(1e6 / block.period_us):
            return [self._not_judged(unit_id, block.period_us, now)]
        stream = self._streams.get((unit_id, block.channel))
        if stream is None:
            if self._units.count(unit_id) >= MAX_CHANNELS:
                return []
            stream = self._engine.add(Channel(unit_id, ACCELERATION), Upright())
            self._streams[unit_id, block.channel] = stream
            self._units.append(unit_id)
            self._calibrate(unit_id, block.channel, stream)
        self._engine.put(stream, block)
        return []

    def poll(self, now: Instant) -> list[Finding]:
        """Return what all the blocks since the last time decided."""
        return self._all(self._engine.poll(), now)

    def tick(self, now: Instant) -> list[Finding]:
        """Decide what is open in channels that have fallen silent."""
        findings = self.poll(now)
        for stream, unit_id in enumerate(self._units):
            uptime_s = self._times[unit_id].uptime(now.monotonic_s)
            if uptime_s is not None:
                findings += self._all(self._engine.check_silence(stream, uptime_s), now)
        return findings

    def end_boot(self, unit_id: str, now: Instant) -> list[Finding]:
        """Decide what a unit's last boot left open; its next boot counts time anew."""
        findings = self.poll(now)
        for stream, owner in enumerate(self._units):
            if owner == unit_id:
                findings += self._all(self._engine.end_boot(stream), now)
        return findings

    def hold(self, units: Collection[str]) -> None:
        """An alarm about whoever wears these units is open: nothing is learnt of them now."""
        self._held |= set(units)
        for name, calibration in self._calibrations.items():
            if _unit_of(name) in units:
                calibration.hold()

    def release(self, units: Collection[str], *, was_fall: bool) -> None:
        """No such alarm is open any more.

        Args:
            units: what that person wears.
            was_fall: False only where somebody said that nothing had happened.
        """
        self._held -= set(units)
        for name, calibration in self._calibrations.items():
            if _unit_of(name) in units:
                calibration.release(was_fall)

    def calibrations(self) -> list[dict[str, Any]]:
        """Return what is known of each wearer, for people."""
        return [
            {"unit": _unit_of(name), "channel": int(name.rpartition(".")[2])}
            | asdict(calibration.inspect())
            for name, calibration in self._calibrations.items()
        ]

    def reset_calibration(self, unit_id: str) -> bool:
        """Know nothing of a unit's wearer; False when nothing was known of any."""
        found = [name for name in self._calibrations if _unit_of(name) == unit_id]
        for name in found:
            self._calibrations[name].reset()
        stored = [name for name in self._stored if _unit_of(name) == unit_id]
        for name in stored:
            del self._stored[name]
        return bool(found or stored)

    def facts(self) -> dict[str, bytes]:
        """Return what is to be stored of each wearer."""
        facts = self._stored | {
            name: calibration.fact() for name, calibration in self._calibrations.items()
        }
        return {f"calibration:{name}": fact_to_json(fact) for name, fact in facts.items()}

    def restore(self, name: str, body: bytes) -> None:
        """Take back what is known of a wearer; what cannot be read is as if never known."""
        try:
            self._stored[name] = fact_from_json(body)
        except ValueError as error:
            _log.error("unit %s: %s; begun anew", name, error)

    def lost(self, unit_id: str) -> int:
        """Return the samples of a unit that never came."""
        return sum(
            self._engine.lost(stream)
            for stream, owner in enumerate(self._units)
            if owner == unit_id
        )

    def take_impact(self, unit_id: str, impact: Impact, now: Instant) -> list[Finding]:
        """Judge a late snippet; the link may have been down during the fall."""
        origin = Origin(unit_id, impact.boot_id, impact.seq)
        rate_hz = 1e6 / impact.period_us
        if impact.axes != ACCELERATION.axes or not _is_judged(rate_hz):
            return [self._not_judged(unit_id, impact.period_us, now, origin)]
        times = self._times[unit_id]
        trigger_s = impact.trigger_ms / 1000
        trigger_utc_s = times.event_utc(impact, impact.trigger_ms, now)
        doubt = times.doubt(impact)
        causes: list[Finding] = [
            self._cause(
                unit_id,
                replace(found, reason=doubt or found.reason),
                trigger_utc_s + (found.onset_s - trigger_s),
                origin,
            )
            for found in _falls_of(unit_id, impact)
        ]
        return causes or [Noted(origin)]

    def _calibrate(self, unit_id: str, channel: int, stream: int) -> None:
        """Let a new stream go on with what is known of its wearer."""
        name = f"{unit_id}.{channel}"
        calibration = Calibration(shipped_model().bound, self._stored.pop(name, None))
        if unit_id in self._held:
            calibration.hold()
        self._calibrations[name] = calibration
        self._engine.calibrate(stream, calibration)

    def _all(self, found: list[tuple[int, Detection]], now: Instant) -> list[Finding]:
        return [self._found(self._units[stream], detection, now) for stream, detection in found]

    def _found(self, unit_id: str, detection: Detection, now: Instant) -> Finding:
        if detection.kind == "fall_recovered":
            return Over("fall", self._home.subject(unit_id), detection.reason or "got up")
        onset_utc_s = self._times[unit_id].utc(detection.onset_s, now)
        return self._cause(unit_id, detection, onset_utc_s)

    def _cause(
        self, unit_id: str, detection: Detection, onset_utc_s: float, origin: Origin | None = None
    ) -> Cause:
        return self._home.detected(unit_id, detection, onset_utc_s, origin)

    def _not_judged(
        self, unit_id: str, period_us: int, now: Instant, origin: Origin | None = None
    ) -> Cause:
        """Return that a unit sends acceleration in which no fall can be seen."""
        reason = f"acceleration at {1e6 / period_us:g} Hz cannot be judged"
        return self._home.cause("sensor_fault", unit_id, now.utc_s, reason=reason, origin=origin)


def _unit_of(name: str) -> str:
    return name.rpartition(".")[0]


def _is_judged(rate_hz: float) -> bool:
    """Return True for a rate that the fall detector takes."""
    return RATES_HZ[0] <= rate_hz <= RATES_HZ[1]


def _falls_of(unit_id: str, impact: Impact) -> list[Detection]:
    """Return the falls of a snippet that belong to its own crossing."""
    rate_hz = 1e6 / impact.period_us
    counts = np.frombuffer(impact.data, dtype="<i2").reshape(-1, impact.axes)
    values = counts.astype(np.float32) * np.float32(impact.scale)
    start_s, trigger_s = impact.uptime_ms / 1000, impact.trigger_ms / 1000
    end_s = start_s + len(values) / rate_hz
    is_whole = end_s >= trigger_s + SNIPPET_AFTER_S
    first_s = trigger_s - SNIPPET_SLACK_S
    last_s = trigger_s + SNIPPET_OWN_S + SNIPPET_SLACK_S if is_whole else end_s
    found = detect_snippet(Channel(unit_id, ACCELERATION), values, rate_hz, start_s)
    return [one for one in found if first_s <= one.onset_s <= last_s]
