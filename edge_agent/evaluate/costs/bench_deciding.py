"""The ideal loop that does the same job: a gate for every sample, and the same decisions.

```
 bytes --> x^2 + y^2 + z^2 of every sample, the largest of each half second
                             |                           | loud
                             +--> nothing more           +--> candidate --> measure, forest
```
The other loop (`bench_peers.begin_loop`) decides nothing. This one raises what `FallDetector` does:
a candidate is looked at 0.75 s and 1.4 s after its impact, and steps teach the upright posture. It
is as good as such a loop gets, so that its ratio flatters nobody: a sample costs it no more than
whole numbers and a comparison, samples are kept as the bytes they came in, and what is rare is left
to numpy, by the detector's own `measure` and forests. Measured in Python, too, a candidate would
cost it several times that. What it has not is what `FallEngine` adds: the screens and the batches,
but also lost and late packets, other rates and scales, gaps.
"""

from collections.abc import Callable, Sequence
from struct import iter_unpack

import numpy as np

from edge_agent.detect.detector import Detection
from edge_agent.detect.falls.fall import GATE_G, FallDecisions
from edge_agent.detect.falls.features import AFTERMATH, EARLY
from edge_agent.detect.falls.grid import BLOCK
from edge_agent.detect.falls.intake import KEPT
from edge_agent.detect.falls.slab import SAMPLE, SlabPlaces
from edge_agent.detect.falls.upright import Upright
from edge_agent.evaluate.costs.bench_signals import COUNTS_PER_G, SCALE
from edge_agent.stream.chunk import Channel
from protocol.quantities import ACCELERATION

Packets = Sequence[tuple[int, bytes]]

LIMIT = (GATE_G * COUNTS_PER_G) ** 2
"""Counts squared."""


def begin_deciding(streams: int) -> Callable[[Packets], None]:
    """Return what plays packets to all streams; called several times, it goes on where it was."""
    loops = [DecidingLoop() for _ in range(streams)]

    def feed(packets: Packets) -> None:
        for _, data in packets:
            for loop in loops:
                loop.take(data)

    return feed


class DecidingLoop(FallDecisions):
    """One stream of 100 Hz without loss, as `bench_signals` makes them.

    A place of the grid is a sample, so both have one number.
    """

    def __init__(self) -> None:
        self._slab = SlabPlaces()
        channel = Channel("loop", ACCELERATION)
        super().__init__(self._slab, channel, None, keep_candidates=False, upright=Upright())
        self._slab.put(b"", SCALE, None)
        self._taken = self._largest = self._impact = 0

    def take(self, data: bytes) -> list[Detection]:
        """Take the next packet and return what it decided."""
        slab = self._slab
        if slab.used + len(data) > len(slab.slab):
            slab.drop(slab.used - SAMPLE * KEPT)
        slab.slab[slab.used : slab.used + len(data)] = data
        slab.used += len(data)
        slab.received += len(data) // SAMPLE
        found: list[Detection] = []
        at, taken, largest = 0, self._taken, self._largest
        while at < len(data):
            end = min(len(data), at + SAMPLE * (self._due - taken))
            before, piece = largest, data[at:end]
            for x, y, z in iter_unpack("<3h", piece):
                norm2 = x * x + y * y + z * z
                if norm2 > largest:
                    largest = norm2
            if largest > before and largest >= LIMIT:
                norms = [x * x + y * y + z * z for x, y, z in iter_unpack("<3h", piece)]
                self._impact = taken + norms.index(largest)
            taken += (end - at) // SAMPLE
            at = end
            if taken == self._due:
                found += self._reach(largest)
                if taken % BLOCK == 0:
                    largest = 0
        self._taken, self._largest = taken, largest
        return found

    def _reach(self, largest: int) -> list[Detection]:
        """Do what is due: end a half second, decide candidates."""
        due, found = self._due, list[Detection]()
        if due == self._block_end:
            if largest >= LIMIT:
                self._open_impact(self._impact, float(largest))
            self._block_end += BLOCK
        if self._open:
            self._slab.fill(due)
            with np.errstate(all="ignore"):
                while self._early and self._early[0] + EARLY <= due:
                    found += self._decide_early(self._early.pop(0), due - 1)
                while self._open and self._open[0][0] + AFTERMATH <= due:
                    found += self._decide(self._open.pop(0)[0], due - 1)
            self._slab.forget()
        self._aim()
        return found
