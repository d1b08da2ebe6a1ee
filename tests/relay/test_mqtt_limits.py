"""A route over MQTT: every code by its meaning, and what it promises in numbers."""

import asyncio

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.alarm.alarm import State
from edge_agent.config.routes import RouteConfig
from edge_agent.outbox.rows import Batch
from edge_agent.relay.mqtt_client import _publish_bytes as publish_bytes
from edge_agent.relay.mqtt_client import _words as words
from edge_agent.relay.mqtt_client import code_of
from edge_agent.relay.relay import FIGHT, TAKEN
from edge_agent.relay.versions import Versions, allowed
from tests.relay.brokers import PREFIX
from tests.relay.homes import Home, running
from tests.relay.mini_broker import MiniBroker, run
from tests.test_outbox import make_alarm

HOUR_S = 3600.0


def alarm(name):
    return make_alarm(name, state=State.CONFIRMED)


# -- MQTT: codes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0x80, 0x81, 0x82, 0x83, 0x84, 0x95, 0x9A, 0x9B])
def test_a_connack_that_blames_the_packet_is_tried_in_3_1_1_at_once(tmp_path, code):
    async def story(mini, outbox, relay):
        mini.on_5 = bytes((0x20, 3, 0, code, 0))
        await asyncio.sleep(0.5)
        assert mini.versions == [5, 4]
        assert relay.standing.is_online

    run(story, tmp_path, protocol="auto")


@pytest.mark.parametrize("code", [0x80, 0x83, 0x91, 0x97])
def test_a_puback_that_may_be_another_one_next_time_parks_nothing_yet(tmp_path, code):
    async def story(mini, outbox, relay):
        mini.codes = {"a": [code, code]}
        await outbox.put(Batch([alarm("a")]), 1.0)
        relay.wake()
        await asyncio.sleep(0.5)
        assert relay.standing.parked == 0
        assert relay.standing.problem() == "no answer"
        await asyncio.sleep(20)
        assert mini.published == ["state", "a", "a", "a"]
        assert relay.standing.problem() is None
        assert await outbox.backlog() == {"mqtt": 0}

    run(story, tmp_path, protocol="5")


@pytest.mark.parametrize(("code", "is_unheard"), [(0x00, False), (0x10, True)])
def test_that_nobody_has_subscribed_is_an_acceptance_all_the_same(tmp_path, code, is_unheard):
    async def story(mini, outbox, relay):
        mini.codes = {"a": [code]}
        await outbox.put(Batch([alarm("a")]), 1.0)
        relay.wake()
        await asyncio.sleep(0.5)
        assert await outbox.backlog() == {"mqtt": 0}
        assert relay.standing.parked == 0
        assert relay.standing.is_unheard is is_unheard

    run(story, tmp_path, protocol="5")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (None, "Quota exceeded"),
        ("", "Quota exceeded"),
        ("too\nmany\x00", "Quota exceeded: toomany"),
        ("配额" * 100, "Quota exceeded: " + "配额" * 60),
    ],
)
@pytest.mark.fast
def test_what_a_puback_says_is_one_line_of_120_letters_at_most(said, found):
    properties = Properties(PacketTypes.PUBACK)
    if said is not None:
        properties.ReasonString = said
    assert words(ReasonCode(PacketTypes.PUBACK, identifier=0x97), properties) == found


@pytest.mark.fast
def test_the_code_of_an_error_is_its_own_or_that_of_its_cause():
    refused = aiomqtt.MqttCodeError(ReasonCode(PacketTypes.CONNACK, identifier=0x87), "no")
    around = aiomqtt.MqttError("no connection")
    around.__cause__ = refused
    assert [code_of(one) for one in (refused, around)] == [0x87, 0x87]
    assert [code_of(one) for one in (None, OSError(), aiomqtt.MqttCodeError(7, ""))] == [None] * 3


@pytest.mark.parametrize(
    ("qos", "payload", "size"), [(1, 10, 20), (0, 10, 18), (1, 119, 129), (1, 120, 131)]
)
@pytest.mark.fast
def test_the_length_of_a_publish_is_what_goes_over_the_line(qos, payload, size):
    assert publish_bytes("t/a", bytes(payload), qos, Properties(PacketTypes.PUBLISH)) == size


def test_a_connect_of_5_allows_the_broker_256_kib_a_packet(tmp_path):
    async def story(mini, outbox, relay):
        await asyncio.sleep(0.5)
        (said,) = mini.connects
        assert said[10:16] == b"\x05\x27" + (256 * 1024).to_bytes(4, "big")

    run(story, tmp_path, protocol="5")


