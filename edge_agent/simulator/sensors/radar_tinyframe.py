"""TinyFrame modules as they talk: MR60BHA2 (vitals), LD6002C and MR60FDA2 (falls).

```
 01 | ID hi lo | LEN hi lo | TYPE hi lo | HEAD | data .. LEN bytes | SUM
 HEAD = ~xor of the seven bytes before; SUM = ~xor of the data, absent when LEN is 0
 head numbers are big endian, data little endian
```
Sources: Hi-Link TF specification V1.2 as transcribed in public repositories, and logs of real
MR60BHA2 modules (0.0 means no value; the last values stay when the person leaves).
"""

import math
import struct
from collections.abc import Iterator, Sequence

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

PHASES = 0x0A13
BREATH_RATE = 0x0A14
HEART_RATE = 0x0A15
DISTANCE = 0x0A16
HUMAN = 0x0F09
FALL = 0x0E02
HEIGHT = 0x0E0E
"""TYPE codes; they collide with those of other modules of the family."""

PHASES_EVERY_S = 0.05
"""Refresh of the LD6002 (Hi-Link data sheet)."""
RATES_EVERY_S = 1.0
STATE_EVERY_S = 0.5
"""Of rates and distance, and of presence, fall and height (not verified)."""
SETTLE_S = 60.0
"""Stillness before rates are more than 0.0; about a minute for the LD6002."""
VITALS_WITHIN_M = (0.4, 1.5)
"""Distance at which the LD6002 measures breath and heart."""
BREATH_RPM = (9.0, 48.0)
HEART_BPM = (60.0, 150.0)
"""Ranges of the LD6002."""
GONE_S = 15.0
"""Until somebody who left is absent (assumption)."""
FALL_AFTER_S = 15.0
"""Of continuous lying until the fall flag; LD6002C default 15 to 20 s."""

BREATH_RAD = 1.4
HEART_RAD = 0.25
"""Amplitude of the phases (assumption: 4 mm and 0.3 mm of skin at 60 GHz give 10 and 0.75 rad,
of which the module's own filters leave about this)."""
_ID_MASK = 0x7FFF
"""Bit 15 marks the peer's frames."""


def tinyframe(number: int, kind: int, payload: bytes = b"") -> bytes:
    """Return a frame; an empty one has no checksum of its data."""
    head = struct.pack(">BHHH", 0x01, number, len(payload), kind)
    frame = head + bytes((_inverse_xor(head),)) + payload
    return frame + bytes((_inverse_xor(payload),)) if payload else frame


def tinyframe_distance(distance_cm: float | None) -> bytes:
    """Return the payload of 0A16; None: no target, which has only the flag."""
    if distance_cm is None:
        return struct.pack("<I", 0)
    return struct.pack("<If", 1, distance_cm)


def mr60bha2(timeline: Sequence[RadarSpan], duration_s: float, seed: int) -> Stream:
    """Return what an MR60BHA2 sends: phases, breath, heart, distance and presence.

    The rates stay at their last values when the person leaves or moves, as the real ones do.
    """
    truth = Truth(timeline)
    parts = (
        _phases(truth, duration_s, random_of(seed, 0)),
        _rates(truth, duration_s, random_of(seed, 1)),
        _presence(truth, duration_s, random_of(seed, 2)),
    )
    return _numbered(in_order(parts), random_of(seed, 3))


def ld6002c(
    timeline: Sequence[RadarSpan],
    duration_s: float,
    seed: int,
    *,
    fall_after_s: float = FALL_AFTER_S,
    sends_height: bool = False,
) -> Stream:
    """Return what an LD6002C or an MR60FDA2 sends: presence, fall, and height when asked to.

    Args:
        timeline: spans in order that do not overlap.
        duration_s: length of the stream.
        seed: of jitter and noise.
        fall_after_s: how long somebody lies before the module's own fall flag.
        sends_height: 0E0E was switched on; f32 metres (the vendor's document contradicts itself).
    """
    truth = Truth(timeline)
    parts = [
        _presence(truth, duration_s, random_of(seed, 0)),
        _falls(truth, duration_s, random_of(seed, 1), fall_after_s),
    ]
    if sends_height:
        parts.append(_heights(truth, duration_s, random_of(seed, 2)))
    return _numbered(in_order(parts), random_of(seed, 3))


