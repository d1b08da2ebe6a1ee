"""Heart rate from a strip: right, or silent."""

import numpy as np
import pytest

from edge_agent.detect.bed.heart_rate import HeartRate
from edge_agent.detect.bed.rhythm import Rate, Reason, Rhythm
from edge_agent.simulator.sensors.bed import BedSpan, BedState
from edge_agent.simulator.sensors.bed_strip import strip
from edge_agent.simulator.sensors.body import Sleeper
from edge_agent.stream.chunk import Channel, Chunk, Gap
from protocol.quantities import BED_STRIP

pytestmark = pytest.mark.fast

CHANNEL = Channel("bed", BED_STRIP)


def asleep(seconds=90.0, rate_hz=100.0, seed=1, j_to_noise=10.0, **person):
    sleeper = Sleeper(turns_per_hour=0.0, **person)
    spans = [BedSpan(0.0, seconds, BedState.LYING)]
    return strip(spans, sleeper, rate_hz, seconds, seed, j_to_noise=j_to_noise)


def run(volts, rate_hz=100.0, sizes=(20,), missing=None, start_s=0.0):
    detector, found, at, i = HeartRate(CHANNEL), [], 0, 0
    values = np.asarray(volts, dtype=np.float32)[:, None]
    while at < len(values):
        to = min(len(values), at + sizes[i % len(sizes)])
        i += 1
        mask = None if missing is None else missing[at:to]
        start = start_s + at / rate_hz
        found += detector.update(Chunk(CHANNEL, start, rate_hz, values[at:to], mask))
        at = to
    return found


def errors(found, beat_s, from_s=12.0):
    """Return the errors of the values after the first seconds, and the share that has one."""
    judged, differences = 0, []
    for rate in found:
        near = beat_s[np.abs(beat_s - rate.at_s) <= 5.0]
        if rate.at_s < from_s or len(near) < 3:
            continue
        judged += 1
        if rate.bpm is not None:
            differences.append(rate.bpm - 60.0 * (len(near) - 1) / (near[-1] - near[0]))
    return np.array(differences), len(differences) / max(1, judged)


@pytest.mark.parametrize("bpm", [45, 55, 65, 75, 90, 110])
def test_the_rate_is_right_at_every_rate(bpm):
    volts, truth = asleep(heart_rate_bpm=bpm, rmssd_ms=15.0, respiration_rpm=14.0, j_to_noise=4.0)
    wrong, coverage = errors(run(volts), truth.beat_s)
    assert np.abs(wrong).mean() < (0.8 if bpm < 100 else 2.0)
    assert coverage > (0.8 if bpm < 100 else 0.5)


@pytest.mark.parametrize(("j_to_noise", "mae", "share"), [(4.0, 0.7, 0.8), (2.0, 0.8, 0.5)])
def test_noise_costs_values_before_it_costs_accuracy(j_to_noise, mae, share):
    wrongs, coverages = [], []
    for seed, bpm in enumerate((50, 60, 70, 80)):
        volts, truth = asleep(seed=seed, heart_rate_bpm=bpm, j_to_noise=j_to_noise)
        wrong, coverage = errors(run(volts), truth.beat_s)
        wrongs.append(wrong)
        coverages.append(coverage)
    together = np.abs(np.concatenate(wrongs))
    assert together.mean() < mae
    assert (together > 10.0).mean() < 0.01
    assert np.mean(coverages) > share


@pytest.mark.parametrize("rate_hz", [50.0, 87.0, 174.7, 200.0])
def test_any_sampling_rate_will_do(rate_hz):
    volts, truth = asleep(rate_hz=rate_hz)
    wrong, coverage = errors(run(volts, rate_hz), truth.beat_s)
    assert np.abs(wrong).mean() < 0.8
    assert coverage > 0.9


@pytest.mark.parametrize(("scale", "offset"), [(1e-3, 0.0), (1400.0, 0.0), (-2.0, 8.0)])
def test_any_linear_scale_will_do(scale, offset):
    volts, truth = asleep()
    wrong, coverage = errors(run(offset + scale * volts), truth.beat_s)
    assert np.abs(wrong).mean() < 0.8
    assert coverage > 0.9


@pytest.mark.parametrize("sizes", [(1,), (7, 3, 50), (1000, 1), (9000,)], ids=str)
@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_chunking_never_changes_the_result(sizes, loss):
    volts, _ = asleep(40.0)
    missing = np.random.default_rng(3).random(len(volts)) < loss
    whole = run(volts, sizes=(len(volts),), missing=missing)
    found = run(volts, sizes=sizes, missing=missing)
    assert [(one.bpm, one.quality, one.reason) for one in found] == [
        (one.bpm, one.quality, one.reason) for one in whole
    ]
    assert [one.at_s for one in found] == pytest.approx([one.at_s for one in whole], abs=1e-6)
    assert any(one.bpm is not None for one in whole)


def test_an_empty_bed_has_no_heart():
    given = 0
    for seed in range(3):
        volts, _ = strip([], Sleeper(), 100.0, 300.0, seed, j_to_noise=4.0)
        given += sum(rate.bpm is not None for rate in run(volts))
    assert given <= 9  # of 900


def test_who_moves_gets_no_value():
    spans = [BedSpan(0.0, 300.0, BedState.RESTLESS)]
    volts, _ = strip(spans, Sleeper(), 100.0, 300.0, 3)
    found = run(volts)
    assert sum(rate.bpm is not None for rate in found) < 0.05 * len(found)
    assert Reason.MOVEMENT in {rate.reason for rate in found}


