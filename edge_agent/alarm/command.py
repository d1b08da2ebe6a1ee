"""Commands that come back from a platform, and the answer to each.

A command is a request: the alarm's table decides, or the orders of the home. None may switch a
life-critical condition off: there is no such command, none of them can be shelved, and delays can
only be shortened.
"""

import re
from enum import StrEnum

import msgspec

from edge_agent.alarm.alarm import Trigger


class CommandName(StrEnum):
    """What a platform may ask."""

    ACK = "ack"
    DISPATCH = "dispatch"
    ARRIVE = "arrive"
    CLOSE = "close"
    SHELVE = "shelve"
    DRILL = "drill"
    CONFIGURE = "configure"
    TIME = "time"
    SNAPSHOT = "snapshot"


TRIGGERS = {
    CommandName.ACK: Trigger.ACKNOWLEDGE,
    CommandName.DISPATCH: Trigger.DISPATCH,
    CommandName.ARRIVE: Trigger.ARRIVE,
    CommandName.CLOSE: Trigger.CLOSE,
    CommandName.SHELVE: Trigger.SHELVE,
}


REASON_CHARS = 200
"""A reason that comes with a command is cut after this."""
_NUMBER = re.compile(r"\d(?:[ -]?\d){6,}[Xx]?")
"""Seven digits or more: a telephone or an identity number, which no alarm may carry."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command, as a route received it.

    Attributes:
        minutes: how long to shelve, or to rehearse.
        unit: whose call is rehearsed.
        condition: what is rehearsed; from outside only `call`.
        values: delays in seconds by their names in the configuration.
        utc: RFC 3339, what time it is.
    """

    name: CommandName
    route: str
    transaction: str
    alarm_id: str | None = None
    reason: str | None = None
    minutes: float | None = None
    unit: str | None = None
    condition: str | None = None
    values: dict[str, float] | None = None
    utc: str | None = None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a command."""

    transaction: str
    ok: bool
    error: str | None = None
    alarm_id: str | None = None
    state: str | None = None


def scrubbed(reason: str | None) -> str | None:
    """Return what somebody wrote as a reason, without long numbers and of bounded length."""
    return None if reason is None else _NUMBER.sub("***", reason[:REASON_CHARS])
