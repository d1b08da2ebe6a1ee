"""The rules of scoring the sit-up warning, hostile files, and the recorded set where it is."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from edge_agent.detect.bed.sit_up import model_from, shipped_model
from edge_agent.evaluate.beds import bed
from edge_agent.evaluate.beds.bed import (
    format_sit_up,
    score_sit_up,
    sit_up_curve,
    sit_up_series,
    train_sit_up,
)
from edge_agent.evaluate.beds.bed_trials import read_bed_trials
from edge_agent.evaluate.npz import TrialError

SCALE_G = 1.0 / 16384.0
LABELS = ["", "sit_bed", "sit_chair", "lying", "ambulating"]
SIT, LIE, WALK = 1, 3, 4
MODEL = dataclasses.replace(shipped_model(), up=(0.0, 1.0, 0.0))
RECORDED = Path(__file__).parents[4] / "shared/data/batteryless_S1_dev.npz"


def stretch(tilt_deg, label, readings=20):
    tilt = np.radians(tilt_deg)
    vector = np.array([np.cos(tilt), np.sin(tilt), 0.0]) / SCALE_G
    return [(vector, label)] * readings


def members(trials, step_s=0.5, **changes):
    rows = [row for trial in trials for row in trial]
    made = {
        "acc": np.array([np.round(vector) for vector, _ in rows]).astype(np.int16),
        "t": np.concatenate([np.arange(len(trial)) * step_s for trial in trials]).astype("f4"),
        "label": np.array([label for _, label in rows], dtype=np.int8),
        "labels": np.array(LABELS),
        "start": np.cumsum([0, *(len(trial) for trial in trials)]),
        "trial": np.array([f"t{i}" for i in range(len(trials))]),
        "scale_g": np.array(SCALE_G),
    }
    made.update(changes)
    return {name: array for name, array in made.items() if array is not None}


UP = stretch(0.0, LIE) + stretch(50.0, SIT)
ON_FOOT = stretch(0.0, LIE) + stretch(50.0, WALK)
STILL = stretch(0.0, LIE, 40)
UNSEEN = stretch(0.0, LIE) + stretch(5.0, SIT)


def write(path, trials, **changes):
    np.savez_compressed(path, **members(trials, **changes))
    return path


@pytest.mark.fast
def test_events_and_warnings_are_counted(tmp_path):
    score = score_sit_up(write(tmp_path / "set.npz", [UP, ON_FOOT, STILL, UNSEEN]), MODEL)

    assert (score.file, score.detector, score.n_trials) == ("set.npz", "sit_up", 4)
    assert (score.n_events, score.sensitivity, score.ppv) == (2, 0.5, 0.5)
    assert score.false_at == {"ambulating": 1}
    assert score.hours == pytest.approx(4 * 19.5 / 3600.0)
    assert score.false_per_hour == pytest.approx(1.0 / score.hours)
    assert score.delay_s == {"median": 0.0, "p95": 0.0}
    assert (score.n_rises, score.rise_ppv) == (3, 1.0)
    assert score.rise_sensitivity == pytest.approx(2 / 3)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("late_readings", "right"), [(-4, True), (-5, False), (10, True), (11, False)]
)
def test_a_warning_is_right_from_2_s_before_to_5_s_after_the_label(tmp_path, late_readings, right):
    trial = stretch(0.0, LIE, 20 + late_readings) + stretch(50.0, LIE, 20)
    trial = [(vector, LIE if i < 20 else SIT) for i, (vector, _) in enumerate(trial)]
    score = score_sit_up(write(tmp_path / "set.npz", [trial]), MODEL)

    assert score.sensitivity == (1.0 if right else 0.0)
    assert sum(score.false_at.values()) == (0 if right else 1)


@pytest.mark.fast
def test_a_rise_that_is_confirmed_is_told_once(tmp_path):
    trial = stretch(0.0, LIE) + stretch(60.0, SIT)
    t_s = np.arange(40) * 0.5
    t_s[20:] += 2.0
    score = score_sit_up(write(tmp_path / "set.npz", [trial], t=t_s), MODEL)

    assert (score.n_events, score.sensitivity, score.ppv) == (1, 1.0, 1.0)
    assert (score.rise_sensitivity, score.rise_ppv) == (1.0, 1.0)
    assert score.delay_s["median"] == pytest.approx(0.5)


@pytest.mark.fast
def test_the_score_is_json_and_a_table(tmp_path):
    score = score_sit_up(write(tmp_path / "set.npz", [UP, UP, ON_FOOT]), MODEL)
    table = json.loads(json.dumps(dataclasses.asdict(score)))

    assert list(table) == [field.name for field in dataclasses.fields(score)]
    assert format_sit_up(score).splitlines()[0] == (
        "set.npz: 2 times sitting up in 3 trials of 0.02 h"
    )


@pytest.mark.fast
def test_the_series_holds_tilt_events_and_what_was_told(tmp_path):
    path = write(tmp_path / "set.npz", [UP, ON_FOOT, UNSEEN])
    up, on_foot, unseen = sit_up_series(path, MODEL)

    assert up.tilt_deg[[0, -1]] == pytest.approx([0.0, 50.0], abs=0.1)
    assert (up.outcome.events.told_s, up.outcome.events.missed_s) == ((10.0,), [])
    assert on_foot.outcome.events.false_s == (10.0,)
    assert (on_foot.outcome.false_at, on_foot.outcome.rises.found_s) == (("ambulating",), (10.0,))
    assert unseen.outcome.events.missed_s == [10.0]


@pytest.mark.fast
def test_the_curve_scores_each_limit(tmp_path):
    path = write(tmp_path / "set.npz", [UP, UP])
    curve = sit_up_curve(path, [20.0, 55.0], MODEL)

    assert [score.sensitivity for score in curve.values()] == [1.0, 0.0]


@pytest.mark.fast
def test_intervals_are_drawn_over_trials(tmp_path):
    score = score_sit_up(
        write(tmp_path / "set.npz", [UP] * 6 + [ON_FOOT] * 3 + [UNSEEN] * 3), MODEL
    )

    for name in ("sensitivity", "ppv", "false_per_hour", "rise_sensitivity"):
        low, high = score.ci95[name]
        assert low < getattr(score, name) < high
    assert score.ci95["delay_p95_s"] == [0.0, 0.0]


@pytest.mark.fast
def test_a_file_without_events_has_no_sensitivity(tmp_path):
    score = score_sit_up(write(tmp_path / "set.npz", [STILL]), MODEL)

    assert (score.n_events, score.sensitivity, score.ppv) == (0, None, None)
    assert score.delay_s == {"median": None, "p95": None}
    assert "-" in format_sit_up(score)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"acc": None}, "acc: the member is missing"),
        ({"acc": np.zeros((40, 2), np.int16)}, "acc: shape (n, 3) wanted, found (40, 2)"),
        ({"acc": np.zeros((40, 3))}, "acc: type '<f8' is refused"),
        ({"t": np.zeros(39)}, "t: 39 entries for 40 readings"),
        ({"t": np.full(40, np.nan)}, "t[0]: not a finite time"),
        ({"t": -np.arange(40.0)}, "t[1]: earlier than the reading before"),
        ({"label": np.zeros(3, np.int8)}, "label: 3 entries for 40 readings"),
        ({"label": np.full(40, 5, np.int8)}, "label[0]: 5 is not among labels"),
        ({"label": np.full(40, -1, np.int8)}, "label[0]: -1 is not among labels"),
        ({"labels": np.array(["lying"])}, "labels: 'sit_bed' must be among them, once"),
        ({"labels": np.array([{}], dtype=object)}, "labels: type '|O' is refused"),
        ({"start": np.array([0])}, "start: no trial"),
        ({"start": np.array([0, 41])}, "start: must run from 0 to 40, runs from 0 to 41"),
        ({"start": np.array([0, 30, 20, 40])}, "start[2]: does not rise"),
        ({"trial": np.array(["a", "b"])}, "trial: 2 entries for 1 trials"),
        ({"scale_g": np.array(np.nan)}, "scale_g: nan is not a scale"),
        ({"scale_g": np.array(0.0)}, "scale_g: 0.0 is not a scale"),
    ],
)
def test_a_wrong_member_is_refused_in_one_line(tmp_path, changes, message):
    path = write(tmp_path / "set.npz", [UP], **changes)
    with pytest.raises(TrialError) as caught:
        score_sit_up(path, MODEL)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.fast
def test_no_archive_and_no_file_are_refused(tmp_path):
    path = tmp_path / "set.npz"
    with pytest.raises(TrialError, match="No such file"):
        score_sit_up(path, MODEL)
    path.write_bytes(b"t,x,y,z\n")
    with pytest.raises(TrialError) as caught:
        score_sit_up(path, MODEL)
    assert str(caught.value) == f"{path}: byte 0: not a zip archive (.npz)"


@pytest.mark.fast
def test_a_cut_file_is_refused_in_one_line(tmp_path):
    path = write(tmp_path / "set.npz", [UP])
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        with pytest.raises(TrialError) as caught:
            read_bed_trials(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


@pytest.mark.fast
def test_a_file_without_trial_names_is_read(tmp_path):
    first, second = read_bed_trials(write(tmp_path / "set.npz", [UP, STILL], trial=None))

    assert (first.name, second.name) == ("0", "1")
    assert first.rises("sit_bed") == [10.0]
    assert second.rises() == []


def test_training_is_deterministic_and_what_it_writes_can_be_used(tmp_path):
    path = write(tmp_path / "set.npz", [UP, ON_FOOT, STILL, UP] * (bed.FOLDS // 2))
    told = []
    figures = train_sit_up(path, tmp_path / "one.json", told.append)

    assert train_sit_up(path, tmp_path / "two.json") == figures
    written = (tmp_path / "one.json").read_text()
    assert (tmp_path / "two.json").read_text() == written
    model = model_from(json.loads(written))
    assert dataclasses.asdict(score_sit_up(path, model)) == figures["as_shipped"]
    assert figures["held_out"]["sensitivity"] == 1.0
    assert len(told) == bed.FOLDS


@pytest.mark.fast
def test_training_without_events_is_refused(tmp_path):
    path = write(tmp_path / "set.npz", [STILL] * 2 * bed.FOLDS)
    with pytest.raises(TrialError) as caught:
        train_sit_up(path, tmp_path / "out.json")
    assert str(caught.value) == f"{path}: label: too few trials, or nobody sits up in them"
    assert not (tmp_path / "out.json").exists()


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded set is not beside the repository")
def test_the_recorded_people_are_warned_of():
    score = score_sit_up(RECORDED)

    assert score.n_events == 60
    assert score.sensitivity is not None and score.sensitivity >= 0.95
    assert score.ppv is not None and score.ppv >= 0.91
    assert score.delay_s["p95"] is not None and score.delay_s["p95"] <= 1.0
    assert score.rise_ppv is not None and score.rise_ppv >= 0.94
