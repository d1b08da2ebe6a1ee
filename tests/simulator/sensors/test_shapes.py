"""Curves, noise and rotations that the sensor models are made of."""

import numpy as np
import pytest

from edge_agent.simulator.sensors.rotation import random_rotation, rotation_vector, rotations
from edge_agent.simulator.sensors.shapes import (
    band_noise,
    bump,
    plateau,
    random_of,
    smooth_step,
    span_slice,
    step_acceleration,
)

pytestmark = pytest.mark.fast


def test_a_smooth_step_rests_at_both_ends_and_its_acceleration_is_its_second_derivative():
    u = np.linspace(-0.5, 1.5, 20_001)
    step = smooth_step(u)

    assert step[0] == 0.0
    assert step[-1] == 1.0
    assert np.all(np.diff(step) >= 0.0)
    bent = np.gradient(np.gradient(step, u), u)
    assert np.abs(bent - step_acceleration(u)).max() < 0.05


def test_a_bump_has_height_one_and_half_its_width_as_area():
    t = np.arange(-1.0, 1.0, 1e-4)

    assert bump(t, 0.2, 0.3).max() == pytest.approx(1.0, abs=1e-4)
    assert bump(t, 0.2, 0.3).sum() * 1e-4 == pytest.approx(0.15, abs=1e-4)
    assert bump(t, 0.2, 0.3)[0] == pytest.approx(0.0, abs=1e-12)


def test_a_plateau_stays_within_its_ends_even_when_they_are_close():
    t = np.arange(0.0, 3.0, 1e-3)
    narrow = plateau(t, 1.0, 1.2, 0.4)

    assert narrow[t <= 1.0].max() == 0.0
    assert narrow[t >= 1.2].max() == 0.0
    assert narrow.max() > 0.9


@pytest.mark.parametrize("count", [1, 7, 100, 5000])
def test_band_noise_has_one_rms_and_only_its_band(count):
    noise = np.stack([band_noise(random_of(seed, 0), count, 100.0, 2.0, 8.0) for seed in range(40)])

    assert np.isfinite(noise).all()
    if count >= 100:
        assert np.sqrt((noise**2).mean()) == pytest.approx(1.0, rel=0.25)
    if count == 5000:
        power = (np.abs(np.fft.rfft(noise, axis=1)) ** 2).sum(axis=0)
        frequency = np.fft.rfftfreq(count, 0.01)
        assert power[(frequency < 1.9) | (frequency > 8.1)].sum() < 1e-9 * power.sum()


def test_a_slice_holds_the_samples_of_its_span():
    assert span_slice(100.0, 1000, 0.5, 1.0) == slice(50, 100)
    assert span_slice(100.0, 1000, -3.0, 0.015) == slice(0, 2)
    assert span_slice(100.0, 1000, 12.0, 13.0) == slice(1000, 1000)


def test_rotations_come_back_from_their_vectors():
    random = random_of(1, 1)
    for _ in range(50):
        turn = random_rotation(random)
        assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1.0)
        assert np.allclose(rotations(rotation_vector(turn)[None])[0], turn, atol=1e-9)
    half = rotations(np.array([[0.0, np.pi, 0.0], [np.pi, 0.0, 0.0]]))
    for turn in half:
        assert np.allclose(rotations(rotation_vector(turn)[None])[0], turn, atol=1e-6)
    assert rotation_vector(np.eye(3)).tolist() == [0.0, 0.0, 0.0]
