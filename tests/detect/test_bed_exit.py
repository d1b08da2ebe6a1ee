"""Bed occupancy from load cells: delays, restlessness, things, creep, stuck cells."""

import numpy as np
import pytest

from edge_agent.detect.bed.exit import MOST_BASE_KG, BedOccupancy
from edge_agent.simulator.sensors.bed import BedSpan, BedState
from edge_agent.simulator.sensors.bed_load import load
from edge_agent.simulator.sensors.body import Sleeper
from edge_agent.stream.chunk import Channel, Chunk, Gap
from protocol.quantities import LOAD

pytestmark = pytest.mark.fast

CHANNEL = Channel("bed", LOAD)
RATE_HZ = 10.0
NOISE = np.random.default_rng(1).normal(0.0, 0.012, 2_000_000)


def flat(*parts):
    """Return a load of (kg, seconds) in a row, with the converter's noise."""
    kg = np.concatenate([np.full(round(seconds * RATE_HZ), kg) for kg, seconds in parts])
    return kg + NOISE[: len(kg)]


def run(kg, detector=None, start_s=0.0, step=10, missing=None):
    detector = detector or BedOccupancy(CHANNEL)
    values, found = np.asarray(kg, dtype=np.float32)[:, None], []
    for at in range(0, len(values), step):
        mask = None if missing is None else missing[at : at + step]
        part = values[at : at + step]
        found += detector.update(Chunk(CHANNEL, start_s + at / RATE_HZ, RATE_HZ, part, mask))
    return found


def kinds(found):
    return [one.kind for one in found]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("weight_kg", [38.0, 62.0, 110.0])
def test_a_restless_night_has_two_exits_each_told_within_a_second(seed, weight_kg):
    spans = [
        BedSpan(10.0, 20.0, BedState.GETTING_IN),
        BedSpan(20.0, 400.0, BedState.LYING),
        BedSpan(400.0, 500.0, BedState.RESTLESS),
        BedSpan(500.0, 530.0, BedState.SITTING_UP),
        BedSpan(600.0, 610.0, BedState.GETTING_IN),
        BedSpan(610.0, 900.0, BedState.RESTLESS),
    ]
    kg, truth = load(spans, Sleeper(weight_kg=weight_kg, turns_per_hour=30.0), 960.0, seed)
    found = run(kg)
    assert kinds(found) == ["bed_left", *["bed_entered", "bed_left"] * 2]
    changes_s = (np.flatnonzero(np.diff(truth.occupied.astype(int))) + 1) / RATE_HZ
    for one, at_s in zip(found[1:], changes_s, strict=True):
        assert 0.0 < one.offset_s - at_s <= (3.5 if one.kind == "bed_entered" else 0.9)
        assert abs(one.onset_s - at_s) <= 1.5


@pytest.mark.parametrize("off_delay_s", [0.0, 1.0, 10.0])
def test_an_exit_is_told_after_the_off_delay_and_a_shorter_dip_never(off_delay_s):
    detector = BedOccupancy(CHANNEL, off_delay_s=off_delay_s)
    found = run(flat((70.0, 30.0), (0.0, 30.0)), detector)
    assert kinds(found) == ["bed_entered", "bed_left"]
    assert found[1].onset_s == pytest.approx(30.0)
    assert found[1].offset_s == pytest.approx(30.0 + off_delay_s)
    detector = BedOccupancy(CHANNEL, off_delay_s=off_delay_s)
    dip_s = off_delay_s - 0.1
    if dip_s > 0.0:
        assert kinds(run(flat((70.0, 30.0), (3.0, dip_s), (70.0, 30.0)), detector)) == [
            "bed_entered"
        ]


@pytest.mark.parametrize("bag_kg", [0.0, 4.0, 9.0, 14.0, 19.0])
@pytest.mark.parametrize("weight_kg", [35.0, 45.0, 60.0, 90.0])
def test_a_bag_left_on_the_bed_hides_no_exit_and_no_return(weight_kg, bag_kg):
    both = weight_kg + bag_kg
    found = run(flat((both, 100.0), (bag_kg, 100.0), (both, 100.0), (bag_kg, 100.0)))
    assert kinds(found) == ["bed_entered", "bed_left"] * 2
    left = [one.offset_s for one in found[1::2]]
    assert left[0] - 100.0 <= 32.0
    if bag_kg < 0.35 * weight_kg:
        assert left[0] - 100.0 <= 1.1
        assert left[1] - 300.0 <= 1.1


def test_a_carer_who_sits_down_and_leaves_takes_nobody_along():
    found = run(flat((50.0, 100.0), (130.0, 60.0), (50.0, 200.0), (0.0, 20.0)))
    assert kinds(found) == ["bed_entered", "bed_left"]
    assert found[1].offset_s == pytest.approx(360.4, abs=0.2)


