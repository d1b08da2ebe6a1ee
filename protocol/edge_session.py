"""The agent's end of the line (see `session.py`)."""

from protocol.from_unit import FROM_UNIT
from protocol.messages import (
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
from protocol.session import (
    ANSWERED,
    EDGE_SILENCE_MS,
    EDGE_TRANSITIONS,
    GREETED,
    HEARTBEAT_MS,
    HELLO_FIRST_MS,
    MAX_CANDIDATES,
    MAX_EVENTS,
    MAX_OPEN_IMPACTS,
    MAX_OUT,
    MAX_RECENT,
    MAX_SIGNALS,
    ONLINE,
    ONLY_GREETED,
    SILENT,
    SYNC_AT_START,
    SYNC_START_MS,
    UNHEARD,
    WAITING,
    ClockSample,
    LinkDown,
    Session,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from protocol.auth import Channel, LinkKey
    from protocol.framing import Frame


class _Candidate:
    """A greeting that was answered: a session, as soon as the unit says a word in it."""

    __slots__ = ("down", "hello", "read_ms", "up")

    def __init__(self, hello: Hello, read_ms: int, up: "Channel", down: "Channel") -> None:
        self.hello = hello
        self.read_ms = read_ms
        self.up = up
        self.down = down


class EdgeSession(Session):
    """The agent's end of the line.

    Events: `Hello` (each greeting; with a key, each session), `LinkDown`, `ClockSample`,
    `Samples`, `Reading`, `Event`, `Impact` (whole, all parts joined), `Status`, `Inventory`,
    `Log`, `Result`.

    Args:
        nonce: 8 bytes that no session had before.
        key: the unit's 32 bytes, or none: then it has to prove nothing.
    """

    def __init__(self, nonce: bytes, key: bytes = b"") -> None:
        Session.__init__(self, FROM_UNIT, key, MAX_EVENTS, MAX_OUT)
        self.state = WAITING
        self.hello: "Hello | None" = None
        self.utc_ms = 0
        """Our UTC at `now_ms` = 0 in ms, sent with each time request; 0 while unknown."""
        self.quality = 0
        self.frames_lost = 0
        self.samples_lost = 0
        self._nonce = nonce
        self._candidates: "list[_Candidate]" = []
        self._words = 0
        self._word_due_ms: "int | None" = None
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
            if self._key is not None and not self._verify(self._key, frame, now_ms):
                self.unverified += 1
                continue
            message = self._parse(frame)
            if message is None:
                continue
            if isinstance(message, Hello):
                if self._key is None:
                    self._take_hello(message, frame.sequence, now_ms)
                else:
                    self._answer_hello(self._key, message, now_ms)
                continue
            before = self.state
            self.state = EDGE_TRANSITIONS[before, ANSWERED]
            if self.state == ONLINE:
                self._heard_ms = now_ms
                self._answered = True
                if before == UNHEARD:
                    self._emit(self.hello)
                self._take(message, now_ms)
            elif self._may_ask(now_ms):
                self.command(CommandKind.HELLO)

    def next_timeout_ms(self) -> "int | None":
        """Return when `handle_timeout` wants to be called, or None."""
        due = self._word_due_ms
        if self.state == WAITING:
            return due
        if due is None or self._sync_due_ms < due:
            due = self._sync_due_ms
        return due if self.state == UNHEARD else min(due, self._heard_ms + EDGE_SILENCE_MS)

    def handle_timeout(self, now_ms: int) -> None:
        """Ask for the time when it is due; call the unit lost after silence."""
        if self._word_due_ms is not None and now_ms >= self._word_due_ms:
            self._ask_for_word(now_ms)
        if self.state == WAITING:
            return
        if self.state == ONLINE and now_ms - self._heard_ms >= EDGE_SILENCE_MS:
            event = SILENT if self._answered else ONLY_GREETED
            self.state = EDGE_TRANSITIONS[self.state, event]
            self._end_keys()
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

    def _verify(self, key: "LinkKey", frame: "Frame", now_ms: int) -> bool:
        """Return True for a frame of the session, a greeting, and the first word after one."""
        if self._receiving is not None and self._receiving.check(frame):
            return True
        if frame.type == Hello.TYPE:
            return key.hello.check(frame)
        for candidate in self._candidates:
            if candidate.up.check(frame):
                self._begin_session(candidate, now_ms)
                return True
        if self.state == WAITING and frame.tag and self._may_ask(now_ms):
            self._number = (self._number + 1) & 0xFFFFFFFF
            knock = Command(self._number, CommandKind.HELLO, frame.tag)
            self._put(knock, None, key.knock)
        return False

    def _may_ask(self, now_ms: int) -> bool:
        """Return True, at most once a second, when a greeting may be asked for."""
        if self._asked_ms is not None and now_ms - self._asked_ms < HELLO_FIRST_MS:
            return False
        self._asked_ms = now_ms
        return True

    def _answer_hello(self, key: "LinkKey", hello: Hello, now_ms: int) -> None:
        """Answer a greeting, which may be an old one, without believing it."""
        up, down = key.up(hello, self._nonce), key.down(hello, self._nonce)
        self._candidates.append(_Candidate(hello, now_ms, up, down))
        if len(self._candidates) > MAX_CANDIDATES:
            self._candidates.pop(0)
        welcome = Welcome(hello.boot_id, self._nonce, self._utc(now_ms), self.quality)
        self._put(welcome, None, down)
        self._nonce = key.next_nonce(self._nonce)
        self._words = 0
        self._ask_for_word(now_ms)

    def _ask_for_word(self, now_ms: int) -> None:
        """Make the unit of the latest greeting speak: a time request whose answer is not timed."""
        self._put(TimeSync(0, 0, self._utc(now_ms), self.quality), None, self._candidates[-1].down)
        self._words += 1
        self._word_due_ms = now_ms + SYNC_START_MS if self._words < SYNC_AT_START else None

    def _begin_session(self, candidate: _Candidate, now_ms: int) -> None:
        """Go over to the session in which the unit has just spoken."""
        self._receiving, self._sending = candidate.up, candidate.down
        self._candidates = []
        self._word_due_ms = None
        candidate.hello.uptime_ms += now_ms - candidate.read_ms
        self._last_sequence = None
        self._heard_ms = now_ms
        self._meet(candidate.hello, now_ms)

    def _take_hello(self, hello: Hello, sequence: int, now_ms: int) -> None:
        if self._answered:
            self._heard_ms = now_ms
        self._answered = False
        self._last_sequence = sequence
        self._put(Welcome(hello.boot_id, self._nonce, self._utc(now_ms), self.quality))
        self._meet(hello, now_ms)

    def _meet(self, hello: Hello, now_ms: int) -> None:
        """Note who is there, and whether it has rebooted; ask for its time."""
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
        self._asked_ms = None
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

    def _note(self, frame: "Frame") -> None:
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
