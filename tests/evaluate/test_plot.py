"""The pictures of a score: every one is drawn, none is empty, none needs every kind of trial."""

import sys

import numpy as np
import pytest

from edge_agent.__main__ import main
from edge_agent.evaluate import plot
from edge_agent.evaluate.plot import PlotMissingError, plot_fall
from tests.detect import synthetic
from tests.evaluate.falls.test_score import RATE_HZ, a_fall, calm, write

pytest.importorskip("matplotlib", reason="matplotlib is an extra")


def is_a_picture(path):
    from matplotlib.image import imread

    return np.ptp(imread(path)) > 0.5


@pytest.fixture
def a_set(tmp_path):
    jump = synthetic.fall(RATE_HZ, peak_g=2.5, turn_deg=3.0)
    return write(
        tmp_path / "set.npz",
        [
            ("A", "F01", True, a_fall(before_s=6.0, after_s=6.0), -1),
            ("B", "F02", True, calm(), -1),
            ("A", "D01", False, calm(), -1),
            ("B", "D02", False, jump, -1),
        ],
    )


def test_the_curves_and_the_worst_trials_are_drawn(a_set, tmp_path):
    drawn = plot_fall(a_set, tmp_path / "out")

    assert [path.name for path in drawn] == [
        "fall_roc.png", "fall_detection.png", "fall_missed.png", "fall_false.png",
    ]  # fmt: skip
    assert all(is_a_picture(path) for path in drawn)


def test_a_set_without_falls_has_no_curve(tmp_path):
    path = write(tmp_path / "set.npz", [("A", "D01", False, calm(), -1)])

    assert [one.name for one in plot_fall(path, tmp_path)] == ["fall_false.png"]


def test_the_command_names_what_it_drew_and_refuses_what_it_cannot(a_set, tmp_path, capsys):
    assert main(["score", "fall", str(a_set), "--json", "--plot", str(tmp_path / "p")]) == 0
    assert "fall_roc.png" in capsys.readouterr().err
    assert main(["score", "stay", str(a_set), "--plot", str(tmp_path / "p")]) == 2
    assert capsys.readouterr().err.strip() == "anzhen: --plot is for fall, heart-rate, respiration"
    (tmp_path / "file").write_text("")
    assert main(["score", "fall", str(a_set), "--json", "--plot", str(tmp_path / "file")]) == 2
    assert "File exists" in capsys.readouterr().err


def test_without_matplotlib_it_says_what_to_install(a_set, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    with pytest.raises(PlotMissingError, match=r"pip install 'anzhen\[plot\]'"):
        plot_fall(a_set, tmp_path)
    assert plot.WORST == 6


@pytest.mark.parametrize("detector", ["radar-fall", "bed-exit", "inactivity", "stay", "sit-up"])
def test_what_is_no_recording_is_one_line_for_every_detector(detector, tmp_path, capsys):
    path = tmp_path / "rubbish.txt"
    path.write_bytes(bytes(range(256)))

    assert main(["score", detector, str(path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "rubbish.txt" in said


def test_options_of_falls_are_for_falls_only(capsys):
    assert main(["score", "stay", "x", "--blank"]) == 2
    assert capsys.readouterr().err == "anzhen: --blank, --damage and --held-out are for fall\n"
