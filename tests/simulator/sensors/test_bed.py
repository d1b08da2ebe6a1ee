"""The bed's strip and load: rhythms in place, truth that fits the signal."""

import numpy as np
import pytest

from edge_agent.simulator.sensors.bed import BedSpan, BedState
from edge_agent.simulator.sensors.bed_load import LOAD_RATE_HZ, load
from edge_agent.simulator.sensors.bed_strip import J_V, strip
from edge_agent.simulator.sensors.body import Sleeper

pytestmark = pytest.mark.fast

CALM = Sleeper(turns_per_hour=0.0)
NIGHT = [
    BedSpan(10.0, 20.0, BedState.GETTING_IN),
    BedSpan(20.0, 90.0, BedState.LYING),
    BedSpan(90.0, 120.0, BedState.RESTLESS),
    BedSpan(120.0, 140.0, BedState.SITTING_UP),
]


def lying(seconds):
    return [BedSpan(0.0, seconds, BedState.LYING)]


def peak_hz(values, rate_hz, low_hz, high_hz):
    power = np.abs(np.fft.rfft((values - values.mean()) * np.hanning(len(values)))) ** 2
    frequency = np.fft.rfftfreq(len(values), 1.0 / rate_hz)
    inside = (frequency >= low_hz) & (frequency <= high_hz)
    return frequency[inside][power[inside].argmax()]


def band(values, rate_hz, low_hz, high_hz):
    spectrum = np.fft.rfft(values - values.mean())
    frequency = np.fft.rfftfreq(len(values), 1.0 / rate_hz)
    spectrum[(frequency < low_hz) | (frequency > high_hz)] = 0.0
    return np.fft.irfft(spectrum, len(values))


def test_the_same_seed_gives_the_same_bytes_and_another_one_others():
    first, truth = strip(NIGHT, Sleeper(), 100.0, 150.0, 5)
    again, same = strip(NIGHT, Sleeper(), 100.0, 150.0, 5)
    other, _ = strip(NIGHT, Sleeper(), 100.0, 150.0, 6)

    assert first.tobytes() == again.tobytes()
    assert truth.beat_s.tobytes() == same.beat_s.tobytes()
    assert first.shape == (15_000,)
    assert np.abs(first - other).max() > 0.1
    assert (
        load(NIGHT, Sleeper(), 150.0, 5)[0].tobytes()
        == load(NIGHT, Sleeper(), 150.0, 5)[0].tobytes()
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("bpm", "rpm"), [(52.0, 12.0), (64.0, 15.0), (88.0, 21.0)])
def test_breath_and_heart_have_their_peaks_where_they_should(bpm, rpm, seed):
    sleeper = Sleeper(heart_rate_bpm=bpm, respiration_rpm=rpm, turns_per_hour=0.0)
    volts, truth = strip(lying(140.0), sleeper, 100.0, 140.0, seed)
    still = volts[1000:13_000]

    assert peak_hz(still, 100.0, 0.1, 0.6) == pytest.approx(rpm / 60.0, rel=0.12)
    # The beats' energy, not their waves, repeats with the heart rate.
    energy = band(still, 100.0, 3.0, 12.0) ** 2
    assert 60.0 * peak_hz(energy, 100.0, 0.7, 2.2) == pytest.approx(
        bpm, rel=0.07
    )  # the rate itself varies
    assert 60.0 / np.diff(truth.beat_s).mean() == pytest.approx(bpm, rel=0.03)
    assert 60.0 / np.diff(truth.breath_s).mean() == pytest.approx(rpm, rel=0.06)


def test_every_j_peak_is_where_the_truth_says():
    volts, truth = strip(lying(120.0), CALM, 200.0, 120.0, 7, j_to_noise=60.0)
    heart = band(volts, 200.0, 2.0, 30.0)
    late_s = []
    for j_s in truth.j_s[(truth.j_s > 20.0) & (truth.j_s < 100.0)]:
        around = slice(round(200 * (j_s - 0.1)), round(200 * (j_s + 0.1)))
        late_s.append((around.start + heart[around].argmax()) / 200.0 - j_s)

    assert len(late_s) > 80
    assert np.abs(late_s).max() < 0.02
    assert abs(np.median(late_s)) < 0.006


def test_the_heart_rate_varies_as_much_as_asked():
    for rmssd_ms in (10.0, 23.0, 45.0):
        sleeper = Sleeper(rmssd_ms=rmssd_ms, turns_per_hour=0.0)
        found = []
        for seed in range(6):
            _, truth = strip(lying(300.0), sleeper, 40.0, 300.0, seed)
            found.append(np.mean(np.diff(truth.beat_s, 2) ** 2))
        assert 1000.0 * np.sqrt(np.mean(found)) == pytest.approx(rmssd_ms, rel=0.2)


def test_noise_is_as_far_below_the_j_wave_as_asked():
    volts, _ = strip([], CALM, 100.0, 60.0, 1, j_to_noise=4.0)

    assert band(volts, 100.0, 5.0, 40.0).std() * np.sqrt(50.0 / 35.0) == pytest.approx(
        J_V / 4.0, rel=0.1
    )


