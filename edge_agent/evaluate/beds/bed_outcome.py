"""One trial through the sit-up warning: what was told in time, what was missed, what was false.

An event is a reading labelled `sit_bed` after one labelled `lying`. A `sitting_up` is right when
it is decided from `EARLY_S` before to `LATE_S` after an event, one for each event; any other is
false, even when the person did get up and the watcher wrote no sitting. So a second account is
given, of rises: any other label after `lying`, told by `sitting_up` or `risen`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.detect.bed.sit_up import SitUpModel, SitUpWarning
from edge_agent.evaluate.beds.bed_trials import SITTING, BedTrial

EARLY_S = 2.0
"""A warning this long before the label is still right: the watcher writes down a person who
sits, the trunk leaves the bed while that happens, and readings lie up to 2.8 s apart there."""

LATE_S = 5.0
"""... and this long after: the shortest stay on the edge is a few seconds, later is too late."""

SAME_RISE_S = 3.0
"""A `sitting_up` whose onset is this close to a `risen` confirms it and is no second warning."""


@dataclass(frozen=True, slots=True)
class Account:
    """Times that were to be told, and times that were; in s of the trial.

    Attributes:
        wanted_s: all that was to be told.
        told_s: right tellings, one for each of found_s.
        found_s: of wanted_s, those that were told in time.
        false_s: tellings that belong to none.
    """

    wanted_s: tuple[float, ...]
    found_s: tuple[float, ...]
    told_s: tuple[float, ...]
    false_s: tuple[float, ...]

    @property
    def delays_s(self) -> list[float]:
        """Return how long after its time each was told."""
        return [told - found for told, found in zip(self.told_s, self.found_s, strict=True)]

    @property
    def missed_s(self) -> list[float]:
        """Return what was not told in time."""
        return [at_s for at_s in self.wanted_s if at_s not in self.found_s]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trial: sitting up, any rise, and the label at each false warning of sitting up."""

    events: Account
    rises: Account
    false_at: tuple[str, ...]


def run_trial(trial: BedTrial, model: SitUpModel) -> Outcome:
    """Feed one trial reading by reading and judge what comes out."""
    detector = SitUpWarning(model)
    warned: dict[float, str] = {}
    told: list[float] = []
    onset_s = -math.inf
    for at_s, vector, label in zip(
        trial.t_s, trial.acceleration.tolist(), trial.label, strict=True
    ):
        for one in detector.read(at_s, vector):
            if one.kind == "sitting_up":
                warned[at_s] = label
            if one.onset_s - onset_s > SAME_RISE_S or one.kind == "risen":
                told.append(at_s)
            onset_s = one.onset_s
    events = match_times(trial.rises(SITTING), list(warned))
    false_at = tuple(warned[at_s] for at_s in events.false_s)
    return Outcome(events, match_times(trial.rises(), told), false_at)


def match_times(wanted_s: Sequence[float], told_s: Sequence[float]) -> Account:
    """Give each wanted time the first telling within EARLY_S and LATE_S of it."""
    left, found, right = list(told_s), [], []
    for wanted in wanted_s:
        for at_s in left:
            if -EARLY_S <= at_s - wanted <= LATE_S:
                left.remove(at_s)
                found.append(wanted)
                right.append(at_s)
                break
    return Account(tuple(wanted_s), tuple(found), tuple(right), tuple(left))
