"""Fall recordings in the flat `.npz` form: many short trials end to end in one array.

```
x          int16   (samples, 3)  counts; x * scale_g is g, gravity included
start      int64   (trials + 1)  offsets into x, rising, first 0, last len(x)
subject    str     (trials)      label    str  (trials)      is_fall  bool (trials)
fs, scale_g        ()            Hz, g per count
fall_index int32   (trials)      optional: sample of the fall within its trial, -1 unknown
```
The file may come from anywhere (see `npz.py`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.evaluate.npz import COUNTS, FLAGS, OFFSETS, NpzReader, TrialError

RATES_HZ = (1.0, 4000.0)
"""Sampling rates a fall detector takes."""

SCALES_G = (1e-7, 1.0)
"""g per count: finer than a 24-bit converter of +-1 g, coarser than one count a g."""

PARTING_COS, PARTING_G = math.cos(math.radians(40.0)), 1.4
"""An impact parts two postures when they are 40 degrees apart and it passes the detector's gate."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial.

    Attributes:
        counts: shape (n, 3), raw counts; `counts * scale_g` is g.
        fall_index: sample of the fall, -1 where unknown or not a fall.
    """

    subject: str
    label: str
    is_fall: bool
    rate_hz: float
    scale_g: float
    counts: NDArray[np.int16]
    fall_index: int

    @property
    def seconds(self) -> float:
        """Return the length."""
        return len(self.counts) / self.rate_hz

    def impact_index(self) -> int:
        """Return the sample of the fall, or the likeliest where the file gives none.

        That is the largest |a| that parts two postures, since who walks or runs before falling
        may step harder than they land; the largest |a| of all where no impact parts any.
        """
        if self.fall_index >= 0:
            return self.fall_index
        g = np.multiply(self.counts, self.scale_g, dtype=np.float64)
        square = np.einsum("ij,ij->i", g, g)
        parting = (square > PARTING_G**2) & (_turn_cosines(g, self.rate_hz) < PARTING_COS)
        return int(np.where(parting, square, -1.0).argmax() if parting.any() else square.argmax())


def _turn_cosines(g: NDArray[np.float64], rate_hz: float) -> NDArray[np.float64]:
    """Return the cosine between the mean vectors before (-1.8..-0.3 s) and after (0.5..2 s)."""
    sums = np.zeros((len(g) + 1, 3))
    np.cumsum(g, axis=0, out=sums[1:])
    at = np.arange(len(g))

    def piece(from_s: float, to_s: float) -> NDArray[np.float64]:
        start = np.clip(at + round(from_s * rate_hz), 0, len(g) - 1)
        stop = np.clip(at + round(to_s * rate_hz), start + 1, len(g))
        total: NDArray[np.float64] = sums[stop] - sums[start]
        return total

    before, after = piece(-1.8, -0.3), piece(0.5, 2.0)
    lengths = np.sqrt((before**2).sum(axis=1) * (after**2).sum(axis=1))
    cosines: NDArray[np.float64] = (before * after).sum(axis=1) / np.maximum(lengths, 1e-9)
    return cosines


@dataclass(frozen=True, slots=True)
class TrialSet:
    """All trials of one file, read only."""

    name: str
    rate_hz: float
    scale_g: float
    counts: NDArray[np.int16]
    start: NDArray[np.int64]
    subject: tuple[str, ...]
    label: tuple[str, ...]
    is_fall: NDArray[np.bool_]
    fall_index: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.subject)

    def __getitem__(self, i: int) -> Trial:
        return Trial(
            self.subject[i],
            self.label[i],
            bool(self.is_fall[i]),
            self.rate_hz,
            self.scale_g,
            self.counts[int(self.start[i]) : int(self.start[i + 1])],
            int(self.fall_index[i]),
        )

    def __iter__(self) -> Iterator[Trial]:
        return (self[i] for i in range(len(self)))


def read_trials(path: Path) -> TrialSet:
    """Read and check a whole file.

    Raises:
        TrialError: it cannot be read; one line that names the file and the member or byte.
    """
    try:
        with path.open("rb") as file:
            return _TrialReader(path, file).read()
    except OSError as error:
        raise TrialError(f"{path}: {error.strerror or error}") from error


class _TrialReader(NpzReader):
    def read(self) -> TrialSet:
        counts = self._array("x", COUNTS)
        if counts.shape[1] != 3:
            raise self._wrong("x", f"shape (n, 3) wanted, found {counts.shape}")
        start = self._array("start", OFFSETS).astype(np.int64)
        trials = len(start) - 1
        if trials < 1:
            raise self._wrong("start", "no trial")
        if start[0] != 0 or start[-1] != len(counts):
            raise self._wrong(
                "start",
                f"must run from 0 to {len(counts)}, runs from {start[0]} to {start[-1]}",
            )
        falling = np.flatnonzero(np.diff(start) <= 0)
        if len(falling):
            raise self._wrong(f"start[{falling[0] + 1}]", "does not rise")
        subject = self._names("subject")
        label = self._names("label")
        is_fall = self._array("is_fall", FLAGS)
        if "fall_index.npy" in self._zip.namelist():
            fall_index = self._array("fall_index", OFFSETS).astype(np.int64)
        else:
            fall_index = np.full(trials, -1, dtype=np.int64)
        for name, array in (
            ("subject", subject),
            ("label", label),
            ("is_fall", is_fall),
            ("fall_index", fall_index),
        ):
            if len(array) != trials:
                raise self._wrong(name, f"{len(array)} entries for {trials} trials")
        outside = np.flatnonzero((fall_index < -1) | (fall_index >= np.diff(start)))
        if len(outside):
            raise self._wrong(
                f"fall_index[{outside[0]}]", f"{fall_index[outside[0]]} is outside the trial"
            )
        return TrialSet(
            name=self._path.name,
            rate_hz=self._number("fs", RATES_HZ),
            scale_g=self._number("scale_g", SCALES_G),
            counts=counts.astype(np.int16, copy=False),
            start=start,
            subject=subject,
            label=label,
            is_fall=is_fall.astype(np.bool_),
            fall_index=fall_index,
        )
