"""How soon an exit is told, and what is none: hops, tries, cats, glitches, noise.

Loads are drawn at 400 Hz and averaged to the converter's rate; a sample's time is the beginning
of what it averages, so that it is known one period later.
"""

import inspect

import numpy as np
import pytest

from edge_agent.config.policy import BedConfig
from edge_agent.detect.bed.exit import PARTLY_S, BedOccupancy
from edge_agent.simulator.sensors.bed import BedSpan, BedState
from edge_agent.simulator.sensors.bed_load import load
from edge_agent.simulator.sensors.body import Sleeper
from edge_agent.stream.chunk import Channel, Chunk
from protocol.quantities import LOAD

pytestmark = pytest.mark.fast

CHANNEL = Channel("bed", LOAD)
FINE_HZ = 400.0
GRAVITY = 9.81
SETTLED_S = 30.0

every_rate = pytest.mark.parametrize("rate_hz", [10.0, 80.0])
every_weight = pytest.mark.parametrize("weight_kg", [40.0, 55.0, 75.0, 120.0])


def draw(*parts, rate_hz, weight_kg=1.0, phase_s=0.0, noise_kg=0.02, seed=1):
    """Return kg at the rate from (share at the end, seconds) in a row, straight lines between."""
    knots_s = np.cumsum([0.0, *(seconds for _, seconds in parts)])
    shares = [parts[0][0], *(share for share, _ in parts)]
    count = int((knots_s[-1] - phase_s) * rate_hz)
    fine = np.interp(
        phase_s + np.arange(count * round(FINE_HZ / rate_hz)) / FINE_HZ, knots_s, shares
    )
    kg = weight_kg * fine.reshape(count, -1).mean(axis=1)
    return kg + noise_kg * np.random.default_rng(seed).standard_normal(count)


def flight_s(height_m):
    return 2.0 * np.sqrt(2.0 * height_m / GRAVITY)


def hop(height_m):
    """Return a hop on the bed: push, flight, landing that gives back what the flight took."""
    air_s = flight_s(height_m)
    return [(1.0, 0.1), (2.0, 0.1), (0.0, 0.02), (0.0, air_s), (2.5, 0.05), (1.0, 0.6 * air_s)]


def run(kg, rate_hz, *, step=None, missing=None, detector=None, start_s=0.0):
    detector = detector or BedOccupancy(CHANNEL)
    values, found = np.asarray(kg, dtype=np.float32)[:, None], []
    step = step or max(1, round(0.5 * rate_hz))
    for at in range(0, len(values), step):
        mask = None if missing is None else missing[at : at + step]
        part = values[at : at + step]
        found += detector.update(Chunk(CHANNEL, start_s + at / rate_hz, rate_hz, part, mask))
    return found


def kinds(found):
    return [one.kind for one in found]


def delay_s(found, left_s, rate_hz):
    """Return the time from left_s until the last exit was known."""
    assert kinds(found)[-1] == "bed_left"
    return found[-1].offset_s + 1.0 / rate_hz - left_s


def nights(rate_hz, weight_kg, seed):
    spans = [
        BedSpan(10.0, 20.0, BedState.GETTING_IN),
        BedSpan(20.0, 150.0, BedState.LYING),
        BedSpan(150.0, 250.0, BedState.RESTLESS),
        BedSpan(250.0, 270.0, BedState.SITTING_UP),
        BedSpan(300.0, 310.0, BedState.GETTING_IN),
        BedSpan(310.0, 400.0, BedState.RESTLESS),
    ]
    sleeper = Sleeper(weight_kg=weight_kg, turns_per_hour=60.0)
    return load(spans, sleeper, 420.0, seed, rate_hz), (270.0, 400.0)


def test_the_default_is_what_the_configuration_says():
    default = inspect.signature(BedOccupancy).parameters["off_delay_s"].default
    assert default == BedConfig().off_delay_s


@every_rate
@every_weight
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_night_s_exits_are_told_within_a_second_and_no_other(rate_hz, weight_kg, seed):
    (kg, truth), left_s = nights(rate_hz, weight_kg, seed)
    found = run(kg, rate_hz)
    assert kinds(found) == ["bed_left", *["bed_entered", "bed_left"] * 2]
    half_s = (np.flatnonzero(np.diff(truth.occupied.astype(int)) == -1) + 1) / rate_hz
    told_s = [one.offset_s + 1.0 / rate_hz for one in found[2::2]]
    for told, half, left in zip(told_s, half_s, left_s, strict=True):
        assert 0.0 < told - left <= 0.5
        assert told - half <= 1.0


