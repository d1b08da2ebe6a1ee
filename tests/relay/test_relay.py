"""A route against a broker that misbehaves: rows are parked, never lost, never in each other's way."""

import asyncio
from contextlib import asynccontextmanager

from edge_agent.alarm.alarm import State
from edge_agent.alarm.command import Response
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Batch
from edge_agent.relay.mqtt import Broker
from edge_agent.relay.profiles.native import AgentState, NativeProfile
from edge_agent.relay.relay import Hooks, Relay
from edge_agent.simulator.conductor import Conductor, LockstepLoop, VirtualClock
from tests.test_outbox import make_alarm

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
async def running(tmp_path, conductor):
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
    hooks = Hooks(accepted, command, lambda: [birth], lambda: birth, lambda name, up: None)
    port = server.sockets[0].getsockname()[1]
    relay = Relay("mqtt", Broker("127.0.0.1", port, "me"), profile, outbox, clock, hooks)
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


def run(story, tmp_path):
    conductor = Conductor()

    async def play():
        async with running(tmp_path, conductor) as parts:
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
        assert relay._profile.alarm("a", row.body).payload == row.body
        relay.wake()
        await asyncio.sleep(5)
        assert mini.published == ["state", "a"]

    run(story, tmp_path)
