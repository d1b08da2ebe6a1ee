"""What the signal path finds: causes and their ends, and news that topics show."""

from dataclasses import dataclass

from edge_agent.home.cause import Cause, Noted, Over
from protocol.messages import Hello, Status


@dataclass(frozen=True, slots=True)
class UnitNews:
    """Something about a unit that its state topic shows."""

    unit: str
    online: bool
    reason: str | None = None
    hello: Hello | None = None
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class BedNews:
    """Somebody got into or out of a bed."""

    bed: str
    unit: str
    place: str
    occupied: bool
    since_utc_s: float


Finding = Cause | Over | Noted | UnitNews | BedNews
