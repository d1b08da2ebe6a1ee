"""What every detector is: chunks and gaps in, detections out; no clock and no I/O."""

from dataclasses import dataclass, field
from typing import Protocol

from edge_agent.stream.chunk import Chunk, Gap


@dataclass(frozen=True, slots=True)
class Detection:
    """One thing a detector saw.

    Attributes:
        kind: what was seen: `fall`, `bed_left`, `bed_entered`, `breathing_stopped`,
            `sitting_up`, `risen`.
        onset_s: when it began, on the unit's time line (seconds of uptime).
        offset_s: the time of the sample that decided; `offset_s - onset_s` is the delay.
        score: 0 to 1, how sure the detector is.
        evidence: the numbers that decided, with units in their names.
        reason: the same in one short English sentence, or None.
    """

    kind: str
    onset_s: float
    offset_s: float
    score: float
    evidence: dict[str, float] = field(default_factory=dict)
    reason: str | None = None


class Detector(Protocol):
    """A streaming detector of one channel. Any chunking gives the same detections."""

    def update(self, chunk: Chunk) -> list[Detection]:
        """Take the next chunk of the channel and return what it decided."""
        ...

    def gap(self, gap: Gap) -> list[Detection]:
        """Take note of missing data; decide open candidates with the context there is."""
        ...
