"""The benchmark measures what it says: the same packets for everybody, the signals as described."""

import json
import subprocess
import sys

import numpy as np
import pytest

from edge_agent.detect.falls.fall import GATE_G, FallDetector
from edge_agent.detect.falls.features import measure
from edge_agent.detect.falls.grid import STANDARD_GRAVITY
from edge_agent.detect.falls.upright import Upright
from edge_agent.evaluate.costs import bench, bench_deciding, bench_paths, bench_peers
from edge_agent.evaluate.costs.bench_signals import (
    COUNTS_PER_G,
    RATE_HZ,
    RECORDINGS,
    jogging,
    messages_of,
    packets_of,
    quiet,
    stepping,
    walking,
)
from edge_agent.stream.assemble import Assembler
from edge_agent.stream.chunk import Channel
from protocol.quantities import ACCELERATION
from tests.detect import synthetic


def crossings(counts):
    over = ((counts / COUNTS_PER_G) ** 2).sum(axis=1) > GATE_G**2
    return int((over[1:] & ~over[:-1]).sum())


@pytest.mark.fast
def test_quiet_is_quiet_walking_crosses_twice_a_second_and_stepping_oftener():
    assert crossings(quiet(20, 1)) == 0
    assert crossings(walking(20, 1)) == 40
    assert crossings(stepping(20, 1)) >= 60


@pytest.mark.fast
@pytest.mark.parametrize("make", [quiet, walking, stepping])
def test_none_of_the_signals_is_a_fall(make):
    channel = Channel("bench", ACCELERATION)
    assembler, detector = Assembler(channel), FallDetector(channel)
    for block in messages_of(packets_of(make(120, 1), 1000)):
        for chunk in assembler.add(block):
            assert detector.update(chunk) == []


@pytest.mark.fast
def test_jogging_is_recorded_and_crosses_the_gate():
    counts = jogging(30)
    if not RECORDINGS.exists():
        assert counts is None
        pytest.skip("recordings are not part of the repository")
    assert counts.shape == (30 * RATE_HZ, 3)
    assert crossings(counts) >= 30
    assert 0.7 < np.linalg.norm(counts.mean(axis=0)) / COUNTS_PER_G < 1.3


@pytest.mark.fast
def test_messages_are_one_steady_stream():
    messages = messages_of(packets_of(quiet(3, 1), 250))

    assert [message.index for message in messages] == list(range(0, 300, 25))
    assert [message.uptime_ms for message in messages] == list(range(0, 3000, 250))
    assert {message.period_us for message in messages} == {10_000}


@pytest.mark.fast
def test_packets_are_the_signal_in_order():
    counts = quiet(3, 1)
    packets = packets_of(counts, 250)

    assert [first for first, _ in packets] == list(range(0, 300, 25))
    assert b"".join(data for _, data in packets) == counts.astype("<i2").tobytes()


@pytest.mark.fast
def test_a_stream_stays_within_16_kb():
    assert bench_paths.bytes_per_stream() <= 16_384
    assert bench_paths.engine_bytes_per_stream() <= 16_000


def test_both_paths_are_measured_against_the_same_loops(monkeypatch):
    monkeypatch.setattr(bench, "ROUNDS", 3)
    detector, engine = bench.compare("quiet", quiet(40, 1), 2, 1000, bench.OURS)
    assert (detector.path, engine.path) == ("detector", "engine")
    assert detector.loop == engine.loop > 0.0
    assert detector.deciding == engine.deciding > 0.0
    assert engine.deciding_ratio > detector.deciding_ratio > 0.0
    assert engine.ours > detector.ours > 0.0
    assert engine.absent is None


def test_a_signal_or_a_peer_that_is_not_there_is_a_row_that_says_so(monkeypatch):
    monkeypatch.setattr(bench, "ROUNDS", 1)
    rows = bench.compare("jogging", None, 1, 250, bench.OURS)
    assert {row.absent for row in rows} == {"no recordings"}
    monkeypatch.setitem(bench.MODULES, "scipy sosfilt", "a_module_nobody_has")
    only = {"scipy sosfilt": bench.PEERS["scipy sosfilt"]}
    (row,) = bench.compare("quiet", quiet(25, 1), 1, 250, only)
    assert row.absent == "not installed"


@pytest.mark.parametrize("name", bench_peers.PEERS)
def test_an_installed_peer_plays_packets_in_pieces(name):
    pytest.importorskip(bench.MODULES[name])
    feed = bench_peers.PEERS[name](2)
    packets = packets_of(walking(5, 1), 250)
    feed(packets[:8])
    feed(packets[8:])


