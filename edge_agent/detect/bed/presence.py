r"""Somebody or nobody on a bed, from the strip alone: `bed_entered`, `bed_left`, `sensor_stuck`.

```
 from      to                                     when
 nobody    somebody   bed_entered    beats for 5 s; the load back with 5 s of moves; any load with
 unknown   somebody   bed_entered    breath for 8 s or moves in 8 s of a minute
 somebody  nobody     bed_left       load gone for off_delay; half of it gone and 15 s without life;
                                     no level kept: a move, then 30 s without life
 unknown   nobody     bed_left       60 s without life under less than half a load
 any       unknown    sensor_stuck   30 s of one value or none; a load without life for 300 s
```
Load is `share = (level - rest) / (full - rest)`: `rest` is the level of the empty bed, learnt while
it is empty, `full` the level while somebody lies there. Life is a beat, a breath or a move. Nobody
leaves a bed without unloading the strip or moving, so breath that ceases under a load that stays is
never `bed_left`. Turning over unloads a strip for less than `off_delay_s` or shows life.

What this says is not for `Respiration.occupied`: a body without life on half a load counts as gone
here after 15 s, and must not hide `breathing_stopped`, which comes after 20.

On 48 simulated nights of 20 min (turns, tossing, the edge; J wave to noise 10 to 2): 192 of 192
changes told and no other, in after 6.1 s (p95 7.4), out after 3.2 s (p95 3.3).

Known weakness: who rolls off the strip and lies still beside it is told as gone; a partner's beats
reach the strip; without a level learnt before, somebody is known by beats or breath, 15 to 30 s
late; on the edge with less than `LEFT_SHARE` has left. More load must be a higher level.
"""

import math

from edge_agent.detect.bed.life import BEATS_S, BREATHS_S, FILTERS, STIR_S, Life
from edge_agent.detect.detector import Detection
from edge_agent.stream.chunk import Channel, Chunk, Gap
from edge_agent.stream.filters import Block, BlockFilter

LEFT_SHARE = 0.15
"""Of the load's level; the edge of the bed leaves 0.19 and more (simulator), who left 0 to 0.1."""

HALF_SHARE = 0.5
BACK_SHARE = 0.4
"""Below the first a quiet load is somebody who left something; above the second one is back."""

RISE_NOISE = 30.0
"""A level this many times the deviation of the empty bed above rest is a load: 0.03 to 0.15 V on
the simulator, where somebody lying makes 1.4 V and more."""

KEEPS_LEVEL = 10.0
"""A strip keeps a level when the load's is this many times the deviation of a breath; FSRs have
200 and more, piezo film 3."""

MOVES_S = 8
"""Seconds of moves under a load within `STIR_S` that make somebody of it."""

LAST_S = 10
BACK_MOVES_S = 5
"""Seconds of moves within `LAST_S` that come with getting in; what is laid down makes three."""

QUIET_S = 15.0
GONE_S = 30.0
NOBODY_S = 60.0
LIFELESS_S = 300.0
"""Seconds without a sign of life until a half load, a strip without level, or a strip nobody was
seen on is empty; and until a whole load is a fault."""

STILL_S = 3
"""Seconds without a move after which a level is believed."""

STUCK_S = 30
"""Seconds of one and the same value, or of none: the converter of a strip that lives never repeats
itself (1 in 100 to 400 samples on the recordings)."""

LONG_GAP_S = 60.0
"""After this nobody knows who is in the bed."""

FOLLOW = 0.05
"""Share by which rest and full follow the level in a quiet second."""


