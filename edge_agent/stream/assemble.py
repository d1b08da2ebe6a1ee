"""Samples messages of one channel to evenly sampled chunks with honest holes and gaps.

```
 index      0..9 | 10..19 | 30..39        | 90..99
 lost                     20..29: hole      40..89: gap
 chunks     [0..9] [10..19] [20..39 masked]  Gap  [90..99]
```
"""

import numpy as np
from numpy.typing import NDArray

from edge_agent.stream.chunk import HOLE_LIMIT_S, Channel, Chunk, Gap
from protocol.messages import Samples

SILENCE_S = 1.0
"""No block for this long: the channel is silent, and open candidates are decided."""
SLIP_S = 0.05
"""How far a unit's stamps may run from the count of its samples before we follow them."""


class Assembler:
    """Joins the blocks of one channel of one boot of a unit."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.lost = 0
        """Samples that never came."""
        self.stale = 0
        """Blocks that came twice or too late."""
        self._next_index: int | None = None
        self._end_s = 0.0
        self._rate_hz = 0.0
        self._last: NDArray[np.float32] | None = None
        self._silent_until_s: float | None = None

    @property
    def end_s(self) -> float | None:
        """Return the time just after the last sample, or None before the first."""
        return self._end_s if self._next_index is not None else None

    def add(self, block: Samples) -> list[Chunk | Gap]:
        """Take the next block and return what is whole now, in order of time."""
        quantity = self.channel.quantity
        if block.axes != quantity.axes:
            self.stale += 1
            return []
        rate_hz = 1e6 / block.period_us
        values = np.frombuffer(block.data, dtype="<i2").reshape(-1, block.axes)
        values = values.astype(np.float32) * np.float32(block.scale)
        start_s = block.uptime_ms / 1000
        parts: list[Chunk | Gap] = []
        missing: NDArray[np.bool_] | None = None
        lost = self._lost_before(block, rate_hz, start_s)
        if lost is None:
            return []
        if lost < 0:  # a new beginning: the first block, or what no count can bridge
            if self._next_index is not None:
                parts.append(Gap(self.channel, self._gap_start(), max(start_s, self._end_s)))
        elif lost / rate_hz > HOLE_LIMIT_S:
            self.lost += lost
            parts.append(Gap(self.channel, self._gap_start(), max(start_s, self._end_s)))
        else:
            self.lost += lost
            continued_s = self._end_s + lost / rate_hz
            if abs(start_s - continued_s) < SLIP_S:
                start_s = continued_s
            if lost and self._last is not None:
                start_s -= lost / rate_hz
                values = np.concatenate([np.tile(self._last, (lost, 1)), values])
                missing = np.zeros(len(values), dtype=np.bool_)
                missing[:lost] = True
        missing = self._mask_impossible(values, block.scale, missing)
        self._next_index = (block.index + block.count) & 0xFFFFFFFF
        self._rate_hz = rate_hz
        self._end_s = start_s + len(values) / rate_hz
        self._last = values[-1].copy()
        self._silent_until_s = None
        parts.append(Chunk(self.channel, start_s, rate_hz, values, missing))
        return parts

    def check_silence(self, uptime_s: float) -> Gap | None:
        """Return the gap so far when nothing has come for a second, once for each silence."""
        if self._next_index is None or self._silent_until_s is not None:
            return None
        if uptime_s - self._end_s < SILENCE_S:
            return None
        self._silent_until_s = uptime_s
        return Gap(self.channel, self._end_s, uptime_s)

    def _gap_start(self) -> float:
        return self._end_s if self._silent_until_s is None else self._silent_until_s

    def _lost_before(self, block: Samples, rate_hz: float, start_s: float) -> int | None:
        """Return how many samples are missing before a block.

        -1 means that the count cannot say (first block, new rate, counter began anew), None
        that the block is old news.
        """
        if self._next_index is None or abs(rate_hz - self._rate_hz) > 1e-6 * rate_hz:
            return -1
        ahead = (block.index - self._next_index) & 0xFFFFFFFF
        if ahead < 0x80000000:
            return ahead if ahead / rate_hz < 2 * (start_s - self._end_s) + 1.0 else -1
        if start_s >= self._end_s:
            return -1
        self.stale += 1
        return None

    def _mask_impossible(
        self, values: NDArray[np.float32], scale: float, missing: NDArray[np.bool_] | None
    ) -> NDArray[np.bool_] | None:
        """Mask what no sensor of this quantity can measure."""
        quantity = self.channel.quantity
        if 32768 * abs(scale) <= min(-quantity.low, quantity.high):
            return missing  # no count of this scale can be outside
        outside = np.logical_or(values < quantity.low, values > quantity.high)
        wrong = np.logical_or.reduce(outside, axis=1)
        if not wrong.any():
            return missing
        return wrong if missing is None else np.logical_or(missing, wrong)