def test_an_apnoea_stops_the_breath_and_not_the_heart():
    sleeper = Sleeper(apnoeas=((60.0, 85.0),), turns_per_hour=0.0)
    volts, truth = strip(lying(140.0), sleeper, 100.0, 140.0, 3)
    breath = np.convolve(volts, np.full(100, 0.01), "same")

    assert not np.any((truth.breath_s >= 60.0) & (truth.breath_s < 85.0))
    assert np.ptp(breath[6800:8200]) < 0.35 * np.ptp(breath[3000:4400])
    assert np.count_nonzero((truth.beat_s >= 60.0) & (truth.beat_s < 85.0)) in range(24, 30)


def test_moves_drive_the_strip_to_both_ends_of_its_range_and_no_further():
    volts, truth = strip([BedSpan(0.0, 60.0, BedState.RESTLESS)], Sleeper(), 100.0, 60.0, 2)

    assert volts.min() == 0.0
    assert volts.max() == 4.096
    assert np.count_nonzero((volts == 0.0) | (volts == 4.096)) > 20
    ends = (volts == 0.0) | (volts == 4.096)
    assert np.all(truth.moving[ends])


def test_an_empty_bed_has_no_rhythm_and_no_truth():
    volts, truth = strip([], Sleeper(), 100.0, 60.0, 4)

    assert volts.std() < 0.01
    assert len(truth.beat_s) == len(truth.j_s) == len(truth.breath_s) == 0
    assert not truth.occupied.any()
    assert not truth.moving.any()


def test_turning_over_changes_the_size_of_beats_and_the_level():
    sleeper = Sleeper(turns_per_hour=60.0)
    volts, truth = strip(lying(600.0), sleeper, 50.0, 600.0, 9)
    levels = [
        volts[i : i + 500].mean()
        for i in range(0, 30_000, 500)
        if not truth.moving[i : i + 500].any()
    ]

    assert len(levels) > 10
    assert np.ptp(levels) > 0.3


@pytest.mark.parametrize("seed", range(5))
def test_the_load_steps_with_the_person(seed):
    kg, truth = load(NIGHT, CALM, 170.0, seed)

    def mean(begin_s, end_s):
        return kg[round(begin_s * LOAD_RATE_HZ) : round(end_s * LOAD_RATE_HZ)].mean()

    assert kg.shape == (1700,)
    assert abs(mean(0.0, 8.0)) < 0.5
    assert mean(30.0, 88.0) == pytest.approx(62.0, abs=1.5)
    assert 0.75 * 62.0 < mean(126.0, 138.0) < 0.92 * 62.0
    assert abs(mean(145.0, 165.0)) < 4.0
    occupied_s = np.flatnonzero(np.diff(truth.occupied)) / LOAD_RATE_HZ
    assert 11.0 < occupied_s[0] < 13.0
    assert 139.0 < occupied_s[1] < 140.0
    assert len(occupied_s) == 2


def test_who_sits_down_is_heavier_for_a_moment_and_the_mattress_swings():
    above = []
    for seed in range(8):
        kg, _ = load(NIGHT, CALM, 60.0, seed)
        above.append(kg[105:150].max() - np.median(kg[130:150]))

    assert np.median(above) > 4.0


def test_restlessness_moves_the_load_but_not_its_mean():
    kg, _ = load(NIGHT, CALM, 150.0, 3)

    assert kg[900:1190].std() > 5.0 * kg[400:880].std()
    assert kg[900:1190].mean() == pytest.approx(kg[400:880].mean(), abs=1.0)


def test_strip_and_load_of_a_seed_belong_together():
    _, strip_truth = strip(NIGHT, Sleeper(), 100.0, 150.0, 8)
    _, load_truth = load(NIGHT, Sleeper(), 150.0, 8)

    assert np.mean(strip_truth.occupied[::10] == load_truth.occupied) > 0.998
    assert np.mean(strip_truth.moving[::10] == load_truth.moving) > 0.99
    assert strip_truth.beat_s.tolist() == load_truth.beat_s.tolist()


def test_a_record_of_no_length_is_empty():
    assert strip(NIGHT, Sleeper(), 100.0, 0.0, 1)[0].shape == (0,)
    assert load(NIGHT, Sleeper(), 0.0, 1)[0].shape == (0,)


def test_a_wrong_timeline_is_said():
    twice = [BedSpan(0.0, 10.0, BedState.LYING), BedSpan(5.0, 20.0, BedState.EMPTY)]

    with pytest.raises(ValueError, match=r"^spans are in order and do not overlap, unlike BedSpan"):
        strip(twice, Sleeper(), 100.0, 20.0, 1)
    with pytest.raises(ValueError, match=r"^a strip is sampled at 40 Hz or more, not 20.0$"):
        strip([], Sleeper(), 20.0, 20.0, 1)
