"""Recorded homes: sensor events and activity labels as text, read to events and labels.

Two forms, told apart by their lines; times are the home's own, to the second:
```
UCI "ADLs Recognition Using Binary Sensors" (Ordonez), sensors / labels
    2011-11-28 10:21:24   2011-11-28 10:21:31   Cabinet   Magnetic   Bathroom
    2011-11-28 10:21:24   2011-11-28 10:23:36   Toileting
van Kasteren, sensors / labels
    25-Feb-2008 00:20:14  25-Feb-2008 00:22:57  24
    25-Feb-2008 00:22:46  25-Feb-2008 09:34:12  10
```
The first names its sensors by location, type and place; the second only by a code, which the
table of its home below explains as an installer would. The table is chosen by the codes that
occur, not by the name of the file; a code in no table is a contact somewhere in the home.
The labels lie beside the sensors: `X_Sensors.txt` and `X_ADLs.txt`, `X-ss.txt` and `X-as.txt`.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.evaluate.npz import TrialError
from edge_agent.home.sign import Kind

MOST_BYTES = 64_000_000
"""Of one file; the longest of these sets has one million."""
LONGEST_DAYS = 366
"""Between first and last event."""

BED = "bed"
"""Begins the name of a source that is a bed."""


@dataclass(frozen=True, slots=True)
class Event:
    """One activation of a sensor.

    Attributes:
        begin_s: local seconds (of UNIX time, as if the home's clock were UTC).
        end_s: not before `begin_s`.
    """

    begin_s: float
    end_s: float
    source: str
    kind: Kind
    place: str


@dataclass(frozen=True, slots=True)
class Label:
    """What the person did, in words where the set has them, else its code."""

    begin_s: float
    end_s: float
    activity: str


@dataclass(frozen=True, slots=True)
class HomeRecord:
    """One home: events by begin, labels by begin.

    Attributes:
        reversed_rows: events that end before they begin; only their begin is used.
    """

    name: str
    events: tuple[Event, ...]
    labels: tuple[Label, ...]
    reversed_rows: int


@dataclass(frozen=True, slots=True)
class _Row:
    begin_s: float
    end_s: float
    words: tuple[str, ...]


_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
        start=1,
    )
}
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})\s+(\d{1,2}):(\d{2}):(\d{2})(?=\s|$)", re.ASCII)
_NAMED = re.compile(
    r"(\d{1,2})-([A-Za-z]{3})-(\d{4})\s+(\d{1,2}):(\d{2}):(\d{2})(?=\s|$)", re.ASCII
)
_RULE = re.compile(r"[-\s]*")
_TYPES = {
    "pir": Kind.MOTION,
    "magnetic": Kind.CONTACT,
    "flush": Kind.USE,
    "electric": Kind.USE,
    "pressure": Kind.REST,
}
_CODES: tuple[dict[str, tuple[Kind, str, str]], ...] = (
    {
        "1": (Kind.CONTACT, "kitchen", "microwave"),
        "5": (Kind.ROOM_DOOR, "bathroom", "bathroom door"),
        "6": (Kind.ROOM_DOOR, "toilet", "toilet door"),
        "7": (Kind.CONTACT, "kitchen", "cups"),
        "8": (Kind.CONTACT, "kitchen", "fridge"),
        "9": (Kind.CONTACT, "kitchen", "plates"),
        "12": (Kind.FRONT_DOOR, "entrance", "front door"),
        "13": (Kind.CONTACT, "kitchen", "dishwasher"),
        "14": (Kind.USE, "toilet", "toilet flush"),
        "17": (Kind.CONTACT, "kitchen", "freezer"),
        "18": (Kind.CONTACT, "kitchen", "pans"),
        "20": (Kind.CONTACT, "kitchen", "washing machine"),
        "23": (Kind.CONTACT, "kitchen", "groceries"),
        "24": (Kind.ROOM_DOOR, "bedroom", "bedroom door"),
    },
    {
        "1": (Kind.ROOM_DOOR, "bathroom", "toilet door"),
        "3": (Kind.CONTACT, "kitchen", "fridge"),
        "5": (Kind.CONTACT, "kitchen", "groceries"),
        "6": (Kind.USE, "bathroom", "toilet flush"),
        "7": (Kind.FRONT_DOOR, "entrance", "front door"),
        "9": (Kind.CONTACT, "kitchen", "plates"),
        "10": (Kind.ROOM_DOOR, "bedroom", "bedroom door"),
        "12": (Kind.REST, "bedroom", f"{BED} right"),
        "13": (Kind.REST, "bedroom", f"{BED} left"),
        "14": (Kind.MOTION, "kitchen", "cutlery drawer"),
        "15": (Kind.MOTION, "kitchen", "stove lid"),
        "16": (Kind.MOTION, "bedroom", "bedroom motion"),
        "18": (Kind.MOTION, "bedroom", "dresser"),
        "19": (Kind.MOTION, "bathroom", "bathroom motion"),
        "20": (Kind.REST, "living", "office chair"),
        "21": (Kind.USE, "kitchen", "sink"),
        "22": (Kind.REST, "living", "corner chair"),
        "23": (Kind.CONTACT, "home", "23"),
        "24": (Kind.CONTACT, "living", "balcony door"),
        "25": (Kind.CONTACT, "living", "window"),
        "26": (Kind.USE, "kitchen", "toaster"),
        "27": (Kind.CONTACT, "kitchen", "microwave"),
        "28": (Kind.MOTION, "kitchen", "kitchen motion"),
    },
    {
        "5": (Kind.REST, "bedroom", f"{BED} right"),
        "6": (Kind.REST, "living", "couch"),
        "7": (Kind.CONTACT, "kitchen", "freezer"),
        "8": (Kind.USE, "bathroom", "toilet flush upstairs"),
        "10": (Kind.USE, "toilet", "toilet flush downstairs"),
        "11": (Kind.ROOM_DOOR, "bathroom", "bathroom door left"),
        "13": (Kind.MOTION, "kitchen", "cutlery"),
        "15": (Kind.MOTION, "entrance", "keys"),
        "16": (Kind.ROOM_DOOR, "bathroom", "bathroom door right"),
        "18": (Kind.MOTION, "kitchen", "cutlery drawer"),
        "20": (Kind.CONTACT, "kitchen", "pans"),
        "21": (Kind.CONTACT, "kitchen", "microwave"),
        "22": (Kind.CONTACT, "kitchen", "leftovers"),
        "23": (Kind.CONTACT, "kitchen", "plates"),
        "25": (Kind.ROOM_DOOR, "toilet", "toilet door downstairs"),
        "27": (Kind.CONTACT, "kitchen", "cups"),
        "28": (Kind.FRONT_DOOR, "entrance", "front door"),
        "29": (Kind.ROOM_DOOR, "bedroom", "bedroom door"),
        "30": (Kind.CONTACT, "kitchen", "refrigerator"),
        "35": (Kind.MOTION, "bathroom", "bathtub motion"),
        "36": (Kind.MOTION, "bedroom", "dresser motion"),
        "38": (Kind.USE, "bathroom", "washbasin upstairs"),
        "39": (Kind.REST, "bedroom", f"{BED} left"),
    },
)
"""The published sensor lists of van Kasteren's three homes (T.L.M. van Kasteren, G. Englebienne,
B.J.A. Krose, "Human Activity Recognition from Wireless Sensor Network Data: Benchmark and
Software", 2011): what an installer would have entered. In the first home the list names doors 5
and 6 the other way round; the flush (14) goes with 6 throughout, so 6 is the
toilet's. Mercury contacts move with a drawer or a lid, so their changes are motion."""

_ACTIVITIES = {"1": "Leaving", "4": "Toileting", "5": "Showering", "10": "Sleeping"}
"""Codes that all of van Kasteren's homes share."""

OUT, SLEEPING = "Leaving", "Sleeping"


def read_home(path: Path) -> HomeRecord:
    """Read the sensor events of one home, and its labels where they lie beside them.

    Raises:
        TrialError: a file cannot be read; the message names the file and the line.
    """
    rows, is_named = _read_rows(path, 3, 1)
    if not rows:
        raise TrialError(f"{path.name}: no sensor events")
    table = _table({row.words[0] for row in rows}) if is_named else {}
    events, reversed_rows = [], 0
    for row in rows:
        source, kind, place = _coded(row, table) if is_named else _described(row)
        reversed_rows += row.end_s < row.begin_s
        events.append(Event(row.begin_s, max(row.begin_s, row.end_s), source, kind, place))
    events.sort(key=lambda event: event.begin_s)
    days = (events[-1].begin_s - events[0].begin_s) / 86_400
    if days > LONGEST_DAYS:
        raise TrialError(f"{path.name}: {days:.0f} days long, at most {LONGEST_DAYS} are read")
    return HomeRecord(path.name, tuple(events), _read_labels(path), reversed_rows)


def _read_labels(path: Path) -> tuple[Label, ...]:
    beside = {
        path.with_name(re.sub(pattern, name, path.name, flags=re.IGNORECASE))
        for pattern, name in ((r"_sensors(?=\.)", "_ADLs"), (r"-ss(?=\.)", "-as"))
    }
    found = sorted(one for one in beside if one != path and one.is_file())
    if not found:
        return ()
    rows, is_named = _read_rows(found[0], 1, 1)
    labels = [
        Label(
            row.begin_s,
            max(row.begin_s, row.end_s),
            _ACTIVITIES.get(row.words[0], row.words[0]) if is_named else row.words[0],
        )
        for row in rows
    ]
    return tuple(sorted(labels, key=lambda label: label.begin_s))


def _read_rows(path: Path, words_iso: int, words_named: int) -> tuple[list[_Row], bool]:
    """Return the rows of a file, and whether it is of van Kasteren's form."""
    rows: list[_Row] = []
    forms: set[bool] = set()
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        is_head = not rows and not line[:1].isdigit()
        if is_head or _RULE.fullmatch(line) is not None:
            continue
        where = f"{path.name}, line {number}"
        is_named = _NAMED.match(line) is not None
        pattern = _NAMED if is_named else _ISO
        begin = pattern.match(line)
        rest = line[begin.end() :].lstrip() if begin else ""
        end = pattern.match(rest)
        if begin is None or end is None:
            raise TrialError(f"{where}: not begin and end, each as date and time")
        words = tuple(rest[end.end() :].split())
        least = words_named if is_named else words_iso
        if len(words) < least:
            raise TrialError(f"{where}: {len(words)} words after the times, {least} are needed")
        rows.append(_Row(_seconds(begin, where), _seconds(end, where), words))
        forms.add(is_named)
    if len(forms) > 1:
        raise TrialError(f"{path.name}: lines of two different forms")
    return rows, True in forms


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise TrialError(f"{path}: cannot be read ({error.strerror})") from None
    if len(raw) > MOST_BYTES:
        raise TrialError(f"{path.name}: larger than {MOST_BYTES} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise TrialError(f"{path.name}, line {line}: not UTF-8 text") from None


def _seconds(match: re.Match[str], where: str) -> float:
    first, middle, third, *clock = match.groups()
    if middle.isdigit():
        year, month, day = int(first), int(middle), int(third)
    else:
        year, month, day = int(third), _MONTHS.get(middle.lower(), 0), int(first)
    try:
        hour, minute, at_second = map(int, clock)
        return datetime(year, month, day, hour, minute, at_second, tzinfo=UTC).timestamp()
    except ValueError:
        raise TrialError(f"{where}: no such date or time: {match[0]!r}") from None


def _table(codes: set[str]) -> dict[str, tuple[Kind, str, str]]:
    """Return the table that explains the most of the codes with the fewest left over."""
    return max(_CODES, key=lambda table: (len(codes & set(table)), -len(set(table) - codes)))


def _coded(row: _Row, table: dict[str, tuple[Kind, str, str]]) -> tuple[str, Kind, str]:
    kind, place, name = table.get(row.words[0], (Kind.CONTACT, "home", "unknown"))
    return f"{name} {row.words[0]}", kind, place


def _described(row: _Row) -> tuple[str, Kind, str]:
    *location, type_, place = row.words
    name, place = " ".join(location).lower(), place.lower()
    kind = _TYPES.get(type_.lower(), Kind.CONTACT)
    if kind is Kind.CONTACT and (place == "entrance" or name in ("maindoor", "front door")):
        kind = Kind.FRONT_DOOR
    elif kind is Kind.CONTACT and "door" in name:
        kind = Kind.ROOM_DOOR
    return f"{name} {place}", kind, place
