"""Frames of who has the key, and of who has not: nothing that is not genuine changes anything."""

import hmac
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.auth import Channel, LinkKey, _are_alike, _Mac
from protocol.edge_session import EdgeSession
from protocol.framing import Frame, encode_frame
from protocol.messages import (
    Ack,
    Command,
    CommandKind,
    Configure,
    Event,
    EventKind,
    Hello,
    Message,
    Reading,
    Stage,
    Status,
    TimeSync,
    Welcome,
)
from protocol.session import (
    EDGE_SILENCE_MS,
    GREETING,
    HEARTBEAT_MS,
    HELLO_FIRST_MS,
    MAX_CANDIDATES,
    MAX_ECHOES,
    ONLINE,
    SYNC_AT_START,
    UNIT_SILENCE_MS,
    WAITING,
    ClockSample,
    LinkDown,
    LinkUp,
)
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
    refuses,
    tagged,
)

pytestmark = pytest.mark.fast

MINUTE_MS = 60_000

# The tag


def test_the_mac_is_that_of_rfc_4231() -> None:
    assert _Mac(b"\x0b" * 20).digest(b"Hi ", b"There").hex() == (
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    )
    assert _Mac(b"Jefe").digest(b"what do ya want ", b"for nothing?").hex() == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


@given(st.binary(min_size=1, max_size=64), st.binary(max_size=100), st.binary(max_size=1100))
def test_the_mac_is_hmac(key: bytes, head: bytes, rest: bytes) -> None:
    assert _Mac(key).digest(head, rest) == hmac.digest(key, head + rest, "sha256")


@given(st.binary(max_size=9), st.binary(max_size=9))
def test_tags_are_alike_when_every_byte_is(one: bytes, other: bytes) -> None:
    assert _are_alike(one, other) == (one == other)
    assert _are_alike(one, one)
    for position in range(len(one)):
        changed = bytearray(one)
        changed[position] ^= 1 << position % 8
        assert not _are_alike(one, bytes(changed))


@pytest.mark.parametrize("key", [b"x", KEY[:-1], KEY + b"\n", KEY.hex().encode(), bytes(5000)])
def test_a_damaged_key_is_a_wrong_key_and_neither_an_error_nor_none(key: bytes) -> None:
    unit = UnitSession(Hello("bed-1", BOOT, 1, b"nonce..1"), key)
    unit.start(0)
    refuses(EdgeSession(b"nonce..2", KEY), unit.data_to_send())
    agent = Ends(KEY).greet()
    for said in agent.down:
        refuses(unit, said)


def test_a_frame_costs_eight_bytes() -> None:
    def hello(key: bytes) -> bytes:
        unit = UnitSession(Hello("bed-1", BOOT, 1, b"nonce..1"), key)
        unit.start(0)
        return unit.data_to_send()

    (tagless,), (frame,) = frames(hello(b"")), frames(hello(KEY))
    assert (tagless.payload, tagless.tag) == (frame.payload, b"")
    assert len(frame.tag) == 8


@given(st.lists(st.integers(1, 0xFFFFFFFF), min_size=1, max_size=20), st.integers(0, 0xFFFFFFFF))
def test_a_count_of_64_bits_goes_on_over_any_wraps(steps: list[int], start: int) -> None:
    """The receiver follows jumps of up to a whole round, and takes nothing twice."""
    sender, receiver = Channel(KEY), Channel(KEY)
    count = start
    taken = []
    for step in [0, *steps]:
        count += step
        sequence = count & 0xFFFFFFFF
        frame = Frame(4, sequence, b"x", sender.seal(4, sequence, b"x"))
        assert receiver.check(frame)
        taken.append(frame)
        assert not any(receiver.check(old) for old in taken)
    assert sender._wraps == receiver._wraps == count >> 32


# Nothing without the key


