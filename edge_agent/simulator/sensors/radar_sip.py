"""MicRadar modules as they talk, SIP-S: R60ABD1 (bed, vitals), R60AFD1 (falls).

```
 53 59 | control | command | LEN hi lo | data .. LEN bytes | SUM | 54 43
 SUM = sum of every byte from 53 to the last of data, & FF; numbers are big endian, coordinates
 have a sign bit (15) and a magnitude
```
Source: frames of a real 30 s capture and a session log of an R60A (bae-air-lab/Cattle_Radar), and
public drivers; how often each report comes is taken from that log.
"""

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge_agent.simulator.sensors.radar import (
    RadarSpan,
    RadarState,
    Seen,
    Stream,
    Truth,
    every,
    in_order,
)
from edge_agent.simulator.sensors.shapes import random_of

BAUD = 115_200

MOVEMENT_EVERY_S = 1.02
DISTANCE_EVERY_S = 2.04
PLACE_EVERY_S = 2.04
RATE_EVERY_S = 3.07
"""Seconds between two reports of 80/03, 80/04, 80/05, and of 81/02 and 85/02 (session log)."""
WAVE_EVERY_S = 1.0
WAVE_POINTS = 5
"""81/05 and 85/05: five points a second (not verified)."""
KEEPALIVE_EVERY_S = 60.0
"""01/01 (not verified; one came in the 30 s of the capture)."""
LOOK_EVERY_S = 0.2
"""The module's own frame; reports on change come on its beat (session log)."""

APPEAR_S = 0.6
"""Until somebody who comes in is present (assumption)."""
DISAPPEAR_S = 30.0
"""Until somebody who left is absent. Source: chinasem.cn/article/861438, R60ABD1."""
INTO_BED_S = 5.0
"""Until somebody who lies is in bed (assumption)."""
SETTLE_S = 15.0
"""Stillness before breath and heart are reported (assumption; a C1001 takes 2 minutes)."""
VITALS_WITHIN_M = 1.5
HEART_BPM = (60, 120)
BREATH_RPM = (0, 35)
"""Ranges of the module's vitals; a slower heart is reported as 60."""
NORMAL_RPM = (10, 25)
"""81/01: slower is low, faster is high (not verified)."""
FALL_AFTER_S = 10.0
"""Until the fall flag (a user of a MR60FDA2 reports about 10 s); a setting of the module."""
RESIDENCY_AFTER_S = 60.0
"""Until somebody who neither moves nor leaves counts as resident; a setting of the module."""

