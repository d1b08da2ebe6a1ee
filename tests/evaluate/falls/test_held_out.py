"""What is held out is never learnt from, and both ways come from one call."""

from edge_agent.evaluate.falls.held_out import score_held_out
from tests.evaluate.falls.test_train import QUICK, folder


def test_people_and_sets_are_held_out(tmp_path):
    source = folder(tmp_path / "sets")
    folder(source, "other_people.npz", "Q", seed=6)
    folder(source, "same_people.npz", "Q", seed=7)
    told = []
    result = score_held_out(source, told.append, QUICK)

    names = {"made.npz", "other_people.npz", "same_people.npz"}
    assert set(result.people) == set(result.sets) == set(result.blank_sets) == names
    assert set(result.calibrated_sets) == names
    for name in names:
        assert result.people[name]["sensitivity"] > 0.9
        score = result.sets[name]
        assert (score.file, score.blank) == (name, False)
        assert result.blank_sets[name].blank
        calibrated = result.calibrated_sets[name]
        assert (calibrated.blank, calibrated.calibrated) == (False, True)
        assert calibrated.specificity >= score.specificity
        assert score.sensitivity > 0.8
        assert score.specificity > 0.8
    assert sum("left out" in text for text in told) == 3


def test_people_of_all_sets_leave_nothing_to_learn_from(tmp_path):
    told = []
    result = score_held_out(folder(tmp_path / "sets"), told.append, QUICK)
    assert set(result.people) == {"made.npz"}
    assert result.sets == {}
    assert told[-1] == "made.npz: nothing is left to learn from"
