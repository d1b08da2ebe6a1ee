"""One connection to an MQTT broker; with `mqtt_client.py` all that knows aiomqtt.

One message is on its way at a time: whatever Receive Maximum a broker of MQTT 5 sets is kept.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import aiomqtt

from edge_agent.relay.apart import apart
from edge_agent.relay.mqtt_client import (
    NO_SUBSCRIBERS,
    NOT_THIS_CONNECT,
    REFUSED,
    UNSUPPORTED_VERSION,
    Client,
    HungUpError,
    code_of,
)
from edge_agent.relay.profile import Publication
from edge_agent.relay.tls import Tls, ended_before, is_about_dates
from edge_agent.relay.versions import CONNECT_S, Version

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())

GOODBYE_S = 5.0
SUBACK_FAILED = 0x80
ACCEPT_S = 10.0
"""A broker that has not answered a PUBLISH for this long is treated as gone."""
TAKEN_OVER = 0x8E
"""MQTT 5, section 3.14.2.1: another client has connected with our id."""
FOR_NOW = (0x80, 0x83, 0x91, 0x97)
"""PUBACKs that may be other ones next time: unspecified, implementation, id in use, quota."""


class RouteDownError(Exception):
    """The broker is away. Tried again for ever."""


class DatesRefusedError(RouteDownError):
    """The broker's certificate is fine but for its dates, by our clock."""


class TakenOverError(RouteDownError):
    """Another client has come with our id."""


class NoVersionError(RouteDownError):
    """An address that was reached took no CONNECT of this version, for all we know.

    Attributes:
        is_certain: it said so.
        is_silent: it said nothing, and did not hang up either.
    """

    def __init__(self, why: str, *, is_certain: bool, is_silent: bool) -> None:
        super().__init__(why)
        self.is_certain = is_certain
        self.is_silent = is_silent


class NotTakenError(Exception):
    """The broker will not take this message, and says so (MQTT 5); the connection stands.

    Attributes:
        is_for_now: the same message may be taken another time.
    """

    def __init__(self, why: str, *, is_for_now: bool = False) -> None:
        super().__init__(why)
        self.is_for_now = is_for_now


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

    def __init__(self, client: Client, outside: Callable[[], AbstractContextManager[None]]):
        self.filters: list[str] = []
        """What was subscribed to."""
        self._client = client
        self._outside = outside

    async def publish(self, publication: Publication) -> bool:
        """Publish, and return once the broker has answered for it.

        Returns:
            False when the broker says that nobody has subscribed to it.

        Raises:
            NotTakenError: it was refused.
            RouteDownError: no answer came; the message may or may not have arrived.
        """
        try:
            with self._outside():
                code, why = await apart(
                    self._client.tell(
                        publication.topic,
                        publication.payload,
                        qos=publication.qos,
                        retain=publication.retain,
                        expiry_s=publication.expiry_s,
                        timeout_s=ACCEPT_S,
                    )
                )
        except aiomqtt.MqttError as error:
            raise _down(error) from None
        except ValueError as error:  # paho: topic or payload it will never take
            raise RouteDownError(f"refused before sending: {error}") from None
        if code >= REFUSED:
            raise NotTakenError(why, is_for_now=code in FOR_NOW)
        return code != NO_SUBSCRIBERS

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
            raise _down(error) from None
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
            raise _down(error) from None


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
        version: Version = Version.V311,
        connect_s: float = CONNECT_S,
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
        self._client = Client(
            broker.host,
            broker.port,
            version=version,
            identifier=broker.client_id,
            username=broker.username,
            password=broker.password,
            keepalive=broker.keepalive_s,
            will=None
            if will is None
            else aiomqtt.Will(will.topic, will.payload, will.qos, will.retain),
            timeout=connect_s,
            tls_context=context,
            max_queued_incoming_messages=1000,
            logger=_log,
        )

    async def __aenter__(self) -> Connection:
        try:
            with self._outside():
                await apart(self._client.__aenter__())
        except aiomqtt.MqttError as error:
            self._client.abandon()
            if is_about_dates(error.__context__):
                raise DatesRefusedError(str(error)) from None
            raise self._refused(error) from None
        if self._dates_from_s is not None and ended_before(self._peer(), self._dates_from_s):
            await self.__aexit__(None, None, None)
            raise RouteDownError("the broker's certificate has ended")
        self._connection = Connection(self._client, self._outside)
        return self._connection

    def _refused(self, error: aiomqtt.MqttError) -> RouteDownError:
        """Return what a CONNECT that came to nothing means."""
        code = code_of(error)
        has_answered = code is not None and code not in NOT_THIS_CONNECT
        if has_answered or not self._client.is_reached:
            return RouteDownError(str(error))
        is_certain = code == UNSUPPORTED_VERSION
        is_silent = code is None and not isinstance(error, HungUpError)
        return NoVersionError(str(error), is_certain=is_certain, is_silent=is_silent)

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
            self._client.abandon()

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


def _down(error: aiomqtt.MqttError) -> RouteDownError:
    """Return why a connection ended."""
    if code_of(error) == TAKEN_OVER:
        return TakenOverError("another client has taken our client id")
    cause = error.__cause__ or error
    return RouteDownError(str(cause))
