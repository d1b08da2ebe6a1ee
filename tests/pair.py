"""A UnitSession and an EdgeSession joined by a bad line, in virtual time, from a seed.

```
 backlog -> UnitSession -> Line (up)   -> EdgeSession -> stored
            unit_seen   <- Line (down) <-                edge_seen
```

Nothing here waits or reads a clock: `run(ms)` jumps from one deadline to the next. The unit's
uptime, the agent's clock and the pair's own time differ by offsets, as they do in a home.
"""

from collections.abc import Callable
from random import Random

from protocol.edge_session import EdgeSession
from protocol.framing import encode_frame
from protocol.messages import Event, EventKind, Hello, Impact, Message, Samples, Stage
from protocol.unit_session import UnitSession

END = b"\xc0"
EDGE_CLOCK_MS = 7_000_000
"""What the agent's clock shows when the pair's time is 0."""
UNIT_UPTIME_MS = 3_000
"""What the unit's uptime is when it starts or has rebooted."""
MAX_STEPS_AT_ONCE = 2_000
"""More steps than this without time going on is a session that spins."""


def split_frames(data: bytes) -> list[bytes]:
    """Return the frames of what a session wrote, each with its END on both sides."""
    return [END + body + END for body in data.split(END) if body]


class Line:
    """One direction of a line: bytes come out in order, later, in other slices, some never.

    `loss` and `damage` are chances of a frame; a damaged one has a bit flipped, or a byte
    put in or taken out. `cut` loses everything. With `bytes_per_s` the line is busy while it
    sends, and `write` is only called when it is not. `meddle` gives the frames that go on in place
    of one that came whole.
    """

    def __init__(
        self,
        random: Random,
        loss: float = 0.0,
        damage: float = 0.0,
        delay_ms: tuple[int, int] = (1, 20),
        bytes_per_s: int | None = None,
    ) -> None:
        self._random = random
        self._arrivals: list[tuple[int, bytes]] = []
        self._last_ms = 0
        self.loss = loss
        self.damage = damage
        self.delay_ms = delay_ms
        self.bytes_per_s = bytes_per_s
        self.cut = False
        self.free_ms = 0
        self.meddle: Callable[[bytes], list[bytes]] = lambda frame: [frame]
        self.lost: list[bytes] = []
        """The frames that did not arrive whole."""

    def write(self, data: bytes, now_ms: int) -> None:
        if self.bytes_per_s:
            self.free_ms = now_ms + len(data) * 1000 // self.bytes_per_s
        through = bytearray()
        for frame in split_frames(data):
            if self.cut or self._random.random() < self.loss:
                self.lost.append(frame)
            elif self._random.random() < self.damage:
                self.lost.append(frame)
                through += self._damaged(frame)
            else:
                through += b"".join(self.meddle(frame))
        at = 0
        while at < len(through):
            size = self._random.choice((1, 2, 3, 7, 20, 64, 200, 1000))
            arrival_ms = max(self._last_ms, max(self.free_ms, now_ms) + self._delay())
            self._arrivals.append((arrival_ms, bytes(through[at : at + size])))
            self._last_ms = arrival_ms
            at += size

    def _delay(self) -> int:
        return self._random.randint(*self.delay_ms)

    def _damaged(self, frame: bytes) -> bytes:
        damaged = bytearray(frame)
        at = self._random.randrange(1, len(frame) - 1)
        what = self._random.randrange(3)
        if what == 0:
            damaged[at] ^= 1 << self._random.randrange(8)
        elif what == 1:
            damaged.insert(at, self._random.randrange(256))
        else:
            del damaged[at]
        return bytes(damaged)

    def next_ms(self) -> int | None:
        return self._arrivals[0][0] if self._arrivals else None

    def read(self, now_ms: int) -> list[bytes]:
        ready = 0
        while ready < len(self._arrivals) and self._arrivals[ready][0] <= now_ms:
            ready += 1
        slices = [data for _, data in self._arrivals[:ready]]
        del self._arrivals[:ready]
        return slices


