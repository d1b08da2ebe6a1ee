"""What a route's retained topics say: the agent, its units, beds and open alarms.

Values only: whoever changes something here gets the publication back and sends it. On every
new connection all of it is published again, so that a broker that forgot knows it too.
"""

from msgspec.structs import replace

from edge_agent.alarm.alarm import AgentStamp, Alarm, AlarmEvent
from edge_agent.clock import Instant, format_utc
from edge_agent.pipeline.findings import BedNews, BedWarning, UnitNews
from edge_agent.relay.profile import Publication
from edge_agent.relay.profiles.native import (
    AgentState,
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
        self._occupancy: dict[str, Occupancy] = {}

    @property
    def open_events(self) -> list[AlarmEvent]:
        """Return the last stored event of every open alarm."""
        return list(self._open.values())

    def birth(self, now: Instant) -> list[Publication]:
        """Return all of it, the agent's own state first."""
        return [
            self.agent("online", now),
            self.open_alarms(),
            *(self._profile.unit_state(state) for state in self._units.values()),
            *(self._profile.occupancy(occupancy) for occupancy in self._occupancy.values()),
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
        if isinstance(news, UnitNews):
            return self._note_unit(news, place, now)
        if isinstance(news, BedNews):
            occupancy = Occupancy(
                place=news.place,
                occupied=news.occupied,
                since=format_utc(news.since_utc_s),
                at=format_utc(now.utc_s),
                bed=news.bed,
                unit=news.unit,
            )
        else:
            occupancy = self._warned(news, now)
        self._occupancy[news.place] = occupancy
        return self._profile.occupancy(occupancy)

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
            state = replace(state, battery_mv=news.status.battery_mv, backlog=news.status.backlog)
        self._units[news.unit] = state
        return self._profile.unit_state(state)

    def _warned(self, news: BedWarning, now: Instant) -> Occupancy:
        """Return that somebody sits up in a bed; it stands until the bed's next news."""
        occupancy = self._occupancy.get(news.place)
        if occupancy is None or occupancy.bed != news.bed:
            occupancy = Occupancy(
                place=news.place,
                occupied=True,
                since=format_utc(news.at_utc_s),
                at="",
                bed=news.bed,
                unit=news.unit,
            )
        return replace(occupancy, at=format_utc(now.utc_s), warning=news.what)
