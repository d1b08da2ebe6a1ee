"""A TI IWR6843 as it talks on its data port: people tracking, or points alone.

```
 02 01 04 03 06 05 08 07 | version | length | platform | frame | cycles | points | TLVs | subframe
 ( | static points )      all u32, little endian: 40 bytes, 44 in the out-of-box demo
 TLV: type u32 | length u32 | data     type    1 points     16 B  x y z doppler, f32
 length without these 8 bytes               1020 points     20 B units, then 8 B each, compressed
 padded with BE to a multiple of 32         1010 targets   112 B  1011 index  1 B  1012 heights 12 B
                                            1021 presence    4 B
```
Sources: TI, "Understanding UART Data Output Format", Radar Toolbox; the length rule, the units of
1020, the padding and the frame time are those of real dumps of the people-tracking demo.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_agent.simulator.sensors.radar import RadarSpan, RadarState, Seen, Stream, Truth
from edge_agent.simulator.sensors.shapes import Floats, random_of

BAUD = 921_600
MAGIC = b"\x02\x01\x04\x03\x06\x05\x08\x07"
VERSION = 0x03050004
PLATFORM = 0x000A6843
PADDING = 0xBE
ALIGNMENT = 32
FRAME_S = 0.055
"""`frameCfg` of the real dumps."""

POINTS = 1
TARGETS = 1010
TARGET_INDEX = 1011
TARGET_HEIGHTS = 1012
COMPRESSED_POINTS = 1020
PRESENCE = 1021
"""TLV types."""

UNITS = (0.01, 0.01, 0.00028, 0.00025, 0.04)
"""Of 1020: elevation and azimuth in rad, doppler in m/s, range in m, SNR in dB."""
RANGE_STEP_M = 0.06325
DOPPLER_STEP_MPS = 0.0696
"""Steps in which ranges and dopplers come in the real dumps (253 and 248.6 units)."""

MOUNT_M = 2.0
TILT_RAD = math.radians(10.0)
"""`sensorPosition` of the real dumps: height and how far the radar looks down."""
ALLOCATE_S = 0.5
FORGET_S = 0.3
"""Until the tracker has a target, and until it lets go of the room (assumption)."""
NO_TARGET = 255
"""1011: a point that belongs to no target; 254 lies outside, 253 is too weak."""

_MEAN_POINTS = {RadarState.MOVING: 22.0, RadarState.STILL: 3.0, RadarState.FALLEN: 3.0}
"""Of a frame (assumption); a still body is mostly removed with the room's clutter."""
_GHOSTS = 0.4
"""Points of nobody in a frame, on average (assumption)."""


@dataclass(frozen=True, slots=True)
class Target:
    """A tracked person, m, m/s, m/s^2; `ec` is the tracker's 4 x 4 error covariance."""

    number: int
    place: tuple[float, float, float]
    velocity: tuple[float, float, float]
    acceleration: tuple[float, float, float] = (0.0, 0.0, 0.0)
    ec: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0) * 4
    g: float = 3.0
    confidence: float = 0.99


