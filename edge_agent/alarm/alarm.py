"""One alarm: its states, the transition table, and the event that a transition makes.

```
                 +--------- recover, cancel -------------> recovered | cancelled
                 |                                              |
 suspected --confirm--> confirmed --notify--> notified          |
     |                      |                     |             |
     +--------ack-----------+---------ack---------+--> acknowledged --dispatch--> dispatched
                                                        |               --arrive--> arrived
                                                        +--------close------------> closed
```

`confirm` is a timer of the alarm, stored with it. Nothing but positive evidence of getting up
makes `recovered`; silence, a reset or a lost unit confirms. `escalate` (nobody acknowledged in
time) and `remind` (nobody went on) are timers too, make an event and leave the state as it is.
"""

from enum import StrEnum

import msgspec

SCHEMA = "anzhen.alarm/1"


class State(StrEnum):
    """Where an alarm stands."""

    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"
    NOTIFIED = "notified"
    ACKNOWLEDGED = "acknowledged"
    DISPATCHED = "dispatched"
    ARRIVED = "arrived"
    RECOVERED = "recovered"
    CANCELLED = "cancelled"
    CLOSED = "closed"


class Trigger(StrEnum):
    """What moves an alarm on."""

    CONFIRM = "confirm"
    NOTIFY = "notify"
    ESCALATE = "escalate"
    REMIND = "remind"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    REPEAT = "repeat"
    ACKNOWLEDGE = "ack"
    DISPATCH = "dispatch"
    ARRIVE = "arrive"
    RECOVER = "recover"
    CANCEL = "cancel"
    CLOSE = "close"


ENDED = frozenset({State.RECOVERED, State.CANCELLED, State.CLOSED})

_S, _T = State, Trigger
TRANSITIONS: dict[tuple[State, Trigger], State] = {
    (_S.SUSPECTED, _T.CONFIRM): _S.CONFIRMED,
    # Whoever acknowledges a suspicion (it may be a machine) has not yet heard that it is one:
    # the timer runs on, and its confirmation wants an answer of its own.
    (_S.ACKNOWLEDGED, _T.CONFIRM): _S.CONFIRMED,
    (_S.CONFIRMED, _T.NOTIFY): _S.NOTIFIED,
    (_S.CONFIRMED, _T.ESCALATE): _S.CONFIRMED,
    (_S.NOTIFIED, _T.ESCALATE): _S.NOTIFIED,
    (_S.CONFIRMED, _T.REMIND): _S.CONFIRMED,
    (_S.NOTIFIED, _T.REMIND): _S.NOTIFIED,
    (_S.ACKNOWLEDGED, _T.REMIND): _S.ACKNOWLEDGED,
    (_S.DISPATCHED, _T.REMIND): _S.DISPATCHED,
    # A repeated press or a second fall is a new event of the open alarm. A suspicion that
    # repeats itself needs no timer any more.
    (_S.SUSPECTED, _T.REPEAT): _S.CONFIRMED,
    (_S.CONFIRMED, _T.REPEAT): _S.CONFIRMED,
    # What somebody has already taken up starts over: the new press has nobody yet.
    (_S.NOTIFIED, _T.REPEAT): _S.CONFIRMED,
    (_S.ACKNOWLEDGED, _T.REPEAT): _S.CONFIRMED,
    (_S.DISPATCHED, _T.REPEAT): _S.DISPATCHED,
    (_S.ARRIVED, _T.REPEAT): _S.ARRIVED,
    (_S.SUSPECTED, _T.ACKNOWLEDGE): _S.ACKNOWLEDGED,
    (_S.CONFIRMED, _T.ACKNOWLEDGE): _S.ACKNOWLEDGED,
    (_S.NOTIFIED, _T.ACKNOWLEDGE): _S.ACKNOWLEDGED,
    (_S.SUSPECTED, _T.DISPATCH): _S.DISPATCHED,
    (_S.CONFIRMED, _T.DISPATCH): _S.DISPATCHED,
    (_S.NOTIFIED, _T.DISPATCH): _S.DISPATCHED,
    (_S.ACKNOWLEDGED, _T.DISPATCH): _S.DISPATCHED,
    (_S.ACKNOWLEDGED, _T.ARRIVE): _S.ARRIVED,
    (_S.DISPATCHED, _T.ARRIVE): _S.ARRIVED,
    (_S.SUSPECTED, _T.RECOVER): _S.RECOVERED,
    (_S.CONFIRMED, _T.RECOVER): _S.RECOVERED,
    (_S.NOTIFIED, _T.RECOVER): _S.RECOVERED,
    (_S.ACKNOWLEDGED, _T.RECOVER): _S.RECOVERED,
    # Shelving keeps the state and ends by its own timer; no life-critical alarm takes it.
    (_S.CONFIRMED, _T.SHELVE): _S.CONFIRMED,
    (_S.NOTIFIED, _T.SHELVE): _S.NOTIFIED,
    (_S.ACKNOWLEDGED, _T.SHELVE): _S.ACKNOWLEDGED,
    (_S.CONFIRMED, _T.UNSHELVE): _S.CONFIRMED,
    (_S.NOTIFIED, _T.UNSHELVE): _S.CONFIRMED,
    (_S.ACKNOWLEDGED, _T.UNSHELVE): _S.CONFIRMED,
    (_S.SUSPECTED, _T.CANCEL): _S.CANCELLED,
    (_S.CONFIRMED, _T.CANCEL): _S.CANCELLED,
    (_S.NOTIFIED, _T.CANCEL): _S.CANCELLED,
    (_S.ACKNOWLEDGED, _T.CANCEL): _S.CANCELLED,
    (_S.CONFIRMED, _T.CLOSE): _S.CLOSED,
    (_S.NOTIFIED, _T.CLOSE): _S.CLOSED,
    (_S.ACKNOWLEDGED, _T.CLOSE): _S.CLOSED,
    (_S.DISPATCHED, _T.CLOSE): _S.CLOSED,
    (_S.ARRIVED, _T.CLOSE): _S.CLOSED,
    (_S.RECOVERED, _T.CLOSE): _S.CLOSED,
    (_S.CANCELLED, _T.CLOSE): _S.CLOSED,
}


