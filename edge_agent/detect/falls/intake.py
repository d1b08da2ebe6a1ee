"""What the engine keeps of one stream: when a block is only more bytes, and when to look.

```
  slab   |  kept  |quiet until here|  came since  |            room|
         0        .              clear          used   due        end
```
"""

from edge_agent.detect.detector import Detection
from edge_agent.detect.falls.fall import GATE_G
from edge_agent.detect.falls.features import AFTERMATH, EARLY, HISTORY
from edge_agent.detect.falls.grid import BLOCK, STANDARD_GRAVITY
from edge_agent.detect.falls.model import FallModel
from edge_agent.detect.falls.slab import SAMPLE
from edge_agent.detect.falls.slab_decisions import SlabDecisions, Workbench
from edge_agent.detect.falls.upright import Upright
from edge_agent.stream.assemble import Assembler
from edge_agent.stream.chunk import Channel, Chunk, Gap
from protocol.messages import Samples

KEPT = HISTORY + AFTERMATH + BLOCK + 5
"""Places before the next block to look at that a decision may still ask for, and slack."""

LIMIT_G2 = 0.999 * GATE_G * GATE_G
"""Gate on raw counts: lowered by a thousandth, float32 rounds by less than a millionth."""

LONGEST_S = 1e8
"""Uptime (three years) up to which a sum of packet lengths cannot drift between two checks."""

NEVER = 1 << 62
"""Bytes: a stream that waits to be looked at is not due again."""


class _Count(Assembler):
    """An assembler that can be told of blocks that went past it."""

    def resume(self, next_index: int, end_s: float) -> None:
        self._next_index, self._end_s = next_index, end_s

    def steady_index(self) -> int:
        """Return the index that continues the stream, or -1 where there is none."""
        if self._next_index is None or self._silent_until_s is not None:
            return -1
        return self._next_index