@pytest.mark.parametrize("message", FROM_AGENT, ids=repr)
def test_a_unit_with_a_key_takes_nothing_of_who_has_none(message: Message) -> None:
    ends = Ends().greet()
    ends.unit.offer(BOOT, 0, [Event(BOOT, 0, EventKind.CALL_PRESSED, 0, 0)], 0)
    key, hello = LinkKey(KEY), Hello("bed-1", BOOT, 1, b"nonce..1")
    sequence, payload = 1000, message.pack()
    refuses(ends.unit, encode_frame(message.TYPE, sequence, payload))
    for tag in (bytes(8), b"\xff" * 8, b"good tag"):
        refuses(ends.unit, encode_frame(message.TYPE, sequence, payload, tag))
    wrong = (
        LinkKey(OTHER_KEY).down(hello, b"nonce..2"),  # another unit's key
        key.up(hello, b"nonce..2"),  # the other direction
        key.down(hello, b"nonce..3"),  # another session
        key.hello,
        key.knock,
    )
    for tagger in wrong:
        refuses(ends.unit, tagged(message, sequence, tagger))
    assert ends.unit.in_flight(BOOT, 0)
    assert ends.unit.events() == []


@pytest.mark.parametrize("message", FROM_UNIT, ids=repr)
def test_an_agent_with_a_key_takes_nothing_of_who_has_none(message: Message) -> None:
    ends = Ends().greet()
    key, hello = LinkKey(KEY), Hello("bed-1", BOOT, 1, b"nonce..1")
    sequence, payload = 1000, message.pack()
    refuses(ends.edge, encode_frame(message.TYPE, sequence, payload))
    refuses(ends.edge, encode_frame(message.TYPE, sequence, payload, b"good tag"))
    wrong = [
        LinkKey(OTHER_KEY).up(hello, b"nonce..2"),
        LinkKey(OTHER_KEY).hello,
        key.down(hello, b"nonce..2"),
        key.up(hello, b"nonce..3"),
        key.knock,
    ]
    if message.TYPE != Hello.TYPE:
        wrong.append(key.hello)
    for tagger in wrong:
        refuses(ends.edge, tagged(message, sequence, tagger))
    assert ends.edge.events() == []


@pytest.mark.parametrize(("key", "edge_key"), [(b"", KEY), (KEY, b""), (KEY, OTHER_KEY)])
def test_ends_without_the_same_key_never_have_each_other(key: bytes, edge_key: bytes) -> None:
    pair = ConnectionPair(key=key, edge_key=edge_key)
    pair.press()
    pair.every(1000, 300, pair.sample)
    pair.run(10 * MINUTE_MS)
    assert not pair.stored
    assert len(pair.backlog) == 1
    if edge_key:
        assert (pair.edge.state, pair.edge_seen) == (WAITING, [])
    if key:
        assert (pair.unit.state, pair.unit_seen) == (GREETING, [])
    else:  # the unit does not know better, but it is told nothing
        assert not pair.count_unit(LinkUp)


def test_who_has_the_key_is_not_talked_out_of_it() -> None:
    """A session is up; its unit then comes back without tags, as a cheaper copy would."""
    pair = ConnectionPair(key=KEY)
    pair.run(1000)
    pair.key = b""
    pair.restart_unit()
    pair.press()
    pair.run(EDGE_SILENCE_MS + 1000)
    assert not pair.stored
    assert pair.count_edge(LinkDown) == 1
    assert pair.edge.state == WAITING


def test_forged_frames_do_not_keep_a_unit_alive() -> None:
    pair = ConnectionPair(key=KEY)
    pair.run(1000)
    pair.up.cut = True
    pair.every(1000, 70, lambda: pair.inject(Status(0), 99))
    pair.run(EDGE_SILENCE_MS)
    assert pair.count_edge(LinkDown) == 1


def test_forged_acknowledgements_do_not_silence_a_call() -> None:
    pair = ConnectionPair(key=KEY)
    pair.run(1000)
    pair.down.cut = True
    call = pair.press()

    def forge() -> None:
        for stage in range(1, 6):
            ack = Ack(call.boot_id, call.seq, stage)
            pair.unit.receive_data(encode_frame(ack.TYPE, 5000, ack.pack()), pair.uptime_ms)

    pair.every(500, 40, forge)
    pair.run(30_000)
    assert len(pair.backlog) == 1
    assert pair.count_unit(Ack) == 0
    pair.down.cut = False
    pair.run_until(lambda: not pair.backlog, MINUTE_MS)


