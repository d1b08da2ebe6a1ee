"""What a route's retained topics say: the agent, its units, beds and open alarms.

```
 news, place, now --> the fact's newest word --> its topic
                           | several beds of a place --> one topic, a list
 clock trusted at last --> times of this run so far, corrected by its step
```
Values only: whoever changes something here gets the publication back and sends it. On every
new connection, and when the clock has become a better one, all of it is published again, so that
a broker that forgot knows it too.
"""

from msgspec.structs import replace

from edge_agent.alarm.alarm import AgentStamp, Alarm, AlarmEvent
from edge_agent.alarm.restamp import ClockWatch
from edge_agent.clock import Instant, format_utc, parse_utc
from edge_agent.pipeline.findings import BedNews, BedWarning, UnitNews
from edge_agent.relay.profile import Publication
from edge_agent.relay.profiles.native import (
    AgentState,
    BedOccupancy,
    NativeProfile,
    Occupancy,
    UnitState,
)


class RetainedState:
    """The newest word of every retained topic of one home."""

    def __init__(self, profile: NativeProfile, agent: AgentStamp) -> None:
        self._profile = profile
        self._agent = agent
        self._open: dict[str, AlarmEvent] = {}
        self._units: dict[str, UnitState] = {}
        self._beds: dict[str, dict[str, BedOccupancy]] = {}
        self._since: dict[str, tuple[bool, str]] = {}
        self._watch = ClockWatch()

    @property
    def open_events(self) -> list[AlarmEvent]:
        """Return the last stored event of every open alarm."""
        return list(self._open.values())

    def birth(self, now: Instant) -> list[Publication]:
        """Return all of it, the agent's own state first."""
        self._correct(now)
        return [
            self.agent("online", now),
            self.open_alarms(),
            *(self._profile.unit_state(state) for state in self._units.values()),
            *(self._profile.occupancy(self._occupancy(place)) for place in self._beds),
        ]

    def agent(self, state: str, now: Instant) -> Publication:
        """Return the agent's birth (`online`) or will (`lost`)."""
        at = format_utc(now.utc_s) if state == "online" else None
        agent = self._agent
        return self._profile.agent_state(
            AgentState(state, agent.session, agent.version, now.quality.label, at)
        )

    def open_alarms(self) -> Publication:
        """Return the snapshot of open alarms."""
        return self._profile.open_alarms(self.open_events)

    def note_alarm(self, alarm: Alarm) -> None:
        """Take an alarm after a change that is stored."""
        if alarm.is_open:
            self._open[alarm.alarm_id] = alarm.last
        else:
            self._open.pop(alarm.alarm_id, None)

    def note(self, news: UnitNews | BedNews | BedWarning, place: str, now: Instant) -> Publication:
        """Take news of a unit or a bed in a place, and return what its topic says now."""
        self._correct(now)
        if isinstance(news, UnitNews):
            return self._note_unit(news, place, now)
        beds = self._beds.setdefault(news.place, {})
        if isinstance(news, BedNews):
            since = format_utc(news.since_utc_s)
            at = format_utc(now.utc_s)
            beds[news.bed] = BedOccupancy(news.bed, news.unit, news.occupied, since, at)
        else:
            beds[news.bed] = _warned(beds.get(news.bed), news, now)
        self._sum_up(news.place, beds[news.bed])
        return self._profile.occupancy(self._occupancy(news.place))

    def _note_unit(self, news: UnitNews, place: str, now: Instant) -> Publication:
        state = self._units.get(news.unit) or UnitState(
            unit=news.unit, state="", place=place, at=""
        )
        state = replace(
            state,
            state="online" if news.online else "lost",
            at=format_utc(now.utc_s),
            reason=news.reason,
        )
        if news.hello is not None:
            state = replace(state, firmware=news.hello.firmware, profile=news.hello.profile)
        if news.status is not None:
            status = news.status  # whose battery has 0 mV hangs on the mains
            state = replace(state, battery_mv=status.battery_mv or None, backlog=status.backlog)
        self._units[news.unit] = state
        return self._profile.unit_state(state)

    def _sum_up(self, place: str, newest: BedOccupancy) -> None:
        """Note since when somebody is in a place, or nobody: the bed that changed it says."""
        occupied = any(bed.occupied for bed in self._beds[place].values())
        if len(self._beds[place]) == 1 or self._since[place][0] != occupied:
            self._since[place] = occupied, newest.since

    def _occupancy(self, place: str) -> Occupancy:
        beds = sorted(self._beds[place].values(), key=lambda bed: bed.bed)
        newest = max(beds, key=lambda bed: bed.at)
        warned = [bed for bed in beds if bed.warning is not None]
        only = beds[0] if len(beds) == 1 else None
        occupied, since = self._since[place]
        return Occupancy(
            place=place,
            occupied=occupied,
            since=since,
            at=newest.at,
            bed=only.bed if only is not None else None,
            unit=only.unit if only is not None else None,
            warning=max(warned, key=lambda bed: bed.at).warning if warned else None,
            beds=beds,
        )

    def _correct(self, now: Instant) -> None:
        """Give what was said under an untrusted clock its true time, once that is known."""
        step_s = self._watch.step_s(now)
        if step_s is None:
            return

        def shifted(text: str) -> str:
            return format_utc(parse_utc(text) + step_s)

        for unit, state in self._units.items():
            self._units[unit] = replace(state, at=shifted(state.at))
        for place, beds in self._beds.items():
            occupied, since = self._since[place]
            self._since[place] = occupied, shifted(since)
            for name, bed in beds.items():
                beds[name] = replace(bed, since=shifted(bed.since), at=shifted(bed.at))


def _warned(bed: BedOccupancy | None, news: BedWarning, now: Instant) -> BedOccupancy:
    """Return that somebody sits up in a bed; it stands until the bed's next news."""
    if bed is None:
        since = format_utc(news.at_utc_s)
        bed = BedOccupancy(bed=news.bed, unit=news.unit, occupied=True, since=since, at="")
    return replace(bed, at=format_utc(now.utc_s), warning=news.what)
