"""Radar recordings to frames: raw bytes of an IWR6843, and lists of points.

```
 *.bin, *.bin.gz   raw bytes of an IWR6843's data port; mounting and frame time from a *.cfg
                   beside it (sensorPosition, frameCfg), else 2 m, 10 degrees, 55 ms
 *.csv             points: frameNum,pointNum,xPos,yPos,zPos,Doppler,SNR,... in m and m/s
 label             the file's name without its number, or its folder's where nothing is left:
                   fall_3 and fall/3 are falls, walking_2 is not
```
The height of the floor is not told in a *.csv; the lowest 1 % of its points are taken to lie on it.
Any of these files may come from anywhere.
"""

import csv
import gzip
import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.radar.frame import RadarFrame, RadarMount, frame_of_ti
from edge_agent.evaluate.npz import TrialError
from protocol.sensors.ti_mmwave import TiDecoder

MOST_BYTES = 256_000_000
"""Of one unpacked file: an IWR6843 at its fastest for 45 minutes, or many hours of a home."""
MOST_FRAMES = 1_000_000
MOST_POINTS = 2_000_000
"""15 h of an IWR6843; 60 frames of 60 points are a trial."""
MOST_FILES = 10_000
LONGEST_LINE = 4096
PIECE = 65_536

TI_FRAME_S = 0.055
CSV_FRAME_S = 0.1
"""Frame time of points in a *.csv, which does not tell (assumption)."""
FLOOR_QUANTILE = 0.01
COLUMNS = ("frameNum", "pointNum", "xPos", "yPos", "zPos", "Doppler")


@dataclass(frozen=True, slots=True)
class RadarTrial:
    """One recording."""

    name: str
    label: str
    frames: list[RadarFrame]

    @property
    def is_fall(self) -> bool:
        """Return True for a recording of falls."""
        return self.label.lower().startswith("fall")

    @property
    def seconds(self) -> float:
        """Return its length."""
        return self.frames[-1].time_s - self.frames[0].time_s if self.frames else 0.0


def read_radar(path: Path) -> Iterator[RadarTrial]:
    """Yield the recording, or all of a folder by name; other files of a folder are passed over.

    Raises:
        TrialError: nothing can be read; one line that names the file and what is wrong in it.
    """
    try:
        if not path.is_dir():
            yield _read(path, path.name)
            return
        files = [one for one in sorted(path.rglob("*")) if _is_recording(one)]
    except OSError as error:
        raise TrialError(f"{path}: {error.strerror or error}") from error
    if not files:
        raise TrialError(f"{path}: no radar recording (*.bin, *.bin.gz, *.csv) in this folder")
    if len(files) > MOST_FILES:
        raise TrialError(f"{path}: {len(files)} recordings, at most {MOST_FILES} are read")
    for one in files:
        yield _read(one, str(one.relative_to(path)))


def _is_recording(path: Path) -> bool:
    if not path.is_file():
        return False
    if path.suffix == ".csv":
        with path.open("rb") as file:
            return file.read(len(COLUMNS[0])) == COLUMNS[0].encode()
    return path.name.endswith((".bin", ".bin.gz"))


def _read(path: Path, name: str) -> RadarTrial:
    stem = path.name.split(".")[0]
    label = re.sub(r"[_ -]?\d+$", "", stem) or path.resolve().parent.name
    if not label.isprintable():
        raise TrialError(f"{path}: {label!r} is not a printable name")
    frames = _read_points(path) if path.suffix == ".csv" else _read_ti(path)
    return RadarTrial(name, label, frames)


def _read_ti(path: Path) -> list[RadarFrame]:
    """Return the frames of raw bytes; lost ones leave their time empty."""
    mount, frame_s = _configuration(path)
    decoder = TiDecoder()
    frames: list[RadarFrame] = []
    taken = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while piece := file.read(PIECE):
                taken += len(piece)
                if taken > MOST_BYTES:
                    raise TrialError(f"{path}: more than {MOST_BYTES} bytes")
                frames += [
                    frame_of_ti(one, one.number * frame_s, mount) for one in decoder.feed(piece)
                ]
                if len(frames) > MOST_FRAMES:
                    raise TrialError(f"{path}: byte {taken}: more than {MOST_FRAMES} frames")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TrialError(f"{path}: byte {taken}: {error}") from error
    except OSError as error:
        raise TrialError(f"{path}: {error.strerror or error}") from error
    if not frames:
        raise TrialError(f"{path}: byte {taken}: no frame of an IWR6843")
    return frames


