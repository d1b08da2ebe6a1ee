"""Accelerometers on the breastbone of people in bed: a warning before the bed is left.

```
 Samples acceleration --mean of a block--> SitUpWarning --> BedWarning (sitting_up, risen)
```
The same samples go to the fall detector as those of any other unit.
"""

import numpy as np

from edge_agent.clock import Instant
from edge_agent.config.file import Config
from edge_agent.detect.bed.sit_up import SitUpWarning
from edge_agent.pipeline.findings import BedWarning
from edge_agent.pipeline.times import UnitTimes
from protocol.messages import Samples
from protocol.quantities import ACCELERATION

LONGEST_BLOCK_S = 1.0
"""A block that is longer says nothing of when somebody rose."""


class TagWatch:
    """The tags of a home: units whose configuration names the bed they warn of."""

    def __init__(self, config: Config, times: dict[str, UnitTimes]) -> None:
        self._times = times
        self._places = {unit.bed: unit.place for unit in config.unit if unit.bed is not None}
        self._tags = {
            unit.id: (unit.tag.bed, SitUpWarning(up=unit.tag.up))
            for unit in config.unit
            if unit.tag is not None
        }

    def take(self, unit_id: str, block: Samples, now: Instant) -> list[BedWarning]:
        """Take the next block of a tag; other units' blocks say nothing."""
        tag = self._tags.get(unit_id)
        span_s = block.count * block.period_us / 1e6
        if tag is None or block.axes != ACCELERATION.axes or span_s > LONGEST_BLOCK_S:
            return []
        bed, warning = tag
        counts = np.frombuffer(block.data, dtype="<i2").reshape(-1, block.axes)
        mean = counts.mean(axis=0) * block.scale
        found = warning.read(block.uptime_ms / 1000 + span_s, mean)
        utc = self._times[unit_id].utc
        return [
            BedWarning(bed, unit_id, self._places[bed], utc(one.onset_s, now), one.kind)
            for one in found
        ]
