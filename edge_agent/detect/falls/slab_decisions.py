"""The fall detector over a slab: the same decisions as from a grid, most of them without measuring.

```
                      one sample a place, none missing: exact |a|^2 of a block, six calls
  slab --> look --<
                      anything else: places are made, then as FallDetector

  impact --> a larger one near? --> screen: certainly no fall --> learn from its steps --> done
                                       +--> perhaps --> measure, forest
```
What passes the screen, and everything that is not plain, runs through `FallDecisions` itself.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.detector import Detection
from edge_agent.detect.falls.fall import APART, GATE_G, SAME_FALL_S, FallDecisions
from edge_agent.detect.falls.features import AFTERMATH, EARLY, HISTORY
from edge_agent.detect.falls.grid import BLOCK, STANDARD_GRAVITY
from edge_agent.detect.falls.model import FallModel
from edge_agent.detect.falls.screen import Screen, Window
from edge_agent.detect.falls.slab import SlabPlaces
from edge_agent.detect.falls.step_screen import has_no_steps, is_largest
from edge_agent.detect.falls.upright import Direction, Upright, walking_direction
from edge_agent.stream.chunk import Channel, Chunk

GATE_G2 = GATE_G * GATE_G

SOUND_G2 = 4800.0
"""|a|^2 up to which a made window is handed to the screen: clearly below a broken sample's."""

GRAVITY = np.array(np.float32(1.0 / STANDARD_GRAVITY))
"""As `Places` scales; an array, which numpy takes three times as fast as a scalar."""

MOST_BLOCKS = 4
"""Blocks whose |a|^2 are worked out at once: a call costs the same for 50 samples and 200."""

MOST_LOUD = 6
"""Largest samples of loud blocks that are remembered: those from APART before an impact until it
is decided."""

_multiply, _add = np.multiply, np.add


class Workbench:
    """What all streams of an engine use, one after the other.

    Attributes:
        early, final: what each decision is screened with.
        early_window, final_window: room for the candidate that is asked about.
        norms: room to work out |a|^2 of none, one, two ... blocks.
    """

    def __init__(self, screens: tuple[Screen, Screen]) -> None:
        self.early, self.final = screens
        self.early_window, self.final_window = Window(EARLY), Window(AFTERMATH)
        self.norms = [_Norms(count * BLOCK) for count in range(MOST_BLOCKS + 1)]


class _Norms:
    """Room to work out |a|^2 of so many samples."""

    def __init__(self, count: int) -> None:
        self.xyz = np.empty(3 * count, dtype=np.float32)
        self.x, self.y, self.z = self.xyz[::3], self.xyz[1::3], self.xyz[2::3]
        self.norm2 = np.empty(count, dtype=np.float32)
        self.blocks = [self.norm2[at : at + BLOCK] for at in range(0, count, BLOCK)]

    def make(self, counts: NDArray[np.int16], scale: NDArray[np.float32]) -> None:
        """Do what the grid does to every sample, in the same order."""
        xyz, norm2 = self.xyz, self.norm2
        xyz[:] = counts
        _multiply(xyz, scale, xyz)
        _multiply(xyz, GRAVITY, xyz)
        _multiply(xyz, xyz, xyz)
        _add(self.x, self.y, norm2)
        _add(norm2, self.z, norm2)