@every_rate
@every_weight
@pytest.mark.parametrize("rise_s", [0.2, 0.5, 0.8, 1.6, 3.0])
@pytest.mark.parametrize("edge_s", [0.0, 10.0])
def test_a_quick_and_a_slow_exit_are_told_within_a_second(rate_hz, weight_kg, rise_s, edge_s):
    parts = [(1.0, SETTLED_S), (0.8, 1.0), (0.8, edge_s), (0.0, rise_s), (0.0, 10.0)]
    left_s = SETTLED_S + 1.0 + edge_s + rise_s
    for phase_s in np.linspace(0.0, 1.0 / rate_hz, 5):
        kg = draw(*parts, rate_hz=rate_hz, weight_kg=weight_kg, phase_s=phase_s)
        assert delay_s(run(kg, rate_hz), left_s - phase_s, rate_hz) <= 0.6


@every_rate
@pytest.mark.parametrize("rest_kg", [-9.0, -2.0, 2.0, 4.9, 8.0, 13.0])
@every_weight
def test_what_stays_behind_keeps_no_exit_back_for_long(rate_hz, weight_kg, rest_kg):
    rest = rest_kg / weight_kg
    parts = [(1.0, SETTLED_S), (rest, 0.8), (rest, 10.0)]
    found = run(draw(*parts, rate_hz=rate_hz, weight_kg=weight_kg), rate_hz)
    limit_s = 0.6 if rest_kg < 5.0 else 1.0 if rest <= 0.2 else 1.15
    assert delay_s(found, SETTLED_S + 0.8, rate_hz) <= limit_s


