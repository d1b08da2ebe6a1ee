"""What a route's retained topics say: the agent, its units, beds and open alarms.

Values only: whoever changes something here gets the publication back and sends it. On every
new connection all of it is published again, so that a broker that forgot knows it too.
"""

from msgspec.structs import replace

from edge_agent.alarm.alarm import AgentStamp, Alarm, AlarmEvent
from edge_agent.clock import Instant, format_utc
from edge_agent.relay.profiles.native import (
    AgentState,
    NativeProfile,
    Occupancy,
    Publication,
    UnitState,
)
from protocol.messages import Hello, Status


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

    def note_unit(
        self,
        unit: str,
        place: str,
        now: Instant,
        *,
        online: bool,
        reason: str | None,
        hello: Hello | None,
        status: Status | None,
    ) -> Publication:
        """Take news of a unit."""
        state = self._units.get(unit) or UnitState(unit=unit, state="", place=place, at="")
        state = replace(
            state,
            state="online" if online else "lost",
            at=format_utc(now.utc_s),
            reason=reason,
        )
        if hello is not None:
            state = replace(state, firmware=hello.firmware, profile=hello.profile)
        if status is not None:
            state = replace(state, battery_mv=status.battery_mv, backlog=status.backlog)
        self._units[unit] = state
        return self._profile.unit_state(state)

    def note_bed(
        self, bed: str, unit: str, place: str, now: Instant, *, occupied: bool, since_utc_s: float
    ) -> Publication:
        """Take news of a bed."""
        occupancy = Occupancy(
            place=place,
            occupied=occupied,
            since=format_utc(since_utc_s),
            at=format_utc(now.utc_s),
            bed=bed,
            unit=unit,
        )
        self._occupancy[place] = occupancy
        return self._profile.occupancy(occupancy)

    def note_bed_warning(
        self, bed: str, unit: str, place: str, now: Instant, *, what: str, at_utc_s: float
    ) -> Publication:
        """Take that somebody sits up in a bed; it stands until the bed's next news."""
        occupancy = self._occupancy.get(place)
        if occupancy is None or occupancy.bed != bed:
            occupancy = Occupancy(
                place=place, occupied=True, since=format_utc(at_utc_s), at="", bed=bed, unit=unit
            )
        occupancy = replace(occupancy, at=format_utc(now.utc_s), warning=what)
        self._occupancy[place] = occupancy
        return self._profile.occupancy(occupancy)
