"""A route against a broker that misbehaves: rows are parked, never lost, never in each other's way."""

import asyncio
from dataclasses import replace

import pytest

from edge_agent.alarm.alarm import State
from edge_agent.clock import Quality
from edge_agent.outbox.rows import Batch, Telemetry
from edge_agent.relay.profile import Publication
from tests.relay.mini_broker import run
from tests.test_outbox import make_alarm


@pytest.fixture(params=["3.1.1", "5", "auto"])
def protocol(request):
    return request.param


def test_a_row_that_ends_the_connection_three_times_is_parked_and_the_next_goes(tmp_path, protocol):
    async def story(mini, outbox, relay):
        mini.refuse = {"bad"}
        await outbox.put(Batch([make_alarm("bad", state=State.CONFIRMED)]), 1.0)
        await outbox.put(Batch([make_alarm("good", state=State.CONFIRMED)]), 1.0)
        relay.wake()
        await asyncio.sleep(40)
        assert "good" in mini.published
        assert "bad" not in mini.published
        assert 3 <= mini.connections <= 5

        mini.refuse = set()  # the broker was mended: nobody has to restart anything
        await asyncio.sleep(90)
        assert mini.published.count("bad") == 1
        assert await outbox.backlog() == {"mqtt": 0}

    run(story, tmp_path, protocol=protocol)


def test_telemetry_that_ends_the_connection_three_times_is_left_out_and_the_next_goes(
    tmp_path, protocol
):
    async def story(mini, outbox, relay):
        mini.refuse = {"bad"}
        lane = [Telemetry(f"vitals/{name}", b"{}") for name in ("bad", "good", "bad", "good")]
        await outbox.put(Batch(telemetry=lane), 1.0)
        relay.wake()
        await asyncio.sleep(180)
        assert [name for name in mini.published if name != "state"] == ["good", "good"]
        assert mini.connections == 7
        assert relay.standing.parked == 0

    run(story, tmp_path, protocol=protocol)


def test_an_alarm_goes_before_all_that_is_said_again_on_a_new_connection(tmp_path):
    states = [Publication(f"x/{number}", b"", retain=True) for number in range(30)]

    async def story(mini, outbox, relay):
        await outbox.put(Batch([make_alarm("a", state=State.CONFIRMED)]), 1.0)
        await asyncio.sleep(5)
        assert mini.published[:2] == ["state", "a"]
        assert mini.published[2:] == [str(number) for number in range(30)]

    run(story, tmp_path, states)


def test_birth_is_published_on_every_connection(tmp_path, protocol):
    async def story(mini, outbox, relay):
        await asyncio.sleep(1)
        for writer in mini.writers:
            writer.close()
        await asyncio.sleep(40)
        assert mini.connections == 2
        assert mini.published == ["state", "state"]

    run(story, tmp_path, protocol=protocol)


def test_retained_topics_are_said_again_once_the_clock_has_become_a_better_one(tmp_path):
    async def story(mini, outbox, relay):
        await asyncio.sleep(1)
        assert mini.published == ["state", "1"]
        relay._clock.quality = Quality.PLATFORM
        relay.wake()
        await asyncio.sleep(1)
        relay.wake()
        await asyncio.sleep(1)
        assert mini.published == ["state", "1"] * 2

    run(story, tmp_path, [Publication("x/1", b"", retain=True)])


def test_an_event_is_published_byte_for_byte_as_it_was_stored(tmp_path):
    async def story(mini, outbox, relay):
        await outbox.put(Batch([make_alarm("a", state=State.CONFIRMED)]), 1.0)
        (row,) = await outbox.pending("mqtt", 1)
        assert relay._profile.deliver(row.body, None).publications[0].payload == row.body
        relay.wake()
        await asyncio.sleep(5)
        assert mini.published == ["state", "a"]

    run(story, tmp_path)


def test_the_address_of_a_connection_that_lasted_is_the_next_one_that_is_tried(
    tmp_path, unused_tcp_port
):
    async def story(mini, outbox, relay):
        relay._brokers.append(replace(relay._brokers[0], port=unused_tcp_port))
        await asyncio.sleep(40)
        mini.writers[0].close()
        await asyncio.sleep(2)
        assert mini.connections == 2
        assert relay._at == 0
        mini.writers[1].close()  # and of one that did not last, another
        await asyncio.sleep(0.01)
        while relay._at == 0:
            await asyncio.sleep(0.1)
        assert relay._at == 1

    run(story, tmp_path)
