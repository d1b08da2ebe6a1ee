"""Reports written down a second time, and the bytes at every edge of every field.

```
 8401  bed             : out in none              states: byte 0, 1, 2; - where the maker has none
 8001  presence        ?                          a flag: 0 or 1
 02a1  model           text
 8502  heart_rate      B 1/min 60..120 0=none     code, unit, what is credible, what a zero is
 0602  install_height  H m/100 0.5..5             sent in hundredths
    +  turns           B                          the next field of the same report
```
Codes are those of `struct`, and `m` for sign and magnitude. A line of these notes is what others
rely on: the name in a message, its unit, from where on a value is doubted.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from protocol.sensors.reading import DOUBTFUL, GOOD, NONE, Reading

BYTES = {"B": 1, "H": 2, "h": 2, "m": 2, "I": 4, "i": 4, "f": 4}
QUALITIES = {"good": GOOD, "none": NONE, "doubtful": DOUBTFUL}
LIMITS = {"B": (0, 255), "H": (0, 65535), "h": (-32768, 32767), "m": (-32767, 32767),
          "I": (0, 4294967295), "i": (-(1 << 31), (1 << 31) - 1)}  # fmt: skip


@dataclass(frozen=True)
class Note:
    """One field as it is written down."""

    name: str
    code: str
    states: tuple[object, ...] = ()
    unit: str = ""
    divisor: int = 1
    low: float | None = None
    high: float | None = None
    zero: str = GOOD

    @property
    def count(self) -> int:
        return int(self.code[:-1] or 1)

    @property
    def size(self) -> int:
        return 0 if self.code == "text" else BYTES[self.code[-1]] * self.count


def noted(page: str) -> list[tuple[int, list[Note]]]:
    """Return (kind, fields) of each report of a page."""
    reports: list[tuple[int, list[Note]]] = []
    for line in page.strip().splitlines():
        kind, name, code, *rest = line.split()
        if kind != "+":
            reports.append((int(kind, 16), []))
        reports[-1][1].append(_note(name, code, rest))
    return reports


def size_of(fields: list[Note]) -> int:
    return sum(field.size for field in fields)


def edges(order: str, field: Note) -> Iterator[tuple[bytes, Reading]]:
    """Yield the bytes at each edge of a field and what they must read."""
    if field.code == "text":
        yield b"V1.0\x00", Reading(field.name, "V1.0")
    elif field.states:
        for code, state in enumerate((*field.states, None)):
            known = state is not None
            reading = Reading(field.name, state if known else code, "", GOOD if known else DOUBTFUL)
            yield bytes((code,)), reading
    else:
        yield from _numbers(order, field)


def _note(name: str, code: str, rest: list[str]) -> Note:
    if code == "?":
        return Note(name, "B", (False, True))
    if code == ":":
        return Note(name, "B", tuple(None if one == "-" else one for one in rest))
    note = {"unit": "", "divisor": 1, "low": None, "high": None, "zero": GOOD}
    for one in rest:
        if ".." in one:
            note["low"], note["high"] = map(float, one.split(".."))
        elif one.startswith("0="):
            note["zero"] = QUALITIES[one[2:]]
        else:
            unit, _, divisor = one.rpartition("/") if one[-1].isdigit() else (one, "", "1")
            note |= {"unit": unit, "divisor": int(divisor)}
    return Note(name, code, (), **note)


def _numbers(order: str, field: Note) -> Iterator[tuple[bytes, Reading]]:
    """Yield both ends of what is credible, the next number beyond each, and nought.

    Of several numbers the last is the one at the edge; the others stay inside.
    """
    letter, step = field.code[-1], 0.01 if field.code[-1] == "f" else 1
    least, most = LIMITS.get(letter, (-4e9, 4e9))
    low = least if field.low is None else field.low * field.divisor
    high = most if field.high is None else field.high * field.divisor
    for raw in (low - step, low, 0, high, high + step):
        if not least <= raw <= most:
            continue
        inside = min(max(raw, low), high)
        raws = [_sent(letter, one) for one in (*[inside] * (field.count - 1), raw)]
        values = tuple(one / field.divisor if field.divisor > 1 else one for one in raws)
        value: object = values if field.count > 1 else values[0]
        quality = GOOD if low <= raw <= high else DOUBTFUL
        if raw == 0 and field.count == 1 and field.zero != GOOD:
            value, quality = (None if field.zero == NONE else 0), field.zero
        data = b"".join(_pack(order, letter, one) for one in raws)
        yield data, Reading(field.name, value, field.unit, quality)


def _sent(letter: str, raw: float) -> float:
    """Return a number as the line can carry it."""
    return struct.unpack("<f", struct.pack("<f", raw))[0] if letter == "f" else round(raw)


def _pack(order: str, letter: str, raw: float) -> bytes:
    if letter == "m":
        return struct.pack(order + "H", abs(raw) | (0x8000 if raw < 0 else 0))
    return struct.pack(order + letter, raw)
