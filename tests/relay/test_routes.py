"""Routes to foreign platforms, each with its own verdicts: agentless, against the fake platforms."""

import asyncio
import re
import ssl
import tomllib
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from edge_agent.alarm.alarm import State
from edge_agent.alarm.command import CommandName
from edge_agent.clock import Instant, Quality, SystemClock
from edge_agent.config.reading import ConfigError, convert
from edge_agent.config.routes import RouteConfig, TlsConfig
from edge_agent.relay.profiles.county_settings import CountySettings
from edge_agent.simulator.platforms.county import BODIES, SHIPPED, CountyServer
from edge_agent.simulator.platforms.mqtt_server import MqttServer
from edge_agent.simulator.platforms.rules import Reaction
from tests.relay.authority import Authority
from tests.relay.homes import Home, config_of, fake, running
from tests.relay.profiles.samples import FOREIGN

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

REPLYING = ("aliyun", "onenet")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    """Real sockets, so real time: what takes seconds takes tenths."""
    monkeypatch.setattr("edge_agent.relay.profile.RETRY_LEAST_S", 0.1)
    monkeypatch.setattr("edge_agent.relay.profile.RETRY_MOST_S", 0.3)
    for module in ("relay", "http_relay"):
        monkeypatch.setattr(f"edge_agent.relay.{module}.BACKOFF_FIRST_S", 0.1)
        monkeypatch.setattr(f"edge_agent.relay.{module}.BACKOFF_SLOWEST_S", 0.2)


@pytest.mark.parametrize("name", FOREIGN)
async def test_an_alarm_goes_and_its_ack_comes_back(tmp_path, name):
    told = []
    home = Home(tmp_path, [name])
    async with MqttServer(fake(name, told, orders=("ack",)), "127.0.0.1", 0) as port:
        home.add(config_of(name, port, tmp_path))
        async with running(home):
            await home.put("a1")
            await home.put("drill", flags=["drill"])
            await home.until(lambda: home.commands and home.passed and home.accepted)
            await home.until(lambda: any(one["what"] == "answer" for one in told))
            assert await home.outbox.backlog() == {name: 0}
    assert home.accepted == [(name, "a1")]
    assert home.passed == [(name, "drill")]
    assert home.commands == [(name, CommandName.ACK)]
    assert all(one["ok"] for one in told)


async def test_a_silent_platform_is_asked_again_and_holds_up_neither_alarm_nor_route(tmp_path):
    told = []
    quiet = fake("aliyun", told, Reaction.SILENT)
    home = Home(tmp_path, ["aliyun", "huawei"])
    async with (
        MqttServer(quiet, "127.0.0.1", 0) as port,
        MqttServer(fake("huawei", []), "127.0.0.1", 0) as other,
    ):
        home.add(config_of("aliyun", port, tmp_path))
        home.add(config_of("huawei", other, tmp_path))
        home.routes[0]._conversation._profile.reply_s = 0.2
        async with running(home):
            await home.put("a1")
            await home.put("a2")
            await home.until(lambda: len([one for one in told if one["what"] == "alarm"]) == 2)
            await home.until(lambda: len(home.accepted) == 2)
            assert {route for route, _ in home.accepted} == {"huawei"}
            assert await home.outbox.backlog() == {"aliyun": 2, "huawei": 0}
            quiet._reaction = Reaction.ACCEPT
            await home.until(lambda: len(home.accepted) == 4)
            assert await home.outbox.backlog() == {"aliyun": 0, "huawei": 0}


