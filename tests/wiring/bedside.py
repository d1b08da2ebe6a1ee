"""An agent with one unit at hand: a real session at each end of the line, and no serial port."""

import asyncio
from contextlib import asynccontextmanager

from edge_agent.agent import Agent
from edge_agent.clock import SystemClock
from edge_agent.config.load import parse
from protocol.messages import Ack, Event, EventKind, Hello
from protocol.unit_session import UnitSession

BOOT = b"bootboot"
TREE = {
    "home": {"region": "640302001001", "home": "h0001"},
    "place": [{"id": "bath", "zh": "卫生间", "en": "bathroom"}],
    "unit": [{"id": "u1", "port": "/nowhere", "place": "bath", "person": "p1"}],
}


class Bedside:
    """A unit at the other end of an open line, with one press that it keeps until it is stored."""

    def __init__(self):
        self.bytes_read = self.bytes_written = 0
        self.session = UnitSession(Hello("u1", BOOT, 1, b"nonce..1"))
        self.stages = []
        self._loop = asyncio.get_running_loop()
        self._press = Event(BOOT, 1, EventKind.CALL_PRESSED, 0, 1000)

    def start(self, on_bytes, on_lost):
        self._on_bytes = on_bytes

    def write(self, data):
        self._loop.call_soon(self._take, data)

    def close(self):
        pass

    def greet(self):
        self.session.start(self._now_ms())
        self._push()

    def press(self):
        self.session.offer(BOOT, 1, [self._press], self._now_ms())
        self._push()

    def keeps(self):
        """Whether the press is still on its way, and will be sent again."""
        self.session.handle_timeout(self._now_ms())
        self._push()
        return self.session.in_flight(BOOT, 1)

    def _take(self, data):
        self.session.receive_data(data, self._now_ms())
        self.stages += [one.stage for one in self.session.events() if isinstance(one, Ack)]
        self._push()

    def _push(self):
        data = self.session.data_to_send()
        if data:
            self._on_bytes(data)

    def _now_ms(self):
        return round(self._loop.time() * 1000)


@asynccontextmanager
async def running(path, clock=None, **tree):
    unit = Bedside()
    agent = Agent(parse(TREE | tree), clock or SystemClock(), lambda _: unit, path, None)
    task = asyncio.create_task(agent.run())
    await asyncio.sleep(0.2)
    unit.greet()
    try:
        yield agent, unit
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(predicate):
    async with asyncio.timeout(10):
        while not predicate():
            await asyncio.sleep(0.05)
