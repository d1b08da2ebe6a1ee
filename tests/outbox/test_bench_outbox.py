"""The outbox's benchmark: what it promises holds in the run itself."""

from edge_agent.evaluate.costs.bench_outbox import SLOW_SYNC_S, format_outbox, run_bench_outbox


def test_a_burst_takes_under_1_s_and_alarms_are_stored_at_0_7_of_the_disks_rate(tmp_path):
    report = run_bench_outbox(tmp_path)

    assert report.crowd_ratio >= 0.7
    assert report.crowd_ratio > report.one_ratio > 0.1  # one by one: Python's share of a fast disk
    assert report.crowd_ratio > report.one_over_ratio > 0.1
    assert 5 * 4096 < report.commit_bytes < 12 * 4120
    if report.burst_s is not None:  # SQLite can be reached from outside
        assert report.slow_ratio >= 0.7
        assert report.burst_syncs <= 4
        assert report.burst_syncs * SLOW_SYNC_S <= report.burst_s < 1.0
    assert report.as_object()["one_ratio"] == report.one_ratio
    assert f"{report.one_ratio:.2f}x" in format_outbox(report)
