"""How long a fall takes from the deciding sample, read by the agent, to the PUBLISH.

```
  unit sessions --bytes--> Agent --MQTT--> tap --> mosquitto
        t0: the packet with the deciding sample    t1: the PUBLISH of `suspected` was read
```
Every fall is of another unit and another person, so that each is an alarm of its own; the first one
is told apart, for nothing is warm then. Meanwhile other units stream in real time, all in this
process, so what they and the tap cost counts against us. On the slow disk every fsync takes 20 ms
more: an alarm is stored before it is published, so at least one of them is in every figure.
"""

import asyncio
import logging
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_agent.agent import Agent
from edge_agent.clock import SystemClock
from edge_agent.config.home import UnitConfig
from edge_agent.config.load import parse
from edge_agent.detect.falls.fall import FallDetector
from edge_agent.evaluate.costs.bad_disk import AbsentError as NoWayInError
from edge_agent.evaluate.costs.bad_disk import BadDisk
from edge_agent.evaluate.costs.bench_agent import START_S, AbsentError, free_port, wait_for
from edge_agent.evaluate.costs.bench_signals import RATE_HZ, Counts, messages_of, packets_of, quiet
from edge_agent.evaluate.costs.memory_unit import MemoryUnit
from edge_agent.evaluate.costs.tap import Tap
from edge_agent.stream.assemble import Assembler
from edge_agent.stream.chunk import Channel, Gap
from protocol.quantities import ACCELERATION

FALLS = 120
STREAMING = 32
SLOW_SYNC_S = 0.02
PACKET_MS = 100
STREAM_S = 300
"""As long as units stream at most; what is measured takes a minute."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the deciding sample to the PUBLISH.

    Attributes:
        falls: how many were timed.
        streaming: units that streamed meanwhile.
        sync_ms: how much longer than it does every fsync took.
        first_ms: of the first alarm after the start.
    """

    falls: int
    streaming: int
    sync_ms: float
    first_ms: float
    p50_ms: float
    p99_ms: float
    largest_ms: float


def measure_latencies() -> list[Latency]:
    """Return how long it takes in a quiet home, a busy one, and a busy one on a slow disk.

    Raises:
        AbsentError: there is no mosquitto, or it did not start.
    """
    found = [measure_latency(), measure_latency(streaming=STREAMING)]
    with suppress(NoWayInError):  # SQLite is built into this Python
        found.append(measure_latency(streaming=STREAMING, sync_s=SLOW_SYNC_S))
    return found


def measure_latency(falls: int = FALLS, streaming: int = 0, sync_s: float = 0.0) -> Latency:
    """Return how long it takes from the deciding sample to the PUBLISH, over many falls.

    Raises:
        bad_disk.AbsentError: a slow disk is asked for, and cannot be had.
        AbsentError: there is no mosquitto, or it did not start.
    """
    path = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if path is None:
        raise AbsentError("no mosquitto")
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            _mosquitto(path, folder) as port,
            BadDisk(sync_s) if sync_s else nullcontext(),
        ):
            waits_ms = asyncio.run(_play_falls(falls, streaming, port, Path(folder)))
    finally:
        logging.disable(level)
    return Latency(
        len(waits_ms),
        streaming,
        1000 * sync_s,
        waits_ms[0],
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


async def _play_falls(falls: int, streaming: int, broker_port: int, folder: Path) -> list[float]:
    tap = Tap(broker_port)
    units = [f"pendant-{i}" for i in range(falls + streaming)]
    config = parse(
        {
            "home": {"region": "440106000000", "home": "bench"},
            "place": [{"id": "room", "zh": "卧室", "en": "room"}],
            "unit": [{"id": name, "port": name, "place": "room", "person": name} for name in units],
            "mqtt": {"host": "127.0.0.1", "port": tap.port},
        }
    )
    worn: dict[str, MemoryUnit] = {}

    def open_link(unit: UnitConfig) -> MemoryUnit:
        worn[unit.id] = MemoryUnit(unit.id)
        return worn[unit.id]

    agent = Agent(config, SystemClock(), open_link, folder / "outbox.db", None)
    task = asyncio.create_task(agent.run(), name="agent under measurement")
    stream: asyncio.Task[None] | None = None
    try:
        await _until(
            lambda: (
                len(worn) == len(units)
                and all(unit.session.state == "online" for unit in agent.units.values())
                and all(route.standing.is_online for route in agent.routes.all)
            ),
            "the agent did not come up",
        )
        counts = falling(1)
        packets = messages_of(packets_of(counts, PACKET_MS))
        deciding = deciding_packet(counts)
        if streaming:
            stream = asyncio.create_task(_stream([worn[name] for name in units[falls:]]))
            await asyncio.sleep(2.0)  # what a stream does once in its life is not timed
        waits_ms = []
        for number, name in enumerate(units[:falls]):
            unit = worn[name]
            for block in packets[:deciding]:
                unit.session.send(block)
                unit.push()
            await asyncio.sleep(0.05)
            unit.session.send(packets[deciding])
            began_s = time.perf_counter()
            unit.push()
            await _until(lambda done=number: len(tap.published) > done, "a fall was not raised")  # type: ignore[misc]
            waits_ms.append(1000 * (max(tap.published.values()) - began_s))
        return waits_ms
    finally:
        for one in (stream, task):
            if one is not None:
                one.cancel()
                with suppress(asyncio.CancelledError):
                    await one
        tap.close()


async def _stream(units: Sequence[MemoryUnit]) -> None:
    """Let units stream in real time, in turn, each a packet every `PACKET_MS`."""
    loop = asyncio.get_running_loop()
    due_s, step_s = loop.time(), PACKET_MS / 1000 / len(units)
    for block in messages_of(packets_of(quiet(STREAM_S, 3), PACKET_MS)):
        for unit in units:
            unit.session.send(block)
            unit.push()
            due_s += step_s
            await asyncio.sleep(max(0.0, due_s - loop.time()))


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
