"""Scoring radar recordings: what counts, and one clear line for every file that cannot be read."""

import dataclasses
import gzip
import json
import random
from pathlib import Path

import pytest

from edge_agent.evaluate.npz import TrialError
from edge_agent.evaluate.radar import format_radar, score_radar
from edge_agent.evaluate.radar_trials import read_radar
from edge_agent.simulator.sensors.radar import RadarSpan, RadarState
from edge_agent.simulator.sensors.radar_ti import iwr6843

DATA = Path(__file__).parents[3] / "shared" / "data" / "radar"
HEADER = "frameNum,pointNum,xPos,yPos,zPos,Doppler,SNR,cluster,global_cluster\n"


def radar_bytes(state: RadarState) -> bytes:
    walk = RadarSpan(0.5, 5.0, RadarState.MOVING, (-1.0, 4.0), (1.0, 2.0))
    spans = [walk, RadarSpan(5.0, 9.0, state, (1.0, 2.0))]
    return b"".join(data for _, data in iwr6843(spans, 9.0, 2))


def csv_rows(last_m: float) -> str:
    """Return 60 frames of a body of 1.2 m, whose top is at last_m from frame 40 on."""
    rng = random.Random(4)
    rows = ["100,1,3.0,5.0,0.0,0.0,1.0,0,1"] * 8
    for frame in range(100, 160):
        top_m = 1.2 if frame < 140 else last_m
        rows += [
            f"{frame},1,{rng.gauss(0, 0.1)},2.0,{top_m * i / 10},0.0,1.0,0,1" for i in range(1, 11)
        ]
    return HEADER + "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("radar")
    (path / "fall_0.bin.gz").write_bytes(gzip.compress(radar_bytes(RadarState.FALLEN)))
    (path / "sit_1.bin").write_bytes(radar_bytes(RadarState.STILL))
    (path / "cut").mkdir()
    (path / "cut" / "fall_2.csv").write_text(csv_rows(0.25))
    (path / "cut" / "walking_3.csv").write_text(csv_rows(1.2))
    (path / "notes.txt").write_text("no recording")
    (path / "other.csv").write_text("time,value\n")
    return path


def test_a_folder_is_scored_by_the_names_of_its_files(folder: Path) -> None:
    told: list[str] = []
    score = score_radar(folder, told.append)
    assert (score.detector, score.n_falls, score.n_adl) == ("radar_fall", 2, 2)
    assert (score.sensitivity, score.specificity, score.false_alarms_per_hour) == (1.0, 1.0, 0.0)
    assert score.hours_adl == pytest.approx((9.0 + 5.9) / 3600, abs=2e-4)
    assert score.by_label == {
        "fall": {"raised": 2, "falls": 2, "found": 2},
        "sit": {"raised": 0, "adl": 1, "quiet": 1},
        "walking": {"raised": 0, "adl": 1, "quiet": 1},
    }
    assert set(score.raised) == {"fall_0.bin.gz", "cut/fall_2.csv"}
    assert score.raised["cut/fall_2.csv"][0] == pytest.approx(4.1, abs=0.3)
    assert score.raised["fall_0.bin.gz"][0] == pytest.approx(5.4, abs=0.6)
    assert score.delay_s["p95"] is not None and score.delay_s["p95"] <= 1.5
    assert told == [
        "cut/fall_2.csv: 1 raised",
        "cut/walking_3.csv: 0 raised",
        "fall_0.bin.gz: 1 raised",
        "sit_1.bin: 0 raised",
    ]
    assert json.loads(json.dumps(dataclasses.asdict(score)))["n_falls"] == 2
    table = format_radar(score)
    assert "2 recordings of falls, 2 others" in table and "100.0 %" in table


def test_the_names_do_not_reach_the_detector(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "walking_9.csv").write_text(csv_rows(0.25))
    (tmp_path / "fall_9.csv").write_text(csv_rows(1.2))
    score = score_radar(tmp_path)
    assert (score.sensitivity, score.specificity) == (0.0, 0.0)
    assert score.false_alarms_per_hour == pytest.approx(3600 / 5.9)


