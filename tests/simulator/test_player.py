"""Recordings to registers."""

import numpy as np
import pytest

from edge_agent.simulator.player import resample, write_ads1115, write_lis3dh, write_nau7802

pytestmark = pytest.mark.fast


def test_downsampling_is_the_mean_of_each_period():
    samples = np.arange(12, dtype=float).reshape(-1, 1)

    assert resample(samples, 200, 100)[:, 0].tolist() == [0.5, 2.5, 4.5, 6.5, 8.5, 10.5]
    assert resample(samples, 100, 100)[:, 0].tolist() == samples[:, 0].tolist()
    assert resample(np.ones((87, 3)), 87, 50).shape == (50, 3)


def test_upsampling_is_a_straight_line():
    samples = np.array([[0.0], [5.0], [10.0]])

    assert resample(samples, 20, 100)[:11, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


def test_registers_are_left_justified_digits_of_12_mg_and_clip_at_16_g(tmp_path):
    g = np.array([[0.012, -0.012, 1.0], [100.0, -100.0, 0.0]])
    part = write_lis3dh(tmp_path / "a.bin", g, 100)

    counts = np.fromfile(tmp_path / "a.bin", "<i2").reshape(-1, 3)
    assert counts.tolist() == [[16, -16, 83 * 16], [2047 * 16, -2048 * 16, 0]]
    assert (part["model"], part["rate_hz"], part["hold"]) == ("lis3dh", 100, False)


def test_load_and_strip_are_conversions(tmp_path):
    write_nau7802(tmp_path / "l.bin", np.array([60.0, 0.0, 1e6]), 0.0001)
    write_ads1115(tmp_path / "s.bin", np.array([4.096, -4.096, 1.024]))

    assert np.fromfile(tmp_path / "l.bin", "<i4").tolist() == [600_000, 0, 2**23 - 1]
    assert np.fromfile(tmp_path / "s.bin", "<i2").tolist() == [32767, -32768, 8192]
