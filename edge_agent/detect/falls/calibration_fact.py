"""What is stored of one wearer's calibration, and what is refused as such."""

import math

import msgspec

from edge_agent.detect.falls.upright import Direction

MOST_EVENTS = 16
"""Events remembered."""

MOST_BYTES = 4096
"""JSON that is longer was not written here."""

MOST = 1 << 53
LONGEST_S = 1e9
"""Where counts and times stop."""


class CalibrationFact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is stored of one wearer.

    Attributes:
        bound: of the model it was learnt with; with another one it is worth nothing.
        seen: impacts.
        active_s: time during which they came.
        up: the upright posture then, None before there was one.
        events: for each event above zero when, in `active_s`, and its margin; `bound` stands for
            every margin from there on.
        kept_quiet: events that were not raised because of the shift.
    """

    bound: float
    seen: int = 0
    active_s: float = 0.0
    up: Direction | None = None
    events: tuple[tuple[float, float], ...] = ()
    kept_quiet: int = 0


def fact_to_json(fact: CalibrationFact) -> bytes:
    """Return the stored form."""
    return msgspec.json.encode(fact)


def fact_from_json(stored: bytes) -> CalibrationFact:
    """Return what was stored.

    Raises:
        ValueError: the bytes are not what `fact_to_json` writes; begin anew.
    """
    if len(stored) > MOST_BYTES:
        raise ValueError(f"calibration: {len(stored)} bytes, at most {MOST_BYTES}")
    try:
        fact = msgspec.json.decode(stored, type=CalibrationFact)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"calibration: {error}") from error
    wrong = _wrong(fact)
    if wrong:
        raise ValueError(f"calibration: {wrong} is out of range")
    return fact


def _wrong(fact: CalibrationFact) -> str:
    """Return the first name of a value that no wearer can have, or nothing."""
    if not 0.0 <= fact.bound < math.inf:
        return "bound"
    if not 0 <= fact.seen <= MOST:
        return "seen"
    if not 0.0 <= fact.active_s <= LONGEST_S:
        return "active_s"
    if fact.up is not None and not abs(math.hypot(*fact.up) - 1.0) <= 1e-6:
        return "up"
    if len(fact.events) > MOST_EVENTS:
        return "events"
    last_s = 0.0
    for at_s, margin in fact.events:
        if not (last_s <= at_s <= fact.active_s and 0.0 <= margin <= fact.bound):
            return "events"
        last_s = at_s
    if not 0 <= fact.kept_quiet <= MOST:
        return "kept_quiet"
    return ""
