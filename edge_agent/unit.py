"""One unit over one line: bytes to session to received messages, and back up after a loss."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from edge_agent.clock import Clock
from edge_agent.link.link import Link, LinkError
from protocol.edge_session import EdgeSession
from protocol.messages import CommandKind, Log, Reading, Result, Samples, Status
from protocol.session import ONLINE, WAITING, ClockSample, LinkDown

_log = logging.getLogger(__name__)

REOPEN_FIRST_S = 0.5
REOPEN_SLOWEST_S = 15.0
MAX_RECEIVED = 4096
"""Messages of all units waiting to be worked on; beyond it samples and the like are dropped and
counted, so that greetings, events and losses still find room."""
MAX_URGENT = 8192
"""Beyond this everything is dropped; events are sent again until they are stored."""

REFUSED_FRAMES = 8
"""After so many refused frames and no session somebody is told: a restart refuses a few."""

WRONG_KEY = "no frame carries its key's tag: its link.key and our key_file differ"

_BEST_EFFORT = (Samples, Reading, Log, Status, ClockSample)


@dataclass(frozen=True, slots=True)
class Received:
    """Something a unit said, or `LinkLost` / `LinkDown` about its line."""

    unit_id: str
    message: object
    monotonic_s: float


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The line cannot be opened or broke."""

    reason: str


class Unit:
    """Keeps one unit's line open and its session going.

    What it receives is appended to `received`, the list that all units share, and `wake` is
    called once for each piece read: one wake-up drains all of it. With a `key` (32 bytes) a unit
    that does not prove that it has it too is not there.
    """

    def __init__(
        self,
        unit_id: str,
        open_link: Callable[[], Link],
        clock: Clock,
        received: list[Received],
        wake: Callable[[], None],
        key: bytes = b"",
    ) -> None:
        self.unit_id = unit_id
        self.dropped = 0
        self._open_link = open_link
        self._clock = clock
        self._received = received
        self._wake = wake
        self._key = key
        self._refused = False
        self._link: Link | None = None
        self._lost = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._asked: dict[int, asyncio.Future[Result]]
        self.session = self._new_session()

    async def run(self) -> None:
        """Open the line, and again after every loss, for ever."""
        wait_s = REOPEN_FIRST_S
        complained = ""
        while True:
            try:
                link = self._open_link()
            except LinkError as error:
                if str(error) != complained:
                    complained = str(error)
                    _log.warning("unit %s: %s; trying again for ever", self.unit_id, error)
                    self._receive(LinkLost(str(error)))
                    self._wake()
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, REOPEN_SLOWEST_S)
                continue
            if complained:
                _log.warning("unit %s: the line is back", self.unit_id)
            complained, wait_s = "", REOPEN_FIRST_S
            await self._serve(link)

    async def ask(self, kind: int, argument: bytes, limit_s: float) -> Result:
        """Send a command and wait for what came of it.

        Raises:
            LinkError: the unit is not there, or does not answer in time.
        """
        if self.session.state != ONLINE or self._link is None:
            raise LinkError("the unit is not there")
        number = self.session.command(kind, argument)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        self.flush()
        try:
            return await asyncio.wait_for(answer, limit_s)
        except TimeoutError:
            raise LinkError("the unit does not answer") from None
        finally:
            self._asked.pop(number, None)

    def flush(self) -> None:
        """Send what the session wants to say."""
        data = self.session.data_to_send()
        if data and self._link is not None:
            self._link.write(data)
        self._arm()

    async def _serve(self, link: Link) -> None:
        self._lost.clear()
        self.session = self._new_session()
        self._link = link
        try:
            link.start(self._on_bytes, self._on_lost)
            if not self._key:  # with one, the unit's next frame is answered
                self.session.command(CommandKind.HELLO)  # a quiet unit may not know we are new
            self.flush()
            await self._lost.wait()
        finally:
            self._link = None
            link.close()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _new_session(self) -> EdgeSession:
        self._asked = {}  # their numbers begin anew
        return EdgeSession(self._clock.random(8), self._key)

    def _now_ms(self) -> int:
        now = self._clock.now()
        # The session's clock is our monotonic time; it hands UTC to the unit.
        self.session.utc_ms = round((now.utc_s - now.monotonic_s) * 1000) if now.quality else 0
        self.session.quality = int(now.quality)
        return round(now.monotonic_s * 1000)

    def _on_bytes(self, data: bytes) -> None:
        self.session.receive_data(data, self._now_ms())
        self._note_refused()
        self._drain()

    def _note_refused(self) -> None:
        """Say it once when what comes is not the unit's, or no longer."""
        refused = self.session.state == WAITING and self.session.unverified >= REFUSED_FRAMES
        if self.session.state == ONLINE:
            self._refused = False
        elif refused and not self._refused:
            self._refused = True
            _log.warning("unit %s: %s; provision it anew", self.unit_id, WRONG_KEY)

    @property
    def problem(self) -> str | None:
        """What keeps a unit that is there from being heard, in words."""
        return WRONG_KEY if self._refused else None

    def _on_lost(self, reason: str) -> None:
        _log.warning("unit %s: %s", self.unit_id, reason)
        self._receive(LinkLost(reason))
        self._wake()
        self._lost.set()

    def _on_timer(self) -> None:
        self._timer = None
        self.session.handle_timeout(self._now_ms())
        self._drain()

    def _drain(self) -> None:
        events = self.session.events()
        for event in events:
            self._receive(event)
            if isinstance(event, Result) and event.number in self._asked:
                asked = self._asked.pop(event.number)
                if not asked.done():
                    asked.set_result(event)
            if isinstance(event, LinkDown):
                _log.warning("unit %s: silent", self.unit_id)
        if events:
            self._wake()
        self.flush()

    def _receive(self, message: object) -> None:
        room = MAX_RECEIVED if isinstance(message, _BEST_EFFORT) else MAX_URGENT
        if len(self._received) >= room:
            self.dropped += 1
            return
        self._received.append(Received(self.unit_id, message, self._clock.now().monotonic_s))

    def _arm(self) -> None:
        due_ms = self.session.next_timeout_ms()
        if self._timer is not None:
            if due_ms is not None and abs(self._timer.when() - due_ms / 1000) < 0.001:
                return
            self._timer.cancel()
            self._timer = None
        if due_ms is not None and self._link is not None:
            self._timer = asyncio.get_running_loop().call_at(due_ms / 1000, self._on_timer)