@pytest.mark.fast
def test_the_loop_sees_every_packet_once():
    feed = bench_peers.begin_loop(1)
    packets = packets_of(walking(10, 1), 250)
    feed(packets[:13])
    feed(packets[13:])
    states = feed.__closure__[[*feed.__code__.co_freevars].index("states")].cell_contents
    g = walking(10, 1) / COUNTS_PER_G
    assert states[0].crossings == int(((g**2).sum(axis=1) > bench_peers.GATE_G**2).sum())
    assert len(states[0].ring) == 3 * RATE_HZ


def fallen(seed):
    """Return counts of a walk, a fall, lying and another walk."""
    walk = synthetic.walking(RATE_HZ, 12.0, seed)
    fall = synthetic.fall(RATE_HZ, peak_g=3.0 + 0.3 * seed, seed=seed, after_s=15.0)
    values = np.concatenate([walk, fall, walk])
    return np.rint(values / STANDARD_GRAVITY * COUNTS_PER_G).astype(np.int16)


def said_by_detector(packets):
    channel, found = Channel("loop", ACCELERATION), []
    assembler, detector = Assembler(channel), FallDetector(channel, upright=Upright())
    for block in messages_of(packets):
        for chunk in assembler.add(block):
            found += detector.update(chunk)
    return found


@pytest.mark.fast
@pytest.mark.parametrize("packet_ms", [250, 500, 1000])
@pytest.mark.parametrize("seed", range(6))
def test_the_deciding_loop_says_what_the_detector_says(seed, packet_ms):
    packets = packets_of(fallen(seed), packet_ms)
    loop = bench_deciding.DecidingLoop()
    said = [one for _, data in packets for one in loop.take(data)]
    assert said == said_by_detector(packets)
    assert said[0].kind == "fall"


@pytest.mark.fast
@pytest.mark.parametrize("make", [quiet, walking, stepping])
def test_the_deciding_loop_decides_what_the_benchmark_plays(make, monkeypatch):
    asked = {"loop": 0, "channel": 0}

    def count(window, after, upright):
        asked[owner] += 1
        return measure(window, after, upright)

    monkeypatch.setattr("edge_agent.detect.falls.fall.measure", count)
    packets = packets_of(make(60, 1), 250)
    owner = "loop"
    bench_deciding.begin_deciding(1)(packets)
    owner = "channel"
    said_by_detector(packets)
    assert asked["loop"] == asked["channel"]
    assert (asked["loop"] > 50) is (make is not quiet)


@pytest.mark.fast
def test_the_table_says_everything_that_was_measured():
    rows = [bench.Row("engine", "quiet", 1, 250, 2e5, 3e4, 6.7, 6e4, 3.3)]
    rows.append(bench.Row("numba kernel", "quiet", 1, 250, absent="not installed"))
    resident = bench.bench_agent.Resident(45_000, [])
    latency = [
        bench.bench_latency.Latency(60, 0, 0.0, 11.0, 9.0, 20.0, 21.0),
        bench.bench_latency.Latency(60, 32, 20.0, 47.5, 33.0, 66.0, 77.0),
    ]
    heart = bench.bench_beds.HeartRateCost(64, 90.0, 9.0)
    outbox = bench.bench_outbox.OutboxReport(0.03, 1, 500.0, 0.9, 3.0, 0.8, 900.0, 0.5, 38_000)
    report = bench.BenchReport(rows, heart, 15_000, 14_000, resident, latency, outbox)
    text = bench.format_report(report)
    for part in (
        "6.70x",
        "3.30x",
        "not installed",
        "90 us",
        "9.0 us",
        "14000",
        "45000 kB",
        "p99 20.0 ms",
        "p99 66.0 ms, first 47.5 ms; 60 falls, 32 units streaming, fsync +20 ms",
        "0.90x",
    ):
        assert part in text
    found = json.loads(json.dumps(report.as_object()))
    assert [one["p99_ms"] for one in found["latency"]] == [20.0, 66.0]
    assert found["heart_rates"]["beds"] == 64
    away = bench.BenchReport(rows, heart, 15_000, 14_000, "no /proc", "no mosquitto", outbox)
    assert "not measured, no mosquitto" in bench.format_report(away)


def test_heart_rates_are_measured_in_a_process_of_their_own():
    cost = bench.bench_beds.measure_heart_rates()
    assert cost.beds == bench.bench_beds.BEDS
    assert 0.0 < cost.together_us < cost.alone_us


def test_the_running_agent_loads_no_scipy():
    code = (
        "import sys, edge_agent.__main__, edge_agent.agent;"
        "print([n for n in ('scipy', 'pandas', 'numba', 'sklearn', 'matplotlib')"
        " if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
