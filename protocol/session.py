"""Both ends of the line as sans-IO sessions: bytes and a clock reading in, events out.

A session never reads, writes or waits. Feed it with `receive_data(data, now_ms)`, send what
`data_to_send()` returns, drain `events()`, and call `handle_timeout(now_ms)` when the time of
`next_timeout_ms()` has come: it may lie in the past, when the line took all and more waits.
`now_ms` is any clock that never goes back.

```
 UnitSession   GREETING --welcome--> ONLINE      EdgeSession   WAITING --hello--> ONLINE
                  ^                    |                          ^                 |
                  +---silence, asked---+                          +-----silence-----+
```

A unit that only greets does not hear the agent: that is silence too. The agent is then
UNHEARD, answers greetings, and is ONLINE again when anything else comes.

Events and impacts are kept by the unit until `Ack` says `stored`; what is in flight is sent
again with a growing wait. Samples are sent once and counted when lost.
"""

from protocol.errors import ProtocolError
from protocol.framing import Deframer, Frame, encode_frame
from protocol.messages import (
    FROM_AGENT,
    FROM_UNIT,
    Ack,
    Command,
    CommandKind,
    Event,
    Hello,
    Impact,
    Message,
    Samples,
    Stage,
    TimeSync,
    Welcome,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HELLO_FIRST_MS = 1000
HELLO_SLOWEST_MS = 5000
HEARTBEAT_MS = 15_000
UNIT_SILENCE_MS = 45_000
"""Three heartbeats without a word: the unit greets again."""
EDGE_SILENCE_MS = 60_000
"""After this the agent calls the unit lost."""
RESEND_FIRST_MS = 2000
RESEND_SLOWEST_MS = 15_000
SYNC_AT_START = 4
"""Time requests in the first seconds, so that the clocks agree soon after a greeting."""
SYNC_START_MS = 1000
MAX_IN_FLIGHT = 4
"""Records on their way; those sent four times without an answer do not count, up to 8 in all."""
MAX_OUT = 16_384
MAX_EVENTS = 1024
MAX_UNIT_OUT = 4096
"""A unit's heap is small and in pieces: 0.35 s of a line at 115200 baud."""
MAX_UNIT_OUT_BEST_EFFORT = 2048
"""A unit's samples leave the rest of the room to what must arrive."""
MAX_UNIT_OUT_PARTS = 2048
"""Parts of impacts are queued in small helpings, so that a press waits for few of them."""
MAX_UNIT_EVENTS = 32
MAX_OPEN_IMPACTS = 2 * MAX_IN_FLIGHT
MAX_RECENT = 64
MAX_SIGNALS = 64

GREETING = "greeting"
WAITING = "waiting"
ONLINE = "online"
UNHEARD = "unheard"

GREETED = "greeted"
ANSWERED = "answered"
SILENT = "silent"
ONLY_GREETED = "only greeted"
ASKED = "asked"

UNIT_TRANSITIONS = {
    (GREETING, GREETED): ONLINE,
    (GREETING, ASKED): GREETING,
    (GREETING, SILENT): GREETING,
    (ONLINE, GREETED): ONLINE,
    (ONLINE, ASKED): GREETING,
    (ONLINE, SILENT): GREETING,
}
EDGE_TRANSITIONS = {
    (WAITING, GREETED): ONLINE,
    (WAITING, ANSWERED): WAITING,
    (WAITING, SILENT): WAITING,
    (WAITING, ONLY_GREETED): WAITING,
    (ONLINE, GREETED): ONLINE,
    (ONLINE, ANSWERED): ONLINE,
    (ONLINE, SILENT): WAITING,
    (ONLINE, ONLY_GREETED): UNHEARD,
    (UNHEARD, GREETED): UNHEARD,
    (UNHEARD, ANSWERED): ONLINE,
    (UNHEARD, SILENT): UNHEARD,
    (UNHEARD, ONLY_GREETED): UNHEARD,
}


class LinkUp:
    """The peer is there: the unit has its Welcome."""

    __slots__ = ("welcome",)

    def __init__(self, welcome: Welcome) -> None:
        self.welcome = welcome


class LinkDown:
    """The peer has not been heard for too long, does not hear us, or asked to be greeted."""

    __slots__ = ()


class ClockSample:
    """A time request came back: the unit's uptime lies between the two readings of `now_ms`."""

    __slots__ = ("received_ms", "sent_ms", "uptime_ms")

    def __init__(self, sent_ms: int, received_ms: int, uptime_ms: int) -> None:
        self.sent_ms = sent_ms
        self.received_ms = received_ms
        self.uptime_ms = uptime_ms


class _Session:
    """What both ends share: frames in and out, counters, bounded buffers."""

    def __init__(
        self,
        parsers: "Mapping[int, Callable[[bytes], Message]]",
        verify: "Callable[[Frame], bool] | None",
        max_events: int,
        max_out: int,
    ) -> None:
        self._parsers = parsers
        self._verify = verify
        self._max_events = max_events
        self._max_out = max_out
        self._deframer = Deframer()
        self._events: "list[object]" = []
        self._out = bytearray()
        self._sequence = 0
        self.unknown = 0
        """Frames of a type this version does not know."""
        self.malformed = 0
        """Frames with a right checksum and a payload that means nothing."""
        self.unverified = 0
        """Frames refused for their authentication tag."""
        self.dropped = 0
        """Best-effort messages that found no room, on the way out or in."""

    @property
    def rejected(self) -> int:
        """Return how many stretches of the line were no good frame."""
        return self._deframer.rejected + self.malformed + self.unverified

    def events(self) -> "list[object]":
        """Return what happened since the last call, oldest first."""
        events = self._events
        self._events = []
        return events

    def data_to_send(self) -> bytes:
        """Return the bytes to write now; they are handed out once."""
        if not self._out:
            return b""
        out = bytes(self._out)
        self._out = bytearray()
        return out

    def _parse(self, frame: Frame) -> "Message | None":
        if self._verify is not None and not self._verify(frame):
            self.unverified += 1
            return None
        self._note(frame)
        parser = self._parsers.get(frame.type)
        if parser is None:
            self.unknown += 1
            return None
        try:
            return parser(frame.payload)
        except ProtocolError:
            self.malformed += 1
            return None

    def _note(self, frame: Frame) -> None:
        """See every good frame, also of a type that nobody here knows."""

    def _emit(self, event: object) -> None:
        if len(self._events) < self._max_events:
            self._events.append(event)
        else:
            self.dropped += 1

    def _put(self, message: Message, limit: "int | None" = None) -> bool:
        """Queue a message. False, and counted, when the line has not taken the last bytes."""
        if len(self._out) > (self._max_out if limit is None else limit):
            self.dropped += 1
            return False
        self._out.extend(encode_frame(message.TYPE, self._sequence, message.pack()))
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        return True


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


class UnitSession(_Session):
    """The unit's end of the line.

    Events: `LinkUp`, `LinkDown`, `Ack`, `TimeSync`, `Configure`, `Command`.
    """

    def __init__(self, hello: Hello, verify: "Callable[[Frame], bool] | None" = None) -> None:
        _Session.__init__(self, FROM_AGENT, verify, MAX_UNIT_EVENTS, MAX_UNIT_OUT)
        self.state = GREETING
        self._hello = hello
        self._hello_due_ms: "int | None" = None
        self._hello_wait_ms = HELLO_FIRST_MS
        self._heard_ms = 0
        self._in_flight: "list[_InFlight]" = []

    def start(self, now_ms: int) -> None:
        """Greet for the first time, or anew after the line was opened again."""
        self._greet(now_ms)

    def receive_data(self, data: bytes, now_ms: int) -> None:
        """Take bytes from the line. Never raises, whatever they are."""
        for frame in self._deframer.feed(data):
            message = self._parse(frame)
            if message is None:
                continue
            if isinstance(message, Welcome):
                self._take_welcome(message, now_ms)
            elif isinstance(message, Command) and message.kind == CommandKind.HELLO:
                self._change(ASKED, now_ms)
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
        self._hello.uptime_ms = now_ms
        self._put(self._hello)
        self._hello_due_ms = now_ms + self._hello_wait_ms
        self._hello_wait_ms = min(2 * self._hello_wait_ms, HELLO_SLOWEST_MS)

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
            self._in_flight = []  # offered again from the backlog when the link is up
            self._emit(LinkDown())
        if event != GREETED:
            self._hello_wait_ms = HELLO_FIRST_MS
            self._greet(now_ms)


class EdgeSession(_Session):
    """The agent's end of the line.

    Events: `Hello` (each greeting), `LinkDown`, `ClockSample`, `Samples`, `Reading`, `Event`,
    `Impact` (whole, all parts joined), `Status`, `Inventory`, `Log`, `Result`.
    """

    def __init__(self, nonce: bytes, verify: "Callable[[Frame], bool] | None" = None) -> None:
        _Session.__init__(self, FROM_UNIT, verify, MAX_EVENTS, MAX_OUT)
        self.state = WAITING
        self.hello: "Hello | None" = None
        self.utc_ms = 0
        """Our UTC at `now_ms` = 0 in ms, sent with each time request; 0 while unknown."""
        self.quality = 0
        self.frames_lost = 0
        self.samples_lost = 0
        self._nonce = nonce
        self._heard_ms = 0
        self._answered = True
        self._sync_due_ms = 0
        self._syncs = 0
        self._token = 0
        self._sent: "dict[int, int]" = {}
        self._asked_ms: "int | None" = None
        self._number = 0
        self._last_sequence: "int | None" = None
        self._next_index: "dict[tuple[int, int], int]" = {}
        self._impacts: "dict[tuple[bytes, int], list[Impact | None]]" = {}
        self._stages: "dict[tuple[bytes, int], int]" = {}

    def receive_data(self, data: bytes, now_ms: int) -> None:
        """Take bytes from the line. Never raises, whatever they are."""
        for frame in self._deframer.feed(data):
            message = self._parse(frame)
            if message is None:
                continue
            if isinstance(message, Hello):
                self._take_hello(message, frame.sequence, now_ms)
                continue
            before = self.state
            self.state = EDGE_TRANSITIONS[before, ANSWERED]
            if self.state == ONLINE:
                self._heard_ms = now_ms
                self._answered = True
                if before == UNHEARD:
                    self._emit(self.hello)
                self._take(message, now_ms)
            elif self._asked_ms is None or now_ms - self._asked_ms >= HELLO_FIRST_MS:
                self._asked_ms = now_ms
                self.command(CommandKind.HELLO)

    def next_timeout_ms(self) -> "int | None":
        """Return when `handle_timeout` wants to be called, or None."""
        if self.state == WAITING:
            return None
        if self.state == UNHEARD:
            return self._sync_due_ms
        return min(self._sync_due_ms, self._heard_ms + EDGE_SILENCE_MS)

    def handle_timeout(self, now_ms: int) -> None:
        """Ask for the time when it is due; call the unit lost after silence."""
        if self.state == WAITING:
            return
        if self.state == ONLINE and now_ms - self._heard_ms >= EDGE_SILENCE_MS:
            event = SILENT if self._answered else ONLY_GREETED
            self.state = EDGE_TRANSITIONS[self.state, event]
            self._emit(LinkDown())
        elif now_ms >= self._sync_due_ms:
            self._sync(now_ms)

    def acknowledge(self, boot_id: bytes, seq: int, stage: int) -> None:
        """Tell the unit how far its event has come; `stored` lets it forget the event.

        A stage never goes back: a lower one is sent as the highest that was told before.
        """
        key = (boot_id, seq)
        if stage >= Stage.STORED:
            stage = max(stage, self._stages.pop(key, stage))
            self._stages[key] = stage
            if len(self._stages) > MAX_RECENT:
                self._stages.pop(next(iter(self._stages)))
        self._put(Ack(boot_id, seq, stage))

    def command(self, kind: int, argument: bytes = b"") -> int:
        """Send a command and return its number; the Result carries it back."""
        self._number = (self._number + 1) & 0xFFFFFFFF
        self._put(Command(self._number, kind, argument))
        return self._number

    def send(self, message: Message) -> bool:
        """Send a message once. False, and counted, when the line is full."""
        return self._put(message)

    def _take_hello(self, hello: Hello, sequence: int, now_ms: int) -> None:
        known = self.hello
        if known is not None and known.boot_id == hello.boot_id:
            if known.boot_count != hello.boot_count:  # the boot id is used twice
                known = None
                self._stages = {}
        else:
            known = None
        if known is None:
            self._next_index = {}
            self._impacts = {}
        self.hello = hello
        self.state = EDGE_TRANSITIONS[self.state, GREETED]
        if self._answered:
            self._heard_ms = now_ms
        self._answered = False
        self._last_sequence = sequence
        self._asked_ms = None
        self._put(Welcome(hello.boot_id, self._nonce, self._utc(now_ms), self.quality))
        if self.state == ONLINE:
            self._emit(hello)
        self._syncs = 0
        self._sent = {}
        self._sync(now_ms)

    def _utc(self, now_ms: int) -> int:
        return self.utc_ms + now_ms if self.utc_ms else 0

    def _sync(self, now_ms: int) -> None:
        self._token = (self._token + 1) & 0xFFFFFFFF
        if len(self._sent) >= SYNC_AT_START:
            self._sent.pop(min(self._sent))
        self._sent[self._token] = now_ms
        self._put(TimeSync(self._token, 0, self._utc(now_ms), self.quality))
        self._syncs += 1
        wait = SYNC_START_MS if self._syncs < SYNC_AT_START else HEARTBEAT_MS
        self._sync_due_ms = now_ms + wait

    def _note(self, frame: Frame) -> None:
        if frame.type == Hello.TYPE:
            return
        if self._last_sequence is not None:
            lost = (frame.sequence - self._last_sequence - 1) & 0xFFFFFFFF
            if lost < 0x80000000:
                self.frames_lost += lost
        self._last_sequence = frame.sequence

    def _take(self, message: Message, now_ms: int) -> None:
        if isinstance(message, TimeSync):
            sent = self._sent.pop(message.token, None)
            if sent is not None:
                self._emit(ClockSample(sent, now_ms, message.uptime_ms))
        elif isinstance(message, Impact):
            self._take_impact(message)
        elif isinstance(message, Event):
            if not self._acknowledge_again(message):
                self._emit(message)
        else:
            if isinstance(message, Samples):
                self._count_samples(message)
            self._emit(message)

    def _acknowledge_again(self, record: "Event | Impact") -> bool:
        stage = self._stages.get((record.boot_id, record.seq))
        if stage is None:
            return False
        self._put(Ack(record.boot_id, record.seq, stage))
        return True

    def _count_samples(self, samples: Samples) -> None:
        key = (samples.quantity, samples.channel)
        expected = self._next_index.get(key)
        if expected is None:
            if len(self._next_index) >= MAX_SIGNALS:
                return
        else:
            lost = (samples.index - expected) & 0xFFFFFFFF
            if lost < 0x80000000:
                self.samples_lost += lost
        self._next_index[key] = (samples.index + samples.count) & 0xFFFFFFFF

    def _take_impact(self, part: Impact) -> None:
        if self._acknowledge_again(part):
            return
        key = (part.boot_id, part.seq)
        parts = self._impacts.get(key)
        if parts is not None and not all(p is None or _same_snippet(p, part) for p in parts):
            self.malformed += 1  # two records under one name: the later one counts
            self._impacts.pop(key)
            parts = None
        if parts is None:
            if len(self._impacts) >= MAX_OPEN_IMPACTS:
                self._impacts.pop(next(iter(self._impacts)))  # it is sent again
            parts = self._impacts[key] = [None] * part.parts
        parts[part.part] = part
        if None in parts:
            return
        del self._impacts[key]
        whole = bytearray()
        for piece in parts:
            if piece is not None:
                whole.extend(piece.data)
        first = part if parts[0] is None else parts[0]
        first.data = bytes(whole)
        first.parts = 1
        self._emit(first)


def _same_snippet(one: Impact, other: Impact) -> bool:
    return (one.parts, one.channel, one.uptime_ms, one.period_us, one.scale, one.axes) == (
        other.parts,
        other.channel,
        other.uptime_ms,
        other.period_us,
        other.scale,
        other.axes,
    )