# What was recorded


def test_every_frame_of_a_session_is_refused_a_second_time_and_thrown_back() -> None:
    ends = Ends().greet()
    for n in range(20):
        ends.talk(1000 * n, n)
    ends.drain()
    assert len(ends.up) > 100
    for said in ends.up:
        refuses(ends.unit, said)  # reflected
        if frames(said)[0].type != Hello.TYPE:
            refuses(ends.edge, said)
    for said in ends.down:
        refuses(ends.edge, said)
        refuses(ends.unit, said)
    ends.talk(30_000, 20)  # and both go on as if nothing had been
    assert [type(event) for event in ends.edge.events()].count(Event) == 1


def test_every_frame_of_an_earlier_session_is_refused() -> None:
    ends = Ends().greet()
    ends.talk()
    up, down = list(ends.up), list(ends.down)
    ends.unit.handle_timeout(UNIT_SILENCE_MS)  # silence: the same boot greets again
    ends.exchange(UNIT_SILENCE_MS)
    assert ends.unit.state == ends.edge.state == ONLINE
    ends.drain()
    for said in down:
        refuses(ends.unit, said)
    for said in up:
        if frames(said)[0].type != Hello.TYPE:
            refuses(ends.edge, said)


def test_an_earlier_boots_greeting_opens_no_session() -> None:
    """Its Hello is answered, but what followed it then is refused, and nothing is lost of now."""
    ends = Ends().greet()
    ends.talk()
    recorded = list(ends.up)
    ends.unit = UnitSession(Hello("bed-1", b"newboot!", 2, b"nonce..5"), KEY)
    ends.greet(10_000)
    for said in recorded:
        ends.edge.receive_data(said, 20_000)
    assert ends.edge.events() == []
    assert ends.edge.hello is not None
    assert ends.edge.hello.boot_id == b"newboot!"
    refuses(ends.unit, ends.edge.data_to_send())
    ends.unit.send(Status(20_000))
    ends.exchange(20_000)
    assert ends.edge.events() == [Status(20_000)]


def test_thousands_of_recorded_greetings_leave_room_for_the_true_one() -> None:
    ends = Ends()
    recorded = []
    for _ in range(50):
        ends.unit.start(0)
        recorded += [line(frame) for frame in frames(ends.unit.data_to_send())]
        ends.unit._hello.nonce = LinkKey(KEY).next_nonce(ends.unit._hello.nonce)
    for n in range(5000):
        ends.edge.receive_data(recorded[n % 50], n)
        if n % 100 == 0:
            ends.edge.handle_timeout(n)
            ends.edge.data_to_send()
    assert len(ends.edge._candidates) == MAX_CANDIDATES
    assert (ends.edge.state, ends.edge.events()) == (WAITING, [])
    ends.edge.data_to_send()
    ends.greet(5000)


def test_no_two_sessions_have_a_key_in_common() -> None:
    ends = Ends()
    seen = set()
    for n in range(200):
        if n % 3:
            ends.unit = UnitSession(ends.unit._hello, KEY)  # the line was opened anew
        ends.greet(n)
        assert ends.unit._sending is not None
        assert ends.unit._receiving is not None
        seen |= {ends.unit._sending._mac._inner, ends.unit._receiving._mac._inner}
    assert len(seen) == 400


