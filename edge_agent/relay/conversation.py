"""What a route says and hears on its connections to a broker; it outlives each of them.

```
 birth --> [ most urgent row | answer to a command | greeting | retained state | telemetry ] ...
 verdict --> accepted | parked | again        command --> answer        time --> clock
```
A row is accepted by its PUBACK, or, where the platform has one, by its business reply; one that is
silent about a row is asked again (see `waiting.py`) and holds up no other alarm.
"""

import asyncio
import logging
import random
import re
from collections import OrderedDict, deque
from collections.abc import Collection

from edge_agent.alarm.command import Command, CommandName, Response
from edge_agent.clock import Clock, Quality
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Row, Telemetry
from edge_agent.relay.mqtt import Connection
from edge_agent.relay.parking import Parking
from edge_agent.relay.profile import (
    REPLY_S,
    AgentSeen,
    Answer,
    Asked,
    Delivery,
    PeerError,
    Profile,
    Publication,
    Refused,
    RowError,
    TimeTold,
    Verdict,
)
from edge_agent.relay.route import Hooks, Presence, Stamps, Standing
from edge_agent.relay.turn import Turn

_log = logging.getLogger(__name__)

MAX_RESPONSES = 64
MAX_TELEMETRY_ATTEMPTS = 3
MAX_KEYS = 1024
"""Keys of ours whose answers are known for such when they come late or twice."""
_SESSION = re.compile("[0-9A-Za-z-]{1,64}")


