"""Exits told from recorded loads: delays, misses, false ones; files refused."""

import argparse
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edge_agent.evaluate.beds.bed_loads import holds_loads, read_bed_loads
from edge_agent.evaluate.beds.load_exits import (
    BLOCK_S,
    format_load_exits,
    poisson_upper,
    score_load_exits,
)
from edge_agent.evaluate.commands import run_score
from edge_agent.evaluate.npz import TrialError
from edge_agent.simulator.bed_nights import NIGHT_S, main, make_nights, night_of

pytestmark = pytest.mark.fast

RATE_HZ = 10.0


def flat(*parts):
    """Return kg of (kg, seconds) in a row, with a converter's noise."""
    kg = np.concatenate([np.full(round(seconds * RATE_HZ), kg) for kg, seconds in parts])
    return (kg + np.random.default_rng(1).normal(0.0, 0.02, len(kg))).astype(np.float32)


def write(path, **changes):
    members = {
        "a_load": flat((0.0, 20.0), (70.0, 40.2), (0.0, 30.0)),
        "a_left_t": np.array([60.2]),
        "load_fs": np.array(RATE_HZ),
    } | changes
    np.savez(path, **{name: one for name, one in members.items() if one is not None})
    return path


def refused(path):
    with pytest.raises(TrialError) as caught:
        read_bed_loads(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_a_delay_counts_to_the_end_of_the_sample_and_of_its_block(tmp_path):
    score = score_load_exits(write(tmp_path / "x.npz"))
    assert (score.n_exits, score.n_found, score.within_limit, score.n_false) == (1, 1, 1, 0)
    assert score.known_s["max"] == pytest.approx(0.5)  # 60.2 .. 60.6, and that sample's end
    assert score.told_s["max"] == pytest.approx(0.8)
    assert BLOCK_S == 0.5


def test_what_was_not_left_is_false_and_what_was_not_told_is_missed(tmp_path):
    kg = flat((70.0, 40.0), (0.0, 20.0), (70.0, 40.0), (0.0, 0.3), (70.0, 40.0))
    score = score_load_exits(write(tmp_path / "x.npz", a_load=kg, a_left_t=np.array([100.0])))
    assert (score.n_exits, score.n_found, score.n_false) == (1, 0, 1)
    assert score.known_s == {"median": None, "p95": None, "max": None}
    nights = len(kg) / RATE_HZ / NIGHT_S
    assert score.false_per_night == pytest.approx(1.0 / nights)
    assert score.false_per_night_95 == pytest.approx(4.744 / nights, rel=1e-3)
    assert "told                          0 of 1" in format_load_exits(score)


def test_the_upper_end_of_a_count_is_that_of_garwood():
    assert poisson_upper(0) == pytest.approx(2.996, abs=1e-3)
    assert poisson_upper(10) == pytest.approx(16.962, abs=1e-3)


def test_the_command_tells_a_load_from_a_tag(tmp_path, capsys):
    path = write(tmp_path / "x.npz")
    options = argparse.Namespace(
        detector="bed-exit", file=path, json=True, plot=None,
        blank=False, damage=False, held_out=False,
    )  # fmt: skip
    assert run_score(options) == 0
    assert json.loads(capsys.readouterr().out)["within_limit"] == 1
    assert not holds_loads(Path(__file__))
    assert not holds_loads(tmp_path / "absent.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a_load": None}, "NAME_load: the member is missing"),
        ({"a_left_t": None}, "a_left_t: the member is missing"),
        ({"load_fs": np.array(0.0)}, "load_fs: 0.0 is not within 1 to 1000"),
        ({"a_left_t": np.array([np.nan])}, "a_left_t[0]: lies outside of the recording"),
        ({"a_left_t": np.array([1.0, 91.0])}, "a_left_t[1]: lies outside of the recording"),
        ({"a_left_t": np.array([2.0, 2.0])}, "a_left_t[1]: does not rise"),
    ],
)
def test_a_broken_file_is_refused_with_its_member(tmp_path, changes, message):
    assert refused(write(tmp_path / "x.npz", **changes)) == message


@pytest.mark.parametrize("rubbish", [np.nan, np.inf, 3e38, -3e38])
def test_rubbish_in_a_recording_is_survived(tmp_path, rubbish):
    kg = flat((70.0, 40.0), (0.0, 20.0))
    kg[::7] = rubbish
    score = score_load_exits(write(tmp_path / "x.npz", a_load=kg, a_left_t=np.array([40.0])))
    assert (score.n_found, score.n_false) == (1, 0)


def test_a_simulated_night_of_each_end_of_the_scale_is_told_in_time_with_nothing_false(tmp_path):
    np.savez(tmp_path / "x.npz", **make_nights(nights=2))
    score = score_load_exits(tmp_path / "x.npz")
    assert score.n_exits >= 6
    assert score.within_limit == score.n_exits
    assert score.n_false == 0
    assert score.told_s["max"] <= 1.0


def test_nights_are_in_order_and_end_in_an_empty_bed():
    for seed in range(24):
        spans, left_s = night_of(seed)
        assert all(a.end_s <= b.start_s for a, b in pairwise(spans))
        assert set(left_s) <= {span.end_s for span in spans}
        assert max(left_s) <= NIGHT_S - 60.0


def test_the_writer_of_nights_says_how_it_is_used(capsys):
    assert main([]) == 2
    assert main(["x.npz", "fast"]) == 2
    assert capsys.readouterr().err.count("usage: python -m edge_agent.simulator.bed_nights") == 2
