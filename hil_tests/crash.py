"""`kill -9` again and again under a steady stream of alarms, and the count of what was lost.

```
 unit (this process, protocol only) --pty--> agent ==TCP==> gate (this process) ==> mosquitto
                                               ^ killed       ^ swallows               ^ killed
 watcher (a process of its own): every message, as it came <---------------------------+
```
`python -m hil_tests.crash 1000 --seed 1`. One long run with N faults at seeded random instants:
the agent, the broker or both are killed and started again at once; every tenth fault, the gate
takes everything and passes nothing on, in silence, until the agent has given that connection up.

What counts at the end: every record that the unit made is stored; every event that is stored has
reached the watcher; every copy of an event is the same event, byte for byte. A broker forgets what it
has taken when it is killed, and that is not the agent's doing: so the gate lets the agent in only
when the watcher listens, and the broker hands each message on before it answers for it.
"""

import argparse
import asyncio
import json
import random
import shutil
import signal
import socket
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hil_tests.crash_gate import SWALLOW_S, Gate
from hil_tests.crash_unit import SteadyUnit
from protocol.messages import EventKind

FAULT_S = (0.2, 1.2)
"""Time between two faults."""
DRAIN_S = 120.0
CLOSE_EVERY = 5
"""After so many faults a carer closes the call; the next press is a new alarm."""
WATCHER = "watcher"


@dataclass
class Verdict:
    """What came of it."""

    faults: dict[str, int] = field(default_factory=dict)
    records: int = 0
    records_lost: int = 0
    events: int = 0
    events_lost: int = 0
    events_waiting: int = 0
    presses_without_event: int = 0
    agent_ended: int = 0
    """How often the agent was found dead that nobody had killed."""
    received: int = 0
    duplicates: int = 0
    differing: int = 0
    seconds: float = 0.0
    seed: int = 0
    lost: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (
            self.records_lost
            or self.events_lost
            or self.events_waiting
            or self.differing
            or self.presses_without_event
            or self.agent_ended
        )