class Conversation:
    """The lanes of one MQTT route, most urgent first, and what comes back."""

    def __init__(
        self,
        name: str,
        profile: Profile,
        turn: Turn,
        outbox: Outbox,
        clock: Clock,
        hooks: Hooks,
        standing: Standing,
        presence: Presence | None = None,
        commands: Collection[CommandName] = tuple(CommandName),
    ) -> None:
        self.stamps = Stamps(clock)
        self._parking = Parking(name, outbox, standing)
        self._name = name
        self._turn = turn
        self._waiting = turn.waiting
        self._profile = profile
        self._outbox = outbox
        self._clock = clock
        self._hooks = hooks
        self._standing = standing
        self._presence = presence
        self._commands = frozenset(commands)
        self._states: dict[str, Publication] = {}
        self._responses: deque[Publication] = deque()
        self._greeting: deque[Publication] = deque()
        self._unanswered: Row | Telemetry | None = None
        self._telemetry_attempts = 0
        self._keys: OrderedDict[str, None] = OrderedDict()
        self._was_born = False
        self._has_complained = False

    def wake(self) -> None:
        """Say that the outbox has something new."""
        self._turn.wake()

    def set_state(self, publication: Publication) -> None:
        """Publish a retained state; only the newest of a topic matters."""
        self._states[publication.topic] = publication
        self._turn.wake()

    async def greet(self, connection: Connection) -> None:
        """Subscribe and say that we are here; all else of a greeting lets alarms go first."""
        for refused in await connection.subscribe(self._profile.subscriptions):
            _log.warning("route %s: the broker refuses %s", self._name, refused)
        self._has_complained = False
        stamp = self.stamps.next()
        self._greeting = deque(self._profile.greet(self._hooks.units(), stamp))
        question = self._profile.ask_time(stamp)
        if question is not None and self._clock.now().quality in (Quality.NONE, Quality.PLATFORM):
            self._greeting.appendleft(question)
        self._states.clear()
        if self._presence is not None:
            birth, *states = self._presence.birth()
            await connection.publish(birth)
            for publication in states:
                self._states.setdefault(publication.topic, publication)
        self._turn.wake()

    async def hold(self, connection: Connection) -> None:
        """Talk until the connection ends; leaves with a group of `RouteDownError`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(connection), name=f"{self._name} incoming")
            group.create_task(self._send(connection), name=f"{self._name} sender")
            group.create_task(self._parking.retry(self.wake), name=f"{self._name} parked rows")

    async def ended(self) -> bool:
        """Note that the connection ended; True when something was on its way just then.

        That is what went last without an answer: a PUBACK, or the platform's own where it has one.
        """
        sent, self._unanswered = self._unanswered or self._waiting.newest(), None
        self._waiting.lost()
        self._was_born = True
        if sent is None:
            return False
        if isinstance(sent, Telemetry):
            self._telemetry_attempts += 1
            if self._telemetry_attempts >= MAX_TELEMETRY_ATTEMPTS:
                _log.error("route %s: left %s out", self._name, sent.topic)
                await self._pass(sent)
        else:
            self._standing.is_silent = True
            await self._parking.count_attempt(sent, "the connection ends on it")
        return True

    # -- out ----------------------------------------------------------------------------------

    async def _send(self, connection: Connection) -> None:
        while True:
            await self._turn.wait()
            for row in self._waiting.expire(self._clock.now().monotonic_s, _chance()):
                self._standing.is_silent = True
                _log.info("route %s: no reply to %s event %d", self._name, row.alarm_id, row.event)
            while await self._send_next(connection):
                pass

    async def _send_next(self, connection: Connection) -> bool:
        """Send what is most urgent; False when nothing waits."""
        row = await self._turn.next_row()
        if row is not None:
            await self._deliver(connection, row)
            return True
        for lane in (self._responses, self._greeting):
            if lane:
                await connection.publish(lane.popleft())
                return True
        if self._states:
            await connection.publish(self._states.pop(next(iter(self._states))))
            return True
        for message in await self._outbox.telemetry(self._name, 1):
            await self._report(connection, message)
            return True
        return False

    async def _deliver(self, connection: Connection, row: Row) -> None:
        try:
            delivery = self._profile.deliver(row.body, self.stamps.next())
        except RowError as error:
            await self._parking.park(row, str(error))
            return
        if delivery.skipped is not None:
            self._parking.accepted(row)
            await self._hooks.passed(self._name, row)
            return
        if delivery.key is not None:  # the reply may come before the PUBACK
            reply_s = self._profile.reply_s or REPLY_S
            self._waiting.sent(row, delivery.key, self._clock.now().monotonic_s + reply_s)
        self._turn.sent(row)
        await self._publish(connection, row, delivery)
        if delivery.key is None:
            self._waiting.settle(row)
            await self._accept(row)

    async def _report(self, connection: Connection, message: Telemetry) -> None:
        """Publish telemetry; the PUBACK has to do, whatever the platform thinks of a value."""
        try:
            delivery = self._profile.report(message.topic, message.body, self.stamps.next())
        except RowError as error:
            _log.error("route %s: left %s out: %s", self._name, message.topic, error)
        else:
            await self._publish(connection, message, delivery)
        await self._pass(message)

    async def _publish(
        self, connection: Connection, sent: Row | Telemetry, delivery: Delivery
    ) -> None:
        if delivery.key is not None:
            self._keys[delivery.key] = None
            if len(self._keys) > MAX_KEYS:
                self._keys.popitem(last=False)
        self._unanswered = sent
        for publication in delivery.publications:
            await connection.publish(publication)
        self._unanswered = None

    async def _accept(self, row: Row) -> None:
        self._standing.is_silent = False
        self._parking.accepted(row)
        await self._hooks.accepted(self._name, row)

    async def _pass(self, message: Telemetry) -> None:
        self._telemetry_attempts = 0
        await self._outbox.passed(self._name, message.row, self._clock.now().utc_s)

    # -- in -----------------------------------------------------------------------------------

    async def _listen(self, connection: Connection) -> None:
        async for arrived in connection.messages():
            try:
                incoming = self._profile.read(arrived.topic, arrived.payload, arrived.retained)
            except PeerError as error:
                if not self._has_complained:  # once a connection: it may go on for ever
                    self._has_complained = True
                    _log.warning("route %s: refused a message: %s", self._name, error)
                continue
            match incoming:
                case Verdict():
                    await self._settle(incoming)
                case Asked():
                    response = await self._obey(incoming.command)
                    self._answer(self._profile.respond(incoming, response))
                case Refused():
                    _log.warning("route %s: refused a command: %s", self._name, incoming.why)
                    self._answer(incoming.publication)
                case TimeTold():
                    self._hooks.time(self._name, incoming.utc_s)
                case AgentSeen():
                    self._look_at(incoming, retained=arrived.retained)

    async def _obey(self, command: Command) -> Response:
        if command.name in self._commands:
            return await self._hooks.command(command)
        why = f"this route may not {command.name}"
        _log.warning("route %s: refused a command: %s", self._name, why)
        return Response(
            transaction=command.transaction, ok=False, error=why, alarm_id=command.alarm_id
        )

    def _answer(self, publication: Publication) -> None:
        if len(self._responses) < MAX_RESPONSES:
            self._responses.append(publication)
            self._turn.wake()

    async def _settle(self, verdict: Verdict) -> None:
        if verdict.key and verdict.key not in self._keys:
            self._standing.strays += 1
            return
        is_answer = verdict.answer is not Answer.RETRY
        if is_answer or self._waiting.holds(verdict.key):
            self._standing.is_silent = not is_answer
        row = self._waiting.take(verdict, self._clock.now().monotonic_s, _chance())
        if row is None:
            if verdict.answer is not Answer.ACCEPTED:
                _log.info("route %s: %s: %s", self._name, verdict.answer, verdict.reason)
            return
        if verdict.answer is Answer.ACCEPTED:
            await self._accept(row)
        else:
            await self._parking.park(row, verdict.reason)
        self._waiting.stored(row)
        self._turn.wake()

    def _look_at(self, seen: AgentSeen, *, retained: bool) -> None:
        """Look at what stands on our own state topic.

        A will that comes late, of an earlier run or of a connection that was thought dead, is
        overwritten: we are here. Somebody else's birth after ours means that two agents speak for
        one home; what a broker kept from before our first birth means nothing.
        """
        if self._presence is None or (retained and seen.state != "online"):
            return  # our birth comes after what the broker kept
        if seen.state != "online":
            self.set_state(self._presence.birth()[0])
            if seen.session != self._presence.session:
                self._standing.trouble = None  # the other agent has left
        elif seen.session != self._presence.session and (self._was_born or not retained):
            whose = seen.session if _SESSION.fullmatch(seen.session) else "?"
            self._standing.trouble = f"another agent speaks for this home: session {whose}"
            _log.error("route %s: %s", self._name, self._standing.trouble)


def _chance() -> float:
    return random.random()  # noqa: S311 (jitter, no secret)
