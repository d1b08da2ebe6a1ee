"""Alarm events and vital signs as flat fields, for platforms whose models know no nesting.

No field is a name, a number or an address of a person; the free-text `reason` of whoever closed
an alarm elsewhere stays behind. What is not known is left out: thing models take no null.
"""

import math
from dataclasses import dataclass

import msgspec

from edge_agent.alarm.alarm import ENDED, AlarmEvent, State, Trigger
from edge_agent.alarm.catalogue import CONDITIONS
from edge_agent.clock import format_utc, parse_utc
from edge_agent.relay.profile import RowError

Value = str | int | float | bool

LEVELS = {"high": 1, "medium": 2, "low": 3}
"""County platforms count levels from 1, the highest."""

CHINA_OFFSET_S = 8 * 3600
"""Asia/Shanghai: UTC+8 all year since 1991 (IANA tz database)."""

UNREAL_FLAGS = ("drill", "simulated")

_TOKENS = (
    ("yyyy", slice(0, 4)),
    ("MM", slice(5, 7)),
    ("dd", slice(8, 10)),
    ("HH", slice(11, 13)),
    ("mm", slice(14, 16)),
    ("ss", slice(17, 19)),
    ("SSS", slice(20, 23)),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A minute or a night of a bed: `kind` is `vitals` or `sleep`."""

    kind: str
    unit: str
    utc_s: float
    values: dict[str, Value]


class _Rate(msgspec.Struct):
    mean: float | None = None
    quality: float = 0.0


class _Minute(msgspec.Struct):
    unit: str
    at: str
    occupied: bool | None
    heart_rate: _Rate
    respiration: _Rate


class _Night(msgspec.Struct):
    unit: str
    end: str
    in_bed_s: float
    exits: int
    heart_rate: _Rate
    respiration: _Rate


def read_event(body: bytes) -> AlarmEvent:
    """Read a stored event.

    Raises:
        RowError: it is none.
    """
    try:
        return msgspec.json.decode(body, type=AlarmEvent)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise RowError(f"not an alarm event: {error}"[:200]) from None


def why_skipped(event: AlarmEvent, *, drills: bool, can_retract: bool = True) -> str | None:
    """Return why a platform does not hear of an event, or None when it does.

    Args:
        event: the event.
        drills: whether the platform takes what is not real.
        can_retract: whether it can take a suspicion back. If not, an alarm begins there at
            `confirmed`; what ends straight from a suspicion never was.
    """
    if event.trigger is Trigger.NOTIFY:
        return "it only says that a route took the event before"
    if not drills and any(flag in event.flags for flag in UNREAL_FLAGS):
        return "not real: drills and simulations go where the route says so"
    if not can_retract:
        if event.state is State.SUSPECTED:
            return "a suspicion; the platform cannot take it back"
        if event.condition == "fall" and event.event == 2 and event.state in ENDED:
            return "the platform never heard of the suspicion"
    return None


def event_fields(event: AlarmEvent) -> dict[str, Value]:
    """Return an event as flat fields; floats are floats, times RFC 3339 and milliseconds.

    Raises:
        RowError: a time in it is none.
    """
    fields: dict[str, Value] = {
        "alarm_id": event.alarm_id,
        "event": event.event,
        "condition": event.condition,
        "state": str(event.state),
        "priority": event.priority,
        "level": LEVELS.get(event.priority, 3),
        "region": event.region,
        "home": event.home,
        "place": event.place,
        "onset": event.onset,
        "onset_ms": to_ms(event.onset),
        "at": event.at,
        "at_ms": to_ms(event.at),
        "clock": event.clock,
        "late_s": float(event.late_s) if math.isfinite(event.late_s) else 0.0,
        "text": event.text.get("zh", event.condition),
        "text_en": event.text.get("en", event.condition),
        "flags": ",".join(event.flags),
    }
    optional = {
        "unit": event.unit,
        "source": event.source,
        "person": event.person,
        "trigger": None if event.trigger is None else str(event.trigger),
    }
    fields |= {name: known for name, known in optional.items() if known is not None}
    if event.score is not None and math.isfinite(event.score):
        fields["score"] = float(round(event.score, 4))
    condition = CONDITIONS.get(event.condition)
    if condition is not None and condition.ieee is not None:
        fields["ieee"] = condition.ieee
    return fields


def read_measured(topic: str, body: bytes) -> Measured | None:
    """Read a message of the telemetry lane; None for a kind that no foreign platform takes.

    Raises:
        RowError: the body is not of its topic.
    """
    kind = topic.partition("/")[0]
    try:
        if kind == "vitals":
            minute = msgspec.json.decode(body, type=_Minute)
            values = _rates(minute.heart_rate, minute.respiration)
            if minute.occupied is not None:
                values["occupied"] = minute.occupied
            return Measured(kind, minute.unit, to_ms(minute.at) / 1000, values)
        if kind == "sleep":
            night = msgspec.json.decode(body, type=_Night)
            values = _rates(night.heart_rate, night.respiration)
            values |= {"in_bed_s": float(night.in_bed_s), "exits": night.exits}
            return Measured(kind, night.unit, to_ms(night.end) / 1000, values)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise RowError(f"not a message of {topic}: {error}"[:200]) from None
    return None


def _rates(heart: _Rate, breath: _Rate) -> dict[str, Value]:
    """Return only what the detectors were sure of."""
    values: dict[str, Value] = {}
    for name, rate in (("heart_rate", heart), ("respiration", breath)):
        if rate.mean is not None and math.isfinite(rate.mean):
            values[name] = float(round(rate.mean, 1))
            values[f"{name}_quality"] = float(round(rate.quality, 2))
    return values


def to_ms(text: str) -> int:
    """Return the UNIX milliseconds of a stored time.

    Raises:
        RowError: it is none.
    """
    try:
        return round(parse_utc(text) * 1000)
    except (ValueError, OverflowError):
        raise RowError(f"not a time: {text[:40]!r}") from None


def format_time(utc_s: float, form: str, offset_s: int = 0) -> str:
    """Write a time in a platform's form: `yyyy MM dd HH mm ss SSS`, all else as it stands."""
    text = format_utc(utc_s + offset_s)
    for token, part in _TOKENS:
        form = form.replace(token, text[part])
    return form
