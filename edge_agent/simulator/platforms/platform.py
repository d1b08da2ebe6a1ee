"""A fake platform: what it hears, what it answers, and the commands it sends for an alarm.

```
 confirmed alarm, taken --pace--> ack --answered--pace--> dispatch --> arrive --> close
```
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_agent.simulator.platforms.rules import (
    ORDERS,
    Connect,
    FormError,
    Heard,
    Kind,
    Reaction,
    Rules,
    Sent,
    for_another,
)

LATE_S = 7.0
"""An agent asks again after 5 s."""

MAX_ALARMS = 1000
"""Alarms whose commands are remembered; the oldest are forgotten."""


@dataclass(slots=True)
class Taken:
    """What follows from a message: what is sent, how late, and what becomes of its PUBACK."""

    sends: list[Sent] = field(default_factory=list)
    is_acked: bool = True
    is_closed: bool = False
    late_s: float = 0.0


class FakePlatform:
    """One platform, whatever carries its messages."""

    def __init__(
        self,
        rules: Rules,
        reaction: Reaction,
        utc: Callable[[], float],
        tell: Callable[[dict[str, Any]], None],
        orders: Sequence[str] = ORDERS,
        pace_s: float = 2.0,
        late_s: float = LATE_S,
    ) -> None:
        """Put it together.

        Args:
            rules: the platform's.
            reaction: to every alarm of the right form.
            utc: UNIX seconds.
            tell: gets an object for everything that happens.
            orders: commands for every alarm it takes, in this order.
            pace_s: before each of them.
            late_s: how long it takes to answer when it is late.
        """
        self.wrong = 0
        self.orders_due: asyncio.Queue[tuple[float, Sent]] = asyncio.Queue(MAX_ALARMS)
        self._rules = rules
        self._reaction = reaction
        self._utc = utc
        self._tell = tell
        self._orders = tuple(orders)
        self._pace_s = pace_s
        self._late_s = late_s
        self._progress: OrderedDict[str, int] = OrderedDict()
        self._asked: list[tuple[str, str]] = []
        self._number = 0

    def connect(self, connect: Connect) -> str | None:
        """Return why a login is refused, or None."""
        why = self._rules.why_refused(connect, self._utc())
        self._say("login", why, client_id=connect.client_id[:128])
        return why

    def take(self, topic: str, payload: bytes) -> Taken:
        """Take a message."""
        try:
            heard = self._rules.hear(topic, payload, self._utc())
        except FormError as error:
            self._say("message", str(error), topic=topic[:200])
            return Taken([] if error.reply is None else [error.reply])
        taken = Taken([] if heard.always is None else [heard.always])
        if heard.kind is Kind.ALARM:
            self._take_alarm(heard, taken)
        elif heard.kind is Kind.ANSWER:
            self._take_answer(heard)
        elif heard.kind is Kind.VITALS:
            self._say("vitals", None)
            taken.sends += [
                reply for reply in [(heard.replies or {}).get(Reaction.ACCEPT)] if reply
            ]
        return taken

    def _take_alarm(self, heard: Heard, taken: Taken) -> None:
        alarm_id = heard.alarm_id or ""
        self._say("alarm", None, alarm_id=alarm_id, state=heard.state, answer=self._reaction)
        if self._rules.has_replies:
            taken.sends += self._replies(heard)
            taken.late_s = self._late_s if self._reaction is Reaction.LATE else 0.0
        else:
            taken.is_acked = self._reaction not in (Reaction.REJECT, Reaction.SILENT)
            taken.is_closed = self._reaction is Reaction.REJECT
        taken.is_closed = taken.is_closed or self._reaction is Reaction.HANG_UP
        is_new = heard.state == "confirmed" and alarm_id not in self._progress
        if self._reaction is Reaction.ACCEPT and is_new and self._orders:
            self._progress[alarm_id] = 0
            if len(self._progress) > MAX_ALARMS:
                self._progress.popitem(last=False)
            self._send_order(alarm_id)

    def _replies(self, heard: Heard) -> list[Sent]:
        replies = heard.replies or {}
        if self._reaction in (Reaction.LATE, Reaction.OTHER):
            reply = replies.get(Reaction.ACCEPT)
            if reply is not None and self._reaction is Reaction.OTHER:
                reply = for_another(reply)
        else:
            reply = replies.get(self._reaction)
        return [] if reply is None else [reply]

    def _take_answer(self, heard: Heard) -> None:
        if not self._asked:
            self._say("answer", "nobody asked")
            return
        name, alarm_id = self._asked.pop(0)
        self._say("answer", None if heard.ok else "refused", command=name, alarm_id=alarm_id)
        if heard.ok and alarm_id in self._progress:
            self._progress[alarm_id] += 1
            if self._progress[alarm_id] < len(self._orders):
                self._send_order(alarm_id)

    def _send_order(self, alarm_id: str) -> None:
        name = self._orders[self._progress[alarm_id]]
        self._number += 1
        if self.orders_due.full():
            self._say("command", "too many alarms at once", command=name, alarm_id=alarm_id)
            return
        self._asked.append((name, alarm_id))
        self.orders_due.put_nowait((self._pace_s, self._rules.order(name, alarm_id, self._number)))

    def _say(self, what: str, problem: str | None, **more: Any) -> None:
        self.wrong += problem is not None
        said = {"what": what, "ok": problem is None, **more}
        if problem is not None:
            said["problem"] = problem
        self._tell(said)
