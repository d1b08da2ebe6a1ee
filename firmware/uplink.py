"""The unit's session over the board's link, fed from the backlog.

```
 reader: waits until the link is readable  --> session --> events --> take()
 timer:  waits for the session's timeout, a kick, or the next try to write
 send, pump: put messages into the session and write at once what the link takes
```
What the link does not take is kept and written later. Over a radio (`batch_bytes` of the link,
which a wire does not have) samples and the like wait for a moment until a packet is worth sending;
an event takes what waits along at once. One of the places in flight is kept
for calls, and one young impact at a time is in memory; a record that the agent has not taken
for half a minute holds up no other.
"""

import asyncio
import gc
import select

from firmware.backlog import CALL, IMPACT
from protocol.messages import Ack, Stage
from protocol.session import (
    MAX_IN_FLIGHT,
    MAX_UNIT_OUT_BEST_EFFORT,
    ONLINE,
    LinkUp,
)
from protocol.unit_session import UnitSession

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.backlog import Backlog, Record
    from firmware.boards.board import Link
    from firmware.uptime import Clock
    from protocol.messages import Hello, Message

_READ_BYTES = 256
_REOPEN_MS = 1000
_WRITE_AGAIN_MS = 20
_WRITE_SLOWEST_MS = 320
_PULSE_MS = 5000
"""The timer task shows that it lives at least this often, and looks whether the reader does."""
_YOUNG_MS = 30_000
_BATCH_MS = 400
"""A radio's packet is sent after this even if it is not full."""
_QUIET_MS = 20
"""Pause after a wake-up that brought no byte, so that a bad line cannot spin us."""


