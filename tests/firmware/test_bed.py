"""The bed: strip and load cells, and parts that fail and come back."""

from itertools import pairwise

import numpy as np
import pytest

from protocol.messages import EventKind, Impact, Samples, Status
from protocol.quantities import ACCELERATION, BED_STRIP, LOAD
from tests.firmware.vm import needs_vm, steady

pytestmark = [pytest.mark.vm, needs_vm]


def make_bed(make_unit, seconds=60, **settings):
    unit = make_unit(profile="bed", **settings)
    number = np.arange(100 * seconds)
    unit.add_strip(16_000 + 4000 * np.sin(number / 50))
    unit.add_load(100_000 + 10_000 * (np.arange(10 * seconds) % 90), hold=True)
    return unit


def values(blocks):
    return np.concatenate([np.frombuffer(b.data, "<i2") * b.scale for b in blocks])


def test_strip_and_load_are_the_files_in_volt_and_kilogram(make_unit):
    unit = make_bed(make_unit, load_zero=100_000, load_kg_per_count=0.0001)
    unit.start()
    unit.advance(30_000)
    for code, rate, expected in (
        (BED_STRIP.code, 100, (16_000 + 4000 * np.sin(np.arange(6000) / 50)) * 4.096 / 32768),
        (LOAD.code, 10, np.arange(600) % 90 * 1.0),
    ):
        blocks = unit.samples(code)
        period = 1000 // rate
        for before, block in pairwise(blocks):
            assert block.index == before.index + before.count
            assert block.uptime_ms == before.uptime_ms + period * before.count
        got = values(blocks)
        first = round(blocks[0].uptime_ms / period)
        near = range(max(0, first - 1), first + 2)  # the time is honest to one period
        errors = [abs(got - expected[k : k + len(got)]).max() for k in near]
        assert min(errors) < (1e-3 if code == BED_STRIP.code else 1e-5)
        assert len(got) > 28 * rate
    assert not unit.kinds()


def test_wake_ups_are_few(make_unit):
    unit = make_bed(make_unit)
    unit.start()
    unit.advance(10_000)
    before = unit.wakeups
    unit.advance(40_000)
    assert unit.wakeups - before < 40 * 11.5


def test_a_part_that_falls_silent_is_told_once_and_told_when_it_is_back(make_unit):
    unit = make_bed(make_unit)
    unit.host["i2c"]["main"]["72"]["away"] = [[10_000, 25_000]]
    unit.start()
    unit.advance(60_000)
    assert unit.kinds() == [EventKind.SENSOR_FAULT, EventKind.SENSOR_RESTORED]
    fault, restored = (e for e in unit.events if type(e).__name__ == "Event")
    assert (fault.channel, fault.value) == (1, BED_STRIP.code)
    assert 10_400 < fault.uptime_ms < 12_600
    assert 25_000 < restored.uptime_ms < 45_000
    blocks = unit.samples(BED_STRIP.code)
    jumps = [b.index - a.index - a.count for a, b in pairwise(blocks)]
    (jump,) = [jump for jump in jumps if jump]
    late = max(b.uptime_ms - a.uptime_ms for a, b in pairwise(blocks))
    assert abs(10 * jump - late) < 600  # the index went on by time
    flags = [status.flags for status in unit.of(Status)]
    assert 8 in flags
    assert flags[-1] == 0


def test_the_end_of_the_file_is_a_silent_part(make_unit):
    unit = make_unit()
    counts = steady(1000)
    counts[970, 2] = 4000
    unit.add_acc(counts)
    unit.start()
    unit.advance(60_000)
    assert unit.kinds() == [EventKind.SENSOR_FAULT]
    (impact,) = unit.of(Impact)  # cut at the end of the signal, and sent
    assert np.array_equal(np.frombuffer(impact.data, "<i2").reshape(-1, 3), counts[670:1000])


def test_a_part_that_was_never_there(make_unit):
    unit = make_unit()
    unit.start()
    unit.advance(30_000)
    assert unit.kinds() == [EventKind.SENSOR_FAULT]
    assert not unit.of(Samples)
    assert unit.process.poll() is None


def test_flapping_is_not_told_again_and_again(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    unit.host["i2c"]["main"]["24"]["away"] = [[5000 + 3000 * k, 7000 + 3000 * k] for k in range(30)]
    unit.start()
    unit.advance(180_000)
    assert unit.kinds().count(EventKind.SENSOR_FAULT) <= 3
    assert unit.kinds()[-1] == EventKind.SENSOR_RESTORED
    assert unit.samples(ACCELERATION.code)[-1].uptime_ms > 179_000


def test_a_file_of_another_rate_is_refused_loudly(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    unit.host["i2c"]["main"]["24"]["rate_hz"] = 50
    unit.start()
    unit.advance(10_000)
    assert unit.process is None
    assert unit.exit_code == 3
    assert "LIS3DH set to 100 Hz, its file is 50 Hz" in unit.stderr.read_text()
    assert "ModelError" in (unit.flash / "last_words.json").read_text()
