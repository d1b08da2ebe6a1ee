"""What a configuration makes of a route: addresses, login, version, and what it says of itself."""

import asyncio

import pytest

from edge_agent.clock import SystemClock
from edge_agent.config.home import HomeConfig
from edge_agent.config.reading import ConfigError
from edge_agent.config.routes import MqttConfig, RouteConfig, TlsConfig
from edge_agent.outbox.rows import Batch, Telemetry
from edge_agent.relay.making import Maker, names_of
from edge_agent.relay.profile import Publication
from edge_agent.relay.route import Presence
from tests.relay.authority import Authority
from tests.relay.homes import Home, config_of, running
from tests.relay.mini_broker import MiniBroker, run

NOBODY = Presence("s", list, lambda: None)


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return TlsConfig(ca_file=str(Authority(tmp_path_factory.mktemp("ca")).ca))


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path, [])


def native(**more):
    return RouteConfig(name="town", profile="native", host="one.example", **more)


def addresses(route):
    return [(one.host, one.port) for one in route._brokers]


def test_the_port_is_that_of_mqtt_with_or_without_tls_unless_it_is_said(home, tls):
    assert addresses(home.add(native())) == [("one.example", 1883)]
    secure = home.add(native(tls=tls))
    assert addresses(secure) == [("one.example", 8883)]
    assert secure._brokers[0].tls.ca_file == tls.ca_file
    assert addresses(home.add(native(port=7, tls=tls))) == [("one.example", 7)]


def test_further_addresses_are_tried_in_their_order(home):
    route = home.add(native(port=7, keepalive_s=20, fallback=("two.example:8", "three.example:9")))
    assert addresses(route) == [("one.example", 7), ("two.example", 8), ("three.example", 9)]
    assert {one.keepalive_s for one in route._brokers} == {20}


def test_the_broker_of_the_home_has_further_addresses_and_tls_too(home, tls):
    config = MqttConfig(
        host="a.example", port=7, keepalive_s=33, fallback=("b.example:8",), tls=tls
    )
    route, made = home.maker.native(config, NOBODY)
    assert addresses(route) == [("a.example", 7), ("b.example", 8)]
    assert {(one.keepalive_s, one.tls) for one in route._brokers} == {(33, made)}
    assert made.ca_file == tls.ca_file
    assert route.name == "mqtt"


@pytest.mark.parametrize(
    ("profile", "protocol", "spoken"),
    [
        ("native", None, {"3.1.1", "5"}),
        ("native", "3.1.1", {"3.1.1"}),
        ("native", "5", {"5"}),
        ("thingsboard", None, {"3.1.1"}),
        ("thingsboard", "auto", {"3.1.1", "5"}),
    ],
)
def test_only_the_native_contract_asks_for_mqtt_5_by_itself(
    home, tmp_path, profile, protocol, spoken
):
    config = native() if profile == "native" else config_of(profile, 1, tmp_path)
    config = RouteConfig(
        **{name: getattr(config, name) for name in RouteConfig.__struct_fields__}
        | {"protocol": protocol}
    )
    assert home.add(config)._versions._allowed == spoken


@pytest.mark.parametrize("number", [0, 3])
def test_a_mistake_names_the_table_that_it_is_in(home, tls, number):
    for config, message in (
        (native(settings={"user": "x"}), ".settings.user: unknown key; "),
        (native(commands=("ack", "off")), ".commands[1]: no command 'off'; "),
        (native(tls=TlsConfig(ca_file="/nowhere")), ".tls.ca_file: no file '/nowhere'"),
    ):
        with pytest.raises(ConfigError) as caught:
            home.maker.route(config, number, NOBODY)
        assert str(caught.value).startswith(f"route[{number}]{message}")


async def test_who_we_are_is_what_the_files_say(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    secret.chmod(0o600)
    mini = MiniBroker()
    async with await asyncio.start_server(mini.serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        home = Home(tmp_path, ["mqtt"])
        config = MqttConfig(
            host="127.0.0.1", port=port, client_id="me", username="anzhen",
            password_file=str(secret), protocol="3.1.1",
        )  # fmt: skip
        route, _ = home.maker.native(config, NOBODY)
        home.routes.append(route)
        async with running(home):
            await home.until(lambda: mini.connects)
    said = mini.connects[0]
    assert said[10:] == b"\x00\x02me\x00\x06anzhen\x00\x06s3cret"


@pytest.mark.parametrize(
    ("home", "client_id"), [("h1", "anzhen640302001001h1"), ("h-1_b", "anzhen640302001001h1b")]
)
def test_a_client_id_of_ours_has_letters_and_digits_alone(home, client_id):
    maker = Maker(HomeConfig(region="640302001001", home=home), None, SystemClock(), None)
    route, _ = maker.native(MqttConfig(host="h"), NOBODY)
    assert route._profile.login(None).client_id == client_id


async def test_a_family_keeps_no_telemetry(tmp_path):
    urls = tmp_path / "urls"
    urls.write_text("json://127.0.0.1:9/")
    urls.chmod(0o600)
    config = RouteConfig(name="family", profile="apprise", settings={"urls_file": str(urls)})
    (name,) = names_of(config, 0)
    home = Home(tmp_path, [name])
    home.add(config)
    async with running(home):
        telemetry = [Telemetry("vitals/b1", b"1"), Telemetry("vitals/b1", b"2")]
        await home.outbox.put(Batch(telemetry=telemetry), 1.0)
        for route in home.routes:
            route.wake()
        await home.until(lambda: home.outbox._cursors.get(name) == 2)


@pytest.mark.parametrize(("allows", "kept"), [(b"", ["state", "1"]), (b"\x25\x00", [])])
def test_a_broker_that_keeps_nothing_is_not_asked_to(tmp_path, allows, kept):
    async def story(mini, outbox, relay):
        mini.allows = allows
        await asyncio.sleep(1)
        assert mini.published == ["state", "1"]
        assert mini.retained == kept
        assert mini.connections == 1

    run(story, tmp_path, [Publication("x/1", b"", retain=True)], protocol="5")


def test_an_outage_is_said_once_and_the_next_one_again(tmp_path, caplog):
    def said():
        return len([one for one in caplog.messages if one.endswith("; trying again for ever")])

    async def story(mini, outbox, relay):
        await asyncio.sleep(1)
        assert (relay.standing.is_online, said()) == (True, 0)
        mini.on_5 = b""
        mini.writers[-1].close()
        await asyncio.sleep(100)
        assert mini.connections > 4
        assert (relay.standing.problem(), said()) == ("no connection", 1)
        assert relay.standing.error == "hung up before any CONNACK"
        mini.on_5 = b"\x20\x03\x00\x00\x00"
        await asyncio.sleep(100)
        assert (relay.standing.error, said()) == (None, 1)
        mini.writers[-1].close()
        await asyncio.sleep(100)
        assert (relay.standing.problem(), said()) == (None, 2)

    run(story, tmp_path, protocol="5")
