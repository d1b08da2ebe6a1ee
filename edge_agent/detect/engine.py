"""Falls of many streams in one pass: packets to a slab of bytes, one gate over all, few decisions.

```
 Samples --put--> slab of int16 --poll, each 1.25 s of samples--> gate: |counts|^2 --quiet--> done
                  (bytes only)                                        |
                                                                      +--loud--> FallDecisions
```
What is decided, and with what floats, is `Assembler` and `FallDetector` bit for bit. A put that
continues its stream is a copy of bytes; every other block (first, lost, late, new rate or scale)
goes through `Assembler`. The gate is allowed to be wrong only towards loud: it compares raw
counts, a grid sample is never longer than the longest raw sample it is made of, and the limit is
lowered by more than float32 can round. An impact is decided 1.25 s of samples after it at the
earliest, so looking that long after the first sample not yet looked at is never too late.
"""

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.detector import Detection
from edge_agent.detect.fall import GATE_G, FallDecisions
from edge_agent.detect.fall_features import AFTERMATH, HISTORY
from edge_agent.detect.fall_model import FallModel
from edge_agent.detect.grid import BLOCK, STANDARD_GRAVITY, Places
from edge_agent.stream.assemble import SILENCE_S, SLIP_S, Assembler
from edge_agent.stream.chunk import Channel, Chunk, Gap
from protocol.messages import Samples

SAMPLE = 6
"""Bytes of a sample: three axes of int16, little endian as they come."""

KEPT = HISTORY + AFTERMATH + BLOCK + 5
"""Places before the next block to look at that a decision may still ask for, and slack."""

HELD = 1920
"""Places a slab has room for: 11.5 kB at 100 Hz, moved to its front every 13 s."""

LIMIT_G2 = 0.999 * GATE_G * GATE_G
"""Gate on raw counts: lowered by a thousandth, float32 rounds by less than a millionth."""

MANY = 4
"""Streams due at once from which one pass over all is cheaper than one by one."""

PASS = 64
"""Streams of one pass, so that it stays in the cache."""

_NEVER = 1 << 62
"""Bytes: a stream that waits to be looked at is not due again."""

LONGEST_S = 1e8
"""Uptime (three years) up to which a sum of packet lengths cannot drift between two checks."""

_NOTHING = np.empty(0, dtype=np.float32)
_multiply = np.multiply
_WEIGHTS = np.ones(3, dtype=np.float32)


