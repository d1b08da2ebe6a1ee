"""Respiration from a strip, and the breath that stops."""

import numpy as np
import pytest

from edge_agent.detect.bed.respiration import Respiration
from edge_agent.detect.bed.rhythm import Rate, Reason
from edge_agent.detect.detector import Detection
from edge_agent.simulator.sensors.bed import BedSpan, BedState
from edge_agent.simulator.sensors.bed_strip import strip
from edge_agent.simulator.sensors.body import Sleeper
from edge_agent.stream.chunk import Channel, Chunk, Gap
from protocol.quantities import BED_STRIP

pytestmark = pytest.mark.fast

CHANNEL = Channel("bed", BED_STRIP)
LYING = BedState.LYING


def run(volts, sizes=(20,), missing=None, told=(), gaps=()):
    """Return what is found; told are (time, occupied), gaps (start, end) without samples."""
    detector, found, at, i, told = Respiration(CHANNEL), [], 0, 0, list(told)
    values, gaps = np.asarray(volts, dtype=np.float32)[:, None], list(gaps)
    while at < len(values):
        to = min(len(values), at + sizes[i % len(sizes)])
        i += 1
        while told and told[0][0] <= at / 100.0:
            detector.occupied(told.pop(0)[1])
        if gaps and gaps[0][0] <= at / 100.0:
            begin_s, end_s = gaps.pop(0)
            found += detector.gap(Gap(CHANNEL, begin_s, end_s))
            at = round(end_s * 100.0)
            continue
        mask = None if missing is None else missing[at:to]
        found += detector.update(Chunk(CHANNEL, at / 100.0, 100.0, values[at:to], mask))
        at = to
    rates = [one for one in found if isinstance(one, Rate)]
    return rates, [one for one in found if isinstance(one, Detection)]


def night(spans, seconds, seed=1, j_to_noise=4.0, **person):
    sleeper = Sleeper(turns_per_hour=0.0, **person)
    return strip(spans, sleeper, 100.0, seconds, seed, j_to_noise=j_to_noise)


def apnoea(begin_s=120.0, end_s=160.0, seconds=200.0, **person):
    return night([BedSpan(5.0, seconds, LYING)], seconds, apnoeas=((begin_s, end_s),), **person)[0]


@pytest.mark.parametrize("rpm", [8, 12, 16, 20, 24])
@pytest.mark.parametrize("bpm", [45, 75, 110])
def test_the_rate_is_right_and_nothing_stopped(rpm, bpm):
    volts, truth = night(
        [BedSpan(0.0, 150.0, LYING)], 150.0, seed=rpm, respiration_rpm=rpm, heart_rate_bpm=bpm
    )
    rates, stopped = run(volts)
    wrong, judged = [], 0
    for rate in rates:
        near = truth.breath_s[np.abs(truth.breath_s - rate.at_s) <= 15.0]
        if not 25.0 < rate.at_s < 130.0:
            continue
        judged += 1
        if rate.bpm is not None:
            wrong.append(rate.bpm - 60.0 * (len(near) - 1) / (near[-1] - near[0]))
    assert np.abs(wrong).mean() < 0.6
    assert len(wrong) > 0.3 * judged
    assert stopped == []


@pytest.mark.parametrize("rpm", [8, 12, 16, 23])
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("j_to_noise", [10.0, 2.0])
def test_breathing_that_stops_is_told_once(rpm, seed, j_to_noise):
    _, (one,) = run(apnoea(respiration_rpm=rpm, seed=seed, j_to_noise=j_to_noise))
    breath_s = 60.0 / rpm
    assert one.kind == "breathing_stopped"
    assert 116.0 <= one.onset_s <= 122.0 + breath_s
    assert 138.0 <= one.offset_s <= 145.0 + breath_s
    assert 0.5 <= one.score <= 1.0
    assert all(np.isfinite(value) for value in one.evidence.values())
    assert one.evidence["pause_s"] >= 20.0


def test_it_is_told_again_when_it_happens_again():
    volts, _ = night([BedSpan(5.0, 300.0, LYING)], 300.0, apnoeas=((100.0, 135.0), (200.0, 235.0)))
    _, found = run(volts)
    assert len(found) == 2


def test_a_short_pause_is_not_told():
    assert run(apnoea(120.0, 132.0))[1] == []


def test_a_pause_has_no_rate():
    rates, _ = run(apnoea())
    assert Reason.NO_BREATH in {rate.reason for rate in rates if 132.0 < rate.at_s + 15.0 < 158.0}
    assert not any(rate.bpm for rate in rates if 132.0 < rate.at_s + 15.0 < 158.0)


def test_a_heart_that_stops_with_the_breath_does_not_hide_it():
    volts = apnoea()
    volts[12300:] = volts[12299] + np.random.default_rng(2).normal(0.0, 0.005, len(volts) - 12300)
    assert len(run(volts)[1]) == 1


