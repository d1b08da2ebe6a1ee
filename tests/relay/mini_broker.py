"""A broker that misbehaves as it is told, and a native route at it, in virtual time."""

import asyncio
from contextlib import asynccontextmanager

from edge_agent.alarm.command import Response
from edge_agent.config.home import HomeConfig
from edge_agent.config.routes import MqttConfig
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Batch
from edge_agent.relay.making import Maker
from edge_agent.relay.profiles.native import AgentState, NativeProfile
from edge_agent.relay.route import Hooks, Presence
from edge_agent.simulator.conductor import Conductor, LockstepLoop, VirtualClock

HOME = HomeConfig(region="640302001001", home="h1")
CONNACK, SUBACK, PUBACK = b"\x20\x02\x00\x00", b"\x90\x03", b"\x40\x02"
CONNACK_5, SUBACK_5 = b"\x20\x03\x00\x00\x00", b"\x90\x04"


class MiniBroker:
    """Speaks just enough MQTT 3.1.1 and 5.

    Attributes:
        refuse: topics' ends that end a connection.
        codes: for a topic's end, the reason codes of the next PUBACKs (MQTT 5).
        on_5: what a CONNECT of MQTT 5 gets: bytes and the end; None for silence.
        allows: properties of a CONNACK of MQTT 5.
        retained: topics' ends of what was to be kept.
        versions: of the CONNECTs, in their order.
        connects: what the CONNECTs say.
        times_s: when the connections came, by the loop's clock.
        payloads: what was published last, by the topic's end (MQTT 3.1.1).
        held: topics' ends whose PUBACKs are kept in `owed`.
        acknowledged: PUBACKs of what the broker published.
    """

    def __init__(self):
        self.refuse = set()
        self.codes = {}
        self.on_5 = CONNACK_5
        self.allows = b""
        self.retained = []
        self.versions = []
        self.connects = []
        self.times_s = []
        self.payloads = {}
        self.held = set()
        self.owed = []
        self.acknowledged = 0
        self.published = []
        self.connections = 0
        self.writers = []

    async def serve(self, reader, writer):
        self.connections += 1
        self.times_s.append(asyncio.get_running_loop().time())
        self.writers.append(writer)
        is_5 = False
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
                    self.versions.append(body[6])
                    self.connects.append(body)
                    is_5 = body[6] == 5
                    if not is_5 or self.on_5 is not None:
                        writer.write(self._connack_5() if is_5 else CONNACK)
                    if is_5 and self.on_5 not in (None, CONNACK_5):
                        await writer.drain()
                        return
                elif kind >> 4 == 8:
                    middle = b"\x00" if is_5 else b""
                    writer.write((SUBACK_5 if is_5 else SUBACK) + body[:2] + middle + b"\x01")
                elif kind >> 4 == 3:
                    end = 2 + int.from_bytes(body[:2], "big")
                    topic = body[2:end].decode()
                    topic = topic.rsplit("/", 1)[-1]
                    if topic in self.refuse:
                        return
                    self.published.append(topic)
                    if kind & 1:
                        self.retained.append(topic)
                    self.payloads[topic] = body[end + 2 :]
                    if is_5 and self.codes.get(topic):
                        code = self.codes[topic].pop(0)
                        writer.write(b"\x40\x03" + body[end : end + 2] + bytes([code]))
                    elif topic in self.held:
                        self.owed.append(PUBACK + body[end : end + 2])
                    else:
                        writer.write(PUBACK + body[end : end + 2])
                elif kind >> 4 == 4:
                    self.acknowledged += 1
                elif kind >> 4 == 14:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _connack_5(self):
        if not self.allows:
            return self.on_5
        return bytes((0x20, 3 + len(self.allows), 0, 0, len(self.allows))) + self.allows

    def publish(self, topic, payload, number, *, retained=False):
        """Publish with QoS 1, in MQTT 3.1.1, on the newest connection."""
        name = topic.encode()
        body = len(name).to_bytes(2, "big") + name + number.to_bytes(2, "big") + payload
        assert len(body) < 128 * 128
        length = bytes((len(body) & 0x7F | 0x80, len(body) >> 7))
        self.writers[-1].write(bytes((0x32 | retained,)) + length + body)


@asynccontextmanager
async def running(tmp_path, conductor, states, protocol):
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
        MqttConfig(host="127.0.0.1", port=port, protocol=protocol),
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


def run(story, tmp_path, states=(), protocol="3.1.1"):
    conductor = Conductor()

    async def play():
        async with running(tmp_path, conductor, states, protocol) as parts:
            await story(*parts)

    with asyncio.Runner(loop_factory=lambda: LockstepLoop(conductor)) as runner:
        runner.run(play())
