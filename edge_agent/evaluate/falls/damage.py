"""How well the fall detector does on poorer sensors and links: one row for each damage.

```
   as recorded | any mounting | 50 Hz | 25 Hz | clipped at 4 g | at 2 g | 5 % lost | 20 % lost
```
A mounting is a rotation drawn for each wearer. Packets are lost one by one; a run longer than a
hole is a gap. The rows differ in nothing else, so what a damage costs is a difference of rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_agent.detect.falls.model import FallModel
from edge_agent.evaluate.falls.score import play_set
from edge_agent.evaluate.falls.trials import Trial, read_trials
from edge_agent.evaluate.falls.variants import AS_RECORDED, Variant, degrade
from edge_agent.stream.chunk import Channel, Chunk
from protocol.quantities import ACCELERATION

ROTATED = "rotated"

DAMAGES: dict[str, Variant] = {
    "as recorded": AS_RECORDED,
    ROTATED: AS_RECORDED,
    "50 Hz": Variant(rate_hz=50.0),
    "25 Hz": Variant(rate_hz=25.0),
    "clipped at 4 g": Variant(clip_g=4.0),
    "clipped at 2 g": Variant(clip_g=2.0),
    "5 % lost": Variant(lost=0.05),
    "20 % lost": Variant(lost=0.2),
}

SEED = 20
"""Of the rotations and of what is lost."""

_CHANNEL = Channel("damaged", ACCELERATION)


@dataclass(frozen=True, slots=True)
class DamageRow:
    """What one damage leaves.

    Attributes:
        damage: its name in DAMAGES.
        sensitivity: fall trials in which the fall was found.
        specificity: daily trials without any detection.
        cost: balanced accuracy lost against the first row, points of 1.
    """

    damage: str
    sensitivity: float
    specificity: float
    cost: float


def score_damage(
    path: Path, model: FallModel | None = None, progress: Callable[[str], None] | None = None
) -> list[DamageRow]:
    """Score the fall detector on one file, damaged in every way.

    Args:
        path: the `.npz` file; falls and daily trials.
        model: the shipped one when None.
        progress: told each row.

    Raises:
        TrialError: the file cannot be read.
    """
    trials = read_trials(path)
    falls = trials.is_fall
    rows: list[DamageRow] = []
    for name, variant in DAMAGES.items():
        random = np.random.default_rng(SEED)
        people = sorted(set(trials.subject))
        mounting = {
            person: np.linalg.qr(random.normal(size=(3, 3)))[0].astype(np.float32)
            for person in people
        }

        def change(
            index: int,
            trial: Trial,
            variant: Variant = variant,
            turned: bool = name == ROTATED,
            mounting: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = mounting,
        ) -> Chunk:
            lost = np.random.default_rng([SEED, index])
            chunk = degrade(trial, variant, _CHANNEL, lost)
            if not turned:
                return chunk
            values = chunk.values @ mounting[trial.subject]
            return Chunk(_CHANNEL, 0.0, chunk.rate_hz, values)

        outcomes = play_set(trials, model, change)
        right = np.array([one.right for one in outcomes])
        sensitivity, specificity = float(right[falls].mean()), float(right[~falls].mean())
        whole = rows[0].sensitivity + rows[0].specificity if rows else sensitivity + specificity
        rows.append(
            DamageRow(name, sensitivity, specificity, 0.5 * (whole - sensitivity - specificity))
        )
        if progress is not None:
            progress(f"{trials.name}: {rows[-1]}")
    return rows


def format_damage(rows: list[DamageRow]) -> str:
    """Return the rows as a table for people."""
    lines = ["  damage           sensitivity  specificity  points lost"]
    lines += [
        f"  {row.damage:<17}{100 * row.sensitivity:10.1f}%{100 * row.specificity:12.1f}%"
        f"{100 * row.cost:12.1f}"
        for row in rows
    ]
    return "\n".join(lines)
