"""The bound of the calibration is the last margin before a fall too many, in the worst set."""

import numpy as np
import pytest

from edge_agent.evaluate.falls.bound import calibration_of
from edge_agent.evaluate.falls.trials import TrialSet

pytestmark = pytest.mark.fast


def made(name, falls, daily, people="P"):
    """A set with so many trials of five people."""
    count = falls + daily
    return TrialSet(
        name=name,
        rate_hz=50.0,
        scale_g=0.001,
        counts=np.zeros((count, 3), dtype=np.int16),
        start=np.arange(count + 1),
        subject=tuple(f"{people}{i % 5}" for i in range(count)),
        label=("D01",) * count,
        is_fall=np.arange(count) < falls,
        fall_index=np.full(count, -1),
    )


def rising(count, first=0.1, step=0.1):
    return first + step * np.arange(count)


def test_the_bound_loses_half_a_percent_of_the_falls_at_most():
    one = made("one", 400, 3)
    table = calibration_of([one], [np.concatenate([rising(400), [0.05, 0.25, 9.0]])])
    assert table == {
        "bound": 0.3,
        "loss": 0.005,
        "at_most": {"one": {"falls": 400, "lost": 2, "daily": 3, "spared": 2}},
    }


def test_what_was_missed_before_is_neither_lost_nor_in_the_way():
    one = made("one", 400, 0)
    best = np.concatenate([[-np.inf, -5.0, -0.1], rising(397)])
    assert calibration_of([one], [best])["bound"] == 0.3


def test_the_worst_set_decides():
    sets = [made("one", 400, 1), made("other", 400, 1, "Q")]
    best = [np.append(rising(400), 0.01), np.append(rising(400, 0.02, 0.01), 0.015)]
    table = calibration_of(sets, best)
    assert table["bound"] == 0.04
    assert [cost["lost"] for cost in table["at_most"].values()] == [0, 2]
    assert [cost["spared"] for cost in table["at_most"].values()] == [1, 1]


def test_few_falls_allow_no_loss_unless_the_same_people_fell_elsewhere_too():
    small = [made("chest", 120, 1), made("waist", 120, 1)]
    best = [np.append(rising(120, 0.3), 0.0), np.append(rising(120, 0.1), 0.0)]
    assert calibration_of(small, best)["bound"] == 0.2
    strangers = [small[0], made("waist", 120, 1, "Q")]
    assert calibration_of(strangers, best)["bound"] == 0.1


def test_people_link_sets_through_a_third_one():
    first, last, link = made("a", 90, 0, "P"), made("b", 90, 0, "Q"), made("c", 90, 0)
    both = tuple(f"{'PQ'[i % 2]}{i % 5}" for i in range(90))
    link = TrialSet(
        **{
            key: both if key == "subject" else getattr(link, key)
            for key in TrialSet.__dataclass_fields__
        }
    )
    best = [rising(90, 0.1), rising(90, 0.2), rising(90, 0.3)]
    assert calibration_of([first, last, link], best)["bound"] == 0.2


def test_rounding_goes_down_and_no_falls_prove_nothing():
    one = made("one", 100, 1)
    assert calibration_of([one], [np.append(rising(100, 0.12349), 0.0)])["bound"] == 0.1234
    missed = calibration_of([one], [np.full(101, -1.0)])
    assert (missed["bound"], missed["at_most"]["one"]["lost"]) == (0.0, 0)
    only_daily = made("daily", 0, 9, "Q")
    assert (
        calibration_of([one, only_daily], [np.append(rising(100), 0.0), rising(9)])["bound"] == 0.1
    )
