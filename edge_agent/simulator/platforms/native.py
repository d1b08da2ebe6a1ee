"""The native contract from the platform's side: every message against its type.

The types are those that `anzhen schema` writes out, so that an integrator's checks and this one
agree.
"""

import re

import msgspec

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.alarm.catalogue import CONDITIONS
from edge_agent.alarm.command import Response
from edge_agent.relay.schema import PREFIX, TOPICS, Topic
from edge_agent.simulator.platforms.rules import (
    Connect,
    FormError,
    Heard,
    Kind,
    Sent,
    dump,
)

LEVEL = "[A-Za-z0-9_-]{1,64}"
MAX_BYTES = 262_144
"""The snapshot of a few hundred open alarms; nothing else comes near."""

_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def _pattern(address: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", address)
    return re.compile(
        "".join(
            f"(?P<{part}>{LEVEL})" if at % 2 else re.escape(part) for at, part in enumerate(parts)
        )
    )


_CHANNELS = [(_pattern(PREFIX + topic.address), topic) for topic in TOPICS]


def check_native(topic: str, payload: bytes, retained: bool = False) -> Topic:
    """Check a message and return the row of the contract that it is of.

    Raises:
        FormError: the topic is not in the contract or the payload not of its type.
    """
    found = ((pattern.fullmatch(topic), row) for pattern, row in _CHANNELS)
    match, row = next(((match, row) for match, row in found if match), (None, None))
    if match is None or row is None:
        raise FormError("not a topic of the contract")
    if retained and not row.retain:
        raise FormError(f"{row.name} is never retained")
    if len(payload) > MAX_BYTES:
        raise FormError(f"longer than {MAX_BYTES} bytes")
    try:
        body = msgspec.json.decode(payload, type=row.type)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise FormError(str(error)[:200]) from None
    for event in body if isinstance(body, list) else [body]:
        if isinstance(event, AlarmEvent):
            _check_event(event, match.groupdict())
    return row


def _check_event(event: AlarmEvent, levels: dict[str, str]) -> None:
    """Check what a type does not say."""
    if event.schema_ != "anzhen.alarm/1":
        raise FormError(f"schema {event.schema_!r} is not anzhen.alarm/1")
    for name, level in levels.items():
        if getattr(event, name) != level:
            raise FormError(f"{name} {getattr(event, name)!r} is not the topic's {level!r}")
    if event.event < 1:
        raise FormError("event is below 1")
    if event.condition not in CONDITIONS:
        raise FormError(f"no condition {event.condition!r} in the catalogue")
    if event.priority != CONDITIONS[event.condition].priority.label:
        raise FormError(f"priority {event.priority!r} is not that of {event.condition}")
    for name in ("onset", "at"):
        if not _UTC.fullmatch(getattr(event, name)):
            raise FormError(f"{name} is not RFC 3339 with milliseconds and Z")


class NativeRules:
    """A platform that speaks the native contract; any login is good."""

    has_replies = False

    def __init__(self) -> None:
        self._prefix = ""

    def why_refused(self, connect: Connect, utc_s: float) -> str | None:
        """Refuse nobody."""
        return None

    def hear(self, topic: str, payload: bytes, utc_s: float) -> Heard:
        """Check any message of the agent."""
        row = check_native(topic, payload)
        if not row.is_ours:
            raise FormError("an agent sends no commands")
        self._prefix = "/".join(topic.split("/")[:4]) + "/"
        if row.name == "alarm":
            event = msgspec.json.decode(payload, type=AlarmEvent)
            return Heard(Kind.ALARM, event.alarm_id, event.state)
        if row.name == "response":
            return Heard(Kind.ANSWER, ok=msgspec.json.decode(payload, type=Response).ok)
        return Heard(Kind.VITALS if row.name in ("vitals", "sleep") else Kind.OTHER)

    def order(self, name: str, alarm_id: str, number: int) -> Sent:
        """Return a command."""
        body = {"transaction": f"t-{number}", "alarm_id": alarm_id, "reason": "visited"}
        return Sent(f"{self._prefix}command/{name}", dump(body))
