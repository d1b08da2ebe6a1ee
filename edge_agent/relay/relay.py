"""One route: takes what waits in the outbox, publishes it, and hands back what was accepted.

```
 connect -> subscribe commands -> birth, retained state -> [ pending rows | state changes ] ...
    ^                                                                  |
    +---- full-jitter back-off, for ever <---- RouteDownError, deadline ----+
```
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from edge_agent.alarm.command import Command, Response
from edge_agent.clock import Clock, Quality
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Row, Telemetry
from edge_agent.relay.mqtt import (
    Broker,
    Connection,
    DatesRefusedError,
    RouteDownError,
    connected,
)
from edge_agent.relay.profiles.native import CommandError, NativeProfile, Publication

_log = logging.getLogger(__name__)

BACKOFF_FIRST_S = 1.0
BACKOFF_SLOWEST_S = 30.0
BATCH_ROWS = 1
"""Rows asked for at a time: a new high alarm is behind at most one message of a backlog."""
MAX_RESPONSES = 64
MAX_TELEMETRY_ATTEMPTS = 3
RETRY_PARKED_S = 60.0
"""A parked row is tried again this often, after everything else. Parking takes three connections
that took our birth and then ended on that very row; it must not outlast the cause for long."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the composition root lends a route."""

    accepted: Callable[[str, Row], Awaitable[None]]
    """A route has accepted a row: store that."""
    command: Callable[[Command], Awaitable[Response]]
    birth: Callable[[], list[Publication]]
    """Birth and all retained state, published on every connection."""
    will: Callable[[], Publication]
    online: Callable[[str, bool], None]
    """The route came up or went down."""


class Relay:
    """Publishes to one broker under the native profile."""

    def __init__(
        self,
        name: str,
        broker: Broker,
        profile: NativeProfile,
        outbox: Outbox,
        clock: Clock,
        hooks: Hooks,
    ) -> None:
        self.name = name
        self.is_online = False
        self.parked = 0
        self._broker = broker
        self._profile = profile
        self._outbox = outbox
        self._clock = clock
        self._hooks = hooks
        self._wake = asyncio.Event()
        self._states: dict[str, Publication] = {}
        self._responses: list[Publication] = []
        self._unanswered: Row | Telemetry | None = None
        self._telemetry_attempts = 0

    def wake(self) -> None:
        """Say that the outbox has something new."""
        self._wake.set()

    def set_state(self, publication: Publication) -> None:
        """Publish a retained state; only the newest of a topic matters."""
        self._states[publication.topic] = publication
        self._wake.set()

    async def run(self) -> None:
        """Connect, and again after every loss, for ever."""
        wait_s = BACKOFF_FIRST_S
        complained = False
        dates_from_s = None
        while True:
            try:
                async with connected(
                    self._broker, self._hooks.will(), self._clock.outside, dates_from_s
                ) as connection:
                    if complained:
                        _log.warning("route %s: back", self.name)
                    complained, wait_s = False, BACKOFF_FIRST_S
                    await self._serve(connection)
            except DatesRefusedError as error:
                now = self._clock.now()
                if dates_from_s is None and now.quality is Quality.NONE:
                    _log.warning("route %s: %s; the clock is to blame", self.name, error)
                    dates_from_s = self._clock.floor_s()
                    continue
                if not complained:
                    complained = True
                    _log.warning("route %s: %s; trying again for ever", self.name, error)
            except RouteDownError as error:
                if not complained:
                    complained = True
                    _log.warning("route %s: %s; trying again for ever", self.name, error)
            finally:
                self._set_online(False)
            dates_from_s = None
            await asyncio.sleep(wait_s * random.random())  # noqa: S311 (full jitter, no secret)
            wait_s = min(2 * wait_s, BACKOFF_SLOWEST_S)

    def _set_online(self, online: bool) -> None:
        if online != self.is_online:
            self.is_online = online
            self._hooks.online(self.name, online)

    async def _serve(self, connection: Connection) -> None:
        await connection.subscribe(self._profile.command_filter)
        self._states.clear()
        for publication in self._hooks.birth():
            await connection.publish(publication)
        self._set_online(True)
        self._wake.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(connection), name=f"{self.name} commands")
                group.create_task(self._send(connection), name=f"{self.name} sender")
                group.create_task(self._retry_parked(), name=f"{self.name} parked rows")
        except* RouteDownError as errors:
            await self._count_attempt()
            raise RouteDownError(str(errors.exceptions[0])) from None

    async def _count_attempt(self) -> None:
        """Count a connection that ended while a row had no answer."""
        row, self._unanswered = self._unanswered, None
        if isinstance(row, Telemetry):
            self._telemetry_attempts += 1
            if self._telemetry_attempts >= MAX_TELEMETRY_ATTEMPTS:
                _log.error("route %s: left %s out", self.name, row.topic)
                await self._pass(row)
        elif row is not None and await self._outbox.count_attempt(self.name, row.row):
            self.parked += 1
            _log.error("route %s: parked %s event %d", self.name, row.alarm_id, row.event)

    async def _send(self, connection: Connection) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while await self._send_next(connection):
                pass

    async def _retry_parked(self) -> None:
        while True:
            await asyncio.sleep(RETRY_PARKED_S)
            if self.parked:
                self.parked = 0
                await self._outbox.unpark(self.name)
                self._wake.set()

    async def _send_next(self, connection: Connection) -> bool:
        """Send what is most urgent; False when nothing waits."""
        for row in await self._outbox.pending(self.name, BATCH_ROWS):
            self._unanswered = row
            await connection.publish(self._profile.alarm(row.alarm_id, row.body))
            self._unanswered = None
            await self._hooks.accepted(self.name, row)
            return True
        if self._responses:
            await connection.publish(self._responses.pop(0))
            return True
        if self._states:
            await connection.publish(self._states.pop(next(iter(self._states))))
            return True
        for message in await self._outbox.telemetry(self.name, 1):
            self._unanswered = message
            await connection.publish(self._profile.telemetry(message.topic, message.body))
            self._unanswered = None
            await self._pass(message)
            return True
        return False

    async def _pass(self, message: Telemetry) -> None:
        self._telemetry_attempts = 0
        await self._outbox.passed(self.name, message.row, self._clock.now().utc_s)

    async def _listen(self, connection: Connection) -> None:
        async for arrived in connection.messages():
            name = arrived.topic.rsplit("/", 1)[-1]
            try:
                command = self._profile.command(arrived.topic, arrived.payload, arrived.retained)
            except CommandError as error:
                _log.warning("route %s: refused a command: %s", self.name, error)
                response = Response(transaction="", ok=False, error=str(error))
            else:
                response = await self._hooks.command(command)
            if len(self._responses) < MAX_RESPONSES:
                self._responses.append(self._profile.response(name, response))
                self._wake.set()
