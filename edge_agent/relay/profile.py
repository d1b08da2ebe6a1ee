"""What a profile is: values in, values out. A route does the talking.

```
 event as stored --deliver--> publications, key ---> platform
                                                        |
  Verdict(key) | Asked(command) | TimeTold <--read-- its messages
       |               |
     settle         respond --> publication ---------> platform
```
A profile does no I/O and reads no clock; time and a number nobody has used come in as a `Stamp`.
Acceptance is the platform's own answer where it has one (`reply_s`); where it has none, the
broker's PUBACK has to do, and `reply_s` is None.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

import msgspec

from edge_agent.alarm.command import Command, CommandName, Response

MAX_INCOMING_BYTES = 16_384
"""No answer and no command is longer; what is longer is not even parsed."""
MAX_TRANSACTION = 64
MAX_REASON = 200

REPLY_S = 5.0
"""A business reply that has not come by then is asked for again."""
RETRY_LEAST_S, RETRY_MOST_S = 1.0, 30.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Login:
    """What a CONNECT carries."""

    client_id: str
    username: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Stamp:
    """When, and a number: positive, growing, never used before on this route.

    `is_trusted` is False while nobody vouches for the clock; times are then as good as any.
    """

    utc_s: float
    number: int
    is_trusted: bool = True


@dataclass(frozen=True, slots=True)
class Publication:
    """One message for a broker."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    expiry_s: int | None = None
    """When nobody wants it any more, where the broker has MQTT 5; never of an alarm."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a row becomes on a platform.

    Attributes:
        publications: in this order; none when the platform is not to hear of it.
        key: names the business reply that settles it; None when the PUBACK of the last does.
        skipped: why there are none. The row is settled, and nobody was notified by it.
    """

    publications: tuple[Publication, ...] = ()
    key: str | None = None
    skipped: str | None = None


class Answer(StrEnum):
    """What a platform makes of a message."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A platform's answer to the delivery of that `key`; an empty key is whatever went last."""

    answer: Answer
    key: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A command, and where its answer goes (the profile's own business)."""

    command: Command
    reply_topic: str
    reply_id: str = ""


@dataclass(frozen=True, slots=True)
class TimeTold:
    """The platform's time when it answered, good to the time the answer took."""

    utc_s: float


@dataclass(frozen=True, slots=True)
class Refused:
    """What is no command, and what a platform that wants to know is told about it."""

    why: str
    publication: Publication


@dataclass(frozen=True, slots=True)
class AgentSeen:
    """What stands on our own state topic: our word, an earlier run's will, or another agent's."""

    state: str
    session: str


Incoming = Verdict | Asked | TimeTold | Refused | AgentSeen


class PeerError(Exception):
    """What a platform sent is not of its own form, or not for us: count, drop."""


class CommandError(PeerError):
    """A message on a command topic that is no command."""


class RowError(Exception):
    """A stored row that this profile can never send; the next one goes on."""


class Profile(Protocol):
    """One platform over MQTT."""

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the filters of everything that comes back."""
        ...

    @property
    def reply_s(self) -> float | None:
        """Return how long a business reply may take, or None when there is none."""
        ...

    def login(self, stamp: Stamp) -> Login:
        """Return what to log in with; asked anew for every connection."""
        ...

    def greet(self, units: tuple[str, ...], stamp: Stamp) -> tuple[Publication, ...]:
        """Return what goes first on every connection."""
        ...

    def ask_time(self, stamp: Stamp) -> Publication | None:
        """Return a question for the time, if the platform answers one."""
        ...

    def deliver(self, body: bytes, stamp: Stamp) -> Delivery:
        """Return what an alarm event becomes.

        Raises:
            RowError: the body is no alarm event.
        """
        ...

    def report(self, topic: str, body: bytes, stamp: Stamp) -> Delivery:
        """Return what a message of the telemetry lane becomes.

        Raises:
            RowError: the body is not of its topic.
        """
        ...

    def read(self, topic: str, payload: bytes, retained: bool) -> Incoming:
        """Read what came on a subscription.

        Raises:
            PeerError: it is not of the platform's form, or for somebody else.
        """
        ...

    def respond(self, asked: Asked, response: Response) -> Publication:
        """Return the answer to a command."""
        ...


class Parameters(msgspec.Struct):
    """What a command says, in every profile by these names."""

    alarm_id: str | None = None
    reason: str | None = None
    minutes: float | None = None
    transaction: str | None = None


def decode(payload: bytes, form: type[_T], limit: int = MAX_INCOMING_BYTES) -> _T:
    """Decode hostile JSON of bounded size.

    Raises:
        PeerError: it is too long, not JSON, too deep or not of that form.
    """
    if len(payload) > limit:
        raise PeerError(f"longer than {limit} bytes")
    try:
        return msgspec.json.decode(payload, type=form)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise PeerError(f"not of the expected form: {error}"[:200]) from None


def make_command(name: str, route: str, transaction: str, parameters: Parameters) -> Command:
    """Return a command of a platform's words.

    Raises:
        CommandError: no command has that name, or a text is too long.
    """
    try:
        known = CommandName(name)
    except ValueError:
        raise CommandError(f"no command {name[:64]!r}") from None
    transaction = parameters.transaction or transaction
    if len(transaction) > MAX_TRANSACTION or len(parameters.reason or "") > MAX_REASON:
        raise CommandError("transaction over 64 or reason over 200 characters")
    return Command(
        name=known,
        route=route,
        transaction=transaction,
        alarm_id=parameters.alarm_id,
        reason=parameters.reason,
        minutes=parameters.minutes,
    )


def retry_wait_s(attempts: int, chance: float) -> float:
    """Return how long to wait before a message goes again: 1 s doubling to 30 s, full jitter.

    Args:
        attempts: how often it went without acceptance, from 1.
        chance: 0 to 1.
    """
    most_s = min(RETRY_MOST_S, RETRY_LEAST_S * 2.0 ** min(attempts, 10))
    return RETRY_LEAST_S + (most_s - RETRY_LEAST_S) * chance
