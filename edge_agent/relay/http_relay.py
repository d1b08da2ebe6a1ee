"""One route over HTTP: a request for each row, its answer the verdict.

```
 pending rows --choose--> request --> 200 and the flag: accepted
       ^                     |    --> rejected: parked, said, tried again every minute
       +---- 1 to 30 s ------+    --> nothing, or not JSON: again, for ever
```
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from edge_agent.clock import Clock
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Row
from edge_agent.relay.http import Response, exchange
from edge_agent.relay.mqtt import DatesRefusedError, RouteDownError
from edge_agent.relay.parking import Parking
from edge_agent.relay.profile import Answer, RowError
from edge_agent.relay.profiles.county import CountyProfile, Request
from edge_agent.relay.route import (
    BACKOFF_FIRST_S,
    BACKOFF_SLOWEST_S,
    Hooks,
    Stamps,
    Standing,
)
from edge_agent.relay.tls import Tls, dates_floor_s
from edge_agent.relay.turn import Turn

_log = logging.getLogger(__name__)


class HttpRelay:
    """Hands alarms to one HTTP server; telemetry stays."""

    def __init__(
        self,
        name: str,
        profile: CountyProfile,
        tls: Tls | None,
        turn: Turn,
        outbox: Outbox,
        clock: Clock,
        hooks: Hooks,
        others: Sequence[str] = (),
    ) -> None:
        """Put it together.

        Args:
            name: of the route.
            profile: makes the requests.
            tls: for https://.
            turn: which row goes next.
            outbox: where the rows are.
            clock: the clock.
            hooks: the composition root's.
            others: further `host:port` to try, in turn, with the same path.
        """
        self.name = name
        self.standing = Standing(is_online=True)  # until an attempt fails: nothing is held open
        self._profile = profile
        self._tls = tls
        self._clock = clock
        self._hooks = hooks
        self._hosts: list[str | None] = [None, *others]
        self._at = 0
        self._turn = turn
        self._waiting = turn.waiting
        self._stamps = Stamps(clock)
        self._parking = Parking(name, outbox, self.standing)

    def wake(self) -> None:
        """Say that the outbox has something new."""
        self._turn.wake()

    async def run(self) -> None:
        """Hand over what waits, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._parking.retry(self.wake), name=f"{self.name} parked rows")
            group.create_task(self._send(), name=f"{self.name} sender")

    async def _send(self) -> None:
        wait_s = BACKOFF_FIRST_S
        while True:
            await self._turn.wait()
            while (row := await self._turn.next_row()) is not None:
                try:
                    await self._hand_over(row)
                    wait_s = BACKOFF_FIRST_S
                except RouteDownError as error:
                    self._set_online(False, str(error))
                    self._at = (self._at + 1) % len(self._hosts)
                    self._put_aside(row)
                    await asyncio.sleep(wait_s * random.random())  # noqa: S311 (full jitter, no secret)
                    wait_s = min(2 * wait_s, BACKOFF_SLOWEST_S)

    async def _hand_over(self, row: Row) -> None:
        try:
            handing = self._profile.deliver(row.body, self._stamps.next())
        except RowError as error:
            await self._park(row, str(error))
            return
        if handing.request is None:
            self._parking.accepted(row)
            await self._hooks.passed(self.name, row)
            return
        self._turn.sent(row)
        answer = await self._exchange(self._addressed(handing.request))
        self._set_online(True, "answers")
        verdict = self._profile.verdict(answer.status, answer.body)
        self.standing.is_silent = verdict.answer is Answer.RETRY
        if verdict.answer is not Answer.RETRY and answer.utc_s is not None:
            self._hooks.time(self.name, answer.utc_s)  # a portal's clock is not the platform's
        if verdict.answer is Answer.ACCEPTED:
            self._waiting.settle(row)
            self._parking.accepted(row)
            await self._hooks.accepted(self.name, row)
        elif verdict.answer is Answer.REJECTED:
            await self._park(row, verdict.reason)
        else:
            _log.info(
                "route %s: %s event %d: %s", self.name, row.alarm_id, row.event, verdict.reason
            )
            self._put_aside(row)

    def _addressed(self, request: Request) -> Request:
        host = self._hosts[self._at]
        if host is None:
            return request
        return replace(request, url=urlsplit(request.url)._replace(netloc=host).geturl())

    async def _exchange(self, request: Request) -> Response:
        timeout_s, outside = self._profile.timeout_s, self._clock.outside
        try:
            return await exchange(request, timeout_s, outside, self._tls)
        except DatesRefusedError as error:
            floor_s = dates_floor_s(self._clock)
            if floor_s is None:
                raise
            _log.warning("route %s: %s; the clock is to blame", self.name, error)
            return await exchange(request, timeout_s, outside, self._tls, floor_s)

    def _put_aside(self, row: Row) -> None:
        now_s = self._clock.now().monotonic_s
        self._waiting.sent(row, "", now_s)
        self._waiting.put_aside(row, now_s, random.random())  # noqa: S311 (jitter, no secret)

    async def _park(self, row: Row, why: str) -> None:
        self._waiting.settle(row)
        await self._parking.park(row, why)

    def _set_online(self, online: bool, why: str) -> None:
        if online != self.standing.is_online:
            self.standing.is_online = online
            self.standing.error = None if online else why
            _log.warning("route %s: %s", self.name, why)
