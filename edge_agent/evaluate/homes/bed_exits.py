"""How a bed sensor of a recorded home agrees with when the person says they slept.

```
 bed events -> edges -> times in bed (home/night.py) -> exits      beside the end of `Sleeping`
```
Several sensors of one bed are one: taken while any of them is. An exit is right when it lies
within `MATCH_S` of the end of a sleep that the person wrote down, one for each; an exit for the
toilet in the night has such an end where the book was kept well, and is `other` where it was not.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_agent.evaluate.homes.homes import BED, SLEEPING, HomeRecord, read_home
from edge_agent.evaluate.npz import TrialError
from edge_agent.home.night import RESTLESS_S, Span, join
from edge_agent.home.sign import Kind

MATCH_S = 600.0
"""People write down to some minutes when they got up."""


@dataclass(frozen=True, slots=True)
class BedExitScore:
    """The result of one home; its fields in this order are the JSON object.

    Attributes:
        file: name without folder.
        detector: always `bed_exit`.
        in_bed_h: hours in bed.
        n_sleeps: sleeps in the labels that lie within the recording.
        sleeps_found: those of which at least half was spent in bed by the sensor.
        n_exits: times the bed was left for longer than the restlessness limit.
        exits_at_sleep_end: those that belong to the end of a sleep.
        recall: ends of sleeps with an exit, over all; None without any.
        precision: exits at the end of a sleep, over all; None without any.
        restless: times off and on again that were suppressed.
        end_error_s: `median` and `p95` of the absolute difference, matched ends only.
    """

    file: str
    detector: str
    in_bed_h: float
    n_sleeps: int
    sleeps_found: int
    n_exits: int
    exits_at_sleep_end: int
    recall: float | None
    precision: float | None
    restless: int
    end_error_s: dict[str, float | None]


def score_bed_exit(path: Path, restless_s: float = RESTLESS_S) -> BedExitScore:
    """Score the bed sensor of one home.

    Raises:
        TrialError: the file cannot be read, or has no bed sensor or no labels.
    """
    record = read_home(path)
    edges = bed_edges(record)
    if not edges:
        raise TrialError(f"{record.name}: no bed sensor")
    sleeps = [
        (one.begin_s, one.end_s)
        for one in record.labels
        if one.activity == SLEEPING and edges[0][0] < one.end_s and one.begin_s < edges[-1][0]
    ]
    if not sleeps:
        raise TrialError(f"{record.name}: no labels of sleep beside it")
    spans: tuple[Span, ...] = ()
    times: list[tuple[float, float]] = []
    restless = 0
    for at_s, occupied in edges:
        if len(spans) > 1:  # what lies before the last one is settled
            times += [(a, b) for a, b in spans[:-1] if b is not None]
            spans = spans[-1:]
        spans, more = join(spans, occupied, at_s, restless_s)
        restless += more
    times += [(a, b) for a, b in spans if b is not None]
    return _summary(record, times, sleeps, restless)


def bed_edges(record: HomeRecord) -> list[tuple[float, bool]]:
    """Return when the bed of a home was entered and left, all its sensors together."""
    changes = sorted(
        (at_s, step)
        for event in record.events
        if event.kind is Kind.REST and event.source.startswith(BED)
        for at_s, step in ((event.begin_s, 1), (event.end_s, -1))
    )
    edges: list[tuple[float, bool]] = []
    taken = 0
    for at_s, step in changes:
        taken += step
        if not edges or edges[-1][1] != (taken > 0):
            edges.append((at_s, taken > 0))
    return edges


def format_bed_exit(score: BedExitScore) -> str:
    """Return the score as a table for people."""
    error = score.end_error_s
    return "\n".join(
        [
            f"{score.file}: {score.in_bed_h:.1f} h in bed, {score.n_sleeps} sleeps written",
            f"  sleeps found in bed     {score.sleeps_found} of {score.n_sleeps}",
            f"  exits                   {score.n_exits}, at the end of a sleep "
            f"{score.exits_at_sleep_end}",
            f"  recall / precision      {_percent(score.recall)} / {_percent(score.precision)}",
            f"  restless, suppressed    {score.restless}",
            f"  error, median / p95     {_number(error['median'])} / {_number(error['p95'])} s",
        ]
    )


def _summary(
    record: HomeRecord,
    times: list[tuple[float, float]],
    sleeps: list[tuple[float, float]],
    restless: int,
) -> BedExitScore:
    found = sum(
        2.0 * sum(max(0.0, min(left, end) - max(entered, begin)) for entered, left in times)
        >= end - begin
        for begin, end in sleeps
    )
    exits = [left for _, left in times]
    errors = match_times(exits, [end for _, end in sleeps])
    return BedExitScore(
        file=record.name,
        detector="bed_exit",
        in_bed_h=sum(left - entered for entered, left in times) / 3600.0,
        n_sleeps=len(sleeps),
        sleeps_found=found,
        n_exits=len(exits),
        exits_at_sleep_end=len(errors),
        recall=len(errors) / len(sleeps),
        precision=len(errors) / len(exits) if exits else None,
        restless=restless,
        end_error_s={
            "median": float(np.median(errors)) if errors else None,
            "p95": float(np.quantile(errors, 0.95)) if errors else None,
        },
    )


def match_times(found: list[float], wanted: list[float]) -> list[float]:
    """Return the distances of the pairs within `MATCH_S`, nearest pairs first, each time once."""
    pairs = sorted(
        (abs(a - b), i, j)
        for i, a in enumerate(found)
        for j, b in enumerate(wanted)
        if abs(a - b) <= MATCH_S
    )
    used_i: set[int] = set()
    used_j: set[int] = set()
    distances = []
    for distance, i, j in pairs:
        if i not in used_i and j not in used_j:
            used_i.add(i)
            used_j.add(j)
            distances.append(distance)
    return distances


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100.0 * value:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
