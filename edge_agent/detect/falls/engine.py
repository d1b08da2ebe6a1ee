"""Falls of many streams in one pass: packets to slabs of bytes, one gate over all, few decisions.

```
 Samples --put--> slab of int16 --poll, each 0.75 s of samples--> gate: |counts|^2 --quiet--> done
                  (bytes only)                                        |
                                                                      +--loud--> SlabDecisions
```
What is decided, and with what floats, is `Assembler` and `FallDetector` bit for bit. A put that
continues its stream is a copy of bytes; every other block (first, lost, late, new rate or scale)
goes through `Assembler`. The gate is allowed to be wrong only towards loud: it compares raw
counts, a grid sample is never longer than the longest raw sample it is made of, and the limit is
lowered by more than float32 can round. An impact is judged 0.75 s of samples after it at the
earliest, so looking that long after the first sample not yet looked at is never too late.
"""

from collections.abc import Iterable
from itertools import accumulate

import numpy as np

from edge_agent.detect.detector import Detection
from edge_agent.detect.falls.calibration import Calibration
from edge_agent.detect.falls.grid import BLOCK
from edge_agent.detect.falls.intake import NEVER, Intake
from edge_agent.detect.falls.model import FallModel, shipped_model
from edge_agent.detect.falls.screen import screens_of, shipped_screens
from edge_agent.detect.falls.slab import SAMPLE
from edge_agent.detect.falls.slab_decisions import Workbench
from edge_agent.detect.falls.upright import Upright
from edge_agent.stream.assemble import SILENCE_S, SLIP_S
from edge_agent.stream.chunk import Channel, Gap
from protocol.messages import Samples

MANY = 4
"""Streams due at once from which one pass over all is cheaper than one by one."""

PASS = 64
"""Streams of one pass, so that it stays in the cache."""

_ONES = np.ones(3, dtype=np.float32)
_multiply = np.multiply


