"""What the fall detector would do for people, and for recordings, that it never saw.

```
   all sets --> 5 folds by person --> out-of-fold margins            "people": figures a set
   all sets but one (and but its people) --> model --> the one       "sets": a score a set
```
Both come from the one recipe that ships; nothing is chosen anew for a set that is left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent.detect.falls.model import model_from
from edge_agent.evaluate.falls.boost import Recipe
from edge_agent.evaluate.falls.score import FallScore, score_fall
from edge_agent.evaluate.falls.train import SHIPPED, collect_all, fit_model, read_sets


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Figures of what was held out.

    Attributes:
        people: for each set the figures that `train` writes, each person judged by forests that
            never saw them.
        sets: for each set its score by a model of the sets that share no person with it.
        blank_sets: the same with nothing carried from trial to trial.
        calibrated_sets: the same with each wearer's calibration carried too, within the bound
            that the sets that are left give.
    """

    people: dict[str, dict[str, Any]]
    sets: dict[str, FallScore]
    blank_sets: dict[str, FallScore]
    calibrated_sets: dict[str, FallScore]


def score_held_out(
    directory: Path, progress: Callable[[str], None], recipe: Recipe = SHIPPED
) -> HeldOut:
    """Score a folder of sets with people and with sets held out; about ten minutes of CPU.

    Args:
        directory: as `train_fall` takes it.
        progress: told what is done.
        recipe: how the forests are grown.

    Raises:
        TrialError: as `train_fall`.
    """
    sets = read_sets(directory, progress)
    parts = collect_all(sets, progress)
    _, people = fit_model(sets, parts, progress, recipe)
    scores: dict[str, FallScore] = {}
    blank: dict[str, FallScore] = {}
    calibrated: dict[str, FallScore] = {}
    for out in sets:
        kept = [i for i, one in enumerate(sets) if not set(one.subject) & set(out.subject)]
        falls = [is_fall for i in kept for is_fall in sets[i].is_fall.tolist()]
        if not falls or all(falls) or not any(falls):
            progress(f"{out.name}: nothing is left to learn from")
            continue
        table, _ = fit_model(
            [sets[i] for i in kept], [parts[i] for i in kept], _say_nothing, recipe
        )
        model = model_from(table)
        path = directory / out.name
        scores[out.name] = score_fall(path, model)
        blank[out.name] = score_fall(path, model, blank=True)
        calibrated[out.name] = score_fall(path, model, calibrated=True)
        progress(
            f"{out.name} left out: sensitivity {scores[out.name].sensitivity}, "
            f"specificity {scores[out.name].specificity}; calibrated, by {model.bound:g} at most, "
            f"{calibrated[out.name].sensitivity} and {calibrated[out.name].specificity}"
        )
    return HeldOut(people, scores, blank, calibrated)


def _say_nothing(text: str) -> None:
    pass
