"""Bed recordings from anywhere: scored when sound, refused in one line when not."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from edge_agent.evaluate.beds.bed_recordings import read_bed_recordings
from edge_agent.evaluate.beds.rate_series import error_curve, heart_rate_series, respiration_series
from edge_agent.evaluate.beds.vitals import (
    format_vitals,
    score_heart_rate,
    score_respiration,
)
from edge_agent.evaluate.npz import TrialError
from edge_agent.simulator.sensors.bed import BedSpan, BedState
from edge_agent.simulator.sensors.bed_strip import strip
from edge_agent.simulator.sensors.body import Sleeper

pytestmark = pytest.mark.fast

RECORDED = Path(__file__).parents[4] / "shared/data/fsr_bed_dev.npz"
T0 = 1.7e9


def recorded(lag_s=0.0, seconds=120.0, **person):
    """Return the members of one simulated recording in raw counts, its ECG lag_s late."""
    sleeper = Sleeper(turns_per_hour=0.0, **person)
    volts, truth = strip([BedSpan(0.0, seconds, BedState.LYING)], sleeper, 100.0, seconds, 3)
    return {
        "night_fsr": (1000.0 * volts).astype(np.float32),
        "night_t0": np.array(T0),
        "night_rr_t": T0 + truth.beat_s[1:] - lag_s,
        "night_rr_ms": (1000.0 * np.diff(truth.beat_s)).astype(np.float32),
        "fsr_fs": np.array(100.0),
    }


def write(path, **changes):
    members = recorded(seconds=30.0) | changes
    np.savez_compressed(path, **{name: one for name, one in members.items() if one is not None})
    return path


def refused(path):
    with pytest.raises(TrialError) as caught:
        read_bed_recordings(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("lag_s", [0.0, 7.0, -12.0])
def test_a_heart_rate_is_scored_whatever_the_lag(tmp_path, lag_s):
    path = tmp_path / "bed.npz"
    np.savez(path, **recorded(lag_s))
    score = score_heart_rate(path)
    (one,) = score.recordings.values()
    assert one.mae < 1.0
    assert one.coverage > 0.8
    assert one.far_off == 0.0
    assert one.lag_s == pytest.approx(lag_s, abs=2.0)
    assert one.seconds == 120.0
    assert one.reasons["warming_up"] == 9


def test_respiration_is_scored_against_the_sinus_arrhythmia(tmp_path):
    path = tmp_path / "bed.npz"
    np.savez(path, **recorded(rmssd_ms=40.0, lf_hf=0.3, respiration_rpm=14.0))
    (one,) = score_respiration(path).recordings.values()
    assert one.mae < 1.0
    assert one.given > 30
    assert one.breathing_stopped == 0


def test_the_score_is_json_and_a_table(tmp_path):
    score = score_heart_rate(write(tmp_path / "bed.npz"))
    again = json.loads(json.dumps(dataclasses.asdict(score), allow_nan=False))
    assert again["recordings"]["night"]["seconds"] == 30.0
    table = format_vitals(score).splitlines()
    assert table[0] == "bed.npz: heart_rate"
    assert table[2].split()[0] == "night"
    assert len({len(line) for line in table[1:3]}) == 1
    assert table[-1].startswith("  together: coverage ")


@pytest.mark.parametrize("error", [0.98, 1.0, 1.015])
def test_a_wrong_clock_is_found_by_the_ecg_and_both_results_are_told(tmp_path, error):
    members = recorded(3.0, seconds=180.0, heart_rate_bpm=70)
    members["fsr_fs"] = np.array(100.0 / error)
    path = tmp_path / "bed.npz"
    np.savez(path, **members)
    (one,) = score_heart_rate(path).recordings.values()
    assert one.strip_hz == pytest.approx(100.0, rel=0.001)
    assert one.bias == pytest.approx(70.0 * (1.0 / error - 1.0), abs=0.6)
    assert abs(one.true_clock.bias) < 0.4
    assert one.true_clock.mae <= one.mae + 0.1


def test_beats_of_somebody_else_tell_no_clock(tmp_path):
    members = recorded(seconds=180.0)
    other = recorded(seconds=180.0, heart_rate_bpm=83.0)
    path = tmp_path / "bed.npz"
    np.savez(path, **(members | {name: other[name] for name in ("night_rr_t", "night_rr_ms")}))
    (one,) = score_heart_rate(path).recordings.values()
    assert (one.strip_hz, one.true_clock) == (None, None)


def test_intervals_hold_the_result_and_need_more_than_one_unit(tmp_path):
    path = tmp_path / "bed.npz"
    one, two = recorded(), recorded(heart_rate_bpm=80.0)
    both = one | {name.replace("night", "other"): value for name, value in two.items()}
    np.savez(path, **both)
    score = score_heart_rate(path)
    for name in ("coverage", "mae"):
        for accuracy in (*score.recordings.values(), score.together):
            low, high = accuracy.ci95[name]
            assert low <= getattr(accuracy, name) <= high
    np.savez(path, **one)
    assert score_heart_rate(path).together.ci95["mae"] is None


def test_series_hold_what_was_told_and_what_was_true(tmp_path):
    path = tmp_path / "bed.npz"
    np.savez(path, **recorded(7.0))
    (series,) = heart_rate_series(path)
    (score,) = score_heart_rate(path).recordings.values()
    error = np.abs(series.told - series.truth)
    assert series.lag_s == score.lag_s
    assert np.isfinite(error).sum() == score.given
    assert np.nanmean(error) == pytest.approx(score.mae)
    curve = error_curve([series])
    assert curve.coverage[-1] == pytest.approx(score.coverage)
    assert curve.mae[-1] == pytest.approx(score.mae)
    assert (np.diff(curve.quality) <= 0.0).all()
    assert len(respiration_series(path)[0].told) == len(series.told)
    assert len(error_curve([]).mae) == 0


def test_nothing_to_compare_with_is_no_score(tmp_path):
    nothing = np.zeros(0)
    path = write(tmp_path / "bed.npz", night_rr_t=nothing, night_rr_ms=nothing)
    for score in (score_heart_rate(path), score_respiration(path)):
        (one,) = score.recordings.values()
        assert (one.judged, one.given, one.mae, one.coverage, one.lag_s) == (0, 0, None, None, 0.0)
        assert "-" in format_vitals(score)
    path = write(tmp_path / "bed.npz", night_fsr=np.zeros(0, dtype=np.float32))
    assert score_heart_rate(path).recordings["night"].seconds == 0.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fsr_fs": None}, "fsr_fs: the member is missing"),
        ({"fsr_fs": np.array(5.0)}, "fsr_fs: 5.0 is not within 40 to 1000"),
        ({"fsr_fs": np.array(np.nan)}, "fsr_fs: nan is not within 40 to 1000"),
        ({"night_fsr": None}, "NAME_fsr: the member is missing"),
        ({"night_fsr": np.zeros((3, 2))}, "night_fsr: shape (3, 2) is refused"),
        ({"night_fsr": np.array([None])}, "night_fsr: type '|O' is refused"),
        ({"night_t0": None}, "night_t0: the member is missing"),
        ({"night_t0": np.array(np.inf)}, "night_t0: inf is no UNIX time"),
        ({"night_rr_t": None}, "night_rr_t: the member is missing"),
        ({"night_rr_ms": np.ones(3)}, "night_rr_ms: 3 entries for "),
        (
            {"night_rr_t": np.array([2.0, 1.0]), "night_rr_ms": np.ones(2)},
            "night_rr_t: does not rise",
        ),
        (
            {"night_rr_t": np.array([2.0, np.nan]), "night_rr_ms": np.ones(2)},
            "night_rr_t: holds what is no UNIX time",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, changes, message):
    assert refused(write(tmp_path / "bed.npz", **changes)).startswith(message)


def test_files_that_are_none(tmp_path):
    assert refused(tmp_path / "none.npz") == "No such file or directory"
    path = tmp_path / "text.npz"
    path.write_bytes(b"hello")
    assert refused(path) == "byte 0: not a zip archive (.npz)"
    write(path)
    path.write_bytes(path.read_bytes()[:-200])
    assert refused(path).endswith("the archive ends before its directory")


def test_broken_samples_and_intervals_are_lived_with(tmp_path):
    members = recorded(seconds=60.0)
    members["night_fsr"][1000:1100] = np.nan
    members["night_rr_ms"][5] = np.nan
    members["night_rr_ms"][9] = 1e30
    path = tmp_path / "bed.npz"
    np.savez(path, **members)
    (one,) = score_heart_rate(path).recordings.values()
    assert one.given > 5
    assert one.mae < 2.0


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded set is not beside the repository")
def test_a_recorded_heart_is_told_for_four_fifths_and_nothing_far_off():
    score = score_heart_rate(RECORDED)
    bed = score.recordings["bed_a"]
    assert (bed.coverage >= 0.8, bed.mae <= 2.0) == (True, True)
    assert bed.strip_hz == pytest.approx(172.1, abs=0.2)
    assert bed.true_clock.mae <= 1.3
    assert abs(bed.true_clock.bias) <= 0.5
    assert all((one.far_off or 0.0) <= 0.05 for one in score.recordings.values())


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded set is not beside the repository")
def test_recorded_breath_is_never_far_off_and_never_stops():
    for one in score_respiration(RECORDED).recordings.values():
        assert (one.far_off or 0.0) <= 0.05
        assert one.breathing_stopped == 0
