"""Frames against lines of JSON in the same VM: a quarter of the bytes, a tenth of the time."""

import pytest

from tests.firmware.costs import BYTES_TIMES, CHEAPER_TIMES, measure_encoding
from tests.firmware.vm import needs_vm

pytestmark = [pytest.mark.vm, needs_vm]


def test_a_second_of_samples_takes_at_most_a_quarter_of_the_bytes_of_json_lines():
    for row in measure_encoding(1):
        assert row["lines"][0] >= BYTES_TIMES * row["frames"][0], row
        assert row["blocks"][0] > 2 * row["frames"][0], row


def test_a_second_of_acceleration_or_strip_takes_at_most_a_tenth_of_the_time_of_json_lines():
    best: dict[object, float] = {}
    for _ in range(5):  # the machine may be busy
        for row in measure_encoding(20):
            times = row["lines"][1] / row["frames"][1]
            best[row["name"]] = max(times, best.get(row["name"], 0.0))
        if min(times for name, times in best.items() if name != "load 10 Hz") >= CHEAPER_TIMES:
            return
    raise AssertionError(best)
