"""What both ends of the line share: sans-IO sessions, bytes and a clock reading in, events out.

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

With a key (`auth.py`) a frame counts only with the right tag, and greetings change nothing:
the unit goes over to the session that a Welcome proves, the agent to the one in which the
unit's first frame comes. There is no UNHEARD then, as a Hello proves nobody there.
"""

from protocol.auth import LinkKey
from protocol.errors import ProtocolError
from protocol.framing import Deframer, Frame
from protocol.messages import Message, Welcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from protocol.auth import Channel, Tagger

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
MAX_CANDIDATES = 4
"""Greetings that an agent with a key has answered and whose unit it has not heard since."""
MAX_ECHOES = 8
"""Frames back to which a knock may point: what a unit sends while one answer is on its way."""

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


class Session:
    """What both ends share: frames in and out, counters, bounded buffers."""

    def __init__(
        self,
        parsers: "Mapping[int, Callable[[bytes], Message]]",
        key: bytes,
        max_events: int,
        max_out: int,
    ) -> None:
        self._parsers = parsers
        self._key = LinkKey(key) if key else None
        self._sending: "Channel | None" = None
        self._receiving: "Channel | None" = None
        self._tags = [b""] * MAX_ECHOES
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
        """Frames refused for their tag: forged, replayed, of another session, or without one."""
        self.dropped = 0
        """Messages that found no room, on the way out or in, or no session to be tagged in."""

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

    def _put(
        self, message: Message, limit: "int | None" = None, tagger: "Tagger | None" = None
    ) -> bool:
        """Queue a message, tagged in the session or by `tagger` when there is a key.

        False, and counted, when the line has not taken the last bytes, or no session is there.
        """
        tagger = tagger or self._sending
        full = len(self._out) > (self._max_out if limit is None else limit)
        if full or (self._key is not None and tagger is None):
            self.dropped += 1
            return False
        payload = message.pack()
        tag = b""
        if tagger is not None:
            tag = tagger.seal(message.TYPE, self._sequence, payload)
            self._tags[self._sequence % MAX_ECHOES] = tag
        self._out.extend(message.frame(self._sequence, payload, tag))
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        return True

    def _end_keys(self) -> None:
        """Forget the keys of a session that is no more."""
        self._sending = self._receiving = None
        self._tags = [b""] * MAX_ECHOES
