"""A home that is an outbox with routes, and fake platforms for them: no agent, no units."""

import asyncio
from contextlib import asynccontextmanager, nullcontext

from msgspec.structs import replace

from edge_agent.alarm.alarm import Alarm
from edge_agent.alarm.command import Response
from edge_agent.clock import SystemClock
from edge_agent.config.home import HomeConfig
from edge_agent.config.routes import RouteConfig
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Batch
from edge_agent.relay.making import FAMILY, Maker
from edge_agent.relay.route import Hooks, Presence
from edge_agent.simulator.platforms.commands import make_rules
from edge_agent.simulator.platforms.platform import FakePlatform
from edge_agent.simulator.platforms.rules import Reaction
from tests.relay.profiles.samples import CONFIRMED, SECRETS, TREES


def config_of(name, port, folder, route=None, **more):
    """A route's table; what is no key of a table is one of its settings."""
    table = {key: more.pop(key) for key in list(more) if key in RouteConfig.__struct_fields__}
    tree = TREES[name] | more
    for key, secret in SECRETS[name].items():
        path = folder / key
        path.write_text(secret)
        path.chmod(0o600)
        tree[f"{key}_file"] = str(path)
    profile = "thingsboard" if name == "gateway" else name
    table = {"host": "127.0.0.1", "port": port, "settings": tree} | table
    return RouteConfig(name=route or name, profile=profile, **table)


def fake(name, told, reaction=Reaction.ACCEPT, orders=(), late_s=7.0):
    rules = make_rules("thingsboard" if name == "gateway" else name, TREES[name] | SECRETS[name])
    clock = SystemClock()
    return FakePlatform(
        rules, reaction, lambda: clock.now().utc_s, told.append, orders, 0.0, late_s
    )


class Home:
    """An outbox with routes, and what the routes said."""

    def __init__(self, folder, names, clock=None):
        clock = clock or SystemClock()
        self.outbox = Outbox(folder / "o.db", names, nullcontext)
        self.accepted, self.passed, self.commands, self.routes = [], [], [], []
        self.times = []
        self.heard = set()
        hooks = Hooks(
            self.accept,
            self.skip,
            self.command,
            time=lambda route, utc_s: self.times.append((route, utc_s)),
            is_heard=lambda *name: name in self.heard,
        )
        self.maker = Maker(
            HomeConfig(region="640302001001", home="h0001"), self.outbox, clock, hooks
        )

    def add(self, config, *, is_only=False):
        """Make what a table describes; return the last of its routes."""
        number = len(self.routes)
        if config.profile == FAMILY:
            self.routes += self.maker.family(config, number, is_only=is_only)
        else:
            route, _ = self.maker.route(config, number, Presence("s", list, lambda: None))
            self.routes.append(route)
        return self.routes[-1]

    async def accept(self, route, row):
        self.accepted.append((route, row.alarm_id))
        await self.outbox.put(Batch(accepted=[(route, row.row)]), 1.0)

    async def skip(self, route, row):
        self.passed.append((route, row.alarm_id))
        await self.outbox.put(Batch(accepted=[(route, row.row)]), 1.0)

    async def command(self, command):
        self.commands.append((command.route, command.name))
        return Response(transaction=command.transaction, ok=True, state="acknowledged")

    async def put(self, alarm_id, **changes):
        event = replace(CONFIRMED, alarm_id=alarm_id, **changes)
        await self.outbox.put(Batch([Alarm(event, 1.0, 2.0)]), 1.0)
        for route in self.routes:
            route.wake()

    async def until(self, predicate):
        async with asyncio.timeout(20):
            while not predicate():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(home):
    await home.outbox.open()
    tasks = [asyncio.create_task(route.run()) for route in home.routes]
    try:
        yield home
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await home.outbox.close()
