"""Fall recordings in the flat `.npz` form: many short trials end to end in one array.

```
x          int16   (samples, 3)  counts; x * scale_g is g, gravity included
start      int64   (trials + 1)  offsets into x, rising, first 0, last len(x)
subject    str     (trials)      label    str  (trials)      is_fall  bool (trials)
fs, scale_g        ()            Hz, g per count
fall_index int32   (trials)      optional: sample of the fall within its trial, -1 unknown
```
The file may come from anywhere: pickles are refused, every declared size is checked before
memory is asked for, and an error says in one line which file and which member is wrong.
"""

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

MOST_SAMPLES = 50_000_000
"""Samples of one file: three days at 200 Hz, 300 MB in memory."""

MOST_TRIALS = 1_000_000
"""Trials of one file."""

LONGEST_NAME = 64
"""Characters of a subject or a label."""

RATES_HZ = (1.0, 4000.0)
"""Sampling rates a fall detector takes."""

SCALES_G = (1e-7, 1.0)
"""g per count: finer than a 24-bit converter of +-1 g, coarser than one count a g."""

LONGEST_HEADER = 4096
"""Bytes of an array header; numpy writes 118 for these shapes."""

DEFLATE_RATIO = 1032
"""Deflate cannot pack tighter than this (zlib technical details), so a small file cannot ask
for much memory."""

_PIECE = 1 << 20


class TrialError(ValueError):
    """A recording cannot be read; the message names the file and what is wrong in it."""


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
        """Return the sample of the fall, or of the largest |a| where the file gives none."""
        if self.fall_index >= 0:
            return self.fall_index
        wide = self.counts.astype(np.int64)
        return int((wide * wide).sum(axis=1).argmax())


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
            return _Reader(path, file).read()
    except OSError as error:
        raise TrialError(f"{path}: {error.strerror or error}") from error


_HEADER = re.compile(
    rb"\{'descr': '(?P<descr>[!-&(-~]{1,20})', 'fortran_order': (?P<order>True|False), "
    rb"'shape': \((?P<shape>(?:\d{1,18}, ?)*(?:\d{1,18})?)\),? ?\}\s*"
)
"""An array header as numpy writes it (NEP 1); nothing in it is ever evaluated."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a member may be: dtype kinds, bytes of one entry, dimensions, rows."""

    kinds: str
    widest: int
    dimensions: int
    most: int


_COUNTS = _Wanted("i", 2, 2, MOST_SAMPLES)
_OFFSETS = _Wanted("i", 8, 1, MOST_TRIALS + 1)
_NAMES = _Wanted("U", 4 * LONGEST_NAME, 1, MOST_TRIALS)
_FLAGS = _Wanted("b", 1, 1, MOST_TRIALS)
_NUMBER = _Wanted("fi", 8, 0, 1)


class _Reader:
    def __init__(self, path: Path, file: io.BufferedReader) -> None:
        self._path = path
        self._size = file.seek(0, io.SEEK_END)
        file.seek(0)
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
            file.seek(0)
            if file.read(4) != b"PK\x03\x04":
                raise self._wrong("byte 0", "not a zip archive (.npz)") from error
            raise self._wrong(
                f"byte {self._size}", "the archive ends before its directory"
            ) from error

    def _wrong(self, where: str, why: str) -> TrialError:
        return TrialError(f"{self._path}: {where}: {' '.join(why.split())}")

    def read(self) -> TrialSet:
        counts = self._array("x", _COUNTS)
        if counts.shape[1] != 3:
            raise self._wrong("x", f"shape (n, 3) wanted, found {counts.shape}")
        start = self._array("start", _OFFSETS).astype(np.int64)
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
        is_fall = self._array("is_fall", _FLAGS)
        if "fall_index.npy" in self._zip.namelist():
            fall_index = self._array("fall_index", _OFFSETS).astype(np.int64)
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

    def _names(self, name: str) -> tuple[str, ...]:
        names = tuple(str(text) for text in self._array(name, _NAMES))
        for i, text in enumerate(names):
            if not text or not text.isprintable():
                raise self._wrong(f"{name}[{i}]", f"{text!r} is not a printable name")
        return names

    def _number(self, name: str, limits: tuple[float, float]) -> float:
        value = float(self._array(name, _NUMBER).item())
        if not limits[0] <= value <= limits[1]:
            raise self._wrong(name, f"{value!r} is not within {limits[0]:g} to {limits[1]:g}")
        return value

    def _array(self, name: str, wanted: _Wanted) -> NDArray[Any]:
        try:
            info = self._zip.getinfo(name + ".npy")
        except KeyError as error:
            raise self._wrong(name, "the member is missing") from error
        try:
            with self._zip.open(info) as member:
                return self._read_array(name, member, info, wanted)
        except TrialError:
            raise
        except (
            zipfile.BadZipFile,
            zlib.error,
            struct.error,
            ValueError,
            EOFError,
            NotImplementedError,
            RuntimeError,
            OSError,
        ) as error:
            raise self._wrong(
                f"{name} (byte {info.header_offset})", str(error) or type(error).__name__
            ) from error

    def _read_array(
        self, name: str, member: IO[bytes], info: zipfile.ZipInfo, wanted: _Wanted
    ) -> NDArray[Any]:
        """Return the array of one open member, its sizes checked before memory is asked for."""
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self._wrong(name, f"compressed with method {info.compress_type}")
        lead = member.read(8)
        if lead[:6] != b"\x93NUMPY" or len(lead) < 8 or lead[6] not in (1, 2, 3):
            raise self._wrong(name, "not a numpy array")
        width = 2 if lead[6] == 1 else 4
        length = int.from_bytes(member.read(width), "little")
        if length > LONGEST_HEADER:
            raise self._wrong(name, f"array header of {length} bytes")
        header = _HEADER.fullmatch(member.read(length))
        if header is None:
            raise self._wrong(name, "array header is not understood")
        descr = header["descr"].decode()
        shape = tuple(int(n) for n in header["shape"].split(b",") if n.strip())
        if not re.fullmatch(r"[<>|=][biufU]\d{1,4}", descr):
            raise self._wrong(name, f"type {descr!r} is refused")
        dtype = np.dtype(descr)
        if dtype.kind not in wanted.kinds or dtype.itemsize > wanted.widest:
            raise self._wrong(name, f"type {descr!r} is refused")
        if len(shape) != wanted.dimensions:
            raise self._wrong(name, f"shape {shape} is refused")
        if shape and shape[0] > wanted.most:
            raise self._wrong(name, f"{shape[0]} rows, at most {wanted.most} are read")
        size = math.prod(shape) * dtype.itemsize
        begin = 8 + width + length
        if info.file_size != begin + size:
            raise self._wrong(
                name, f"{size} bytes of samples declared, {info.file_size - begin} held"
            )
        packed = min(info.compress_size, self._size)
        if info.file_size > packed * DEFLATE_RATIO + begin:
            raise self._wrong(name, f"cannot hold {size} bytes")
        flat = bytearray(size)
        view, filled = memoryview(flat), 0
        while filled < size:
            piece = member.read(min(_PIECE, size - filled))
            if not piece:
                raise EOFError(f"ends after {begin + filled} of {begin + size} bytes")
            view[filled : filled + len(piece)] = piece
            filled += len(piece)
        member.read(1)  # Reaching the end is what makes zipfile check the CRC.
        order: Literal["C", "F"] = "F" if header["order"] == b"True" else "C"
        return np.frombuffer(flat, dtype=dtype).reshape(shape, order=order)
