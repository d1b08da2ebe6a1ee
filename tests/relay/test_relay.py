"""A route against a broker that misbehaves: rows are parked, never lost, never in each other's way."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

from edge_agent.alarm.alarm import State
from edge_agent.alarm.command import Response
from edge_agent.config import HomeConfig, MqttConfig
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Batch, Telemetry
from edge_agent.relay.making import Maker
from edge_agent.relay.profile import Publication
from edge_agent.relay.profiles.native import AgentState, NativeProfile
from edge_agent.relay.route import Hooks, Presence
from edge_agent.simulator.conductor import Conductor, LockstepLoop, VirtualClock
from tests.test_outbox import make_alarm

HOME = HomeConfig(region="640302001001", home="h1")
CONNACK, SUBACK, PUBACK = b"\x20\x02\x00\x00", b"\x90\x03", b"\x40\x02"


class MiniBroker:
    """Speaks just enough MQTT 3.1.1; `refuse` is a set of topics' ends that end a connection."""

    def __init__(self):
        self.refuse = set()
        self.published = []
        self.connections = 0
        self.writers = []

    async def serve(self, reader, writer):
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                kind = (await reader.readexactly(1))[0]
                length, shift = 0, 0
                while True:
                    byte = (await reader.readexactly(1))[0]
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    if not byte & 0x80:
                        break
                body = await reader.readexactly(length)
                if kind >> 4 == 1:
                    writer.write(CONNACK)
                elif kind >> 4 == 8:
                    writer.write(SUBACK + body[:2] + b"\x01")
                elif kind >> 4 == 3:
                    end = 2 + int.from_bytes(body[:2], "big")
                    topic = body[2:end].decode()
                    if topic.rsplit("/", 1)[-1] in self.refuse:
                        return
                    self.published.append(topic.rsplit("/", 1)[-1])
                    writer.write(PUBACK + body[end : end + 2])
                elif kind >> 4 == 14:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running(tmp_path, conductor, states=()):
    mini = MiniBroker()
    server = await asyncio.start_server(mini.serve, "127.0.0.1", 0)
    clock = VirtualClock(conductor, 1_795_400_000.0, 1)
    outbox = Outbox(tmp_path / "o.db", ["mqtt"], clock.outside)
    await outbox.open()
    profile = NativeProfile("640302001001", "h1")

    async def accepted(route, row):
        await outbox.put(Batch(accepted=[(route, row.row)]), 1.0)

    async def command(command):
        return Response(transaction=command.transaction, ok=True)

    birth = profile.agent_state(AgentState("online", "s", "0", "ntp", None))
    port = server.sockets[0].getsockname()[1]
    relay, _ = Maker(HOME, outbox, clock, Hooks(accepted, accepted, command)).native(
        MqttConfig(host="127.0.0.1", port=port),
        Presence("s", lambda: [birth, *states], lambda: birth),
    )
    task = asyncio.create_task(relay.run())
    try:
        yield mini, outbox, relay
    finally:
        conductor.hold()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()
        for writer in mini.writers:
            writer.close()
        await server.wait_closed()
        await outbox.close()


def run(story, tmp_path, states=()):
    conductor = Conductor()

    async def play():
        async with running(tmp_path, conductor, states) as parts:
            await story(*parts)

    with asyncio.Runner(loop_factory=lambda: LockstepLoop(conductor)) as runner:
        runner.run(play())


def test_a_row_that_ends_the_connection_three_times_is_parked_and_the_next_goes(tmp_path):
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

    run(story, tmp_path)


def test_telemetry_that_ends_the_connection_three_times_is_left_out_and_the_next_goes(tmp_path):
    async def story(mini, outbox, relay):
        mini.refuse = {"bad"}
        lane = [Telemetry(f"vitals/{name}", b"{}") for name in ("bad", "good", "bad", "good")]
        await outbox.put(Batch(telemetry=lane), 1.0)
        relay.wake()
        await asyncio.sleep(180)
        assert [name for name in mini.published if name != "state"] == ["good", "good"]
        assert mini.connections == 7
        assert relay.standing.parked == 0

    run(story, tmp_path)


def test_an_alarm_goes_before_all_that_is_said_again_on_a_new_connection(tmp_path):
    states = [Publication(f"x/{number}", b"", retain=True) for number in range(30)]

    async def story(mini, outbox, relay):
        await outbox.put(Batch([make_alarm("a", state=State.CONFIRMED)]), 1.0)
        await asyncio.sleep(5)
        assert mini.published[:2] == ["state", "a"]
        assert mini.published[2:] == [str(number) for number in range(30)]

    run(story, tmp_path, states)


def test_birth_is_published_on_every_connection(tmp_path):
    async def story(mini, outbox, relay):
        await asyncio.sleep(1)
        for writer in mini.writers:
            writer.close()
        await asyncio.sleep(40)
        assert mini.connections == 2
        assert mini.published == ["state", "state"]

    run(story, tmp_path)


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
