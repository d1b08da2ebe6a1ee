"""How a recorded home does with the long-silence alarm, as the agent would run it.

```
 events -> Sign, in order -> Inactivity          |<- learning ->|<------- judged ------->|
 at every half hour of a judged day: a copy, cut off from all events, runs until it alarms
```
The copy is made of the stored facts, so it is also a restart of the agent. Every alarm of a
judged day is put beside what the person had written down for that silence: `out` (they had left
home: told truly, but nobody was in danger), `unlabelled` (the book was not kept) or anything
else, which is a false alarm. Learning goes on in the judged days, as it does in a home.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from edge_agent.evaluate.homes.home_replay import (
    DAY_S,
    UNLABELLED,
    instant_of,
    learning_days,
    signs_of,
    truth_of,
)
from edge_agent.evaluate.homes.homes import OUT, HomeRecord, read_home
from edge_agent.home.inactivity import Inactivity
from edge_agent.home.silence import Limits, Silence, Where

HOUR_S = 3600.0
CUT_S = 1800.0
"""How often in a judged day events are cut off."""
LOOK_S = 300.0
"""How often a cut-off copy is looked at."""
WAIT_S = 40 * HOUR_S
"""A copy that is silent for this long has failed."""
RESAMPLES = 2000
"""Draws of days for the intervals; the seed is fixed."""


class Told(msgspec.Struct, frozen=True):
    """One alarm of a judged day.

    Attributes:
        at: local date and time.
        where: state of the home in that silence.
        silent_h: how long it had lasted; limit_h: the limit then; lasted_h: all of it.
        truth: what the labels say the person did for most of it, or `unlabelled`.
    """

    at: str
    where: str
    silent_h: float
    limit_h: float
    lasted_h: float
    truth: str


@dataclass(frozen=True, slots=True)
class InactivityScore:
    """The result of one home; its fields in this order are the JSON object.

    Attributes:
        file: name without folder.
        detector: always `inactivity`.
        days: local days with events.
        learning_days: the first of them, not judged.
        judged_days: all after those.
        labelled_days: judged days on which a label begins or ends.
        false_alarms: alarms of judged days while the labels have the person at home.
        not_back: while they have the person out.
        unlabelled: while there is no label.
        false_alarms_per_week: in labelled days; None without any.
        upper95_per_week: the rate that would give no more than this in one of twenty.
        cut_offs: how often events were cut off, every half hour of the judged days.
        alarmed_in_limit: share that alarmed before the silence passed the limit in force.
        ci95: `alarmed_in_limit`, `from_cut_h_median`; days drawn with replacement.
        from_cut_h: `median`, `p95`, `max` from the cut to the alarm.
        from_last_sign_h: for each state of the home the same from the last sign of life, and
            the `cuts` in it.
        by_hour: for each local hour of the cut `median` and `max` from cut to alarm.
        limit_h: for each state the limit at each local hour, at the end.
        stored_bytes: of the facts.
        told: the alarms of the judged days.
    """

    file: str
    detector: str
    days: int
    learning_days: int
    judged_days: int
    labelled_days: int
    false_alarms: int
    not_back: int
    unlabelled: int
    false_alarms_per_week: float | None
    upper95_per_week: float | None
    cut_offs: int
    alarmed_in_limit: float | None
    ci95: dict[str, list[float] | None]
    from_cut_h: dict[str, float | None]
    from_last_sign_h: dict[str, dict[str, float | None]]
    by_hour: dict[str, dict[str, float]]
    limit_h: dict[str, list[float]]
    stored_bytes: dict[str, int]
    told: list[Told]


@dataclass(frozen=True, slots=True)
class _Cut:
    """One cut: when, and what came of it; hours are None without an alarm in time."""

    day: int
    hour: int
    where: Where
    from_cut_h: float
    from_sign_h: float
    in_limit: bool


def score_inactivity(path: Path, limits: Limits | None = None) -> InactivityScore:
    """Replay one home and judge its alarms.

    Args:
        path: the sensor events; labels are taken from beside it.
        limits: the shipped ones when None.

    Raises:
        TrialError: the file cannot be read or is too short to learn from.
    """
    record = read_home(path)
    limits = limits or Limits()
    signs = signs_of(record)
    first_day = int(signs[0].monotonic_s // DAY_S)
    days, learning = learning_days(record)
    judged_s = (first_day + learning) * DAY_S
    home = Inactivity(limits, 1, "replay", instant_of(signs[0].monotonic_s))
    told: list[Told] = []
    cuts: list[_Cut] = []
    cut_s = judged_s
    raised: list[tuple[float, Silence]] = []
    for sign in signs:
        for at_s in _times(cut_s, sign.monotonic_s):
            raised += _alarms_before(home, at_s)
            if not home.fact.alarmed:
                cuts.append(_cut_off(home, limits, at_s))
            cut_s = at_s + CUT_S
        raised += _alarms_before(home, sign.monotonic_s)
        if home.note(sign, instant_of(sign.monotonic_s)):
            told += [
                _compare(record, *one, sign.monotonic_s) for one in raised if one[0] >= judged_s
            ]
            raised.clear()
    return _summary(record, home, days, learning, told, cuts)


def format_inactivity(score: InactivityScore) -> str:
    """Return the score as a table for people."""
    cut, interval = score.from_cut_h, score.ci95
    lines = [
        f"{score.file}: {score.days} days, {score.learning_days} to learn, "
        f"{score.judged_days} judged, {score.labelled_days} of them labelled",
        f"  false alarms              {score.false_alarms}"
        f"   a week {_number(score.false_alarms_per_week)}"
        f" (under {_number(score.upper95_per_week)} at 95 %)",
        f"  told while out            {score.not_back}",
        f"  told without labels       {score.unlabelled}",
        f"  events cut off            {score.cut_offs} times, alarm in the limit "
        f"{_percent(score.alarmed_in_limit)}{_span(interval['alarmed_in_limit'], 100.0)}",
        f"  hours from the cut        {_three(cut)}  (median"
        f"{_span(interval['from_cut_h_median'], 1.0)})",
        *(
            f"  ... from the last sign    {_three(one)}  ({one['cuts']:.0f} at {where})"
            for where, one in score.from_last_sign_h.items()
        ),
        "",
        "  hour          " + "".join(f"{hour:>5}" for hour in range(24)),
    ]
    for where, hours in score.limit_h.items():
        lines.append(f"  limit {where:<8}" + "".join(f"{value:5.1f}" for value in hours))
    for key in ("median", "max"):
        cells = (score.by_hour.get(str(hour)) for hour in range(24))
        row = "".join(f"{one[key]:5.1f}" if one else "    -" for one in cells)
        lines.append(f"  delay {key:<8}" + row)
    lines += [
        f"  {one.at}  {one.where:<5} silent {one.silent_h:.1f} h, limit {one.limit_h:.1f} h, "
        f"lasted {one.lasted_h:.1f} h: {one.truth}"
        for one in score.told
    ]
    return "\n".join(lines)


def _times(from_s: float, until_s: float) -> Iterable[float]:
    while from_s < until_s:
        yield from_s
        from_s += CUT_S


def _alarms_before(home: Inactivity, until_s: float) -> list[tuple[float, Silence]]:
    """Let the home wait until then; return when it alarmed and with what, one at most."""
    due_s = home.due_s(instant_of(home.fact.since_s))
    if due_s is None or due_s >= until_s:
        return []
    silence = home.take_due(instant_of(due_s))
    return [] if silence is None else [(due_s, silence)]


def _cut_off(home: Inactivity, limits: Limits, cut_s: float) -> _Cut:
    """Cut a copy off from its sensors and look at it until it alarms."""
    copy = Inactivity(limits, 1, "replay", instant_of(cut_s))
    copy.restore(msgspec.json.encode(home.fact), instant_of(cut_s))
    copy.learned.restore(msgspec.json.encode(home.learned.fact))
    at_s, in_limit = cut_s, True
    since_s = copy.fact.since_s
    while at_s < cut_s + WAIT_S:
        now = instant_of(at_s)
        if copy.take_due(now) is not None:
            break
        in_limit = in_limit and copy.silent_s(now) < copy.limit_s(now)
        at_s += LOOK_S
    else:
        in_limit = False
    hour = int(cut_s // HOUR_S)
    return _Cut(
        hour // 24,
        hour % 24,
        copy.fact.where,
        (at_s - cut_s) / HOUR_S,
        (at_s - since_s) / HOUR_S,
        in_limit,
    )


def _compare(record: HomeRecord, at_s: float, silence: Silence, end_s: float) -> Told:
    """Put an alarm beside the labels of its silence."""
    begin_s = at_s - silence.silent_s
    date = np.datetime64(int(at_s), "s")
    return Told(
        str(date).replace("T", " "),
        silence.where.value,
        round(silence.silent_s / HOUR_S, 2),
        round(silence.limit_s / HOUR_S, 2),
        round((end_s - begin_s) / HOUR_S, 2),
        truth_of(record, begin_s, end_s),
    )


def _summary(
    record: HomeRecord,
    home: Inactivity,
    days: int,
    learning: int,
    told: list[Told],
    cuts: list[_Cut],
) -> InactivityScore:
    first_day = int(record.events[0].begin_s // DAY_S)
    edges = sorted(edge for one in record.labels for edge in (one.begin_s, one.end_s))
    labelled = sum(
        bisect_left(edges, day * DAY_S) < bisect_left(edges, (day + 1) * DAY_S)
        for day in range(first_day + learning, first_day + days)
    )
    not_back = sum(one.truth == OUT for one in told)
    unlabelled = sum(one.truth == UNLABELLED for one in told)
    false_alarms = len(told) - not_back - unlabelled
    weeks = labelled / 7.0
    by_hour = {
        str(hour): {"median": float(np.median(mine)), "max": max(mine)}
        for hour in range(24)
        if (mine := [one.from_cut_h for one in cuts if one.hour == hour])
    }
    stored = {
        "inactivity": len(msgspec.json.encode(home.fact)),
        "learned": len(msgspec.json.encode(home.learned.fact)),
    }
    return InactivityScore(
        file=record.name,
        detector="inactivity",
        days=days,
        learning_days=learning,
        judged_days=days - learning,
        labelled_days=labelled,
        false_alarms=false_alarms,
        not_back=not_back,
        unlabelled=unlabelled,
        false_alarms_per_week=false_alarms / weeks if weeks else None,
        upper95_per_week=poisson_upper(false_alarms) / weeks if weeks else None,
        cut_offs=len(cuts),
        alarmed_in_limit=float(np.mean([one.in_limit for one in cuts])) if cuts else None,
        ci95=_intervals(cuts),
        from_cut_h=_spread([one.from_cut_h for one in cuts]),
        from_last_sign_h={
            where.value: {"cuts": float(len(mine)), **_spread(mine)}
            for where in Where
            if (mine := [one.from_sign_h for one in cuts if one.where is where])
        },
        by_hour=by_hour,
        limit_h={
            where.value: [round(one / HOUR_S, 2) for one in home.learned.limits_s(where)]
            for where in Where
        },
        stored_bytes=stored,
        told=told,
    )


def poisson_upper(count: int) -> float:
    """Return the mean under which so few events come in one case of twenty.

    Source: F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28, 1936.
    """
    low, high = 0.0, 20.0 + 3.0 * count
    for _ in range(60):
        mean = 0.5 * (low + high)
        chance = sum(
            math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1)
        )
        low, high = (mean, high) if chance > 0.05 else (low, mean)
    return high


def _intervals(cuts: list[_Cut]) -> dict[str, list[float] | None]:
    """Return 95 % intervals with whole days drawn with replacement."""
    days = sorted({one.day for one in cuts})
    if len(days) < 2:
        return {"alarmed_in_limit": None, "from_cut_h_median": None}
    table = [[one for one in cuts if one.day == day] for day in days]
    right = np.array([sum(one.in_limit for one in mine) for mine in table])
    count = np.array([len(mine) for mine in table])
    hours = [np.array([one.from_cut_h for one in mine]) for mine in table]
    drawn = np.random.default_rng(0).integers(0, len(days), (RESAMPLES, len(days)))
    shares = right[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    medians = [float(np.median(np.concatenate([hours[i] for i in one]))) for one in drawn]
    return {
        "alarmed_in_limit": [float(np.quantile(shares, q)) for q in (0.025, 0.975)],
        "from_cut_h_median": [float(np.quantile(medians, q)) for q in (0.025, 0.975)],
    }


def _spread(values: list[float]) -> dict[str, float | None]:
    if not values:
        return {"median": None, "p95": None, "max": None}
    return {
        "median": float(np.median(values)),
        "p95": float(np.quantile(values, 0.95)),
        "max": max(values),
    }


def _three(values: dict[str, float | None]) -> str:
    names = ("median", "p95", "max")
    return " / ".join(f"{name} {_number(values[name])}" for name in names)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100.0 * value:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _span(interval: list[float] | None, scale: float) -> str:
    if interval is None:
        return ""
    return f" ({scale * interval[0]:.1f} to {scale * interval[1]:.1f} over days)"
