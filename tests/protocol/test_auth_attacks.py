"""Somebody on the line who records, delays, repeats, changes, reflects and forges at will."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.auth import LinkKey
from protocol.framing import encode_frame
from protocol.messages import Command, CommandKind, Configure, Event, Hello, Result, Samples
from protocol.session import MAX_CANDIDATES, ONLINE
from protocol.unit_session import UnitSession
from tests.pair import ConnectionPair
from tests.protocol.ends import (
    BOOT,
    FROM_AGENT,
    FROM_UNIT,
    KEY,
    OTHER_KEY,
    Ends,
    frames,
    line,
    tagged,
)

MINUTE_MS = 60_000


class Mallory:
    """Sits on both lines: keeps what passes, and puts in what she has, whole or changed.

    She has the key of another unit, records of all earlier sessions of both, and time.
    """

    def __init__(self, pair: ConnectionPair, records: list[bytes], chance: float) -> None:
        self.random = Random(pair.random.random())
        self.records = records
        self.chance = chance
        self._held: dict[str, list[bytes]] = {"up": [], "down": []}
        pair.up.meddle = lambda frame: self._meddle(frame, "up")
        pair.down.meddle = lambda frame: self._meddle(frame, "down")

    def _meddle(self, frame: bytes, way: str) -> list[bytes]:
        self.records.append(frame)
        if self.random.random() >= self.chance:
            return [frame]
        what = self.random.randrange(7)
        if what == 0:
            return []
        if what == 1:  # late, and so out of order
            self._held[way].append(frame)
            return []
        if what == 2:
            held, self._held[way] = self._held[way], []
            return [frame, *held]
        if what == 3:
            return [frame, frame]
        if what == 4:  # anything of anyone, ever
            return [self.random.choice(self.records) for _ in range(6)] + [frame]
        if what == 5:
            return [self._changed(self.random.choice(self.records[-50:])), frame]
        return [self._forged(), frame]

    def _changed(self, frame: bytes) -> bytes:
        (good,) = frames(frame)
        body = bytearray(good.payload + good.tag)
        body[self.random.randrange(len(body))] ^= 1 << self.random.randrange(8)
        return encode_frame(good.type, good.sequence, bytes(body[:-8]), bytes(body[-8:]))

    def _forged(self) -> bytes:
        message = self.random.choice(FROM_AGENT + FROM_UNIT)
        sequence = self.random.randrange(2**32)
        if self.random.random() < 0.3:
            return encode_frame(message.TYPE, sequence, message.pack())
        other = LinkKey(OTHER_KEY)
        hello = Hello("bed-1", BOOT, 1, b"nonce..1")
        makers = [other.hello, other.knock, other.up(hello, BOOT), other.down(hello, BOOT)]
        return tagged(message, sequence, self.random.choice(makers))


@pytest.mark.parametrize("seed", range(12))
def test_nobody_in_the_middle_adds_takes_or_doubles_anything(seed: int) -> None:
    pair = ConnectionPair(seed, key=KEY, loss=0.02, damage=0.02)
    records: list[bytes] = []
    mallory = Mallory(pair, records, 0.3)
    pressed: list[Event] = []
    commands: list[int] = []

    def act() -> None:
        what = pair.random.randrange(4)
        if what == 0:
            pressed.append(pair.press())
        elif what == 1 and pair.edge.state == ONLINE:
            commands.append(len(commands))
            pair.edge.send(Command(len(commands) - 1, CommandKind.LIGHT))
        else:
            pair.sample()

    pair.every(150, 1600, act)
    for _ in range(4):
        pair.run(60_000)
        pair.random.choice((pair.restart_unit, pair.restart_edge, lambda: None))()
    mallory.chance = 0.0
    pair.run_until(lambda: not pair.backlog and pair.is_up(), 5 * MINUTE_MS)
    # every call has arrived as it was, and none that was not
    assert sorted(pair.stored) == sorted((event.boot_id, event.seq) for event in pressed)
    assert all(event in pressed for event in pair.given)
    # no command twice, none out of order, none of anyone else
    taken = [event.number for event in pair.unit_seen if isinstance(event, Command)]
    assert taken == sorted(set(taken))
    assert set(taken) <= set(commands)
    assert len(taken) > len(commands) // 4
    assert not any(isinstance(event, Configure) for event in pair.unit_seen)
    blocks = [event for event in pair.edge_seen if isinstance(event, Samples)]
    assert all(block.count == 10 for block in blocks)
    assert pair.unit.unverified + pair.edge.unverified > 0


sorts = st.sampled_from(["up", "down", "old up", "old down", "flip", "wait", "talk", "greet"])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(sorts, st.integers(0, 400)), max_size=60))
def test_in_no_order_of_frames_is_one_taken_twice(walk: list[tuple[str, int]]) -> None:
    """Frames of both ends come in any order, any number of times, also thrown back."""
    ends = Ends()
    ends.unit.start(0)
    now_ms, number = 0, 0
    up: list[bytes] = []
    down: list[bytes] = []
    given_numbers: list[int] = []
    told_numbers: list[int] = []
    for what, at in walk:
        up += [line(frame) for frame in frames(ends.unit.data_to_send())]
        down += [line(frame) for frame in frames(ends.edge.data_to_send())]
        if what == "up" and up:
            ends.edge.receive_data(up[-1 - at % min(3, len(up))], now_ms)
        elif what == "down" and down:
            ends.unit.receive_data(down[-1 - at % min(3, len(down))], now_ms)
        elif what == "old up" and up:
            ends.edge.receive_data(up[at % len(up)], now_ms)
            ends.unit.receive_data(up[at % len(up)], now_ms)
        elif what == "old down" and down:
            ends.edge.receive_data(down[at % len(down)], now_ms)
            ends.unit.receive_data(down[at % len(down)], now_ms)
        elif what == "wait":
            now_ms += 100 * at
            ends.unit.handle_timeout(now_ms)
            ends.edge.handle_timeout(now_ms)
        elif what == "talk":
            number += 1
            ends.unit.send(Result(number, 0))
            ends.edge.send(Command(number, CommandKind.LIGHT))
        elif what == "greet":
            ends.unit = UnitSession(ends.unit._hello, KEY)
            ends.unit.start(now_ms)
        given_numbers += [one.number for one in ends.edge.events() if isinstance(one, Result)]
        told_numbers += [one.number for one in ends.unit.events() if isinstance(one, Command)]
        assert len(ends.edge._candidates) <= MAX_CANDIDATES
    assert given_numbers == sorted(set(given_numbers))
    assert told_numbers == sorted(set(told_numbers))