_WAVE_CENTRE = 128


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One target of 82/02; names inferred from one public sample. cm and cm/s."""

    index: int
    size: int
    feature: int
    x: float
    y: float
    height: float
    speed: float


def sip_frame(control: int, command: int, payload: bytes) -> bytes:
    """Return a frame."""
    head = b"\x53\x59" + struct.pack(">BBH", control, command, len(payload)) + payload
    return head + bytes((sum(head) & 0xFF,)) + b"\x54\x43"


def sip_coordinate(value: float) -> bytes:
    """Return a coordinate in sign and magnitude; minus zero keeps its sign, as modules send it."""
    magnitude = min(0x7FFF, round(abs(value)))
    sign = 0x8000 if math.copysign(1.0, value) < 0.0 else 0
    return struct.pack(">H", sign | magnitude)


def sip_place(x_cm: float, y_cm: float, z_cm: float) -> bytes:
    """Return report 80/05."""
    return sip_frame(0x80, 0x05, b"".join(map(sip_coordinate, (x_cm, y_cm, z_cm))))


def sip_distance(distance_cm: int) -> bytes:
    """Return report 80/04."""
    return sip_frame(0x80, 0x04, struct.pack(">H", distance_cm))


def sip_trajectories(targets: Sequence[Trajectory]) -> bytes:
    """Return report 82/02."""
    rows = [
        bytes((one.index, one.size, one.feature))
        + b"".join(map(sip_coordinate, (one.x, one.y, one.height, one.speed)))
        for one in targets
    ]
    return sip_frame(0x82, 0x02, b"".join(rows))


def r60abd1(timeline: Sequence[RadarSpan], duration_s: float, seed: int) -> Stream:
    """Return what an R60ABD1 in sleep mode sends over a bed.

    Presence, motion, body movement, distance, place, breath and heart with their waves, in and
    out of bed. Vitals come while somebody has been still within 1.5 m for a while.
    """
    truth = Truth(timeline)

    def random(purpose: int) -> np.random.Generator:
        return random_of(seed, purpose)

    def when(
        period_s: float, purpose: int, make: Callable[[Seen, np.random.Generator], bytes | None]
    ) -> Iterator[tuple[float, bytes]]:
        return _periodic(truth, period_s, duration_s, random(purpose), make)

    return in_order(
        (
            _keepalives(duration_s, random(0)),
            _presence(truth, duration_s, random(1)),
            _bed(truth, duration_s, random(2)),
            when(MOVEMENT_EVERY_S, 3, _movement),
            when(DISTANCE_EVERY_S, 4, _distance),
            when(PLACE_EVERY_S, 5, _place),
            when(RATE_EVERY_S, 6, _breath_rate),
            when(RATE_EVERY_S, 7, _heart_rate),
            _waves(truth, duration_s, random(8)),
        )
    )


def r60afd1(
    timeline: Sequence[RadarSpan],
    duration_s: float,
    seed: int,
    *,
    fall_after_s: float = FALL_AFTER_S,
) -> Stream:
    """Return what an R60AFD1 under the ceiling sends: presence, motion, fall, residency.

    Args:
        timeline: spans in order that do not overlap.
        duration_s: length of the stream.
        seed: of jitter and noise.
        fall_after_s: how long somebody lies before the module's own fall flag.
    """
    truth = Truth(timeline)
    return in_order(
        (
            _keepalives(duration_s, random_of(seed, 0)),
            _presence(truth, duration_s, random_of(seed, 1)),
            _falls(truth, duration_s, random_of(seed, 2), fall_after_s),
            _periodic(truth, MOVEMENT_EVERY_S, duration_s, random_of(seed, 3), _movement),
        )
    )


def _is_noticed(seen: Seen, was_there: bool) -> bool:
    if seen.is_there:
        return was_there or seen.there_for_s >= APPEAR_S
    return was_there and seen.gone_for_s < DISAPPEAR_S


def _has_vitals(seen: Seen) -> bool:
    still = seen.state is RadarState.STILL and seen.since_s >= SETTLE_S
    return still and seen.distance_m <= VITALS_WITHIN_M


def _keepalives(duration_s: float, random: np.random.Generator) -> Iterator[tuple[float, bytes]]:
    first_s = float(random.uniform(0.0, KEEPALIVE_EVERY_S))
    for t in every(KEEPALIVE_EVERY_S, duration_s, random, first_s=first_s):
        yield t, sip_frame(0x01, 0x01, b"\x0f")


def _periodic(
    truth: Truth,
    period_s: float,
    duration_s: float,
    random: np.random.Generator,
    make: Callable[[Seen, np.random.Generator], bytes | None],
) -> Iterator[tuple[float, bytes]]:
    first_s = float(random.uniform(0.0, period_s))
    for t in every(period_s, duration_s, random, first_s=first_s):
        frame = make(truth.at(t), random)
        if frame is not None:
            yield t, frame


def _presence(
    truth: Truth, duration_s: float, random: np.random.Generator
) -> Iterator[tuple[float, bytes]]:
    """Yield 80/01 and 80/02 when they change, and once in the beginning."""
    was_there, was_motion = -1, -1
    for t in every(LOOK_EVERY_S, duration_s, random):
        seen = truth.at(t)
        is_there = int(_is_noticed(seen, was_there == 1))
        motion = 0
        if is_there:
            motion = 2 if seen.state is RadarState.MOVING else 1
        if is_there != was_there:
            yield t, sip_frame(0x80, 0x01, bytes((is_there,)))
        if motion != was_motion:
            yield t, sip_frame(0x80, 0x02, bytes((motion,)))
        was_there, was_motion = is_there, motion


def _bed(
    truth: Truth, duration_s: float, random: np.random.Generator
) -> Iterator[tuple[float, bytes]]:
    """Yield 84/01 (in bed) and 81/01 (state of the breath) when they change."""
    was_in_bed, was_breath = -1, -1
    is_in_bed = 0
    changing_since_s = 0.0
    for t in every(LOOK_EVERY_S, duration_s, random):
        seen = truth.at(t)
        if seen.in_bed == bool(is_in_bed):
            changing_since_s = t
        takes_s = INTO_BED_S if seen.is_there else DISAPPEAR_S
        if t - changing_since_s >= takes_s:
            is_in_bed = int(seen.in_bed)
        breath = 4
        if _has_vitals(seen) and seen.breath_rpm > 0.0:
            low, high = NORMAL_RPM
            breath = 3 if seen.breath_rpm < low else 2 if seen.breath_rpm > high else 1
        if is_in_bed != was_in_bed:
            yield t, sip_frame(0x84, 0x01, bytes((is_in_bed,)))
        if breath != was_breath:
            yield t, sip_frame(0x81, 0x01, bytes((breath,)))
        was_in_bed, was_breath = is_in_bed, breath


def _falls(
    truth: Truth, duration_s: float, random: np.random.Generator, fall_after_s: float
) -> Iterator[tuple[float, bytes]]:
    """Yield 83/01 (fall) and 83/05 (static residency) when they change."""
    was_fallen, was_resident = -1, -1
    for t in every(LOOK_EVERY_S, duration_s, random):
        seen = truth.at(t)
        fallen = int(seen.state is RadarState.FALLEN and seen.since_s >= fall_after_s)
        still = seen.state in (RadarState.STILL, RadarState.FALLEN)
        resident = int(still and seen.since_s >= RESIDENCY_AFTER_S)
        if fallen != was_fallen:
            yield t, sip_frame(0x83, 0x01, bytes((fallen,)))
        if resident != was_resident:
            yield t, sip_frame(0x83, 0x05, bytes((resident,)))
        was_fallen, was_resident = fallen, resident


def _movement(seen: Seen, random: np.random.Generator) -> bytes:
    """Return 80/03: 1 to 4 for a still person as in the session log, 0 for nobody."""
    match seen.state:
        case RadarState.MOVING:
            value = int(random.integers(25, 85))
        case RadarState.ABSENT:
            value = 0
        case _:
            value = int(random.choice((1, 1, 1, 1, 2, 3, 4)))
    return sip_frame(0x80, 0x03, bytes((value,)))


def _distance(seen: Seen, random: np.random.Generator) -> bytes | None:
    if not seen.is_there:
        return None
    return sip_distance(max(0, round(100.0 * seen.distance_m + float(random.normal(0.0, 1.0)))))


def _place(seen: Seen, random: np.random.Generator) -> bytes | None:
    if not seen.is_there:
        return None
    x, y = 100.0 * np.array([seen.x_m, seen.y_m]) + random.normal(0.0, 4.0, 2)
    return sip_place(round(x), round(y), 0)


def _breath_rate(seen: Seen, random: np.random.Generator) -> bytes | None:
    if not _has_vitals(seen):
        return None
    rate = 0
    if seen.breath_rpm > 0.0:
        rate = round(seen.breath_rpm + float(random.normal(0.0, 0.7)))
    return sip_frame(0x81, 0x02, bytes((int(np.clip(rate, *BREATH_RPM)),)))


def _heart_rate(seen: Seen, random: np.random.Generator) -> bytes | None:
    if not _has_vitals(seen):
        return None
    rate = round(seen.heart_bpm + float(random.normal(0.0, 1.5)))
    return sip_frame(0x85, 0x02, bytes((int(np.clip(rate, *HEART_BPM)),)))


def _waves(
    truth: Truth, duration_s: float, random: np.random.Generator
) -> Iterator[tuple[float, bytes]]:
    """Yield 81/05 and 85/05: the points of the second that has just gone by."""
    for t in every(WAVE_EVERY_S, duration_s, random, first_s=WAVE_EVERY_S):
        if not _has_vitals(truth.at(t)):
            continue
        ago_s = WAVE_EVERY_S / WAVE_POINTS * np.arange(WAVE_POINTS - 1, -1, -1)
        points = [truth.at(t - float(one)) for one in ago_s]
        for control, size, values in (
            (0x81, 60.0, [one.breath for one in points]),
            (0x85, 35.0, [one.heart for one in points]),
        ):
            wave = _WAVE_CENTRE + size * np.array(values) + random.normal(0.0, 2.0, WAVE_POINTS)
            yield t, sip_frame(control, 0x05, bytes(np.clip(wave, 0, 255).astype(np.uint8)))