def test_mounting_and_frame_time_come_from_the_radars_own_file(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "fall_0.bin").write_bytes(radar_bytes(RadarState.FALLEN))
    (as_told,) = read_radar(tmp_path / "fall_0.bin")
    (tmp_path / "radar.cfg").write_text(
        "% a comment\nframeCfg 0 2 96 0 110.00 1 0\nsensorPosition 2.5 0 10\n"
    )
    (told,) = read_radar(tmp_path / "fall_0.bin")
    assert told.seconds == pytest.approx(2 * as_told.seconds)
    raised = told.frames[-1].points[:, 2] - as_told.frames[-1].points[:, 2]
    assert raised == pytest.approx([0.5] * len(raised))


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("fall_1.csv", "", "line 2: no point"),
        ("fall_1.csv", "a,b\n", "line 1: columns frameNum,pointNum,xPos,yPos,zPos,Doppler wanted"),
        ("fall_1.csv", HEADER, "line 2: no point"),
        ("fall_1.csv", HEADER + "1,1,0,0\n", "line 2: 4 columns, at least 6 wanted"),
        ("fall_1.csv", HEADER + "1,1,a,0,0,0\n", "line 2: could not convert string to float: 'a'"),
        ("fall_1.csv", HEADER + "nan,1,0,0,0,0\n", "line 2: frame number 'nan'"),
        ("fall_1.csv", HEADER + "2,1,0,0,0,0\n1,1,0,0,0,0\n", "line 3: the frame number goes back"),
        ("fall_1.csv", HEADER + "1" * 5000, "line 2: longer than 4096"),
        ("fall_1.csv", HEADER.encode() + b"\xff\xfe", "byte 68: not UTF-8"),
        ("fall_1.bin", b"", "byte 0: no frame of an IWR6843"),
        ("fall_1.bin", bytes(9000), "byte 9000: no frame of an IWR6843"),
        ("fall_1.bin.gz", b"no gzip", "byte 0: Not a gzipped file (b'no')"),
        ("fall_1.bin.gz", gzip.compress(bytes(5000), mtime=0)[:-9], "byte 0: Compressed file ended before the end-of-stream marker was reached"),
        ("radar.cfg", "sensorPosition 2\n", "line 1: 'sensorPosition 2'"),
        ("radar.cfg", "frameCfg 0 2 96 0 nan 1 0\n", "line 1: 'frameCfg 0 2 96 0 nan 1 0'"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_gives_one_line(
    tmp_path: Path, name: str, content: str | bytes, why: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    asked = path
    if name.endswith(".cfg"):
        asked = tmp_path / "fall_0.bin"
        asked.write_bytes(b"")
    with pytest.raises(TrialError) as raised:
        score_radar(asked)
    assert str(raised.value) == f"{path}: {why}"


def test_a_folder_without_recordings_and_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TrialError) as raised:
        score_radar(tmp_path)
    assert (
        str(raised.value)
        == f"{tmp_path}: no radar recording (*.bin, *.bin.gz, *.csv) in this folder"
    )
    with pytest.raises(TrialError) as raised:
        score_radar(tmp_path / "none.csv")
    assert str(raised.value) == f"{tmp_path / 'none.csv'}: No such file or directory"


def test_points_that_are_no_numbers_are_points_of_nobody(tmp_path: Path) -> None:
    file = tmp_path / "walking_1.csv"
    file.write_text(HEADER + "".join(f"{i},1,nan,inf,-inf,nan\n" for i in range(50)))
    assert score_radar(file).specificity == 1.0


@pytest.mark.fast
def test_damaged_recordings_are_read_as_far_as_they_go(folder: Path, tmp_path: Path) -> None:
    data = bytearray(radar_bytes(RadarState.STILL))
    rng = random.Random(8)
    for _ in range(200):
        data[rng.randrange(len(data))] = rng.randrange(256)
    file = tmp_path / "sit_1.bin"
    file.write_bytes(bytes(data))
    assert score_radar(file).n_adl == 1


def test_the_shared_recordings_are_told_apart() -> None:
    if not DATA.is_dir():
        pytest.skip("no shared radar recordings here")
    score = score_radar(DATA)
    assert (score.n_falls, score.n_adl) == (6, 11)
    assert (score.sensitivity, score.specificity) == (1.0, 1.0)
