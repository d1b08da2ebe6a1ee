"""One connection to an MQTT broker (the only file that knows aiomqtt)."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import aiomqtt

from edge_agent.relay.profiles.native import Publication
from edge_agent.relay.tls import Tls, ended_before, is_about_dates

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())

CONNECT_S = 10.0
GOODBYE_S = 5.0
ACCEPT_S = 10.0
"""A broker that has not answered a PUBLISH for this long is treated as gone."""


class RouteDownError(Exception):
    """The broker is away. Tried again for ever."""


class DatesRefusedError(RouteDownError):
    """The broker's certificate is fine but for its dates, by our clock."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is and how to log in."""

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = None
    keepalive_s: int = 60
    tls: Tls | None = None


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
    """`async with connected(broker, will, outside) as connection`.

    With `dates_from_s` the dates of the broker's certificate are not checked, but that it had not
    ended by then, a time that is past for sure.
    """

    def __init__(
        self,
        broker: Broker,
        will: Publication,
        outside: Callable[[], AbstractContextManager[None]],
        dates_from_s: float | None = None,
    ) -> None:
        self._outside = outside
        self._will = will
        self._dates_from_s = dates_from_s
        context = None
        if broker.tls is not None:
            try:
                context = broker.tls.context(check_dates=dates_from_s is None)
            except OSError as error:
                raise RouteDownError(f"TLS files cannot be used: {error}") from None
        self._client = aiomqtt.Client(
            broker.host,
            broker.port,
            identifier=broker.client_id,
            username=broker.username,
            password=broker.password,
            keepalive=broker.keepalive_s,
            will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retain),
            timeout=CONNECT_S,
            tls_context=context,
            max_queued_incoming_messages=1000,
            logger=_log,
        )

    async def __aenter__(self) -> Connection:
        try:
            with self._outside():
                await self._client.__aenter__()
        except aiomqtt.MqttError as error:
            if is_about_dates(error.__context__):
                raise DatesRefusedError(str(error)) from None
            raise RouteDownError(str(error)) from None
        if self._dates_from_s is not None and ended_before(self._peer(), self._dates_from_s):
            await self.__aexit__(None, None, None)
            raise RouteDownError("the broker's certificate has ended")
        return Connection(self._client, self._outside)

    def _peer(self) -> dict[str, Any] | None:
        """Return the broker's certificate."""
        line = self._client._client.socket()  # noqa: SLF001 (aiomqtt shows paho's client nowhere else)
        return line.getpeercert() if isinstance(line, ssl.SSLSocket) else None

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
