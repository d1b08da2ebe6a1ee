"""How a recorded home does with the long-stay alarm of its bathroom and toilet.

```
 events -> Sign, in order -> Stay of each room       |<- learning ->|<---- judged ---->|
 after every sign of a stay of a judged day: a copy, cut off from all events, runs until it alarms
```
An alarm is put beside what the person had written down for most of that stay. Toilet, shower and
grooming are its own activities; anything else means that the person had left and no sensor saw it.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from edge_agent.evaluate.homes.home_replay import (
    DAY_S,
    instant_of,
    learning_days,
    signs_of,
    truth_of,
)
from edge_agent.evaluate.homes.homes import HomeRecord, read_home
from edge_agent.home.sign import Sign
from edge_agent.home.stay import Stay, StayLimits

ROOMS = ("bathroom", "toilet")
LOOK_S = 30.0
"""How often a stay is looked at."""


class StayTold(msgspec.Struct, frozen=True):
    """One alarm of a judged day: minutes told at, the limit then, how long it was in all."""

    at: str
    told_min: float
    limit_min: float
    lasted_min: float
    truth: str


class RoomScore(msgspec.Struct, frozen=True):
    """One room.

    Attributes:
        stays: of all days, and `lasted_min` their `median`, `p95` and `max`.
        told: the alarms of judged days.
        told_per_week: their rate.
        limit_min: at the end, by `day` and `night`.
        cut_offs: stays cut off after each of their signs; `cut_told` of them alarmed, the latest
            `longest_min` after the entering.
    """

    room: str
    stays: int
    lasted_min: dict[str, float]
    told: list[StayTold]
    told_per_week: float
    limit_min: dict[str, float]
    cut_offs: int
    cut_told: int
    longest_min: float


@dataclass(frozen=True, slots=True)
class StayScore:
    """The result of one home; its fields in this order are the JSON object."""

    file: str
    detector: str
    judged_days: int
    rooms: list[RoomScore]


def score_stay(path: Path, limits: StayLimits | None = None) -> StayScore:
    """Replay one home and judge the long stays of its bathroom and toilet.

    Raises:
        TrialError: the file cannot be read or is too short to learn from.
    """
    record = read_home(path)
    signs = signs_of(record)
    days, learning = learning_days(record)
    judged_s = (int(signs[0].monotonic_s // DAY_S) + learning) * DAY_S
    rooms = [
        _score_room(record, signs, room, limits or StayLimits(), judged_s)
        for room in ROOMS
        if any(sign.place == room for sign in signs)
    ]
    return StayScore(record.name, "bathroom_stay", days - learning, rooms)


def format_stay(score: StayScore) -> str:
    """Return the score as a table for people."""
    lines = [f"{score.file}: {score.judged_days} days judged"]
    for room in score.rooms:
        lasted = room.lasted_min
        lines += [
            f"  {room.room}: {room.stays} stays, median {lasted['median']:.1f}, "
            f"p95 {lasted['p95']:.1f}, longest {lasted['max']:.0f} min; limit by day "
            f"{room.limit_min['day']:.0f}, by night {room.limit_min['night']:.0f} min",
            f"    told {len(room.told)}, a week {room.told_per_week:.2f}; cut off {room.cut_offs} "
            f"times, told {room.cut_told}, at the latest after {room.longest_min:.1f} min",
            *(
                f"    {one.at}  told at {one.told_min:.0f} min, limit {one.limit_min:.0f}, "
                f"lasted {one.lasted_min:.0f}: {one.truth}"
                for one in room.told
            ),
        ]
    return "\n".join(lines)


def _score_room(
    record: HomeRecord, signs: list[Sign], room: str, limits: StayLimits, judged_s: float
) -> RoomScore:
    stay = Stay(room, limits, 1, "replay")
    lasted: list[float] = []
    told: list[StayTold] = []
    cut_min: list[float | None] = []
    raised: tuple[float, float] | None = None
    for sign in signs:
        at_s = sign.monotonic_s
        entered_s = stay.fact.entered_s
        raised = raised or _wait(stay, at_s)
        stay.note(sign, instant_of(at_s))
        if entered_s is not None and stay.fact.entered_s is None:
            lasted.append((at_s - entered_s) / 60.0)
            if raised is not None and raised[0] >= judged_s:
                told.append(_told(record, entered_s, at_s, raised))
            raised = None
        elif at_s >= judged_s and stay.fact.entered_s is not None and not stay.fact.alarmed:
            cut_min.append(_cut_off(stay, room, limits, at_s))
    judged_weeks = (signs[-1].monotonic_s - judged_s) / (7 * DAY_S)
    found = [one for one in cut_min if one is not None]
    return RoomScore(
        room=room,
        stays=len(lasted),
        lasted_min={
            "median": float(np.median(lasted)) if lasted else 0.0,
            "p95": float(np.quantile(lasted, 0.95)) if lasted else 0.0,
            "max": max(lasted, default=0.0),
        },
        told=told,
        told_per_week=len(told) / judged_weeks,
        limit_min={name: seconds / 60.0 for name, seconds in stay.learned_s().items()},
        cut_offs=len(cut_min),
        cut_told=len(found),
        longest_min=max(found, default=0.0),
    )


def _wait(stay: Stay, until_s: float) -> tuple[float, float] | None:
    """Let a stay go on until then; return when it was told and the limit, or None."""
    at_s = stay.fact.entered_s
    while at_s is not None and at_s < until_s and not stay.fact.alarmed:
        long = stay.take_due(instant_of(at_s))
        if long is not None:
            return at_s, long.limit_s
        at_s += LOOK_S
    return None


def _cut_off(stay: Stay, room: str, limits: StayLimits, cut_s: float) -> float | None:
    """Return the minutes from entering to the alarm of a copy that hears nothing any more."""
    copy = Stay(room, limits, 1, "replay")
    copy.restore(msgspec.json.encode(stay.fact), instant_of(cut_s))
    entered_s = copy.fact.entered_s
    raised = _wait(copy, cut_s + DAY_S)
    return None if raised is None or entered_s is None else (raised[0] - entered_s) / 60.0


def _told(
    record: HomeRecord, entered_s: float, left_s: float, raised: tuple[float, float]
) -> StayTold:
    return StayTold(
        str(np.datetime64(int(entered_s), "s")).replace("T", " "),
        (raised[0] - entered_s) / 60.0,
        raised[1] / 60.0,
        (left_s - entered_s) / 60.0,
        truth_of(record, entered_s, left_s),
    )
