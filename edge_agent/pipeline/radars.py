"""Radars: tracks to falls, presence to signs of life.

```
 Samples radar_track --> Assembler --> frames --> RadarFallDetector --> Cause: fall, sensor_stuck
                                                        |
                                                        +--> Support, for fusion
```
A module's own fall flag comes as an event of its unit and needs nothing of this file.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from edge_agent.clock import Instant
from edge_agent.config.file import Config
from edge_agent.config.home import RadarConfig
from edge_agent.detect.detector import Detection
from edge_agent.detect.radar.fall import RadarFallDetector
from edge_agent.detect.radar.frame import frames_of_track
from edge_agent.detect.radar.room import RadarRoom, Zone, ZoneKind
from edge_agent.home.fusion import Support
from edge_agent.home.home import Home
from edge_agent.pipeline.findings import Finding
from edge_agent.pipeline.times import UnitTimes
from edge_agent.stream.assemble import Assembler
from edge_agent.stream.chunk import Channel, Chunk, Gap
from protocol.messages import Samples
from protocol.quantities import RADAR_TRACK

MAX_CHANNELS = 4
"""Radars of one unit that are judged."""

_SUPPORTS = frozenset({"stopped", "dwelling"})
_PRESENCE = frozenset({"present", "absent"})


@dataclass(slots=True)
class _Radar:
    """One radar and who looks at its tracks."""

    assembler: Assembler
    detector: RadarFallDetector


class RadarWatch:
    """Every radar of a home."""

    def __init__(self, config: Config, home: Home, times: dict[str, UnitTimes]) -> None:
        self._home = home
        self._times = times
        self._rooms = {unit.id: _room(unit.radar) for unit in config.unit}
        self._radars: dict[str, dict[int, _Radar]] = {}

    def take(self, unit_id: str, block: Samples, now: Instant) -> list[Finding | Support]:
        """Take the next block of tracks."""
        radars = self._radars.setdefault(unit_id, {})
        radar = radars.get(block.channel)
        if radar is None:
            if len(radars) >= MAX_CHANNELS:
                return []
            radar = radars[block.channel] = _Radar(
                Assembler(Channel(unit_id, RADAR_TRACK)), RadarFallDetector(self._rooms[unit_id])
            )
        return self._feed(unit_id, radar, radar.assembler.add(block), now)

    def tick(self, now: Instant) -> list[Finding | Support]:
        """Decide what is open in radars that have fallen silent."""
        findings: list[Finding | Support] = []
        for unit_id, radars in self._radars.items():
            uptime_s = self._times[unit_id].uptime(now.monotonic_s)
            if uptime_s is None:
                continue
            for radar in radars.values():
                gap = radar.assembler.check_silence(uptime_s)
                if gap is not None:
                    findings += self._feed(unit_id, radar, [gap], now)
        return findings

    def end_boot(self, unit_id: str, now: Instant) -> list[Finding | Support]:
        """Decide what a unit's last boot left open; its next boot counts time anew."""
        findings: list[Finding | Support] = []
        for radar in self._radars.pop(unit_id, {}).values():
            end_s = radar.assembler.end_s
            if end_s is not None:
                gap = Gap(radar.assembler.channel, end_s, end_s)
                findings += self._feed(unit_id, radar, [gap], now)
        return findings

    def lost(self, unit_id: str) -> int:
        """Return the samples of a unit that never came."""
        return sum(radar.assembler.lost for radar in self._radars.get(unit_id, {}).values())

    def _feed(
        self, unit_id: str, radar: _Radar, parts: Iterable[Chunk | Gap], now: Instant
    ) -> list[Finding | Support]:
        found: list[Detection] = []
        for part in parts:
            if isinstance(part, Gap):
                found += radar.detector.gap(part)
            else:
                for frame in frames_of_track(part):
                    found += radar.detector.update(frame)
        return [self._judge(unit_id, one, now) for one in found if one.kind not in _PRESENCE]

    def _judge(self, unit_id: str, detection: Detection, now: Instant) -> Finding | Support:
        onset_utc_s = self._times[unit_id].utc(detection.onset_s, now)
        if detection.kind in _SUPPORTS:
            place = self._home.unit(unit_id).place
            return Support(detection.kind, place, onset_utc_s, detection.score)
        return self._home.detected(unit_id, detection, onset_utc_s)


def _room(radar: RadarConfig | None) -> RadarRoom:
    if radar is None:
        return RadarRoom()
    return RadarRoom(
        x_m=radar.x_m,
        y_m=radar.y_m,
        zones=tuple(Zone(ZoneKind(one.kind), one.x_m, one.y_m) for one in radar.zone),
    )
