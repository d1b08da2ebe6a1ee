"""Brokers without MQTT 5, with half of it, and what their reason codes make of an alarm."""

import asyncio

import pytest

from edge_agent.alarm.alarm import State
from edge_agent.outbox.rows import Batch
from edge_agent.relay.relay import TAKEN
from edge_agent.relay.versions import CERTAIN_S
from tests.relay.mini_broker import CONNACK, run
from tests.test_outbox import make_alarm

WITHOUT_5 = {
    "says so in 3.1.1": b"\x20\x02\x00\x01",
    "says so in 5": b"\x20\x03\x00\x84\x00",
    "hangs up": b"",
    "calls it a protocol error": b"\x20\x03\x00\x82\x00",
    "keeps nothing": b"\x20\x03\x00\x9a\x00",
    "does not look at the version": CONNACK,
    "answers nonsense": b"\x20\x03\x00\x00\x7f",
}


def alarm(name):
    return make_alarm(name, state=State.CONFIRMED)


@pytest.mark.parametrize("how", WITHOUT_5)
def test_a_broker_without_5_costs_one_connection_and_only_the_first_time(tmp_path, how):
    async def story(mini, outbox, relay):
        mini.on_5 = WITHOUT_5[how]
        await outbox.put(Batch([alarm("a")]), 1.0)
        relay.wake()
        await asyncio.sleep(0.5)
        assert mini.published == ["state", "a"]
        assert mini.versions == [5, 4]
        assert relay.standing.version == "3.1.1"
        mini.writers[-1].close()
        await asyncio.sleep(40)
        assert mini.versions == [5, 4, 4]

    run(story, tmp_path, protocol="auto")


def test_a_broker_that_was_updated_is_spoken_to_in_5_after_a_while(tmp_path):
    async def story(mini, outbox, relay):
        mini.on_5 = WITHOUT_5["says so in 3.1.1"]
        await asyncio.sleep(CERTAIN_S + 60.0)
        mini.on_5 = b"\x20\x03\x00\x00\x00"
        assert mini.versions == [5, 4]  # a connection that stands is not ended for it
        mini.writers[-1].close()
        await asyncio.sleep(40)
        assert mini.versions == [5, 4, 5]
        assert relay.standing.version == "5"

    run(story, tmp_path, protocol="auto")


def test_a_broker_that_will_not_have_what_is_configured_is_not_spoken_to_otherwise(tmp_path):
    async def story(mini, outbox, relay):
        mini.on_5 = WITHOUT_5["hangs up"]
        await asyncio.sleep(40)
        assert set(mini.versions) == {5}
        assert len(mini.versions) > 2
        assert relay.standing.problem() == "no connection"

    run(story, tmp_path, protocol="5")


def test_a_broker_that_lets_5_in_and_then_ends_it_gets_3_1_1_after_the_third_time(tmp_path):
    async def story(mini, outbox, relay):
        mini.on_5 = b"\x20\x03\x00\x00\x00\xff"  # in, and then no MQTT
        await outbox.put(Batch([alarm("a")]), 1.0)
        relay.wake()
        await asyncio.sleep(30)
        assert mini.versions == [5, 5, 5, 4]
        assert mini.published == ["state", "a"]

    run(story, tmp_path, protocol="auto")


@pytest.mark.parametrize("code", [0x86, 0x87, 0x88, 0x97])
def test_a_broker_that_has_5_and_will_not_have_us_is_not_asked_in_3_1_1(tmp_path, code):
    async def story(mini, outbox, relay):
        mini.on_5 = bytes((0x20, 3, 0, code, 0))
        await asyncio.sleep(40)
        assert set(mini.versions) == {5}
        assert relay.standing.problem() == "no connection"

    run(story, tmp_path, protocol="auto")


def test_an_alarm_that_is_refused_for_now_goes_again_and_is_parked_at_the_third_time(tmp_path):
    async def story(mini, outbox, relay):
        mini.codes = {"twice": [0x97, 0x80], "often": [0x97] * 3}
        await outbox.put(Batch([alarm("twice"), alarm("often"), alarm("good")]), 1.0)
        relay.wake()
        await asyncio.sleep(0.5)
        assert mini.published[-1] == "good"  # it waits for nobody
        await asyncio.sleep(20)
        assert mini.published.count("twice") == 3
        assert mini.published.count("often") == 3
        assert (relay.standing.parked, relay.standing.refused) == (1, "Quota exceeded")
        assert await outbox.backlog() == {"mqtt": 0}
        assert mini.connections == 1
        await asyncio.sleep(60)  # and tried again from its parking
        assert mini.published.count("often") == 4
        assert relay.standing.parked == 0

    run(story, tmp_path, protocol="5")


@pytest.mark.parametrize("code", [0x87, 0x90, 0x99])
def test_an_alarm_that_is_refused_for_good_is_parked_at_once(tmp_path, code):
    async def story(mini, outbox, relay):
        mini.codes = {"bad": [code]}
        await outbox.put(Batch([alarm("bad"), alarm("good")]), 1.0)
        relay.wake()
        await asyncio.sleep(2)
        assert mini.published == ["state", "bad", "good"]
        assert relay.standing.parked == 1

    run(story, tmp_path, protocol="5")


def test_a_birth_that_is_refused_keeps_no_alarm_back(tmp_path):
    async def story(mini, outbox, relay):
        mini.codes = {"state": [0x87]}
        await outbox.put(Batch([alarm("a")]), 1.0)
        relay.wake()
        await asyncio.sleep(2)
        assert mini.published == ["state", "a"]
        assert mini.connections == 1

    run(story, tmp_path, protocol="5")


def test_that_a_client_took_our_id_over_is_said_at_once_and_no_longer_once_it_lasts(tmp_path):
    async def story(mini, outbox, relay):
        await asyncio.sleep(1)
        mini.writers[0].write(b"\xe0\x02\x8e\x00")
        mini.writers[0].close()
        await asyncio.sleep(5)
        assert mini.connections == 2
        assert relay.standing.problem() == TAKEN
        await asyncio.sleep(30)
        assert relay.standing.problem() is None

    run(story, tmp_path, protocol="5")