@pytest.mark.parametrize("name", REPLYING)
async def test_a_puback_without_the_platforms_own_word_closes_nothing(tmp_path, name):
    told = []
    home = Home(tmp_path, [name])
    quiet = fake(name, told, Reaction.SILENT)  # it sends every PUBACK
    async with MqttServer(quiet, "127.0.0.1", 0) as port:
        route = home.add(config_of(name, port, tmp_path))
        route._conversation._profile.reply_s = 0.2
        async with running(home):
            await home.put("a1")
            await home.until(lambda: len([one for one in told if one["what"] == "alarm"]) == 2)
            assert home.accepted == []
            assert await home.outbox.backlog() == {name: 1}
            assert route.standing.problem() == "no answer"
            quiet._reaction = Reaction.ACCEPT
            await home.until(lambda: home.accepted == [(name, "a1")])
            assert route.standing.problem() is None


@pytest.mark.parametrize("name", REPLYING)
async def test_an_acceptance_that_comes_late_counts_once(tmp_path, name):
    told = []
    home = Home(tmp_path, [name])
    slow = fake(name, told, Reaction.LATE, late_s=0.6)
    async with MqttServer(slow, "127.0.0.1", 0) as port:
        route = home.add(config_of(name, port, tmp_path))
        route._conversation._profile.reply_s = 0.2
        async with running(home):
            await home.put("a1")
            await home.until(lambda: home.accepted)
            tries = len([one for one in told if one["what"] == "alarm"])
            await asyncio.sleep(0.8)  # whatever else it answers now is nobody's any more
            assert home.accepted == [(name, "a1")]
            assert await home.outbox.backlog() == {name: 0}
            assert tries == len([one for one in told if one["what"] == "alarm"])
            assert route.standing.strays == 0  # late words to our own questions are known


@pytest.mark.parametrize("name", REPLYING)
async def test_an_answer_for_another_id_is_counted_and_closes_nothing(tmp_path, name):
    told = []
    home = Home(tmp_path, [name])
    confused = fake(name, told, Reaction.OTHER)
    async with MqttServer(confused, "127.0.0.1", 0) as port:
        route = home.add(config_of(name, port, tmp_path))
        route._conversation._profile.reply_s = 0.2
        async with running(home):
            await home.put("a1")
            await home.until(lambda: route.standing.strays >= 2)
            assert home.accepted == []
            assert await home.outbox.backlog() == {name: 1}
            confused._reaction = Reaction.ACCEPT
            await home.until(lambda: home.accepted == [(name, "a1")])


@pytest.mark.parametrize("name", REPLYING)
async def test_a_row_on_which_the_platform_hangs_up_is_parked_and_the_next_goes(tmp_path, name):
    def tell(said):  # before the reaction
        touchy._reaction = Reaction.HANG_UP if said.get("alarm_id") == "bad" else Reaction.ACCEPT

    touchy = fake(name, [])
    touchy._tell = tell
    home = Home(tmp_path, [name])
    async with MqttServer(touchy, "127.0.0.1", 0) as port:
        route = home.add(config_of(name, port, tmp_path))
        async with running(home):
            await home.put("bad")
            await home.until(lambda: route.standing.parked == 1)
            await home.put("good")
            await home.until(lambda: home.accepted == [(name, "good")])
            assert route.standing.refused == "the connection ends on it"


async def test_a_row_that_the_profile_cannot_say_is_parked_and_the_next_goes(tmp_path):
    told = []
    home = Home(tmp_path, ["aliyun"])
    async with MqttServer(fake("aliyun", told), "127.0.0.1", 0) as port:
        route = home.add(config_of("aliyun", port, tmp_path))
        async with running(home):
            await home.put("wrong", at="yesterday")
            await home.put("good")
            await home.until(lambda: home.accepted == [("aliyun", "good")])
            assert route.standing.parked == 1
            assert route.standing.refused == "not a time: 'yesterday'"
            assert await home.outbox.backlog() == {"aliyun": 0}


async def test_a_route_obeys_only_the_commands_of_its_table(tmp_path):
    told = []
    home = Home(tmp_path, ["aliyun"])
    async with MqttServer(fake("aliyun", told, orders=("shelve",)), "127.0.0.1", 0) as port:
        home.add(config_of("aliyun", port, tmp_path))
        async with running(home):
            await home.put("a1")
            await home.until(lambda: any(one["what"] == "answer" for one in told))
    (answer,) = [one for one in told if one["what"] == "answer"]
    assert (answer["command"], answer["problem"]) == ("shelve", "refused")
    assert home.commands == []


