"""Uptime to monotonic time."""

import pytest

from edge_agent.stream.ticks import TickMap

pytestmark = pytest.mark.fast


def test_the_request_with_the_shortest_way_is_believed():
    clock = TickMap(uptime_s=5.0, monotonic_s=105.4)

    assert clock.monotonic(5.0) == pytest.approx(105.4)
    clock.add(sent_s=200.0, received_s=200.8, uptime_s=100.7)
    clock.add(sent_s=215.0, received_s=215.02, uptime_s=115.01)
    clock.add(sent_s=230.0, received_s=231.0, uptime_s=130.9)
    assert clock.monotonic(150.0) == pytest.approx(250.0)
    assert clock.uptime(clock.monotonic(42.0)) == pytest.approx(42.0)


def test_old_requests_are_forgotten_so_that_drift_is_followed():
    clock = TickMap(0.0, 100.0)
    clock.add(100.0, 100.001, 0.0)
    for n in range(1, 9):
        sent = 100.0 + 15 * n
        clock.add(sent, sent + 0.02, 15 * n * 0.9999 + 0.01)

    assert clock.monotonic(120 * 0.9999) == pytest.approx(220.0, abs=0.02)
