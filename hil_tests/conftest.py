"""A real broker, the shared recordings, and where they are absent, why a test is skipped."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from edge_agent.evaluate.falls.trials import Trial, TrialSet, read_trials
from edge_agent.simulator.sensors.motion import (
    Activity,
    Fall,
    FallKind,
    MotionSpan,
    Wearer,
    acceleration,
)
from edge_agent.simulator.vm import VmMissingError, find_micropython

DATA = Path(__file__).parents[2] / "shared" / "data"
SISFALL = DATA / "sisfall_acc_200hz_dev.npz"
IN_CI = os.environ.get("CI") == "true"


def absent(reason: str) -> None:
    """Skip, but never in CI: there everything is to be present."""
    if IN_CI:
        pytest.fail(f"{reason} (must be there in CI)")
    pytest.skip(reason)


@pytest.fixture(autouse=True, scope="session")
def _vm() -> None:
    try:
        find_micropython()
    except VmMissingError as error:
        absent(str(error))


@pytest.fixture(scope="session")
def sisfall() -> TrialSet:
    if not SISFALL.exists():
        pytest.skip("the development recordings are not on this machine")
    return read_trials(SISFALL)


@pytest.fixture(scope="session")
def simulated_fall() -> Trial:
    """Return a fall of the simulator's, for faults that must be replayed on every machine."""
    spans = [
        MotionSpan(0.0, 6.0, Activity.WALKING),
        MotionSpan(6.0, 14.0, Activity.FALL, Fall(kind=FallKind.BACKWARD)),
    ]
    g, _ = acceleration(spans, Wearer(), 100.0, 14.0, seed=5)
    counts = np.rint(g / 0.004).astype(np.int16)
    return Trial("simulated", "backward", True, 100.0, 0.004, counts, -1)


class Broker:
    """A mosquitto of our own on a port of its own."""

    def __init__(self, folder: Path) -> None:
        path = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if path is None:
            absent("no mosquitto (apt-get install mosquitto)")
        self._path = path
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self._path, "-c", self._config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
        raise RuntimeError("mosquitto did not start")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def broker(tmp_path: Path):
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


class Subscriber:
    """`mosquitto_sub -v` on everything of ours, its lines by topic."""

    def __init__(self, port: int, folder: Path) -> None:
        path = shutil.which("mosquitto_sub")
        if path is None:
            absent("no mosquitto_sub (apt-get install mosquitto-clients)")
        self._out = folder / "sub.txt"
        self._file = self._out.open("wb")
        self._process = subprocess.Popen(
            [path, "-p", str(port), "-t", "anzhen/v1/#", "-v", "-q", "1", "-c", "-i", "watcher"],
            stdout=self._file,
            stderr=subprocess.DEVNULL,
        )

    def lines(self) -> list[tuple[str, str]]:
        found = []
        for line in self._out.read_text("utf-8").splitlines():
            topic, _, payload = line.partition(" ")
            found.append((topic, payload))
        return found

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._file.close()


@pytest.fixture
def subscriber(broker: Broker, tmp_path: Path):
    subscriber = Subscriber(broker.port, tmp_path)
    yield subscriber
    subscriber.stop()