def test_silence_of_the_rate_does_not_hide_it():
    """Breath that has no rhythm gets no rate; that it stops is seen all the same."""
    volts = apnoea(90.0, 199.0)  # Only the beats are left of this one from 95 s on.
    random, t = np.random.default_rng(4), np.arange(len(volts)) / 100.0
    wander = np.cumsum(random.choice([0.6, 1.9, 1.0, 3.0, 1.4], 200))
    breath = 0.02 * np.interp(t, wander, np.tile([0.0, 1.0], 100))
    quiet = t > 160.0
    breath[quiet] = breath[np.argmax(quiet)]
    silent = night([BedSpan(5.0, 200.0, LYING)], 200.0, breathing_depth=0.0)[0]
    rates, found = run(silent + breath)
    assert sum(rate.bpm is not None for rate in rates) < 30
    assert [one.kind for one in found] == ["breathing_stopped"]
    assert found[0].onset_s == pytest.approx(161.0, abs=4.0)


def test_a_twitch_does_not_hide_it():
    volts = apnoea(120.0, 170.0, 200.0)
    t = np.arange(100) / 100.0
    volts[13500:13600] += 0.3 * np.sin(2 * np.pi * 2.0 * t)
    found = run(volts)[1]
    assert len(found) == 1
    assert found[0].offset_s < 150.0


def test_a_short_gap_does_not_hide_it():
    found = run(apnoea(120.0, 170.0, 200.0), gaps=[(133.0, 134.0)])[1]
    assert len(found) == 1
    assert found[0].offset_s < 150.0


def test_after_a_long_gap_the_pause_is_timed_anew():
    found = run(apnoea(120.0, 190.0, 200.0), gaps=[(130.0, 140.0)])[1]
    assert len(found) == 1
    assert found[0].onset_s >= 140.0


@pytest.mark.parametrize("seed", range(6))
def test_an_empty_bed_never_raises(seed):
    volts, _ = night([], 300.0, seed)
    walk = np.cumsum(np.random.default_rng(seed).normal(0.0, 1e-4, len(volts)))
    assert run(volts)[1] == []
    assert run(volts + walk)[1] == []


@pytest.mark.parametrize(("seed", "rpm"), [(0, 9), (1, 12), (2, 15)])
def test_lying_still_after_tossing_never_raises(seed, rpm):
    spans = [
        BedSpan(10.0, 120.0, LYING),
        BedSpan(120.0, 180.0, BedState.RESTLESS),
        BedSpan(180.0, 260.0, LYING),
    ]
    assert run(night(spans, 260.0, seed, respiration_rpm=rpm)[0])[1] == []


@pytest.mark.parametrize("seed", range(3))
def test_breath_that_stops_after_a_move_is_told(seed):
    spans = [
        BedSpan(5.0, 100.0, LYING),
        BedSpan(100.0, 110.0, BedState.RESTLESS),
        BedSpan(110.0, 190.0, LYING),
    ]
    volts, _ = night(spans, 190.0, seed, apnoeas=((105.0, 180.0),))
    (one,) = run(volts)[1]
    assert one.offset_s < 150.0


@pytest.mark.parametrize("seed", range(6))
def test_leaving_the_bed_never_raises(seed):
    spans = [BedSpan(10.0, 120.0, LYING), BedSpan(120.0, 130.0, BedState.SITTING_UP)]
    assert run(night(spans, 240.0, seed)[0])[1] == []
    assert run(night(spans[:1], 240.0, seed)[0])[1] == []


def test_the_beds_own_sensor_has_the_last_word():
    volts = apnoea()
    assert run(volts, told=[(0.0, False)])[1] == []
    assert run(volts, told=[(0.0, True), (125.0, False)])[1] == []
    (one,) = run(volts, told=[(0.0, True)])[1]
    assert one.evidence["occupied_told"] == 1.0


def test_a_strip_without_level_does_not_raise_when_the_bed_is_left():
    spans = [BedSpan(10.0, 120.0, LYING), BedSpan(120.0, 130.0, BedState.SITTING_UP)]
    volts, _ = night(spans, 240.0)
    slow = np.convolve(np.pad(volts, 1000, "edge"), np.ones(2001) / 2001.0, "valid")
    assert run(volts - slow)[1] == []


@pytest.mark.parametrize("sizes", [(1,), (7, 3, 50), (1000, 1), (20000,)], ids=str)
@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_chunking_never_changes_the_result(sizes, loss):
    volts = apnoea(80.0, 115.0, 130.0)
    missing = np.random.default_rng(3).random(len(volts)) < loss
    rates, stopped = run(volts, (len(volts),), missing)
    cut_rates, cut_stopped = run(volts, sizes, missing)
    assert [(one.bpm, one.quality, one.reason) for one in cut_rates] == [
        (one.bpm, one.quality, one.reason) for one in rates
    ]
    assert len(stopped) == 1
    assert [(one.score, one.reason) for one in cut_stopped] == [
        (one.score, one.reason) for one in stopped
    ]


@pytest.mark.parametrize(
    "kind", ["nan", "half nan", "infinite", "huge", "zero", "constant", "clipped"]
)
def test_rubbish_raises_nothing_and_a_later_pause_is_told(kind):
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
    rates, found = run(np.concatenate([rubbish, apnoea()]))
    assert not any(rate.bpm for rate in rates if rate.at_s < 15.0)
    assert len(found) == 1
    assert found[0].onset_s == pytest.approx(152.0, abs=6.0)
