"""Trials of people who wear a tag in a room with a bed: one `.npz`, read with care.

The recordings are of the form of the UCI set "Activity recognition with healthy older people
using a batteryless wearable sensor" (Shinmoto Torres and others), trials end to end:
```
acc    int16   (readings, 3)  counts; acc * scale_g is g      scale_g  ()  g per count
t      float   (readings)     s, rising within a trial        start    int64 (trials + 1)
label  int8    (readings)     index into labels               labels   str   names of postures
trial  str     (trials)       optional
```
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.falls.grid import STANDARD_GRAVITY
from edge_agent.evaluate.falls.trials import SCALES_G
from edge_agent.evaluate.npz import (
    COUNTS,
    MOST_SAMPLES,
    NAMES,
    OFFSETS,
    NpzReader,
    TrialError,
    Wanted,
)

LYING, SITTING = "lying", "sit_bed"

_TIMES = Wanted("f", 8, 1, MOST_SAMPLES)
_LABELS = Wanted("i", 1, 1, MOST_SAMPLES)
_SCALE = Wanted("f", 8, 0, 1)


@dataclass(frozen=True, slots=True)
class BedTrial:
    """One trial.

    Attributes:
        t_s: time of each reading, seconds, not falling.
        acceleration: shape (n, 3), m/s^2.
        label: name of the posture at each reading.
    """

    name: str
    t_s: tuple[float, ...]
    acceleration: NDArray[np.float64]
    label: tuple[str, ...]

    def rises(self, to: str | None = None) -> list[float]:
        """Return the times at which `lying` turned into that label, or into any other."""
        pairs = zip(self.label, self.label[1:], self.t_s[1:], strict=False)
        return [
            at_s
            for before, after, at_s in pairs
            if before == LYING and after != LYING and to in (None, after)
        ]


def read_bed_trials(path: Path) -> list[BedTrial]:
    """Read and check a whole file.

    Raises:
        TrialError: it cannot be read; one line that names the file and the member or byte.
    """
    try:
        with path.open("rb") as file:
            return _TagReader(path, file).read_readings()
    except OSError as error:
        raise TrialError(f"{path}: {error.strerror or error}") from error


class _TagReader(NpzReader):
    def read_readings(self) -> list[BedTrial]:
        counts = self._array("acc", COUNTS)
        if counts.shape[1] != 3:
            raise self._wrong("acc", f"shape (n, 3) wanted, found {counts.shape}")
        t_s = self._array("t", _TIMES).astype(np.float64)
        label = self._array("label", _LABELS)
        for name, array in (("t", t_s), ("label", label)):
            if len(array) != len(counts):
                raise self._wrong(name, f"{len(array)} entries for {len(counts)} readings")
        start = self._offsets(len(counts))
        broken = np.flatnonzero(~np.isfinite(t_s))
        if len(broken):
            raise self._wrong(f"t[{broken[0]}]", "not a finite time")
        falling = np.setdiff1d(np.flatnonzero(np.diff(t_s) < 0.0) + 1, start)
        if len(falling):
            raise self._wrong(f"t[{falling[0]}]", "earlier than the reading before")
        labels = [str(text) for text in self._array("labels", NAMES)]
        for wanted in (LYING, SITTING):
            if labels.count(wanted) != 1:
                raise self._wrong("labels", f"{wanted!r} must be among them, once")
        outside = np.flatnonzero((label < 0) | (label >= len(labels)))
        if len(outside):
            raise self._wrong(f"label[{outside[0]}]", f"{label[outside[0]]} is not among labels")
        names = tuple(str(i) for i in range(len(start) - 1))
        if "trial.npy" in self._zip.namelist():
            names = self._names("trial")
        if len(names) != len(start) - 1:
            raise self._wrong("trial", f"{len(names)} entries for {len(start) - 1} trials")
        scale_g = float(self._array("scale_g", _SCALE).item())
        if not SCALES_G[0] <= scale_g <= SCALES_G[1]:
            raise self._wrong("scale_g", f"{scale_g!r} is not a scale")
        trials = []
        for name, begin, end in zip(names, start[:-1].tolist(), start[1:].tolist(), strict=True):
            trials.append(
                BedTrial(
                    name=name,
                    t_s=tuple(t_s[begin:end].tolist()),
                    acceleration=counts[begin:end] * (scale_g * STANDARD_GRAVITY),
                    label=tuple(labels[i] for i in label[begin:end].tolist()),
                )
            )
        return trials

    def _offsets(self, readings: int) -> NDArray[np.int64]:
        start = self._array("start", OFFSETS).astype(np.int64)
        if len(start) < 2:
            raise self._wrong("start", "no trial")
        if start[0] != 0 or start[-1] != readings:
            raise self._wrong(
                "start", f"must run from 0 to {readings}, runs from {start[0]} to {start[-1]}"
            )
        falling = np.flatnonzero(np.diff(start) <= 0)
        if len(falling):
            raise self._wrong(f"start[{falling[0] + 1}]", "does not rise")
        return start
