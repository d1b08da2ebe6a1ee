"""MQTT 5 at a real mosquitto: what its reasons and limits change, and what they must not."""

import asyncio
import gc
import socket
from contextlib import suppress

import aiomqtt
import pytest
from msgspec.structs import replace

from edge_agent.alarm.alarm import State
from edge_agent.outbox.rows import Telemetry
from tests.relay.brokers import PREFIX, at_broker, mosquitto, until
from tests.test_outbox import make_alarm

pytestmark = [
    pytest.mark.broker,
    # paho leaves sockets to the garbage collector, which closes them.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

V5 = aiomqtt.ProtocolVersion.V5


@pytest.fixture(autouse=True)
def _sockets():
    yield
    gc.collect()  # here, where what it finds is no error


def alarm(name):
    return make_alarm(name, state=State.CONFIRMED)


def acl(folder, *topics):
    file = folder / "acl"
    lines = ["topic read #", *(f"topic readwrite {PREFIX}/{topic}" for topic in topics), ""]
    file.write_text("\n".join(lines))
    return f"acl_file {file}"


@pytest.mark.parametrize(("protocol", "spoken"), [("auto", "5"), ("5", "5"), ("3.1.1", "3.1.1")])
async def test_a_route_speaks_what_it_is_told_and_5_where_the_broker_has_it(
    tmp_path, protocol, spoken
):
    with mosquitto(tmp_path) as port:
        async with at_broker(tmp_path, port, protocol=protocol) as route:
            await route.put(alarm("a"))
            await until(lambda: route.accepted == ["a"])
            assert route.standing.version == spoken


async def test_an_alarm_that_the_broker_refuses_is_parked_said_and_goes_once_it_may(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("edge_agent.relay.parking.RETRY_PARKED_S", 0.5)
    with mosquitto(tmp_path, acl(tmp_path, "agent/state", "alarm/good")) as port:
        async with at_broker(tmp_path, port) as route:
            await route.put(alarm("bad"), alarm("good"))
            await until(lambda: route.accepted == ["good"])
            assert (route.standing.parked, route.standing.refused) == (1, "Not authorized")
            assert route.standing.is_online
            await asyncio.sleep(1.2)  # it was tried again, and is refused still
            assert (route.accepted, route.standing.parked) == (["good"], 1)


async def test_in_3_1_1_nobody_says_that_an_alarm_was_refused(tmp_path):
    with mosquitto(tmp_path, acl(tmp_path, "agent/state")) as port:
        async with at_broker(tmp_path, port, protocol="3.1.1") as route:
            await route.put(alarm("bad"))
            await until(lambda: route.accepted == ["bad"])  # why MQTT 5 is worth having


async def test_what_is_too_long_for_the_broker_is_refused_here_and_ends_no_connection(tmp_path):
    long = alarm("long")
    long = replace(long, last=replace(long.last, text={"zh": "跌倒" * 200, "en": "Fall"}))
    with mosquitto(tmp_path, "max_packet_size 1000") as port:
        async with at_broker(tmp_path, port) as route:
            await until(lambda: route.standing.is_online)
            await route.put(long, alarm("short"))
            await until(lambda: route.accepted == ["short"])
            assert route.standing.parked == 1
            assert route.standing.refused.endswith("bytes, and the broker takes 1000")
            assert route.standing.is_online
            assert route.standing.error is None


async def test_a_broker_that_takes_one_message_at_a_time_gets_one_at_a_time(tmp_path):
    names = [f"a{number}" for number in range(30)]
    with mosquitto(tmp_path, "max_inflight_messages 1") as port:
        async with at_broker(tmp_path, port) as route:
            await route.put(*(alarm(name) for name in names))
            await until(lambda: route.accepted == names)
            assert route.standing.error is None


async def test_that_nobody_has_subscribed_to_an_alarm_is_said(tmp_path):
    with mosquitto(tmp_path) as port:
        async with at_broker(tmp_path, port) as route:
            await route.put(alarm("a"))
            await until(lambda: route.accepted == ["a"])
            assert route.standing.is_unheard
            async with aiomqtt.Client("127.0.0.1", port) as platform:
                await platform.subscribe(f"{PREFIX}/alarm/#", qos=1)
                await route.put(alarm("b"))
                await until(lambda: route.accepted == ["a", "b"])
                assert not route.standing.is_unheard


async def test_telemetry_expires_and_no_alarm_ever_does(tmp_path):
    found = {}
    with mosquitto(tmp_path) as port:
        async with (
            aiomqtt.Client("127.0.0.1", port, protocol=V5) as platform,
            at_broker(tmp_path, port) as route,
        ):
            await platform.subscribe(f"{PREFIX}/#", qos=1)
            await route.put(alarm("a"), telemetry=[Telemetry("vitals/b1", b"{}")])
            async for message in platform.messages:
                expiry_s = getattr(message.properties, "MessageExpiryInterval", None)
                found[str(message.topic).removeprefix(f"{PREFIX}/")] = expiry_s
                if "vitals/b1" in found:
                    break
    assert found.pop("vitals/b1") == 259_200
    assert found == {"agent/state": None, "alarm/a": None}


async def test_telemetry_that_the_broker_refuses_is_left_out_and_no_fault(tmp_path):
    with mosquitto(tmp_path, acl(tmp_path, "agent/state", "alarm/a")) as port:
        async with at_broker(tmp_path, port) as route:
            await route.put(telemetry=[Telemetry("vitals/b1", b"{}")] * 3)
            await until(lambda: route.outbox._cursors.get("mqtt") == 3)
            await route.put(alarm("a"))
            await until(lambda: route.accepted == ["a"])
            assert route.standing.problem() is None
            assert route.standing.parked == 0


async def test_an_address_that_says_nothing_to_5_gets_3_1_1_after_a_short_wait(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("edge_agent.relay.versions.PROBE_S", 0.3)
    heard, ended = [], []

    async def serve(reader, writer):  # as amqtt does: it waits for the rest of the CONNECT
        packet = await reader.read(100)
        heard.append(packet[packet.index(b"MQTT") + 4])
        if heard[-1] == 4:
            writer.write(b"\x20\x02\x00\x00")
        version = heard[-1]
        with suppress(ConnectionError):
            await reader.read()
            writer.close()
            await writer.wait_closed()
        ended.append(version)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, family=socket.AF_INET)
    async with server:
        async with at_broker(tmp_path, server.sockets[0].getsockname()[1]):
            await until(lambda: heard == [5, 4], seconds=2)
            # a CONNACK that came late would take over our next connection: that line is closed
            await until(lambda: ended == [5], seconds=2)
        await until(lambda: ended == [5, 4])