class SlabDecisions(FallDecisions):
    """Where one stream is looked at and decided.

    Attributes:
        slab: its latest samples.
        is_loud: whether the block looked at last passed the gate.
        block: the first place that was not looked at.
        decision: places with which the next open impact is judged, or -1 without one.
    """

    def __init__(
        self, channel: Channel, model: FallModel, bench: Workbench, upright: Upright | None
    ) -> None:
        self.slab = SlabPlaces()
        self.is_loud = False
        self._bench = bench
        super().__init__(self.slab, channel, model, keep_candidates=False, upright=upright)

    def align(self, chunk: Chunk) -> list[Detection]:
        """As `FallDetector.update` does before it takes the samples."""
        return self._align(chunk)

    def run(self, clear: int) -> list[Detection]:
        """Do everything the received samples suffice for.

        Args:
            clear: samples before this one hold no impact.
        """
        slab = self.slab
        if slab.plain is not None:
            return self._run_plain(slab.plain, clear)
        self._skip(clear)
        found: list[Detection] = []
        while slab.received >= self._needed:
            found += self._step()
        slab.forget()
        return found

    def _run_plain(self, scale: NDArray[np.float32], clear: int) -> list[Detection]:
        """Do the same where every place is one sample: places and samples have one number."""
        slab, waiting = self.slab, self._open
        received, block_end = slab.received, self._block_end
        if not waiting and clear >= block_end:
            block_end = clear - clear % BLOCK + BLOCK
        early, norms, made_to = self._early, self._bench.norms[0], 0
        found: list[Detection] = []
        while True:
            due = block_end
            if early and early[0] + EARLY < due:
                due = early[0] + EARLY
            if waiting and waiting[0][0] + AFTERMATH < due:
                due = waiting[0][0] + AFTERMATH
            if due > received:
                break
            if due == block_end:
                if block_end > made_to:
                    blocks = min((received - block_end) // BLOCK + 1, MOST_BLOCKS)
                    made_to = block_end + (blocks - 1) * BLOCK
                    norms = self._bench.norms[blocks]
                    at = 3 * (block_end - BLOCK - slab.first_sample)
                    norms.make(slab.counts[at : at + 3 * BLOCK * blocks], scale)
                self._look_plain(
                    block_end - BLOCK, norms.blocks[(block_end - made_to) // BLOCK - 1]
                )
                block_end += BLOCK
            while early and early[0] + EARLY <= due:
                impact = early.pop(0)
                if not self._passes_early(impact, scale):
                    found += self._judge(super()._decide_early, impact, due)
            while waiting and waiting[0][0] + AFTERMATH <= due:
                impact = waiting.pop(0)[0]
                if not self._passes(impact, scale):
                    found += self._judge(super()._decide, impact, due)
        self._block_end = block_end
        self._due = self._needed = due
        self._tell_next()
        if self.block > slab.filled:
            slab.filled = self.block
        return found

    def _judge(
        self, decide: Callable[[int, int], list[Detection]], impact: int, due: int
    ) -> list[Detection]:
        """Make the places that a decision asks for, and decide."""
        self.slab.fill(due)
        with np.errstate(all="ignore"):
            found = decide(impact, due - 1)
        self.slab.forget()
        return found

    def _skip(self, clear: int) -> None:
        """Pass the blocks made of samples before `clear`, which hold no impact."""
        if self._open:
            return
        blocks = self.slab.place_of(clear) // BLOCK
        while blocks and self.slab.samples_for(blocks * BLOCK) > clear:
            blocks -= 1
        if blocks * BLOCK >= self._block_end:
            self._block_end = (blocks + 1) * BLOCK
            self.slab.fill(blocks * BLOCK)
            self._aim()

    def _look_plain(self, start: int, norm2: NDArray[np.float32]) -> None:
        """As `_look`, on a block that was not made."""
        most = norm2.argmax()
        largest = norm2.item(most)
        self.is_loud = largest >= GATE_G2
        if self.is_loud:
            impact = start + int(most)
            if len(self._loud) == MOST_LOUD:
                del self._loud[0]
            self._loud.append((impact, largest))
            self._open_impact(impact, largest)

    def _begin(self, start_s: float, rate_hz: float) -> None:
        """As `FallDecisions`."""
        self._loud: list[tuple[int, float]] = []
        super()._begin(start_s, rate_hz)

    def _aim(self) -> None:
        """As `FallDecisions`, and say so."""
        super()._aim()
        self._tell_next()

    def _tell_next(self) -> None:
        self.block = self._block_end - BLOCK
        decision = self._open[0][0] + AFTERMATH if self._open else -1
        if self._early and self._early[0] + EARLY < decision:
            decision = self._early[0] + EARLY
        self.decision = decision

    def _look(self, start: int, stop: int) -> None:
        """As `FallDecisions`, and remember whether there was something."""
        super()._look(start, stop)
        self.is_loud = bool(self._open)

    def _take(self, impact: int, scale: NDArray[np.float32], window: Window) -> None:
        """Fill a window from counts, as the grid makes its places."""
        flat = window.flat
        at = 3 * (impact - HISTORY - self.slab.first_sample)
        flat[:] = self.slab.counts[at : at + len(flat)]
        _multiply(flat, scale, flat)
        _multiply(flat, GRAVITY, flat)
        window.spread()

    def _passes_early(self, impact: int, scale: NDArray[np.float32]) -> bool:
        """Return whether an impact is certainly no fall yet, from its counts."""
        if impact < HISTORY or self._is_outdone(impact):
            return impact >= HISTORY
        bench = self._bench
        self._take(impact, scale, bench.early_window)
        return bench.early.rules_out(bench.early_window, self._direction())

    def _passes(self, impact: int, scale: NDArray[np.float32]) -> bool:
        """Return whether an impact is certainly no fall, and is done with, from its counts."""
        if impact < HISTORY or self._is_outdone(impact):
            return impact >= HISTORY
        self._take(impact, scale, self._bench.final_window)
        return self._is_done_with(impact)

    def _is_done_with(self, impact: int) -> bool:
        """Return whether the final window is certainly no fall, with what it says of steps learnt.

        What is learnt here is what `_decide` would learn.
        """
        window, upright = self._bench.final_window, self._upright
        impact_s = self.slab.place_time(impact)
        direction = seen = None
        learns = impact_s - self._last_s >= SAME_FALL_S and self._learns_from(impact)
        if upright is not None:
            if learns and not has_no_steps(window):
                seen = walking_direction(window.rows)
            if seen is not None and self._recovery.is_open(impact_s):
                return False
            direction = upright.direction_with(seen)
        if not self._bench.final.rules_out(window, direction):
            return False
        if learns and upright is not None and is_largest(window):
            upright.learn(seen, impact_s)
        return True

    def _is_outdone(self, impact: int) -> bool:
        """Return whether a larger sample is known to be near, so that nothing is decided."""
        own = near = 0.0
        for place, largest in self._loud:
            if place == impact:
                own = largest
            elif largest > near and -APART <= place - impact <= APART:
                near = largest
        return near > own > 0.0

    def _direction(self) -> Direction | None:
        return None if self._upright is None else self._upright.direction

    def _decide_early(self, impact: int, deciding: int) -> list[Detection]:
        """As `FallDecisions`, asking the screen first where the window is whole."""
        screen, window = self._bench.early, self._bench.early_window
        if self._takes_made(impact, window) and screen.rules_out(window, self._direction()):
            return []
        return super()._decide_early(impact, deciding)

    def _decide(self, impact: int, deciding: int) -> list[Detection]:
        """As `FallDecisions`, asking the screen first where the window is whole."""
        if self._takes_made(impact, self._bench.final_window) and self._is_done_with(impact):
            return []
        return super()._decide(impact, deciding)

    def _takes_made(self, impact: int, window: Window) -> bool:
        """Fill a window from places that have to be made; return whether it is whole and sound."""
        slab, low, high = self.slab, impact - HISTORY, impact + window.after
        if low < 0 or high > slab.filled:
            return False
        norm2 = slab.norm2(low, high)
        if not norm2[norm2.argmax()] < SOUND_G2:  # a hole is NaN, and that is the largest
            return False
        window.take(slab.vectors(low, high))
        return True
