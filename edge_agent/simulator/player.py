"""Recordings to what a sensor's registers or line would hold: the files a host board plays."""

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIS3DH_G_PER_DIGIT = 0.012
"""+-16 g, high resolution. Source: ST, LIS3DH datasheet DocID17530 rev 2, table 4."""
LIS3DH_RATE_HZ = 100


def resample(samples: NDArray[np.float64], rate_hz: float, to_hz: float) -> NDArray[np.float64]:
    """Return samples at another rate: the mean over each new period, as a MEMS part filters.

    Args:
        samples: shape (n, axes), n >= 1.
        rate_hz: their rate.
        to_hz: the rate wanted.
    """
    count = max(1, int(len(samples) * to_hz / rate_hz))
    if to_hz >= rate_hz:
        at = np.minimum(np.arange(count) * rate_hz / to_hz, len(samples) - 1)
        columns = [np.interp(at, np.arange(len(samples)), column) for column in samples.T]
        return np.stack(columns, axis=1)
    total = np.vstack([np.zeros(samples.shape[1]), np.cumsum(samples, axis=0)])
    edges = np.minimum(np.arange(count + 1) * rate_hz / to_hz, len(samples))
    sums = np.stack([np.interp(edges, np.arange(len(total)), c) for c in total.T], axis=1)
    means: NDArray[np.float64] = np.diff(sums, axis=0) * to_hz / rate_hz
    return means


def write_lis3dh(
    path: Path, acceleration_g: NDArray[np.float64], rate_hz: float, start_ms: int = 0
) -> dict[str, Any]:
    """Write acceleration as a LIS3DH's output registers; return the host board's part entry.

    Args:
        path: the file to write.
        acceleration_g: shape (n, 3), gravity included.
        rate_hz: its rate.
        start_ms: uptime at which the first sample exists.
    """
    played = resample(acceleration_g, rate_hz, LIS3DH_RATE_HZ)
    digits = np.clip(np.rint(played / LIS3DH_G_PER_DIGIT), -2048, 2047).astype("<i2")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((digits << 4).astype("<i2").tobytes())
    return {
        "model": "lis3dh",
        "file": str(path),
        "rate_hz": LIS3DH_RATE_HZ,
        "start_ms": start_ms,
        "hold": False,
    }


def write_nau7802(path: Path, load_kg: NDArray[np.float64], kg_per_count: float) -> dict[str, Any]:
    """Write a bed's load as a NAU7802's conversions at 10 Hz; return the part entry.

    Args:
        path: the file to write.
        load_kg: shape (n,), at 10 Hz.
        kg_per_count: as in the unit's settings (`load_kg_per_count`), zero at 0.
    """
    counts = np.rint(load_kg / kg_per_count)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.clip(counts, -(2**23), 2**23 - 1).astype("<i4").tobytes())
    return {"model": "nau7802", "file": str(path), "rate_hz": 10, "start_ms": 0, "hold": True}


def write_ads1115(path: Path, strip_v: NDArray[np.float64]) -> dict[str, Any]:
    """Write a bed strip's voltage as an ADS1115's conversions at 100 Hz; return the part entry.

    Args:
        path: the file to write.
        strip_v: shape (n,), at 100 Hz, +-4.096 V.
    """
    counts = np.clip(np.rint(strip_v / 4.096 * 32768), -32768, 32767)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(counts.astype("<i2").tobytes())
    return {"model": "ads1115", "file": str(path), "rate_hz": 100, "start_ms": 0, "hold": True}


def write_uart(
    path: Path, stream: Iterable[tuple[float, bytes]], start_ms: int = 0
) -> dict[str, Any]:
    """Write what a module sends on its serial line; return the line's entry.

    Args:
        path: the file to write.
        stream: (time in s, bytes) in order of time, as `sensors/radar_*.py` give it.
        start_ms: uptime at which the stream begins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for time_s, data in stream:
            file.write(struct.pack("<IH", round(1000 * time_s), len(data)) + data)
    return {"play": str(path), "start_ms": start_ms}
