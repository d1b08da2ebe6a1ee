"""The block filters of the bed strip: what passes, what does not, and that cutting is no matter."""

import numpy as np
import pytest

from edge_agent.stream.chunk import Channel, Chunk
from edge_agent.stream.filters import BlockFilter, Filter
from protocol.quantities import BED_STRIP

pytestmark = pytest.mark.fast

CHANNEL = Channel("bed", BED_STRIP)
FAST, SLOW = Filter(50, 12.0, 1.6), Filter(10, None, 1.6)


def run(signal, rate_hz, sizes=(25,), missing=None, start_s=7.0):
    blocks, at, i = [], 0, 0
    filters = BlockFilter([SLOW, FAST])
    signal = np.asarray(signal, dtype=np.float32)[:, None]
    while at < len(signal):
        to = min(len(signal), at + sizes[i % len(sizes)])
        i += 1
        mask = None if missing is None else missing[at:to]
        blocks += filters.put(Chunk(CHANNEL, start_s + at / rate_hz, rate_hz, signal[at:to], mask))
        at = to
    return blocks


def outputs(blocks, which):
    return np.concatenate([block.outputs[which] for block in blocks])


@pytest.mark.parametrize("rate_hz", [50.0, 87.0, 100.0, 174.6, 200.0])
@pytest.mark.parametrize(
    ("hz", "gain"), [(0.2, (0.0, 0.1)), (1.5, (0.9, 1.1)), (5.0, (0.95, 1.05))]
)
def test_the_fast_filter_passes_beats_and_not_breath(rate_hz, hz, gain):
    t = np.arange(int(20 * rate_hz)) / rate_hz
    made = outputs(run(np.sin(2 * np.pi * hz * t), rate_hz), 1)
    assert gain[0] <= np.sqrt(2.0) * made.std() <= gain[1]


@pytest.mark.parametrize("rate_hz", [100.0, 175.0, 200.0])
def test_mains_hum_is_gone(rate_hz):
    t = np.arange(int(20 * rate_hz)) / rate_hz
    blocks = run(np.sin(2 * np.pi * 50.02 * t), rate_hz)
    limit = 0.02 if rate_hz > 100.0 else 0.1  # At twice the mains the samples hardly see it.
    assert outputs(blocks, 1).std() < limit
    assert outputs(blocks, 0).std() < 0.001


@pytest.mark.parametrize("rate_hz", [50.0, 99.7, 175.0])
def test_outputs_lie_where_the_block_says(rate_hz):
    t = np.arange(int(12 * rate_hz)) / rate_hz
    for block in run(3000.0 + 10.0 * t, rate_hz, start_s=7.0):
        places = np.arange(10) / 10.0 / block.stretch
        assert block.outputs[0] == pytest.approx(
            3000.0 + 10.0 * (block.start_s - 7.0 + places), abs=0.01
        )
        assert block.missing == 0.0


def test_cutting_changes_no_bit():
    random = np.random.default_rng(1)
    signal = 2.0 + random.normal(0.0, 0.01, 2000)
    missing = random.random(2000) < 0.05
    whole = run(signal, 100.0, (2000,), missing)
    assert len(whole) == 18
    for sizes in ((1,), (7, 3, 50), (100,), (260, 1)):
        cut = run(signal, 100.0, sizes, missing)
        assert len(cut) == len(whole)
        for a, b in zip(cut, whole):
            assert a.missing == b.missing
            assert a.start_s == pytest.approx(b.start_s, abs=1e-9)
            assert all(np.array_equal(x, y) for x, y in zip(a.outputs, b.outputs))


def test_a_hole_is_bridged_by_a_line():
    t = np.arange(1000) / 100.0
    signal, missing = 5.0 * t, np.zeros(1000, dtype=np.bool_)
    missing[430:460] = True
    signal = np.where(missing, 99.0, signal)
    blocks = run(signal, 100.0, missing=missing)
    expected = 0.8 + np.arange(10 * len(blocks)) / 10.0
    assert outputs(blocks, 0) == pytest.approx(5.0 * expected, abs=0.01)
    assert sum(block.missing for block in blocks) == pytest.approx(0.3)


def test_a_jump_of_time_or_rate_begins_anew_and_a_drift_does_not():
    filters, values = BlockFilter([SLOW]), np.ones((100, 1), dtype=np.float32)
    for start_s in (0.0, 1.004, 2.01, 3.2):
        assert None not in filters.put(Chunk(CHANNEL, start_s, 100.0, values))
    assert filters.put(Chunk(CHANNEL, 9.0, 100.0, values)) == [None]
    assert filters.put(Chunk(CHANNEL, 10.0, 50.0, values)) == [None]
    assert filters.put(Chunk(CHANNEL, float("nan"), 50.0, values))[0] is None
    assert filters.restarts == 3


def test_what_is_not_a_strip_is_refused():
    with pytest.raises(ValueError, match=r"^a bed strip has one axis, not shape \(5, 3\)$"):
        BlockFilter([SLOW]).put(Chunk(CHANNEL, 0.0, 100.0, np.zeros((5, 3), dtype=np.float32)))
    with pytest.raises(ValueError, match=r"^a bed strip is sampled at 40 to 1000 Hz, not 10.0$"):
        BlockFilter([SLOW]).put(Chunk(CHANNEL, 0.0, 10.0, np.zeros((5, 1), dtype=np.float32)))
