"""Hi-Link 24 GHz modules as they talk: LD2450 tracks and LD2410 basic reports.

```
 LD2450  AA FF 03 00 | 3 x (x y speed resolution), u16 each | 55 CC          30 bytes
         x, y in mm, speed in cm/s: bit 15 set = positive; an absent target is all zero
 LD2410  F4 F3 F2 F1 | 0D 00 | 02 AA | state | move cm, energy | still cm, energy | detect cm
         | 55 00 | F8 F7 F6 F5                                               23 bytes
```
Numbers are little endian; neither has a checksum. Sources: reports in the tests of aio-ld2410
(real traces) and of ESPHome.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from edge_agent.simulator.sensors.radar import (
    RadarSpan,
    RadarState,
    Seen,
    Stream,
    Truth,
    every,
)
from edge_agent.simulator.sensors.shapes import random_of

BAUD = 256_000

REPORT_EVERY_S = 0.1
"""About 10 Hz. Source: README of the crate ld2450-proto for the LD2450; the LD2410 is assumed."""
TARGETS = 3
RESOLUTION_MM = 360
"""A distance gate of the LD2450 (seen in public logs; the vectors have 320 and 100)."""
STILL_LOST_S = 20.0
"""The LD2450 is made for movement: who sits still is lost after about this (assumption)."""
NOBODY_S = 5.0
"""The LD2410's default time until nobody is there."""


@dataclass(frozen=True, slots=True)
class Track:
    """One target of an LD2450; a positive speed goes away from the radar (not verified)."""

    x_mm: int
    y_mm: int
    speed_cms: int
    resolution_mm: int = RESOLUTION_MM


class Presence(IntEnum):
    """State of an LD2410."""

    NOBODY = 0
    MOVING = 1
    STILL = 2
    BOTH = 3


def ld2450_frame(targets: Sequence[Track]) -> bytes:
    """Return a report of at most three targets."""
    rows = [
        struct.pack(
            "<4H",
            _signed(one.x_mm),
            _signed(one.y_mm),
            _signed(one.speed_cms),
            one.resolution_mm,
        )
        for one in targets[:TARGETS]
    ]
    rows += [bytes(8)] * (TARGETS - len(rows))
    return b"\xaa\xff\x03\x00" + b"".join(rows) + b"\x55\xcc"


def ld2410_report(
    state: Presence,
    move_cm: int,
    move_energy: int,
    still_cm: int,
    still_energy: int,
    detect_cm: int,
) -> bytes:
    """Return a basic report."""
    body = struct.pack("<BHBHBH", state, move_cm, move_energy, still_cm, still_energy, detect_cm)
    data = b"\x02\xaa" + body + b"\x55\x00"
    return b"\xf4\xf3\xf2\xf1" + struct.pack("<H", len(data)) + data + b"\xf8\xf7\xf6\xf5"


def ld2450(timeline: Sequence[RadarSpan], duration_s: float, seed: int) -> Stream:
    """Yield what an LD2450 sends: a track of whoever moves or has moved just now."""
    truth = Truth(timeline)
    random = random_of(seed, 0)
    for t in every(REPORT_EVERY_S, duration_s, random):
        seen = truth.at(t)
        targets = []
        x_mm, y_mm = random.normal(0.0, 30.0, 2)
        if _is_tracked(seen):
            targets.append(
                Track(
                    round(1000.0 * seen.x_m + float(x_mm)),
                    max(0, round(1000.0 * seen.y_m + float(y_mm))),
                    round(100.0 * seen.radial_mps),
                )
            )
        yield t, ld2450_frame(targets)


def ld2410(timeline: Sequence[RadarSpan], duration_s: float, seed: int) -> Stream:
    """Yield what an LD2410 sends in basic mode.

    Who is only still has the distance in the field for movement, as in the real traces.
    """
    truth = Truth(timeline)
    random = random_of(seed, 0)
    last_cm = 0
    for t in every(REPORT_EVERY_S, duration_s, random):
        seen = truth.at(t)
        wobble_cm = float(random.normal(0.0, 3.0))
        moves, rests = (int(one) for one in random.integers((55, 40), (100, 100)))
        if seen.is_there:
            last_cm = max(0, round(100.0 * seen.distance_m + wobble_cm))
        if seen.state is RadarState.MOVING:
            yield t, ld2410_report(Presence.BOTH, last_cm, moves, last_cm, rests, last_cm)
        elif seen.is_there or seen.gone_for_s < NOBODY_S:
            energy = rests if seen.is_there else 0
            yield t, ld2410_report(Presence.STILL, last_cm, 0, 0, energy, 0)
        else:
            yield t, ld2410_report(Presence.NOBODY, 0, 0, 0, 0, 0)


def _signed(value: int) -> int:
    """Return sign and magnitude with bit 15 set for positive values; zero is zero."""
    magnitude = min(0x7FFF, abs(value))
    return magnitude | 0x8000 if value > 0 else magnitude


def _is_tracked(seen: Seen) -> bool:
    if not seen.is_there:
        return False
    return seen.state is RadarState.MOVING or seen.since_s < STILL_LOST_S