def _configuration(path: Path) -> tuple[RadarMount, float]:
    """Return mounting and frame time from the radar's own configuration beside a recording."""
    mount, frame_s = RadarMount(), TI_FRAME_S
    for one in sorted(path.parent.glob("*.cfg"))[:1]:
        try:
            with one.open(encoding="utf-8", errors="replace") as file:
                lines = file.read(PIECE).splitlines()
        except OSError as error:
            raise TrialError(f"{one}: {error.strerror or error}") from error
        for number, line in enumerate(lines, 1):
            words = line.split()
            try:
                if words[:1] == ["sensorPosition"]:
                    mount = RadarMount(
                        _within(float(words[1]), 0.1, 6.0), _within(float(words[3]), -90.0, 90.0)
                    )
                elif words[:1] == ["frameCfg"]:
                    frame_s = _within(float(words[5]), 5.0, 10_000.0) / 1000.0
            except (IndexError, ValueError) as error:
                raise TrialError(f"{one}: line {number}: {' '.join(words)[:80]!r}") from error
    return mount, frame_s


def _within(value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        raise ValueError(value)
    return value


def _read_points(path: Path) -> list[RadarFrame]:
    """Return the frames of a list of points, heights above its own floor."""
    rows: list[tuple[float, float, float, float, float]] = []
    try:
        if path.stat().st_size > MOST_BYTES:
            raise TrialError(f"{path}: more than {MOST_BYTES} bytes")
        with path.open(encoding="utf-8", errors="strict", newline="") as file:
            for number, line in enumerate(file, 1):
                if len(line) > LONGEST_LINE:
                    raise TrialError(f"{path}: line {number}: longer than {LONGEST_LINE}")
                cells = next(csv.reader([line]), [])
                if number == 1:
                    if tuple(cells[: len(COLUMNS)]) != COLUMNS:
                        raise TrialError(f"{path}: line 1: columns {','.join(COLUMNS)} wanted")
                elif cells:
                    rows.append(_row(cells))
                    if len(rows) > MOST_POINTS:
                        raise ValueError(f"more than {MOST_POINTS} points")
                    if len(rows) > 1 and rows[-1][0] < rows[-2][0]:
                        raise ValueError("the frame number goes back")
    except UnicodeDecodeError as error:
        raise TrialError(f"{path}: byte {error.start}: not UTF-8") from error
    except (csv.Error, ValueError) as error:
        if isinstance(error, TrialError):
            raise
        raise TrialError(f"{path}: line {number}: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise TrialError(f"{path}: {error.strerror or error}") from error
    if not rows:
        raise TrialError(f"{path}: line 2: no point")
    table = np.array(rows)
    return list(_frames(table))


def _row(cells: list[str]) -> tuple[float, float, float, float, float]:
    """Return frame, x, y, z and doppler of one line."""
    if len(cells) < len(COLUMNS):
        raise ValueError(f"{len(cells)} columns, at least {len(COLUMNS)} wanted")
    frame, x, y, z, doppler = (float(cells[i]) for i in (0, 2, 3, 4, 5))
    if not 0.0 <= frame < 2**53 or frame != math.floor(frame):
        raise ValueError(f"frame number {cells[0][:40]!r}")
    return frame, x, y, z, doppler


def _frames(table: NDArray[np.float64]) -> Iterator[RadarFrame]:
    heights = table[np.isfinite(table[:, 3]), 3]
    floor_m = float(np.quantile(heights, FLOOR_QUANTILE)) if len(heights) else 0.0
    starts = np.flatnonzero(np.diff(table[:, 0], prepend=-1.0))
    for rows in np.split(table, starts[1:]):
        points = rows[:, 1:].copy()
        points[:, 2] -= floor_m
        yield RadarFrame(float(rows[0, 0]) * CSV_FRAME_S, (), points)
