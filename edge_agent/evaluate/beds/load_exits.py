"""How soon and how truly load cells tell that a bed was left.

```
 weight has left      deciding sample            block with it is whole
      |---- known_s, of the detector ----|--- told_s: + waiting for the block ---|
```
A sample is known at the end of what it averages. Blocks are as long as a unit sends them; the line
and the agent come on top (`docs/detection.md`). What is right stands in `bed_outcome.match_times`;
the first state of a recording is no exit.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_agent.detect.bed.exit import BedOccupancy
from edge_agent.evaluate.beds.bed_loads import BedLoad, read_bed_loads
from edge_agent.evaluate.beds.bed_outcome import match_times
from edge_agent.stream.chunk import Channel, Chunk
from protocol.quantities import LOAD

BLOCK_S = 0.5
"""Of load, as the units send it (`firmware/drivers/nau7802.py`, `poll_ms`)."""
LIMIT_S = 1.0
"""Within which an exit is to be told."""
NIGHT_S = 8 * 3600.0
_CHANNEL = Channel("recording", LOAD)


@dataclass(frozen=True, slots=True)
class LoadExitScore:
    """The result of one file; its fields in this order are the JSON object.

    Attributes:
        file: name without folder.
        detector: always `bed_exit`.
        n_recordings: nights, say.
        hours: their length together.
        n_exits: times the bed was left.
        n_found: of them, told from 2 s before to 5 s after.
        within_limit: of them, known within `LIMIT_S`; one told early is.
        n_false: other exits that were told.
        false_per_night: of 8 h; None without a recording.
        false_per_night_95: upper end of its one-sided 95 % interval (Poisson).
        known_s: `median`, `p95`, `max` from the weight's leaving until the detector knew.
        told_s: the same until the block with the deciding sample was whole.
    """

    file: str
    detector: str
    n_recordings: int
    hours: float
    n_exits: int
    n_found: int
    within_limit: int
    n_false: int
    false_per_night: float | None
    false_per_night_95: float | None
    known_s: dict[str, float | None]
    told_s: dict[str, float | None]


def score_load_exits(path: Path) -> LoadExitScore:
    """Score the exits told from the loads of one file, with the default delays.

    Raises:
        TrialError: the file cannot be read; one line that names the file and the member.
    """
    loads = read_bed_loads(path)
    accounts, told_s = [], list[float]()
    for load in loads:
        block_end_s = exits_of(load)
        account = match_times(load.left_s, list(block_end_s))
        accounts.append(account)
        for left_s, known_s in zip(account.found_s, account.told_s, strict=True):
            told_s.append(block_end_s[known_s] - left_s)
    nights = sum(len(load.kg) / load.rate_hz for load in loads) / NIGHT_S
    n_false = sum(len(one.false_s) for one in accounts)
    delays_s = [delay_s for one in accounts for delay_s in one.delays_s]
    return LoadExitScore(
        file=path.name,
        detector="bed_exit",
        n_recordings=len(loads),
        hours=nights * NIGHT_S / 3600.0,
        n_exits=sum(len(one.wanted_s) for one in accounts),
        n_found=len(delays_s),
        within_limit=sum(delay_s <= LIMIT_S for delay_s in delays_s),
        n_false=n_false,
        false_per_night=n_false / nights if nights else None,
        false_per_night_95=poisson_upper(n_false) / nights if nights else None,
        known_s=_quantiles(delays_s),
        told_s=_quantiles(told_s),
    )


def format_load_exits(score: LoadExitScore) -> str:
    """Return the score as a table for people."""
    return "\n".join(
        [
            f"{score.file}: {score.n_exits} exits in {score.n_recordings} recordings of "
            f"{score.hours:.1f} h",
            f"  told                          {score.n_found} of {score.n_exits}, within "
            f"{LIMIT_S:g} s {score.within_limit}",
            f"  false exits                   {score.n_false}, a night "
            f"{_number(score.false_per_night)} (95 %: below {_number(score.false_per_night_95)})",
            f"  known, median / p95 / max     {_row(score.known_s)} s after the weight had left",
            f"  in blocks of {BLOCK_S:g} s              {_row(score.told_s)} s",
        ]
    )


def exits_of(load: BedLoad) -> dict[float, float]:
    """Return the end of the block for the end of each sample that told an exit, both in s."""
    detector = BedOccupancy(_CHANNEL)
    step = max(1, round(BLOCK_S * load.rate_hz))
    exits: dict[float, float] = {}
    before = ""
    for at in range(0, len(load.kg), step):
        part = load.kg[at : at + step, np.newaxis]
        chunk = Chunk(_CHANNEL, at / load.rate_hz, load.rate_hz, part)
        for one in detector.update(chunk):
            if (before, one.kind) == ("bed_entered", "bed_left"):
                exits[one.offset_s + 1.0 / load.rate_hz] = chunk.end_s
            before = one.kind
    return exits


def poisson_upper(count: int) -> float:
    """Return the mean below which so few events or fewer would come in 5 % of cases.

    Source: Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28, 1936.
    """
    low, high = float(count), 3.0 + 3.0 * count + 5.0
    for _ in range(60):
        mean = 0.5 * (low + high)
        terms = (math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))
        low, high = (mean, high) if sum(terms) > 0.05 else (low, mean)
    return high


def _quantiles(delays_s: list[float]) -> dict[str, float | None]:
    quantiles = {"median": 0.5, "p95": 0.95, "max": 1.0}
    return {
        name: float(np.quantile(delays_s, q)) if delays_s else None for name, q in quantiles.items()
    }


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _row(values: dict[str, float | None]) -> str:
    return " / ".join(_number(values[name]) for name in ("median", "p95", "max"))
