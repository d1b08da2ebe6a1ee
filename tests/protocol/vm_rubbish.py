"""Feeds megabytes of rubbish and of hostile frames to `protocol/`, on CPython and in the VM.

Usage: `python vm_rubbish.py rubbish|hostile|flood MEGABYTES TARGET...` with `deframer`, `unit`,
`edge`, `keyed_unit` and `keyed_edge` for targets and the repository on the module path. Nobody takes what a session says.
Prints one line: `ok`, the bytes fed to each, and the most memory that all held, or a
traceback.

`rubbish` is random bytes, boot text, runs of END and ESC and stretches without an END;
`hostile` is frames with a right checksum, any type and a payload of random bytes or of a real
message with a few bytes changed; `flood` is good messages of the largest size. Between them a
good frame comes now and then, and must be taken. Ends with a key get these frames with tags of
random bytes, and old greetings.
"""

import gc
import hashlib
import struct
import sys

from protocol.edge_session import EdgeSession
from protocol.framing import MAX_STUFFED, Deframer, encode_frame
from protocol.messages import (
    Ack,
    Command,
    Configure,
    Event,
    Hello,
    Impact,
    Log,
    Reading,
    Result,
    Samples,
    Status,
    TimeSync,
    Welcome,
)
from protocol.session import ClockSample
from protocol.unit_session import UnitSession

MICROPYTHON = sys.implementation.name == "micropython"
BOOT = b"\xc0\xdb\x01\x02\x03\x04\x05\x06"
KEY = bytes(range(32))
MAX_HELD = {"unit": 60_000, "edge": 1_800_000, "keyed_unit": 20_000, "keyed_edge": 60_000}
"""Bytes that may be held with nobody taking anything. A unit keeps 32 events, an agent 1024
and the parts of 8 impacts, each message of up to 1 kB. Rubbish leaves no message to hold, nor
does what has no tag; an agent's answers to old greetings fill what it has to send."""
MAX_HELD_RUBBISH = 20_000


