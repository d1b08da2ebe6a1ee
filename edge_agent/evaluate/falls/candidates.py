"""The impact candidates of recorded trials as rows to learn from.

They come from the running detector itself, so that what is learnt is what will be asked.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.detect.falls.candidate import Candidate
from edge_agent.detect.falls.fall import ENOUGH_HISTORY, FallDetector
from edge_agent.detect.falls.features import (
    AFTERMATH,
    EARLY,
    FEATURES,
    FROM_UPRIGHT,
    HISTORY,
    measure,
)
from edge_agent.detect.falls.model import FallModel, Forest
from edge_agent.evaluate.falls.trials import TrialSet
from edge_agent.evaluate.falls.variants import AS_RECORDED, Variant, degrade
from edge_agent.evaluate.falls.wearers import Wearers
from edge_agent.stream.chunk import Channel, Gap
from protocol.quantities import ACCELERATION

FOLDS = 5

FORGETFUL = 0.25
"""Share of windows that lose some of their history, as soon after a gap; at one half the whole
ones are judged worse."""

BLANK = 0.3
"""Share of windows that do not know the upright posture."""

IMPACT_WITHIN_S = 1.0
"""A candidate this close to the fall of a trial is the fall."""

BEFORE_FALL_S = 2.0
"""A candidate of a fall trial earlier than this is daily life; the others are left out."""

CUT_AFTER = (10, 20, 30, 40, 50)
"""Grid samples after the impact at which cut windows are checked."""

_CHANNEL = Channel("training", ACCELERATION)
_NONE = Forest(-1.0, np.zeros((1, 1), np.intp), np.zeros((1, 1)), np.zeros((1, 2)))
_NOTHING = FallModel(_NONE, _NONE, _NONE, _NONE)
_POSTURE = [FEATURES.index(name) for name in FROM_UPRIGHT]


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


@dataclass(frozen=True, slots=True)
class Collected:
    """The candidates of one set in one variant.

    Attributes:
        whole: to learn from, some with less history or without the upright posture.
        early: the same with EARLY samples of aftermath.
        cut: the same cut short.
        judged: as the detector sees them, the upright posture learnt trial by trial.
        judged_early: the same with EARLY samples of aftermath.
        judged_cut: at each of CUT_AFTER; of the recorded variant only.
    """

    whole: Rows
    early: Rows
    cut: Rows
    judged: Rows
    judged_early: Rows
    judged_cut: Rows


def collect(
    trials: TrialSet,
    number: int,
    variant: Variant,
    folds: dict[str, int],
    weight: float,
    random: np.random.Generator,
) -> Collected:
    """Return the candidates of all trials of a set."""
    kinds: tuple[list[tuple[Any, ...]], ...] = ([], [], [], [], [], [])
    whole, early, cut, judged, judged_early, judged_cut = kinds
    wearers = Wearers()
    for index, trial in enumerate(trials):
        start_s, upright = wearers.begin(trial)
        detector = FallDetector(_CHANNEL, _NOTHING, keep_candidates=True, upright=upright)
        detector.update(replace(degrade(trial, variant, _CHANNEL, random), start_s=start_s))
        detector.gap(Gap(_CHANNEL, start_s + trial.seconds, start_s + trial.seconds))
        fall_s = start_s + trial.impact_index() / trial.rate_hz
        for one in detector.candidates or ():
            late = one.impact_s - fall_s
            truth = trial.is_fall and abs(late) <= IMPACT_WITHIN_S
            known = truth or not trial.is_fall or late < -BEFORE_FALL_S
            near = not trial.is_fall or abs(late) <= 2.0 * IMPACT_WITHIN_S
            facts = (index, number, folds[trial.subject], near, one.missing > 0, truth, known)
            blank = random.random() < BLANK
            history = int(random.integers(ENOUGH_HISTORY, HISTORY + 1))
            if random.random() >= FORGETFUL:
                history = HISTORY
            judged.append((one.features, *facts))
            whole.append((_features(one, history, one.after, blank), *facts))
            if one.after >= EARLY:
                seen = _features(one, HISTORY, EARLY, blank=False)
                judged_early.append((seen, *facts))
                early.append((_without_upright(seen) if blank else seen, *facts))
            history, after = _cut(random, one.after)
            cut.append((_features(one, history, after, blank), *facts))
            for after in CUT_AFTER if variant == AS_RECORDED else ():
                if after <= one.after:
                    judged_cut.append((_features(one, HISTORY, after, blank=False), *facts))
    return Collected(*(_as_rows(kind, weight) for kind in kinds))


def _cut(random: np.random.Generator, after: int) -> tuple[int, int]:
    """Return history and aftermath of a cut window: early, late, or soon after a gap."""
    kind = random.integers(3)
    if kind == 0:
        return int(random.integers(ENOUGH_HISTORY, HISTORY + 1)), min(
            after, int(random.integers(3, 60))
        )
    if kind == 1:
        return int(random.integers(ENOUGH_HISTORY, HISTORY + 1)), min(
            after, int(random.integers(60, AFTERMATH))
        )
    return int(random.integers(5, ENOUGH_HISTORY)), min(after, int(random.integers(20, 160)))


def _features(one: Candidate, history: int, after: int, blank: bool) -> NDArray[np.float64]:
    """Return the features of a candidate of which less is known."""
    if history == HISTORY and after == one.after:
        return _without_upright(one.features) if blank else one.features
    known = one.window[:, : HISTORY + after].copy()
    known[:, : HISTORY - history] = np.nan
    with np.errstate(all="ignore"):
        return measure(known, after, None if blank else one.upright)


def _without_upright(features: NDArray[np.float64]) -> NDArray[np.float64]:
    blank = features.copy()
    blank[..., _POSTURE] = np.nan
    return blank


def forgotten(rows: Rows) -> Rows:
    """Return the rows as a detector sees them that never learnt the upright posture."""
    return replace(rows, features=_without_upright(rows.features))


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