@pytest.mark.parametrize("what", ["flip", "cut", "longer", "type", "sequence", "untagged"])
def test_no_change_of_a_frame_is_taken(what: str) -> None:
    """Every bit of every frame, and its length, with a right checksum all the same."""
    ends = Ends().greet()
    ends.unit.send(Reading(5, 0, 5000, 3.5))
    ends.edge.acknowledge(BOOT, 3, Stage.STORED)
    pairs = ((ends.edge, ends.unit.data_to_send()), (ends.unit, ends.edge.data_to_send()))
    for session, said in pairs:
        (good,) = frames(said)
        body = good.payload + good.tag
        changed = []
        if what == "flip":
            for bit in range(8 * len(body)):
                flipped = bytearray(body)
                flipped[bit // 8] ^= 1 << bit % 8
                changed.append((good.type, good.sequence, bytes(flipped)))
        elif what == "cut":
            changed = [(good.type, good.sequence, body[:length]) for length in range(8, len(body))]
        elif what == "longer":
            changed = [(good.type, good.sequence, bytes(n) + body) for n in range(1, 20)]
            changed += [(good.type, good.sequence, body + bytes(n)) for n in range(1, 20)]
        elif what == "type":
            changed = [(type_, good.sequence, body) for type_ in range(256) if type_ != good.type]
        elif what == "sequence":
            sequences = [good.sequence ^ 1 << bit for bit in range(32)]
            changed = [(good.type, sequence, body) for sequence in sequences]
        else:
            refuses(session, encode_frame(good.type, good.sequence, good.payload))
        for type_, sequence, both in changed:
            if type_ != Hello.TYPE:
                refuses(session, encode_frame(type_, sequence, both[:-8], both[-8:]))
        session.receive_data(said, 1000)
        assert len(session.events()) == 1


# Greetings


def test_a_greeting_proves_both_ends_and_costs_one_round_more() -> None:
    ends = Ends()
    ends.unit.start(500)
    ends.edge.receive_data(ends.unit.data_to_send(), 7_000)
    assert (ends.edge.state, ends.edge.events()) == (WAITING, [])
    ends.unit.receive_data(ends.edge.data_to_send(), 520)
    up, sync = ends.unit.events()
    assert isinstance(up, LinkUp)
    assert sync == TimeSync(0)
    ends.edge.receive_data(ends.unit.data_to_send(), 7_040)
    (hello,) = ends.edge.events()
    assert isinstance(hello, Hello)
    assert hello.uptime_ms == 540  # what it is when the agent is told of it
    ends.exchange(7_060)
    assert [type(event) for event in ends.edge.events()] == [ClockSample]
    assert ends.unit.unverified == ends.edge.unverified == 0


@pytest.mark.parametrize("seed", range(20))
def test_a_greeting_with_a_key_comes_through_a_bad_line(seed: int) -> None:
    pair = ConnectionPair(seed, loss=0.3, damage=0.1, key=KEY)
    pair.run_until(pair.is_up, 3 * MINUTE_MS)


def test_a_first_word_that_is_lost_is_asked_for_again() -> None:
    ends = Ends()
    ends.unit.start(0)
    ends.edge.receive_data(ends.unit.data_to_send(), 0)
    for second in range(1, SYNC_AT_START):
        assert ends.edge.next_timeout_ms() == 1000 * second
        ends.edge.handle_timeout(1000 * second)
    assert ends.edge.next_timeout_ms() is None
    ends.unit.receive_data(ends.edge.data_to_send(), 4000)
    answers = frames(ends.unit.data_to_send())
    assert len(answers) == SYNC_AT_START
    ends.edge.receive_data(line(answers[-1]), 4000)
    assert ends.edge.state == ONLINE


def test_a_lost_welcome_is_asked_for_again() -> None:
    pair = ConnectionPair(key=KEY)
    pair.down.cut = True
    pair.run(3500)
    assert (pair.unit.state, pair.edge.state) == (GREETING, WAITING)
    pair.down.cut = False
    pair.run(5000)
    assert pair.is_up()


def test_a_reboot_is_seen_with_its_first_word() -> None:
    pair = ConnectionPair(key=KEY)
    pair.run(1000)
    before = pair.press()
    pair.run(1000)
    pair.restart_unit()
    after = pair.press()
    pair.run(1000)
    assert pair.edge.hello is not None
    assert pair.edge.hello.boot_id == after.boot_id != before.boot_id
    assert len(pair.stored) == 2
    assert pair.count_edge(LinkDown) == 0
    assert pair.edge.frames_lost == 0


def test_an_agent_that_starts_anew_knocks_and_has_the_unit_back_at_once() -> None:
    pair = ConnectionPair(key=KEY)
    pair.every(100, 200, pair.sample)
    pair.run(5000)
    pair.restart_edge()
    pair.press()
    pair.run(600)
    assert len(pair.stored) == 1
    assert [type(event) for event in pair.unit_seen if not isinstance(event, TimeSync)] == [
        LinkUp,
        LinkDown,
        LinkUp,
        Ack,
    ]


def test_a_quiet_unit_comes_back_with_its_next_word_or_after_silence() -> None:
    pair = ConnectionPair(key=KEY)
    pair.run(1000)
    pair.restart_edge()
    pair.after(HEARTBEAT_MS, lambda: pair.unit.send(Status(0)))
    pair.run(HEARTBEAT_MS + 1000)
    assert pair.is_up()
    pair.restart_edge()
    pair.run_until(lambda: pair.edge.state == ONLINE, UNIT_SILENCE_MS + 1000)


def test_a_unit_that_does_not_hear_the_agent_is_lost() -> None:
    pair = ConnectionPair(key=KEY)
    pair.run(1000)
    pair.down.cut = True
    pair.every(1000, 300, pair.sample)
    pair.run(UNIT_SILENCE_MS + EDGE_SILENCE_MS + 2000)
    assert pair.count_edge(LinkDown) == 1
    pair.down.cut = False
    pair.run(6000)
    assert pair.is_up()
    assert pair.count_edge(Hello) == 2


def test_outside_of_a_session_an_agent_says_nothing_to_a_unit_with_a_key() -> None:
    edge = EdgeSession(b"nonce..2", KEY)
    edge.acknowledge(BOOT, 1, Stage.STORED)
    edge.command(CommandKind.HELLO)
    assert not edge.send(Configure(1, "{}"))
    assert (edge.data_to_send(), edge.dropped) == (b"", 3)


def test_a_session_that_ended_in_silence_is_over_at_both_ends() -> None:
    ends = Ends().greet()
    ends.unit.send(Status(1))
    ends.edge.acknowledge(BOOT, 3, Stage.STORED)
    up, down = ends.unit.data_to_send(), ends.edge.data_to_send()
    ends.unit.handle_timeout(UNIT_SILENCE_MS)
    refuses(ends.unit, down)
    ends.edge.handle_timeout(EDGE_SILENCE_MS)
    assert [type(event) for event in ends.edge.events()] == [LinkDown]
    ends.edge.acknowledge(BOOT, 3, Stage.STORED)
    assert ends.edge.data_to_send() == b""
    ends.edge.receive_data(up, EDGE_SILENCE_MS)
    assert ends.edge.events() == []
    (knock,) = frames(ends.edge.data_to_send())
    assert knock.type == Command.TYPE


def test_a_greeting_in_the_same_boot_is_no_loss_and_leaves_no_candidate() -> None:
    ends = Ends().greet()
    ends.unit.handle_timeout(UNIT_SILENCE_MS)
    ends.unit.handle_timeout(UNIT_SILENCE_MS + HELLO_FIRST_MS)  # two Hello are answered
    ends.exchange(UNIT_SILENCE_MS + HELLO_FIRST_MS)
    assert ends.unit.state == ends.edge.state == ONLINE
    assert ends.edge._candidates == []
    assert ends.edge.frames_lost == 0


def test_a_unit_takes_a_welcome_only_for_the_hello_it_has_sent() -> None:
    ends = Ends().greet()
    key, hello = LinkKey(KEY), ends.unit._hello
    welcome = Welcome(BOOT, b"nonce..8")
    refuses(ends.unit, tagged(welcome, 9, key.down(hello, b"nonce..8")))  # not sent yet
    ends.unit.handle_timeout(UNIT_SILENCE_MS)
    other = Welcome(b"newboot!", b"nonce..8")
    refuses(ends.unit, tagged(other, 9, key.down(hello, b"nonce..8")))
    refuses(ends.unit, tagged(Status(0), 9, key.down(hello, b"nonce..8")))
    (good,) = frames(tagged(welcome, 9, key.down(hello, b"nonce..8")))
    refuses(ends.unit, encode_frame(good.type, 9, good.payload[:15], good.tag))
    ends.unit.receive_data(line(good), 0)
    assert ends.unit.state == ONLINE


# Knocks


def knocked() -> tuple[Ends, bytes]:
    """Return a unit in a session, an agent that knows nothing of it, and its knock."""
    ends = Ends().greet()
    ends.edge = EdgeSession(b"nonce..7", KEY)
    ends.unit.send(Status(1))
    ends.edge.receive_data(ends.unit.data_to_send(), 0)
    return ends, ends.edge.data_to_send()


def test_a_knock_makes_a_unit_greet_and_leaves_it_in_its_session() -> None:
    ends, knock = knocked()
    ends.unit.receive_data(knock, 10)
    (hello,) = frames(ends.unit.data_to_send())
    assert hello.type == Hello.TYPE
    assert (ends.unit.state, ends.unit.events(), ends.unit.unverified) == (ONLINE, [], 0)
    assert ends.unit.send(Status(2))
    refuses(ends.unit, knock)  # once


def test_a_recorded_knock_is_refused_in_every_later_session() -> None:
    ends, knock = knocked()
    ends.unit.receive_data(knock, 10)
    ends.exchange(10)
    assert ends.unit.state == ends.edge.state == ONLINE
    for n in range(3 * MAX_ECHOES):
        refuses(ends.unit, knock)
        ends.unit.send(Status(n))
        ends.exchange(10)


def test_a_knock_must_point_to_a_frame_of_late_and_be_of_the_agent() -> None:
    ends, _ = knocked()
    key = LinkKey(KEY)
    said = []
    for n in range(MAX_ECHOES + 1):
        ends.unit.send(Status(n))
        said += frames(ends.unit.data_to_send())
    old, late = said[0].tag, said[-1].tag
    for argument, tagger in (
        (old, key.knock),
        (b"", key.knock),
        (late[:4], key.knock),
        (late + b"x", key.knock),
        (late, LinkKey(OTHER_KEY).knock),
        (late, key.hello),
    ):
        refuses(ends.unit, tagged(Command(9, CommandKind.HELLO, argument), 7, tagger))
    refuses(ends.unit, tagged(Command(9, CommandKind.REBOOT, late), 7, key.knock))
    ends.unit.receive_data(tagged(Command(9, CommandKind.HELLO, late), 7, key.knock), 0)
    assert frames(ends.unit.data_to_send())[0].type == Hello.TYPE


def test_an_agent_knocks_once_a_second_and_not_at_untagged_frames() -> None:
    edge = EdgeSession(b"nonce..2", KEY)
    status = Status(0).pack()
    edge.receive_data(encode_frame(Status.TYPE, 0, status), 0)
    assert edge.data_to_send() == b""
    for now_ms in range(0, 3 * HELLO_FIRST_MS, 10):
        edge.receive_data(encode_frame(Status.TYPE, 0, status, b"whatever"), now_ms)
    assert len(frames(edge.data_to_send())) == 3


def test_sessions_go_on_over_the_wrap_of_both_sequences() -> None:
    for before, greeting_at in product((1, 3, 200), (0, 3, 200)):
        pair = ConnectionPair(key=KEY)
        pair.unit._sequence = pair.edge._sequence = 2**32 - before
        pair.unit.start(pair.uptime_ms)
        pair.run(greeting_at)
        for _ in range(200):
            pair.press()
            pair.sample()
            pair.run(100)
        assert pair.is_up()
        assert pair.unit._sequence < 1000
        assert len(pair.stored) == 200
        assert pair.count_edge(Hello) == 1