@every_weight
def test_a_converter_that_settles_over_four_samples_adds_two(weight_kg):
    fine = draw((1.0, SETTLED_S), (0.0, 0.8), (0.0, 10.0), rate_hz=80.0, weight_kg=weight_kg)
    for _ in range(3):
        fine = np.convolve(fine, np.full(8, 0.125))[: len(fine)]
    kg = fine[: len(fine) // 8 * 8].reshape(-1, 8).mean(axis=1)
    assert delay_s(run(kg, 10.0), SETTLED_S + 0.8, 10.0) <= 0.75


@pytest.mark.parametrize("off_delay_s", [0.0, 0.2, 0.4, 1.0, 10.0])
@every_rate
def test_a_configured_delay_is_the_time_of_nothing_and_at_least_a_second_of_a_rest(
    rate_hz, off_delay_s
):
    for rest, wanted_s in ((0.0, off_delay_s), (0.2, max(off_delay_s, PARTLY_S))):
        parts = [(1.0, SETTLED_S), (rest, 0.0), (rest, 20.0)]
        kg = draw(*parts, rate_hz=rate_hz, weight_kg=70.0)
        found = run(kg, rate_hz, detector=BedOccupancy(CHANNEL, off_delay_s=off_delay_s))
        told_s = found[-1].offset_s - found[-1].onset_s
        assert wanted_s - 1e-6 <= told_s <= wanted_s + 1.0 / rate_hz


@every_rate
@every_weight
@pytest.mark.parametrize("height_m", [0.02, 0.05, 0.1, 0.12])
@pytest.mark.parametrize("hops", [1, 4])
def test_hopping_on_a_bed_is_no_exit(rate_hz, weight_kg, height_m, hops):
    parts = [(0.0, 5.0), (1.0, 0.3), (1.0, SETTLED_S), *hop(height_m) * hops, (1.0, 20.0)]
    for phase_s in np.linspace(0.0, 1.0 / rate_hz, 5):
        kg = draw(*parts, rate_hz=rate_hz, weight_kg=weight_kg, phase_s=phase_s)
        assert kinds(run(kg, rate_hz)) == ["bed_left", "bed_entered"]


@every_rate
@pytest.mark.parametrize("bounces", [2, 10])
def test_bounces_that_follow_each_other_do_not_add_up(rate_hz, bounces):
    one = [(0.0, 0.0), (0.0, flight_s(0.14)), (4.5, 0.0), (4.5, 0.1)]
    parts = [(1.0, SETTLED_S), *one * bounces, (1.0, 0.0), (1.0, 20.0)]
    for phase_s in np.linspace(0.0, 1.0 / rate_hz, 5):
        kg = draw(*parts, rate_hz=rate_hz, weight_kg=75.0, phase_s=phase_s)
        assert kinds(run(kg, rate_hz)) == ["bed_entered"]


@every_rate
@every_weight
def test_who_drops_onto_the_bed_bounces_and_has_entered_once(rate_hz, weight_kg):
    bounces = [(3.0, 0.06), (0.0, 0.1), (0.0, 0.3), (2.2, 0.1), (0.1, 0.2), (1.3, 0.2), (1.0, 0.2)]
    parts = [(0.0, 10.0), *bounces, (1.0, 20.0), (0.8, 1.0), *bounces, (1.0, 20.0)]
    kg = draw(*parts, rate_hz=rate_hz, weight_kg=weight_kg)
    assert kinds(run(kg, rate_hz)) == ["bed_left", "bed_entered"]


@every_rate
@every_weight
@pytest.mark.parametrize("tries", [1, 4])
def test_who_tries_to_rise_and_falls_back_has_not_left(rate_hz, weight_kg, tries):
    attempt = [(0.8, 2.0), (0.0, 0.5), (0.0, 0.2), (1.3, 0.3), (0.8, 0.2)]
    parts = [(1.0, SETTLED_S), *attempt * tries, (0.8, 10.0)]
    assert kinds(run(draw(*parts, rate_hz=rate_hz, weight_kg=weight_kg), rate_hz)) == [
        "bed_entered"
    ]


@every_rate
@every_weight
def test_who_holds_on_to_a_rail_has_not_left(rate_hz, weight_kg):
    rail = [(0.2, 0.2), (0.2, 0.6), (1.0, 0.2), (1.0, 3.0)]
    parts = [(1.0, SETTLED_S), *rail * 3, (0.5, 1.0), (0.5, 20.0), (1.0, 1.0)]
    assert kinds(run(draw(*parts, rate_hz=rate_hz, weight_kg=weight_kg), rate_hz)) == [
        "bed_entered"
    ]


@every_rate
def test_a_cat_that_jumps_on_an_empty_bed_is_nobody(rate_hz):
    cat = [(0.0, 5.0), (14.0, 0.05), (1.0, 0.1), (5.0, 0.1), (5.0, 60.0), (12.0, 0.1), (0.0, 0.1)]
    kg = draw(*cat * 20, rate_hz=rate_hz)
    assert kinds(run(kg, rate_hz)) == ["bed_left"]


@every_rate
@pytest.mark.parametrize("mattress_kg", [8.0, 14.0, 25.0])
def test_a_mattress_lifted_for_its_sheet_is_nobody_and_hides_no_later_exit(rate_hz, mattress_kg):
    change = [(0.0, 20.0), (-mattress_kg, 1.0), (-mattress_kg, 15.0), (6.0, 1.0), (0.0, 2.0)]
    parts = [*change, (0.0, 60.0), (70.0, 1.0), (70.0, 60.0), (0.0, 0.8), (0.0, 20.0)]
    found = run(draw(*parts, rate_hz=rate_hz), rate_hz)
    assert kinds(found) == ["bed_left", "bed_entered", "bed_left"]
    left_s = sum(seconds for _, seconds in parts[:-1])
    assert delay_s(found, left_s, rate_hz) <= 1.0


def spoil(kg, share, low_kg, seed):
    """Return a copy with single samples of nothing, of a rail, of anything."""
    random = np.random.default_rng(seed)
    spoilt = np.flatnonzero(random.random(len(kg)) < share)
    spoilt = spoilt[np.diff(spoilt, prepend=-9) > 1]
    kg = kg.copy()
    kg[spoilt] = random.choice([0.0, low_kg, 399.0, np.nan, 3e38, 150.0], len(spoilt))
    return kg


@every_rate
@pytest.mark.parametrize("lost", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("seed", range(4))
def test_single_wild_samples_and_lost_ones_make_no_exit_and_delay_none(rate_hz, lost, seed):
    parts = [(1.0, 600.0), (0.0, 0.8), (0.0, 20.0)]
    kg = spoil(draw(*parts, rate_hz=rate_hz, weight_kg=62.0), 0.02, -40.0, seed)
    missing = np.random.default_rng(seed).random(len(kg)) < lost
    kg[missing] = 0.0
    found = run(kg, rate_hz, missing=missing)
    assert kinds(found) == ["bed_entered", "bed_left"]
    assert delay_s(found, 600.8, rate_hz) <= 1.0


@pytest.mark.parametrize("at", [1, 2, 3])
def test_one_wild_sample_after_leaving_costs_three_at_most_and_no_new_beginning(at):
    kg = draw((1.0, SETTLED_S), (0.0, 0.0), (0.0, 10.0), rate_hz=10.0, weight_kg=62.0)
    usual_s = delay_s(run(kg, 10.0), SETTLED_S, 10.0)
    kg[round(10.0 * SETTLED_S) + at] = 62.0
    assert delay_s(run(kg, 10.0), SETTLED_S, 10.0) <= usual_s + 0.3 + 1e-6


@every_rate
def test_half_of_the_samples_lost_delay_an_exit_by_one_at_most(rate_hz):
    kg = draw((1.0, SETTLED_S), (0.0, 0.8), (0.0, 10.0), rate_hz=rate_hz, weight_kg=62.0)
    usual_s = delay_s(run(kg, rate_hz), SETTLED_S + 0.8, rate_hz)
    for first in (0, 1):
        missing = np.arange(len(kg)) % 2 == first
        found = run(kg, rate_hz, missing=missing)
        assert delay_s(found, SETTLED_S + 0.8, rate_hz) <= usual_s + 1.0 / rate_hz + 1e-6


@every_rate
def test_two_wild_samples_beside_a_hole_are_no_exit(rate_hz):
    kg = draw((1.0, 60.0), rate_hz=rate_hz, weight_kg=62.0)
    missing = np.zeros(len(kg), dtype=np.bool_)
    begin, length = round(30.0 * rate_hz), round(0.3 * rate_hz)
    missing[begin : begin + length] = True
    kg[begin - 1] = kg[begin + length] = 0.0
    for delay in (0.3, 0.4):
        detector = BedOccupancy(CHANNEL, off_delay_s=delay)
        assert kinds(run(kg, rate_hz, missing=missing, detector=detector)) == ["bed_entered"]


@every_rate
@pytest.mark.parametrize("clip_kg", [35.0, 60.0])
@pytest.mark.parametrize("noise_kg", [0.02, 1.5])
def test_clipped_and_noisy_cells_tell_the_exit_in_time(rate_hz, clip_kg, noise_kg):
    parts = [(1.0, 300.0), (0.0, 0.8), (0.0, 60.0)]
    kg = draw(*parts, rate_hz=rate_hz, weight_kg=75.0, noise_kg=noise_kg)
    found = run(np.clip(kg, -1.0, clip_kg), rate_hz)
    assert kinds(found) == ["bed_entered", "bed_left"]
    assert delay_s(found, 300.8, rate_hz) <= 1.0


@every_rate
@pytest.mark.parametrize("start_s", [0.0, 86_400.7, 5e6])
def test_other_chunks_make_exactly_the_same_of_a_night(rate_hz, start_s):
    (kg, _), _ = nights(rate_hz, 62.0, 7)
    kg = spoil(kg, 0.01, -3.0, 3)
    missing = np.random.default_rng(5).random(len(kg)) < 0.1
    whole = run(kg, rate_hz, step=len(kg), missing=missing, start_s=start_s)
    assert len(whole) == 5
    for step in (1, 2, 3, 7, round(0.5 * rate_hz), 101):
        assert run(kg, rate_hz, step=step, missing=missing, start_s=start_s) == whole


@every_rate
def test_off_and_on_again_is_told_no_faster_than_a_person_is_believed(rate_hz):
    parts = [(1.0, 10.0), *[(0.0, 0.0), (0.0, 0.6), (1.0, 0.0), (1.0, 0.6)] * 50, (1.0, 10.0)]
    found = run(draw(*parts, rate_hz=rate_hz, weight_kg=70.0), rate_hz)
    assert kinds(found) == ["bed_entered", "bed_left", "bed_entered"]