@pytest.mark.parametrize("name", ["huawei", "jetlinks"])
async def test_a_platform_is_asked_for_the_time_while_nobody_vouches_for_it(tmp_path, name):
    class Unsure(SystemClock):
        def now(self):
            now = super().now()
            return Instant(now.monotonic_s, now.utc_s, Quality.NONE)

    home = Home(tmp_path, [name], Unsure())
    async with MqttServer(fake(name, []), "127.0.0.1", 0) as port:
        home.add(config_of(name, port, tmp_path))
        async with running(home):
            await home.until(lambda: home.times)
    ((route, utc_s),) = home.times
    assert route == name
    assert utc_s == pytest.approx(SystemClock().now().utc_s, abs=5.0)


async def test_when_an_address_does_not_answer_the_next_one_is_tried(tmp_path, unused_tcp_port):
    told = []
    home = Home(tmp_path, ["thingsboard"])
    async with MqttServer(fake("thingsboard", told), "127.0.0.1", 0) as port:
        fallback = [f"127.0.0.1:{port}"]
        home.add(config_of("thingsboard", unused_tcp_port, tmp_path, fallback=fallback))
        async with running(home):
            await home.put("a1")
            await home.until(lambda: home.accepted == [("thingsboard", "a1")])


async def test_what_a_platform_rejects_is_parked_and_the_next_goes(tmp_path):
    told = []
    strict = fake("onenet", told, Reaction.REJECT)
    home = Home(tmp_path, ["onenet"])
    async with MqttServer(strict, "127.0.0.1", 0) as port:
        home.add(config_of("onenet", port, tmp_path))
        async with running(home):
            await home.put("bad")
            await home.until(lambda: home.routes[0].standing.parked == 1)
            strict._reaction = Reaction.ACCEPT
            await home.put("good")
            await home.until(lambda: home.accepted == [("onenet", "good")])


async def test_a_county_platform_gets_alarms_and_a_poisoned_row_never_blocks_the_next(tmp_path):
    told = []
    settings = convert(SHIPPED, CountySettings)
    home = Home(tmp_path, ["county"])
    clock = SystemClock()
    async with CountyServer(
        settings, Reaction.ACCEPT, dict(BODIES), lambda: clock.now().utc_s, told.append
    ) as port:
        tree = SHIPPED | {"url": SHIPPED["url"].replace("8080", str(port))}
        home.add(RouteConfig(name="county", profile="county", settings=tree))
        async with running(home):
            assert home.times == []
            await home.put("wrong", at="yesterday")
            await home.put("maybe", event=1, state=State.SUSPECTED)
            await home.put("good")
            await home.until(lambda: home.accepted and home.passed)
            assert home.accepted == [("county", "good")]
            assert home.passed == [("county", "maybe")]
            assert home.routes[0].standing.parked == 1
            assert home.routes[0].standing.is_online
            ((_, utc_s),) = home.times  # of the answer's Date
            assert utc_s == pytest.approx(clock.now().utc_s, abs=5.0)
    assert [one["ok"] for one in told] == [True]


async def test_a_county_platform_that_is_away_is_tried_again_for_ever(tmp_path, unused_tcp_port):
    told = []
    settings = convert(SHIPPED, CountySettings)
    home = Home(tmp_path, ["county"])
    tree = SHIPPED | {"url": SHIPPED["url"].replace("8080", str(unused_tcp_port))}
    home.add(RouteConfig(name="county", profile="county", settings=tree))
    clock = SystemClock()
    async with running(home):
        await home.put("a1")
        await home.until(lambda: not home.routes[0].standing.is_online)
        async with CountyServer(
            settings, Reaction.ACCEPT, dict(BODIES), lambda: clock.now().utc_s, told.append,
            "127.0.0.1", unused_tcp_port,
        ):  # fmt: skip
            await home.until(lambda: home.accepted == [("county", "a1")])
            assert home.routes[0].standing.is_online


