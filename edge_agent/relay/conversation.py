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
from collections import OrderedDict, deque
from collections.abc import Collection

from edge_agent.alarm.command import Command, CommandName, Response
from edge_agent.clock import Clock, Quality
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Row, Telemetry
from edge_agent.relay.home_state import HomeState
from edge_agent.relay.mqtt import Connection, NotTakenError
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
from edge_agent.relay.telemetry import TelemetryLane
from edge_agent.relay.turn import Turn

_log = logging.getLogger(__name__)

MAX_RESPONSES = 64
MAX_KEYS = 1024
"""Keys of ours whose answers are known for such when they come late or twice."""


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
        self._clock = clock
        self._hooks = hooks
        self._standing = standing
        self._home = HomeState(name, presence, standing, clock)
        self._commands = frozenset(commands)
        self._states: dict[str, Publication] = {}
        self._responses: deque[Publication] = deque()
        self._greeting: deque[Publication] = deque()
        self._unanswered: Row | Telemetry | None = None
        self._telemetry = TelemetryLane(name, profile, outbox, clock)
        self._keys: OrderedDict[str, None] = OrderedDict()
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
        self._telemetry.connected()
        stamp = self.stamps.next()
        self._greeting = deque(self._profile.greet(self._hooks.units(), stamp))
        question = self._profile.ask_time(stamp)
        if question is not None and self._clock.now().quality in (Quality.NONE, Quality.PLATFORM):
            self._greeting.appendleft(question)
        self._states.clear()
        for number, publication in enumerate(self._home.birth()):
            if number == 0:
                await self._say(connection, publication)
                self._home.born()
            else:
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
        self._home.ended()
        if sent is None:
            return False
        if isinstance(sent, Telemetry):
            await self._telemetry.count_attempt(sent)
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
            for publication in self._home.corrected():
                self._states.setdefault(publication.topic, publication)
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
                await self._say(connection, lane.popleft())
                return True
        if self._states:
            await self._say(connection, self._states.pop(next(iter(self._states))))
            return True
        found = await self._telemetry.next(self.stamps.next())
        if found is None:
            return False
        message, delivery = found
        try:
            await self._publish(connection, message, delivery)
            await self._telemetry.passed(message)
        except NotTakenError as error:
            await self._telemetry.refused(message, str(error))
        return True

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
        try:
            is_heard = await self._publish(connection, row, delivery)
        except NotTakenError as error:
            await self._put_off(row, str(error), is_for_now=error.is_for_now)
            return
        if delivery.key is None:
            self._standing.is_unheard = not is_heard
            self._waiting.settle(row)
            await self._accept(row)

    async def _put_off(self, row: Row, why: str, *, is_for_now: bool) -> None:
        """Park what the broker refuses; what it refuses for now goes twice more before."""
        if not is_for_now:
            await self._parking.park(row, why)
        elif not await self._parking.count_attempt(row, why):
            self._standing.is_silent = True
            self._waiting.put_aside(row, self._clock.now().monotonic_s, _chance())
            return
        self._standing.is_silent = False
        self._waiting.settle(row)

    async def _say(self, connection: Connection, publication: Publication) -> None:
        """Publish what is no row; what the broker will not take is said and given up."""
        try:
            await connection.publish(publication)
        except NotTakenError as error:
            _log.warning("route %s: refused %s: %s", self._name, publication.topic, error)

    async def _publish(
        self, connection: Connection, sent: Row | Telemetry, delivery: Delivery
    ) -> bool:
        """Publish; False when the broker says that nobody has subscribed to it."""
        if delivery.key is not None:
            self._keys[delivery.key] = None
            if len(self._keys) > MAX_KEYS:
                self._keys.popitem(last=False)
        self._unanswered, is_heard = sent, True
        for publication in delivery.publications:
            try:
                is_heard = await connection.publish(publication)
            except NotTakenError:
                self._unanswered = None
                raise
        self._unanswered = None
        return is_heard

    async def _accept(self, row: Row) -> None:
        self._standing.is_silent = False
        self._parking.accepted(row)
        await self._hooks.accepted(self._name, row)

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
                    said = self._home.look_at(incoming, retained=arrived.retained)
                    if said is not None:
                        self.set_state(said)

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


def _chance() -> float:
    return random.random()  # noqa: S311 (jitter, no secret)
