"""How far a wearer's calibration may go: the bound that training writes beside the forests.

```
   people held out, each fall's best margin of either decision, sorted
   0        bound
   |--x--x----|x----x---x--x-x-xx-xxxx->     left of it: at most LOSS of the falls of any set
```
The worst case is bounded, not the usual one: everybody's calibration at the bound all the time.
Sets that share people are one here: they are not independent, and a file of fewer than 200 falls
cannot show half a point (`at_most` gives every file's own count). Where even together they are too
few for one to be lost, the bound is the smallest margin of all.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.evaluate.falls.trials import TrialSet

LOSS = 0.005
"""Share of the falls of any set that the bound may cost: half a point of sensitivity."""

DIGITS = 1e4
"""The bound is rounded down to this many parts of one."""


def calibration_of(sets: list[TrialSet], best: list[NDArray[np.float64]]) -> dict[str, Any]:
    """Return the bound and what it costs and spares at most in each set.

    Args:
        sets: what was trained on.
        best: for each set the best margin of each trial, people held out; zero is raised.
    """
    limits = []
    for group in _groups(sets):
        falls = np.concatenate([best[i][sets[i].is_fall] for i in group])
        raised = np.sort(falls[falls >= 0.0])
        may_lose = int(LOSS * len(falls))
        limits.append(float(raised[may_lose]) if len(raised) > may_lose else 0.0)
    bound = float(np.floor(min(limits) * DIGITS) / DIGITS)
    return {"bound": bound, "loss": LOSS, "at_most": dict(_costs(sets, best, bound))}


def _groups(sets: list[TrialSet]) -> list[list[int]]:
    """Return the indices of the sets with falls, those with people in common together."""
    groups: list[tuple[set[str], list[int]]] = []
    for i, trials in enumerate(sets):
        if not trials.is_fall.any():
            continue
        people, members = set(trials.subject), [i]
        apart = []
        for others, theirs in groups:
            if others & people:
                people, members = people | others, theirs + members
            else:
                apart.append((others, theirs))
        groups = [*apart, (people, members)]
    return [members for _, members in groups]


def _costs(
    sets: list[TrialSet], best: list[NDArray[np.float64]], bound: float
) -> list[tuple[str, dict[str, int]]]:
    costs = []
    for trials, margin in zip(sets, best, strict=True):
        quiet = (margin >= 0.0) & (margin < bound)
        falls = trials.is_fall
        costs.append(
            (
                trials.name,
                {
                    "falls": int(falls.sum()),
                    "lost": int((quiet & falls).sum()),
                    "daily": int((~falls).sum()),
                    "spared": int((quiet & ~falls).sum()),
                },
            )
        )
    return costs
