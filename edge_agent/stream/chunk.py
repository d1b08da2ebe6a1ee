"""The values a stage hands on: a channel, an evenly sampled chunk, and a gap.

```
   hole (<= 300 ms): masked samples inside one Chunk, detectors keep their state
   gap  (>  300 ms): a Gap between two Chunks, filters restart, candidates are decided
```
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocol.quantities import Quantity

HOLE_LIMIT_S = 0.3
"""The longest run of missing samples that is still a hole (design target of this project)."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One signal of one unit."""

    unit: str
    quantity: Quantity


@dataclass(frozen=True, slots=True)
class Chunk:
    """An evenly sampled piece of one channel.

    Attributes:
        channel: where the samples come from.
        start_s: time of the first sample on the unit's own time line (seconds of uptime);
            sample i lies at `start_s + i / rate_hz`.
        rate_hz: samples a second, above zero.
        values: shape (n, axes), SI units (m/s^2 for acceleration, kg for load, V for the
            strip). Values under the mask repeat the last valid sample and carry no meaning.
        missing: shape (n,), True where the sample never arrived, or None when all did.
    """

    channel: Channel
    start_s: float
    rate_hz: float
    values: NDArray[np.float32]
    missing: NDArray[np.bool_] | None = None

    @property
    def end_s(self) -> float:
        """Return the time just after the last sample."""
        return self.start_s + len(self.values) / self.rate_hz


@dataclass(frozen=True, slots=True)
class Gap:
    """A half-open stretch [start_s, end_s) of a channel without samples."""

    channel: Channel
    start_s: float
    end_s: float
