"""The rules of scoring, on a set made by hand."""

import dataclasses
import json

import numpy as np
import pytest

from edge_agent.detect.falls import fall
from edge_agent.evaluate.falls import score as score_module
from edge_agent.evaluate.falls.score import (
    area_under_curve,
    format_table,
    play_set,
    score_fall,
    sensitivity_at,
)
from edge_agent.evaluate.falls.trials import read_trials
from edge_agent.stream.chunk import Channel, Chunk
from protocol.quantities import ACCELERATION
from tests.detect import synthetic

pytestmark = pytest.mark.fast

RATE_HZ = 50.0
SCALE_G = 1.0 / 2048.0
CHANNEL = Channel("recording", ACCELERATION)


def write(path, trials):
    """Write trials of (subject, label, is_fall, m/s^2, fall_index)."""
    counts = [
        np.clip(np.round(values / synthetic.G / SCALE_G), -32768, 32767).astype(np.int16)
        for _, _, _, values, _ in trials
    ]
    np.savez(
        path,
        x=np.concatenate(counts),
        start=np.cumsum([0, *(len(part) for part in counts)]),
        subject=np.array([one[0] for one in trials]),
        label=np.array([one[1] for one in trials]),
        is_fall=np.array([one[2] for one in trials]),
        fall_index=np.array([one[4] for one in trials]),
        fs=RATE_HZ,
        scale_g=SCALE_G,
    )
    return path


def a_fall(**arguments):
    return synthetic.fall(RATE_HZ, **arguments)


def calm(seconds=20.0):
    return synthetic.standing(RATE_HZ, seconds)


def test_a_perfect_set(tmp_path):
    path = write(
        tmp_path / "set.npz",
        [
            ("A", "F01", True, a_fall(), -1),
            ("B", "F01", True, a_fall(peak_g=3.0), 200),
            ("A", "D01", False, calm(), -1),
            ("B", "D02", False, synthetic.walking(RATE_HZ, 40.0), -1),
        ],
    )
    score = score_fall(path)

    assert (score.file, score.detector) == ("set.npz", "fall")
    assert (score.n_falls, score.n_adl) == (2, 2)
    assert score.hours_adl == pytest.approx(60.0 / 3600.0)
    assert (score.sensitivity, score.specificity, score.auc) == (1.0, 1.0, 1.0)
    assert score.sensitivity_at_specificity_99_5 == 1.0
    assert score.false_alarms_per_hour == 0.0
    assert 0.7 <= score.latency_s["median"] <= 1.45
    assert score.ci95 == {
        "sensitivity": [1.0, 1.0],
        "specificity": [1.0, 1.0],
        "auc": [1.0, 1.0],
        "sensitivity_at_specificity_99_5": [1.0, 1.0],
        "false_alarms_per_hour": [0.0, 0.0],
    }
    assert not score.blank
    assert score.recovered_wrongly == 0
    assert score.by_label == {
        "D01": {"adl": 1, "quiet": 1},
        "D02": {"adl": 1, "quiet": 1},
        "F01": {"falls": 2, "found": 2},
    }
    assert score.seconds_per_cpu_second > 0.0


def test_a_fall_at_the_wrong_time_is_a_miss_and_a_false_alarm(tmp_path):
    trials = [
        ("A", "F01", True, a_fall(), round(4.0 * RATE_HZ)),
        ("A", "F02", True, a_fall(), round(7.0 * RATE_HZ)),
        ("A", "F03", True, a_fall(), round(1.0 * RATE_HZ)),
        ("A", "D01", False, calm(3600.0), -1),
    ]
    score = score_fall(write(tmp_path / "set.npz", trials))
    assert score.sensitivity == pytest.approx(1 / 3)
    assert score.specificity == 1.0
    assert score.false_alarms_per_hour == pytest.approx(2.0)
    assert score.auc == pytest.approx((1.0 + 0.5 + 0.5) / 3)


