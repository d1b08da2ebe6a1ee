"""The long-stay alarm on recorded homes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.evaluate.homes.stays import format_stay, score_stay

HOMES = Path(__file__).parents[4] / "shared" / "data" / "homes"


def write_home(tmp_path: Path, *, long_day: int) -> Path:
    """Write somebody who is in the bathroom for ten minutes each morning, and once for forty."""
    rows = []
    for day in range(10):
        begin = datetime(2011, 11, 1, 9, tzinfo=UTC) + timedelta(days=day)
        minutes = 40 if day == long_day else 10
        for minute, what in ((0, "Basin\tPIR\tBathroom"), (minutes, "Fridge\tMagnetic\tKitchen")):
            at = begin + timedelta(minutes=minute)
            rows.append(
                f"{at:%Y-%m-%d %H:%M:%S}\t{at + timedelta(seconds=5):%Y-%m-%d %H:%M:%S}\t{what}\n"
            )
    path = tmp_path / "X_Sensors.txt"
    path.write_text("".join(rows))
    return path


def test_one_long_stay_is_one_alarm_and_every_cut_is_told(tmp_path: Path):
    room = score_stay(write_home(tmp_path, long_day=7)).rooms[0]

    assert (room.stays, len(room.told)) == (10, 1)
    assert (room.told[0].told_min, room.told[0].lasted_min) == (30.0, 40.0)
    assert (room.cut_offs, room.cut_told, room.longest_min) == (10, 10, 30.0)


def test_a_long_stay_while_learning_is_not_judged(tmp_path: Path):
    score = score_stay(write_home(tmp_path, long_day=2))

    assert score.rooms[0].told == []
    assert format_stay(score).startswith("X_Sensors.txt: 5 days judged\n  bathroom: 10 stays")


@pytest.mark.parametrize("name", ["OrdonezA_Sensors.txt", "houseA-ss.txt", "houseB-ss.txt"])
def test_recorded_stays_cut_off_are_told_within_the_ceiling(name: str):
    if not (HOMES / name).is_file():
        pytest.skip(f"no ../shared/data/homes/{name} here")
    for room in score_stay(HOMES / name).rooms:
        assert room.cut_told == room.cut_offs > 0
        assert room.longest_min <= 60.5
        assert room.told_per_week <= 2.0
