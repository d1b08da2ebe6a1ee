"""One connection to an MQTT broker (the only file that knows aiomqtt)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import aiomqtt

from edge_agent.relay.profiles.native import Publication

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())

CONNECT_S = 10.0
GOODBYE_S = 5.0
ACCEPT_S = 10.0
"""A broker that has not answered a PUBLISH for this long is treated as gone."""


class RouteDownError(Exception):
    """The broker is away. Tried again for ever."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is and how to log in."""

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = None
    keepalive_s: int = 60


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message from the broker."""

    topic: str
    payload: bytes
    retained: bool


class Connection:
    """An open connection; leaves with `RouteDownError` whatever the broker does."""

    def __init__(self, client: aiomqtt.Client, outside: Callable[[], AbstractContextManager[None]]):
        self._client = client
        self._outside = outside

    async def publish(self, publication: Publication) -> None:
        """Publish, and return once the broker has answered for it.

        Raises:
            RouteDownError: no answer came; the message may or may not have arrived.
        """
        try:
            with self._outside():
                await self._client.publish(
                    publication.topic,
                    publication.payload,
                    qos=publication.qos,
                    retain=publication.retain,
                    timeout=ACCEPT_S,
                )
        except aiomqtt.MqttError as error:
            raise RouteDownError(str(error)) from None
        except ValueError as error:  # paho: topic or payload it will never take
            raise RouteDownError(f"refused before sending: {error}") from None

    async def subscribe(self, topic_filter: str) -> None:
        """Subscribe with QoS 1.

        Raises:
            RouteDownError: the broker is gone or refuses.
        """
        try:
            with self._outside():
                await self._client.subscribe(topic_filter, qos=1, timeout=ACCEPT_S)
        except aiomqtt.MqttError as error:
            raise RouteDownError(str(error)) from None

    async def messages(self) -> AsyncIterator[Arrived]:
        """Yield what arrives.

        Raises:
            RouteDownError: the connection ended.
        """
        try:
            async for message in self._client.messages:
                payload = message.payload if isinstance(message.payload, bytes) else b""
                yield Arrived(str(message.topic), payload, message.retain)
        except aiomqtt.MqttError as error:
            raise RouteDownError(str(error)) from None


class connected:  # noqa: N801 (reads as a word in `async with connected(...)`)
    """`async with connected(broker, will, outside) as connection`."""

    def __init__(
        self,
        broker: Broker,
        will: Publication,
        outside: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._outside = outside
        self._will = will
        self._client = aiomqtt.Client(
            broker.host,
            broker.port,
            identifier=broker.client_id,
            username=broker.username,
            password=broker.password,
            keepalive=broker.keepalive_s,
            will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retain),
            timeout=CONNECT_S,
            max_queued_incoming_messages=1000,
            logger=_log,
        )

    async def __aenter__(self) -> Connection:
        try:
            with self._outside():
                await self._client.__aenter__()
        except aiomqtt.MqttError as error:
            raise RouteDownError(str(error)) from None
        return Connection(self._client, self._outside)

    async def __aexit__(self, *exc: object) -> None:
        try:
            with self._outside():
                async with asyncio.timeout(GOODBYE_S):
                    if exc[0] is asyncio.CancelledError:  # leaving in peace sends no will
                        will = self._will
                        await self._client.publish(
                            will.topic, will.payload, qos=will.qos, retain=will.retain
                        )
                    await self._client.__aexit__(None, None, None)
        except (aiomqtt.MqttError, TimeoutError) as error:
            _log.debug("unclean goodbye: %s", error)