async def test_a_route_that_says_nothing_of_it_keeps_its_connection_alive_every_minute(tmp_path):
    mini = MiniBroker()
    async with await asyncio.start_server(mini.serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        home = Home(tmp_path, ["town"])
        home.add(RouteConfig(name="town", profile="native", host="127.0.0.1", port=port))
        async with running(home):
            await home.until(lambda: mini.connects)
    assert int.from_bytes(mini.connects[0][8:10], "big") == 60


# -- MQTT: waits ----------------------------------------------------------------------------------


def test_an_address_that_is_away_is_tried_after_1_s_and_then_ever_more_seldom_to_30_s(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("random.random", lambda: 1.0)

    async def story(mini, outbox, relay):
        mini.on_5 = b""
        await asyncio.sleep(125)
        gaps_s = [after - before for before, after in zip(mini.times_s, mini.times_s[1:])]
        assert gaps_s == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30], abs=0.5)

    run(story, tmp_path, protocol="5")


@pytest.mark.parametrize(("ended", "trouble"), [(2, None), (3, FIGHT)])
def test_three_connections_that_end_at_once_are_called_a_fight_and_two_are_not(
    tmp_path, caplog, ended, trouble
):
    async def story(mini, outbox, relay):
        for number in range(ended):
            while mini.connections == number:
                await asyncio.sleep(1)
            await asyncio.sleep(25)  # of less than 30 s
            mini.writers[-1].close()
        await asyncio.sleep(0.1)
        assert relay.standing.trouble == trouble
        while mini.connections == ended:
            await asyncio.sleep(0.1)
        await asyncio.sleep(25)
        assert relay.standing.trouble == trouble
        await asyncio.sleep(10)
        assert relay.standing.trouble is None

    run(story, tmp_path, protocol="5")
    assert caplog.messages.count(f"route mqtt: {FIGHT}") == ended - 2


def test_a_connection_that_lasted_30_s_is_no_part_of_a_fight(tmp_path):
    async def story(mini, outbox, relay):
        for number in range(5):
            while mini.connections == number:
                await asyncio.sleep(0.5)
            await asyncio.sleep(31)
            mini.writers[-1].close()
            await asyncio.sleep(0.01)
            assert relay.standing.trouble is None

    run(story, tmp_path, protocol="5")


@pytest.mark.fast
def test_troubles_are_said_in_these_words():
    assert FIGHT == "connections end at once: is the client id in use elsewhere?"
    assert TAKEN == "the client id is in use elsewhere: another client keeps taking it over"


@pytest.mark.fast
def test_a_connect_waits_10_s_and_the_first_one_of_mqtt_5_three():
    versions = Versions(allowed("auto"))
    versions.choose(0, 0.0)
    assert versions.wait_s(0) == 3.0
    versions.note_refused(0, is_certain=False, is_silent=True)
    versions.choose(0, 0.0)
    assert versions.wait_s(0) == 10.0


@pytest.mark.parametrize(("is_certain", "hours"), [(True, 24), (False, 1)])
@pytest.mark.fast
def test_a_broker_without_5_is_asked_again_after_a_day_and_one_that_may_have_it_after_an_hour(
    is_certain, hours
):
    versions = Versions(allowed("auto"))
    versions.choose(0, 0.0)
    versions.note_refused(0, is_certain=is_certain)
    versions.note_connected(0, versions.choose(0, 0.0), 0.0)
    assert versions.choose(0, hours * HOUR_S - 1) == "3.1.1"
    assert versions.choose(0, hours * HOUR_S) == "5"


@pytest.mark.parametrize("ends", [(False, False, True, False, False), (False, False)])
@pytest.mark.fast
def test_3_1_1_is_not_tried_for_two_short_connections_nor_around_a_good_one(ends):
    versions = Versions(allowed("auto"))
    for lasted in ends:
        assert versions.choose(0, 0.0) == "5"
        versions.note_connected(0, versions.choose(0, 0.0), 0.0)
        versions.note_ended(0, lasted=lasted)
    assert versions.choose(0, 0.0) == "5"
    versions.note_connected(0, versions.choose(0, 0.0), 0.0)
    versions.note_ended(0)  # the third in a row
    assert versions.choose(0, 0.0) == "3.1.1"
    versions.note_connected(0, versions.choose(0, 0.0), 0.0)
    assert versions.choose(0, HOUR_S - 1) == "3.1.1"
    assert versions.choose(0, HOUR_S) == "5"


def test_of_more_commands_than_can_be_answered_64_are_and_an_alarm_waits_for_none(tmp_path):
    async def story(mini, outbox, relay):
        await asyncio.sleep(1)
        mini.held = {"a"}
        await outbox.put(Batch([alarm("a")]), 1.0)
        relay.wake()
        while not mini.owed:
            await asyncio.sleep(0)
        for number in range(1, 101):
            mini.publish(f"{PREFIX}/command/ack", b'{"transaction":"t"}', number)
        while mini.acknowledged < 100:
            await asyncio.sleep(0)
        await outbox.put(Batch([alarm("b")]), 2.0)
        mini.writers[-1].write(mini.owed.pop())
        await asyncio.sleep(5)
        assert mini.published == ["state", "a", "b", *["ack"] * 64]

    run(story, tmp_path)
