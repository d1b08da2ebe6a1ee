"""All alarms of a home: causes, timers and commands in, new events out.

The table does no I/O and reads no clock. Every method that changes something returns the
changes; they take effect for others only after the caller has stored them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from edge_agent.alarm.alarm import (
    SCHEMA,
    TRANSITIONS,
    AgentStamp,
    Alarm,
    AlarmEvent,
    Due,
    State,
    TransitionError,
    Trigger,
    next_state,
)
from edge_agent.alarm.catalogue import CONDITIONS, subject_of
from edge_agent.alarm.command import TRIGGERS, Command, Response, scrubbed
from edge_agent.alarm.drill import DRILL
from edge_agent.alarm.policy import (
    ESCALATED,
    LONGEST_SHELF_S,
    SAME_FALL_S,
    SHELVED,
    Policy,
    keeps_timer,
)
from edge_agent.alarm.restamp import restamped
from edge_agent.clock import Instant, format_utc, uuid7
from edge_agent.home.cause import Cause

LATE_S = 3.0
"""An event that is known within this time of its onset is not called late."""
ENDED_KEPT = 32
"""Ended alarms remembered to recognise a snippet of a fall that is already over."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who speaks: stands in every event."""

    region: str
    home: str
    agent: AgentStamp
    host_boot: str


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm after a change, as a value; `alarm.last` is the new event."""

    alarm: Alarm


class AlarmTable:
    """The open alarms and the last ended ones."""

    def __init__(self, identity: Identity, policy: Policy, random: Callable[[int], bytes]) -> None:
        self._identity = identity
        self._policy = policy
        self._random = random
        self._open: dict[str, Alarm] = {}
        self._ended: list[Alarm] = []
        self._unheard: dict[str, int] = {}

    def set_policy(self, policy: Policy) -> None:
        """Take other delays; a timer that runs is not changed."""
        self._policy = policy

    def restore(self, alarms: Iterable[Alarm], now: Instant) -> list[Change]:
        """Take back stored alarms; a timer of an earlier boot of the host is over."""
        for alarm in alarms:
            if alarm.is_open:
                due = alarm.due
                if due and due.host_boot != self._identity.host_boot:
                    due = Due(due.trigger, now.monotonic_s, self._identity.host_boot)
                    alarm = replace(alarm, due=due)
                self._open[alarm.alarm_id] = alarm
            else:
                self._remember(alarm)
        return self.run_timers(now)

    def open_events(self) -> list[AlarmEvent]:
        """Return the last event of every open alarm, oldest alarm first."""
        return [alarm.last for _, alarm in sorted(self._open.items())]

    def find(self, alarm_id: str) -> Alarm | None:
        """Return an alarm that is open or ended lately."""
        ended = (alarm for alarm in self._ended if alarm.alarm_id == alarm_id)
        return self._open.get(alarm_id) or next(ended, None)

    def find_open(self, condition: str, subject: str, *, drill: bool = False) -> Alarm | None:
        """Return the open alarm of a condition for one person or unit."""
        key = (condition, subject, drill)
        return next((a for a in self._open.values() if _key(a.last) == key), None)

    def next_due_s(self, trigger: Trigger | None = None) -> float | None:
        """Return the monotonic time of the earliest timer, of one trigger or of any."""
        times = [
            alarm.due.monotonic_s
            for alarm in self._open.values()
            if alarm.due and trigger in (None, alarm.due.trigger)
        ]
        return min(times, default=None)

    def run_timers(self, now: Instant) -> list[Change]:
        """Fire every timer whose time has come."""
        changes = []
        for alarm in list(self._open.values()):
            if not alarm.due or alarm.due.monotonic_s > now.monotonic_s:
                continue
            if alarm.due.trigger is Trigger.REMIND and alarm.alarm_id in self._unheard:
                # The last reminder still waits for a route: another one would only fill the
                # outbox. The stored timer is over, so after a restart it fires at once.
                due = self._due(alarm.last, Trigger.REMIND, now)
                self._open[alarm.alarm_id] = replace(alarm, due=due)
            else:
                changes.append(self._step(alarm, alarm.due.trigger, now))
        return changes

    def report(self, cause: Cause, now: Instant) -> tuple[Alarm, list[Change]]:
        """Take a cause: a new alarm, a new event of an open one, or nothing new.

        Returns the alarm that the cause belongs to, and what changed.
        """
        alarm = self._same_fall(cause) if cause.condition == "fall" else None
        if alarm is not None:
            if alarm.is_open and _sources(cause.evidence) > _sources(alarm.last.evidence):
                change = self._step(alarm, Trigger.REPEAT, now, cause)
                return change.alarm, [change]
            return alarm, []
        condition, subject, drill = _cause_key(cause)
        alarm = self.find_open(condition, subject, drill=drill)
        if alarm is None:
            alarm = self._begin(cause, now)
            return alarm, [Change(alarm)]
        if CONDITIONS[cause.condition].life_critical:
            change = self._step(alarm, Trigger.REPEAT, now, cause)
            return change.alarm, [change]
        return alarm, []

    def recover(
        self, condition: str, subject: str, now: Instant, reason: str | None = None
    ) -> list[Change]:
        """End the open alarm of a condition on positive evidence that it is over."""
        found = (self.find_open(condition, subject, drill=drill) for drill in (False, True))
        return [
            self._step(alarm, Trigger.RECOVER, now, reason=reason)
            for alarm in list(found)
            if alarm is not None and (alarm.last.state, Trigger.RECOVER) in TRANSITIONS
        ]

    def notify(self, alarm_id: str, event: int, now: Instant) -> list[Change]:
        """Note that a route has accepted an event."""
        if event >= self._unheard.get(alarm_id, event + 1):
            del self._unheard[alarm_id]
        alarm = self._open.get(alarm_id)
        if alarm is None or alarm.last.state is not State.CONFIRMED or alarm.last.event != event:
            return []
        return [self._step(alarm, Trigger.NOTIFY, now)]

    def apply(self, command: Command, now: Instant) -> tuple[Response, list[Change]]:
        """Carry out a platform's command, or say why not."""
        alarm = self.find(command.alarm_id or "")
        if alarm is None:
            return self._refuse(command, "no such alarm"), []
        trigger = TRIGGERS[command.name]
        shelf_s = None
        if trigger is Trigger.SHELVE:
            if CONDITIONS[alarm.last.condition].life_critical:
                why = f"{alarm.last.condition} is life-critical and is never shelved"
                return self._refuse(command, why, alarm), []
            shelf_s = 60.0 * (command.minutes or 0.0)
            if not 0.0 < shelf_s <= LONGEST_SHELF_S:
                longest = f"{LONGEST_SHELF_S / 60:g}"
                return self._refuse(command, f"minutes must be above 0, at most {longest}"), []
        try:
            reason = scrubbed(command.reason)
            change = self._step(alarm, trigger, now, reason=reason, shelf_s=shelf_s)
        except TransitionError as error:
            return self._refuse(command, str(error), alarm), []
        state = change.alarm.last.state
        return (
            Response(
                transaction=command.transaction,
                ok=True,
                alarm_id=alarm.alarm_id,
                state=state,
            ),
            [change],
        )

    def restamp(self, step_s: float, label: str) -> list[Alarm]:
        """Give open alarms of an untrusted clock their true times; return those that changed."""
        changed = []
        for alarm in list(self._open.values()):
            last = restamped(alarm.last, step_s, self._identity.agent.session, label)
            if last is not None:
                alarm = replace(
                    alarm,
                    last=last,
                    onset_utc_s=alarm.onset_utc_s + step_s,
                    changed_utc_s=alarm.changed_utc_s + step_s,
                )
                self._open[alarm.alarm_id] = alarm
                changed.append(alarm)
        return changed

    def _refuse(self, command: Command, why: str, alarm: Alarm | None = None) -> Response:
        return Response(
            transaction=command.transaction,
            ok=False,
            error=why,
            alarm_id=command.alarm_id,
            state=alarm.last.state if alarm else None,
        )

    def _same_fall(self, cause: Cause) -> Alarm | None:
        """Return the alarm of this very fall, open or already over, if there is one.

        A fall after an alarm has ended is never the same one, however close.
        """
        for alarm in (*self._open.values(), *self._ended):
            if (
                _key(alarm.last) == _cause_key(cause)
                and abs(alarm.onset_utc_s - cause.onset_utc_s) <= SAME_FALL_S
                and (alarm.is_open or cause.onset_utc_s <= alarm.changed_utc_s)
            ):
                return alarm
        return None

    def _begin(self, cause: Cause, now: Instant) -> Alarm:
        condition = CONDITIONS[cause.condition]
        place, zh, en = cause.place
        state = self._policy.first_state(condition)
        behind_s = now.utc_s - cause.onset_utc_s
        event = AlarmEvent(
            schema_=SCHEMA,
            alarm_id=uuid7(now.utc_s, self._random(10)),
            event=1,
            condition=condition.name,
            state=state,
            priority=condition.priority.label,
            region=self._identity.region,
            home=self._identity.home,
            place=place,
            person=cause.person,
            unit=cause.unit,
            source=cause.source,
            onset=format_utc(cause.onset_utc_s),
            at=format_utc(now.utc_s),
            clock=now.quality.label,
            late_s=round(behind_s, 1) if behind_s > LATE_S else 0.0,
            score=None if cause.score is None else round(cause.score, 4),
            evidence=cause.evidence,
            reason=cause.reason,
            flags=list(cause.flags),
            text={"zh": f"{zh}{condition.zh}", "en": f"{condition.en} in the {en}"},
            agent=self._identity.agent,
        )
        alarm = Alarm(event, cause.onset_utc_s, now.utc_s, self._due(event, None, now))
        self._open[alarm.alarm_id] = alarm
        return alarm

    def _step(
        self,
        alarm: Alarm,
        trigger: Trigger,
        now: Instant,
        cause: Cause | None = None,
        reason: str | None = None,
        shelf_s: float | None = None,
    ) -> Change:
        last = alarm.last
        state = next_state(last.state, trigger)
        event = replace(
            last,
            event=last.event + 1,
            state=state,
            at=format_utc(now.utc_s),
            clock=now.quality.label,
            reason=reason if reason is not None else last.reason,
            flags=_flags_after(last.flags, trigger),
            agent=self._identity.agent,
            trigger=trigger,
        )
        if cause is not None:
            event = replace(
                event,
                unit=cause.unit,
                source=cause.source,
                score=cause.score,
                evidence=cause.evidence,
                reason=cause.reason,
            )
        due = alarm.due
        if not keeps_timer(last.state, trigger, due.trigger if due else None):
            due = self._due(event, trigger, now)
        if shelf_s is not None:
            due = Due(Trigger.UNSHELVE, now.monotonic_s + shelf_s, self._identity.host_boot)
            event = replace(event, shelved_until=format_utc(now.utc_s + shelf_s))
        elif SHELVED not in event.flags:
            event = replace(event, shelved_until=None)
        alarm = replace(alarm, last=event, changed_utc_s=now.utc_s, due=due)
        if trigger is Trigger.REMIND:
            self._unheard[alarm.alarm_id] = event.event
        if alarm.is_open:
            self._open[alarm.alarm_id] = alarm
        else:
            self._open.pop(alarm.alarm_id, None)
            self._unheard.pop(alarm.alarm_id, None)
            self._remember(alarm)
        return Change(alarm)

    def _due(self, event: AlarmEvent, trigger: Trigger | None, now: Instant) -> Due | None:
        """Return the timer that begins with an event."""
        timer = self._policy.timer(CONDITIONS[event.condition], event.state, trigger)
        if timer is None:
            return None
        return Due(timer[0], now.monotonic_s + timer[1], self._identity.host_boot)

    def _remember(self, alarm: Alarm) -> None:
        self._ended = [other for other in self._ended if other.alarm_id != alarm.alarm_id]
        self._ended.append(alarm)
        del self._ended[:-ENDED_KEPT]


def _flags_after(flags: list[str], trigger: Trigger) -> list[str]:
    """Return an alarm's flags after an event: escalated until somebody acts, shelved until over."""
    if trigger is Trigger.ESCALATE:
        return [*flags, ESCALATED]
    if trigger in (Trigger.NOTIFY, Trigger.REMIND, Trigger.REPEAT):
        return flags
    left = [flag for flag in flags if flag != ESCALATED]
    if trigger is Trigger.SHELVE:
        return left if SHELVED in left else [*left, SHELVED]
    if trigger is Trigger.ACKNOWLEDGE:
        return left
    return [flag for flag in left if flag != SHELVED]


def _sources(evidence: dict[str, float]) -> float:
    """Return how many sources have seen what an evidence is about."""
    return evidence.get("sources", 1.0)


def _key(event: AlarmEvent) -> tuple[str, str, bool]:
    """Return what makes two events the same alarm: condition, person or unit, drill or not."""
    subject = subject_of(event.condition, event.person, event.unit)
    return event.condition, subject, DRILL in event.flags


def _cause_key(cause: Cause) -> tuple[str, str, bool]:
    subject = subject_of(cause.condition, cause.person, cause.unit)
    return cause.condition, subject, DRILL in cause.flags
