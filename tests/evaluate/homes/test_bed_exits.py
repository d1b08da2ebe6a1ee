"""Bed exits of recorded homes beside what the person wrote."""

from pathlib import Path

import pytest

from edge_agent.evaluate.homes.bed_exits import (
    bed_edges,
    format_bed_exit,
    match_times,
    score_bed_exit,
)
from edge_agent.evaluate.homes.homes import Event, HomeRecord
from edge_agent.evaluate.npz import TrialError
from edge_agent.home.sign import Kind

HOMES = Path(__file__).parents[4] / "shared" / "data" / "homes"


def bed(begin_s: float, end_s: float, source: str = "bed left") -> Event:
    return Event(begin_s, end_s, source, Kind.REST, "bedroom")


def row(begin: str, end: str, what: str) -> str:
    return f"2011-11-{begin}\t2011-11-{end}\t{what}\n"


def test_two_sensors_of_one_bed_are_one_and_a_chair_is_none():
    chair = Event(0.0, 900.0, "seat living", Kind.REST, "living")
    record = HomeRecord("x", (bed(0.0, 50.0), bed(40.0, 90.0, "bed right"), chair), (), 0)

    assert bed_edges(record) == [(0.0, True), (90.0, False)]


def test_each_time_is_matched_once_and_the_nearest_first():
    assert match_times([0.0, 100.0], [90.0, 5000.0]) == [10.0]
    assert match_times([0.0, 100.0], [90.0, 95.0]) == [5.0, 90.0]


def test_a_short_off_and_on_is_restlessness_and_an_exit_is_found(tmp_path: Path):
    on = "Bed\tPressure\tBedroom"
    (tmp_path / "X_Sensors.txt").write_text(
        row("01 23:00:00", "02 02:00:00", on)
        + row("02 02:00:20", "02 04:00:00", on)
        + row("02 04:10:00", "02 07:00:00", on)
    )
    (tmp_path / "X_ADLs.txt").write_text(
        row("01 23:02:00", "02 04:01:00", "Sleeping")
        + row("02 04:10:00", "02 06:58:00", "Sleeping")
    )
    score = score_bed_exit(tmp_path / "X_Sensors.txt")

    assert (score.n_sleeps, score.sleeps_found) == (2, 2)
    assert (score.n_exits, score.exits_at_sleep_end, score.restless) == (2, 2, 1)
    assert (score.recall, score.precision) == (1.0, 1.0)
    assert score.end_error_s == {"median": 90.0, "p95": pytest.approx(117.0)}
    assert "recall / precision      100.0 % / 100.0 %" in format_bed_exit(score)


def test_a_home_without_a_bed_sensor_or_labels_says_so(tmp_path: Path):
    path = tmp_path / "X_Sensors.txt"
    path.write_text(row("01 23:00:00", "02 02:00:00", "Fridge\tMagnetic\tKitchen"))
    with pytest.raises(TrialError, match=r"^X_Sensors.txt: no bed sensor$"):
        score_bed_exit(path)
    path.write_text(row("01 23:00:00", "02 02:00:00", "Bed\tPressure\tBedroom"))
    with pytest.raises(TrialError, match=r"^X_Sensors.txt: no labels of sleep beside it$"):
        score_bed_exit(path)


def test_a_recorded_bed_agrees_with_the_book():
    path = HOMES / "OrdonezA_Sensors.txt"
    if not path.is_file():
        pytest.skip("no ../shared/data/homes/OrdonezA_Sensors.txt here")
    score = score_bed_exit(path)

    assert score.sleeps_found == score.n_sleeps == 14
    assert score.recall == 1.0
    assert score.precision is not None
    assert score.precision > 0.9
