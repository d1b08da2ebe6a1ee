"""The native profile: topics and payloads of `anzhen/v1` (see docs/integrating.md).

```
anzhen/v1/{region}/{home}/alarm/{alarm_id}     QoS 1              one event
                         /drill/{alarm_id}     QoS 1              one event of a rehearsal
                         /alarms/open          QoS 1, retained    last events of open alarms
                         /occupancy/{place}    QoS 1, retained
                         /vitals/{bed}         QoS 1, a minute; by consent only
                         /sleep/{bed}          QoS 1, a night; by consent only
                         /unit/{unit}/state    QoS 1, retained
                         /agent/state          QoS 1, retained, will
                         /command/{name}       in; a retained one is refused
                         /response/{name}      out
```
"""

from collections.abc import Sequence

import msgspec

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.alarm.command import Command, CommandName, Response
from edge_agent.alarm.drill import DRILL
from edge_agent.relay.profile import (
    AgentSeen,
    Asked,
    Delivery,
    Incoming,
    Login,
    Refused,
    RowError,
    Stamp,
    decode,
)
from edge_agent.relay.profile import CommandError as CommandError
from edge_agent.relay.profile import Publication as Publication

MAX_COMMAND_BYTES = 4096
AGENT_STATE = "agent/state"
TELEMETRY_EXPIRY_S = 72 * 3600
"""A broker of MQTT 5 keeps telemetry no longer than the outbox does, for whoever is away."""


class _Named(msgspec.Struct):
    alarm_id: str
    flags: list[str] = []


class _AgentSeen(msgspec.Struct):
    state: str = ""
    session: str = ""


class CommandBody(msgspec.Struct):
    """The body of a command; unknown fields are ignored."""

    transaction: str = ""
    alarm_id: str | None = None
    reason: str | None = None
    minutes: float | None = None
    unit: str | None = None
    condition: str | None = None
    values: dict[str, float] | None = None
    utc: str | None = None


class AgentState(msgspec.Struct, frozen=True):
    """Birth and will: the session tells an old will from a new birth."""

    state: str
    session: str
    version: str
    clock: str
    at: str | None


class UnitState(msgspec.Struct, frozen=True):
    """What is known of a unit."""

    unit: str
    state: str
    place: str
    at: str
    firmware: str | None = None
    profile: str | None = None
    battery_mv: int | None = None
    backlog: int | None = None
    reason: str | None = None


class BedOccupancy(msgspec.Struct, frozen=True):
    """Whether somebody is in a bed."""

    bed: str
    unit: str
    occupied: bool
    since: str
    at: str
    warning: str | None = None
    """`sitting_up` or `risen`, from a tag, until the bed is left or entered again."""


class Occupancy(msgspec.Struct, frozen=True):
    """Whether somebody is in the beds of a place: all of them together, and each in `beds`."""

    place: str
    occupied: bool
    since: str
    at: str
    bed: str | None = None
    unit: str | None = None
    """Of the only bed; null where there are several."""
    warning: str | None = None
    """`sitting_up` or `risen`, from a tag, until the bed is left or entered again."""
    beds: list[BedOccupancy] = []


class RateBody(msgspec.Struct, frozen=True):
    """A rate over a minute or a night; `share` is the part of the time that had a value."""

    mean: float | None
    low: float | None
    high: float | None
    quality: float
    share: float


class VitalsBody(msgspec.Struct, frozen=True):
    """A minute of heart and breath in a bed."""

    bed: str
    place: str
    unit: str
    at: str
    occupied: bool | None
    heart_rate: RateBody
    respiration: RateBody


class SleepBody(msgspec.Struct, frozen=True):
    """A night in a bed."""

    bed: str
    place: str
    unit: str
    begin: str
    end: str
    in_bed_s: float
    exits: int
    longest_absence_s: float
    restless: int
    heart_rate: RateBody
    respiration: RateBody


