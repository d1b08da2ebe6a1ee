"""Damage is scored row by row against the recording as it was."""

import pytest

from edge_agent.evaluate.falls.damage import DAMAGES, format_damage, score_damage
from tests.detect import synthetic
from tests.evaluate.falls.test_score import RATE_HZ, a_fall, calm, write

pytestmark = pytest.mark.fast


def test_every_damage_is_a_row_and_what_it_costs_a_difference(tmp_path):
    trials = [(person, "F01", True, a_fall(seed=i), -1) for i, person in enumerate("ABCD")]
    trials += [(person, "D01", False, calm(), -1) for person in "ABCD"]
    trials += [("A", "D02", False, synthetic.walking(RATE_HZ, 20.0), -1)]
    path = write(tmp_path / "set.npz", trials)
    told = []
    rows = score_damage(path, progress=told.append)

    assert [row.damage for row in rows] == list(DAMAGES)
    assert len(told) == len(rows)
    assert (rows[0].sensitivity, rows[0].specificity, rows[0].cost) == (1.0, 1.0, 0.0)
    assert rows[1].cost == 0.0
    for row in rows:
        assert row.cost == pytest.approx(1.0 - 0.5 * (row.sensitivity + row.specificity))
    assert score_damage(path) == rows
    table = format_damage(rows).splitlines()
    assert len(table) == 1 + len(rows)
    assert table[1] == "  as recorded           100.0%       100.0%         0.0"
