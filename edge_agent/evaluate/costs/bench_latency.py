"""How long a fall takes from the deciding sample, read by the agent, to the PUBLISH.

```
  unit sessions --bytes--> Agent --MQTT--> tap --> mosquitto
        t0: the packet with the deciding sample    t1: the PUBLISH of `suspected` was read
```
The tap is a relay of bytes between the agent and a real broker, in a thread of this process. It
reads what the agent has written, so the time it takes counts against us. Every fall is of another
unit and another person, so that each is an alarm of its own.
"""

import asyncio
import logging
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_agent.agent import Agent
from edge_agent.clock import SystemClock
from edge_agent.config import UnitConfig, parse
from edge_agent.detect.falls.fall import FallDetector
from edge_agent.evaluate.costs.bench_agent import START_S, AbsentError, free_port, wait_for
from edge_agent.evaluate.costs.bench_signals import RATE_HZ, Counts, messages_of, packets_of, quiet
from edge_agent.stream.assemble import Assembler
from edge_agent.stream.chunk import Channel, Gap
from protocol.messages import Hello
from protocol.quantities import ACCELERATION
from protocol.unit_session import UnitSession

FALLS = 60
PACKET_MS = 100
TOPIC = re.compile(rb"/alarm/[0-9a-f-]{36}")
STATE = b'"suspected"'


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the deciding sample to the PUBLISH."""

    falls: int
    p50_ms: float
    p99_ms: float
    largest_ms: float


def measure_latency(falls: int = FALLS) -> Latency:
    """Return how long it takes from the deciding sample to the PUBLISH, over many falls.

    Raises:
        AbsentError: there is no mosquitto, or it did not start.
    """
    path = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if path is None:
        raise AbsentError("no mosquitto")
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with tempfile.TemporaryDirectory() as folder, _mosquitto(path, folder) as port:
            waits_ms = asyncio.run(_play_falls(falls, port, Path(folder)))
    finally:
        logging.disable(level)
    return Latency(
        len(waits_ms),
        float(np.percentile(waits_ms, 50)),
        float(np.percentile(waits_ms, 99)),
        max(waits_ms),
    )


def falling(seed: int) -> Counts:
    """Return somebody who stands, falls over and lies still; shape (n, 3), counts."""
    counts = quiet(8, seed).astype(np.float64)
    t = np.arange(len(counts)) / RATE_HZ - 4.0
    angle = np.deg2rad(85.0) * np.clip((t + 0.5) / 0.5, 0.0, 1.0) ** 2
    dip = np.where((t > -0.5) & (t < -0.04), 0.75 * np.sin(np.pi * (t + 0.5) / 0.46), 0.0)
    length = 1.0 - dip + 4.0 * np.exp(-0.5 * (t / 0.025) ** 2)
    length += np.where(t > 0.0, 0.5 * np.sin(60.0 * t) * np.exp(-np.maximum(t, 0.0) / 0.12), 0.0)
    up = counts[:, 2].copy()
    counts[:, 0] += up * np.sin(angle) * length
    counts[:, 2] = up * np.cos(angle) * length
    return np.asarray(np.rint(counts), dtype=np.int16)


def deciding_packet(counts: Counts) -> int:
    """Return the number of the packet that brings the deciding sample.

    Raises:
        AbsentError: no fall was found; the model has changed.
    """
    channel = Channel("bench", ACCELERATION)
    assembler, detector = Assembler(channel), FallDetector(channel)
    for number, block in enumerate(messages_of(packets_of(counts, PACKET_MS))):
        for part in assembler.add(block):
            if not isinstance(part, Gap) and detector.update(part):
                return number
    raise AbsentError("the made-up fall is none to the shipped model")


class _Pair:
    """A line in memory: the agent's `Link` at one end, a unit's session at the other."""

    def __init__(self, unit_id: str) -> None:
        self.bytes_read = self.bytes_written = 0
        boot_id = secrets.token_bytes(8)
        self.session = UnitSession(Hello(unit_id, boot_id, 1, secrets.token_bytes(8), "pendant"))
        self._on_bytes: Callable[[bytes], None] | None = None

    def start(self, on_bytes: Callable[[bytes], None], on_lost: Callable[[str], None]) -> None:
        """Begin to read: the unit greets."""
        self._on_bytes = on_bytes
        self.session.start(0)
        asyncio.get_running_loop().call_soon(self.push)

    def write(self, data: bytes) -> None:
        """Take what the agent says."""
        self.session.receive_data(data, 0)
        self.session.events()
        asyncio.get_running_loop().call_soon(self.push)

    def push(self) -> None:
        """Hand the agent what the unit has to say."""
        data = self.session.data_to_send()
        if data and self._on_bytes is not None:
            self._on_bytes(data)

    def close(self) -> None:
        """Read no more."""
        self._on_bytes = None


class _Tap:
    """Relays bytes between the agent and the broker, and notes when a suspicion went by."""

    def __init__(self, broker_port: int) -> None:
        self.published: dict[bytes, float] = {}
        self._broker_port = broker_port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._serve, name="tap", daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                agent, _ = self._server.accept()
                broker = socket.create_connection(("127.0.0.1", self._broker_port))
                for one in (agent, broker):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for source, sink, watch in ((agent, broker, True), (broker, agent, False)):
                    work = threading.Thread(
                        target=self._relay, args=(source, sink, watch), daemon=True
                    )
                    work.start()

    def _relay(self, source: socket.socket, sink: socket.socket, watch: bool) -> None:
        seen = b""
        with suppress(OSError):
            while data := source.recv(65536):
                now_s = time.perf_counter()
                sink.sendall(data)
                if watch:
                    seen = self._note(seen + data, now_s)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _note(self, seen: bytes, now_s: float) -> bytes:
        """Note the alarms whose suspicion is there, and return what may be the start of one."""
        for topic in TOPIC.finditer(seen):
            if STATE in seen[topic.end() : topic.end() + 4000]:
                self.published.setdefault(topic[0], now_s)
        return seen[-8000:]


async def _play_falls(falls: int, broker_port: int, folder: Path) -> list[float]:
    tap = _Tap(broker_port)
    units = [f"pendant-{i}" for i in range(falls)]
    config = parse(
        {
            "home": {"region": "440106000000", "home": "bench"},
            "place": [{"id": "room", "zh": "卧室", "en": "room"}],
            "unit": [{"id": name, "port": name, "place": "room", "person": name} for name in units],
            "mqtt": {"host": "127.0.0.1", "port": tap.port},
        }
    )
    pairs: dict[str, _Pair] = {}

    def open_link(unit: UnitConfig) -> _Pair:
        pairs[unit.id] = _Pair(unit.id)
        return pairs[unit.id]

    agent = Agent(config, SystemClock(), open_link, folder / "outbox.db", None)
    task = asyncio.create_task(agent.run(), name="agent under measurement")
    try:
        await _until(
            lambda: (
                len(pairs) == falls
                and all(unit.session.state == "online" for unit in agent.units.values())
                and all(route.standing.is_online for route in agent.routes.all)
            ),
            "the agent did not come up",
        )
        counts = falling(1)
        packets = messages_of(packets_of(counts, PACKET_MS))
        deciding = deciding_packet(counts)
        waits_ms = []
        for number, name in enumerate(units):
            pair = pairs[name]
            for block in packets[:deciding]:
                pair.session.send(block)
                pair.push()
            await asyncio.sleep(0.05)
            pair.session.send(packets[deciding])
            began_s = time.perf_counter()
            pair.push()
            await _until(lambda done=number: len(tap.published) > done, "a fall was not raised")  # type: ignore[misc]
            waits_ms.append(1000 * (max(tap.published.values()) - began_s))
        return waits_ms
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        tap.close()


async def _until(done: Callable[[], bool], complaint: str) -> None:
    deadline_s = time.monotonic() + START_S
    while not done():
        if time.monotonic() > deadline_s:
            raise AbsentError(complaint)
        await asyncio.sleep(0.005)


@contextmanager
def _mosquitto(path: str, folder: str) -> Iterator[int]:
    port = free_port()
    config = Path(folder) / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n", "utf-8"
    )
    process = subprocess.Popen(  # noqa: S603 (found on the path)
        [path, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: _answers(port), "mosquitto did not start")
        yield port
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
