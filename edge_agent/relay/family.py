"""One address of a family: WeCom, DingTalk, e-mail, ntfy and what else apprise knows.

```
 pending rows --choose--> note --> [child process: apprise] --> sent: settled
       ^                                    |
       +---- 1 to 30 s, for ever -----------+ not sent, or killed after 30 s
```
apprise blocks, and some of its plugins wait for ever: a thread that hangs cannot be ended and would
hold up the agent's own end. So each message is a process: it can be killed, takes no memory while
nothing is wrong (one with apprise holds 46 MB), and an address, which is a secret, stands neither
in its arguments nor in our logs. Each address has verdicts and back-off of its own.

That a messenger took a message does not mean that anybody on duty knows: it makes no `notified`,
and a reserve route still goes. Only where there is no platform at all it is the best there is.
"""

import asyncio
import json
import logging
import random
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from edge_agent.clock import Clock
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Row
from edge_agent.relay import family_child
from edge_agent.relay.family_child import Outcome
from edge_agent.relay.parking import Parking
from edge_agent.relay.profile import RowError
from edge_agent.relay.profiles.family import FamilyProfile, Note
from edge_agent.relay.route import (
    BACKOFF_FIRST_S,
    BACKOFF_SLOWEST_S,
    Hooks,
    Stamps,
    Standing,
)
from edge_agent.relay.turn import Turn

_log = logging.getLogger(__name__)

SEND_S = 30.0
"""A message that takes longer is given up; apprise waits 4 s for most servers, 15 s for e-mail."""
PACE_S = 3.0
"""Between two messages: robots of WeCom and DingTalk take 20 a minute.

Source: developer.work.weixin.qq.com/document/path/91770; open.dingtalk.com, custom robots.
"""

_TROUBLES = {
    Outcome.NO_ADDRESS: "the address in urls_file is none that apprise knows",
    Outcome.MISSING: "apprise is not installed: pip install 'anzhen[apprise]'",
}


class FamilyRelay:
    """Tells one address of a family; telemetry stays."""

    def __init__(
        self,
        name: str,
        url: str,
        profile: FamilyProfile,
        turn: Turn,
        outbox: Outbox,
        clock: Clock,
        hooks: Hooks,
        *,
        is_only: bool,
    ) -> None:
        """Put it together.

        Args:
            name: of the route.
            url: where to, in apprise's form; a secret.
            profile: makes the notes.
            turn: which row goes next.
            outbox: where the rows are.
            clock: the clock.
            hooks: the composition root's.
            is_only: whether there is no platform that could accept an alarm.
        """
        self.name = name
        self.standing = Standing(is_online=True)  # until an attempt fails: nothing is held open
        self._url = url
        self._profile = profile
        self._turn = turn
        self._waiting = turn.waiting
        self._clock = clock
        self._settle = hooks.accepted if is_only else hooks.passed
        self._pass = hooks.passed
        self._stamps = Stamps(clock)
        self._parking = Parking(name, outbox, self.standing)

    def wake(self) -> None:
        """Say that the outbox has something new."""
        self._turn.wake()

    async def run(self) -> None:
        """Tell what waits, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._parking.retry(self.wake), name=f"{self.name} parked rows")
            group.create_task(self._send(), name=f"{self.name} sender")

    async def _send(self) -> None:
        outcome = await send(self._url, None, self._clock.outside)
        if outcome in _TROUBLES:  # said at the start, not at the first fall
            self._look_at(outcome)
        wait_s = BACKOFF_FIRST_S
        while True:
            await self._turn.wait()
            while (row := await self._turn.next_row()) is not None:
                try:
                    note = self._profile.deliver(row.body, self._stamps.next())
                except RowError as error:
                    await self._parking.park(row, str(error))
                    continue
                if note is None:
                    self._parking.accepted(row)
                    await self._pass(self.name, row)
                elif await self._tell(row, note):
                    wait_s = BACKOFF_FIRST_S
                    await asyncio.sleep(PACE_S)
                else:
                    await asyncio.sleep(wait_s * random.random())  # noqa: S311 (full jitter, no secret)
                    wait_s = min(2 * wait_s, BACKOFF_SLOWEST_S)

    async def _tell(self, row: Row, note: Note) -> bool:
        """Send a note; False when it has to go again."""
        self._turn.sent(row)
        outcome = await send(self._url, note, self._clock.outside)
        self._look_at(outcome)
        if outcome is Outcome.SENT:
            self._waiting.settle(row)
            self._parking.accepted(row)
            await self._settle(self.name, row)
            return True
        now_s = self._clock.now().monotonic_s
        self._waiting.sent(row, "", now_s)
        self._waiting.put_aside(row, now_s, random.random())  # noqa: S311 (jitter, no secret)
        return False

    def _look_at(self, outcome: Outcome) -> None:
        self.standing.trouble = _TROUBLES.get(outcome)
        online = outcome is Outcome.SENT
        if online != self.standing.is_online:
            why = self.standing.trouble or "the message was not taken"
            self.standing.is_online = online
            self.standing.error = None if online else why
            _log.warning("route %s: %s", self.name, "answers" if online else why)


async def send(
    url: str,
    note: Note | None,
    outside: Callable[[], AbstractContextManager[None]],
    timeout_s: float = SEND_S,
) -> Outcome:
    """Send a note in a process of its own, or only look at the address; nothing outlives this."""
    request = {"url": url} | ({} if note is None else asdict(note))
    with outside():
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                str(Path(family_child.__file__)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:  # no memory, no more processes
            _log.warning("no process for a message: %s", error)
            return Outcome.NOT_SENT
        try:
            async with asyncio.timeout(timeout_s):
                await process.communicate(json.dumps(request).encode())
        except TimeoutError:
            return Outcome.NOT_SENT
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    code = process.returncode
    return Outcome(code) if code in list(Outcome) else Outcome.NOT_SENT  # killed from outside
