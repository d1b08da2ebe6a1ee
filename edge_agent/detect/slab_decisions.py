"""The fall detector over a slab: the same decisions as from a grid, most of them without measuring.

```
                      one sample a place, none missing: exact |a|^2 of a block, six calls
  slab --> look --<
                      anything else: places are made, then as FallDetector

  candidate at its place --> screen: certainly no fall --> certainly no steps --> done
                                |                              +--> perhaps --> Upright
                                +--> perhaps --> measure, forest
```
What passes the screen, and everything that is not plain, runs through `FallDecisions` itself.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.detector import Detection
from edge_agent.detect.fall import APART, GATE_G, SAME_FALL_S, FallDecisions
from edge_agent.detect.fall_candidate import recovery_of
from edge_agent.detect.fall_features import AFTERMATH, EARLY, HISTORY
from edge_agent.detect.fall_model import FallModel
from edge_agent.detect.fall_screen import Screen, Window
from edge_agent.detect.grid import BLOCK, STANDARD_GRAVITY
from edge_agent.detect.slab import SlabPlaces
from edge_agent.detect.step_screen import NOTHING, has_no_steps, is_largest, norm2_of
from edge_agent.detect.upright import Upright
from edge_agent.stream.chunk import Channel, Chunk

GATE_G2 = GATE_G * GATE_G

SOUND_G2 = 4800.0
"""|a|^2 up to which a made window is handed to the screen: clearly below a broken sample's."""

GRAVITY = np.array(np.float32(1.0 / STANDARD_GRAVITY))
"""As `Places` scales; an array, which numpy takes three times as fast as a scalar."""

MOST_BLOCKS = 4
"""Blocks whose |a|^2 are worked out at once: a call costs the same for 50 samples and 200."""

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
                if not self._is_ruled_out(impact, scale, self._bench.early_window):
                    found += self._judge(super()._decide_early, impact, due)
            while waiting and waiting[0][0] + AFTERMATH <= due:
                impact = waiting.pop(0)[0]
                if not self._is_ruled_out(impact, scale, self._bench.final_window):
                    found += self._judge(super()._decide, impact, due)
                elif self._learns_from(impact) and not self._passes_by(impact, scale):
                    found += self._judge(self._learn, impact, due)
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
            self._open_impact(start + int(most), largest)

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

    def _is_ruled_out(self, impact: int, scale: NDArray[np.float32], window: Window) -> bool:
        """Return whether the candidate is certainly no fall."""
        if impact < HISTORY:
            return False
        slab, bench = self.slab, self._bench
        at = 3 * (impact - HISTORY - slab.first_sample)
        window.flat[:] = slab.counts[at : at + len(window.flat)]
        screen = bench.final if window is bench.final_window else bench.early
        return screen.rules_out(window, scale.item() / STANDARD_GRAVITY)

    def _decide_early(self, impact: int, deciding: int) -> list[Detection]:
        """As `FallDecisions`, asking the screen first where the window is whole."""
        bench = self._bench
        if self._is_made_ruled_out(impact, bench.early, bench.early_window):
            return []
        return super()._decide_early(impact, deciding)

    def _decide(self, impact: int, deciding: int) -> list[Detection]:
        """As `FallDecisions`, asking the screen first where the window is whole."""
        bench = self._bench
        if not self._is_made_ruled_out(impact, bench.final, bench.final_window):
            return super()._decide(impact, deciding)
        return self._learn(impact, deciding) if self._learns_from(impact) else []

    def _passes_by(self, impact: int, scale: NDArray[np.float32]) -> bool:
        """Do what `_learn` does where there are certainly no steps, and return True there.

        The window is the one that was just ruled out.
        """
        rows, upright = self._bench.final_window.rows, self._upright
        impact_s = self.slab.place_time(impact)
        if upright is None or impact_s - self._last_s < SAME_FALL_S:
            return True
        norm2 = norm2_of(rows)
        largest = is_largest(norm2)
        if largest and has_no_steps(rows, norm2, scale.item() / STANDARD_GRAVITY):
            upright.look(NOTHING, impact_s)
            return True
        return largest is False

    def _learn(self, impact: int, deciding: int) -> list[Detection]:
        """Do what `_decide` does with a candidate that is no fall: look for steps before it."""
        slab, upright = self.slab, self._upright
        impact_s = slab.place_time(impact)
        since_s = impact_s - self._last_s
        slab.vectors(impact - HISTORY, impact + AFTERMATH)  # so that they are made once
        norm2 = slab.norm2(impact - APART, impact + APART + 1)
        if upright is None or since_s < SAME_FALL_S or norm2[norm2.argmax()] > norm2[APART]:
            return []
        window = np.array(slab.vectors(impact - HISTORY, impact + AFTERMATH), np.float64, order="C")
        seen = upright.look(window, impact_s)
        if seen is None or not self._recovery.take_steps(seen, impact_s):
            return []
        return [recovery_of(impact_s, slab.sample_time(deciding), since_s)]

    def _is_made_ruled_out(self, impact: int, screen: Screen, window: Window) -> bool:
        """Return whether a candidate whose places have to be made is certainly no fall."""
        slab, low, high = self.slab, impact - HISTORY, impact + screen.after
        if low < 0 or high > slab.filled:
            return False
        norm2 = slab.norm2(low, high)
        if not norm2[norm2.argmax()] < SOUND_G2:  # a hole is NaN, and that is the largest
            return False
        window.rows[:] = slab.vectors(low, high).T
        return screen.rules_out(window, 1.0)