def test_a_daily_trial_with_two_detections_is_one_false_trial_and_two_alarms(tmp_path):
    twice = np.concatenate([a_fall(after_s=16.0), a_fall(after_s=16.0)])
    trials = [("A", "D01", False, twice, -1), ("A", "D02", False, calm(), -1)]
    score = score_fall(write(tmp_path / "set.npz", trials))
    assert score.specificity == 0.5
    assert score.false_alarms_per_hour == pytest.approx(2.0 / (60.0 / 3600.0))
    assert score.by_label["D01"] == {"adl": 1, "quiet": 0}


def test_a_recording_that_ends_right_after_the_fall_is_decided(tmp_path):
    trials = [("A", "F01", True, a_fall(after_s=0.3), -1)]
    score = score_fall(write(tmp_path / "set.npz", trials))
    assert score.sensitivity == 1.0
    assert score.latency_s["median"] == pytest.approx(0.3, abs=0.05)


def test_what_cannot_be_said_is_none(tmp_path):
    falls_only = score_fall(write(tmp_path / "f.npz", [("A", "F01", True, a_fall(), -1)]))
    assert (falls_only.specificity, falls_only.auc) == (None, None)
    assert falls_only.sensitivity_at_specificity_99_5 is None
    assert falls_only.false_alarms_per_hour is None
    assert set(falls_only.ci95.values()) == {None}
    daily_only = score_fall(write(tmp_path / "d.npz", [("A", "D01", False, calm(), -1)]))
    assert daily_only.sensitivity is None
    assert daily_only.latency_s == {"median": None, "p95": None}


def test_the_detector_is_new_for_each_trial_and_told_nothing(tmp_path, monkeypatch):
    seen = []

    class Spy(fall.FallDetector):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            seen.append([])

        def update(self, chunk):
            seen[-1].append((chunk.channel.unit, chunk.start_s, len(chunk.values)))
            return super().update(chunk)

    monkeypatch.setattr(score_module, "FallDetector", Spy)
    trials = [("A", "F01", True, a_fall(), 200), ("B", "D01", False, calm(1.01), -1)]
    score_fall(write(tmp_path / "set.npz", trials))

    assert [len(packets) for packets in seen] == [100, 10]
    assert {unit for packets in seen for unit, _, _ in packets} == {"recording"}
    assert [packets[0] for packets in seen] == [("recording", 0.0, 5)] * 2
    assert seen[1][-1] == ("recording", 0.9, 5)


def test_the_json_object_has_its_fields_and_the_table_can_be_read(tmp_path):
    trials = [
        ("A", "F01", True, a_fall(), -1),
        ("B", "F01", True, calm(), -1),
        ("A", "D01", False, calm(), -1),
        ("B", "D01", False, calm(), -1),
    ]
    score = score_fall(write(tmp_path / "set.npz", trials))
    assert list(json.loads(json.dumps(dataclasses.asdict(score)))) == [
        "file", "detector", "n_falls", "n_adl", "hours_adl", "sensitivity", "specificity", "auc",
        "sensitivity_at_specificity_99_5", "false_alarms_per_hour", "latency_s", "ci95",
        "by_label", "seconds_per_cpu_second", "blank", "recovered_wrongly", "calibrated",
    ]  # fmt: skip
    score = dataclasses.replace(
        score, seconds_per_cpu_second=12345.0, latency_s={"median": 1.25, "p95": 1.5}
    )
    assert format_table(score) == "\n".join(
        [
            "set.npz: 2 falls, 2 daily trials of 0.01 h, upright posture carried over",
            "  sensitivity             50.00% (0.0 to 100.0 over people)",
            "  specificity            100.00% (100.0 to 100.0 over people)",
            "  AUC                     75.00% (50.0 to 100.0 over people)",
            "  sensitivity at 99.5 %   50.00% (0.0 to 100.0 over people)",
            "  false alarms an hour   0.00",
            "  delay, median / p95    1.25 / 1.50 s",
            "  sensor s / CPU s         12345",
            "",
            "  label                      falls  found  daily  quiet",
            "  D01                            -      -      2      2",
            "  F01                            2      1      -      -",
        ]
    )
    blank = dataclasses.replace(score, blank=True)
    assert format_table(blank).startswith(
        "set.npz: 2 falls, 2 daily trials of 0.01 h, each from a blank state\n"
    )
    calibrated = dataclasses.replace(score, calibrated=True)
    assert format_table(calibrated).startswith(
        "set.npz: 2 falls, 2 daily trials of 0.01 h, upright posture carried over, calibrated\n"
    )