def test_a_move_silences_and_the_value_comes_back():
    volts, truth = asleep(90.0)
    t = np.arange(4500, 4800) / 100.0
    volts[4500:4800] += 0.6 * np.sin(2 * np.pi * 1.7 * t) * np.sin(2 * np.pi * 0.31 * t)
    found = run(volts)
    during = [rate for rate in found if 44.0 <= rate.at_s <= 48.0]
    later = [rate for rate in found if 58.0 <= rate.at_s <= 80.0]
    assert all(rate.bpm is None and rate.reason is Reason.MOVEMENT for rate in during)
    assert sum(rate.bpm is not None for rate in later) > 0.8 * len(later)
    assert np.abs(errors(found, truth.beat_s)[0]).max() < 8.0


def pulses(bpm, harmonics, seconds=60.0):
    """Return a rhythm made of given amplitudes of its harmonics, and a little noise."""
    t = np.arange(int(seconds * 100)) / 100.0
    wave = sum(a * np.cos(2 * np.pi * bpm / 60.0 * (k + 1) * t) for k, a in enumerate(harmonics))
    return 2.0 + 0.02 * wave + np.random.default_rng(5).normal(0.0, 0.002, len(t))


@pytest.mark.parametrize(
    ("bpm", "harmonics"),
    [
        (50, (0.3, 1.0, 0.6, 0.3)),  # a strong second harmonic tempts to twice the rate
        (60, (0.3, 0.3, 1.0, 0.5)),  # a strong third one to three times, or 3 : 2
        (97, (0.2, 1.0, 0.9)),  # second and third together to 3 : 2
        (70, (0.5, 1.0, 0.7, 1.0, 0.3)),
        (45, (0.2, 0.5, 1.0, 0.8, 0.5)),
        (120, (1.0, 0.5)),  # hardly anything but the fundamental: to half of it
    ],
)
def test_octave_traps(bpm, harmonics):
    values = [rate.bpm for rate in run(pulses(bpm, harmonics)) if rate.bpm is not None]
    assert len(values) > 20
    assert values == pytest.approx([bpm] * len(values), rel=0.03)


def test_a_hole_is_survived_and_a_gap_begins_anew():
    volts, truth = asleep(90.0)
    missing = np.zeros(len(volts), dtype=np.bool_)
    for begin in range(1000, 9000, 700):
        missing[begin : begin + 30] = True
    held = np.where(missing, 1.9, volts)
    wrong, coverage = errors(run(held, missing=missing), truth.beat_s)
    assert np.abs(wrong).mean() < 1.5
    assert coverage > 0.5

    detector = HeartRate(CHANNEL)
    values = volts.astype(np.float32)[:, None]
    assert detector.gap(Gap(CHANNEL, 0.0, 3.0)) == []
    detector.update(Chunk(CHANNEL, 3.0, 100.0, values[:3000]))
    assert detector.gap(Gap(CHANNEL, 33.0, 40.0)) == []
    found = detector.update(Chunk(CHANNEL, 40.0, 100.0, values[3700:]))
    assert [rate.reason for rate in found[:9]] == [Reason.WARMING_UP] * 9
    wrong, coverage = errors(found, truth.beat_s + 3.0, 55.0)
    assert np.abs(wrong).mean() < 1.0
    assert coverage > 0.9


@pytest.mark.parametrize(
    "kind", ["nan", "half nan", "infinite", "huge", "zero", "constant", "clipped"]
)
@pytest.mark.filterwarnings("error")
def test_rubbish_gets_no_value_and_later_beats_do(kind):
    random = np.random.default_rng(7)
    rubbish = {
        "nan": np.full(3000, np.nan),
        "half nan": np.where(random.random(3000) < 0.5, np.nan, random.normal(0.0, 2.0, 3000)),
        "infinite": np.where(np.arange(3000) % 2, np.inf, -np.inf),
        "huge": np.full(3000, 3e38),
        "zero": np.zeros(3000),
        "constant": np.full(3000, 4.096),
        "clipped": np.where(random.random(3000) < 0.5, 0.0, 4.096),
    }[kind]
    volts, truth = asleep()
    found = run(np.concatenate([rubbish, volts]))
    # Noise that swings from end to end of the range reaches the bar for a moment, as any may.
    assert sum(rate.bpm is not None for rate in found if rate.at_s < 23.0) <= (
        5 if kind == "clipped" else 0
    )
    wrong, coverage = errors(found, truth.beat_s + 30.0, 60.0)
    assert np.abs(wrong).mean() < 1.0
    assert coverage > 0.8


def test_an_empty_chunk_and_a_foreign_one():
    detector = HeartRate(CHANNEL)
    assert detector.update(Chunk(CHANNEL, 3.0, 100.0, np.zeros((0, 1), dtype=np.float32))) == []
    with pytest.raises(ValueError, match=r"^a bed strip has one axis, not shape \(9, 3\)$"):
        detector.update(Chunk(CHANNEL, 3.0, 100.0, np.zeros((9, 3), dtype=np.float32)))


def test_time_may_jump():
    volts, _ = asleep(30.0)
    values, detector = volts.astype(np.float32)[:, None], HeartRate(CHANNEL)
    for start_s in (50.0, 49.0, 1e6, 3.0, float("nan"), 5.0):
        assert all(
            isinstance(one, Rate) for one in detector.update(Chunk(CHANNEL, start_s, 100.0, values))
        )


def test_a_window_must_hold_the_lags():
    with pytest.raises(ValueError, match=r"^a window of 100 is too short for a lag of 173$"):
        Rhythm(100, 50, (1.2, 9.0), (35.0, 150.0))
