"""The unit's end of the line (see `session.py`)."""

from protocol.errors import ProtocolError
from protocol.messages import (
    FROM_AGENT,
    Ack,
    Command,
    CommandKind,
    Hello,
    Message,
    Stage,
    TimeSync,
    Welcome,
)
from protocol.session import (
    ASKED,
    GREETED,
    GREETING,
    HELLO_FIRST_MS,
    HELLO_SLOWEST_MS,
    MAX_ECHOES,
    MAX_IN_FLIGHT,
    MAX_UNIT_EVENTS,
    MAX_UNIT_OUT,
    MAX_UNIT_OUT_BEST_EFFORT,
    MAX_UNIT_OUT_PARTS,
    ONLINE,
    RESEND_FIRST_MS,
    RESEND_SLOWEST_MS,
    SILENT,
    UNIT_SILENCE_MS,
    UNIT_TRANSITIONS,
    LinkDown,
    LinkUp,
    Session,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from protocol.auth import LinkKey
    from protocol.framing import Frame


class _InFlight:
    """A record the agent has not stored yet: its messages and when to send them again.

    `queued` of the messages have been queued in this round; the wait for an Ack starts with
    the last of them. A record is slow once it has been sent four times for nothing.
    """

    __slots__ = ("boot_id", "due_ms", "messages", "queued", "seq", "wait_ms")

    def __init__(self, boot_id: bytes, seq: int, messages: "list[Message]", now_ms: int) -> None:
        self.boot_id = boot_id
        self.seq = seq
        self.messages = messages
        self.queued = 0
        self.wait_ms = RESEND_FIRST_MS
        self.due_ms = now_ms

    def is_queued(self) -> bool:
        return self.queued == len(self.messages)

    def limit(self) -> int:
        return MAX_UNIT_OUT if len(self.messages) == 1 else MAX_UNIT_OUT_PARTS

    def is_slow(self) -> bool:
        return self.wait_ms >= RESEND_SLOWEST_MS


class UnitSession(Session):
    """The unit's end of the line.

    Events: `LinkUp`, `LinkDown`, `Ack`, `TimeSync`, `Configure`, `Command`.

    Args:
        hello: greets; its nonce goes on with every session, also over several `UnitSession`.
        key: 32 bytes, or none: then nobody has to prove anything.
    """

    def __init__(self, hello: Hello, key: bytes = b"") -> None:
        Session.__init__(self, FROM_AGENT, key, MAX_UNIT_EVENTS, MAX_UNIT_OUT)
        self.state = GREETING
        self._hello = hello
        self._hello_due_ms: "int | None" = None
        self._hello_wait_ms = HELLO_FIRST_MS
        self._heard_ms = 0
        self._is_asking = False
        self._in_flight: "list[_InFlight]" = []

    def start(self, now_ms: int) -> None:
        """Greet for the first time, or anew after the line was opened again."""
        self._greet(now_ms)

    def receive_data(self, data: bytes, now_ms: int) -> None:
        """Take bytes from the line. Never raises, whatever they are."""
        for frame in self._deframer.feed(data):
            if self._key is not None and not self._verify(self._key, frame):
                self.unverified += 1
                continue
            message = self._parse(frame)
            if message is None:
                continue
            if isinstance(message, Welcome):
                self._take_welcome(message, now_ms)
            elif isinstance(message, Command) and message.kind == CommandKind.HELLO:
                if self._key is None:
                    self._change(ASKED, now_ms)
                else:
                    self._put_hello(now_ms)  # the session lasts until a Welcome proves another
            elif self.state == ONLINE:
                self._heard_ms = now_ms
                self._take(message, now_ms)

    def next_timeout_ms(self) -> "int | None":
        """Return when `handle_timeout` wants to be called, or None."""
        if self.state == GREETING:
            return self._hello_due_ms
        due = self._heard_ms + UNIT_SILENCE_MS
        for record in self._in_flight:
            if record.is_queued() or len(self._out) <= record.limit():
                due = min(due, record.due_ms)
        return due

    def handle_timeout(self, now_ms: int) -> None:
        """Send what is due again; greet anew after silence."""
        if self.state == GREETING:
            if self._hello_due_ms is not None and now_ms >= self._hello_due_ms:
                self._greet(now_ms)
            return
        if now_ms - self._heard_ms >= UNIT_SILENCE_MS:
            self._change(SILENT, now_ms)
            return
        for record in self._in_flight:
            if record.is_queued() and now_ms >= record.due_ms:
                record.wait_ms = min(2 * record.wait_ms, RESEND_SLOWEST_MS)
                record.due_ms = now_ms
                record.queued = 0
        self._queue(now_ms)

    def send(self, message: Message) -> bool:
        """Send a message once. False, and counted, when nobody listens or the line is full."""
        if self.state != ONLINE:
            self.dropped += 1
            return False
        return self._put(message, MAX_UNIT_OUT_BEST_EFFORT)

    def has_room(self) -> bool:
        """Return True when `offer` may be called. Records nobody answers block no new ones."""
        return (
            self.state == ONLINE
            and sum(not record.is_slow() for record in self._in_flight) < MAX_IN_FLIGHT
        )

    def offer(self, boot_id: bytes, seq: int, messages: "list[Message]", now_ms: int) -> None:
        """Send one record (an Event, or all parts of an Impact) until it is stored.

        The oldest of too many slow records gives way: it is no longer `in_flight`, and may be
        offered again.

        Raises:
            ValueError: there is no room (ask `has_room` first).
        """
        if not self.has_room():
            raise ValueError("no room for another record in flight")
        if len(self._in_flight) >= 2 * MAX_IN_FLIGHT:
            self._in_flight.remove(next(r for r in self._in_flight if r.is_slow()))
        self._in_flight.append(_InFlight(boot_id, seq, messages, now_ms))
        self._queue(now_ms)

    def in_flight(self, boot_id: bytes, seq: int) -> bool:
        """Return True while the record is on its way."""
        return any(r.boot_id == boot_id and r.seq == seq for r in self._in_flight)

    def _queue(self, now_ms: int) -> None:
        """Queue what waits while there is room: Events, then the parts of Impacts."""
        for limit in (MAX_UNIT_OUT, MAX_UNIT_OUT_PARTS):
            for record in self._in_flight:
                if record.limit() != limit or record.is_queued():
                    continue
                while not record.is_queued() and len(self._out) <= limit:
                    self._put(record.messages[record.queued])
                    record.queued += 1
                if record.is_queued():
                    record.due_ms = now_ms + record.wait_ms

    def _greet(self, now_ms: int) -> None:
        self._out = bytearray()  # it was for a link that is no more; records are offered again
        self._put_hello(now_ms)
        self._hello_due_ms = now_ms + self._hello_wait_ms
        self._hello_wait_ms = min(2 * self._hello_wait_ms, HELLO_SLOWEST_MS)

    def _put_hello(self, now_ms: int) -> None:
        self._hello.uptime_ms = now_ms
        self._put(self._hello, None, None if self._key is None else self._key.hello)
        self._is_asking = True

    def _verify(self, key: "LinkKey", frame: "Frame") -> bool:
        """Return True for a frame of the session, the one that opens it, and a knock."""
        if self._receiving is not None and self._receiving.check(frame):
            return True
        if frame.type == Welcome.TYPE:
            return self._is_asking and self._verify_welcome(key, frame)
        return frame.type == Command.TYPE and self._verify_knock(key, frame)

    def _verify_welcome(self, key: "LinkKey", frame: "Frame") -> bool:
        """Go over to the session of a Welcome that only an agent with the key can have made."""
        try:
            welcome = Welcome.unpack(frame.payload)
        except ProtocolError:
            return False
        down = key.down(self._hello, welcome.nonce)
        if welcome.boot_id != self._hello.boot_id or not down.check(frame):
            return False
        if self.state == ONLINE:
            self._drop_link()
        self._sending = key.up(self._hello, welcome.nonce)
        self._receiving = down
        self._hello.nonce = key.next_nonce(self._hello.nonce)
        self._is_asking = False
        return True

    def _verify_knock(self, key: "LinkKey", frame: "Frame") -> bool:
        """Return True, once, when an agent says which of our last frames it could not read."""
        try:
            command = Command.unpack(frame.payload)
        except ProtocolError:
            return False
        echo = command.argument
        if command.kind != CommandKind.HELLO or not echo or echo not in self._tags:
            return False
        if not key.knock.check(frame):
            return False
        self._tags = [b""] * MAX_ECHOES
        return True

    def _drop_link(self) -> None:
        self._end_keys()
        self._out = bytearray()
        self._in_flight = []  # offered again from the backlog when the link is up
        self._emit(LinkDown())

    def _take_welcome(self, welcome: Welcome, now_ms: int) -> None:
        if welcome.boot_id != self._hello.boot_id:
            self.malformed += 1
            return
        self._heard_ms = now_ms
        self._change(GREETED, now_ms)
        self._emit(LinkUp(welcome))

    def _take(self, message: Message, now_ms: int) -> None:
        if isinstance(message, TimeSync):
            self._put(TimeSync(message.token, now_ms))
        elif isinstance(message, Ack) and message.stage >= Stage.STORED:
            kept = []
            for record in self._in_flight:
                if record.boot_id != message.boot_id or record.seq != message.seq:
                    kept.append(record)
            self._in_flight = kept
        self._emit(message)

    def _change(self, event: str, now_ms: int) -> None:
        before = self.state
        self.state = UNIT_TRANSITIONS[before, event]
        if before == ONLINE and self.state == GREETING:
            self._drop_link()
        if event != GREETED:
            self._hello_wait_ms = HELLO_FIRST_MS
            self._greet(now_ms)
