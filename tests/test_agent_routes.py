"""An agent with a native route and two foreign ones: one fault, told to each in its own words."""

import asyncio

from edge_agent.agent import Agent
from edge_agent.clock import Quality, SystemClock, parse_utc
from edge_agent.config.load import parse
from edge_agent.config.reading import convert
from edge_agent.link.link import LinkError
from edge_agent.relay.profiles.county_settings import CountySettings
from edge_agent.simulator.platforms.commands import make_rules
from edge_agent.simulator.platforms.county import BODIES, SHIPPED, CountyServer
from edge_agent.simulator.platforms.mqtt_server import MqttServer
from edge_agent.simulator.platforms.platform import FakePlatform
from edge_agent.simulator.platforms.rules import ORDERS, Reaction
from tests.relay.profiles.samples import SECRETS, TREES

UTC = SystemClock()


def utc_s():
    return UTC.now().utc_s


def fake(name, told, orders=()):
    tree = TREES.get(name, {}) | SECRETS.get(name, {})
    return FakePlatform(make_rules(name, tree), Reaction.ACCEPT, utc_s, told.append, orders, 0.0)


def away(unit):
    raise LinkError("away")


async def test_every_platform_hears_of_an_alarm_and_one_of_them_closes_it(tmp_path):
    native, aliyun, county = [], [], []
    key = tmp_path / "secret"
    key.write_text(SECRETS["aliyun"]["device_secret"])
    key.chmod(0o600)
    async with (
        MqttServer(fake("native", native), "127.0.0.1", 0) as port,
        MqttServer(fake("aliyun", aliyun, ORDERS), "127.0.0.1", 0) as ali_port,
        CountyServer(
            convert(SHIPPED, CountySettings), Reaction.ACCEPT, dict(BODIES), utc_s, county.append
        ) as county_port,
    ):
        tree = {
            "home": {"region": "640302001001", "home": "h0001"},
            "place": [{"id": "bath", "zh": "卫生间", "en": "bathroom"}],
            "unit": [{"id": "u1", "port": "/nowhere", "place": "bath", "person": "p1"}],
            "mqtt": {"host": "127.0.0.1", "port": port},
            "route": [
                {"name": "ali", "profile": "aliyun", "host": "127.0.0.1", "port": ali_port,
                 "settings": TREES["aliyun"] | {"device_secret_file": str(key), "tls": False}},
                {"name": "county", "profile": "county", "settings":
                 SHIPPED | {"url": SHIPPED["url"].replace("8080", str(county_port))}},
            ],
        }  # fmt: skip
        agent = Agent(parse(tree), SystemClock(), away, tmp_path / "o.db", None)
        task = asyncio.create_task(agent.run())

        def closed():
            return any(one.get("state") == "closed" for one in native)

        try:
            async with asyncio.timeout(20):
                while not closed() or any(
                    one["waiting"] for one in (await agent.status())["routes"]
                ):
                    await asyncio.sleep(0.05)
            routes = (await agent.status())["routes"]
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    assert {one["route"] for one in routes if one["online"]} == {"mqtt", "ali", "county"}
    for told in (native, aliyun, county):  # nothing of another platform's form anywhere
        assert all(one["ok"] for one in told), told
    first = next(one["alarm_id"] for one in aliyun if one["what"] == "alarm")
    states = [one["state"] for one in aliyun if one.get("state") and one["alarm_id"] == first]
    assert states == ["confirmed", "acknowledged", "dispatched", "arrived", "closed"]
    ids = [one["body"]["MessageId"] for one in county]
    assert len([one for one in ids if one.startswith(first)]) == 1


class LostClock(SystemClock):
    """A host that booted three weeks in the past and has no time server."""

    def __init__(self):
        super().__init__()
        self._floor_s = UTC.now().utc_s - 21 * 86_400.0

    def _quality(self, utc_s):
        return Quality.NONE


async def test_a_platform_tells_the_time_when_nobody_else_does(tmp_path, monkeypatch):
    told = []
    secret = tmp_path / "secret"
    secret.write_text(SECRETS["huawei"]["secret"])
    secret.chmod(0o600)
    true_s = utc_s()
    clock = LostClock()
    monkeypatch.setattr("edge_agent.clock.time.time", lambda: true_s - 21 * 86_400.0)
    platform = FakePlatform(
        make_rules("huawei", TREES["huawei"] | SECRETS["huawei"]), Reaction.ACCEPT,
        lambda: true_s, told.append, (), 0.0,
    )  # fmt: skip
    async with MqttServer(platform, "127.0.0.1", 0) as port:
        settings = TREES["huawei"] | {"secret_file": str(secret)}
        tree = {
            "home": {"region": "640302001001", "home": "h0001"},
            "place": [{"id": "bath", "zh": "卫生间", "en": "bathroom"}],
            "unit": [{"id": "u1", "port": "/nowhere", "place": "bath", "person": "p1"}],
            "route": [{"name": "hw", "profile": "huawei", "host": "127.0.0.1", "port": port,
                       "settings": settings}],
        }  # fmt: skip
        agent = Agent(parse(tree), clock, away, tmp_path / "o.db", None)
        task = asyncio.create_task(agent.run())
        try:
            async with asyncio.timeout(20):
                while clock.now().quality is not Quality.PLATFORM:
                    await asyncio.sleep(0.02)
                while (await agent.status())["routes"][0]["waiting"]:
                    await asyncio.sleep(0.02)
            status = await agent.status()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert abs(parse_utc(status["at"]) - true_s) < 20
    assert status["routes"][0]["problem"] is None
    assert [one for one in told if not one["ok"]] == []