class Intake:
    """One stream: the exact path, and what lets a block go past it as a copy of bytes.

    Attributes:
        number: of the stream.
        assembler, decisions, places: the exact path.
        next_index: of the block that continues the stream, or -1 when the next one has to go
            the exact way.
        length, count, span_s, period_us, scale: of that block.
        end_s: time just after the last sample.
        used, clear, room: bytes in the slab: samples, those known to be quiet, all there is.
        due: bytes at which there is something to look at.
        stop: bytes from which on a put has more to do than to copy.
        is_busy: whether it is no use to ask the gate, since something is going on.
        limit: counts squared: below it a sample cannot pass the gate.
    """

    __slots__ = (
        "_kept",
        "_wait",
        "assembler",
        "clear",
        "count",
        "counts",
        "decisions",
        "due",
        "end_s",
        "is_busy",
        "length",
        "limit",
        "next_index",
        "number",
        "period_us",
        "places",
        "room",
        "scale",
        "slab",
        "span_s",
        "stop",
        "used",
    )

    def __init__(
        self,
        number: int,
        channel: Channel,
        model: FallModel,
        bench: Workbench,
        upright: Upright | None,
    ) -> None:
        self.number = number
        self.assembler = _Count(channel)
        self.decisions = SlabDecisions(channel, model, bench, upright)
        self.places = self.decisions.slab
        self.next_index = -1
        self.period_us = self.length = self.count = 0
        self.scale = self.span_s = self.end_s = self.limit = 0.0
        self.is_busy = False
        self.used = self.clear = self.due = self.stop = self.room = 0
        self._wait = self._kept = 0
        self._begin()

    def fits(self, block: Samples) -> bool:
        """Return whether a block that did not just continue the stream does after all.

        It was longer or shorter than the one before, or there was no room for it.
        """
        if self.next_index < 0:
            return False
        length = len(block.data)
        if length != self.length:
            return self._expect(length)
        if self.used + length <= self.room:
            return False
        self._compact()
        return self.next_index >= 0 and self.used + length <= self.room

    def take(self, block: Samples) -> list[Detection]:
        """Take a block the exact way, and return what that decides."""
        self._hand_over()
        parts = self.assembler.add(block)
        if not parts:
            return []
        self.next_index = -1
        found = self.settle()
        for part in parts:
            if isinstance(part, Gap):
                found += self.decisions.gap(part)
                self._begin()
                continue
            found += self.decisions.align(part)
            if not self.places.received:
                self._begin()
            found += self._store(block, part)
        self._take_back(block)
        return found

    def gap(self, gap: Gap) -> list[Detection]:
        """Decide what is open with the context there is, and begin anew."""
        self._hand_over()
        return self._end(gap)

    def check_silence(self, uptime_s: float) -> list[Detection]:
        """Decide what is open when nothing has come for a second, once for each silence."""
        self._hand_over()
        gap = self.assembler.check_silence(uptime_s)
        return [] if gap is None else self._end(gap)

    def settle(self) -> list[Detection]:
        """Look at everything the exact way, and set where to look next."""
        places, decisions = self.places, self.decisions
        first = places.first_sample
        places.used = self.used
        places.received = first + self.used // SAMPLE
        found = decisions.run(first + self.clear // SAMPLE)
        block, decision = decisions.block, decisions.decision
        self.is_busy = decisions.is_loud or decision >= 0
        if places.plain is not None:
            self.clear = SAMPLE * (block - first)
            soonest = block + EARLY
            if 0 <= decision < soonest:
                soonest = decision
            self.due = due = SAMPLE * (soonest - first)
            self.stop = due if due <= self.room else self.room + 1
            return found
        self.clear = SAMPLE * (places.first_of(block) - first)
        due = self.clear + self._wait
        if decision >= 0:
            due = min(due, SAMPLE * (places.samples_for(decision) - first))
        self.aim(due)
        return found

    def pass_quiet(self) -> None:
        """Note that everything there is was quiet."""
        used = self.used
        self.clear = used
        self.due = due = used + self._wait
        self.stop = due if due <= self.room else self.room + 1

    def aim(self, due: int) -> None:
        """Set where to look next, in bytes."""
        self.due = due
        self.stop = min(due, self.room + 1)

    def _begin(self) -> None:
        """Take up a slab that was emptied."""
        places = self.places
        self.slab, self.counts, self.room = places.slab, places.counts, len(places.slab)
        self.used = self.clear = 0
        self._wait = SAMPLE * places.wait_of(EARLY)
        self._kept = SAMPLE * places.first_of(KEPT + 3)
        self.aim(self._wait)

    def _end(self, gap: Gap) -> list[Detection]:
        self.next_index = -1
        found = self.settle()
        found += self.decisions.gap(gap)
        self._begin()
        return found

    def _hand_over(self) -> None:
        """Let the exact path know what came since."""
        if self.next_index >= 0:
            self.assembler.resume(self.next_index, self.end_s)
        self.places.used = self.used
        self.places.count_received()

    def _take_back(self, block: Samples) -> None:
        """Let the next put be a copy of bytes, when all is as it should be after a block."""
        places, assembler = self.places, self.assembler
        self.end_s = assembler.end_s or 0.0
        self.next_index = -1
        self.period_us, self.scale = block.period_us, block.scale
        largest = max(abs(float(scale)) for _, scale in places.scales)
        shrink = STANDARD_GRAVITY / largest if largest else float("inf")
        self.limit = LIMIT_G2 * shrink * shrink
        self._expect(len(block.data))
        quantity = assembler.channel.quantity
        if (
            places.received
            and 1e6 / self.period_us == places.rate_hz
            and 32768 * abs(self.scale) <= min(-quantity.low, quantity.high)
            and self._is_on_time()
        ):
            self.next_index = assembler.steady_index()

    def _is_on_time(self) -> bool:
        """Return whether stamps and count agree so well that a few blocks cannot part them."""
        places = self.places
        received = places.first_sample + self.used // SAMPLE
        late_s = abs(self.end_s - places.start_s - received * places.period_s)
        return late_s < 0.25 * places.period_s and self.end_s < LONGEST_S

    def _expect(self, length: int) -> bool:
        """Expect blocks of this many bytes."""
        if not length or length % SAMPLE:
            return False
        self.length, self.count = length, length // SAMPLE
        self.span_s = self.count / self.places.rate_hz
        return True

    def _store(self, block: Samples, chunk: Chunk) -> list[Detection]:
        """Append the samples of a chunk, in pieces where it is longer than the room."""
        lost = len(chunk.values) - block.count
        data = bytes(SAMPLE * lost) + block.data
        found: list[Detection] = []
        at = 0
        while at < len(data):
            if self.used == self.room:
                self._compact()
            end = min(len(data), at + self.room - self.used)
            missing = chunk.missing
            if missing is not None:
                missing = missing[at // SAMPLE : end // SAMPLE]
            self.places.put(data[at:end], block.scale, missing)
            self.used = self.places.used
            at = end
            if self.used >= self.due:
                found += self.settle()
        return found

    def _compact(self) -> None:
        """Make room in the slab."""
        places, decisions = self.places, self.decisions
        if self.next_index >= 0 and not self._is_on_time():
            self._hand_over()
            self.next_index = -1
        places.used = self.used
        base = self.clear
        if decisions.decision >= 0:
            base = SAMPLE * (places.first_of(decisions.block) - places.first_sample)
        gone = places.drop(base - self._kept)
        if gone:
            self.used -= gone
            self.clear -= gone
            self.aim(self.due - gone)