class TransitionError(Exception):
    """A trigger that the state does not take."""


class AgentStamp(msgspec.Struct, frozen=True):
    """Which run of which agent made an event."""

    session: str
    version: str


class AlarmEvent(msgspec.Struct, frozen=True, rename={"schema_": "schema"}):
    """One event of an alarm as it goes on the topic; `(alarm_id, event)` names it for ever."""

    schema_: str
    alarm_id: str
    event: int
    condition: str
    state: State
    priority: str
    region: str
    home: str
    place: str
    person: str | None
    unit: str | None
    source: str | None
    onset: str
    at: str
    clock: str
    late_s: float
    score: float | None
    evidence: dict[str, float]
    reason: str | None
    flags: list[str]
    text: dict[str, str]
    agent: AgentStamp
    trigger: Trigger | None = None
    """What made this event of an open alarm; None for the first."""
    shelved_until: str | None = None
    """While the flag `shelved` stands: when the alarm comes back by itself."""


class Due(msgspec.Struct, frozen=True):
    """A stored timer of an alarm.

    It is exact within one boot of the host; after another boot nobody knows how long the
    power was away, and the time is over.
    """

    trigger: Trigger
    monotonic_s: float
    host_boot: str


class Alarm(msgspec.Struct, frozen=True):
    """An alarm as it is stored: its last event, where it stands in time, and its timer."""

    last: AlarmEvent
    onset_utc_s: float
    changed_utc_s: float
    due: Due | None = None

    @property
    def alarm_id(self) -> str:
        """Return the name that all its events carry."""
        return self.last.alarm_id

    @property
    def is_open(self) -> bool:
        """Return True until it recovered, was cancelled or closed."""
        return self.last.state not in ENDED


def next_state(state: State, trigger: Trigger) -> State:
    """Return where a trigger leads.

    Raises:
        TransitionError: the state does not take it.
    """
    try:
        return TRANSITIONS[state, trigger]
    except KeyError:
        raise TransitionError(f"an alarm that is {state} does not take {trigger}") from None
