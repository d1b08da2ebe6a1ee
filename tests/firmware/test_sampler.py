"""The sample clock and the impact gate against plain references."""

import random
from array import array

import numpy as np
import pytest

from firmware.impact_gate import ImpactGate
from firmware.sample_clock import SampleClock

pytestmark = pytest.mark.fast

G_PER_DIGIT = 0.012


def test_blocks_are_contiguous_while_reads_are_late_by_turns():
    chance = random.Random(1)
    clock = SampleClock(10)
    read = 0
    expected = None
    for beat in range(1, 2000):
        now = 100 * beat + chance.choice((0, 0, 1, 3, 9, 40))
        newest = now // 10
        count, read = newest - read, newest
        first = clock.stamp(count, 0, now, now)
        if expected is not None and beat > 100:
            assert first == expected
        true_first = 10 * (newest - count + 1)
        assert abs(first - true_first) < 10
        expected = first + 10 * count
        assert clock.lost == 0


@pytest.mark.parametrize("drift", [0.97, 0.995, 1.005, 1.03])
def test_a_part_whose_oscillator_is_off_is_followed_without_jumps(drift):
    clock = SampleClock(10)
    read = 0
    expected = None
    for beat in range(1, 6000):
        now = 100 * beat
        newest = int(now * drift / 10)
        count, read = newest - read, newest
        first = clock.stamp(count, 0, now, now)
        assert abs(first + 10 * (count - 1) - now) <= 10
        if expected is not None:
            assert abs(first - expected) <= 10
        expected = first + 10 * count
    assert clock.index + count == newest


def test_a_full_fifo_jumps_by_what_was_lost():
    clock = SampleClock(10)
    clock.stamp(10, 0, 100, 100)
    first = clock.stamp(32, -1, 1000, 1000)  # samples 11..100 were due, 69..100 are there
    assert clock.lost == 58
    assert clock.index == 68
    assert abs(first - 690) <= 10
    clock.stamp(10, 0, 1100, 1100)
    assert clock.index == 100


def test_a_full_fifo_that_has_lost_nothing_does_not_jump():
    clock = SampleClock(10)
    clock.stamp(10, 0, 100, 100)
    clock.stamp(32, -1, 420, 420)
    assert (clock.lost, clock.index) == (0, 10)


def test_after_a_restart_the_index_goes_on_by_time():
    clock = SampleClock(10)
    clock.stamp(10, 0, 100, 100)
    clock.restart()
    first = clock.stamp(10, 0, 5100, 5100)
    assert abs(first - 5010) <= 5
    assert abs(clock.index - 500) <= 1


class Kept:
    def __init__(self):
        self.snippets = []

    def __call__(self, first_ms, trigger_ms, peak_mg, pieces, whole):
        counts = np.concatenate([np.frombuffer(bytes(p), "<i2") for p in pieces]).reshape(-1, 3)
        self.snippets.append((first_ms, trigger_ms, peak_mg, counts, whole))

    @property
    def whole(self):
        return [s for s in self.snippets if s[4]]


def feed(gate, counts, start_ms=0, sizes=(10,)):
    at = 0
    turn = 0
    while at < len(counts):
        piece = counts[at : at + sizes[turn % len(sizes)]]
        gate.feed(array("h", piece.tobytes()), len(piece), start_ms + 10 * at)
        at += len(piece)
        turn += 1


def at_rest(count):
    counts = np.zeros((count, 3), dtype="<i2")
    counts[:, 0] = np.arange(count) % 500
    counts[:, 2] = 1333
    return counts


@pytest.mark.parametrize("sizes", [(10,), (1,), (32,), (7, 32, 1, 13)])
def test_a_snippet_does_not_depend_on_how_the_samples_come(sizes):
    kept = Kept()
    counts = at_rest(3000)
    counts[1234, 2] = -4000
    feed(ImpactGate(10, G_PER_DIGIT, 1.6, kept), counts, sizes=sizes)
    early, whole = kept.snippets
    assert (early[4], whole[4]) == (False, True)
    assert np.array_equal(early[3], counts[934:1335])
    assert np.array_equal(whole[3], counts[934:1734])
    assert whole[:2] == (9340, 12_340)
    peak = G_PER_DIGIT * np.linalg.norm(counts[1234] >> 4)
    assert abs(whole[2] - 1000 * peak) < 1
    assert early[0] == whole[0]


def test_just_at_the_limit_is_no_crossing():
    kept = Kept()
    counts = at_rest(2000)
    counts[:, 0] = 0
    counts[900, 2] = 133 * 16  # 1.596 g
    gate = ImpactGate(10, G_PER_DIGIT, 1.6, kept)
    feed(gate, counts)
    assert gate.crossings == 0
    counts[900, 2] = 134 * 16
    feed(gate, counts)
    assert gate.crossings == 1


def test_a_stumble_does_not_hide_the_fall_after_it():
    kept = Kept()
    counts = at_rest(4000)
    counts[1000, 2] = 2300
    counts[1400, 2] = 6000
    feed(ImpactGate(10, G_PER_DIGIT, 1.6, kept), counts)
    stumble, fall = kept.whole
    assert np.array_equal(stumble[3], counts[700:1500])
    assert np.array_equal(fall[3], counts[1100:1900])
    assert fall[1] == 14_000
    assert fall[2] > 4000
    assert [s[4] for s in kept.snippets] == [False, True, False, True]


def test_a_crossing_soon_after_the_start_has_what_there_is_before_it():
    kept = Kept()
    counts = at_rest(1000)
    counts[50, 2] = 4000
    feed(ImpactGate(10, G_PER_DIGIT, 1.6, kept), counts)
    assert np.array_equal(kept.whole[0][3], counts[:550])
    assert kept.whole[0][:2] == (0, 500)


def test_a_gap_ends_the_snippet_and_it_is_kept_all_the_same():
    kept = Kept()
    gate = ImpactGate(10, G_PER_DIGIT, 1.6, kept)
    counts = at_rest(2000)
    counts[1000, 2] = 4000
    feed(gate, counts[:1200])
    gate.cut()
    feed(gate, counts[1300:], start_ms=13_000)
    (snippet,) = kept.whole
    assert np.array_equal(snippet[3], counts[700:1200])


def test_a_gap_before_the_crossing_begins_the_snippet():
    kept = Kept()
    gate = ImpactGate(10, G_PER_DIGIT, 1.6, kept)
    counts = at_rest(3000)
    counts[1000, 2] = 4000
    feed(gate, counts[:900])
    gate.cut()
    feed(gate, counts[950:], start_ms=9_500)
    (snippet,) = kept.whole
    assert np.array_equal(snippet[3], counts[950:1500])
    assert snippet[:2] == (9_500, 10_000)


def test_shaking_for_a_minute_is_snippets_that_cover_it_all():
    kept = Kept()
    counts = at_rest(8000)
    counts[1000:7000, 2] = 4000
    feed(ImpactGate(10, G_PER_DIGIT, 1.6, kept), counts)
    covered = np.zeros(8000, dtype=bool)
    for first_ms, _, _, snippet, _ in kept.whole:
        covered[first_ms // 10 : first_ms // 10 + len(snippet)] = True
    assert covered[700:7000].all()
    assert len(kept.whole) <= 60 / 2.5 + 1


def test_the_limit_can_be_changed():
    kept = Kept()
    gate = ImpactGate(10, G_PER_DIGIT, 2.5, kept)
    counts = at_rest(2000)
    counts[900, 2] = 2400  # 1.8 g
    feed(gate, counts)
    assert not kept.snippets
    gate.set_limit(1.6)
    feed(gate, counts)
    assert len(kept.whole) == 1