class BedPresence:
    """Streaming presence on one strip.

    Attributes:
        occupied: None while unknown.
        stuck: True from `sensor_stuck` until the value changes, or somebody or nobody is seen.
    """

    def __init__(self, channel: Channel, on_delay_s: float = 3.0, off_delay_s: float = 3.0) -> None:
        self.channel = channel
        self.occupied: bool | None = None
        self.stuck = False
        self._on_s, self._off_s = on_delay_s, off_delay_s
        self._filter = BlockFilter(FILTERS)
        self._life = Life()
        self._rest: float | None = None
        self._full: float | None = None
        self._noise = math.inf
        self._begin()

    def update(self, chunk: Chunk) -> list[Detection]:
        """Take the next chunk (V, or any linear scale).

        Raises:
            ValueError: the chunk has more than one axis, or its rate cannot be taken.
        """
        found = []
        for block in self._filter.put(chunk):
            if block is None:
                self._begin()
                continue
            one = self._second(block)
            if one is not None:
                found.append(one)
        return found

    def gap(self, gap: Gap) -> list[Detection]:
        """Begin the signal anew; what was known stays known through a short gap."""
        self._filter.begin(gap.end_s)
        if not gap.end_s - gap.start_s <= LONG_GAP_S:
            self.occupied = None
        self._begin()
        return []

    def _begin(self) -> None:
        """Forget the signal, not rest and full."""
        self._life.begin()
        self._same_s = 0
        self._since_s: float | None = None

    def _second(self, block: Block) -> Detection | None:
        slow, fast = block.outputs
        begin_s, end_s = block.start_s, block.start_s + 1.0 / block.stretch
        level = float(slow.sum()) / len(slow)
        activity = math.sqrt(float(fast @ fast) / len(fast))
        if activity == 0.0 or block.missing > 0.5:
            return self._repeat(begin_s, end_s, level, block.missing)
        if self._same_s:
            self.stuck = self.stuck and self._same_s < STUCK_S
            self._same_s, self._since_s = 0, None
        self._life.second(block, activity, bool(self.occupied))
        self._learn(level)
        seen = self._judge(level, end_s)
        if seen is None or seen == self.occupied:
            self._since_s = None
            return self._lifeless(level, end_s)
        if self._since_s is None:
            self._since_s = begin_s
        by_level = self._full is not None and not self._life.beats_s
        delay_s = (self._on_s if seen else self._off_s) if by_level else 0.0
        if end_s - self._since_s < delay_s:
            return None
        return self._turn(seen, end_s, level)

    def _learn(self, level: float) -> None:
        """Follow the levels of the empty and of the loaded strip while it is quiet."""
        life = self._life
        if not life.is_still(STILL_S):
            return
        self._noise = min(self._noise, life.calm)
        if self.occupied is None and (self._rest is None or level < self._rest):
            self._rest = level
        elif self.occupied is False and self._rest is not None and not self._loaded(level):
            self._rest += FOLLOW * (level - self._rest)
            self._noise += FOLLOW * (life.calm - self._noise)
        if self.occupied and (life.beats_s or life.breaths_s):
            share = self._share(level)
            if self._full is None:
                self._full = level
            elif share is None or share > LEFT_SHARE:
                self._full += FOLLOW * (level - self._full)

    def _share(self, level: float) -> float | None:
        """Return how much of the load is there; None on a strip that keeps no level."""
        if self._full is None or self._rest is None:
            return None
        rest = self._rest if self._rest < HALF_SHARE * self._full else min(0.0, self._rest)
        if not self._full - rest > max(RISE_NOISE * self._noise, KEEPS_LEVEL * self._life.depth):
            return None
        return (level - rest) / (self._full - rest)

    def _loaded(self, level: float) -> bool:
        """Tell whether something lies on the strip."""
        share = self._share(level)
        if share is not None:
            return share >= BACK_SHARE
        return self._rest is not None and level - self._rest > RISE_NOISE * self._noise

    def _judge(self, level: float, end_s: float) -> bool | None:
        """Tell what this second says: somebody, nobody, or nothing new."""
        life = self._life
        assert life.sign_s is not None
        share, still_s = self._share(level), end_s - life.sign_s
        if self.occupied:
            if share is None:
                return False if life.stirred and still_s >= GONE_S else None
            gone = share < LEFT_SHARE or (share < HALF_SHARE and still_s >= QUIET_S)
            return False if gone else None
        if life.beats_s >= BEATS_S and (share is None or share >= LEFT_SHARE):
            return True
        if self._loaded(level):
            back = share is not None and life.moves(LAST_S) >= BACK_MOVES_S
            if back or life.breaths_s >= BREATHS_S or life.moves(STIR_S) >= MOVES_S:
                return True
        if self.occupied is None and (share is None or share < HALF_SHARE):
            return False if still_s >= NOBODY_S else None
        return None

    def _turn(self, occupied: bool, end_s: float, level: float) -> Detection:
        assert self._since_s is not None
        onset_s, self._since_s = self._since_s, None
        share = self._share(level)
        self.occupied, self.stuck = occupied, False
        if not occupied:
            self._life.leave()
        evidence = {"level": level, "beats_s": float(self._life.beats_s)}
        if share is not None:
            evidence["level_share"] = share
        if occupied:
            reason = "beats of a heart" if self._life.beats_s >= BEATS_S else "load of a person"
            return Detection("bed_entered", onset_s, end_s, 0.9, evidence, reason)
        gone = share is not None and share < LEFT_SHARE
        reason = "load gone" if gone else "no sign of a person"
        return Detection("bed_left", onset_s, end_s, 0.9 if gone else 0.6, evidence, reason)

    def _lifeless(self, level: float, end_s: float) -> Detection | None:
        """Tell of a load that has not lived for long; it may be a thing, or a dead cable."""
        since_s = self._life.sign_s
        assert since_s is not None
        still_s = end_s - since_s
        if not self.occupied or still_s < LIFELESS_S:
            return None
        what = f"no sign of life for {still_s:.0f} s"
        return self._stick(since_s, end_s, {"level": level, "still_s": still_s}, what)

    def _repeat(self, begin_s: float, end_s: float, level: float, lost: float) -> Detection | None:
        """Count a second without any change, or without numbers."""
        if not self._same_s:
            self._since_s = begin_s
        self._same_s += 1
        if self._same_s < STUCK_S or self.stuck:
            return None
        assert self._since_s is not None
        since_s = self._since_s
        same_s = self._same_s
        self._begin()
        self._same_s = same_s
        evidence = {"level": level, "missing": lost, "still_s": end_s - since_s}
        what = "no numbers" if lost > 0.5 else "one and the same value"
        return self._stick(since_s, end_s, evidence, f"{what} for {end_s - since_s:.0f} s")

    def _stick(
        self, onset_s: float, end_s: float, evidence: dict[str, float], reason: str
    ) -> Detection:
        self.occupied, self.stuck, self._life.sign_s = None, True, None
        return Detection("sensor_stuck", onset_s, end_s, 1.0, evidence, reason)
