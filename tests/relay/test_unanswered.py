"""What a broker does not answer: it is treated as gone, and what was on its way goes again."""

import asyncio
import gc
from contextlib import asynccontextmanager

import msgspec
import pytest

from edge_agent.alarm.alarm import State
from edge_agent.config.routes import RouteConfig
from edge_agent.outbox.rows import Telemetry
from tests.relay.brokers import PREFIX, at_broker, until
from tests.relay.homes import Home, running
from tests.relay.mini_broker import MiniBroker
from tests.test_outbox import make_alarm

# paho leaves sockets to the garbage collector, which closes them.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _sockets():
    yield
    gc.collect()  # here, where what it finds is no error


def alarm(name):
    return make_alarm(name, state=State.CONFIRMED)


@asynccontextmanager
async def mini_broker():
    mini = MiniBroker()
    async with await asyncio.start_server(mini.serve, "127.0.0.1", 0) as server:
        mini.port = server.sockets[0].getsockname()[1]
        yield mini


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_an_alarm_without_a_puback_goes_again_on_another_connection(
    tmp_path, monkeypatch, protocol
):
    monkeypatch.setattr("edge_agent.relay.mqtt.ACCEPT_S", 0.3)
    async with mini_broker() as mini:
        mini.held = {"a"}
        async with at_broker(tmp_path, mini.port, protocol=protocol) as route:
            await route.put(alarm("a"))
            await until(lambda: route.standing.error is not None)
            assert route.standing.error == "no PUBACK in time"
            assert route.standing.problem() == "no connection"
            assert route.accepted == []
            mini.held = set()
            await until(lambda: route.accepted == ["a"])
            assert route.standing.problem() is None
            assert mini.published == ["state", "a", "state", "a"]


async def test_telemetry_without_a_puback_is_tried_three_times_and_then_left_out(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("edge_agent.relay.mqtt.ACCEPT_S", 0.2)
    monkeypatch.setattr("edge_agent.relay.relay.BACKOFF_FIRST_S", 0.1)
    async with mini_broker() as mini:
        mini.held = {"b1"}
        async with at_broker(tmp_path, mini.port) as route:
            await route.put(telemetry=[Telemetry("vitals/b1", b"{}"), Telemetry("vitals/b2", b"")])
            await until(lambda: "b2" in mini.published)
            assert mini.published.count("b1") == 3
            assert mini.published.count("b2") == 1
            await until(lambda: route.outbox._cursors.get("mqtt") == 2)
    assert caplog.messages.count("route mqtt: left vitals/b1 out") == 1


async def test_a_puback_of_what_was_given_up_is_no_acceptance_of_what_goes_now(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("edge_agent.relay.mqtt.ACCEPT_S", 0.3)
    async with mini_broker() as mini:
        mini.held = {"a", "b"}
        async with at_broker(tmp_path, mini.port) as route:
            await route.put(alarm("a"))
            await until(lambda: mini.owed)
            mini.writers[-1].write(b"\x40\x02\x7f\x7f")  # for nothing that was ever sent
            await asyncio.sleep(0.1)
            assert route.accepted == []
            mini.writers[-1].write(mini.owed.pop())
            await until(lambda: route.accepted == ["a"])


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_the_agent_says_good_bye_as_its_will_and_ends_the_connection(tmp_path, protocol):
    async with mini_broker() as mini:
        async with at_broker(tmp_path, mini.port, protocol=protocol) as route:
            await until(lambda: route.standing.is_online)
            await until(lambda: mini.published == ["state"])
        await until(lambda: mini.writers[-1].is_closing())
        assert mini.published == ["state", "state"]


async def test_what_the_broker_says_of_no_form_is_said_once_a_connection(tmp_path, caplog):
    async with mini_broker() as mini, at_broker(tmp_path, mini.port, protocol="3.1.1") as route:
        await until(lambda: route.standing.is_online)
        for number in range(1, 4):
            mini.publish(f"{PREFIX}/agent/state", b"[]", number)
        await until(lambda: mini.acknowledged == 3)
        await asyncio.sleep(0.1)
        assert route.standing.is_online
    said = [one for one in caplog.messages if one.startswith("route mqtt: refused a message: ")]
    assert len(said) == 1


async def test_a_command_that_is_none_is_answered_and_said(tmp_path, caplog):
    async with mini_broker() as mini, at_broker(tmp_path, mini.port, protocol="3.1.1") as route:
        await until(lambda: route.standing.is_online)
        mini.publish(f"{PREFIX}/command/ack", b"{", 1)
        await until(lambda: mini.published == ["state", "ack"])
        mini.publish(f"{PREFIX}/command/ack", b'{"transaction":"t"}', 2, retained=True)
        await until(lambda: mini.published == ["state", "ack", "ack"])
    said = [one for one in caplog.messages if "refused a command" in one]
    assert said[1:] == ["route mqtt: refused a command: a retained command is refused"]
    assert said[0].startswith("route mqtt: refused a command: not a command body: ")


async def test_what_a_route_may_not_do_is_answered_with_the_reason(tmp_path):
    async with mini_broker() as mini:
        home = Home(tmp_path, ["town"])
        home.add(
            RouteConfig(
                name="town", profile="native", host="127.0.0.1", port=mini.port,
                protocol="3.1.1", commands=("ack",),
            )
        )  # fmt: skip
        async with running(home):
            await home.until(lambda: home.routes[0].standing.is_online)
            said = b'{"transaction":"t7","alarm_id":"a1"}'
            mini.publish("anzhen/v1/640302001001/h0001/command/configure", said, 1)
            await home.until(lambda: "configure" in mini.payloads)
            answer = msgspec.json.decode(mini.payloads["configure"])
            assert home.commands == []
            mini.publish("anzhen/v1/640302001001/h0001/command/ack", said, 2)
            await home.until(lambda: "ack" in mini.payloads)
            assert home.commands == [("town", "ack")]
    assert (answer["transaction"], answer["ok"], answer["alarm_id"]) == ("t7", False, "a1")
    assert answer["error"] == "this route may not configure"


async def test_an_address_that_had_5_and_is_silent_gets_its_next_turn_and_no_second_try_at_once(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("random.random", lambda: 1.0)
    monkeypatch.setattr("edge_agent.relay.versions.CONNECT_S", 0.3)
    monkeypatch.setattr("edge_agent.relay.relay.BACKOFF_FIRST_S", 0.5)
    async with mini_broker() as mini, at_broker(tmp_path, mini.port) as route:
        await until(lambda: route.standing.is_online)
        mini.on_5 = None
        mini.writers[-1].close()
        await until(lambda: route.standing.is_online and mini.connections == 3)
        assert mini.versions == [5, 5, 4]
        assert mini.times_s[2] - mini.times_s[1] > 0.3 + 0.5
