"""Telemetry of routes that report none: it is passed over, and nothing is kept for them."""

import pytest

from edge_agent.config.routes import RouteConfig
from edge_agent.home.vitals_sums import Share, Vitals
from edge_agent.outbox.rows import Batch, Telemetry
from edge_agent.pipeline.findings import VitalsNews
from edge_agent.relay.health import health_message
from edge_agent.simulator.platforms.county import SHIPPED
from edge_agent.simulator.platforms.mqtt_server import MqttServer
from tests.relay.homes import Home, config_of, fake, running

HOUR_S = 3600.0


def county(port):
    tree = SHIPPED | {"url": SHIPPED["url"].replace("8080", str(port))}
    return RouteConfig(name="county", profile="county", settings=tree)


async def kept(home, at_s, *put):
    """Put telemetry, let the routes look, and return what is left an hour and a minute later."""
    await home.outbox.put(Batch(telemetry=[Telemetry("vitals/b1", body) for body in put]), at_s)
    for route in home.routes:
        route.wake()
    newest = len(put)
    await home.until(lambda: home.outbox._cursors.get("county") == newest)
    await home.outbox.put(Batch(facts={"a": b"1"}), at_s)  # stores the cursor
    await home.outbox.put(Batch(facts={"a": b"2"}), at_s + HOUR_S + 60.0)
    return [one.body for one in await home.outbox._do(lambda store: store.telemetry(0, 9))]


async def test_a_home_with_http_alone_keeps_no_telemetry_beyond_the_hour(tmp_path, unused_tcp_port):
    home = Home(tmp_path, ["county"])
    home.add(county(unused_tcp_port))  # away, too: that does not matter to it
    async with running(home):
        await home.put("a1")
        await home.until(lambda: not home.routes[0].standing.is_online)
        assert await kept(home, 1000.0, b"1", b"2") == []
        assert await home.outbox.backlog() == {"county": 1}


async def test_what_another_route_still_wants_stays(tmp_path, unused_tcp_port):
    home = Home(tmp_path, ["county", "thingsboard"])
    home.add(county(unused_tcp_port))
    home.add(config_of("thingsboard", unused_tcp_port, tmp_path))  # away
    async with running(home):
        assert await kept(home, 1000.0, b"1", b"2") == [b"1", b"2"]


@pytest.mark.parametrize("name", ["aliyun", "huawei", "jetlinks", "onenet"])
async def test_a_platform_hears_a_minute_of_vital_signs_in_its_own_words(tmp_path, name):
    told = []
    home = Home(tmp_path, [name])
    vitals = Vitals(7.0, True, Share(60.0, 45.0, 64.0, 61.0, 70.0, 0.9), Share(seconds=60.0))
    said = health_message(VitalsNews("b1", "u1", "bedroom", 1_795_400_000.0, vitals))
    async with MqttServer(fake(name, told), "127.0.0.1", 0) as port:
        home.add(config_of(name, port, tmp_path))
        async with running(home):
            await home.outbox.put(Batch(telemetry=[Telemetry(*said)]), 1.0)
            home.routes[0].wake()
            await home.until(lambda: home.outbox._cursors.get(name) == 1)
            await home.until(lambda: any(one["what"] == "vitals" for one in told))
            assert home.routes[0].standing.problem() is None
