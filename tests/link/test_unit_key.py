"""One unit over one line with a key: what the agent is given, and what it is told once."""

import asyncio
import logging

import pytest

from edge_agent.clock import SystemClock
from edge_agent.unit import REFUSED_FRAMES, LinkLost, Unit
from protocol.messages import Event, Hello, Log, Stage, Status
from protocol.unit_session import UnitSession

KEY = bytes(range(32))
BOOT = b"bootboot"


class Cable:
    """An open line whose other end is a unit's session."""

    def __init__(self, key):
        self.bytes_read = self.bytes_written = 0
        self.peer = UnitSession(Hello("bed-1", BOOT, 1, b"nonce..1"), key)
        self._now_ms = 0

    def start(self, on_bytes, on_lost):
        self._on_bytes, self.pull = on_bytes, on_lost

    def write(self, data):
        asyncio.get_running_loop().call_soon(self._deliver, data)

    def _deliver(self, data):
        self.peer.receive_data(data, self._now_ms)
        self.push()

    def push(self):
        """Hand over what the unit has to say."""
        data = self.peer.data_to_send()
        if data:
            self._on_bytes(data)

    def greet(self):
        self._now_ms += 1000
        self.peer.start(self._now_ms)
        self.push()

    def close(self):
        pass


@pytest.fixture
async def serve():
    tasks = []

    async def start(cable, key=KEY):
        received = []
        unit = Unit("bed-1", lambda: cable, SystemClock(), received, lambda: None, key)
        tasks.append(asyncio.create_task(unit.run()))
        await settle()
        return unit, received

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


def kinds(received):
    return [type(one.message).__name__ for one in received]


async def test_a_unit_that_has_the_key_is_there_and_its_event_is_acknowledged(serve):
    cable = Cable(KEY)
    unit, received = await serve(cable)
    cable.greet()
    await settle()
    assert kinds(received) == ["Hello", "ClockSample"]
    cable.peer.offer(BOOT, 0, [Event(BOOT, 0, 1, 0, 0)], 0)
    cable.push()
    unit.session.acknowledge(BOOT, 0, Stage.STORED)
    unit.flush()
    await settle()
    assert kinds(received)[2:] == ["Event"]
    assert not cable.peer.in_flight(BOOT, 0)


async def test_an_agent_that_starts_anew_gets_the_unit_back_with_its_next_word(serve):
    cable = Cable(KEY)
    unit, received = await serve(cable)
    cable.greet()
    await settle()
    cable.pull("unplugged")
    await settle()
    assert kinds(received)[2:] == ["LinkLost"]
    cable.peer.send(Status(0))
    cable.push()
    await settle()
    assert kinds(received)[3:] == ["Hello", "ClockSample"]
    assert unit.session.unverified == 1
    assert received[2].message == LinkLost("unplugged")


@pytest.mark.parametrize("key", [b"", KEY[::-1]])
async def test_a_unit_without_the_key_is_not_there_and_it_is_said_once(serve, caplog, key):
    cable = Cable(key)
    caplog.set_level(logging.WARNING)
    _, received = await serve(cable)
    for _ in range(3 * REFUSED_FRAMES):
        cable.greet()
    await settle()
    assert received == []
    assert [record.getMessage() for record in caplog.records] == [
        "unit bed-1: no frame carries its key's tag: its link.key and our key_file differ; provision it anew"
    ]


async def test_an_agent_without_a_key_takes_a_unit_without_one_as_ever(serve):
    cable = Cable(b"")
    _, received = await serve(cable, b"")
    cable.greet()
    await settle()
    assert "Hello" in kinds(received)
    cable.peer.send(Log(20, 0, "text"))
    cable.push()
    assert kinds(received)[-1] == "Log"
