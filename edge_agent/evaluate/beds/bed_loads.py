"""Recorded loads of a bed and when it was left: one `.npz`, read with care.

```
NAME_load    float  (n)  kg        load_fs   ()  Hz, of all recordings of the file
NAME_left_t  float  (m)  s from the first sample, rising: the weight has left the bed
```
**The weight has left** when the feet carry all of it: the load of the body on the bed is zero for
the first time (seat-off of a sit-to-stand). `python -m edge_agent.simulator.bed_nights` writes one.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.evaluate.npz import MOST_SAMPLES, NpzReader, TrialError, Wanted

RATES_HZ = (1.0, 1000.0)
MOST_RECORDINGS = 1000
_ENDING = "_load.npy"

_LOAD = Wanted("fi", 8, 1, MOST_SAMPLES)
_TIMES = Wanted("fi", 8, 1, MOST_SAMPLES)


@dataclass(frozen=True, slots=True)
class BedLoad:
    """The load of one bed over one night, say.

    Attributes:
        name: of the recording.
        rate_hz: samples a second.
        kg: shape (n,).
        left_s: when the weight had left the bed, s from the first sample.
    """

    name: str
    rate_hz: float
    kg: NDArray[np.float32]
    left_s: tuple[float, ...]


def holds_loads(path: Path) -> bool:
    """Return whether a file is an archive with loads in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(_ENDING) for name in archive.namelist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def read_bed_loads(path: Path) -> list[BedLoad]:
    """Read and check a whole file.

    Raises:
        TrialError: it cannot be read; one line that names the file and the member or byte.
    """
    try:
        with path.open("rb") as file:
            return _LoadReader(path, file).read_loads()
    except OSError as error:
        raise TrialError(f"{path}: {error.strerror or error}") from error


class _LoadReader(NpzReader):
    def read_loads(self) -> list[BedLoad]:
        names = sorted(
            name.removesuffix(_ENDING) for name in self._zip.namelist() if name.endswith(_ENDING)
        )
        if not names:
            raise self._wrong("NAME_load", "the member is missing")
        if len(names) > MOST_RECORDINGS:
            raise self._wrong("NAME_load", f"{len(names)} recordings, at most {MOST_RECORDINGS}")
        rate_hz = self._number("load_fs", RATES_HZ)
        return [self._read_load(name, rate_hz) for name in names]

    def _read_load(self, name: str, rate_hz: float) -> BedLoad:
        if not name.isprintable() or not 0 < len(name) <= 64:
            raise self._wrong(repr(name + "_load")[:80], "is not a printable name")
        with np.errstate(over="ignore"):
            kg = self._array(f"{name}_load", _LOAD).astype(np.float32)
        left_s = self._array(f"{name}_left_t", _TIMES).astype(np.float64)
        outside = np.flatnonzero(~((left_s >= 0.0) & (left_s <= len(kg) / rate_hz)))
        if len(outside):
            raise self._wrong(f"{name}_left_t[{outside[0]}]", "lies outside of the recording")
        falling = np.flatnonzero(np.diff(left_s) <= 0.0)
        if len(falling):
            raise self._wrong(f"{name}_left_t[{falling[0] + 1}]", "does not rise")
        return BedLoad(name, rate_hz, kg, tuple(left_s.tolist()))
