"""Frames are small: at most a quarter of what lines of JSON take; times are `make footprint`'s."""

import pytest

from tests.firmware.costs import BYTES_TIMES, measure_encoding
from tests.firmware.vm import needs_vm

pytestmark = [pytest.mark.vm, needs_vm]


def test_a_second_of_samples_takes_at_most_a_quarter_of_the_bytes_of_json_lines():
    for row in measure_encoding(1):
        assert row["lines"][0] >= BYTES_TIMES * row["frames"][0], row
        assert row["blocks"][0] > 2 * row["frames"][0], row
