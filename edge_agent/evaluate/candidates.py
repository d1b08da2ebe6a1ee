"""The impact candidates of recorded trials as rows to learn from.

They come from the running detector itself, so that what is learnt is what will be asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.fall import ENOUGH_HISTORY, FallDetector
from edge_agent.detect.fall_features import AFTERMATH, FEATURES, HISTORY, measure
from edge_agent.detect.fall_model import FallModel, Forest
from edge_agent.evaluate.trials import TrialSet
from edge_agent.evaluate.variants import AS_RECORDED, Variant, degrade
from edge_agent.stream.chunk import Channel, Gap
from protocol.quantities import ACCELERATION

FOLDS = 5

FORGETFUL = 0.25
"""Share of windows that lose some of their history, as soon after a gap; at one half the whole
ones are judged worse."""

IMPACT_WITHIN_S = 1.0
"""A candidate this close to the fall of a trial is the fall."""

BEFORE_FALL_S = 2.0
"""A candidate of a fall trial earlier than this is daily life; the others are left out."""

CUT_AFTER = (10, 20, 30, 40, 50)
"""Grid samples after the impact at which cut windows are checked."""

_CHANNEL = Channel("training", ACCELERATION)
_NONE = Forest(-1.0, np.zeros((1, 1), np.intp), np.zeros((1, 1)), np.zeros((1, 2)))


@dataclass(frozen=True, slots=True)
class Rows:
    """Candidates as rows.

    Attributes:
        features: shape (n, len(FEATURES)).
        trial: index of the trial within its set.
        source: index of the set.
        fold: 0 to FOLDS - 1, by person.
        near: within 2 s of the fall, or in a daily trial.
        holed: has a hole near its impact.
        truth: is the fall.
        known: may be learnt from; candidates right after a fall are neither.
        weight: one over the variants of the set.
    """

    features: NDArray[np.float64]
    trial: NDArray[np.intp]
    source: NDArray[np.intp]
    fold: NDArray[np.intp]
    near: NDArray[np.bool_]
    holed: NDArray[np.bool_]
    truth: NDArray[np.bool_]
    known: NDArray[np.bool_]
    weight: NDArray[np.float64]


def collect(
    trials: TrialSet,
    number: int,
    variant: Variant,
    folds: dict[str, int],
    weight: float,
    random: np.random.Generator,
) -> tuple[Rows, Rows, Rows]:
    """Return rows with whole windows, with cut ones, and with the cuts of CUT_AFTER."""
    kinds: tuple[list[tuple[Any, ...]], ...] = ([], [], [])
    for index, trial in enumerate(trials):
        detector = FallDetector(_CHANNEL, FallModel(_NONE, _NONE, _NONE), keep_candidates=True)
        detector.update(degrade(trial, variant, _CHANNEL, random))
        detector.gap(Gap(_CHANNEL, trial.seconds, trial.seconds))
        fall_s = trial.impact_index() / trial.rate_hz
        for one in detector.candidates or ():
            late = one.impact_s - fall_s
            truth = trial.is_fall and abs(late) <= IMPACT_WITHIN_S
            known = truth or not trial.is_fall or late < -BEFORE_FALL_S
            near = not trial.is_fall or abs(late) <= 2.0 * IMPACT_WITHIN_S
            facts = (index, number, folds[trial.subject], near, one.missing > 0, truth, known)
            history = int(random.integers(ENOUGH_HISTORY, HISTORY + 1))
            if random.random() >= FORGETFUL:
                history = HISTORY
            kinds[0].append((_features(one.window, history, one.after), *facts))
            for history, after in _cuts(random, one.after):
                kinds[1].append((_features(one.window, history, after), *facts))
            for after in CUT_AFTER if variant == AS_RECORDED else ():
                if after <= one.after:
                    kinds[2].append((_features(one.window, HISTORY, after), *facts))
    complete, cut, check = (_as_rows(kind, weight) for kind in kinds)
    return complete, cut, check


def _cuts(random: np.random.Generator, after: int) -> Iterator[tuple[int, int]]:
    """Return history and aftermath of three cut windows: early, late, and soon after a gap."""
    yield int(random.integers(ENOUGH_HISTORY, HISTORY + 1)), min(after, int(random.integers(3, 60)))
    yield (
        int(random.integers(ENOUGH_HISTORY, HISTORY + 1)),
        min(after, int(random.integers(60, AFTERMATH))),
    )
    yield int(random.integers(5, ENOUGH_HISTORY)), min(after, int(random.integers(20, 150)))


def _features(window: NDArray[np.float64], history: int, after: int) -> NDArray[np.float64]:
    """Return the features of a window of which less is known."""
    known = window[:, : HISTORY + after].copy()
    known[:, : HISTORY - history] = np.nan
    with np.errstate(all="ignore"):
        return measure(known, after)


def _as_rows(kind: list[tuple[Any, ...]], weight: float) -> Rows:
    facts = np.array([row[1:] for row in kind], dtype=np.intp).reshape(len(kind), 7)
    return Rows(
        features=np.array([row[0] for row in kind]).reshape(len(kind), len(FEATURES)),
        trial=facts[:, 0],
        source=facts[:, 1],
        fold=facts[:, 2],
        near=facts[:, 3] > 0,
        holed=facts[:, 4] > 0,
        truth=facts[:, 5] > 0,
        known=facts[:, 6] > 0,
        weight=np.full(len(kind), weight),
    )


def joined(parts: list[Rows]) -> Rows:
    """Return the rows of all parts."""
    return Rows(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in Rows.__dataclass_fields__
        )
    )


def only_holed(part: Rows) -> Rows:
    """Return the rows whose windows have a hole near the impact."""
    return Rows(*(getattr(part, name)[part.holed] for name in Rows.__dataclass_fields__))


def folds_of(sets: list[TrialSet]) -> dict[str, int]:
    """Return the fold of every person; a person of two sets is in the same fold of both."""
    folds: dict[str, int] = {}
    for trials in sets:
        for subject in sorted(set(trials.subject)):
            folds.setdefault(subject, len(folds) % FOLDS)
    return folds
