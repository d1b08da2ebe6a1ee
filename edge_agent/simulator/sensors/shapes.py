"""Curves and noise that the sensor models are made of; seeded, no state."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STANDARD_GRAVITY = 9.80665
"""m/s^2 in one g (CGPM 1901)."""


def random_of(seed: int, purpose: int) -> np.random.Generator:
    """Return the generator of one purpose, so that another draw elsewhere changes nothing here."""
    return np.random.default_rng((seed, purpose))


def smooth_step(progress: Floats) -> Floats:
    """Return 0 to 1 for progress 0 to 1, with no speed and no acceleration at either end.

    Source: Flash, Hogan, "The coordination of arm movements: an experimentally confirmed
    mathematical model", J Neurosci 5(7), 1985: the path of least jerk between two rests.
    """
    u = np.clip(progress, 0.0, 1.0)
    step: Floats = u * u * u * (10.0 + u * (6.0 * u - 15.0))
    return step


def step_acceleration(progress: Floats) -> Floats:
    """Return the second derivative of `smooth_step` by progress; zero outside 0 to 1."""
    u = np.clip(progress, 0.0, 1.0)
    acceleration: Floats = 60.0 * u * (1.0 + u * (2.0 * u - 3.0))
    return acceleration


def bump(t: Floats, centre_s: float, width_s: float) -> Floats:
    """Return a Hann pulse of height 1 and area width_s / 2; zero outside centre +- width / 2."""
    u = np.clip((t - centre_s) / width_s, -0.5, 0.5)
    pulse: Floats = np.cos(np.pi * u) ** 2
    return pulse


def plateau(t: Floats, start_s: float, end_s: float, edge_s: float) -> Floats:
    """Return 1 between start and end, with smooth edges inside of them."""
    edge_s = min(edge_s, 0.5 * (end_s - start_s))
    return smooth_step((t - start_s) / edge_s) * smooth_step((end_s - t) / edge_s)


def band_noise(
    random: np.random.Generator, count: int, rate_hz: float, low_hz: float, high_hz: float
) -> Floats:
    """Return Gaussian noise of a band, shape (count,), root mean square 1 on average."""
    if count < 1:
        return np.zeros(0)
    spectrum = np.fft.rfft(random.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1.0 / rate_hz)
    inside = (frequency >= low_hz) & (frequency <= high_hz)
    if not inside.any():
        # A record shorter than a period of the band: the nearest frequency there is.
        inside[np.abs(frequency - 0.5 * (low_hz + high_hz)).argmin()] = True
    spectrum[~inside] = 0.0
    noise: Floats = np.fft.irfft(spectrum, count)
    # White noise spreads evenly over all lines; this share of them was kept.
    noise *= np.sqrt(len(frequency) / np.count_nonzero(inside))
    return noise


def sample_times(rate_hz: float, duration_s: float) -> Floats:
    """Return the times of all samples of a record that begins at 0."""
    return np.arange(round(duration_s * rate_hz)) / rate_hz


def span_slice(rate_hz: float, count: int, start_s: float, end_s: float) -> slice:
    """Return the samples from start_s (included) to end_s (not), within the record."""
    first = min(count, max(0, int(np.ceil(start_s * rate_hz - 1e-9))))
    last = min(count, max(first, int(np.ceil(end_s * rate_hz - 1e-9))))
    return slice(first, last)
