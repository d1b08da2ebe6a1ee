"""Recorded bed strips with the heartbeats beside them: one `.npz`, read with care.

```
NAME_fsr    float  (n)  counts or V       fsr_fs     ()  Hz, of all recordings of the file
NAME_t0     float  ()   UNIX s of the first sample
NAME_rr_t   float  (m)  UNIX s of each beat     NAME_rr_ms  float (m)  R-R interval that ended
```
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.evaluate.npz import MOST_SAMPLES, NpzReader, TrialError, Wanted
from edge_agent.stream.chunk import Channel, Chunk
from edge_agent.stream.filters import RATES_HZ
from protocol.quantities import BED_STRIP

PACKET_S = 0.1

RR_MS = (300.0, 2000.0)
"""R-R intervals that are beats (30 to 200 bpm)."""

MOST_RECORDINGS = 1000
LATEST_S = 1e10
"""UNIX times beyond the year 2286 are none."""

CHANNEL = Channel("recording", BED_STRIP)

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BedRecording:
    """One strip with its R-R intervals; times in s from the strip's first sample."""

    name: str
    rate_hz: float
    strip: NDArray[np.float32]
    beat_s: _Floats
    rr_ms: _Floats

    def chunks(self) -> list[Chunk]:
        """Return the strip in packets."""
        values, step = self.strip[:, None], max(1, round(PACKET_S * self.rate_hz))
        return [
            Chunk(CHANNEL, at / self.rate_hz, self.rate_hz, values[at : at + step])
            for at in range(0, len(values), step)
        ]


def read_bed_recordings(path: Path) -> list[BedRecording]:
    """Read and check a whole file.

    Raises:
        TrialError: it cannot be read; one line that names the file and the member or byte.
    """
    try:
        with path.open("rb") as file:
            return _BedReader(path, file).recordings()
    except OSError as error:
        raise TrialError(f"{path}: {error.strerror or error}") from error


_STRIP = Wanted("fi", 8, 1, MOST_SAMPLES)
_BEATS = Wanted("fi", 8, 1, MOST_SAMPLES)
_NUMBER = Wanted("fi", 8, 0, 1)


class _BedReader(NpzReader):
    """Reads strips with the care that `trials.py` takes with falls."""

    def recordings(self) -> list[BedRecording]:
        """Return all recordings of the file in the order of their names."""
        ending = "_fsr.npy"
        names = sorted(
            name.removesuffix(ending) for name in self._zip.namelist() if name.endswith(ending)
        )
        if not names:
            raise self._wrong("NAME_fsr", "the member is missing")
        if len(names) > MOST_RECORDINGS:
            raise self._wrong("NAME_fsr", f"{len(names)} recordings, at most {MOST_RECORDINGS}")
        rate_hz = self._number("fsr_fs", RATES_HZ)
        return [self._recording(name, rate_hz) for name in names]

    def _recording(self, name: str, rate_hz: float) -> BedRecording:
        if not name.isprintable() or not 0 < len(name) <= 64:
            raise self._wrong(repr(name + "_fsr")[:80], "is not a printable name")
        begin_s = float(self._array(f"{name}_t0", _NUMBER).item())
        if not abs(begin_s) <= LATEST_S:
            raise self._wrong(f"{name}_t0", f"{begin_s!r} is no UNIX time")
        strip = self._array(f"{name}_fsr", _STRIP).astype(np.float32)
        beat_s = self._array(f"{name}_rr_t", _BEATS).astype(np.float64)
        rr_ms = self._array(f"{name}_rr_ms", _BEATS).astype(np.float64)
        if len(beat_s) != len(rr_ms):
            raise self._wrong(f"{name}_rr_ms", f"{len(rr_ms)} entries for {len(beat_s)} times")
        if not (np.abs(beat_s) <= LATEST_S).all():
            raise self._wrong(f"{name}_rr_t", "holds what is no UNIX time")
        if (np.diff(beat_s) < 0.0).any():
            raise self._wrong(f"{name}_rr_t", "does not rise")
        sound = (rr_ms >= RR_MS[0]) & (rr_ms <= RR_MS[1])
        return BedRecording(name, rate_hz, strip, beat_s[sound] - begin_s, rr_ms[sound])
