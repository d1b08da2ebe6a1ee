"""The unit's end of the radio, call by call: what the Bluetooth stack may do to it, and when."""

import json
import random
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.passkey import passkey
from tests.firmware.vm import MICROPYTHON, ROOT, needs_vm

pytestmark = [pytest.mark.vm, needs_vm]

CONNECT, DISCONNECT, MTU, ENCRYPTION, GET_SECRET, SET_SECRET, PASSKEY = 1, 2, 21, 28, 29, 30, 31
FAST_US, SLOW_US = 100_000, 1_000_000
PEER = "f0f0f0f0f0f0"
PEER_SECRET = 2


class Stack:
    """The other end of the played `bluetooth`, and the hand that calls the link."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(folder / "radio"))
        self._server.listen(1)
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[str] | None = None
        self._line = b""
        self._asked = 0
        self.state: dict[str, object] = {}

    def boot(self) -> None:
        if self._process is not None:
            self.close()
        (self._folder / "flash").mkdir(exist_ok=True)
        script = ROOT / "tests/firmware/scripts/ble_link.py"
        self._process = subprocess.Popen(
            [
                MICROPYTHON,
                "-X",
                "heapsize=1M",
                script,
                self._folder / "radio",
                self._folder / "flash",
            ],
            env={"MICROPYPATH": f".frozen:{ROOT}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._line = b""

    def end(self) -> None:
        self.close()
        self._server.close()

    def call(self, do: str, **values: object) -> object:
        self._process.stdin.write(json.dumps({"do": do, **values}) + "\n")
        self._process.stdin.flush()
        if self._socket is None and do == "open":
            self._socket, _ = self._server.accept()
            self._socket.settimeout(5)
        self.state = json.loads(self._process.stdout.readline())
        return self.state["result"]

    def open(self, **values: object) -> bool:
        return bool(self.call("open", **values))

    def write(self, data: bytes, **values: object) -> int:
        return self.call("write", data=data.hex(), **values)

    def read(self, size: int = 256, **values: object) -> bytes | None:
        got = self.call("read", size=size, **values)
        return None if got is None else bytes.fromhex(got)

    def send(self, **values: object) -> None:
        self._socket.sendall(json.dumps(values).encode() + b"\n")

    def irq(self, event: int, *values: object, pull: bool = True) -> None:
        self.send(irq=event, values=values)
        if pull:
            self.call("nothing", pull=True)

    def ask(self, event: int, *values: object) -> object:
        """Raise an event that wants an answer; return it."""
        self._asked += 1
        self.send(irq=event, values=values, id=self._asked)
        self.call("nothing", pull=True)
        return self.expect("answer")["value"]

    def receive(self, data: bytes, pull: bool = True, conn: int = 1) -> None:
        """Let the central write."""
        self._asked += 1
        self.send(write=1, conn=conn, data=data.hex(), id=self._asked)
        if pull:
            self.call("nothing", pull=True)

    def told(self) -> dict[str, object]:
        """Return the next thing that the link did to the stack."""
        while b"\n" not in self._line:
            self._line += self._socket.recv(65536)
        line, self._line = self._line.split(b"\n", 1)
        return json.loads(line)

    def expect(self, do: str) -> dict[str, object]:
        """Skip to the next thing of a kind."""
        while True:
            told = self.told()
            if told["do"] == do:
                return told

    def connect(self, mtu: int = 247, buffers: int = 8) -> None:
        """Bring a line up: connected, encrypted, written to, open."""
        self.send(buffers=buffers)
        self.irq(CONNECT, 1, 1, PEER)
        self.irq(MTU, 1, mtu)
        self.irq(ENCRYPTION, 1, 1, 1, 1, 16)
        self.receive(b"\xc0")
        while not self.open():
            pass
        assert self.read() == b"\xc0"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    stack.boot()
    yield stack
    stack.end()


def test_it_shows_its_name_often_for_half_a_minute_and_then_seldom(stack):
    assert not stack.open()
    assert stack.expect("config")["values"] == {"gap_name": b"unit-0001".hex(), "mtu": 247}
    assert stack.expect("config")["values"] == {
        "bond": True,
        "mitm": True,
        "le_secure": True,
        "io": 0,
    }
    shown = stack.expect("advertise")
    assert shown["interval_us"] == FAST_US
    assert bytes.fromhex(shown["adv"]) == b"\x02\x01\x06\x0a\x09unit-0001"
    assert len(bytes.fromhex(shown["rsp"])) == 18
    assert not stack.open(wait_ms=29_000)
    assert not stack.open(wait_ms=2_000)
    assert stack.told()["interval_us"] == SLOW_US
    stack.connect()
    stack.irq(DISCONNECT, 1, 1, PEER)
    assert not stack.open()
    assert not stack.open()
    assert stack.expect("advertise")["interval_us"] == FAST_US


def test_nothing_is_said_before_the_peer_has_proved_the_passkey_and_spoken(stack):
    stack.open()
    stack.send(buffers=8)
    stack.irq(CONNECT, 1, 1, PEER)
    assert stack.expect("pair")["conn"] == 1
    assert not stack.open()
    assert stack.write(b"hello") == 0
    stack.receive(b"\xc0")  # as a stack would let pass that does not check
    assert not stack.open()
    assert stack.read() is None
    stack.irq(PASSKEY, 1, 3, 0)
    assert stack.expect("passkey") == {
        "do": "passkey",
        "conn": 1,
        "action": 3,
        "passkey": passkey(bytes(range(32))),
    }
    stack.irq(ENCRYPTION, 1, 1, 1, 1, 16)
    assert not stack.open()
    assert stack.write(b"hello") == 0
    stack.receive(b"\xc0")
    assert stack.open()
    assert stack.write(b"hello") == 5


def test_a_link_encrypted_without_the_passkey_is_put_off(stack):
    stack.open()
    stack.irq(CONNECT, 1, 1, PEER)
    stack.irq(ENCRYPTION, 1, 1, 0, 1, 16)
    stack.receive(b"\xc0")
    assert not stack.open()
    assert stack.expect("disconnect")["conn"] == 1


def test_a_link_that_is_no_longer_secure_is_silent_and_put_off(stack):
    stack.open()
    stack.connect()
    stack.irq(ENCRYPTION, 1, 1, 0, 1, 16)
    assert stack.write(b"secret") == 0
    assert stack.read() is None
    assert not stack.open()
    assert stack.expect("disconnect")["conn"] == 1


@pytest.mark.parametrize("is_open", [False, True])
def test_a_peer_that_says_nothing_for_a_minute_is_put_off(stack, is_open):
    stack.open()
    if is_open:
        stack.connect()
        stack.receive(b"\xc0", pull=False)
        assert stack.read(wait_ms=59_000, pull=True) == b"\xc0"
        assert stack.write(b"x", wait_ms=59_000) == 1
        assert stack.write(b"x", wait_ms=2_000) == 0
    else:
        stack.irq(CONNECT, 1, 1, PEER)
        assert not stack.open(wait_ms=59_000)
        assert not stack.open(wait_ms=2_000)
    assert stack.expect("disconnect")["conn"] == 1


@pytest.mark.parametrize(("mtu", "packet"), [(23, 20), (100, 97), (247, 244), (517, 244)])
def test_a_write_takes_one_packet(stack, mtu, packet):
    stack.open()
    stack.connect(mtu)
    assert stack.write(bytes(1000)) == packet
    assert len(bytes.fromhex(stack.expect("notify")["data"])) == packet
    stack.irq(DISCONNECT, 1, 1, PEER)
    stack.irq(CONNECT, 1, 1, PEER)
    stack.irq(ENCRYPTION, 1, 1, 1, 1, 16)
    stack.receive(b"\xc0")
    assert not stack.open()
    assert stack.open()
    assert stack.write(bytes(1000)) == 20  # the MTU was the old connection's


def test_what_the_stack_has_no_memory_for_is_offered_again_and_nothing_is_lost(stack):
    dice = random.Random(9)
    sent = dice.randbytes(6000)
    stack.open()
    stack.connect(buffers=2)
    offset = on_air = refused = 0
    got = b""
    while offset < len(sent):
        taken = stack.write(sent[offset:])
        offset += taken
        on_air += taken > 0
        refused += taken == 0
        if not taken or dice.random() < 0.2:
            count = dice.randint(0, on_air)
            for _ in range(count):
                got += bytes.fromhex(stack.expect("notify")["data"])
            stack.send(sent=count)
            on_air -= count
    for _ in range(on_air):
        got += bytes.fromhex(stack.expect("notify")["data"])
    assert got == sent
    assert refused > 5
    assert stack.state["refused"] == refused


def test_bytes_are_read_in_pieces_of_any_size_and_more_may_come_meanwhile(stack):
    dice = random.Random(2)
    sent = dice.randbytes(5000)
    stack.open()
    stack.connect()
    got = b""
    offset = 0
    while len(got) < len(sent):
        for _ in range(dice.randint(0, 2)):
            piece = sent[offset : offset + dice.randint(1, 244)]
            if piece and offset + len(piece) - len(got) < 1000:
                stack.receive(piece, pull=dice.random() < 0.5)
                offset += len(piece)
        got += stack.read(dice.choice([1, 7, 256]), pull=dice.random() < 0.5) or b""
    assert got == sent
    assert stack.state["overflows"] == 0
    assert stack.state["ready"] == 0


def test_more_than_the_buffer_holds_is_cut_and_counted(stack):
    stack.open()
    stack.connect()
    for number in range(6):
        stack.receive(bytes([number]) * 244)
    assert stack.state["ready"] == 1
    got = b""
    while piece := stack.read():
        got += piece
    assert got == b"".join(bytes([number]) * 244 for number in range(6))[:1024]
    assert stack.state["overflows"] == 1
    stack.receive(b"again")
    assert stack.read() == b"again"


def test_bytes_of_one_central_never_reach_the_session_with_the_next(stack):
    stack.open()
    stack.connect()
    stack.receive(b"old" * 50)
    assert stack.read(10) == (b"old" * 50)[:10]
    stack.receive(b"older")
    stack.irq(DISCONNECT, 1, 1, PEER)
    assert stack.state["ready"] == 1  # the reader is to find out
    stack.irq(CONNECT, 2, 1, PEER)  # before it has
    stack.irq(ENCRYPTION, 2, 1, 1, 1, 16)
    stack.receive(b"new", conn=2)
    assert stack.read() is None
    assert stack.write(b"late") == 0
    assert not stack.open()  # the session ends here
    assert stack.open()
    assert stack.read() == b"new"


def test_a_loss_within_a_call_loses_the_packet_and_nothing_else(stack):
    stack.open()
    stack.connect()
    stack.irq(DISCONNECT, 1, 1, PEER, pull=False)  # comes within the next call
    assert stack.write(b"late") == 0
    assert not stack.open()
    assert stack.read() is None


def test_bonds_outlive_a_reboot_and_the_oldest_of_too_many_gives_way(stack):
    stack.open()
    for number in range(20):
        assert stack.ask(SET_SECRET, PEER_SECRET, f"{number:012x}", f"{number:064x}") is True
    assert stack.ask(SET_SECRET, PEER_SECRET, f"{7:012x}", None) is True
    assert stack.ask(SET_SECRET, PEER_SECRET, f"{99:012x}", None) is False
    stack.open()
    stack.boot()
    stack.open()
    assert stack.ask(GET_SECRET, PEER_SECRET, 0, f"{3:012x}") is None
    assert stack.ask(GET_SECRET, PEER_SECRET, 0, f"{7:012x}") is None
    assert stack.ask(GET_SECRET, PEER_SECRET, 0, f"{19:012x}") == f"{19:064x}"
    assert stack.ask(GET_SECRET, 1, 0, f"{19:012x}") is None
    found = [stack.ask(GET_SECRET, PEER_SECRET, index, None) for index in range(17)]
    left = [number for number in range(4, 20) if number != 7]
    assert found == [f"{number:064x}" for number in left] + [None, None]


def test_no_order_of_events_ends_it_or_opens_it_to_a_stranger(stack):
    """Rules that hold whatever happens: open only when secure, and never across a loss."""
    dice = random.Random(20)
    stack.open()
    secure = connected = False
    for _ in range(1500):
        match dice.randrange(10):
            case 0 if not connected:
                stack.irq(CONNECT, 1, 1, PEER)
                connected, secure = True, False
            case 1 if connected:
                stack.irq(DISCONNECT, 1, 1, PEER)
                connected = secure = False
            case 2 if connected:
                secure = dice.random() < 0.7
                stack.irq(ENCRYPTION, 1, 1, int(secure), 1, 16)
            case 3:
                stack.irq(MTU, 1, dice.randint(23, 517))
            case 4 if connected:
                stack.receive(dice.randbytes(dice.randint(1, 244)))
            case 5:
                stack.send(buffers=dice.randint(0, 3))
            case 6:
                opened = stack.open(wait_ms=dice.choice([0, 20, 1000]))
                assert secure or not opened
            case 7:
                assert stack.write(dice.randbytes(300)) == 0 or secure
            case 8:
                stack.read(dice.randint(1, 300))
            case 9:
                stack.irq(PASSKEY, 1, dice.choice([0, 2, 3, 4]), 0)