class Rubbish:
    """Bytes from a counter through SHA-256, cut in pieces of mixed sizes."""

    def __init__(self):
        self._counter = 0

    def digest(self):
        self._counter += 1
        return hashlib.sha256(struct.pack("<I", self._counter)).digest()

    def random_bytes(self, count):
        pieces = []
        while count > 0:
            pieces.append(self.digest()[:count])
            count -= 32
        return b"".join(pieces)

    def piece(self):
        choice = self.digest()
        kind = choice[0] % 16
        size = (1, 7, 64, 200, 1000, 4096)[choice[1] % 6]
        if kind == 0:
            return b"\xc0" * size
        if kind == 1:
            return b"\xdb" * size
        if kind == 2:
            return b"\xdb\xdc\xdb\xdd\xc0"[choice[2] % 5 :] * (size // 5 + 1)
        if kind == 3:
            return self.random_bytes(size).replace(b"\xc0", b"\x00")
        if kind == 4:
            return b"\xc0\x10" + bytes((choice[2],)) + choice[3:]
        if kind == 5:
            return b"rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n" * 2
        return self.random_bytes(size)


def templates():
    data = bytes(range(240))
    return [
        Hello("bed-1", BOOT, 1, BOOT, "bed", "0.1.0"),
        Samples(1, 0, 5000, 100, 10_000, 0.005, 3, data),
        Reading(5, 0, 5000, 3.7),
        Event(BOOT, 7, 1, 0, 5000),
        Impact(BOOT, 8, 1, 3, 0, 5000, 6000, 0, 10_000, 0.005, 3, data * 4),
        Status(5000),
        Log(20, 5000, "x" * 800),
        Result(1, 0, "done"),
        Welcome(BOOT, BOOT),
        Ack(BOOT, 7, 1),
        TimeSync(1, 0, 5000, 2),
        Configure(1, "{" + "y" * 800 + "}"),
        Command(1, 4),
        Command(2, 2, data),
    ]


def flood_frame(rubbish):
    choice = rubbish.digest()
    number = struct.unpack("<I", choice[:4])[0]
    data = choice * 30
    message = (
        Configure(number, "z" * 900),
        Command(number, 2, data),
        TimeSync(number),
        Ack(choice[:8], number, choice[9]),
        Samples(choice[10], choice[11], number, number, 10_000, 1.0, 1, data),
        Impact(choice[:8], number, choice[10] % 31, 32, 0, 0, 0, 0, 10_000, 1.0, 1, data),
        Event(choice[:8], number, choice[10], 0, 0),
        Log(20, 0, "z" * 900),
    )[choice[8] % 8]
    return encode_frame(message.TYPE, number, message.pack())


def hostile_frame(rubbish, payloads):
    choice = rubbish.digest()
    type_, payload = payloads[choice[0] % len(payloads)]
    if choice[1] % 8 == 0:
        type_ = choice[2]
    if choice[3] % 4 == 0:
        payload = rubbish.random_bytes(choice[4])
    elif choice[3] % 4 < 3:
        changed = bytearray(payload)
        for n in range(choice[5] % 4):
            changed[(choice[6 + n] << 4) % len(changed)] = choice[10 + n]
            changed[choice[14 + n] % min(40, len(changed))] = choice[18 + n]
        payload = bytes(changed)
    return encode_frame(type_, struct.unpack("<I", choice[24:28])[0], payload)


class BareDeframer:
    """A Deframer with a session's face."""

    def __init__(self):
        self._deframer = Deframer()
        self._events = []
        self._out = b""
        self._taken = []

    def receive_data(self, data, now_ms):
        self._taken = self._deframer.feed(data)

    def takes(self, now_ms):
        self.receive_data(encode_frame(0x7E, 5, b"\xc0\xdb"), now_ms)
        return [frame.payload for frame in self._taken] == [b"\xc0\xdb"]

    def handle_timeout(self, now_ms):
        pass


class Unit(UnitSession):
    def __init__(self):
        UnitSession.__init__(self, Hello("bed-1", BOOT, 1, BOOT))
        self.start(0)
        welcome = Welcome(BOOT, BOOT)
        self.receive_data(encode_frame(welcome.TYPE, 0, welcome.pack()), 0)

    def takes(self, now_ms):
        """Greeted again, it is online and answers a time request."""
        self.events()
        for message in (Welcome(BOOT, BOOT), TimeSync(0x12345678)):
            self.receive_data(encode_frame(message.TYPE, 0, message.pack()), now_ms)
        taken = self.events()[-1]
        return isinstance(taken, TimeSync) and taken.token == 0x12345678


class Edge(EdgeSession):
    def __init__(self):
        EdgeSession.__init__(self, BOOT)
        self._seq = 0

    def takes(self, now_ms):
        """Greeted, it gives an event that it has not acknowledged."""
        self.events()
        self._seq += 1
        event = Event(b"takes it", self._seq, 1, 0, now_ms)
        for message in (Hello("bed-1", BOOT, 1, BOOT), event):
            self.receive_data(encode_frame(message.TYPE, 0, message.pack()), now_ms)
        taken = [seen for seen in self.events() if isinstance(seen, Event)]
        if taken[-1] != event:
            return False
        self.acknowledge(event.boot_id, event.seq, 1 + self._seq % 5)
        return True


class KeyedUnit:
    """A unit with a key, and at times an agent that has it too."""

    def __init__(self):
        self._rubbish = Rubbish()
        self._unit = UnitSession(Hello("bed-1", BOOT, 1, BOOT), KEY)
        self._deframer = self._unit._deframer
        self._unit.start(0)

    def receive_data(self, data, now_ms):
        self._unit.receive_data(data, now_ms)

    def handle_timeout(self, now_ms):
        self._unit.handle_timeout(now_ms)

    def takes(self, now_ms):
        """Knocked at by a new agent it is online with it, and answers its time request."""
        unit, edge = self._unit, EdgeSession(self._rubbish.digest()[:8], KEY)
        unit.events()
        unit.start(now_ms) if unit.state != "online" else unit.send(Status(now_ms))
        return exchange(unit, edge, now_ms)


class KeyedEdge:
    """An agent with a key, whose unit greets it in session after session."""

    def __init__(self):
        self._edge = EdgeSession(BOOT, KEY)
        self._deframer = self._edge._deframer
        self._hello = Hello("bed-1", BOOT, 1, BOOT)
        self._old = []

    def receive_data(self, data, now_ms):
        self._edge.receive_data(data, now_ms)
        if self._old and data[len(data) // 2] % 4 == 0:
            self._edge.receive_data(b"\xc0" + self._old[len(data) % len(self._old)], now_ms)

    def handle_timeout(self, now_ms):
        self._edge.handle_timeout(now_ms)

    def takes(self, now_ms):
        self._edge.events()
        self._edge.data_to_send()
        unit = UnitSession(self._hello, KEY)
        unit.start(now_ms)
        greeting = bytes(unit._out)
        self._old.append(greeting)
        self._old = self._old[-32:]
        return exchange(unit, self._edge, now_ms)


def exchange(unit, edge, now_ms):
    for _ in range(6):
        edge.receive_data(unit.data_to_send(), now_ms)
        unit.receive_data(edge.data_to_send(), now_ms)
    timed = [seen for seen in edge.events() if isinstance(seen, ClockSample)]
    return (unit.state, edge.state, len(timed)) == ("online", "online", 1)


def with_tag(rubbish, data):
    """Return a frame's line with a tag of random bytes, whatever follows from it."""
    frames = Deframer().feed(data)
    if not frames:
        return data
    frame = frames[0]
    return encode_frame(frame.type, frame.sequence, frame.payload, rubbish.digest()[:8])


def held():
    if MICROPYTHON:
        gc.collect()
        return gc.mem_alloc()
    return tracemalloc.get_traced_memory()[0]


def run(kind, targets, count, limit):
    rubbish = Rubbish()
    payloads = [(message.TYPE, message.pack()) for message in templates()]
    tagged = any(isinstance(target, (KeyedUnit, KeyedEdge)) for target in targets)
    before = held()
    most = fed = turn = 0
    while fed < count:
        turn += 1
        if kind == "rubbish":
            data = rubbish.piece()
        elif kind == "flood":
            data = flood_frame(rubbish)
        else:
            data = hostile_frame(rubbish, payloads)
        if tagged and kind != "rubbish":
            data = with_tag(rubbish, data)
        fed += len(data)
        for target in targets:
            target.receive_data(data, fed)
            assert len(target._deframer._buffer) <= MAX_STUFFED
            if turn % 16 == 0:
                target.handle_timeout(fed)
        if turn % 512 == 0:
            most = max(most, held() - before)
            assert most <= limit, f"{most} bytes held"
        if turn % (512 if kind != "flood" else 3072) == 0:
            for target in targets:
                target.receive_data(b"\xc0", fed)
                assert target.takes(fed), f"no good frame after {fed} bytes"
    return fed, most


def main():
    targets = [TARGETS[name]() for name in sys.argv[3:]]
    kind, megabytes = sys.argv[1:3]
    limit = MAX_HELD_RUBBISH
    if kind != "rubbish":
        limit = sum(MAX_HELD[name] for name in sys.argv[3:])
    fed, most = run(kind, targets, int(float(megabytes) * 1e6), limit)
    print(f"ok {fed} {most}")


TARGETS = {
    "deframer": BareDeframer,
    "unit": Unit,
    "edge": Edge,
    "keyed_unit": KeyedUnit,
    "keyed_edge": KeyedEdge,
}
if not MICROPYTHON:
    import tracemalloc

    tracemalloc.start()

if __name__ == "__main__":
    main()
