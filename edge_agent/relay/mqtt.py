"""One connection to an MQTT broker (the only file that knows aiomqtt)."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import aiomqtt

from edge_agent.relay.apart import apart
from edge_agent.relay.profile import Publication
from edge_agent.relay.tls import Tls, ended_before, is_about_dates

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())

CONNECT_S = 10.0
GOODBYE_S = 5.0
SUBACK_FAILED = 0x80
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
        self.filters: list[str] = []
        """What was subscribed to."""
        self._client = client
        self._outside = outside

    async def publish(self, publication: Publication) -> None:
        """Publish, and return once the broker has answered for it.

        Raises:
            RouteDownError: no answer came; the message may or may not have arrived.
        """
        try:
            with self._outside():
                await apart(
                    self._client.publish(
                        publication.topic,
                        publication.payload,
                        qos=publication.qos,
                        retain=publication.retain,
                        timeout=ACCEPT_S,
                    )
                )
        except aiomqtt.MqttError as error:
            raise RouteDownError(str(error)) from None
        except ValueError as error:  # paho: topic or payload it will never take
            raise RouteDownError(f"refused before sending: {error}") from None

    async def subscribe(self, filters: Sequence[str]) -> list[str]:
        """Subscribe with QoS 1, in one packet; return the filters that the broker refuses.

        Raises:
            RouteDownError: the broker is gone.
        """
        asked = [(one, 1) for one in filters]
        try:
            with self._outside():
                codes = await apart(self._client.subscribe(asked, timeout=ACCEPT_S))
        except aiomqtt.MqttError as error:
            raise RouteDownError(str(error)) from None
        self.filters += filters
        numbers = [code if isinstance(code, int) else code.value for code in codes]
        return [
            one for one, number in zip(filters, numbers, strict=False) if number >= SUBACK_FAILED
        ]

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
        will: Publication | None,
        outside: Callable[[], AbstractContextManager[None]],
        dates_from_s: float | None = None,
    ) -> None:
        self._outside = outside
        self._will = will
        self._dates_from_s = dates_from_s
        self._connection: Connection | None = None
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
            will=None
            if will is None
            else aiomqtt.Will(will.topic, will.payload, will.qos, will.retain),
            timeout=CONNECT_S,
            tls_context=context,
            max_queued_incoming_messages=1000,
            logger=_log,
        )

    async def __aenter__(self) -> Connection:
        try:
            with self._outside():
                await apart(self._client.__aenter__())
        except aiomqtt.MqttError as error:
            if is_about_dates(error.__context__):
                raise DatesRefusedError(str(error)) from None
            raise RouteDownError(str(error)) from None
        if self._dates_from_s is not None and ended_before(self._peer(), self._dates_from_s):
            await self.__aexit__(None, None, None)
            raise RouteDownError("the broker's certificate has ended")
        self._connection = Connection(self._client, self._outside)
        return self._connection

    def _peer(self) -> dict[str, Any] | None:
        """Return the broker's certificate."""
        line = self._client._client.socket()  # noqa: SLF001 (aiomqtt shows paho's client nowhere else)
        return line.getpeercert() if isinstance(line, ssl.SSLSocket) else None

    async def __aexit__(self, *exc: object) -> None:
        try:
            with self._outside():
                await apart(self._leave(in_peace=exc[0] is asyncio.CancelledError))
        except (aiomqtt.MqttError, TimeoutError) as error:
            _log.debug("unclean goodbye: %s", error)

    async def _leave(self, *, in_peace: bool) -> None:
        ended = self._client._disconnected  # noqa: SLF001 (aiomqtt leaves its error to the log)
        if ended.done() and not ended.cancelled():
            ended.exception()
        async with asyncio.timeout(GOODBYE_S):
            if self._will is not None and in_peace:  # a DISCONNECT sends no will
                await self._say_goodbye(self._will)
            await self._client.__aexit__(None, None, None)

    async def _say_goodbye(self, will: Publication) -> None:
        """Publish our will, which is not for our own ears: some broker would still be sending."""
        filters = self._connection.filters if self._connection is not None else []
        silence = asyncio.create_task(self._client.unsubscribe(filters))
        try:
            await asyncio.sleep(0)  # its packet goes first; nobody waits for the answer
            await self._client.publish(will.topic, will.payload, qos=will.qos, retain=will.retain)
        finally:
            silence.cancel()
            await asyncio.gather(silence, return_exceptions=True)