class ConnectionPair:
    """Both sessions, the line between them, a backlog on one side and a store on the other.

    The unit's side does what an uplink must: offers records of its backlog while there is
    room, oldest first, and forgets one when its Ack says stored. The agent's side stores
    each record after `store_ms` and acknowledges it (`answering` off: it never does). With a
    `key` both authenticate; `edge_key` gives the agent another one, or none.
    """

    def __init__(
        self,
        seed: int = 1,
        loss: float = 0.0,
        damage: float = 0.0,
        delay_ms: tuple[int, int] = (1, 20),
        bytes_per_s: int | None = None,
        store_ms: int = 5,
        key: bytes = b"",
        edge_key: bytes | None = None,
    ) -> None:
        self.random = Random(seed)
        self.key = key
        self.edge_key = key if edge_key is None else edge_key
        self.up = Line(self.random, loss, damage, delay_ms, bytes_per_s)
        self.down = Line(self.random, loss, damage, delay_ms, bytes_per_s)
        self.now_ms = 0
        self.unit_draining = True
        """Off: nobody takes what the unit wants to send."""
        self.answering = True
        self.store_ms = store_ms
        self.backlog: list[tuple[bytes, int, list[Message]]] = []
        self.unit_seen: list[object] = []
        self.edge_seen: list[object] = []
        self.given: list[Event | Impact] = []
        """Every Event and whole Impact the agent was given, twice where it came twice."""
        self.stored: dict[tuple[bytes, int], Event | Impact] = {}
        self._actions: list[tuple[int, Callable[[], None]]] = []
        self._boots = 0
        self._edges = 0
        self.restart_unit()
        self.restart_edge()

    def restart_unit(self) -> None:
        """Boot the unit: a new boot id, uptime and sequence from the start, same backlog."""
        self._boots += 1
        self.boot_id = self.random.randbytes(8)
        self._booted_ms = self.now_ms
        self._seq = 0
        self._index = 0
        self.samples_sent = 0
        hello = Hello("bed-1", self.boot_id, self._boots, self.random.randbytes(8), "bed", "0.1.0")
        self.unit = UnitSession(hello, self.key)
        self.unit.start(self.uptime_ms)

    def restart_edge(self) -> None:
        """Start the agent anew: it has its store, and has forgotten all else."""
        self._edges += 1
        self.edge = EdgeSession(self.random.randbytes(8), self.edge_key)
        self._edge_started_ms = self.now_ms

    @property
    def uptime_ms(self) -> int:
        return self.now_ms - self._booted_ms + UNIT_UPTIME_MS

    @property
    def edge_ms(self) -> int:
        return self.now_ms - self._edge_started_ms + EDGE_CLOCK_MS * self._edges

    def press(self, kind: int = EventKind.CALL_PRESSED) -> Event:
        """Let an event happen; it goes through the backlog."""
        event = Event(self.boot_id, self._seq, kind, 0, self.uptime_ms)
        self.backlog.append((event.boot_id, event.seq, [event]))
        self._seq += 1
        return event

    def strike(self, parts: int, bytes_a_part: int = 978) -> bytes:
        """Let an impact happen and return the data of its snippet, of random counts."""
        data = self.random.randbytes(parts * bytes_a_part)
        messages: list[Message] = [
            Impact(
                self.boot_id,
                self._seq,
                part,
                parts,
                0,
                self.uptime_ms,
                self.uptime_ms + 3000,
                0,
                10_000,
                0.0048,
                3,
                data[part * bytes_a_part : (part + 1) * bytes_a_part],
            )
            for part in range(parts)
        ]
        self.backlog.append((self.boot_id, self._seq, messages))
        self._seq += 1
        return data

    def sample(self, count: int = 10, channel: int = 0) -> bool:
        """Let the unit send a block of samples, best effort."""
        block = Samples(
            1, channel, self.uptime_ms, self._index, 10_000, 0.0048, 3, bytes(6 * count)
        )
        self._index = (self._index + count) & 0xFFFFFFFF
        self.samples_sent += count
        return self.unit.send(block)

    def start_index(self, index: int) -> None:
        """Let the samples' index start here."""
        self._index = index

    def every(self, period_ms: int, times: int, action: Callable[[], object]) -> None:
        """Do something so many times, first after one period."""
        for n in range(1, times + 1):
            self.after(n * period_ms, action)

    def after(self, ms: int, action: Callable[[], object]) -> None:
        """Do something when `ms` have passed."""
        self._actions.append((self.now_ms + ms, action))
        self._actions.sort(key=lambda entry: entry[0])

    def run(self, ms: int) -> None:
        """Let `ms` of virtual time pass."""
        end_ms = self.now_ms + ms
        steps = 0
        while True:
            self._step()
            next_ms = self._next_ms()
            if next_ms is None or next_ms > end_ms:
                break
            steps = steps + 1 if next_ms <= self.now_ms else 0
            assert steps < MAX_STEPS_AT_ONCE, "a session wants to be called at once for ever"
            self.now_ms = max(self.now_ms, next_ms)
        self.now_ms = end_ms

    def run_until(self, done: Callable[[], bool], limit_ms: int) -> int:
        """Let time pass in steps of 100 ms until `done()`; return how long that took."""
        start_ms = self.now_ms
        while not done():
            assert self.now_ms - start_ms < limit_ms, f"not done after {limit_ms} ms"
            self.run(100)
        return self.now_ms - start_ms

    def _next_ms(self) -> int | None:
        times = [self.up.next_ms(), self.down.next_ms()]
        if self._actions:
            times.append(self._actions[0][0])
        unit_due = self.unit.next_timeout_ms()
        if unit_due is not None:
            times.append(unit_due - UNIT_UPTIME_MS + self._booted_ms)
        edge_due = self.edge.next_timeout_ms()
        if edge_due is not None:
            times.append(edge_due - EDGE_CLOCK_MS * self._edges + self._edge_started_ms)
        if self.up.free_ms > self.now_ms:
            times.append(self.up.free_ms)
        if self.down.free_ms > self.now_ms:
            times.append(self.down.free_ms)
        known = [time for time in times if time is not None]
        return min(known) if known else None

    def _step(self) -> None:
        while self._actions and self._actions[0][0] <= self.now_ms:
            self._actions.pop(0)[1]()
        for data in self.up.read(self.now_ms):
            self.edge.receive_data(data, self.edge_ms)
        for data in self.down.read(self.now_ms):
            self.unit.receive_data(data, self.uptime_ms)
        for session, now_ms in ((self.unit, self.uptime_ms), (self.edge, self.edge_ms)):
            due_ms = session.next_timeout_ms()
            if due_ms is not None and due_ms <= now_ms:
                session.handle_timeout(now_ms)
        self._take_unit_events()
        self._take_edge_events()
        self._offer()
        if self.unit_draining and self.up.free_ms <= self.now_ms:
            self.up.write(self.unit.data_to_send(), self.now_ms)
        if self.down.free_ms <= self.now_ms:
            self.down.write(self.edge.data_to_send(), self.now_ms)

    def _take_unit_events(self) -> None:
        for event in self.unit.events():
            self.unit_seen.append(event)
            stage = getattr(event, "stage", 0)
            if stage >= Stage.STORED:
                key = (event.boot_id, event.seq)
                self.backlog = [entry for entry in self.backlog if entry[:2] != key]

    def _take_edge_events(self) -> None:
        for event in self.edge.events():
            self.edge_seen.append(event)
            if isinstance(event, Event | Impact):
                self.given.append(event)
                if self.answering:
                    self.after(self.store_ms, lambda event=event: self._store(event))

    def _store(self, event: Event | Impact) -> None:
        self.stored.setdefault((event.boot_id, event.seq), event)
        self.edge.acknowledge(event.boot_id, event.seq, Stage.STORED)

    def _offer(self) -> None:
        for boot_id, seq, messages in self.backlog:
            if not self.unit.has_room():
                return
            if not self.unit.in_flight(boot_id, seq):
                self.unit.offer(boot_id, seq, messages, self.uptime_ms)

    def count_unit(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.unit_seen)

    def count_edge(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.edge_seen)

    def is_up(self) -> bool:
        """Return True when both sides think that they have each other."""
        return self.unit.state == "online" and self.edge.state == "online"

    def inject(self, message: Message, sequence: int = 0) -> None:
        """Give the agent a frame the unit never sent: right in form, and hostile."""
        self.edge.receive_data(encode_frame(message.TYPE, sequence, message.pack()), self.edge_ms)
