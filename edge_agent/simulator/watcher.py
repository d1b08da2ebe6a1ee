"""The platform's side of a scene: a subscriber, and people who answer alarms.

It subscribes like any integrator and sends commands like any platform. Virtual time stands
still while a stored event is on its way to it, so that what arrives when does not depend on
the speed of this machine.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiomqtt
import msgspec

from edge_agent.alarm.alarm import AlarmEvent, State
from edge_agent.simulator.conductor import Conductor
from edge_agent.simulator.scene import ScenePlatform

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Arrival:
    """An alarm event as the subscriber got it.

    Attributes:
        at_s: virtual seconds of its arrival.
    """

    event: AlarmEvent
    at_s: float


class Watcher:
    """Subscribes to everything of one home and answers its alarms."""

    def __init__(
        self,
        prefix: str,
        port: int,
        conductor: Conductor,
        platform: ScenePlatform,
        on_arrival: Callable[[Arrival], None],
        on_message: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self.arrivals: list[Arrival] = []
        self.messages = 0
        self._prefix = prefix
        self._port = port
        self._conductor = conductor
        self._platform = platform
        self._on_arrival = on_arrival
        self._on_message = on_message
        self._expected: set[tuple[str, int]] = set()
        self._unanswered: set[str] = set()
        self._answering: dict[str, asyncio.Task[None]] = {}
        self._client: aiomqtt.Client | None = None

    def expect(self, event: AlarmEvent) -> None:
        """Note that an event was stored: time stands still until it is here."""
        key = (event.alarm_id, event.event)
        if key not in self._expected:
            self._expected.add(key)
            self._conductor.hold()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Subscribe, and listen until left."""
        self._conductor.hold()
        client = aiomqtt.Client("127.0.0.1", self._port, identifier="watcher", logger=_log)
        try:
            await client.__aenter__()
            self._client = client
            await client.subscribe(self._prefix + "#", qos=1)
        finally:
            self._conductor.release()
        listening = asyncio.create_task(self._listen(client), name="subscriber")
        try:
            yield
        finally:
            self._conductor.hold()  # saying goodbye takes real time
            for task in (listening, *self._answering.values()):
                task.cancel()
            await asyncio.gather(listening, *self._answering.values(), return_exceptions=True)
            with contextlib.suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
            self._conductor.release()

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            self.messages += 1
            topic = str(message.topic).removeprefix(self._prefix)
            payload = message.payload
            if self._on_message is not None and isinstance(payload, bytes):
                self._on_message(topic, payload)
            if topic.startswith("alarm/") and isinstance(payload, bytes):
                self._take(msgspec.json.decode(payload, type=AlarmEvent))
            elif topic.startswith("response/") and isinstance(payload, bytes):
                transaction = msgspec.json.decode(payload)["transaction"]
                if transaction in self._unanswered:
                    self._unanswered.discard(transaction)
                    self._conductor.release()

    def _take(self, event: AlarmEvent) -> None:
        key = (event.alarm_id, event.event)
        if key in self._expected:
            self._expected.discard(key)
            self._conductor.release()
        arrival = Arrival(event, self._conductor.now_us / 1e6)
        self.arrivals.append(arrival)
        self._on_arrival(arrival)
        if (
            event.state is State.NOTIFIED
            and event.priority != "low"
            and event.alarm_id not in self._answering
        ):
            answer = self._answer(event.alarm_id)
            self._answering[event.alarm_id] = asyncio.create_task(answer, name="platform")

    async def _answer(self, alarm_id: str) -> None:
        """Acknowledge, dispatch and close, as the platform's people would."""
        done_s = 0.0
        for name, after_s in (
            ("ack", self._platform.ack_after_s),
            ("dispatch", self._platform.dispatch_after_s),
            ("close", self._platform.close_after_s),
        ):
            await asyncio.sleep(max(0.0, after_s - done_s))
            done_s = after_s
            await self._send(name, alarm_id)

    async def _send(self, name: str, alarm_id: str) -> None:
        assert self._client is not None
        transaction = f"{name}-{alarm_id}"
        body = {"transaction": transaction, "alarm_id": alarm_id, "reason": None}
        if name == "close":
            body["reason"] = "visited"
        self._unanswered.add(transaction)
        self._conductor.hold()  # until the agent has answered
        await self._client.publish(
            f"{self._prefix}command/{name}", msgspec.json.encode(body), qos=1
        )
