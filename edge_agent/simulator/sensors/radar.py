"""What a radar could see of one person: the truth behind every module's stream.

```
 spans --> Truth.at(t) --> radar_sip.py        MicRadar R60ABD1, R60AFD1
                       --> radar_tinyframe.py  MR60BHA2, LD6002C and MR60FDA2
                       --> radar_hilink.py     LD2450, LD2410
                       --> radar_ti.py         IWR6843, people tracking

       y ahead                        the radar is above the origin of the floor;
       |    person                    x to its right, y ahead of it, heights from the floor
       +------ x
```
A stream is a generator of (time in s, bytes), in order of time; one item is one frame.

Known weakness: one person, no ghosts from walls and fans, no lost and no damaged bytes (cut or
flip them afterwards); how often each report comes is only known where a constant says from where.
"""

import bisect
import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from edge_agent.simulator.sensors.shapes import smooth_step

STANDING_M = 1.62
SITTING_M = 1.15
IN_BED_M = 0.70
FALLEN_M = 0.30
"""Height of the highest point of a person (assumption); the bed's mattress lies at 0.5 m."""
FALL_S = 0.6
"""In which the height drops; descent of real falls (Choi et al., J Biomech 48(6), 2015)."""
RISE_S = 2.5
"""Any other change of height (assumption)."""

Stream = Iterator[tuple[float, bytes]]


class RadarState(StrEnum):
    """What the person does in the radar's room."""

    ABSENT = "absent"
    MOVING = "moving"
    STILL = "still"
    FALLEN = "fallen"


@dataclass(frozen=True, slots=True)
class RadarSpan:
    """A state from start_s to end_s; outside of all spans nobody is there.

    Attributes:
        at_m: place on the floor (x, y) at the beginning.
        to_m: place at the end; walked in a straight line. None: stays.
        in_bed: the person lies in bed.
        breath_rpm: breaths per minute, 0 while breath is held.
        heart_bpm: beats per minute.
    """

    start_s: float
    end_s: float
    state: RadarState
    at_m: tuple[float, float] = (0.0, 1.0)
    to_m: tuple[float, float] | None = None
    in_bed: bool = False
    breath_rpm: float = 15.0
    heart_bpm: float = 66.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One instant. Metres, m/s, seconds; `since_s` is how long the state has lasted.

    Attributes:
        there_for_s: how long somebody has been there, 0 when absent.
        gone_for_s: how long nobody has been there, 0 when present; infinite if never.
        breath: chest, -1 to 1; heart: pulse wave, -1 to 1.
    """

    state: RadarState
    x_m: float
    y_m: float
    vx_mps: float
    vy_mps: float
    top_m: float
    in_bed: bool
    since_s: float
    there_for_s: float
    gone_for_s: float
    breath_rpm: float
    heart_bpm: float
    breath: float
    heart: float

    @property
    def is_there(self) -> bool:
        """Return True when somebody is there."""
        return self.state is not RadarState.ABSENT

    @property
    def distance_m(self) -> float:
        """Return the distance on the floor."""
        return math.hypot(self.x_m, self.y_m)

    @property
    def radial_mps(self) -> float:
        """Return the speed away from the radar."""
        away = self.x_m * self.vx_mps + self.y_m * self.vy_mps
        return away / max(self.distance_m, 1e-6)


class Truth:
    """A timeline that can be asked for any instant."""

    def __init__(self, timeline: Sequence[RadarSpan]) -> None:
        """Check and keep a timeline.

        Raises:
            ValueError: spans overlap or are out of order.
        """
        end_s = -math.inf
        for span in timeline:
            if span.start_s < end_s or span.end_s <= span.start_s:
                raise ValueError(f"spans are in order and do not overlap, unlike {span}")
            end_s = span.end_s
        self._spans = _filled(timeline)
        self._ends_s = [span.end_s for span in self._spans]
        self._phases = _phases(self._spans)
        self._since = _beginnings(self._spans)

    def at(self, t: float) -> Seen:
        """Return what is true at a time."""
        index = bisect.bisect_right(self._ends_s, t)
        span = self._spans[index]
        breaths, beats = self._phases[index]
        state_s, there_s = self._since[index]
        into_s = t - span.start_s if math.isfinite(span.start_s) else 0.0
        x, y, vx, vy = _place(span, into_s)
        breath_turns = breaths + into_s * span.breath_rpm / 60.0
        beat_turns = beats + into_s * span.heart_bpm / 60.0
        is_there = span.state is not RadarState.ABSENT
        return Seen(
            state=span.state,
            x_m=x,
            y_m=y,
            vx_mps=vx,
            vy_mps=vy,
            top_m=self._top_m(index, t),
            in_bed=span.in_bed and is_there,
            since_s=t - state_s,
            there_for_s=t - there_s if is_there else 0.0,
            gone_for_s=0.0 if is_there else t - there_s,
            breath_rpm=span.breath_rpm,
            heart_bpm=span.heart_bpm,
            breath=math.sin(2.0 * math.pi * breath_turns) if span.breath_rpm else 0.0,
            heart=_pulse(beat_turns),
        )

    def _top_m(self, index: int, t: float) -> float:
        span = self._spans[index]
        now_m = _height_m(span)
        before_m = _height_m(self._spans[index - 1]) if index else now_m
        if before_m == 0.0 or now_m == 0.0:
            return now_m
        takes_s = FALL_S if span.state is RadarState.FALLEN else RISE_S
        progress = float(smooth_step(np.array((t - span.start_s) / takes_s)))
        return before_m + (now_m - before_m) * progress


def every(
    period_s: float,
    duration_s: float,
    random: np.random.Generator,
    *,
    first_s: float = 0.0,
    jitter_s: float = 0.004,
) -> Iterator[float]:
    """Return the times of a periodic report; a module's own clock does not drift, it jitters."""
    count = 0
    while (t := first_s + count * period_s) < duration_s:
        yield max(0.0, t + float(random.uniform(-jitter_s, jitter_s)))
        count += 1