class Crash:
    """One run."""

    def __init__(self, faults: int, seed: int, folder: Path) -> None:
        self._count = faults
        self._rng = random.Random(seed)
        self._folder = folder
        self._state = folder / "state"
        self._heard = folder / "heard.txt"
        self._broker_port = _free_port()
        self.unit = SteadyUnit(self._rng)
        self._gate = Gate(self._broker_port)
        self._agent: asyncio.subprocess.Process | None = None
        self._broker: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.subprocess.Process | None = None
        self._stop = asyncio.Event()
        self.verdict = Verdict(seed=seed)

    async def run(self) -> Verdict:
        """Do all faults, let it drain, and judge."""
        started_s = time.monotonic()
        async with self.running():
            faults: Counter[str] = Counter()
            for number in range(1, self._count + 1):
                await asyncio.sleep(self._rng.uniform(*FAULT_S))
                what = "swallow" if number % 10 == 0 else self._rng.choice(_KILLS)
                faults[what] += 1
                await self._fault(what)
                if number % CLOSE_EVERY == 0:
                    await self._close_call()
                _progress(f"\r{number}/{self._count} {what:<8} {len(self.unit.made)} records ")
            await self.drain()
        verdict = self.judge()
        verdict.faults = dict(faults)
        verdict.seconds = round(time.monotonic() - started_s, 1)
        return verdict

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Crash"]:
        """Run unit, gate, broker, watcher and agent."""
        server = await self._gate.start()
        self._write_files()
        carrying = asyncio.create_task(self.unit.run())
        pressing = asyncio.create_task(self.unit.press(self._stop))
        try:
            await self._start_broker()
            await self._start_agent()
            yield self
        finally:
            carrying.cancel()
            pressing.cancel()
            server.close()
            for process in (self._agent, self._watcher, self._broker):
                await _kill(process)

    # -- faults -------------------------------------------------------------------------------

    async def _fault(self, what: str) -> None:
        if self._has_ended():
            self.verdict.agent_ended += 1
            await self._start_agent()
        if what == "swallow":
            await self._swallow()
        if what in ("broker", "both"):
            self._gate.is_open.clear()
            await _kill(self._broker)
        if what in ("agent", "both"):
            await _kill(self._agent)
        if what in ("broker", "both"):
            await self._start_broker()
        if what in ("agent", "both"):
            await self._start_agent()

    async def _swallow(self) -> None:
        """Swallow until the agent has come anew by itself, or kill it at some instant before."""
        before = self._gate.accepted
        self._gate.swallow()
        if self._rng.random() < 0.5:
            await asyncio.sleep(self._rng.uniform(0.5, 5.0))
            await _kill(self._agent)
            await self._start_agent()
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(SWALLOW_S + 5):
                while self._gate.accepted == before:
                    await asyncio.sleep(0.05)

    async def _close_call(self) -> None:
        """Close the newest call as a platform does; the command may well be lost."""
        calls = [e["alarm_id"] for e in self.heard_events() if e["condition"] == "call"]
        if calls:
            command = json.dumps({"transaction": "carer", "alarm_id": calls[-1]})
            topic = "anzhen/v1/000000000000/crash/command/close"
            await _run("mosquitto_pub", "-p", str(self._broker_port), "-t", topic, "-m", command)

    def _has_ended(self) -> bool:
        return self._agent is not None and self._agent.returncode is not None

    async def _start_agent(self) -> None:
        with (self._folder / "agent.log").open("ab") as log:
            self._agent = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "edge_agent", "run", "--config", self._folder / "anzhen.toml",
                stdout=log, stderr=log,
            )  # fmt: skip

    async def _start_broker(self) -> None:
        mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if mosquitto is None:
            raise FileNotFoundError("no mosquitto (apt-get install mosquitto)")
        quiet = asyncio.subprocess.DEVNULL
        self._broker = await asyncio.create_subprocess_exec(
            mosquitto, "-c", self._folder / "mosquitto.conf", stdout=quiet, stderr=quiet
        )
        await _until(lambda: _listens(self._broker_port), 10.0)
        await _kill(self._watcher)
        size = self._heard.stat().st_size
        with self._heard.open("ab") as heard:
            # The probe tells that the subscription holds: it is retained, so it comes at once.
            self._watcher = await asyncio.create_subprocess_exec(
                "mosquitto_sub", "-p", str(self._broker_port), "-i", WATCHER, "-q", "1", "-v",
                "-t", "anzhen/v1/#", "-t", "probe", stdout=heard, stderr=quiet,
            )  # fmt: skip
        await _run("mosquitto_pub", "-p", str(self._broker_port), "-t", "probe", "-r", "-m", "here")
        await _until(lambda: self._heard.stat().st_size > size, 10.0)
        self._gate.is_open.set()

    def _write_files(self) -> None:
        self._heard.touch()
        (self._folder / "mosquitto.conf").write_text(
            f"listener {self._broker_port} 127.0.0.1\nallow_anonymous true\n"
            "set_tcp_nodelay true\nmax_inflight_messages 0\n"
        )
        (self._folder / "anzhen.toml").write_text(f"""
state_dir = "{self._state}"
simulated = true
[home]
region = "000000000000"
home = "crash"
[[place]]
id = "bathroom"
zh = "卫生间"
en = "bathroom"
[[unit]]
id = "cord-1"
port = "{self.unit.path}"
place = "bathroom"
person = "p1"
source = "cord"
[mqtt]
host = "127.0.0.1"
port = {self._gate.port}
""")

    # -- what came of it ----------------------------------------------------------------------

    async def drain(self) -> None:
        """Make no more records; wait until the unit has none left and the outbox is empty."""
        self._stop.set()
        with suppress(TimeoutError):
            await _until(
                lambda: self._has_ended() or (self.unit.is_empty and self._waiting() == 0), DRAIN_S
            )
        self.verdict.agent_ended += self._has_ended()
        await asyncio.sleep(0.5)

    def _waiting(self) -> int:
        rows = self._query(f"SELECT count(*) FROM ({_WAITING})")
        return int(rows[0][0]) if rows else -1

    def _query(self, sql: str) -> list[tuple]:
        try:
            uri = f"file:{self._state / 'outbox.db'}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as database:
                return database.execute(sql).fetchall()
        except sqlite3.OperationalError:
            return []

    def heard_events(self) -> list[dict[str, Any]]:
        """Return the events that the watcher has heard, in order, copies and all."""
        return [event for event, _ in self._heard_alarms()]

    def _heard_alarms(self) -> Iterator[tuple[dict[str, Any], str]]:
        for line in self._heard.read_text("utf-8", errors="replace").splitlines():
            topic, _, body = line.partition(" ")
            if "/alarm/" in topic:
                with suppress(ValueError):  # a watcher killed in the middle of a line
                    yield json.loads(body), body

    def judge(self) -> Verdict:
        """Compare what was made, stored and heard."""
        verdict = self.verdict
        heard: dict[tuple[str, int], list[str]] = {}
        calls = set()
        for event, body in self._heard_alarms():
            name = (event["alarm_id"], event["event"])
            heard.setdefault(name, []).append(body)
            if event["condition"] == "call" and event.get("trigger") in (None, "repeat"):
                calls.add(name)
        stored = {
            (name, event): body
            for name, event, body in self._query("SELECT alarm_id, event, body FROM events")
        }
        known = {seq for (seq,) in self._query("SELECT seq FROM unit_events")}
        presses = sum(kind == EventKind.CALL_PRESSED for kind in self.unit.made.values())
        verdict.records = len(self.unit.made)
        verdict.records_lost = len((self.unit.made.keys() | self.unit.stored) - known)
        verdict.events = len(stored)
        waiting = set(self._query(_WAITING))
        lost = sorted(stored.keys() - heard.keys() - waiting)
        verdict.lost = [f"{name} {event}" for name, event in lost[:20]]
        verdict.events_lost, verdict.events_waiting = len(lost), len(waiting)
        verdict.presses_without_event = presses - len(calls)
        verdict.received = sum(len(copies) for copies in heard.values())
        verdict.duplicates = verdict.received - len(heard)
        verdict.differing = sum(
            body.encode() != stored.get(name, b"")
            for name, copies in heard.items()
            for body in copies
        )
        return verdict


_WAITING = (
    "SELECT alarm_id, event FROM events JOIN deliveries USING (row) WHERE verdict IS NOT 'accepted'"
)
_KILLS = ("agent", "broker", "both")


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    await process.wait()


async def _kill(process: asyncio.subprocess.Process | None) -> None:
    if process is not None and process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def _until(what: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.02)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(text)
        sys.stderr.flush()


def run_crash(faults: int, seed: int) -> Verdict:
    """Run N faults; the files stay where a run was not clean."""
    folder = Path(mkdtemp(prefix="anzhen-crash-"))
    verdict = asyncio.run(Crash(faults, seed, folder).run())
    if verdict.is_clean:
        shutil.rmtree(folder)
    else:
        sys.stderr.write(f"the files are in {folder}\n")
    return verdict


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="crash", description=__doc__.splitlines()[0])
    parser.add_argument("faults", type=int, nargs="?", default=100, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    verdict = run_crash(options.faults, options.seed)
    print(json.dumps(asdict(verdict), ensure_ascii=False))
    return 0 if verdict.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
