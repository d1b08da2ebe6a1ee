"""Beds: who is in them, for how long they stay away.

```
 Samples --> Assembler --> detectors --> Bed --> BedNews, Over | Cause("bed_exit_not_returned")
```
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from edge_agent.clock import Instant
from edge_agent.config import Config
from edge_agent.detect.bed_exit import BedOccupancy
from edge_agent.detect.detector import Detection, Detector
from edge_agent.home.bed import Bed
from edge_agent.home.cause import Cause, Over
from edge_agent.home.home import Home
from edge_agent.pipeline.findings import BedNews, Finding
from edge_agent.pipeline.times import UnitTimes
from edge_agent.stream.assemble import Assembler
from edge_agent.stream.chunk import Channel, Chunk, Gap
from protocol.messages import Samples
from protocol.quantities import BY_CODE, LOAD, Quantity

MAX_CHANNELS = 8
"""Channels of one unit that are judged."""


@dataclass(slots=True)
class _Channel:
    """One channel of a bed's unit and what looks at it."""

    assembler: Assembler
    detectors: list[Detector]


class BedWatch:
    """Every bed of a home."""

    def __init__(
        self, config: Config, home: Home, times: dict[str, UnitTimes], host_boot: str
    ) -> None:
        self._config = config
        self._home = home
        self._times = times
        self._channels: dict[str, dict[tuple[int, int], _Channel]] = {}
        night = (config.alarm.night_start, config.alarm.night_end)
        self.beds = {
            unit.bed: Bed(config.alarm.bed_return_s, night, host_boot)
            for unit in config.unit
            if unit.bed is not None
        }

    def take(self, unit_id: str, block: Samples, now: Instant) -> list[Finding]:
        """Take the next block of a channel."""
        channels = self._channels.setdefault(unit_id, {})
        key = (block.quantity, block.channel)
        entry = channels.get(key)
        if entry is None:
            quantity = BY_CODE.get(block.quantity)
            if quantity is None or len(channels) >= MAX_CHANNELS:
                return []
            channel = Channel(unit_id, quantity)
            entry = channels[key] = _Channel(
                Assembler(channel), self._detectors(unit_id, channel, quantity)
            )
        return self._feed(unit_id, entry, entry.assembler.add(block), now)

    def tick(self, now: Instant) -> list[Finding]:
        """Look for channels without data and beds not returned to."""
        findings: list[Finding] = []
        for unit_id, channels in self._channels.items():
            uptime_s = self._times[unit_id].uptime(now.monotonic_s)
            if uptime_s is None:
                continue
            for entry in channels.values():
                gap = entry.assembler.check_silence(uptime_s)
                if gap is not None:
                    findings += self._feed(unit_id, entry, [gap], now)
        for bed_id, bed in self.beds.items():
            if bed.take_due(now):
                findings.append(self._not_returned(bed_id, bed, now))
        return findings

    def due_s(self) -> float | None:
        """Return when `tick` is to be called at the latest (monotonic), or None."""
        dues = (bed.due_s() for bed in self.beds.values())
        return min((due for due in dues if due is not None), default=None)

    def end_boot(self, unit_id: str) -> None:
        """Forget a unit's channels; its next boot counts time anew. Beds stay as they are."""
        self._channels.pop(unit_id, None)

    def lost(self, unit_id: str) -> int:
        """Return the samples of a unit that never came."""
        return sum(entry.assembler.lost for entry in self._channels.get(unit_id, {}).values())

    def facts(self) -> dict[str, bytes]:
        """Return what is to be stored of each bed."""
        return {
            f"bed:{name}": msgspec.json.encode(bed.fact)
            for name, bed in self.beds.items()
            if bed.fact is not None
        }

    def restore(self, name: str, body: bytes, now: Instant) -> None:
        """Take back a stored fact; one of a bed that is no more is left."""
        kind, _, bed_id = name.partition(":")
        if kind == "bed" and bed_id in self.beds:
            self.beds[bed_id].restore(body, now)

    def _detectors(self, unit_id: str, channel: Channel, quantity: Quantity) -> list[Detector]:
        if quantity is LOAD and self._home.unit(unit_id).bed is not None:
            bed = self._config.bed
            return [BedOccupancy(channel, bed.occupied_kg, bed.on_delay_s, bed.off_delay_s)]
        return []

    def _feed(
        self, unit_id: str, entry: _Channel, parts: Iterable[Chunk | Gap], now: Instant
    ) -> list[Finding]:
        findings: list[Finding] = []
        for part in parts:
            for detector in entry.detectors:
                found = detector.gap(part) if isinstance(part, Gap) else detector.update(part)
                for detection in found:
                    findings += self._judge(unit_id, detection, now)
        return findings

    def _judge(self, unit_id: str, detection: Detection, now: Instant) -> list[Finding]:
        onset_utc_s = self._times[unit_id].utc(detection.onset_s, now)
        unit = self._home.unit(unit_id)
        if detection.kind not in ("bed_entered", "bed_left") or unit.bed is None:
            return [self._home.detected(unit_id, detection, onset_utc_s)]
        bed = self.beds[unit.bed]
        occupied = detection.kind == "bed_entered"
        news = BedNews(unit.bed, unit_id, unit.place, occupied, onset_utc_s)
        if not occupied:
            bed.leave(onset_utc_s, now)
            return [news]
        bed.enter(onset_utc_s)
        return [news, Over("bed_exit_not_returned", self._home.subject(unit_id), "back in bed")]

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
