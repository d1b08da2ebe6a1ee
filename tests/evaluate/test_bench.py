"""The benchmark measures what it says: our path sees its packets, the memory is bounded."""

import pytest

from edge_agent.detect.fall import GATE_G
from edge_agent.evaluate import bench

pytestmark = pytest.mark.fast


def test_quiet_is_quiet_and_dense_is_a_candidate_twice_a_second():
    for make, crossings in ((bench.quiet, 0), (bench.dense, 20)):
        g = make(10, 1) / bench.COUNTS_PER_G
        over = (g**2).sum(axis=1) > GATE_G**2
        assert int((over[1:] & ~over[:-1]).sum()) == crossings


def test_packets_are_the_signal_in_order():
    counts = bench.quiet(3, 1)
    packets = bench._packets(counts, 250)

    assert [first for first, _ in packets] == list(range(0, 300, 25))
    assert b"".join(data for _, data in packets) == counts.astype("<i2").tobytes()


def test_a_stream_stays_within_16_kb():
    assert bench.bytes_per_stream() <= 16_384