def ti_frame(
    number: int,
    tlvs: Sequence[tuple[int, bytes]],
    point_count: int,
    *,
    cycles: int = 0,
    subframe: int = 0,
    static_points: int | None = None,
) -> bytes:
    """Return a frame; `static_points` makes the header of the out-of-box demo (44 bytes)."""
    body = b"".join(struct.pack("<II", kind, len(data)) + data for kind, data in tlvs)
    tail = b"" if static_points is None else struct.pack("<I", static_points)
    length = len(MAGIC) + 32 + len(tail) + len(body)
    padded = -(-length // ALIGNMENT) * ALIGNMENT
    head = struct.pack(
        "<8I", VERSION, padded, PLATFORM, number, cycles, point_count, len(tlvs), subframe
    )
    return MAGIC + head + tail + body + bytes((PADDING,)) * (padded - length)


def ti_points(points: Floats) -> bytes:
    """Return TLV 1 of points, shape (n, 4): x, y, z in m and doppler in m/s."""
    return points.astype("<f4").tobytes()


def ti_compressed(points: Floats) -> bytes:
    """Return TLV 1020 of points, shape (n, 5): elevation, azimuth, doppler, range, SNR in UNITS."""
    counts = np.rint(points / np.array(UNITS))
    low = np.array([-128, -128, -32768, 0, 0])
    high = np.array([127, 127, 32767, 65535, 65535])
    rows = [struct.pack("<bbhHH", *map(int, row)) for row in np.clip(counts, low, high)]
    return struct.pack("<5f", *UNITS) + b"".join(rows)


def ti_targets(targets: Sequence[Target]) -> bytes:
    """Return TLV 1010."""
    return b"".join(
        struct.pack(
            "<I27f",
            one.number,
            *one.place,
            *one.velocity,
            *one.acceleration,
            *one.ec,
            one.g,
            one.confidence,
        )
        for one in targets
    )


def ti_heights(heights: Sequence[tuple[int, float, float]]) -> bytes:
    """Return TLV 1012 of (target, highest, lowest), heights in m from the floor."""
    return b"".join(struct.pack("<I2f", *one) for one in heights)


def iwr6843(
    timeline: Sequence[RadarSpan],
    duration_s: float,
    seed: int,
    *,
    is_compressed: bool = True,
) -> Stream:
    """Yield what an IWR6843 with the people-tracking demo sends, a frame every 55 ms.

    Targets, index and heights come while a target is tracked, in m from the floor (which the
    demo's tracker is assumed to do by `sensorPosition`). The index belongs to the points
    of the frame before, as in TI's demo.

    Args:
        timeline: spans in order that do not overlap.
        duration_s: length of the stream.
        seed: of every random number.
        is_compressed: points as TLV 1020 in the radar's own axes; else TLV 1 in the room's, its
            origin at the radar.
    """
    truth = Truth(timeline)
    random = random_of(seed, 0)
    tracked, number = False, -1
    index_before = b""
    for frame in range(1, int(duration_s / FRAME_S) + 1):
        t = (frame - 1) * FRAME_S
        seen = truth.at(t)
        was_tracked, tracked = tracked, _is_tracked(seen, tracked)
        number += tracked and not was_tracked
        place, doppler, owned = _cloud(seen, random)
        tlvs: list[tuple[int, bytes]] = []
        if len(place):
            if is_compressed:
                tlvs.append((COMPRESSED_POINTS, ti_compressed(_polar(place, doppler, random))))
            else:
                tlvs.append((POINTS, ti_points(np.column_stack([place, doppler]))))
        if tracked and seen.is_there:
            tlvs.append((TARGETS, ti_targets([_target(seen, number, random)])))
            if index_before:
                tlvs.append((TARGET_INDEX, index_before))
            tlvs.append((TARGET_HEIGHTS, ti_heights([_heights(seen, number, random)])))
        tlvs.append((PRESENCE, struct.pack("<I", int(tracked))))
        index_before = bytes(number if one and tracked else NO_TARGET for one in owned)
        jitter_s = float(random.uniform(0.0, 0.002))
        yield t + jitter_s, ti_frame(frame, tlvs, len(place))


def _is_tracked(seen: Seen, was_tracked: bool) -> bool:
    if seen.is_there:
        return was_tracked or (seen.there_for_s >= ALLOCATE_S)
    return was_tracked and seen.gone_for_s < FORGET_S


def _cloud(seen: Seen, random: np.random.Generator) -> tuple[Floats, Floats, list[bool]]:
    """Return points (n, 3) from the radar in m, their dopplers, and which are the person's."""
    ghosts = int(random.poisson(_GHOSTS))
    own = int(random.poisson(_MEAN_POINTS[seen.state])) if seen.is_there else 0
    flat = seen.state is RadarState.FALLEN or seen.in_bed
    spread = np.array([0.55, 0.2] if flat else [0.18, 0.18])
    floor_m = 0.5 if seen.in_bed else 0.05
    body = np.empty((own, 3))
    body[:, :2] = np.array([seen.x_m, seen.y_m]) + spread * random.standard_normal((own, 2))
    body[:, 2] = random.uniform(min(floor_m, seen.top_m), seen.top_m, own) - MOUNT_M
    body[:, 1] = np.maximum(body[:, 1], 0.3)
    lost = np.empty((ghosts, 3))
    lost[:, 0] = random.uniform(-2.5, 2.5, ghosts)
    lost[:, 1] = random.uniform(0.6, 6.0, ghosts)
    lost[:, 2] = random.uniform(0.0, 2.5, ghosts) - MOUNT_M
    limbs = 0.35 if seen.state is RadarState.MOVING else 0.05
    doppler = np.concatenate(
        [
            seen.radial_mps + limbs * random.standard_normal(own),
            0.3 * random.standard_normal(ghosts),
        ]
    )
    steps = np.rint(doppler / DOPPLER_STEP_MPS) * DOPPLER_STEP_MPS
    return np.vstack([body, lost]), steps, [True] * own + [False] * ghosts


def _polar(place: Floats, doppler: Floats, random: np.random.Generator) -> Floats:
    """Return points as the antenna sees them: it looks down by TILT_RAD."""
    x, y, z = place.T
    ahead = y * math.cos(TILT_RAD) - z * math.sin(TILT_RAD)
    above = y * math.sin(TILT_RAD) + z * math.cos(TILT_RAD)
    elevation = np.arctan2(above, np.hypot(x, ahead))
    azimuth = np.arctan2(x, ahead)
    distance = np.linalg.norm(place, axis=1)
    distance = np.rint(distance / RANGE_STEP_M) * RANGE_STEP_M
    snr = random.uniform(5.0, 7.5, len(place))
    return np.column_stack([elevation, azimuth, doppler, distance, snr])


def _target(seen: Seen, number: int, random: np.random.Generator) -> Target:
    x, y, z = random.normal(0.0, 0.04, 3)
    middle_m = 0.55 * seen.top_m
    vx, vy, vz = random.normal(0.0, 0.05, 3)
    return Target(
        number,
        (seen.x_m + float(x), seen.y_m + float(y), middle_m + float(z)),
        (seen.vx_mps + float(vx), seen.vy_mps + float(vy), float(vz)),
    )


def _heights(seen: Seen, number: int, random: np.random.Generator) -> tuple[int, float, float]:
    low_m = 0.45 if seen.in_bed else 0.05
    top, low = random.normal(0.0, 0.04, 2)
    return number, seen.top_m + float(top), max(0.0, min(low_m, seen.top_m) + float(low))
