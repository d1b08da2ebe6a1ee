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


def test_messages_are_one_steady_stream():
    messages = bench._messages(bench._packets(bench.quiet(3, 1), 250))

    assert [message.index for message in messages] == list(range(0, 300, 25))
    assert [message.uptime_ms for message in messages] == list(range(0, 3000, 250))
    assert {message.period_us for message in messages} == {10_000}


def test_packets_are_the_signal_in_order():
    counts = bench.quiet(3, 1)
    packets = bench._packets(counts, 250)

    assert [first for first, _ in packets] == list(range(0, 300, 25))
    assert b"".join(data for _, data in packets) == counts.astype("<i2").tobytes()


def test_a_stream_stays_within_16_kb():
    assert bench.bytes_per_stream() <= 16_384
    assert bench.engine_bytes_per_stream() <= 16_000


def test_both_paths_are_measured_against_the_same_loop(monkeypatch):
    monkeypatch.setattr(bench, "ROUNDS", 1)
    detector, engine = bench._compare("quiet", bench.quiet(10, 1), 2, 1000)
    assert (detector.path, engine.path) == ("detector", "engine")
    assert detector.loop == engine.loop
    assert engine.ours > detector.ours
    assert "engine" in bench.format_report(bench.BenchReport([detector, engine], 1, 2, 3))
