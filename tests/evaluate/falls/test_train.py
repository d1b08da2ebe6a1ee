"""Training: the same folder gives the same file, and the file serves the detector."""

import json
from pathlib import Path

import numpy as np
import pytest

from edge_agent.detect.falls.fall import detect_snippet
from edge_agent.detect.falls.model import MODEL_PATH, model_from
from edge_agent.evaluate.falls.boost import Recipe
from edge_agent.evaluate.falls.train import train_fall
from edge_agent.evaluate.npz import TrialError
from edge_agent.stream.chunk import Channel
from protocol.quantities import ACCELERATION
from tests.detect import synthetic
from tests.evaluate.falls.test_score import RATE_HZ, write

QUICK = Recipe(trees=40, rate=0.2)


def folder(path: Path, name: str = "made.npz", people: str = "P", seed: int = 5) -> Path:
    path.mkdir(exist_ok=True)
    random = np.random.default_rng(seed)
    trials = []
    for person in range(5):
        for seed in range(3):
            arguments = {
                "peak_g": random.uniform(2.5, 7.0),
                "turn_deg": random.uniform(60.0, 110.0),
                "before_s": random.uniform(2.0, 5.0),
                "seed": seed,
            }
            trials.append(
                (f"{people}{person}", "F01", True, synthetic.fall(RATE_HZ, **arguments), -1)
            )
            jump = synthetic.fall(RATE_HZ, peak_g=random.uniform(1.5, 3.0), turn_deg=3.0)
            trials.append((f"{people}{person}", "D01", False, jump, -1))
            walk = synthetic.walking(RATE_HZ, 10.0, seed=100 * person + seed)
            trials.append((f"{people}{person}", "D02", False, walk, -1))
    write(path / name, trials)
    (path / "other.npz").write_bytes(b"something else")
    return path


def test_the_same_folder_gives_the_same_file_and_it_serves(tmp_path):
    source = folder(tmp_path / "sets")
    told: list[str] = []
    figures = train_fall(source, tmp_path / "one.json", told.append, QUICK)
    train_fall(source, tmp_path / "two.json", lambda text: None, QUICK)

    text = (tmp_path / "one.json").read_text()
    assert text == (tmp_path / "two.json").read_text()
    table = json.loads(text)
    assert table["measured_out_of_fold"] == figures
    assert figures["made.npz"]["sensitivity"] > 0.9
    assert figures["made.npz"]["cut_sensitivity"] >= 0.97
    assert told[0] == (f"skipped {source / 'other.npz'}: byte 0: not a zip archive (.npz)")
    model = model_from(table)
    assert 0.0 < model.bound == table["calibration"]["bound"]
    assert table["calibration"]["at_most"]["made.npz"]["lost"] == 0
    channel = Channel("pendant", ACCELERATION)
    assert len(detect_snippet(channel, synthetic.fall(100.0), 100.0, 0.0, model)) == 1
    assert detect_snippet(channel, synthetic.standing(100.0), 100.0, 0.0, model) == []


@pytest.mark.fast
def test_a_folder_without_recordings_is_named(tmp_path):
    with pytest.raises(TrialError) as caught:
        train_fall(tmp_path, tmp_path / "out.json", lambda text: None)
    assert str(caught.value) == f"{tmp_path}: no fall recordings (.npz)"


@pytest.mark.fast
def test_a_folder_with_too_few_people_is_named(tmp_path):
    write(tmp_path / "made.npz", [("P", "F01", True, synthetic.fall(RATE_HZ), -1)])
    with pytest.raises(TrialError) as caught:
        train_fall(tmp_path, tmp_path / "out.json", lambda text: None)
    assert str(caught.value) == f"{tmp_path}: falls and daily trials of 5 people are needed"


@pytest.mark.fast
def test_the_shipped_model_carries_its_figures():
    measured = json.loads(MODEL_PATH.read_text())["measured_out_of_fold"]
    sisfall = measured["sisfall_acc_200hz_dev.npz"]
    assert sisfall["sensitivity_at_specificity_99_5"] >= 0.99
    assert sisfall["either_sensitivity"] >= 0.985
    assert sisfall["either_specificity"] >= 0.993
    assert sisfall["early_sensitivity_at_specificity_99_5"] >= 0.985
    assert sisfall["blank_sensitivity"] >= 0.975
    assert sisfall["blank_specificity"] >= 0.98
    assert all(one["cut_sensitivity"] >= 0.97 for one in measured.values())
