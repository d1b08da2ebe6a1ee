"""What the home hands on: something that may be an alarm, or the evidence that one is over."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Origin:
    """The name of a unit's event on the wire: `(unit_id, boot_id, seq)`."""

    unit: str
    boot_id: bytes
    seq: int


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that may be an alarm.

    Attributes:
        condition: a name of the alarm catalogue.
        onset_utc_s: when it happened, by our UTC.
        place: (id, Chinese name, English name).
        origin: the unit's event it came with, to be acknowledged once stored.
        flags: `drill`, `simulated` ...
    """

    condition: str
    onset_utc_s: float
    place: tuple[str, str, str]
    person: str | None = None
    unit: str | None = None
    source: str | None = None
    score: float | None = None
    evidence: dict[str, float] = field(default_factory=dict)
    reason: str | None = None
    origin: Origin | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Over:
    """Positive evidence that a condition is over for a person or unit."""

    condition: str
    subject: str
    reason: str
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """An event of a unit that is no alarm; it is stored and acknowledged all the same."""

    origin: Origin
