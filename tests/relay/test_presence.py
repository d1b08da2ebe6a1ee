"""Who speaks for a home: two agents, one client id, wills that come late. On a real broker."""

import asyncio
import gc
from contextlib import asynccontextmanager

import aiomqtt
import msgspec
import pytest

from edge_agent.clock import SystemClock
from edge_agent.config.home import HomeConfig
from edge_agent.config.routes import MqttConfig
from edge_agent.outbox.outbox import Outbox
from edge_agent.relay.making import Maker
from edge_agent.relay.profiles.native import AgentState, NativeProfile
from edge_agent.relay.route import Hooks, Presence
from edge_agent.simulator.broker import EmbeddedBroker
from edge_agent.simulator.platforms.mqtt_server import MqttServer
from tests.relay.homes import Home, config_of, fake, running

# amqtt and paho leave sockets to the garbage collector, which closes them.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

STATE = "anzhen/v1/640302001001/h0001/agent/state"


@pytest.fixture(autouse=True)
def _sockets():
    yield
    gc.collect()  # here, where what it finds is no error


@asynccontextmanager
async def agent(folder, port, session, client_id):
    """The native route of an agent, and nothing else of it."""
    clock = SystemClock()
    outbox = Outbox(folder / f"{session}.db", ["mqtt"], clock.outside)
    await outbox.open()
    profile = NativeProfile("640302001001", "h0001")

    def state(word):
        return profile.agent_state(AgentState(word, session, "0", "ntp", None))

    presence = Presence(session, lambda: [state("online")], lambda: state("lost"))
    home = HomeConfig(region="640302001001", home="h0001")
    config = MqttConfig(  # amqtt has no MQTT 5
        host="127.0.0.1", port=port, client_id=client_id, protocol="3.1.1"
    )
    route, _ = Maker(home, outbox, clock, Hooks(None, None, None)).native(config, presence)
    task = asyncio.create_task(route.run())
    try:
        yield route
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await outbox.close()


async def until(predicate):
    async with asyncio.timeout(20):
        while not predicate():
            await asyncio.sleep(0.02)


async def test_a_will_that_comes_late_is_overwritten(tmp_path):
    with EmbeddedBroker() as port:
        async with (
            agent(tmp_path, port, "s2", "me") as route,
            aiomqtt.Client("127.0.0.1", port) as watcher,
        ):
            await until(lambda: route.standing.is_online)
            late = {"state": "lost", "session": "s1", "version": "0", "clock": "none", "at": None}
            await watcher.publish(STATE, msgspec.json.encode(late), qos=1, retain=True)
            await watcher.subscribe(STATE, qos=1)
            async with asyncio.timeout(10):
                async for message in watcher.messages:
                    seen = msgspec.json.decode(message.payload)
                    if seen["state"] == "online":
                        break
            assert seen["session"] == "s2"
            assert route.standing.trouble is None


async def test_two_agents_of_one_home_are_said_and_no_longer_when_one_has_left(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("edge_agent.relay.relay.SETTLED_S", 0.5)
    with EmbeddedBroker() as port:
        async with agent(tmp_path, port, "s1", "one") as first:
            await until(lambda: first.standing.is_online)
            await asyncio.sleep(0.4)
            async with agent(tmp_path, port, "s2", "two") as second:
                await until(lambda: first.standing.trouble)
                assert first.standing.problem() == (
                    "another agent speaks for this home: session s2"
                )
                await asyncio.sleep(0.6)  # a connection that lasts is no end to this
                assert first.standing.trouble is not None
                assert second.standing.trouble is None  # the other may be a run of the past
            await until(lambda: first.standing.trouble is None)


async def test_what_a_run_before_left_on_the_broker_is_no_second_agent(tmp_path):
    with EmbeddedBroker() as port:
        async with aiomqtt.Client("127.0.0.1", port) as client:
            old = {"state": "online", "session": "s1", "version": "0", "clock": "none", "at": None}
            await client.publish(STATE, msgspec.json.encode(old), qos=1, retain=True)
        async with agent(tmp_path, port, "s2", "me") as route:
            await until(lambda: route.standing.is_online)
            await asyncio.sleep(0.3)
            assert route.standing.trouble is None


async def test_two_clients_with_one_id_are_said_and_both_get_their_alarms_through(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("edge_agent.relay.relay.BACKOFF_FIRST_S", 0.2)
    monkeypatch.setattr("edge_agent.relay.relay.BACKOFF_SLOWEST_S", 0.4)
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    homes = [Home(folder, ["thingsboard"]) for folder in folders]
    async with MqttServer(fake("thingsboard", []), "127.0.0.1", 0) as port:
        for home, folder in zip(homes, folders):
            home.add(config_of("thingsboard", port, folder))
        async with running(homes[0]), running(homes[1]):
            await until(lambda: any(home.routes[0].standing.trouble for home in homes))
            for home in homes:
                await home.put("a1")
            for home in homes:
                await home.until(lambda: home.accepted == [("thingsboard", "a1")])  # noqa: B023
    troubles = {home.routes[0].standing.trouble for home in homes} - {None}
    assert troubles == {"connections end at once: is the client id in use elsewhere?"}
