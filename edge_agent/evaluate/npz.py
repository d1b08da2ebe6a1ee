"""Recordings in `.npz` archives that may come from anywhere.

Pickles are refused, an array header is never evaluated, every declared size is checked before
memory is asked for, and an error says in one line which file and which member or byte is wrong.
"""

import io
import math
import re
import struct
import zipfile
import zlib
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

LONGEST_HEADER = 4096
"""Bytes of an array header; numpy writes 118 for these shapes."""

DEFLATE_RATIO = 1032
"""Deflate cannot pack tighter than this (zlib technical details), so a small file cannot ask
for much memory."""

_PIECE = 1 << 20


class TrialError(ValueError):
    """A recording cannot be read; the message names the file and what is wrong in it."""


_HEADER = re.compile(
    rb"\{'descr': '(?P<descr>[!-&(-~]{1,20})', 'fortran_order': (?P<order>True|False), "
    rb"'shape': \((?P<shape>(?:\d{1,18}, ?)*(?:\d{1,18})?)\),? ?\}\s*"
)
"""An array header as numpy writes it (NEP 1); nothing in it is ever evaluated."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a member may be: dtype kinds, bytes of one entry, dimensions, rows."""

    kinds: str
    widest: int
    dimensions: int
    most: int


COUNTS = Wanted("i", 2, 2, MOST_SAMPLES)
OFFSETS = Wanted("i", 8, 1, MOST_TRIALS + 1)
NAMES = Wanted("U", 4 * LONGEST_NAME, 1, MOST_TRIALS)
FLAGS = Wanted("b", 1, 1, MOST_TRIALS)
NUMBER = Wanted("fi", 8, 0, 1)


class NpzReader:
    """Members of an `.npz` archive, each checked; subclasses say what a whole file must hold."""

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

    def _names(self, name: str) -> tuple[str, ...]:
        names = tuple(str(text) for text in self._array(name, NAMES))
        for i, text in enumerate(names):
            if not text or not text.isprintable():
                raise self._wrong(f"{name}[{i}]", f"{text!r} is not a printable name")
        return names

    def _number(self, name: str, limits: tuple[float, float]) -> float:
        value = float(self._array(name, NUMBER).item())
        if not limits[0] <= value <= limits[1]:
            raise self._wrong(name, f"{value!r} is not within {limits[0]:g} to {limits[1]:g}")
        return value

    def _array(self, name: str, wanted: Wanted) -> NDArray[Any]:
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
        self, name: str, member: IO[bytes], info: zipfile.ZipInfo, wanted: Wanted
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
