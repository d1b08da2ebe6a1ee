"""Tables of a report's fields, and reading them: the one engine behind the radar modules.

A field is `(name, code, unit, divisor, low, high, states, zero)`. A code is a letter of
`struct` with a count before it, or
- `m`, 16 bits: sign (bit 15) and magnitude,
- `s`: ASCII text to the end of the report.

A count above one makes a tuple. A number outside `low..high` is doubtful and kept; a zero has
the quality `zero` where the maker sends 0 for "no value"; a float that is no number reads none.
A state that the table does not have is doubtful, with its code for value.
"""

import struct

from protocol.sensors.reading import DOUBTFUL, GOOD, NONE, Reading, is_finite

TYPE_CHECKING = False
if TYPE_CHECKING:
    State = str | bool | None
    Field = tuple[str, str, str, int, float, float, tuple[State, ...], str]
    Report = tuple[Field, ...]
    Table = dict[int, Report]

_SIZES = {"B": 1, "H": 2, "h": 2, "m": 2, "I": 4, "i": 4, "f": 4}
_ANY = 4294967295.0


def number(
    name: str,
    code: str,
    unit: str = "",
    divisor: int = 1,
    low: float = -_ANY,
    high: float = _ANY,
    zero: str = GOOD,
) -> "Field":
    """Return a field that holds a number, in `unit` once divided."""
    return (name, code, unit, divisor, low, high, (), zero)


def state(name: str, *states: "State") -> "Field":
    """Return a field whose byte is the place of a state; None stands where the maker has none."""
    return (name, "B", "", 1, 0, 0, states, GOOD)


def flag(name: str) -> "Field":
    """Return a field whose byte is 0 or 1."""
    return state(name, False, True)


def text(name: str) -> "Field":
    """Return a field of ASCII that fills the report."""
    return (name, "s", "", 1, 0, 0, (), GOOD)


def size_of(report: "Report") -> int:
    """Return how many bytes a report has; -1 when it ends in text."""
    size = 0
    for field in report:
        code = field[1]
        if code == "s":
            return -1
        size += _SIZES[code[-1]] * _count(code)
    return size


def fits(report: "Report", data: bytes) -> bool:
    """Return whether `data` has the length of the report, and the letters of its text."""
    size = size_of(report)
    return size == len(data) or (size < 0 and is_text(data))


def read(
    report: "Report",
    data: bytes,
    order: str,
    at: int = 0,
    index: int = -1,
    quality: str = GOOD,
) -> "list[Reading]":
    """Return the readings of a report that begins at `at` and is whole.

    Args:
        report: its fields.
        data: the payload.
        order: < little endian, > big endian.
        at: offset of the first field.
        index: which target, zone or row this is.
        quality: of what is in range; doubtful where the table itself is not sure.
    """
    readings = []
    for field in report:
        readings.append(_read_field(field, data, order, at, index, quality))
        at += 0 if field[1] == "s" else _SIZES[field[1][-1]] * _count(field[1])
    return readings


def read_rows(
    row: "Report", data: bytes, order: str, at: int = 0, quality: str = GOOD
) -> "list[Reading]":
    """Return the readings of equal rows that fill `data` from `at`; the index is the row's."""
    readings = []
    size = size_of(row)
    for index in range((len(data) - at) // size):
        readings.extend(read(row, data, order, at + index * size, index, quality))
    return readings


def is_text(data: bytes) -> bool:
    """Return whether bytes are printable ASCII, perhaps with zeros behind."""
    letters = data.rstrip(b"\x00")
    return bool(letters) and all(32 <= letter < 127 for letter in letters)


def _count(code: str) -> int:
    return int(code[:-1]) if len(code) > 1 else 1


def _read_field(
    field: "Field", data: bytes, order: str, at: int, index: int, quality: str
) -> Reading:
    name, code, unit, divisor, low, high, states, zero = field
    if code == "s":
        return Reading(name, str(data[at:].rstrip(b"\x00"), "ascii"), "", quality, index)
    raw = struct.unpack_from(order + code.replace("m", "H"), data, at)
    letter = code[-1]
    if states:
        meaning = states[raw[0]] if raw[0] < len(states) else None
        if meaning is None:
            return Reading(name, raw[0], "", DOUBTFUL, index)
        return Reading(name, meaning, "", quality, index)
    if letter == "m":
        raw = tuple([-(one & 0x7FFF) if one & 0x8000 else one for one in raw])
    elif letter == "f":
        for one in raw:
            if not is_finite(one):
                return Reading(name, None, unit, NONE, index)
    values = tuple([one / divisor for one in raw]) if divisor != 1 else raw
    for one in values:
        if not low <= one <= high:
            quality = DOUBTFUL
    if len(values) > 1:
        return Reading(name, values, unit, quality, index)
    if not values[0] and zero != GOOD:
        return Reading(name, None if zero == NONE else 0, unit, zero, index)
    return Reading(name, values[0], unit, quality, index)
