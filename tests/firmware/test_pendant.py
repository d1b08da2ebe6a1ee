"""The pendant: samples, impacts and the button through the real firmware."""

from itertools import pairwise

import numpy as np
import pytest

from protocol.messages import EventKind, Impact, Samples
from protocol.quantities import ACCELERATION
from tests.firmware.vm import UTC_MS, needs_vm, steady

pytestmark = [pytest.mark.vm, needs_vm]


def test_samples_are_the_file_with_a_steady_clock(make_unit):
    unit = make_unit()
    counts = steady(3000)
    unit.add_acc(counts)
    unit.start()
    unit.advance(20_000)
    blocks = unit.samples(ACCELERATION.code)
    got = np.concatenate([np.frombuffer(b.data, "<i2").reshape(-1, 3) for b in blocks])
    first = int(got[0, 0])
    assert np.array_equal(got, counts[first : first + len(got)])
    assert len(got) > 1980
    for before, block in pairwise(blocks):
        assert block.index == before.index + before.count
        assert block.uptime_ms == before.uptime_ms + 10 * before.count
    assert abs(blocks[0].uptime_ms - 10 * first) <= 5
    assert {b.period_us for b in blocks} == {10_000}
    assert abs(blocks[0].scale - 0.012 * 9.80665 / 16) < 1e-9
    assert unit.session.rejected == unit.session.frames_lost == 0


def test_impact_holds_three_seconds_before_and_five_after(make_unit):
    unit = make_unit()
    counts = steady(3000)
    counts[800:803, 2] = 4000
    unit.add_acc(counts)
    unit.start()
    unit.advance(12_900)
    assert not unit.of(Impact)
    unit.advance(300)
    (impact,) = unit.of(Impact)
    snippet = np.frombuffer(impact.data, "<i2").reshape(-1, 3)
    assert np.array_equal(snippet, counts[500:1300])
    assert abs(impact.trigger_ms - 8000) <= 5
    assert impact.trigger_ms - impact.uptime_ms == 3000
    assert impact.utc_ms == UTC_MS + impact.trigger_ms
    unit.advance(3000)
    assert len(unit.of(Impact)) == 1
    assert not list((unit.flash / "backlog").iterdir())


def test_button_lights_and_sounds_within_a_second_and_is_sent(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    unit.host["pins"]["button"]["steps"] = [[0, 1], [5000, 0], [5300, 1]]
    unit.start()
    unit.advance(6000)
    assert unit.kinds() == [EventKind.CALL_PRESSED, EventKind.CALL_RELEASED]
    assert unit.outputs()[:2] == [(5100, "light", 1), (5100, "buzzer", 1)]


def test_two_runs_are_the_same_to_the_byte(make_unit):
    lines = []
    for name in ("one", "two"):
        unit = make_unit(name)
        counts = steady(3000)
        counts[800, 2] = 4000
        unit.add_acc(counts)
        unit.host["pins"]["button"]["steps"] = [[0, 1], [5000, 0], [5300, 1]]
        unit.start()
        unit.advance(20_000)
        lines.append(bytes(unit.raw))
    assert lines[0] == lines[1]
    assert len(lines[0]) > 10_000


def test_wake_ups_are_few(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    unit.start()
    unit.advance(10_000)
    before = unit.wakeups
    unit.advance(60_000)
    assert unit.wakeups - before < 60 * 11.5
    assert len(unit.of(Samples)) > 600


def test_a_battery_that_falls_out_in_the_fall_leaves_the_early_copy(make_unit):
    unit = make_unit()
    counts = steady(3000)
    counts[800:803, 2] = 4000
    unit.add_acc(counts)
    unit.start()
    unit.advance(9_200)
    assert not unit.of(Impact)  # not sent before it is whole
    unit.kill()
    unit.start()
    unit.advance(2_000)
    (impact,) = unit.of(Impact)
    assert np.array_equal(np.frombuffer(impact.data, "<i2").reshape(-1, 3), counts[500:901])
    assert impact.utc_ms == UTC_MS + impact.trigger_ms