def test_a_pet_and_a_bag_on_an_empty_bed_are_nobody():
    found = run(flat((0.0, 60.0), (6.0, 3600.0), (0.0, 60.0), (9.0, 3600.0), (75.0, 60.0)))
    assert kinds(found) == ["bed_left", "bed_entered"]


def crept(to_kg, days=150):
    """Return a detector after so many nights, each a quarter of an hour empty, as zero creeps."""
    detector, found = BedOccupancy(CHANNEL), []
    for day in range(days):
        zero_kg = to_kg * day / days
        for minute, kg in ((0, 0.0), (15, 70.0), (16, 0.0)):
            values = (zero_kg + kg + NOISE[: 15 * 60 if minute == 0 else 60]).astype(np.float32)
            start_s = 86400.0 * day + 60.0 * minute
            found += detector.update(Chunk(CHANNEL, start_s, 1.0, values[:, None]))
    return detector, kinds(found)


@pytest.mark.parametrize("to_kg", [12.0, -12.0])
def test_a_zero_that_creeps_over_months_loses_no_night(to_kg):
    detector, found = crept(to_kg)
    assert found == ["bed_left", *["bed_entered", "bed_left"] * 150]
    assert detector.base_kg == pytest.approx(to_kg, abs=0.3)


def test_the_base_has_a_bound():
    assert abs(crept(-40.0, 300)[0].base_kg) == MOST_BASE_KG
    assert BedOccupancy(CHANNEL, base_kg=1e9).base_kg == MOST_BASE_KG


def test_creep_is_followed_upwards_slowly_and_downwards_fast():
    detector = BedOccupancy(CHANNEL)
    run(flat((2.0, 3600.0)), detector)
    assert detector.base_kg == pytest.approx(0.5, abs=0.05)
    run(flat((-3.0, 60.0)), detector)
    assert detector.base_kg == pytest.approx(-3.0, abs=0.1)
    learnt = BedOccupancy(CHANNEL, base_kg=detector.base_kg)
    assert kinds(run(flat((16.5, 10.0), (17.5, 10.0)), learnt)) == ["bed_entered"]


def test_the_base_stands_still_while_somebody_is_in_bed():
    detector = BedOccupancy(CHANNEL)
    run(flat((0.0, 60.0), (70.0, 7200.0)), detector)
    assert abs(detector.base_kg) < 0.1


@pytest.mark.parametrize("dead", ["same", "nan", "rail"])
@pytest.mark.parametrize("kg", [70.0, 0.0])
def test_a_dead_cell_is_told_within_a_minute_once_and_lives_again(dead, kg):
    alive = flat((kg, 120.0))
    value = {"same": alive[-1], "nan": np.nan, "rail": 3e38}[dead]
    detector = BedOccupancy(CHANNEL)
    found = run(np.concatenate([alive, np.full(36_000, value)]), detector)
    assert kinds(found)[1:] == ["sensor_stuck"]
    assert found[1].offset_s == pytest.approx(180.0, abs=1.0)
    assert (detector.stuck, detector.occupied) == (True, None)
    again = run(flat((kg, 30.0)), detector, start_s=3720.0)
    assert kinds(again) == ["bed_entered" if kg else "bed_left"]
    assert not detector.stuck


def test_a_value_that_never_lived_is_no_person_for_ever():
    detector = BedOccupancy(CHANNEL)
    assert kinds(run(np.full(20_000, 71.0), detector)) == ["bed_entered", "sensor_stuck"]
    assert detector.occupied is None


def test_a_coarse_cell_is_not_stuck_because_an_empty_bed_is_still():
    coarse = np.round(flat((0.0, 7200.0)) / 0.2) * 0.2
    assert kinds(run(coarse)) == ["bed_left"]


def test_holes_gaps_and_jumps_lose_nothing():
    detector = BedOccupancy(CHANNEL)
    kg = flat((70.0, 60.0))
    missing = np.random.default_rng(1).random(len(kg)) < 0.3
    kg[missing] = 0.0
    assert kinds(run(kg, detector, missing=missing)) == ["bed_entered"]
    assert detector.gap(Gap(CHANNEL, 60.0, 4000.0)) == []
    assert detector.occupied
    (left,) = run(flat((0.0, 10.0)), detector, start_s=4000.0)
    assert (left.kind, left.offset_s) == ("bed_left", pytest.approx(4000.4))
    (entered,) = run(flat((70.0, 10.0)), detector, start_s=5.0)
    assert (entered.kind, entered.onset_s) == ("bed_entered", pytest.approx(5.0))
    assert run(flat((70.0, 10.0)), detector, start_s=float("nan")) == []