async def test_a_county_platform_has_further_addresses_too(tmp_path, unused_tcp_port):
    told = []
    settings = convert(SHIPPED, CountySettings)
    home = Home(tmp_path, ["county"])
    clock = SystemClock()
    async with CountyServer(
        settings, Reaction.ACCEPT, dict(BODIES), lambda: clock.now().utc_s, told.append
    ) as port:
        tree = SHIPPED | {"url": SHIPPED["url"].replace("8080", str(unused_tcp_port))}
        other = [f"127.0.0.1:{port}"]
        home.add(RouteConfig(name="county", profile="county", fallback=other, settings=tree))
        async with running(home):
            await home.put("a1")
            await home.until(lambda: home.accepted == [("county", "a1")])


def test_a_mistake_in_a_route_names_its_key(tmp_path):
    home = Home(tmp_path, [])
    tree = SHIPPED | {"url": "https://c.example/", "success": "x"}
    for config, message in (
        (RouteConfig(name="c", profile="county", settings=tree),
         "route[0].settings.success: expected ==, != or in at the end of 'x'"),
        (RouteConfig(name="c", profile="county", settings=tree | {"success": "a == 1"}),
         "route[0].tls: https:// needs ca_file: the authority to trust"),
        (RouteConfig(name="t", profile="thingsboard", host="h", settings={"access_token": "x"}),
         "route[0].settings.access_token: a secret has a file of its own: access_token_file"),
        (RouteConfig(name="a", profile="aliyun", host="h", settings={"tls": True}),
         "route[0].settings.tls: it goes by the table [route.tls]: leave it out"),
        (RouteConfig(name="n", profile="native", host="h", settings={"user": "x"}),
         "route[0].settings.user: unknown key; allowed here: client_id, username, password"),
        (RouteConfig(name="n", profile="native", host="h", commands=("ack", "disable")),
         f"route[0].commands[1]: no command 'disable'; {', '.join(CommandName)}"),
    ):  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            home.add(config)
        assert str(caught.value) == message


def test_every_route_in_the_documentation_can_be_made(tmp_path, tmp_path_factory):
    text = (Path(__file__).parents[2] / "docs" / "integrating.md").read_text("utf-8")
    secret = tmp_path / "secret"
    secret.write_text("MDEyMzQ1Njc4OWFiY2RlZg==")
    secret.chmod(0o600)
    urls = tmp_path / "urls"
    urls.write_text("ntfy://topic")
    urls.chmod(0o600)
    ca = Authority(tmp_path_factory.mktemp("ca")).ca
    made = []
    for example in re.findall(r"```toml\n(.*?)```", text, re.DOTALL):
        tree = tomllib.loads(
            re.sub(r'_file = "[^"]*"', f'_file = "{secret}"', example)
            .replace(f'ca_file = "{secret}"', f'ca_file = "{ca}"')
            .replace(f'urls_file = "{secret}"', f'urls_file = "{urls}"')
        )
        home = Home(tmp_path, [])
        for route in tree["route"]:
            config = convert(route, RouteConfig)
            home.add(config)
            made.append(config.profile)
    assert sorted(set(made)) == sorted(get_args(get_type_hints(RouteConfig)["profile"]))


