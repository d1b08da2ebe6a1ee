"""Blocks to chunks: holes are masked, gaps are said, loss is counted."""

import struct

import numpy as np
import pytest

from edge_agent.stream.assemble import Assembler
from edge_agent.stream.chunk import Channel, Chunk, Gap
from protocol.messages import Samples
from protocol.quantities import LOAD

pytestmark = pytest.mark.fast

CHANNEL = Channel("u", LOAD)


def block(first: int, count: int, rate_hz: int = 100, uptime_ms: int | None = None) -> Samples:
    data = struct.pack(f"<{count}h", *range(first, first + count))
    at_ms = first * 1000 // rate_hz if uptime_ms is None else uptime_ms
    return Samples(LOAD.code, 0, at_ms, first, 1_000_000 // rate_hz, 0.01, 1, data)


def test_blocks_in_a_row_join_without_a_seam():
    assembler = Assembler(CHANNEL)
    parts = [part for n in range(5) for part in assembler.add(block(10 * n, 10))]

    assert all(isinstance(part, Chunk) and part.missing is None for part in parts)
    assert np.allclose(np.concatenate([p.values for p in parts])[:, 0], np.arange(50) * 0.01)
    assert [round(part.start_s, 6) for part in parts] == [0.0, 0.1, 0.2, 0.3, 0.4]


def test_thirty_lost_samples_are_a_hole_and_thirty_one_a_gap():
    for lost, kinds in ((30, [Chunk]), (31, [Gap, Chunk])):
        assembler = Assembler(CHANNEL)
        assembler.add(block(0, 10))
        parts = assembler.add(block(10 + lost, 10))
        assert [type(part) for part in parts] == kinds
        assert assembler.lost == lost
    gap, chunk = parts
    assert (round(gap.start_s, 6), round(gap.end_s, 6)) == (0.1, 0.41)
    assert round(chunk.start_s, 6) == 0.41


def test_a_hole_is_masked_and_repeats_the_last_sample():
    assembler = Assembler(CHANNEL)
    assembler.add(block(0, 10))
    (chunk,) = assembler.add(block(15, 5))

    assert chunk.missing is not None
    assert chunk.missing.tolist() == [True] * 5 + [False] * 5
    assert np.allclose(chunk.values[:5, 0], 0.09)
    assert round(chunk.start_s, 6) == 0.1


def test_old_blocks_are_dropped_and_a_counter_that_begins_anew_is_a_gap():
    assembler = Assembler(CHANNEL)
    assembler.add(block(0, 10))
    assembler.add(block(10, 10))

    assert assembler.add(block(0, 10)) == []
    assert assembler.stale == 1
    parts = assembler.add(block(0, 10, uptime_ms=5000))
    assert [type(part) for part in parts] == [Gap, Chunk]


def test_the_index_wraps():
    assembler = Assembler(CHANNEL)
    data = struct.pack("<10h", *range(10))
    assembler.add(Samples(LOAD.code, 0, 0, 2**32 - 10, 10_000, 0.01, 1, data))
    (chunk,) = assembler.add(Samples(LOAD.code, 0, 100, 0, 10_000, 0.01, 1, data))

    assert chunk.missing is None
    assert assembler.lost == 0


def test_silence_is_said_once_and_the_rest_of_the_gap_when_data_come_back():
    assembler = Assembler(CHANNEL)
    assembler.add(block(0, 10))

    assert assembler.check_silence(1.0) is None
    assert assembler.check_silence(1.2) == Gap(CHANNEL, 0.1, 1.2)
    assert assembler.check_silence(2.2) is None
    gap, chunk = assembler.add(block(300, 10))
    assert (round(gap.start_s, 6), round(gap.end_s, 6)) == (1.2, 3.0)
    assert assembler.check_silence(3.5) is None
    assert chunk.end_s == pytest.approx(3.1)


def test_values_that_no_sensor_can_measure_are_masked():
    assembler = Assembler(CHANNEL)
    data = struct.pack("<3h", 100, -32768, 100)
    (chunk,) = assembler.add(Samples(LOAD.code, 0, 0, 0, 10_000, 0.01, 1, data))

    assert chunk.missing is not None
    assert chunk.missing.tolist() == [False, True, False]


def test_a_slowly_drifting_sample_clock_is_followed_without_gaps():
    assembler = Assembler(CHANNEL)
    parts = []
    for n in range(400):  # 2 % slow: 100 ms blocks that take 102 ms
        parts += assembler.add(block(10 * n, 10, uptime_ms=102 * n))

    assert all(isinstance(part, Chunk) for part in parts)
    assert abs(parts[-1].start_s - 0.102 * 399) <= 0.05
