"""A fall is timed from the packet that decides it to the bytes a broker reads."""

import shutil

import pytest

from edge_agent.evaluate.costs import bench_latency
from edge_agent.evaluate.costs.bench_agent import AbsentError
from edge_agent.evaluate.costs.tap import Tap

needs_broker = pytest.mark.skipif(
    not (shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")),
    reason="no mosquitto (apt-get install mosquitto)",
)


@needs_broker
@pytest.mark.broker
def test_every_fall_reaches_the_broker_and_is_timed():
    latency = bench_latency.measure_latency(5)
    assert latency.falls == 5
    assert 0.0 < latency.p50_ms <= latency.p99_ms <= latency.largest_ms < 5000.0
    assert 0.0 < latency.first_ms <= latency.largest_ms


@needs_broker
@pytest.mark.broker
def test_on_a_slow_disk_each_alarm_waits_for_its_commit_and_no_longer():
    latency = bench_latency.measure_latency(6, streaming=32, sync_s=0.02)
    assert (latency.streaming, latency.sync_ms) == (32, 20.0)
    assert 20.0 < latency.p50_ms < 200.0  # stored first
    assert 20.0 < latency.first_ms < 200.0


def test_without_a_broker_the_row_says_so(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    with pytest.raises(AbsentError, match=r"^no mosquitto$"):
        bench_latency.measure_latency(1)


@pytest.mark.fast
def test_the_deciding_packet_is_after_the_impact_and_within_the_decision_delay():
    number = bench_latency.deciding_packet(bench_latency.falling(1))
    after_s = number * bench_latency.PACKET_MS / 1000 - 4.0
    assert 0.6 < after_s < 1.6


@pytest.mark.fast
def test_the_tap_finds_a_suspicion_cut_anywhere():
    topic = b"anzhen/v1/440106000000/bench/alarm/01890a5d-ac96-774b-bcce-b302099a8057"
    packet = b"\x32\x7f\x00" + topic + b"\x00\x01" + b'{"event":1,"state":"suspected"}'
    for cut in range(len(packet) + 1):
        tap = Tap(1)
        seen = tap._note(packet[:cut], 1.0)
        tap._note(seen + packet[cut:], 2.0)
        tap.close()
        assert list(tap.published) == [topic[topic.index(b"/alarm/") :]]
