"""Both ends of an authenticated line for tests, and messages of every type to try on them."""

from protocol.auth import Tagger
from protocol.edge_session import EdgeSession
from protocol.framing import Deframer, Frame, encode_frame
from protocol.messages import (
    Ack,
    Command,
    CommandKind,
    Configure,
    Event,
    EventKind,
    Hello,
    Impact,
    Inventory,
    Log,
    Message,
    Reading,
    Result,
    Samples,
    Stage,
    Status,
    TimeSync,
    Welcome,
)
from protocol.session import ONLINE
from protocol.unit_session import UnitSession

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
BOOT = b"\xc0\xdb boot!"
DATA = bytes(range(60))

FROM_AGENT = [
    Welcome(BOOT, b"nonce..9"),
    Ack(BOOT, 0, Stage.STORED),
    TimeSync(1, 0, 1_790_000_000_000, 2),
    Configure(1, "{}"),
    *[Command(1, kind) for kind in range(1, 9)],
    Command(1, CommandKind.HELLO, b"12345678"),
]
FROM_UNIT = [
    Hello("bed-1", BOOT, 2, b"nonce..9"),
    Samples(1, 0, 5000, 70_000, 10_000, 0.5, 3, DATA),
    Reading(5, 0, 5000, 3.5),
    Event(BOOT, 7, EventKind.CALL_PRESSED, 0, 5000),
    Impact(BOOT, 8, 0, 1, 0, 5000, 6000, 0, 10_000, 0.5, 3, DATA),
    Status(5000),
    Inventory("{}"),
    Log(20, 5000, "text"),
    Result(1, 0),
    TimeSync(1, 5000),
]


def state_of(thing: object) -> object:
    """Return all that a session holds, but for the counter of what it refused."""
    if isinstance(thing, dict):
        return {name: state_of(value) for name, value in thing.items() if name != "unverified"}
    if isinstance(thing, list | tuple):
        return [state_of(value) for value in thing]
    if isinstance(thing, bytearray):
        return bytes(thing)
    if thing is None or isinstance(thing, int | float | str | bytes):
        return thing
    if hasattr(thing, "__dict__"):
        return (type(thing), state_of(vars(thing)))
    slots = {name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())}
    return (type(thing), {name: state_of(getattr(thing, name)) for name in slots})


def frames(data: bytes) -> list[Frame]:
    return Deframer().feed(data)


def line(frame: Frame) -> bytes:
    return encode_frame(frame.type, frame.sequence, frame.payload, frame.tag)


def tagged(message: Message, sequence: int, tagger: Tagger) -> bytes:
    payload = message.pack()
    tag = tagger.seal(message.TYPE, sequence, payload)
    return encode_frame(message.TYPE, sequence, payload, tag)


def refuses(session: UnitSession | EdgeSession, data: bytes, now_ms: int = 1000) -> None:
    """Check that the session counts these frames as refused and is what it was before."""
    before, count = state_of(session), session.unverified
    session.receive_data(data, now_ms)
    assert state_of(session) == before
    assert session.unverified == count + len(frames(data))


class Ends:
    """Both ends on a perfect line without time, and all that each has said."""

    def __init__(self, key: bytes = KEY) -> None:
        self.unit = UnitSession(Hello("bed-1", BOOT, 1, b"nonce..1"), key)
        self.edge = EdgeSession(b"nonce..2", key)
        self.up: list[bytes] = []
        self.down: list[bytes] = []

    def exchange(self, now_ms: int = 0) -> None:
        while True:
            up, down = self.unit.data_to_send(), self.edge.data_to_send()
            if not up + down:
                return
            self.up += [line(frame) for frame in frames(up)]
            self.down += [line(frame) for frame in frames(down)]
            self.edge.receive_data(up, now_ms)
            self.unit.receive_data(down, now_ms)

    def greet(self, now_ms: int = 0) -> "Ends":
        self.unit.start(now_ms)
        self.exchange(now_ms)
        assert self.unit.state == self.edge.state == ONLINE
        self.drain()
        return self

    def drain(self) -> None:
        self.unit.events()
        self.edge.events()

    def talk(self, now_ms: int = 0, n: int = 0) -> None:
        """Say a bit of everything that goes both ways."""
        event = Event(BOOT, n, EventKind.CALL_PRESSED, 0, now_ms)
        self.unit.offer(BOOT, event.seq, [event], now_ms)
        for message in FROM_UNIT[1:3] + FROM_UNIT[5:9]:
            self.unit.send(message)
        self.edge.command(CommandKind.LIGHT, b"\x01")
        self.edge.send(Configure(1, "{}"))
        self.exchange(now_ms)
        self.edge.acknowledge(BOOT, event.seq, Stage.STORED)
        self.exchange(now_ms)