class SlabPlaces(Places):
    """A grid that is made from raw counts when asked for.

    Attributes:
        slab: the bytes of the latest samples; a sample that is missing is zero.
        counts: the same as int16.
        used: bytes of it that are samples.
        first_sample: index of the first sample in it.
        scales: (index of the first sample, scale), rising; more than one after a change.
    """

    def __init__(self) -> None:
        self.slab = bytearray()
        super().__init__()

    def begin(self, start_s: float, rate_hz: float) -> None:
        """Forget everything; the next sample lies at start_s.

        Raises:
            ValueError: the rate is outside RATES_HZ.
        """
        super().begin(start_s, rate_hz)
        size = SAMPLE * self.samples_for(HELD)
        if size != len(self.slab):
            self.slab = bytearray(size)
            self.counts: NDArray[np.int16] = np.frombuffer(self.slab, dtype="<i2")
        self.used = 0
        self.first_sample = 0
        self.scales: list[tuple[int, np.float32]] = []
        self._missing: NDArray[np.bool_] | None = None
        self.forget()

    def count_received(self) -> None:
        """Set `received` to what is in the slab."""
        self.received = self.first_sample + self.used // SAMPLE

    def first_of(self, place: int) -> int:
        """Return the index of the first sample a place is made of."""
        return self._fold * int(place * self._ratio)

    def wait_of(self) -> int:
        """Return how many samples after any one an impact in it is decided at the earliest."""
        if self._ratio == 1.0:
            return self._fold * AFTERMATH - self._fold + 1
        return max(0, int(self._fold * (AFTERMATH - 1) * self._ratio) - 1)

    def place_of(self, sample: int) -> int:
        """Return the first place, or one before it, that a sample is part of."""
        if self._ratio == 1.0:
            return sample // self._fold
        return max(0, int((sample // self._fold - 1) / self._ratio))

    def put(self, data: bytes, scale: float, missing: NDArray[np.bool_] | None) -> None:
        """Append samples for which there is room."""
        start, end = self.used, self.used + len(data)
        self.slab[start:end] = data
        self.used = end
        at = self.first_sample + start // SAMPLE
        factor = np.float32(scale)
        if not self.scales or self.scales[-1][1] != factor:
            self.scales.append((at, factor))
        if missing is not None:
            if self._missing is None:
                self._missing = np.zeros(len(self.slab) // SAMPLE, dtype=np.bool_)
            self._missing[start // SAMPLE : end // SAMPLE] = missing
        self.received = at + len(data) // SAMPLE

    def drop(self, most: int) -> int:
        """Forget the oldest samples, and return how many bytes that were.

        Args:
            most: bytes; rounded down so that the first sample left begins a place.
        """
        gone = most - most % (SAMPLE * self._fold)
        if gone <= 0:
            return 0
        slab, left = self.slab, self.used - gone
        slab[:left] = slab[gone : self.used]
        self.used = left
        self.first_sample += gone // SAMPLE
        if self._missing is not None:
            rest = self._missing[gone // SAMPLE :].copy()
            self._missing[: len(rest)] = rest
            self._missing[len(rest) :] = False
            if not rest.any():
                self._missing = None
        while len(self.scales) > 1 and self.scales[1][0] <= self.first_sample:
            del self.scales[0]
        return gone

    def forget(self) -> None:
        """Drop what was made; it is made again when asked for."""
        self._made_from = self._made_to = 0
        self._vectors: NDArray[np.float32] = _NOTHING
        self._norm2: NDArray[np.float32] = _NOTHING

    def first(self) -> int:
        """Return 0: the slab holds all that a decision may ask for."""
        return 0

    def fill(self, upto: int) -> None:
        """Count the places up to `upto` as filled."""
        self.filled = max(self.filled, upto)

    def vectors(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return places [start, stop), shape (3, n), g."""
        if start < self._made_from or stop > self._made_to:
            self._make(start, stop)
        return self._vectors[:, start - self._made_from : stop - self._made_from]

    def norm2(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return |a|^2 of places [start, stop), g^2."""
        if start < self._made_from or stop > self._made_to:
            self._make(start, stop)
        return self._norm2[start - self._made_from : stop - self._made_from]

    def _make(self, start: int, stop: int) -> None:
        """Make places [start, stop) as `Grid.fill` makes them."""
        fold, folded = self._fold, self.received // self._fold
        whole: NDArray[np.intp] | None = None
        low, high = start, stop
        if self._ratio != 1.0:
            place = np.arange(start, stop) * self._ratio
            whole = place.astype(np.intp)
            low, high = int(whole[0]), min(int(whole[-1]) + 2, folded)
        raw = self._samples(fold * low, fold * high)
        samples = raw
        if fold > 1:
            samples = raw[::fold] + raw[1::fold]
            for i in range(2, fold):
                samples += raw[i::fold]
        if whole is not None:
            share = (place - whole).astype(np.float32)[:, None]
            whole -= low
            begin = samples[whole]
            begin += (samples[np.minimum(whole + 1, len(samples) - 1)] - begin) * share
            samples = begin
        vectors = np.empty((3, stop - start), dtype=np.float32)
        np.multiply(samples.T, self._scale, out=vectors)
        squares = vectors * vectors
        norm2 = np.empty(stop - start, dtype=np.float32)
        np.add(squares[0], squares[1], out=norm2)
        norm2 += squares[2]
        self._made_from, self._made_to = start, stop
        self._vectors, self._norm2 = vectors, norm2

    def _samples(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop), shape (n, 3), m/s^2, NaN where missing."""
        first = self.first_sample
        counts = self.counts[3 * (start - first) : 3 * (stop - first)].reshape(-1, 3)
        values = counts.astype(np.float32)
        if len(self.scales) == 1:
            values *= self.scales[0][1]
        else:
            end = stop
            for begin, scale in reversed(self.scales):
                values[max(0, begin - start) : max(0, end - start)] *= scale
                end = begin
        if self._missing is not None:
            values[self._missing[start - first : stop - first]] = np.nan
        return values


class _Count(Assembler):
    """An assembler that can be told of blocks that went past it."""

    def resume(self, next_index: int, end_s: float) -> None:
        self._next_index, self._end_s = next_index, end_s

    def steady_index(self) -> int:
        """Return the index that continues the stream, or -1 where there is none."""
        if self._next_index is None or self._silent_until_s is not None:
            return -1
        return self._next_index


class _Decisions(FallDecisions):
    """The detector over a slab."""

    def __init__(self, channel: Channel, model: FallModel | None) -> None:
        self.slab = SlabPlaces()
        super().__init__(self.slab, channel, model, keep_candidates=False)

    def waits(self) -> bool:
        """Return whether an impact is open."""
        return bool(self._open)

    def needed(self) -> int:
        """Return the samples with which something happens next."""
        return self._needed

    def next_block(self) -> int:
        """Return the first place that was not looked at."""
        return self._block_end - BLOCK

    def align(self, chunk: Chunk) -> list[Detection]:
        """As `FallDetector.update` does before it takes the samples."""
        return self._align(chunk)

    def skip(self, clear: int) -> None:
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

    def run(self) -> list[Detection]:
        """Do everything the received samples suffice for."""
        found: list[Detection] = []
        while self.slab.received >= self._needed:
            found += self._step()
        self.slab.forget()
        return found


class _Stream:
    """What a put needs to know of a stream, beside the exact path it falls back to.

    `used`, `clear`, `due` and `room` are bytes in the slab: samples before `clear` are quiet,
    the stream is looked at from `due` on.
    """

    __slots__ = (
        "assembler",
        "clear",
        "count",
        "counts",
        "decisions",
        "due",
        "end_s",
        "kept",
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
        "used",
        "wait",
    )

    def __init__(self, number: int, channel: Channel, model: FallModel | None) -> None:
        self.number = number
        self.assembler = _Count(channel)
        self.decisions = _Decisions(channel, model)
        self.places = self.decisions.slab
        self.next_index = -1
        self.period_us = self.length = self.count = 0
        self.scale = self.span_s = self.end_s = self.limit = 0.0
        self.begin()

    def begin(self) -> None:
        """Take up a slab that was emptied."""
        places = self.places
        self.slab, self.counts, self.room = places.slab, places.counts, len(places.slab)
        self.used = self.clear = 0
        self.wait = SAMPLE * places.wait_of()
        self.due = self.wait
        self.kept = SAMPLE * places.first_of(KEPT + 3)

    def hand_over(self) -> None:
        """Let the exact path know what came since."""
        if self.next_index >= 0:
            self.assembler.resume(self.next_index, self.end_s)
        self.places.used = self.used
        self.places.count_received()

    def take_back(self, block: Samples | None) -> None:
        """Let the next put be a copy of bytes, when all is as it should be after a block."""
        places, assembler = self.places, self.assembler
        self.end_s = assembler.end_s or 0.0
        self.next_index = -1
        if block is not None:
            self.period_us, self.scale = block.period_us, block.scale
            largest = max(abs(float(scale)) for _, scale in places.scales)
            shrink = STANDARD_GRAVITY / largest if largest else float("inf")
            self.limit = LIMIT_G2 * shrink * shrink
            self.set_length(len(block.data))
        quantity = assembler.channel.quantity
        if (
            places.received
            and 1e6 / self.period_us == places.rate_hz
            and 32768 * abs(self.scale) <= min(-quantity.low, quantity.high)
            and self.is_on_time()
        ):
            self.next_index = assembler.steady_index()

    def is_on_time(self) -> bool:
        """Return whether stamps and count agree so well that a few blocks cannot part them."""
        places = self.places
        received = places.first_sample + self.used // SAMPLE
        late_s = abs(self.end_s - places.start_s - received * places.period_s)
        return late_s < 0.25 * places.period_s and self.end_s < LONGEST_S

    def set_length(self, length: int) -> bool:
        """Expect blocks of this many bytes."""
        if not length or length % SAMPLE:
            return False
        self.length, self.count = length, length // SAMPLE
        self.span_s = self.count / self.places.rate_hz
        return True

    def plan(self) -> None:
        """Set where to look next, after the exact path looked at what there is."""
        places = self.places
        if self.decisions.waits():
            self.due = SAMPLE * (self.decisions.needed() - places.first_sample)
        else:
            first = places.first_of(self.decisions.next_block())
            self.clear = SAMPLE * (first - places.first_sample)
            self.due = self.clear + self.wait

    def compact(self) -> None:
        """Make room in the slab."""
        places = self.places
        if self.next_index >= 0 and not self.is_on_time():
            self.hand_over()
            self.next_index = -1
        places.used = self.used
        base = self.clear
        if self.decisions.waits():
            first = places.first_of(self.decisions.next_block())
            base = SAMPLE * (first - places.first_sample)
        gone = places.drop(base - self.kept)
        if not gone:
            return
        self.used -= gone
        self.clear -= gone
        self.due -= gone


class FallEngine:
    """Fall detection of many acceleration channels, each of one boot of a unit.

    `put` what comes in, in the order it came; `poll` as often as detections are wanted, at least
    once for every drain of a link. Nothing is decided later, in samples, than by `FallDetector`.
    """

    def __init__(self, model: FallModel | None = None) -> None:
        self._model = model
        self._streams: list[_Stream] = []
        self._due: list[_Stream] = []
        self._found: list[tuple[int, Detection]] = []
        self._set_size(3 * BLOCK)

    def add(self, channel: Channel) -> int:
        """Return the number of a new stream.

        Raises:
            ValueError: the channel has not three axes.
        """
        if channel.quantity.axes != 3:
            raise ValueError(f"a fall detector takes three axes, not {channel.quantity.axes}")
        one = _Stream(len(self._streams), channel, self._model)
        self._streams.append(one)
        return one.number

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
        one = self._streams[stream]
        data = block.data
        length = len(data)
        if (
            block.index == one.next_index
            and length == one.length
            and block.scale == one.scale
            and block.period_us == one.period_us
            and block.axes == 3
        ):
            end_s = one.end_s
            if -SLIP_S < block.uptime_ms / 1000 - end_s < SLIP_S:
                used = one.used
                end = used + length
                if end <= one.room:
                    one.slab[used:end] = data
                    one.used = end
                    one.next_index = (one.next_index + one.count) & 0xFFFFFFFF
                    one.end_s = end_s + one.span_s
                    if end >= one.due:
                        one.due = _NEVER
                        self._due.append(one)
                    return
        self._put_anyhow(one, block)

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
        if found:
            self._found = []
        return found

    def check_silence(self, stream: int, uptime_s: float) -> list[tuple[int, Detection]]:
        """Decide what is open when nothing has come for a second, once for each silence."""
        one = self._streams[stream]
        if uptime_s - one.end_s >= SILENCE_S:
            one.hand_over()
            gap = one.assembler.check_silence(uptime_s)
            if gap is not None:
                self._end(one, gap)
        return self.poll()

    def gap(self, stream: int, gap: Gap) -> list[tuple[int, Detection]]:
        """Decide what is open with the context there is, and begin anew."""
        one = self._streams[stream]
        one.hand_over()
        self._end(one, gap)
        return self.poll()

    def _end(self, one: _Stream, gap: Gap) -> None:
        """Decide what is open, and let the next block go the exact way."""
        one.next_index = -1
        self._settle(one)
        self._report(one, one.decisions.gap(gap))
        one.begin()

    def _report(self, one: _Stream, found: list[Detection]) -> None:
        for detection in found:
            self._found.append((one.number, detection))

    def _put_anyhow(self, one: _Stream, block: Samples) -> None:
        """Take a block that is not just the next bytes of its stream."""
        if one.next_index >= 0:
            length = len(block.data)
            if length != one.length and one.set_length(length):
                self.put(one.number, block)
                return
            if one.used + length > one.room:
                one.compact()
                if one.used + length <= one.room:
                    self.put(one.number, block)
                    return
        one.hand_over()
        parts = one.assembler.add(block)
        if not parts:
            return
        one.next_index = -1
        self._settle(one)
        for part in parts:
            if isinstance(part, Gap):
                self._report(one, one.decisions.gap(part))
                one.begin()
                continue
            self._report(one, one.decisions.align(part))
            if not one.places.received:
                one.begin()
            self._store(one, block, part)
        one.take_back(block)

    def _store(self, one: _Stream, block: Samples, chunk: Chunk) -> None:
        """Append the samples of a chunk, in pieces where it is longer than the room."""
        lost = len(chunk.values) - block.count
        data = bytes(SAMPLE * lost) + block.data
        at = 0
        while at < len(data):
            if one.used == one.room:
                one.compact()
            end = min(len(data), at + one.room - one.used)
            missing = chunk.missing
            if missing is not None:
                missing = missing[at // SAMPLE : end // SAMPLE]
            one.places.put(data[at:end], block.scale, missing)
            one.used = one.places.used
            at = end
            if one.used >= one.due:
                self._settle(one)

    def _settle(self, one: _Stream) -> None:
        """Look at everything the exact way."""
        one.places.used = one.used
        one.places.count_received()
        one.decisions.skip(one.places.first_sample + one.clear // SAMPLE)
        self._report(one, one.decisions.run())
        one.plan()

    def _look(self, one: _Stream) -> None:
        """Look at one stream: the gate first, unless an impact is open."""
        if one.decisions.waits() or not self._is_quiet(one):
            self._settle(one)
        else:
            one.clear = one.used
            one.due = one.used + one.wait

    def _is_quiet(self, one: _Stream) -> bool:
        start, stop = one.clear >> 1, one.used >> 1
        if stop - start != self._size:
            if stop == start:
                return True
            self._set_size(stop - start)
        squares, norms = self._squares, self._norms
        squares[:] = one.counts[start:stop]
        _multiply(squares, squares, squares)
        self._triples.dot(_WEIGHTS, norms)
        return bool(norms[norms.argmax()] < one.limit)

    def _set_size(self, size: int) -> None:
        """Prepare the gate of one stream for this many counts."""
        self._size = size
        self._squares = np.empty(size, dtype=np.float32)
        self._triples = self._squares.reshape(-1, 3)
        self._norms = np.empty(size // 3, dtype=np.float32)

    def _look_at_all(self, due: list[_Stream]) -> None:
        """Look at many streams: one gate over all of them."""
        gated: list[_Stream] = []
        starts: list[int] = []
        pieces: list[bytearray] = []
        total = 0
        for one in due:
            if one.decisions.waits() or one.clear >= one.used:
                self._look(one)
                continue
            gated.append(one)
            pieces.append(one.slab[one.clear : one.used])
            starts.append(total)
            total += (one.used - one.clear) // SAMPLE
        if not gated:
            return
        squares = np.frombuffer(b"".join(pieces), dtype="<i2").astype(np.float32)
        np.multiply(squares, squares, out=squares)
        norms = squares[::3] + squares[1::3]
        norms += squares[2::3]
        largest = np.maximum.reduceat(norms, starts).tolist()
        for one, norm in zip(gated, largest, strict=True):
            if norm < one.limit:
                one.clear = one.used
                one.due = one.used + one.wait
            else:
                self._settle(one)
