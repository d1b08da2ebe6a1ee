"""Signs of life in the whole home: no activity for too long, too long in one room.

```
 Reading of a contact, PIR, radar ---+
 bed entered, left ------------------+--> Sign --> Inactivity --> Cause("inactivity") | Over
 button or cord pressed -------------+        +--> Stay, each room --> Cause("bathroom_stay") | Over
```
A home without a single source of this kind is not watched: silence would then say nothing.
"""

import msgspec

from edge_agent.clock import Instant
from edge_agent.config.file import Config
from edge_agent.config.home import InputConfig
from edge_agent.home.cause import Over
from edge_agent.home.home import Home
from edge_agent.home.inactivity import Inactivity
from edge_agent.home.sign import Kind, Sign
from edge_agent.home.silence import Limits
from edge_agent.home.stay import Stay, StayLimits
from edge_agent.pipeline.findings import BedNews, Finding
from edge_agent.pipeline.times import UnitTimes
from protocol.messages import Reading

ACTIVE_FROM = 0.5
"""A reading from this value on is active: states are 0 and 1."""


class ActivityWatch:
    """One home's signs of life."""

    def __init__(
        self,
        config: Config,
        home: Home,
        times: dict[str, UnitTimes],
        host_boot: str,
        now: Instant,
    ) -> None:
        self._home = home
        self._times = times
        self._inputs: dict[tuple[str, int], tuple[InputConfig, str]] = {
            (unit.id, one.channel): (one, one.place or unit.place)
            for unit in config.unit
            for one in unit.input
        }
        self._sources = {unit.id for unit in config.unit if unit.input or unit.bed is not None}
        activity = config.activity
        night = (config.alarm.night_start, config.alarm.night_end)
        limits = Limits(
            night=night,
            day_floor_s=activity.day_floor_s,
            day_ceiling_s=activity.day_ceiling_s,
            night_floor_s=activity.night_floor_s,
            night_ceiling_s=activity.night_ceiling_s,
            out_floor_s=activity.out_floor_s,
            out_ceiling_s=activity.out_ceiling_s,
        )
        self._inactivity = Inactivity(limits, activity.residents, host_boot, now)
        if not self._sources:
            self._inactivity.cover(False, now)
        stay_limits = StayLimits(
            night=night, day_s=activity.stay_day_s, night_s=activity.stay_night_s
        )
        self._stays = {
            place.id: Stay(place.id, stay_limits, activity.residents, host_boot)
            for place in config.place
            if place.stay
        }
        self._chattering: set[str] = set()

    def take(self, unit_id: str, reading: Reading, now: Instant) -> list[Finding]:
        """Take the state of an input; one that the configuration does not name says nothing."""
        known = self._inputs.get((unit_id, reading.channel))
        if known is None:
            return []
        one, place = known
        at_s = self._times[unit_id].monotonic(reading.uptime_ms / 1000)
        return self.note(
            Sign(
                now.monotonic_s if at_s is None else at_s,
                f"{unit_id}.{reading.channel}",
                Kind(one.kind),
                place,
                reading.value >= ACTIVE_FROM,
            ),
            now,
        )

    def take_bed(self, news: BedNews, now: Instant) -> list[Finding]:
        """Take that a bed was entered or left."""
        at_s = now.monotonic_s - max(0.0, now.utc_s - news.since_utc_s)
        return self.note(Sign(at_s, f"bed:{news.bed}", Kind.REST, news.place, news.occupied), now)

    def take_press(self, unit_id: str, now: Instant) -> list[Finding]:
        """Take that somebody pressed a button or pulled a cord."""
        place = self._home.unit(unit_id).place
        return self.note(Sign(now.monotonic_s, f"{unit_id}.call", Kind.USE, place), now)

    def note(self, sign: Sign, now: Instant) -> list[Finding]:
        """Take a change of a sensor."""
        findings: list[Finding] = []
        subject = self._home.resident or ""
        if self._inactivity.note(sign, now):
            findings.append(Over("inactivity", subject, "activity again"))
        if self._inactivity.believes(sign):
            findings += [
                Over("bathroom_stay", subject, "seen elsewhere")
                for stay in self._stays.values()
                if stay.note(sign, now)
            ]
        return findings

    def tick(self, now: Instant, online: set[str]) -> list[Finding]:
        """Look at what has become too long.

        Args:
            now: now.
            online: the units whose word is heard.
        """
        self._inactivity.cover(bool(self._sources & online), now)
        findings = self._tell_chattering(now)
        silence = self._inactivity.take_due(now)
        if silence is not None:
            evidence = {"silent_s": round(silence.silent_s, 1), "limit_s": silence.limit_s}
            findings.append(
                self._home.resident_cause(
                    "inactivity", silence.place, silence.since_utc_s, evidence, silence.reason
                )
            )
        for stay in self._stays.values():
            long = stay.take_due(now)
            if long is not None:
                evidence = {"stayed_s": round(long.stayed_s, 1), "limit_s": long.limit_s}
                findings.append(
                    self._home.resident_cause(
                        "bathroom_stay", long.place, long.since_utc_s, evidence, long.reason
                    )
                )
        return findings

    def forgive(self) -> None:
        """Somebody says that the last silence was no emergency: it may be learnt."""
        self._inactivity.forgive()

    def facts(self) -> dict[str, bytes]:
        """Return what is to be stored."""
        if not self._sources:
            return {}
        encode = msgspec.json.encode
        return {
            "inactivity": encode(self._inactivity.fact),
            "inactivity_learned": encode(self._inactivity.learned.fact),
        } | {f"stay:{place}": encode(stay.fact) for place, stay in self._stays.items()}

    def restore(self, name: str, body: bytes, now: Instant) -> None:
        """Take back a stored fact."""
        kind, _, place = name.partition(":")
        if kind == "inactivity":
            self._inactivity.restore(body, now)
        elif kind == "inactivity_learned":
            self._inactivity.learned.restore(body)
        elif place in self._stays:
            self._stays[place].restore(body, now)

    def _tell_chattering(self, now: Instant) -> list[Finding]:
        """Say which sensors are not believed any more, and which are again."""
        sources = set(self._inactivity.chattering())
        if sources == self._chattering:
            return []
        findings: list[Finding] = []
        before = {_unit_of(source) for source in self._chattering}
        after = {_unit_of(source) for source in sources}
        self._chattering = sources
        for unit_id in sorted(after - before):
            reason = "chatters: " + ", ".join(s for s in sorted(sources) if _unit_of(s) == unit_id)
            if unit_id in self._times:
                findings.append(self._home.cause("sensor_stuck", unit_id, now.utc_s, reason=reason))
        findings += [Over("sensor_stuck", unit, "quiet again") for unit in sorted(before - after)]
        return findings


def _unit_of(source: str) -> str:
    return source.rpartition(".")[0] or source
