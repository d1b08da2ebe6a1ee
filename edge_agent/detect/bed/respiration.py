r"""Breaths per minute from a bed strip, and `breathing_stopped` when they cease.

```
 strip --> 1.6 s raised cosine, 10 Hz --> 30 s window --> comb of lags --> tracker --> Rate
      |             |
      |             +--> depth: deviation of 8 s from a straight line --> breath | none
      +--> 0.6 to 10 Hz, 1 s deviation --> moves

 rhythm of breath or beats: a person     no breath within 20 s --> Detection, once
      ^                                             |
      +---- a move: not known, the time goes on; the level falls: bed left, forgotten
```
Both answers are independent: no value of the rate is needed to tell that breathing stopped, and
silence of the rate never delays it. It is told when, for `STOPPED_S`, the chest moved less than
`STOPPED_SHARE` of its usual depth, somebody is on the bed and does not move. Somebody is on the
bed when the bed's own sensor says so (`occupied`), or when a rhythm of breath or beats was seen
and the strip's level, counted from its zero, has not fallen since to less than half, where leaving
the bed takes it. The heart need not beat on for the alarm.

Known weakness: an obstructed breath whose chest still works is a breath to a strip; breathing
that gets shallow slowly, over minutes, is followed as usual depth down to the noise; who was never
seen breathing cannot be seen to stop; a strip that does not keep a level (piezo film) needs
`occupied` for an alarm after a move; speech gives no rate.
"""

import math
from collections import deque
from enum import Enum, auto

import numpy as np

from edge_agent.detect.bed.beats import HEART, Beats
from edge_agent.detect.bed.rhythm import Floats, Rate, Reason, Rhythm
from edge_agent.detect.detector import Detection
from edge_agent.stream.chunk import Channel, Chunk, Gap
from edge_agent.stream.filters import Block, BlockFilter, Filter

PLACES_HZ = 10
WINDOW_S = 30
"""Four breaths at 8 a minute."""

BAND_HZ = (0.1, 0.7)
RATES_RPM = (6.0, 40.0)
"""6 to 40 breaths a minute: bradypnoea of an opiate to tachypnoea of pneumonia."""

FOUND_STRENGTH = 0.45
KEPT_STRENGTH = 0.25
"""The comb of a rhythm that begins to be told, and of one that goes on. Higher than the heart's:
the band is narrow, and noise in a narrow band looks like a rhythm."""

PERSON_STRENGTHS = (0.35, 0.2)
"""The same once a heartbeat or the bed's sensor has shown that it is a person who breathes: an
empty bed that drifts passes 0.35 in one second of ten, and has no heart."""

LEAST_CERTAINTY = 0.7
STEADY_S = 5

MOVE_RATIO = 4.0
"""A second with this many times the calm deviation is a move."""

CALM_S = 120
CALM_SHARE = 0.3
"""Seconds whose lower third is calm: a minute of tossing does not make tossing calm."""

DEPTH_S = 8
"""Window of the depth: a breath of 7.5 s (8 a minute) always shows in it."""

STOPPED_S = 20.0
"""Seconds without breath that raise. Source: American Academy of Pediatrics, "Apnea, sudden
infant death syndrome, and home monitoring", Pediatrics 111(4), 2003 (20 s or longer); sleep
medicine counts from 10 s on (AASM manual), which healthy sleepers have."""

STOPPED_SHARE = 0.3
"""Of the usual depth; sleep medicine takes 0.1 of the flow for an apnoea, which the strip's noise
and the heart's own sway do not let through."""

RESUMED_SHARE = 0.5
"""Depth that is a breath again."""

BREATH_TO_BEAT = 0.5
"""Least depth, relative to the deviation of the fast band, that is a breath: in the middle 1.4
to 2.9 on the recordings and the simulator, 0.17 on an empty bed."""

USUAL_DEPTH_S = 60
"""Seconds of known depth whose median is the usual one ..."""

ENOUGH_DEPTH_S = 15
"""... and how many it takes."""

BREATH_KNOWN_S = 30
BEAT_KNOWN_S = 10
"""Seconds in a row with a rhythm of breath, or of beats, that make a person of a signal."""

KEEPS_LEVEL = 10.0
"""A strip keeps a level when that is this many times the usual depth; FSRs have 200 and more."""

LEVEL_RATE = 0.05
"""Share by which the usual level follows in a second: half in 14 s (creep under load)."""

LEVEL_SHARE = 0.5
"""Of the level while breathing was seen; below, the bed was left. Turning over leaves more."""

LEFT_S = 3
"""Seconds the level must be low."""

UNKNOWN_S = 14.0
"""Longest stretch in which nothing is known (a move and the 8 s after it) that does not end a
pause of breath."""

BRIDGED_GAP_S = 2.0
"""Longest gap that does not end a pause of breath; a breath does not fit in unseen."""

