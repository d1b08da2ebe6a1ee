"""What a fake platform is made of: its rules as values, written from its side of the wire.

Each file beside this one checks logins and payloads by the platform's own rules, with code of its
own: a profile that signs wrongly is not checked by the function that signed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

MAX_MS = 4_102_444_800_000
"""2100-01-01."""
AHEAD_MS = 86_400_000
"""No platform takes a time more than a day ahead (Aliyun's rule, the strictest)."""

ORDERS = ("ack", "dispatch", "arrive", "close")
"""The commands of a closed loop, in their order."""

ALARM_MODEL: dict[str, type] = {
    "alarm_id": str,
    "event": int,
    "condition": str,
    "state": str,
    "priority": str,
    "level": int,
    "region": str,
    "home": str,
    "place": str,
    "onset": str,
    "onset_ms": int,
    "at": str,
    "at_ms": int,
    "clock": str,
    "late_s": float,
    "text": str,
    "text_en": str,
    "flags": str,
}
"""The event of the thing model: what always comes, and of which type."""
ALARM_OPTIONAL: dict[str, type] = {
    "unit": str,
    "source": str,
    "person": str,
    "trigger": str,
    "score": float,
    "ieee": int,
}
VITALS_MODEL: dict[str, type] = {
    "heart_rate": float,
    "heart_rate_quality": float,
    "respiration": float,
    "respiration_quality": float,
    "occupied": bool,
    "in_bed_s": float,
    "exits": int,
}


class Reaction(StrEnum):
    """What a fake platform does with every alarm that is of its form.

    `late` accepts when nobody counts on it any more, `other` answers for a message that nobody
    sent; both need a business reply. `hang-up` ends the connection after the PUBACK.
    """

    ACCEPT = "accept"
    REJECT = "reject"
    SILENT = "silent"
    LATE = "late"
    OTHER = "other"
    HANG_UP = "hang-up"


class Kind(StrEnum):
    """What a message turned out to be."""

    ALARM = "alarm"
    VITALS = "vitals"
    ANSWER = "answer"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Connect:
    """The CONNECT of a client."""

    client_id: str
    username: str | None
    password: str | None


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of the platform."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """What the platform makes of a message.

    Attributes:
        kind: what it is.
        alarm_id, state: of an alarm.
        replies: the business reply to each reaction; nothing where the platform has none.
        always: what is sent whatever the reaction (the time).
        ok: of an answer to a command.
    """

    kind: Kind
    alarm_id: str | None = None
    state: str | None = None
    replies: Mapping[Reaction, Sent] | None = None
    always: Sent | None = None
    ok: bool | None = None


class FormError(Exception):
    """A message that the platform would not take; `reply` is what it says to that, if anything."""

    def __init__(self, why: str, reply: Sent | None = None) -> None:
        super().__init__(why)
        self.reply = reply


class Rules(Protocol):
    """One platform's rules."""

    @property
    def has_replies(self) -> bool:
        """Return whether alarms get a business reply."""
        ...

    def why_refused(self, connect: Connect, utc_s: float) -> str | None:
        """Return why a login is refused, or None."""
        ...

    def hear(self, topic: str, payload: bytes, utc_s: float) -> Heard:
        """Check a message.

        Raises:
            FormError: it is not of the platform's form.
        """
        ...

    def order(self, name: str, alarm_id: str, number: int) -> Sent:
        """Return a command in the platform's form."""
        ...


def read_object(payload: bytes) -> dict[str, Any]:
    """Decode a JSON object; 10 stays an integer and 10.0 a float, as the platforms tell them apart.

    Raises:
        FormError: it is none.
    """
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise FormError(f"not JSON: {error}"[:200]) from None
    if not isinstance(body, dict):
        raise FormError("not a JSON object")
    return body


def get(body: Any, path: str, form: type) -> Any:
    """Return what a dotted path leads to, of exactly that type.

    Raises:
        FormError: it is not there, or of another type.
    """
    for name in path.split("."):
        if not isinstance(body, dict) or name not in body:
            raise FormError(f"{path} is missing")
        body = body[name]
    if type(body) is not form:
        raise FormError(f"{path} is {type(body).__name__}, not {form.__name__}")
    return body


def check_alarm(fields: Any) -> tuple[str, str]:
    """Check an alarm against the model and return its id and state.

    Raises:
        FormError: a field is missing, of another type, null, or not in the model.
    """
    for name, form in ALARM_MODEL.items():
        get(fields, name, form)
    for name, value in fields.items():
        wanted = ALARM_MODEL.get(name) or ALARM_OPTIONAL.get(name)
        if wanted is None:
            raise FormError(f"{name} is not in the model")
        if type(value) is not wanted:
            raise FormError(f"{name} is {type(value).__name__}, not {wanted.__name__}")
    return fields["alarm_id"], fields["state"]


def check_vitals(values: Any) -> None:
    """Check measured values against the model.

    Raises:
        FormError: a value is of another type or not in the model.
    """
    for name, value in values.items():
        wanted = VITALS_MODEL.get(name)
        if type(value) is not wanted:
            raise FormError(f"{name} is {type(value).__name__}: not in the model")


def check_ms(at_ms: int, utc_s: float) -> int:
    """Check a time in milliseconds: not seconds, and not a day ahead.

    Raises:
        FormError: it is one of these.
    """
    if not 1_000_000_000_000 <= at_ms < MAX_MS:
        raise FormError(f"{at_ms} is no time in milliseconds")
    if at_ms > utc_s * 1000 + AHEAD_MS:
        raise FormError(f"{at_ms} lies more than a day ahead")
    return at_ms


def for_another(reply: Sent) -> Sent:
    """Return a reply with the id of a message that nobody sent."""
    body = read_object(reply.payload)
    return Sent(reply.topic, dump(body | {"id": str(int(body["id"]) + 1)}))


def dump(body: Any) -> bytes:
    """Encode as the platforms do, spaces and all: nobody may count on a compact form."""
    return json.dumps(body, ensure_ascii=False).encode()
