"""What goes into the outbox and what comes out of it: plain values."""

from dataclasses import dataclass, field

from edge_agent.alarm.alarm import Alarm


class OutboxError(Exception):
    """The outbox cannot be used, or a batch is not one: an alarm path must not go on."""


@dataclass(frozen=True, slots=True)
class Row:
    """One event of an alarm waiting for a route."""

    row: int
    alarm_id: str
    event: int
    body: bytes
    attempts: int


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One message that is no alarm: `vitals/bed-1` and its body; `row` is 0 until stored."""

    topic: str
    body: bytes
    row: int = 0


@dataclass(frozen=True, slots=True)
class UnitEvent:
    """The name of something a unit told, with the alarm it became."""

    unit: str
    boot_id: bytes
    seq: int
    alarm_id: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A unit's event that was put before.

    Attributes:
        alarm_id: the alarm it became, or None.
        is_durable: False while it is only in memory: its unit must keep it.
    """

    alarm_id: str | None
    is_durable: bool


@dataclass(slots=True)
class Batch:
    """What is to be stored in one go: all of it or nothing."""

    alarms: list[Alarm] = field(default_factory=list)
    unit_events: list[UnitEvent] = field(default_factory=list)
    facts: dict[str, bytes] = field(default_factory=dict)
    accepted: list[tuple[str, int]] = field(default_factory=list)
    """(route, row number of `pending`) that a route has accepted: only that closes a row, for
    that route."""
    telemetry: list[Telemetry] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(
            self.alarms or self.unit_events or self.facts or self.accepted or self.telemetry
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """What the outbox held at start."""

    alarms: list[Alarm]
    origins: list[UnitEvent]
    """The units' events that the open alarms came with."""
    facts: dict[str, bytes]
    latest_utc_s: float


@dataclass(frozen=True, slots=True)
class Health:
    """How the outbox is; told on change only.

    Attributes:
        trouble: why nothing can be stored durably, in words; None when all is well.
        repaired: what was done about a damaged database since the start, in words.
        dropped: events that had to leave memory before a route took them.
        must_restart: the disk came back with open alarms that this run never saw; a restart
            takes them up (nothing is lost by it: all of memory is on disk by then).
    """

    trouble: str | None = None
    repaired: str | None = None
    dropped: int = 0
    must_restart: bool = False

    @property
    def is_durable(self) -> bool:
        """Return True while what is put survives a power cut."""
        return self.trouble is None


@dataclass(frozen=True, slots=True)
class Capacity:
    """How long the disk lasts at the rate of the last 30 days."""

    days: float
    free_bytes: int
    events_per_day: float
    bytes_per_event: float