class NativeProfile:
    """Builds publications and reads commands for one home.

    It is also a `relay.profile.Profile`; what goes first on a connection are the retained topics,
    which only their keeper knows (`relay/retained.py`).
    """

    reply_s: float | None = None

    def __init__(
        self, region: str, home: str, route: str = "mqtt", login: Login | None = None
    ) -> None:
        self._prefix = f"anzhen/v1/{region}/{home}/"
        self._route = route
        self._login = login or Login(f"anzhen{region}{home}")

    @property
    def command_filter(self) -> str:
        """Return the topic filter that commands arrive on."""
        return self._prefix + "command/+"

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the filters of everything that comes back."""
        return (self.command_filter, self._prefix + AGENT_STATE)

    def login(self, stamp: Stamp) -> Login:
        """Return the configured login."""
        return self._login

    def greet(self, units: tuple[str, ...], stamp: Stamp) -> tuple[Publication, ...]:
        """Return nothing: birth and retained topics come from their keeper."""
        return ()

    def ask_time(self, stamp: Stamp) -> Publication | None:
        """Return None: a broker has no time."""
        return None

    def deliver(self, body: bytes, stamp: Stamp) -> Delivery:
        """Return one stored event, byte for byte as it was stored.

        Raises:
            RowError: the body does not say which alarm it is of.
        """
        try:
            named = msgspec.json.decode(body, type=_Named)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise RowError(f"not an alarm event: {error}"[:200]) from None
        topic = "drill" if DRILL in named.flags else "alarm"
        return Delivery((Publication(f"{self._prefix}{topic}/{named.alarm_id}", body),))

    def report(self, topic: str, body: bytes, stamp: Stamp) -> Delivery:
        """Return a message of the telemetry lane, as it was stored."""
        return Delivery((self.telemetry(topic, body),))

    def read(self, topic: str, payload: bytes, retained: bool) -> Incoming:
        """Read a command; what is none is answered too. Or what is said of an agent in this home.

        Raises:
            PeerError: the state of an agent is of no form that an agent has.
        """
        if topic == self._prefix + AGENT_STATE:
            seen = decode(payload, _AgentSeen, MAX_COMMAND_BYTES)
            return AgentSeen(seen.state, seen.session)
        name = topic.rsplit("/", 1)[-1]
        try:
            command = self.command(topic, payload, retained)
        except CommandError as error:
            refusal = Response(transaction="", ok=False, error=str(error))
            return Refused(str(error), self.response(name, refusal))
        return Asked(command, name)

    def respond(self, asked: Asked, response: Response) -> Publication:
        """Return the answer to a command."""
        return self.response(asked.reply_topic, response)

    def telemetry(self, topic: str, body: bytes) -> Publication:
        """Return a message of the telemetry lane (`vitals/bed-1`), as it was stored."""
        return Publication(self._prefix + topic, body, expiry_s=TELEMETRY_EXPIRY_S)

    def open_alarms(self, events: Sequence[AlarmEvent]) -> Publication:
        """Return the retained snapshot of open alarms; a rehearsal is none."""
        real = [event for event in events if DRILL not in event.flags]
        return self._retained("alarms/open", real)

    def agent_state(self, state: AgentState) -> Publication:
        """Return birth or will."""
        return self._retained(AGENT_STATE, state)

    def unit_state(self, state: UnitState) -> Publication:
        """Return the retained state of a unit."""
        return self._retained(f"unit/{state.unit}/state", state)

    def occupancy(self, occupancy: Occupancy) -> Publication:
        """Return the retained occupancy of a place."""
        return self._retained(f"occupancy/{occupancy.place}", occupancy)

    def response(self, name: str, response: Response) -> Publication:
        """Return the answer to a command."""
        return Publication(f"{self._prefix}response/{name}", msgspec.json.encode(response))

    def command(self, topic: str, payload: bytes, retained: bool) -> Command:
        """Read a command.

        Raises:
            CommandError: it is retained, too long, malformed, or of no known name.
        """
        name = topic.removeprefix(self._prefix + "command/")
        if retained:
            raise CommandError("a retained command is refused")
        if len(payload) > MAX_COMMAND_BYTES:
            raise CommandError(f"longer than {MAX_COMMAND_BYTES} bytes")
        try:
            command = CommandName(name)
        except ValueError:
            raise CommandError(f"no command {name[:64]!r}") from None
        try:
            body = msgspec.json.decode(payload or b"{}", type=CommandBody)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise CommandError(f"not a command body: {error}") from None
        if len(body.transaction) > 64 or len(body.reason or "") > 200:
            raise CommandError("transaction over 64 or reason over 200 characters")
        return Command(
            name=command,
            route=self._route,
            transaction=body.transaction,
            alarm_id=body.alarm_id,
            reason=body.reason,
            minutes=body.minutes,
            unit=body.unit,
            condition=body.condition,
            values=body.values,
            utc=body.utc,
        )

    def _retained(self, name: str, body: object) -> Publication:
        return Publication(self._prefix + name, msgspec.json.encode(body), retain=True)
