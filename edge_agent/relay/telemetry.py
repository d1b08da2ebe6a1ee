"""The telemetry of one route: behind all else, tried three times, and then left out.

```
 outbox --oldest not taken--> message --PUBACK, refused, or three connections ended--> passed
```
A PUBACK has to do, whatever a platform thinks of a value; a refusal is said once a connection.
"""

import logging

from edge_agent.clock import Clock
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Telemetry
from edge_agent.relay.profile import Delivery, Profile, RowError, Stamp

_log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3


class TelemetryLane:
    """What a route still has to report."""

    def __init__(self, route: str, profile: Profile, outbox: Outbox, clock: Clock) -> None:
        self._route = route
        self._profile = profile
        self._outbox = outbox
        self._clock = clock
        self._attempts = 0
        self._has_complained = False

    def connected(self) -> None:
        """Note that there is a new connection: what is refused is said again."""
        self._has_complained = False

    async def next(self, stamp: Stamp) -> tuple[Telemetry, Delivery] | None:
        """Return the oldest message and what it becomes, or None when there is none."""
        for message in await self._outbox.telemetry(self._route, 1):
            try:
                return message, self._profile.report(message.topic, message.body, stamp)
            except RowError as error:
                _log.error("route %s: left %s out: %s", self._route, message.topic, error)
                return message, Delivery()
        return None

    async def passed(self, message: Telemetry) -> None:
        """Note that a message is done with."""
        self._attempts = 0
        await self._outbox.passed(self._route, message.row, self._clock.now().utc_s)

    async def refused(self, message: Telemetry, why: str) -> None:
        """Note that the broker will not take a message: telemetry is not worth a fault."""
        if not self._has_complained:
            self._has_complained = True
            _log.warning("route %s: refused %s: %s", self._route, message.topic, why)
        await self.passed(message)

    async def count_attempt(self, message: Telemetry) -> None:
        """Count a connection that ended on a message."""
        self._attempts += 1
        if self._attempts >= MAX_ATTEMPTS:
            _log.error("route %s: left %s out", self._route, message.topic)
            await self.passed(message)
