"""A wearer's trials lie one after the other on one time line, with what was learnt on it."""

import numpy as np
import pytest

from edge_agent.evaluate.falls.trials import Trial
from edge_agent.evaluate.falls.wearers import PAUSE_S, Wearers

pytestmark = pytest.mark.fast


def trial(subject, seconds):
    counts = np.zeros((round(seconds * 50), 3), dtype=np.int16)
    return Trial(subject, "D01", False, 50.0, 0.001, counts, -1)


def test_each_wearer_has_a_time_line_and_a_memory():
    wearers = Wearers()
    (first_s, mine), (other_s, theirs) = wearers.begin(trial("A", 10)), wearers.begin(trial("B", 5))
    assert (first_s, other_s) == (0.0, 0.0)
    assert mine is not theirs
    assert wearers.begin(trial("A", 20)) == (10.0 + PAUSE_S, mine)
    assert wearers.begin(trial("A", 1)) == (30.0 + 2 * PAUSE_S, mine)
    assert wearers.begin(trial("B", 1)) == (5.0 + PAUSE_S, theirs)


def test_each_wearer_has_a_calibration():
    wearers = Wearers()
    mine = wearers.calibration("A", 0.5)
    assert wearers.calibration("A", 0.5) is mine
    assert wearers.calibration("B", 0.5) is not mine
