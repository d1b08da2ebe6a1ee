"""What the signal path finds: causes and their ends, and news that topics show."""

from dataclasses import dataclass

from edge_agent.home.cause import Cause, Noted, Over
from edge_agent.home.night import NightSummary
from edge_agent.home.vitals_sums import Night, Vitals
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


@dataclass(frozen=True, slots=True)
class BedWarning:
    """Somebody sits up in bed, or rose unseen: `sitting_up`, `risen`. It raises no alarm."""

    bed: str
    unit: str
    place: str
    at_utc_s: float
    what: str


@dataclass(frozen=True, slots=True)
class VitalsNews:
    """A minute of heart and breath in a bed. Health data: it leaves the home by consent only."""

    bed: str
    unit: str
    place: str
    at_utc_s: float
    vitals: Vitals


@dataclass(frozen=True, slots=True)
class SleepNews:
    """A night in a bed. Health data: it leaves the home by consent only."""

    bed: str
    unit: str
    place: str
    summary: NightSummary
    night: Night


Finding = Cause | Over | Noted | UnitNews | BedNews | BedWarning | VitalsNews | SleepNews