_SLOW = Filter(PLACES_HZ, None, 1.6)
_TINY = 1e-30


class _Seen(Enum):
    BREATH = auto()
    NONE = auto()
    UNKNOWN = auto()


class Respiration:
    """Streaming respiration of one strip."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._filter = BlockFilter([_SLOW, HEART])
        self._rhythm = Rhythm(WINDOW_S * PLACES_HZ, PLACES_HZ, BAND_HZ, RATES_RPM)
        self._window = np.zeros(WINDOW_S * PLACES_HZ)
        places = np.arange(DEPTH_S * PLACES_HZ) - 0.5 * (DEPTH_S * PLACES_HZ - 1)
        self._slope = places / math.sqrt(float(places @ places))
        self._beats = Beats()
        self._told: bool | None = None
        self._forget()
        self._begin()

    def update(self, chunk: Chunk) -> list[Rate | Detection]:
        """Take the next chunk; return a rate for each second it completed, and what stopped.

        Raises:
            ValueError: the chunk has more than one axis, or its rate cannot be taken.
        """
        found: list[Rate | Detection] = []
        for block in self._filter.put(chunk):
            if block is None:
                self._forget_pause()
                self._begin()
            else:
                found += self._second(block)
        return found

    def gap(self, gap: Gap) -> list[Rate | Detection]:
        """Restart the filters; a pause of breath goes on through a short gap only."""
        if not gap.end_s - gap.start_s <= BRIDGED_GAP_S:
            self._forget_pause()
        self._filter.begin(gap.end_s)
        self._begin()
        return []

    def occupied(self, occupied: bool | None) -> None:
        """Take what the bed's own sensor knows; None when it knows nothing."""
        if occupied is False and self._told is not False:
            self._forget()
        self._told = occupied

    def _begin(self) -> None:
        """Forget the signal, not the person."""
        self._count = 0
        self._activity: deque[float] = deque(maxlen=CALM_S)
        self._missing: deque[float] = deque(maxlen=WINDOW_S)
        self._moved: deque[bool] = deque(maxlen=WINDOW_S)
        self._strength: deque[float] = deque(maxlen=STEADY_S)
        self._rhythm.restart()
        self._telling = False

    def _forget(self) -> None:
        """Forget the person."""
        self._person = self._sure = False
        self._depths: deque[float] = deque(maxlen=USUAL_DEPTH_S)
        self._depth: float | None = None
        self._level = 0.0
        self._breaths_s = self._beats_s = self._low_s = 0
        self._beats.begin()
        self._forget_pause()

    def _forget_pause(self) -> None:
        self._pause_s: float | None = None
        self._known_s = -math.inf
        self._raised = False

    def _second(self, block: Block) -> list[Rate | Detection]:
        slow, fast = block.outputs
        window, size = self._window, len(slow)
        window[:-size] = window[size:]
        window[-size:] = slow
        self._count += 1
        now_s = block.start_s + 1.0 / block.stretch
        level = float(slow.sum()) / size
        activity = float(np.sqrt(fast @ fast / len(fast)))
        self._activity.append(activity)
        self._missing.append(block.missing)
        calm = sorted(self._activity)[int(CALM_SHARE * len(self._activity))]
        self._moved.append(activity > MOVE_RATIO * calm or block.missing > 0.5)
        depth = self._measure_depth()
        rate = self._rate(now_s - 0.5 * WINDOW_S / block.stretch, block.stretch)
        seen = self._judge(depth)
        if seen is _Seen.NONE:
            rate = Rate(rate.at_s, None, 0.0, Reason.NO_BREATH)
        elif rate.bpm is not None and (depth is None or depth < BREATH_TO_BEAT * activity):
            rate = Rate(rate.at_s, None, 0.0, Reason.NO_SIGNAL)
        self._know(rate, block)
        if seen is not _Seen.NONE:
            self._learn(depth, level)
        self._watch_level(level)
        stopped = self._watch_breath(seen, now_s, depth, level)
        return [rate] if stopped is None else [rate, stopped]

    def _measure_depth(self) -> float | None:
        """Return the deviation of the last DEPTH_S from a straight line; None when unknown."""
        if self._count < DEPTH_S or any(list(self._moved)[-DEPTH_S:]):
            return None
        part = self._window[-DEPTH_S * PLACES_HZ :]
        part = part - part.mean()
        part -= self._slope * float(self._slope @ part)
        return math.sqrt(float(part @ part) / len(part))

    def _rate(self, at_s: float, stretch: float) -> Rate:
        if self._count < WINDOW_S:
            return Rate(at_s, None, 0.0, Reason.WARMING_UP)
        reason = None
        if sum(self._missing) > 0.2 * WINDOW_S:
            reason = Reason.MISSING
        elif any(self._moved):
            reason = Reason.MOVEMENT
        comb = None if reason else self._comb()
        estimate = self._rhythm.step(comb)
        if estimate is None:
            self._strength.clear()
            self._telling = False
            return Rate(at_s, None, 0.0, reason or Reason.NO_SIGNAL)
        self._strength.append(estimate.strength)
        strength = sum(self._strength) / len(self._strength)
        quality = estimate.certainty * min(1.0, max(0.0, strength))
        person = self._person if self._told is None else self._told
        found, kept = PERSON_STRENGTHS if person else (FOUND_STRENGTH, KEPT_STRENGTH)
        least = kept if self._telling else found
        steady = len(self._strength) == STEADY_S and strength >= least
        self._telling = steady and estimate.certainty >= LEAST_CERTAINTY
        if not self._telling:
            return Rate(at_s, None, quality, Reason.NO_RHYTHM)
        return Rate(at_s, estimate.per_minute * stretch, quality, None)

    def _comb(self) -> Floats | None:
        # The slope in place of the level: the drift of strip and mattress becomes white noise.
        window = np.diff(self._window, prepend=self._window[0])
        size = math.sqrt(float(window @ window) / len(window))
        if size < _TINY:
            return None
        return self._rhythm.comb(window * (1.0 / size))

    def _judge(self, depth: float | None) -> _Seen:
        """Tell whether the last DEPTH_S hold a breath."""
        if depth is None or self._depth is None or not (self._sure or self._told):
            return _Seen.UNKNOWN
        share = RESUMED_SHARE if self._raised else STOPPED_SHARE
        return _Seen.NONE if depth < share * self._depth else _Seen.BREATH

    def _know(self, rate: Rate, block: Block) -> None:
        """Learn from a rhythm that there is a person; doubt it after a move without level."""
        kept = self._depth is not None and abs(self._level) > KEEPS_LEVEL * self._depth
        if self._moved[-1] and not kept:
            self._person = False
            self._breaths_s = self._beats_s = 0
        if self._person:
            return
        self._breaths_s = self._breaths_s + 1 if rate.bpm is not None else 0
        beats = self._beats.second(block, block.outputs[1])
        self._beats_s = self._beats_s + 1 if beats.bpm is not None else 0
        self._person = self._breaths_s >= BREATH_KNOWN_S or self._beats_s >= BEAT_KNOWN_S
        if self._person:
            self._beats.begin()
            if not self._sure:
                # What was measured before may be of an empty bed.
                self._depths = deque(list(self._depths)[-ENOUGH_DEPTH_S:], USUAL_DEPTH_S)
                self._sure = True

    def _learn(self, depth: float | None, level: float) -> None:
        """Follow usual depth and level."""
        if depth is None or self._pause_s is not None or (self._sure and not self._person):
            return
        self._depths.append(depth)
        if len(self._depths) < ENOUGH_DEPTH_S:
            self._level = level
            return
        self._depth = sorted(self._depths)[len(self._depths) // 2]
        self._level += LEVEL_RATE * (level - self._level)

    def _watch_level(self, level: float) -> None:
        """Forget the person when the strip was relieved, unless the bed's sensor knows better."""
        if not self._person or self._depth is None or self._told:
            self._low_s = 0
            return
        # Against zero, whichever way the converter counts: an unloaded strip reads near it.
        low = level * math.copysign(1.0, self._level) < LEVEL_SHARE * abs(self._level)
        self._low_s = self._low_s + 1 if low else 0
        if self._low_s >= LEFT_S:
            self._forget()

    def _watch_breath(
        self, seen: _Seen, now_s: float, depth: float | None, level: float
    ) -> Detection | None:
        """Time the pause and tell once when it is too long."""
        if seen is _Seen.BREATH:
            self._pause_s, self._raised = None, False
            self._known_s = now_s
            return None
        if seen is _Seen.UNKNOWN:
            if now_s - self._known_s > UNKNOWN_S:
                self._pause_s = None
            return None
        self._known_s = now_s
        if self._pause_s is None:
            self._pause_s = now_s - DEPTH_S
        pause_s = now_s - self._pause_s
        here = self._person if self._told is None else self._told
        if pause_s < STOPPED_S or self._raised or not here or self._low_s:
            return None
        assert depth is not None
        assert self._depth is not None
        self._raised = True
        share = depth / max(self._depth, _TINY)
        evidence = {
            "pause_s": pause_s,
            "depth_share": share,
            "level_share": level / self._level if self._level else 0.0,
            "occupied_told": 1.0 if self._told else 0.0,
        }
        reason = f"No breath for {pause_s:.0f} s: {100.0 * share:.0f} % of the usual depth, no move"
        score = 1.0 - 0.5 * min(1.0, share / STOPPED_SHARE)
        return Detection("breathing_stopped", self._pause_s, now_s, score, evidence, reason + ".")