class Uplink:
    """One unit's line.

    Args:
        take: called with each session event that is not only the backlog's business.
        key: the unit's key; with one, an agent that does not prove that it has it too is not
            there, and can neither take an event from us nor tell us anything.
    """

    def __init__(
        self,
        hello: "Hello",
        link: "Link",
        clock: "Clock",
        backlog: "Backlog",
        take: "Callable[[object], None]",
        key: bytes = b"",
    ) -> None:
        self._hello = hello
        self._key = key
        self._session = UnitSession(hello, key)
        self._rejected = 0
        self._link = link
        self._clock = clock
        self._backlog = backlog
        self._take = take
        self._pending = b""
        self._written = 0
        self._write_wait_ms = _WRITE_AGAIN_MS
        self._batch_bytes: int = getattr(link, "batch_bytes", 0)
        self._batch_due_ms: "int | None" = None
        self._reopen_ms: int = getattr(link, "reopen_ms", _REOPEN_MS)
        self._open = False
        self._wait_until_ms = 0
        self._kick = asyncio.Event()
        self._turns = 0
        self._seen_turns = -1
        self._look_ms = 0
        self._reader_stands = False
        self.dropped = 0
        """Best-effort messages that found nobody listening or the line full."""
        self.beats = 0
        """Stand still when the timer does, or when bytes wait that the reader does not read."""

    @property
    def online(self) -> bool:
        """Return True while the agent is there."""
        return self._open and self._session.state == ONLINE

    @property
    def rejected(self) -> int:
        """Return how many stretches of the line were no good frame."""
        return self._rejected + self._session.rejected

    def wants_samples(self) -> bool:
        """Return True when a block of samples would go out; False is counted as dropped."""
        limit = 2 * self._batch_bytes or MAX_UNIT_OUT_BEST_EFFORT  # a radio may be slow
        if self.online and len(self._pending) - self._written <= limit:
            return True
        self.dropped += 1
        return False

    def send(self, message: "Message") -> None:
        """Send a best-effort message at once, or drop and count it."""
        try:
            if not self._session.send(message):
                self.dropped += 1
            if not self._waits_for_more():
                self.flush()
        except MemoryError:
            gc.collect()
            self.dropped += 1

    def pump(self) -> None:
        """Offer what the backlog holds, as far as session and memory have room."""
        try:
            self._offer()
            self.flush()
        except MemoryError:
            gc.collect()  # the timer tries again

    def _offer(self) -> None:
        session = self._session
        if not self._open or not session.has_room():
            return
        now_ms = self._clock.now_ms()
        young = 0
        impact = False
        waiting: "list[Record]" = []
        for record in self._backlog.records:
            if not session.in_flight(record.boot_id, record.seq):
                if not record.held:
                    waiting.append(record)
            elif now_ms - record.offered_ms < _YOUNG_MS:
                young += 1
                impact = impact or record.rank == IMPACT
        for record in waiting:
            if not session.has_room():
                break
            if record.rank != CALL and young >= MAX_IN_FLIGHT - 1:
                break
            if record.rank == IMPACT and impact:
                continue
            messages = self._backlog.messages(record)
            if messages:
                session.offer(record.boot_id, record.seq, messages, now_ms)
                record.offered_ms = now_ms
                young += 1
                impact = impact or record.rank == IMPACT

    def flush(self) -> None:
        """Write what waits, as much as the link takes now; arm the timer."""
        self._batch_due_ms = None
        while True:
            if not self._pending:
                self._pending = self._session.data_to_send()
                self._written = 0
                if not self._pending:
                    break
            if not self._open:
                self._pending = b""  # nobody there: it would be old news
                continue
            try:
                count = self._link.write(memoryview(self._pending)[self._written :])
            except OSError:
                count = 0
            if not count:
                break
            self._write_wait_ms = _WRITE_AGAIN_MS
            self._written += count
            if self._written >= len(self._pending):
                self._pending = b""
        self._arm()

    def _waits_for_more(self) -> bool:
        """Return True while there is time and room for more in a radio's packet."""
        if not self._batch_bytes or not self._open:
            return False
        is_held = self._batch_due_ms is not None or not self._pending
        self._pending = self._pending[self._written :] + self._session.data_to_send()
        self._written = 0
        if not is_held or len(self._pending) >= self._batch_bytes:
            return False
        if self._batch_due_ms is None:
            self._batch_due_ms = self._clock.now_ms() + _BATCH_MS
        self._arm()
        return True

    def _arm(self) -> None:
        """Wake the timer when it would sleep too long."""
        if self._due_ms() < self._wait_until_ms:
            self._kick.set()

    async def run_reader(self) -> None:
        """Read the link for ever."""
        stream = asyncio.StreamReader(self._link)
        buffer = bytearray(_READ_BYTES)
        while True:
            self._turns += 1
            if not self._link.open():
                self._open = False
                self._pending = b""
                self._batch_due_ms = None
                await asyncio.sleep_ms(self._reopen_ms)
                continue
            if not self._open:
                self._begin_session()
            count = await stream.readinto(buffer)
            if count:
                self._receive(bytes(memoryview(buffer)[:count]))
            else:
                await asyncio.sleep_ms(_QUIET_MS)

    async def run_timer(self) -> None:
        """Handle the session's timeouts and unfinished writes for ever."""
        while True:
            now_ms = self._clock.now_ms()
            if now_ms >= self._look_ms:
                self._look_ms = now_ms + _PULSE_MS
                self._look_at_reader()
            if not self._reader_stands:
                self.beats += 1
            self._wait_until_ms = min(self._due_ms(), now_ms + _PULSE_MS)
            if self._wait_until_ms > now_ms:
                self._kick.clear()
                try:
                    await asyncio.wait_for_ms(self._kick.wait(), self._wait_until_ms - now_ms)
                    continue
                except asyncio.TimeoutError:
                    pass
            self._wait_until_ms = 0
            self._handle_timeout()
            if self._backlog.records:
                self.pump()
            await asyncio.sleep_ms(0)

    def _look_at_reader(self) -> None:
        """See whether the reader has turned since the last look, where it had reason to."""
        stands = self._turns == self._seen_turns
        self._seen_turns = self._turns
        if stands and self._open:
            try:
                poll = select.poll()
                poll.register(self._link, select.POLLIN)
                stands = bool(poll.poll(0))
            except OSError:
                pass  # it has hung up, which the reader is to notice
        self._reader_stands = stands

    def _begin_session(self) -> None:
        """Greet over a line that is open again; what was on its way is offered again."""
        self._open = True
        self._rejected += self._session.rejected
        self._session = UnitSession(self._hello, self._key)
        self._session.start(self._clock.now_ms())
        self.flush()

    def _due_ms(self) -> int:
        """Return when the timer has to do something."""
        now_ms = self._clock.now_ms()
        due = self._session.next_timeout_ms()
        if due is None:
            due = now_ms + _PULSE_MS
        if self._batch_due_ms is not None:
            return min(due, self._batch_due_ms)
        return min(due, now_ms + self._write_wait_ms) if self._pending else due

    def _handle_timeout(self) -> None:
        now_ms = self._clock.now_ms()
        waits = self._batch_due_ms is not None and now_ms < self._batch_due_ms
        if self._pending and self._batch_due_ms is None:
            self._write_wait_ms = min(2 * self._write_wait_ms, _WRITE_SLOWEST_MS)
        due = self._session.next_timeout_ms()
        if due is not None and now_ms >= due:
            self._session.handle_timeout(now_ms)
            waits = False
        if not waits:
            self._drain()

    def _receive(self, received: bytes) -> None:
        self._session.receive_data(received, self._clock.now_ms())
        self._drain()

    def _drain(self) -> None:
        pump = False
        for event in self._session.events():
            self._take(event)
            if isinstance(event, Ack):
                if event.stage >= Stage.STORED:
                    pump = self._backlog.remove(event.boot_id, event.seq) or pump
            elif isinstance(event, LinkUp):
                pump = True
        if pump:
            self.pump()
        else:
            self.flush()