def _inverse_xor(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
    return value ^ 0xFF


def _numbered(reports: Stream, random: np.random.Generator) -> Stream:
    """Yield frames of reports that begin with their TYPE; the module counts its frames."""
    number = int(random.integers(_ID_MASK + 1))
    for t, report in reports:
        (kind,) = struct.unpack_from(">H", report)
        yield t, tinyframe(number, kind, report[2:])
        number = (number + 1) & _ID_MASK


def _report(kind: int, payload: bytes) -> bytes:
    return struct.pack(">H", kind) + payload


def _is_noticed(seen: Seen) -> bool:
    return seen.is_there or seen.gone_for_s < GONE_S


def _phases(
    truth: Truth, duration_s: float, random: np.random.Generator
) -> Iterator[tuple[float, bytes]]:
    for t in every(PHASES_EVERY_S, duration_s, random, jitter_s=0.002):
        seen = truth.at(t)
        breath, heart = 0.0, 0.0
        if seen.is_there:
            breath = BREATH_RAD * seen.breath + float(random.normal(0.0, 0.03))
            heart = HEART_RAD * seen.heart + float(random.normal(0.0, 0.03))
            if seen.state is RadarState.MOVING:
                breath += float(random.normal(0.0, 2.0))
                heart += float(random.normal(0.0, 1.0))
        total = math.remainder(breath + heart, 2.0 * math.pi)
        yield t, _report(PHASES, struct.pack("<3f", total, breath, heart))


def _rates(
    truth: Truth, duration_s: float, random: np.random.Generator
) -> Iterator[tuple[float, bytes]]:
    """Yield heart rate, distance and breath rate, in the order of the logs."""
    breath_rpm = heart_bpm = 0.0
    for t in every(RATES_EVERY_S, duration_s, random, first_s=0.3):
        seen = truth.at(t)
        near = VITALS_WITHIN_M[0] <= seen.distance_m <= VITALS_WITHIN_M[1]
        still = seen.state is RadarState.STILL and seen.since_s >= SETTLE_S
        if near and still:
            breath_rpm = round(seen.breath_rpm + float(random.normal(0.0, 0.6)))
            breath_rpm = float(np.clip(breath_rpm, *BREATH_RPM)) if seen.breath_rpm else 0.0
            heart_bpm = round(seen.heart_bpm + float(random.normal(0.0, 1.5)))
            heart_bpm = float(np.clip(heart_bpm, *HEART_BPM))
        distance_cm = None
        if seen.is_there:
            distance_cm = 100.0 * seen.distance_m + float(random.normal(0.0, 1.0))
        yield t, _report(HEART_RATE, struct.pack("<f", heart_bpm))
        yield t, _report(DISTANCE, tinyframe_distance(distance_cm))
        yield t, _report(BREATH_RATE, struct.pack("<f", breath_rpm))


def _presence(
    truth: Truth, duration_s: float, random: np.random.Generator
) -> Iterator[tuple[float, bytes]]:
    for t in every(STATE_EVERY_S, duration_s, random, first_s=0.1):
        yield t, _report(HUMAN, bytes((_is_noticed(truth.at(t)),)))


def _falls(
    truth: Truth, duration_s: float, random: np.random.Generator, fall_after_s: float
) -> Iterator[tuple[float, bytes]]:
    for t in every(STATE_EVERY_S, duration_s, random, first_s=0.2):
        seen = truth.at(t)
        fallen = seen.state is RadarState.FALLEN and seen.since_s >= fall_after_s
        yield t, _report(FALL, bytes((fallen,)))


def _heights(
    truth: Truth, duration_s: float, random: np.random.Generator
) -> Iterator[tuple[float, bytes]]:
    for t in every(STATE_EVERY_S, duration_s, random, first_s=0.3):
        seen = truth.at(t)
        height_m = 0.0
        if seen.is_there:
            height_m = max(0.0, seen.top_m + float(random.normal(0.0, 0.05)))
        yield t, _report(HEIGHT, struct.pack("<f", height_m))
