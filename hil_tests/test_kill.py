"""`kill -9` in real time: separate processes, a real pty, a real broker."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hil_tests.conftest import SISFALL
from hil_tests.test_link import impact_s
from hil_tests.test_replay import first_of

ANZHEN = [sys.executable, "-m", "edge_agent"]
BEFORE_S, AFTER_S = 3.0, 4.0


def wait_for(what, seconds=30.0):
    """Poll until `what()` is true; fail when it takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    pytest.fail(f"{what.__name__ or what} did not come true in {seconds} s")


def cut_out(trial, path: Path) -> Path:
    """Write the seconds around a trial's impact as a recording of its own."""
    middle = round(impact_s(trial) * trial.rate_hz)
    low, high = middle - round(BEFORE_S * trial.rate_hz), middle + round(AFTER_S * trial.rate_hz)
    counts = trial.counts[max(0, low) : high]
    np.savez(
        path,
        x=counts,
        start=np.array([0, len(counts)]),
        subject=np.array([trial.subject]),
        label=np.array([trial.label]),
        is_fall=np.array([True]),
        fs=np.float64(trial.rate_hz),
        scale_g=np.float64(trial.scale_g),
    )
    return path


class Home:
    """An agent and a pendant as processes of their own."""

    def __init__(self, folder: Path, port: int, recording: Path) -> None:
        self.state = folder / "state"
        self._folder = folder
        self._unit_port = folder / "ttyPENDANT"
        self._recording = recording
        self._processes: list[subprocess.Popen[bytes]] = []
        self.config = folder / "anzhen.toml"
        self.config.write_text(f"""
state_dir = "{self.state}"
simulated = true
[home]
region = "000000000000"
home = "kill"
[[place]]
id = "room"
zh = "房间"
en = "room"
[[unit]]
id = "pendant-1"
port = "{self._unit_port}"
place = "room"
person = "p1"
source = "pendant"
[mqtt]
host = "127.0.0.1"
port = {port}
[alarm]
fall_confirm_s = 5
""")

    def _start(self, *arguments) -> subprocess.Popen[bytes]:
        log = (self._folder / "log.txt").open("ab")
        process = subprocess.Popen([*ANZHEN, *map(str, arguments)], stdout=log, stderr=log)
        log.close()
        self._processes.append(process)
        return process

    def start_agent(self) -> subprocess.Popen[bytes]:
        return self._start("run", "--config", self.config)

    def start_unit(self) -> None:
        self._start(
            "unit", "pendant", "--id", "pendant-1", "--port", self._unit_port,
            "--flash", self._folder / "unit", "--play", self._recording, "--after", "3",
        )  # fmt: skip
        wait_for(self._unit_port.exists)

    def stored(self) -> list[tuple[str, int, str]]:
        """Return the fall events in the outbox."""
        path = self.state / "outbox.db"
        if not path.exists():
            return []
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            rows = database.execute("SELECT alarm_id, event, body FROM events ORDER BY row")
            events = [(a, e, json.loads(body)) for a, e, body in rows]
        except sqlite3.OperationalError:
            return []
        finally:
            database.close()
        return [(a, e, body["state"]) for a, e, body in events if body["condition"] == "fall"]

    def log(self) -> str:
        return (self._folder / "log.txt").read_text()

    def stop(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def home(request, simulated_fall, broker, tmp_path):
    trial = simulated_fall
    if SISFALL.exists():
        trial = first_of(request.getfixturevalue("sisfall"), "F03")
    recording = cut_out(trial, tmp_path / "fall.npz")
    home = Home(tmp_path, broker.port, recording)
    yield home
    home.stop()


def falls_of(subscriber):
    events = [json.loads(body) for topic, body in subscriber.lines() if "/alarm/" in topic]
    return [(e["alarm_id"], e["event"], e["state"]) for e in events if e["condition"] == "fall"]


@pytest.mark.timeout(120)
def test_kill_9_between_detection_and_publish_loses_nothing_and_the_suspicion_is_confirmed(
    home, broker, subscriber
):
    home.start_unit()
    agent = home.start_agent()
    wait_for(lambda: "agent/state" in str(subscriber.lines()))
    subscriber.stop()
    broker.kill()  # so nothing that is detected can be published
    (suspected,) = wait_for(home.stored)
    agent.send_signal(signal.SIGKILL)
    agent.wait()
    assert suspected[1:] == (1, "suspected")

    broker.start()
    watcher = type(subscriber)(broker.port, home.config.parent)
    wait_for(lambda: os.path.getsize(home.config.parent / "sub.txt") == 0)
    home.start_agent()
    wait_for(lambda: any(state == "notified" for _, _, state in falls_of(watcher)))
    watcher.stop()

    events = falls_of(watcher)
    assert sorted(set(events)) == [
        suspected,
        (suspected[0], 2, "confirmed"),
        (suspected[0], 3, "notified"),
    ]
    assert events == home.stored()


@pytest.mark.timeout(120)
def test_a_broker_killed_for_a_while_gets_everything_when_it_is_back(home, broker, subscriber):
    home.start_unit()
    home.start_agent()
    wait_for(lambda: "agent/state" in str(subscriber.lines()))
    subscriber.stop()
    broker.kill()
    wait_for(lambda: len(home.stored()) == 2, 60)
    broker.start()
    watcher = type(subscriber)(broker.port, home.config.parent)
    wait_for(lambda: len(falls_of(watcher)) >= 3, 60)
    watcher.stop()

    assert falls_of(watcher) == home.stored()
    assert [state for _, _, state in home.stored()] == ["suspected", "confirmed", "notified"]


@pytest.mark.timeout(120)
def test_a_fall_while_the_agent_is_dead_is_raised_from_the_snippet_when_it_is_back(
    home, broker, subscriber
):
    home.start_unit()
    agent = home.start_agent()
    wait_for(lambda: "pendant-1/state" in str(subscriber.lines()))
    agent.send_signal(signal.SIGKILL)
    agent.wait()
    flash = home.config.parent / "unit" / "flash"
    wait_for(lambda: any("backlog" in str(p) for p in flash.rglob("*") if p.is_file()))
    time.sleep(9)  # the whole snippet, and then some
    home.start_agent()
    wait_for(lambda: any(state == "notified" for _, _, state in falls_of(subscriber)), 60)

    events = [json.loads(body) for topic, body in subscriber.lines() if "/alarm/" in topic]
    first = next(e for e in events if e["condition"] == "fall")
    assert first["late_s"] > 3.0


def test_sigterm_ends_the_agent_cleanly_and_another_one_starts(home, broker, subscriber):
    agent = home.start_agent()
    wait_for(lambda: (home.state / "control.sock").exists())
    second = subprocess.run(
        [*ANZHEN, "run", "--config", home.config], capture_output=True, text=True, timeout=20
    )
    agent.send_signal(signal.SIGTERM)

    assert agent.wait(10) == 0
    assert second.returncode == 3
    assert second.stderr == f"anzhen: {home.state}: another agent is running on it\n"
    assert not (home.state / "control.sock").exists()
