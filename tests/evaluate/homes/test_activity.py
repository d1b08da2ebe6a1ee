"""The long-silence alarm on recorded homes and on made-up ones."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from edge_agent.evaluate.homes.activity import (
    format_inactivity,
    poisson_upper,
    score_inactivity,
)
from edge_agent.evaluate.npz import TrialError

HOMES = Path(__file__).parents[4] / "shared" / "data" / "homes"
DAYS = 20


def write_home(tmp_path: Path, *, skip: int | None = None, label: str = "Spare_Time/TV") -> Path:
    """Write somebody who uses the fridge every half hour from 07:00 to 22:30, but for one day."""
    rows, labels = [], []
    for day in range(DAYS):
        begin = datetime(2011, 11, 1, 7, tzinfo=UTC) + timedelta(days=day)
        written = "Sleeping" if day != skip else label
        night = begin - timedelta(hours=8), begin + timedelta(hours=15.5)
        if day == skip:
            labels.append((begin, night[1], written))
            continue
        labels.append((night[0], begin, "Sleeping"))
        for half in range(32):
            at = begin + timedelta(minutes=30 * half)
            rows.append((at, at + timedelta(seconds=5), "Fridge\tMagnetic\tKitchen"))
    for name, lines in (("X_Sensors.txt", rows), ("X_ADLs.txt", labels)):
        text = "".join(
            f"{a:%Y-%m-%d %H:%M:%S}\t{b:%Y-%m-%d %H:%M:%S}\t{what}\n" for a, b, what in lines
        )
        (tmp_path / name).write_text(text)
    return tmp_path / "X_Sensors.txt"


def test_a_regular_home_is_quiet_and_every_cut_is_told(tmp_path: Path):
    score = score_inactivity(write_home(tmp_path))

    assert (score.learning_days, score.judged_days) == (10, 10)
    assert (score.false_alarms, score.told) == (0, [])
    assert score.cut_offs == 2 * 24 * 9 + 46  # to the last event
    assert score.alarmed_in_limit == 1.0
    assert score.from_cut_h["max"] is not None
    assert score.from_cut_h["max"] <= 12.1
    assert set(score.by_hour) == {str(hour) for hour in range(24)}


def test_a_day_without_any_event_is_one_alarm_beside_what_was_written(tmp_path: Path):
    at_home = score_inactivity(write_home(tmp_path, skip=15))
    away = score_inactivity(write_home(tmp_path, skip=15, label="Leaving"))
    (tmp_path / "X_ADLs.txt").unlink()
    silent = score_inactivity(tmp_path / "X_Sensors.txt")

    assert (at_home.false_alarms, at_home.not_back, at_home.unlabelled) == (1, 0, 0)
    assert (away.false_alarms, away.not_back, away.unlabelled) == (0, 1, 0)
    assert (silent.false_alarms, silent.not_back, silent.unlabelled) == (0, 0, 1)
    assert at_home.told[0].lasted_h == pytest.approx(32.5, abs=0.1)
    assert at_home.told[0].truth == "Spare_Time/TV"
    assert silent.false_alarms_per_week is None


def test_the_score_is_an_object_and_a_table(tmp_path: Path):
    score = score_inactivity(write_home(tmp_path, skip=15))
    text = format_inactivity(score)

    assert msgspec.json.decode(msgspec.json.encode(score))["detector"] == "inactivity"
    assert text.startswith("X_Sensors.txt: 20 days, 10 to learn, 10 judged, 10 of them labelled\n")
    assert text.count("\n") == 14


def test_one_event_alone_is_no_home_to_learn_from(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("2011-11-28 10:21:24\t2011-11-28 10:21:31\tFridge\tMagnetic\tKitchen\n")
    with pytest.raises(TrialError) as caught:
        score_inactivity(path)
    assert str(caught.value) == "a.txt: 1 days, at least 8 are needed to learn and judge"


def test_the_upper_bound_of_a_count_is_that_of_poisson():
    assert poisson_upper(0) == pytest.approx(-math.log(0.05))
    assert poisson_upper(1) == pytest.approx(4.744, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "longest_h"),
    [("OrdonezA_Sensors.txt", 12.1), ("houseA-ss.txt", 16.1), ("houseB-ss.txt", 16.1)],
)
def test_recorded_homes_are_quiet_after_learning_and_told_when_cut_off(name: str, longest_h: float):
    if not (HOMES / name).is_file():
        pytest.skip(f"no ../shared/data/homes/{name} here")
    score = score_inactivity(HOMES / name)

    assert score.false_alarms == 0
    assert score.alarmed_in_limit == 1.0
    assert score.from_cut_h["max"] is not None
    assert score.from_cut_h["max"] <= longest_h
    assert max(max(hours) for hours in score.limit_h.values()) <= 16.0
    assert sum(score.stored_bytes.values()) < 5000