async def test_a_platform_that_only_ever_says_later_is_a_problem_and_is_asked_again(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("edge_agent.simulator.platforms.aliyun.PARAMETER_ERROR", 503)
    told = []
    home = Home(tmp_path, ["aliyun"])
    busy = fake("aliyun", told, Reaction.REJECT)
    async with MqttServer(busy, "127.0.0.1", 0) as port:
        route = home.add(config_of("aliyun", port, tmp_path))
        async with running(home):
            await home.put("a1")
            await home.until(lambda: len([one for one in told if one["what"] == "alarm"]) == 3)
            assert route.standing.problem() == "no answer"
            assert route.standing.parked == 0
            busy._reaction = Reaction.ACCEPT
            await home.until(lambda: home.accepted == [("aliyun", "a1")])
            assert route.standing.problem() is None


def county(told, reaction, **more):
    """A county server and the table of a route to it, but for the port."""
    clock = SystemClock()
    tree = SHIPPED | more
    server = CountyServer(
        convert(tree, CountySettings),
        reaction,
        dict(BODIES),
        lambda: clock.now().utc_s,
        told.append,
    )

    def table(port):
        url = SHIPPED["url"].replace("8080", str(port))
        return RouteConfig(name="county", profile="county", settings=tree | {"url": url})

    return server, table


async def test_what_a_county_platform_rejects_is_parked_and_the_next_goes(tmp_path):
    told = []
    home = Home(tmp_path, ["county"])
    server, table = county(told, Reaction.REJECT)
    async with server as port:
        route = home.add(table(port))
        async with running(home):
            await home.put("bad")
            await home.until(lambda: route.standing.parked == 1)
            assert "参数错误" in route.standing.refused  # a 200 is no acceptance
            assert home.accepted == []
            assert route.standing.problem() is None
            server._reaction = Reaction.ACCEPT
            await home.put("good")
            await home.until(lambda: home.accepted == [("county", "good")])


async def test_a_county_platform_that_takes_a_request_and_says_nothing_is_asked_again(tmp_path):
    told = []
    home = Home(tmp_path, ["county"])
    server, table = county(told, Reaction.SILENT, timeout_s=1.0)
    async with server as port:
        route = home.add(table(port))
        async with running(home):
            await home.put("a1")
            await home.until(lambda: route.standing.problem() == "no connection")
            assert route.standing.error == "no answer within 1 s"
            assert await home.outbox.backlog() == {"county": 1}
            server._reaction = Reaction.ACCEPT
            await home.until(lambda: home.accepted == [("county", "a1")])
            assert route.standing.problem() is None


async def test_a_portal_in_the_way_is_no_answer_of_the_platforms(tmp_path):
    home = Home(tmp_path, ["county"])
    _, table = county([], Reaction.ACCEPT)
    page = (
        b"HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 00:00:00 GMT\r\nContent-Length: 6\r\n\r\n<html>"
    )
    asked = []

    async def portal(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(page)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(portal, "127.0.0.1", 0)
    async with server:
        route = home.add(table(server.sockets[0].getsockname()[1]))
        async with running(home):
            await home.put("a1")
            await home.until(lambda: len(asked) == 3)
            assert route.standing.problem() == "no answer"
            assert home.accepted == []
            assert home.times == []  # and its clock is nobody's


@pytest.mark.parametrize("quality", [Quality.NONE, Quality.PLATFORM, Quality.NTP])
async def test_over_https_a_wrong_clock_is_no_reason_either_and_a_good_one_is(
    tmp_path, tmp_path_factory, quality
):
    class Sure(SystemClock):
        def now(self):
            now = super().now()
            return Instant(now.monotonic_s, now.utc_s, quality)

    authority = Authority(tmp_path_factory.mktemp("ca"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("early", from_days=20.0))

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"Success": true}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    home = Home(tmp_path, ["county"], Sure())
    async with await asyncio.start_server(serve, "localhost", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        tree = SHIPPED | {"url": f"https://localhost:{port}/alarm", "plain": False}
        tls = TlsConfig(ca_file=str(authority.ca))
        route = home.add(RouteConfig(name="county", profile="county", tls=tls, settings=tree))
        async with running(home):
            await home.put("a1")
            if quality is Quality.NTP:
                await home.until(lambda: route.standing.error)
                assert "certificate is not yet valid" in route.standing.error
                assert home.accepted == []
            else:
                await home.until(lambda: home.accepted == [("county", "a1")])