def steps(seconds=15.0):
    return synthetic.walking(RATE_HZ, seconds)


def test_what_steps_taught_is_carried_to_the_wearers_next_trial_only(tmp_path, monkeypatch):
    known = []

    class Spy(fall.FallDetector):
        def __init__(self, channel, model, keep_candidates, upright):
            super().__init__(channel, model, keep_candidates, upright)
            known.append(upright.direction is not None)

    monkeypatch.setattr(score_module, "FallDetector", Spy)
    path = write(
        tmp_path / "set.npz",
        [
            ("A", "D01", False, steps(), -1),
            ("B", "D01", False, calm(), -1),
            ("A", "F01", True, a_fall(), -1),
            ("B", "F01", True, a_fall(), -1),
        ],
    )
    score_fall(path)
    assert known == [False, False, True, False]
    known.clear()
    assert score_fall(path, blank=True).blank
    assert known == [False, False, False, False]


def test_what_impacts_taught_is_carried_to_the_wearers_next_trial_only(tmp_path, monkeypatch):
    used = []

    class Spy(fall.FallDetector):
        def gap(self, gap):
            found = super().gap(gap)
            used.append((self.calibration, self.calibration and self.calibration.fact().seen))
            return found

    monkeypatch.setattr(score_module, "FallDetector", Spy)
    trials = [(who, "D01", False, steps(), -1) for who in "ABAB"]
    path = write(tmp_path / "set.npz", trials)
    assert score_fall(path, calibrated=True).calibrated
    (first, begun), (other, _), (again, more), (others, _) = used
    assert (first is again, other is others, first is other) == (True, True, False)
    assert 0 < begun < more
    used.clear()
    assert not score_fall(path).calibrated
    assert used == [(None, None)] * 4
    used.clear()
    score_fall(path, blank=True, calibrated=True)
    assert len({id(one) for one, _ in used}) == 4


def test_a_get_up_is_counted_but_is_no_false_alarm(tmp_path):
    up_again = np.concatenate([steps(), a_fall(before_s=1.0), steps()])
    trials = [("A", "F01", True, up_again, round(16.0 * RATE_HZ))]
    score = score_fall(write(tmp_path / "set.npz", trials))
    assert (score.sensitivity, score.recovered_wrongly) == (1.0, 1)


def test_a_long_loss_is_a_gap_and_a_short_one_a_hole(tmp_path, monkeypatch):
    trials = read_trials(write(tmp_path / "set.npz", [("A", "F01", True, a_fall(), -1)]))
    gaps = []

    class Spy(fall.FallDetector):
        def gap(self, gap):
            gaps.append((gap.start_s, gap.end_s))
            return super().gap(gap)

    def change(index, trial):
        missing = np.zeros(len(trial.counts), dtype=bool)
        missing[slice(*lost)] = True
        values = (trial.counts * trial.scale_g * synthetic.G).astype(np.float32)
        return Chunk(CHANNEL, 0.0, RATE_HZ, values, missing)

    monkeypatch.setattr(score_module, "FallDetector", Spy)
    lost = (100, 115)
    assert play_set(trials, change=change)[0].right
    assert gaps == [(10.0, 10.0)]
    gaps.clear()
    lost = (100, 120)
    assert play_set(trials, change=change)[0].right
    assert gaps == [(pytest.approx(2.0), pytest.approx(2.4)), (10.0, 10.0)]


def test_the_area_counts_ties_half():
    assert area_under_curve(np.array([0.0, 1.0]), np.array([0.0, 0.5])) == 0.625


def test_the_point_of_the_ranking_leaves_that_share_quiet():
    daily = np.arange(200) / 200.0
    falls = np.array([0.990, 0.992, 0.999])
    assert sensitivity_at(falls, daily, 0.995) == pytest.approx(2 / 3)
    assert sensitivity_at(falls, daily, 1.0) == pytest.approx(1 / 3)
