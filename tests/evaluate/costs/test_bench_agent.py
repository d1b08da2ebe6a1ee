"""A real agent process is measured, and it is as small as promised."""

from pathlib import Path

import pytest

from edge_agent.evaluate.costs import bench_agent


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
def test_an_agent_with_one_bed_stays_below_60_mb_and_loads_no_scipy():
    resident = bench_agent.measure_resident()
    assert 10_000 < resident.rss_kb <= 60_000
    assert resident.modules == []


def test_what_does_not_come_up_is_said():
    with pytest.raises(bench_agent.AbsentError, match=r"^the agent did not start$"):
        bench_agent.wait_for(lambda: False, "the agent did not start", 0.0)
