"""What a route is to the rest of the agent, and what it is lent.

```
 outbox --rows--> route --accepted | passed--> composition root --> outbox, alarm table
 platform --command, time--> route --------->        "
```
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from edge_agent.alarm.command import Command, Response
from edge_agent.clock import Clock, Quality
from edge_agent.outbox.rows import Row
from edge_agent.relay.profile import Publication, Stamp

BACKOFF_FIRST_S = 1.0
BACKOFF_SLOWEST_S = 30.0
"""How long a route waits before it tries again, doubling, with full jitter."""
LEAST_WAIT_S = 0.1
"""What is overdue and cannot go yet is looked at again after this."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the composition root lends a route. The first argument of each names the route."""

    accepted: Callable[[str, Row], Awaitable[None]]
    """Its platform has accepted a row: store that."""
    passed: Callable[[str, Row], Awaitable[None]]
    """Its platform is not to hear of a row: settle it, and nobody was notified."""
    command: Callable[[Command], Awaitable[Response]]
    units: Callable[[], tuple[str, ...]] = tuple
    time: Callable[[str, float], object] = lambda _, __: None
    """Its platform told UTC."""
    is_heard: Callable[[str, int], bool] = lambda _, __: False
    """Whether some other route's platform has accepted that event of an alarm."""


@dataclass(frozen=True, slots=True)
class Presence:
    """What a route of the native contract says of the agent itself.

    Attributes:
        session: tells this run's birth and will from those of others.
        birth: birth and all retained state, published on every connection.
        will: published by the broker when the connection is lost.
    """

    session: str
    birth: Callable[[], list[Publication]]
    will: Callable[[], Publication]


@dataclass(slots=True)
class Standing:
    """How a route stands with its platform.

    Attributes:
        is_online: there is a connection; over HTTP, the last attempt found the server.
        version: the MQTT of the last connection; None over HTTP.
        is_unheard: the broker took the last alarm and said that nobody has subscribed to it.
        is_silent: what went last got no answer of the platform's, or "later" for one.
        parked: rows that it will not take, until it does.
        strays: answers to what nobody asked.
        refused: why it would not take the last row that was parked.
        trouble: what somebody has to look into, in words.
        error: why the last connection ended or was not made; None while one is up.
    """

    is_online: bool = False
    version: str | None = None
    is_unheard: bool = False
    is_silent: bool = False
    parked: int = 0
    strays: int = 0
    refused: str | None = None
    trouble: str | None = None
    error: str | None = None

    def problem(self) -> str | None:
        """Return what keeps alarms from the platform, in words, or None."""
        if self.trouble is not None:
            return self.trouble
        if not self.is_online:
            return "no connection"
        if self.is_silent:
            return "no answer"
        return None


class Route(Protocol):
    """One way to one platform."""

    name: str
    standing: Standing

    def wake(self) -> None:
        """Say that the outbox has something new."""
        ...

    async def run(self) -> None:
        """Run for ever."""
        ...


class Stamps:
    """Numbers that a route has never used: milliseconds, or one more than the last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> Stamp:
        """Return the next one."""
        now = self._clock.now()
        self._last = max(self._last + 1, round(now.utc_s * 1000))
        return Stamp(now.utc_s, self._last, now.quality is not Quality.NONE)
