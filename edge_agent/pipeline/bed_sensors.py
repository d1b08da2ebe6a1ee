"""The sensors of one unit at a bed: who is in it, heart, breath.

```
 load  --> BedOccupancy ------------------> occupied --+
                          |                            +--> occupied: load first, else strip
                          v (load only)                |
 strip --> Respiration --> Rate, breathing_stopped     |
       --> HeartRate ----> Rate                        |
       --> BedPresence ------------------> occupied --+
 radar --> BedRadar ---------------------> occupied --+  then the radar
       --> Reading heart_rate, respiration_rate: where there is no strip
```
"""

from collections.abc import Iterable

from edge_agent.config.policy import BedConfig
from edge_agent.detect.bed.exit import BedOccupancy
from edge_agent.detect.bed.heart_rate import HeartRate
from edge_agent.detect.bed.presence import BedPresence
from edge_agent.detect.bed.radar import BedRadar
from edge_agent.detect.bed.respiration import Respiration
from edge_agent.detect.bed.rhythm import Rate
from edge_agent.detect.detector import Detection
from edge_agent.stream.assemble import Assembler
from edge_agent.stream.chunk import Channel, Chunk, Gap
from edge_agent.stream.filters import RATES_HZ
from protocol.messages import Reading, Samples
from protocol.quantities import BED_STRIP, HEART_RATE, LOAD, PRESENCE, RESPIRATION_RATE

FRESH_S = 3.0
"""A rate older than this is no rate any more: one comes every second."""
RADAR_QUALITY = 0.5
"""Of a rate that a module gives without saying how sure it is."""

IN_BED_CHANNEL = 9
PRESENT_FROM = 0.5
"""Where a radar's unit tells who is in bed (`protocol/README.md`, section 4)."""

_OCCUPANCY = ("bed_entered", "bed_left")


class RateError(Exception):
    """A strip is sampled at a rate that nobody can judge."""


class BedSensors:
    """One unit's channels at a bed, for one boot of the unit.

    Attributes:
        lost: samples that never came.
    """

    def __init__(self, unit_id: str, config: BedConfig, base_kg: float) -> None:
        self._unit_id = unit_id
        self._assemblers: dict[tuple[int, int], Assembler] = {}
        load, strip = Channel(unit_id, LOAD), Channel(unit_id, BED_STRIP)
        self._load = BedOccupancy(
            load, config.occupied_kg, config.on_delay_s, config.off_delay_s, base_kg
        )
        self._presence = BedPresence(strip, config.strip_on_delay_s, config.strip_off_delay_s)
        self._heart = HeartRate(strip)
        self._respiration = Respiration(strip)
        self._radar = BedRadar()
        self._rates: dict[int, tuple[float, Rate]] = {}
        self._strip_channel: int | None = None
        self._load_channel: int | None = None
        self._load_is_silent = True

    @property
    def occupied(self) -> bool | None:
        """Return who is in the bed: the load says, where it can, else the strip, else a radar."""
        if not self._load_is_silent and self._load.occupied is not None:
            return self._load.occupied
        if self._presence.occupied is not None:
            return self._presence.occupied
        return self._radar.occupied

    @property
    def stuck(self) -> bool:
        """Return whether a sensor repeats itself."""
        return self._load.stuck or self._presence.stuck

    @property
    def base_kg(self) -> float:
        """Return the load of the empty bed, to be stored."""
        return self._load.base_kg

    @property
    def has_strip(self) -> bool:
        """Return whether the unit has ever sent a strip's samples."""
        return self._strip_channel is not None

    @property
    def lost(self) -> int:
        """Return the samples that never came."""
        return sum(assembler.lost for assembler in self._assemblers.values())

    def rate(self, quantity: int, now_s: float) -> Rate | None:
        """Return the newest heart or breath rate, if it is fresh."""
        at_s, rate = self._rates.get(quantity, (-FRESH_S, None))
        return rate if now_s - at_s < FRESH_S else None

    def take(self, block: Samples, now_s: float) -> list[Detection]:
        """Take the next block of load or strip; one channel of each is judged.

        Raises:
            RateError: the strip's rate cannot be judged.
        """
        if block.quantity == LOAD.code:
            if self._load_channel is None:
                self._load_channel = block.channel
            if block.channel != self._load_channel:
                return []
        elif block.quantity == BED_STRIP.code:
            rate_hz = 1e6 / block.period_us
            if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
                raise RateError(f"bed strip at {rate_hz:g} Hz cannot be judged")
            if self._strip_channel is None:
                self._strip_channel = block.channel
            if block.channel != self._strip_channel:
                return []
        else:
            return []
        key = (block.quantity, block.channel)
        assembler = self._assemblers.get(key)
        if assembler is None:
            quantity = LOAD if block.quantity == LOAD.code else BED_STRIP
            assembler = self._assemblers[key] = Assembler(Channel(self._unit_id, quantity))
        return self._feed(assembler, assembler.add(block), now_s)

    def take_reading(self, reading: Reading, now_s: float) -> list[Detection]:
        """Take what a module measured itself: a rate (zero is none), or who is in bed."""
        if reading.quantity == PRESENCE.code and reading.channel == IN_BED_CHANNEL:
            return self._radar.take(reading.uptime_ms / 1000, reading.value >= PRESENT_FROM)
        if reading.quantity in (HEART_RATE.code, RESPIRATION_RATE.code) and not self.has_strip:
            bpm = reading.value if reading.value > 0.0 else None
            quality = RADAR_QUALITY if bpm is not None else 0.0
            rate = Rate(reading.uptime_ms / 1000, bpm, quality, None)
            self._rates[reading.quantity] = (now_s, rate)
        return []

    def check_silence(self, uptime_s: float, now_s: float) -> list[Detection]:
        """Restart what has heard nothing for a second, and let the radar's delays pass."""
        found = self._radar.check(uptime_s)
        for assembler in self._assemblers.values():
            gap = assembler.check_silence(uptime_s)
            if gap is not None:
                found += self._feed(assembler, [gap], now_s)
        return found

    def _feed(
        self, assembler: Assembler, parts: Iterable[Chunk | Gap], now_s: float
    ) -> list[Detection]:
        found: list[Detection] = []
        for part in parts:
            if assembler.channel.quantity is LOAD:
                self._load_is_silent = isinstance(part, Gap)
                found += self._take_load(part)
            else:
                found += self._take_strip(part, now_s)
        return found

    def _take_load(self, part: Chunk | Gap) -> list[Detection]:
        load = self._load
        found = load.gap(part) if isinstance(part, Gap) else load.update(part)
        self._respiration.occupied(None if self._load_is_silent else load.occupied)
        return found

    def _take_strip(self, part: Chunk | Gap, now_s: float) -> list[Detection]:
        if isinstance(part, Gap):
            found = self._presence.gap(part)
            rates = self._heart.gap(part)
            told = self._respiration.gap(part)
        else:
            found = self._presence.update(part)
            rates = self._heart.update(part)
            told = self._respiration.update(part)
        for rate in rates:
            self._rates[HEART_RATE.code] = (now_s, rate)
        for one in told:
            if isinstance(one, Detection):
                found.append(one)
            else:
                self._rates[RESPIRATION_RATE.code] = (now_s, one)
        if not self._load_is_silent and self._load.occupied is not None:
            found = [one for one in found if one.kind not in _OCCUPANCY]
        return found