def in_order(parts: Iterable[Iterator[tuple[float, bytes]]]) -> Stream:
    """Return several streams as one, by time."""
    return heapq.merge(*parts, key=lambda item: item[0])


def _filled(timeline: Sequence[RadarSpan]) -> list[RadarSpan]:
    """Return spans that cover all time: nobody is there in the holes."""
    spans: list[RadarSpan] = []
    end_s = -math.inf
    for span in timeline:
        if span.start_s > end_s:
            spans.append(RadarSpan(end_s, span.start_s, RadarState.ABSENT))
        spans.append(span)
        end_s = span.end_s
    spans.append(RadarSpan(end_s, math.inf, RadarState.ABSENT))
    return spans


def _phases(spans: Sequence[RadarSpan]) -> list[tuple[float, float]]:
    """Return breaths and beats before each span, so that neither jumps between two spans."""
    phases = []
    breaths = beats = 0.0
    for span in spans:
        phases.append((breaths, beats))
        length_s = span.end_s - span.start_s
        if math.isfinite(length_s):
            breaths += length_s * span.breath_rpm / 60.0
            beats += length_s * span.heart_bpm / 60.0
    return phases


def _beginnings(spans: Sequence[RadarSpan]) -> list[tuple[float, float]]:
    """Return since when the state and being there (or not) of each span have lasted."""
    beginnings: list[tuple[float, float]] = []
    state_s = there_s = -math.inf
    for index, span in enumerate(spans):
        if index and span.state is not spans[index - 1].state:
            state_s = span.start_s
            if RadarState.ABSENT in (span.state, spans[index - 1].state):
                there_s = span.start_s
        beginnings.append((state_s, there_s))
    return beginnings


def _place(span: RadarSpan, into_s: float) -> tuple[float, float, float, float]:
    x, y = span.at_m
    if span.to_m is None:
        return x, y, 0.0, 0.0
    length_s = span.end_s - span.start_s
    vx, vy = (span.to_m[0] - x) / length_s, (span.to_m[1] - y) / length_s
    return x + vx * into_s, y + vy * into_s, vx, vy


def _height_m(span: RadarSpan) -> float:
    match span.state:
        case RadarState.ABSENT:
            return 0.0
        case RadarState.FALLEN:
            return FALLEN_M
        case _ if span.in_bed:
            return IN_BED_M
        case RadarState.STILL:
            return SITTING_M
        case RadarState.MOVING:
            return STANDING_M


def _pulse(turns: float) -> float:
    """Return the pulse at the skin: a beat and its dicrotic wave (assumption)."""
    turn = 2.0 * math.pi * turns
    return 0.75 * math.sin(turn) + 0.25 * math.sin(2.0 * turn + 0.8)
