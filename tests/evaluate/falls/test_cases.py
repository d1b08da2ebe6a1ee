"""The worst trials come first, with the signal around what decided."""

import numpy as np
import pytest

from edge_agent.evaluate.falls.cases import AFTER_S, BEFORE_S, worst_false_alarms, worst_misses
from edge_agent.evaluate.falls.score import play_set
from edge_agent.evaluate.falls.trials import read_trials
from tests.detect import synthetic
from tests.evaluate.falls.test_score import RATE_HZ, a_fall, calm, write

pytestmark = pytest.mark.fast


def test_the_worst_come_first_with_their_signal(tmp_path):
    jump = synthetic.fall(RATE_HZ, peak_g=2.5, turn_deg=3.0)
    trials = read_trials(
        write(
            tmp_path / "set.npz",
            [
                ("A", "F01", True, a_fall(before_s=6.0, after_s=6.0), -1),
                ("B", "F02", True, calm(), -1),
                ("A", "D01", False, calm(), -1),
                ("B", "D02", False, jump, -1),
                ("B", "D03", False, a_fall(before_s=1.0), -1),
            ],
        )
    )
    outcomes = play_set(trials)
    unseen, seen = worst_misses(trials, outcomes, 5)
    assert (unseen.label, seen.label) == ("F02", "F01")
    assert unseen.outcome.margin == -np.inf
    assert seen.impact_s == pytest.approx(6.0, abs=0.05)
    assert seen.start_s == pytest.approx(6.0 - BEFORE_S, abs=0.05)
    assert seen.g.shape == (3, round((BEFORE_S + AFTER_S) * RATE_HZ))
    at = round((seen.impact_s - seen.start_s) * RATE_HZ)
    assert np.linalg.norm(seen.g[:, at]) == pytest.approx(5.0, abs=0.3)

    (false,) = worst_false_alarms(trials, outcomes, 1)
    assert (false.label, false.subject, false.start_s) == ("D03", "B", 0.0)
    assert not false.outcome.right
