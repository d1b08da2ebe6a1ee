"""A real mosquitto with lines of its configuration, and a native route at it."""

import asyncio
import shutil
import socket
import subprocess
from contextlib import asynccontextmanager, contextmanager, nullcontext

import pytest

from edge_agent.alarm.command import Response
from edge_agent.clock import SystemClock
from edge_agent.config.home import HomeConfig
from edge_agent.config.routes import MqttConfig
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Batch
from edge_agent.relay.making import Maker
from edge_agent.relay.profiles.native import AgentState, NativeProfile
from edge_agent.relay.route import Hooks, Presence

PREFIX = "anzhen/v1/640302001001/h1"
PLAIN = "allow_anonymous true"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def mosquitto(folder, *lines):
    """A broker with these lines of configuration; yields its port."""
    path = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if path is None:
        pytest.skip("no mosquitto (apt-get install mosquitto)")
    port = free_port()
    file = folder / "mosquitto.conf"
    file.write_text("\n".join([f"listener {port} 127.0.0.1", PLAIN, "user root", *lines, ""]))
    process = subprocess.Popen(
        [path, "-c", file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(1000):
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                raise RuntimeError(f"mosquitto ended: {process.returncode}")
        yield port
    finally:
        process.kill()
        process.wait()


class Route:
    """A native route with an outbox, and what the platform accepted."""

    def __init__(self, folder, port, **config):
        self.outbox = Outbox(folder / "o.db", ["mqtt"], nullcontext)
        self.accepted = []
        profile = NativeProfile("640302001001", "h1")
        birth = profile.agent_state(AgentState("online", "s", "0", "ntp", None))
        hooks = Hooks(self._accept, self._accept, self._obey)
        maker = Maker(
            HomeConfig(region="640302001001", home="h1"), self.outbox, SystemClock(), hooks
        )
        self.relay, _ = maker.native(
            MqttConfig(host="127.0.0.1", port=port, **config),
            Presence("s", lambda: [birth], lambda: birth),
        )
        self.standing = self.relay.standing

    async def _accept(self, _, row):
        self.accepted.append(row.alarm_id)
        await self.outbox.put(Batch(accepted=[("mqtt", row.row)]), 1.0)

    async def _obey(self, command):
        return Response(transaction=command.transaction, ok=True)

    async def put(self, *alarms, telemetry=()):
        for alarm in alarms:
            await self.outbox.put(Batch([alarm]), 1.0)
        await self.outbox.put(Batch(telemetry=list(telemetry)), 1.0)
        self.relay.wake()


@asynccontextmanager
async def at_broker(folder, port, **config):
    """A native route that runs."""
    route = Route(folder, port, **config)
    await route.outbox.open()
    task = asyncio.create_task(route.relay.run())
    try:
        yield route
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await route.outbox.close()


async def until(predicate, seconds=10):
    async with asyncio.timeout(seconds):
        while not predicate():
            await asyncio.sleep(0.01)