class FallEngine:
    """Fall detection of many acceleration channels; `end_boot` between two boots of a unit.

    `put` what comes in, in the order it came; `poll` as often as detections are wanted, at least
    once for every drain of a link. Nothing is decided later, in samples, than by `FallDetector`.
    """

    def __init__(self, model: FallModel | None = None) -> None:
        self._model = shipped_model() if model is None else model
        self._bench = Workbench(shipped_screens() if model is None else screens_of(model))
        self._streams: list[Intake] = []
        self._uprights: list[Upright | None] = []
        self._calibrations: dict[int, Calibration] = {}
        self._due: list[Intake] = []
        self._found: list[tuple[int, Detection]] = []
        self._set_size(3 * BLOCK)

    def add(self, channel: Channel, upright: Upright | None = None) -> int:
        """Return the number of a new stream, whose wearer's upright posture may be learnt.

        Raises:
            ValueError: the channel has not three axes.
        """
        if channel.quantity.axes != 3:
            raise ValueError(f"a fall detector takes three axes, not {channel.quantity.axes}")
        number = len(self._streams)
        self._uprights.append(upright)
        self._streams.append(Intake(number, channel, self._model, self._bench, upright))
        return number

    def calibrate(self, stream: int, calibration: Calibration) -> None:
        """Let a stream learn its wearer's own impacts, also over later boots."""
        self._calibrations[stream] = calibration
        self._streams[stream].decisions.calibration = calibration

    def lost(self, stream: int) -> int:
        """Return the samples of a stream that never came."""
        return self._streams[stream].assembler.lost

    def stale(self, stream: int) -> int:
        """Return the blocks of a stream that came twice or too late."""
        return self._streams[stream].assembler.stale

    def end_s(self, stream: int) -> float | None:
        """Return the time just after the last sample, or None before the first."""
        one = self._streams[stream]
        return None if one.assembler.end_s is None else one.end_s

    def put(self, stream: int, block: Samples) -> None:
        """Take the next block of a stream."""
        self.put_all(((stream, block),))

    def put_all(self, drained: Iterable[tuple[int, Samples]]) -> None:
        """Take blocks of any streams, each with its stream's number, in the order they came."""
        streams, due = self._streams, self._due
        for number, block in drained:
            one = streams[number]
            index = block.index
            data = block.data
            if (
                index == one.next_index
                and len(data) == one.length
                and block.scale == one.scale
                and block.period_us == one.period_us
                and block.axes == 3
                and -SLIP_S < block.uptime_ms / 1000 - one.end_s < SLIP_S
            ):
                used = one.used
                end = used + one.length
                if end <= one.room:
                    one.slab[used:end] = data
                    one.used = end
                    one.next_index = (index + one.count) & 0xFFFFFFFF
                    one.end_s += one.span_s
                    if end >= one.stop:
                        one.due, one.stop = NEVER, one.room + 1
                        due.append(one)
                    continue
            if one.fits(block):
                self.put(number, block)
            else:
                self._report(one, one.take(block))

    def poll(self) -> list[tuple[int, Detection]]:
        """Return what was decided since the last time, as (stream, detection)."""
        due = self._due
        if due:
            self._due = []
            if len(due) < MANY:
                for one in due:
                    self._look(one)
            else:
                for at in range(0, len(due), PASS):
                    self._look_at_all(due[at : at + PASS])
        found = self._found
        if not found:
            return []
        self._found = []
        return found

    def check_silence(self, stream: int, uptime_s: float) -> list[tuple[int, Detection]]:
        """Decide what is open when nothing has come for a second, once for each silence."""
        one = self._streams[stream]
        if uptime_s - one.end_s >= SILENCE_S:
            self._report(one, one.check_silence(uptime_s))
        return self.poll()

    def gap(self, stream: int, gap: Gap) -> list[tuple[int, Detection]]:
        """Decide what is open with the context there is, and begin anew."""
        one = self._streams[stream]
        self._report(one, one.gap(gap))
        return self.poll()

    def end_boot(self, stream: int) -> list[tuple[int, Detection]]:
        """Decide what is open and forget the stream's past: its next block begins a new time line.

        A gap is not enough for that: after it, a count and a time that went back are old news.
        What was lost goes on being counted; the upright posture has to be learnt again.
        """
        one = self._streams[stream]
        end_s = self.end_s(stream)
        if end_s is not None:
            self._report(one, one.gap(Gap(one.assembler.channel, end_s, end_s)))
        self._due = [each for each in self._due if each is not one]
        upright = self._uprights[stream]
        if upright is not None:
            upright.pass_gap(-1.0)
        fresh = Intake(stream, one.assembler.channel, self._model, self._bench, upright)
        fresh.assembler.lost, fresh.assembler.stale = self.lost(stream), self.stale(stream)
        fresh.decisions.calibration = self._calibrations.get(stream)
        self._streams[stream] = fresh
        return self.poll()

    def _report(self, one: Intake, found: list[Detection]) -> None:
        for detection in found:
            self._found.append((one.number, detection))

    def _look(self, one: Intake) -> None:
        """Look at one stream: the gate first, unless something is going on."""
        start, stop = one.clear >> 1, one.used >> 1
        if one.is_busy or start == stop:
            self._report(one, one.settle())
            return
        if stop - start != self._size:
            self._set_size(stop - start)
        squares, norms = self._squares, self._norms
        squares[:] = one.counts[start:stop]
        _multiply(squares, squares, squares)
        self._triples.dot(_ONES, norms)
        if norms.item(norms.argmax()) < one.limit:
            one.pass_quiet()
        else:
            self._report(one, one.settle())

    def _set_size(self, size: int) -> None:
        """Prepare the gate of one stream for this many counts."""
        self._size = size
        self._squares = np.empty(size, dtype=np.float32)
        self._triples = self._squares.reshape(-1, 3)
        self._norms = np.empty(size // 3, dtype=np.float32)

    def _look_at_all(self, due: list[Intake]) -> None:
        """Look at many streams: one gate over all of them, and one number where all are quiet."""
        gated = [one for one in due if not one.is_busy and one.clear < one.used]
        if len(gated) < len(due):
            for one in due:
                if one.is_busy or one.clear == one.used:
                    self._report(one, one.settle())
            if not gated:
                return
        pieces = [one.slab[one.clear : one.used] for one in gated]
        squares = np.frombuffer(b"".join(pieces), dtype="<i2").astype(np.float32)
        _multiply(squares, squares, squares)
        norms = squares.reshape(-1, 3).dot(_ONES)
        if norms.item(norms.argmax()) < min([one.limit for one in gated]):
            for one in gated:
                one.pass_quiet()
            return
        starts = [0, *accumulate(map(len, pieces[:-1]))]
        largest = np.maximum.reduceat(norms, np.array(starts) // SAMPLE)
        for one, norm in zip(gated, largest.tolist(), strict=True):
            if norm < one.limit:
                one.pass_quiet()
            else:
                self._report(one, one.settle())
