"""Both sessions one at a time: every state and event, every bound, every hostile frame."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import session as wire
from protocol.edge_session import EdgeSession
from protocol.framing import MAX_STUFFED, Deframer, Frame, encode_frame
from protocol.from_unit import FROM_UNIT
from protocol.messages import (
    FROM_AGENT,
    MAX_PARTS,
    Ack,
    Command,
    CommandKind,
    Configure,
    Event,
    Hello,
    Impact,
    Log,
    Message,
    Result,
    Samples,
    Stage,
    Status,
    TimeSync,
    Welcome,
)
from protocol.session import (
    EDGE_SILENCE_MS,
    EDGE_TRANSITIONS,
    GREETING,
    HEARTBEAT_MS,
    MAX_EVENTS,
    MAX_IN_FLIGHT,
    MAX_OPEN_IMPACTS,
    MAX_OUT,
    MAX_RECENT,
    MAX_SIGNALS,
    MAX_UNIT_EVENTS,
    MAX_UNIT_OUT,
    MAX_UNIT_OUT_BEST_EFFORT,
    MAX_UNIT_OUT_PARTS,
    ONLINE,
    RESEND_SLOWEST_MS,
    UNHEARD,
    UNIT_SILENCE_MS,
    UNIT_TRANSITIONS,
    WAITING,
    ClockSample,
    LinkDown,
    LinkUp,
)
from protocol.unit_session import UnitSession

pytestmark = pytest.mark.fast

BOOT = b"\xc0\xdb boot!"
OTHER_BOOT = b"otherone"
MAX_FRAME = MAX_STUFFED + 2
PARSERS = {**FROM_UNIT, **FROM_AGENT}


def hello(boot_id: bytes = BOOT, boot_count: int = 1) -> Hello:
    return Hello("bed-1", boot_id, boot_count, b"nonce..1", "bed", "0.1.0")


def give(session: UnitSession | EdgeSession, message: Message, now_ms: int, seq: int = 0) -> None:
    session.receive_data(encode_frame(message.TYPE, seq, message.pack()), now_ms)


def sent(session: UnitSession | EdgeSession) -> list[Message]:
    """Return the messages that the session wants to send now."""
    frames = Deframer().feed(session.data_to_send())
    return [PARSERS[frame.type](frame.payload) for frame in frames]


def kinds(messages: list[object] | list[Message]) -> list[str]:
    return [type(message).__name__ for message in messages]


def online_unit(now_ms: int = 0) -> UnitSession:
    unit = UnitSession(hello())
    unit.start(now_ms)
    give(unit, Welcome(BOOT, b"nonce..2"), now_ms)
    unit.events()
    unit.data_to_send()
    return unit


def online_edge(now_ms: int = 0) -> EdgeSession:
    edge = EdgeSession(b"nonce..2")
    give(edge, hello(), now_ms)
    give(edge, Status(3000), now_ms, 1)
    edge.events()
    edge.data_to_send()
    return edge


def unheard_edge() -> EdgeSession:
    """Return an agent's session whose unit has only greeted for a minute; it is at 60 000 ms."""
    edge = EdgeSession(b"nonce..2")
    for now_ms in range(0, EDGE_SILENCE_MS, 5000):
        give(edge, hello(), now_ms)
    edge.handle_timeout(EDGE_SILENCE_MS)
    edge.events()
    edge.data_to_send()
    return edge


def event(seq: int, boot_id: bytes = BOOT) -> Event:
    return Event(boot_id, seq, 1, 0, 5000)


def part(seq: int, n: int, parts: int, **changed: object) -> Impact:
    fields = dict.fromkeys(("channel", "utc_ms"), 0) | {"scale": 0.5, "axes": 1}
    fields |= {"uptime_ms": 1000, "trigger_ms": 4000, "period_us": 10_000} | changed
    data = fields.pop("data", bytes((n, 0)) * 10)
    return Impact(BOOT, seq, n, parts, **fields, data=data)


# The transition tables


def unit_in(state: str) -> UnitSession:
    if state == ONLINE:
        return online_unit()
    unit = UnitSession(hello())
    unit.start(0)
    return unit


UNIT_EVENTS = {
    wire.GREETED: lambda unit: give(unit, Welcome(BOOT, b"nonce..2"), 50),
    wire.ASKED: lambda unit: give(unit, Command(1, CommandKind.HELLO), 50),
    wire.SILENT: lambda unit: unit.handle_timeout(UNIT_SILENCE_MS),
}
EDGE_STATES = {
    WAITING: lambda: EdgeSession(b"nonce..2"),
    ONLINE: online_edge,
    UNHEARD: unheard_edge,
}
EDGE_EVENTS = {
    wire.GREETED: lambda edge: give(edge, hello(), 61_000),
    wire.ANSWERED: lambda edge: give(edge, Status(3000), 61_000),
    wire.SILENT: lambda edge: edge.handle_timeout(200_000),
}


UNIT_CHANGES = {(GREETING, wire.GREETED): ONLINE, (ONLINE, wire.ASKED): GREETING,
                (ONLINE, wire.SILENT): GREETING}  # fmt: skip
EDGE_CHANGES = {(WAITING, wire.GREETED): ONLINE, (ONLINE, wire.SILENT): WAITING,
                (ONLINE, wire.ONLY_GREETED): UNHEARD, (UNHEARD, wire.ANSWERED): ONLINE}  # fmt: skip


def test_a_state_changes_for_these_events_and_for_no_other() -> None:
    """Both firmware and agent rely on it, so it stands here a second time."""
    for table, changes in ((UNIT_TRANSITIONS, UNIT_CHANGES), (EDGE_TRANSITIONS, EDGE_CHANGES)):
        assert {pair: to for pair, to in table.items() if to != pair[0]} == changes


def test_the_tables_have_the_whole_product() -> None:
    assert set(UNIT_TRANSITIONS) == {(s, e) for s in (GREETING, ONLINE) for e in UNIT_EVENTS}
    events = {*EDGE_EVENTS, wire.ONLY_GREETED}
    assert set(EDGE_TRANSITIONS) == {(s, e) for s in EDGE_STATES for e in events}
    assert set(UNIT_TRANSITIONS.values()) == {GREETING, ONLINE}
    assert set(EDGE_TRANSITIONS.values()) == set(EDGE_STATES)


@pytest.mark.parametrize(("state", "what"), UNIT_TRANSITIONS)
def test_the_unit_follows_its_table(state: str, what: str) -> None:
    unit = unit_in(state)
    unit.events()
    unit.data_to_send()
    UNIT_EVENTS[what](unit)
    after = UNIT_TRANSITIONS[state, what]
    assert unit.state == after
    down = state == ONLINE and after == GREETING
    up = what == wire.GREETED
    assert kinds(unit.events()) == ["LinkDown"] * down + ["LinkUp"] * up
    assert kinds(sent(unit)) == ["Hello"] * (not up)


@pytest.mark.parametrize(
    ("state", "what"), [pair for pair in EDGE_TRANSITIONS if pair[1] != wire.ONLY_GREETED]
)
def test_the_agent_follows_its_table(state: str, what: str) -> None:
    edge = EDGE_STATES[state]()
    assert edge.state == state
    EDGE_EVENTS[what](edge)
    after = EDGE_TRANSITIONS[state, what]
    assert edge.state == after
    seen = {
        (WAITING, wire.GREETED): ["Hello"],
        (ONLINE, wire.GREETED): ["Hello"],
        (ONLINE, wire.ANSWERED): ["Status"],
        (ONLINE, wire.SILENT): ["LinkDown"],
        (UNHEARD, wire.ANSWERED): ["Hello", "Status"],
    }
    assert kinds(edge.events()) == seen.get((state, what), [])
    answers = {
        (WAITING, wire.ANSWERED): ["Command"],
        (UNHEARD, wire.SILENT): ["TimeSync"],
    }
    greeted = ["Welcome", "TimeSync"] if what == wire.GREETED else []
    assert kinds(sent(edge)) == answers.get((state, what), greeted)


def test_a_unit_that_only_greets_is_lost_once_and_back_when_it_answers() -> None:
    edge = EdgeSession(b"nonce..2")
    for now_ms in range(0, 10 * EDGE_SILENCE_MS, 5000):
        give(edge, hello(), now_ms)
        edge.handle_timeout(now_ms)
    assert edge.state == EDGE_TRANSITIONS[ONLINE, wire.ONLY_GREETED] == UNHEARD
    assert kinds(edge.events()).count("LinkDown") == 1
    give(edge, event(0), 600_000)
    assert edge.state == ONLINE
    assert kinds(edge.events()) == ["Hello", "Event"]


# Greeting


def test_the_unit_greets_after_1_2_4_and_every_5_seconds() -> None:
    unit = UnitSession(hello())
    assert unit.next_timeout_ms() is None
    unit.handle_timeout(50)
    assert unit.data_to_send() == b""
    unit.start(100)
    times = []
    for now_ms in range(100, 30_000, 50):
        due_ms = unit.next_timeout_ms()
        unit.handle_timeout(now_ms)
        times += [now_ms - 100 for _ in sent(unit)]
        assert due_ms == now_ms or times[-1] != now_ms - 100 or now_ms == 100
    assert times == [0, 1000, 3000, 7000, 12_000, 17_000, 22_000, 27_000]


def test_a_welcome_is_the_first_that_a_unit_hears() -> None:
    unit = UnitSession(hello())
    unit.start(0)
    give(unit, Welcome(BOOT, b"nonce..2"), 600_000)
    assert unit.next_timeout_ms() == 600_000 + UNIT_SILENCE_MS


def test_a_night_with_nobody_there_leaves_one_greeting_with_the_uptime_of_now() -> None:
    unit = UnitSession(hello())
    unit.start(0)
    for now_ms in range(0, 8 * 3_600_000, 1000):
        unit.handle_timeout(now_ms)
    (greeting,) = sent(unit)
    assert isinstance(greeting, Hello)
    assert greeting.uptime_ms > 8 * 3_600_000 - 6000


def test_a_welcome_for_another_boot_is_refused() -> None:
    unit = UnitSession(hello())
    unit.start(0)
    give(unit, Welcome(OTHER_BOOT, b"nonce..2"), 10)
    assert unit.state == GREETING
    assert unit.malformed == 1


def test_a_unit_that_is_asked_greets_at_the_first_pace_again() -> None:
    unit = UnitSession(hello())
    unit.start(0)
    for now_ms in range(0, 20_000, 1000):
        unit.handle_timeout(now_ms)
    give(unit, Command(1, CommandKind.HELLO), 20_000)
    assert unit.next_timeout_ms() == 21_000


def test_an_agent_that_has_just_started_asks_once_a_second() -> None:
    edge = EdgeSession(b"nonce..2")
    asked = []
    for now_ms in range(0, 3000, 100):
        give(edge, Status(now_ms), now_ms)
        asked += [(now_ms, message) for message in sent(edge)]
    assert edge.events() == []
    assert asked == [(1000 * n, Command(n + 1, CommandKind.HELLO)) for n in range(3)]


def test_a_command_goes_out_with_its_argument_under_the_number_that_is_returned() -> None:
    edge = online_edge()
    numbers = [edge.command(CommandKind.LIGHT, b"\x01"), edge.command(CommandKind.BUZZER)]
    assert numbers == [1, 2]
    assert sent(edge) == [
        Command(1, CommandKind.LIGHT, b"\x01"),
        Command(2, CommandKind.BUZZER),
    ]


def test_the_welcome_says_what_time_it_is() -> None:
    edge = EdgeSession(b"nonce..2")
    edge.utc_ms, edge.quality = 1_795_400_000_000, 2
    give(edge, hello(), 47_310)
    welcome, sync = sent(edge)
    assert welcome == Welcome(BOOT, b"nonce..2", 1_795_400_047_310, 2)
    assert sync == TimeSync(1, 0, 1_795_400_047_310, 2)


def test_a_unit_hears_by_any_good_message_and_not_by_rubbish_or_unknown_types() -> None:
    unit = online_unit()
    give(unit, Ack(OTHER_BOOT, 3, Stage.STORED), 40_000)
    assert unit.next_timeout_ms() == 40_000 + UNIT_SILENCE_MS
    unit.receive_data(encode_frame(0x3F, 0, b"later version"), 50_000)
    unit.receive_data(encode_frame(Ack.TYPE, 0, b"short"), 50_000)
    unit.receive_data(b"\xc0rubbish\xc0", 50_000)
    assert unit.next_timeout_ms() == 40_000 + UNIT_SILENCE_MS
    assert (unit.unknown, unit.malformed, unit.rejected) == (1, 1, 2)


# Records


def test_the_wait_for_an_answer_grows_to_15_seconds() -> None:
    unit = online_unit()
    unit.offer(BOOT, 0, [event(0)], 0)
    times = []
    for now_ms in range(0, 75_000, 100):
        if now_ms % 10_000 == 0:
            give(unit, TimeSync(1), now_ms)
        unit.handle_timeout(now_ms)
        times += [now_ms for message in sent(unit) if isinstance(message, Event)]
    assert times == [0, 2000, 6000, 14_000, 29_000, 44_000, 59_000, 74_000]


@pytest.mark.parametrize("stage", [*range(1, 6), 99, 255])
def test_any_stage_from_stored_up_ends_the_sending(stage: int) -> None:
    unit = online_unit()
    unit.offer(BOOT, 0, [event(0)], 0)
    give(unit, Ack(BOOT, 0, 0), 1)
    give(unit, Ack(BOOT, 1, stage), 1)
    give(unit, Ack(OTHER_BOOT, 0, stage), 1)
    assert unit.in_flight(BOOT, 0)
    give(unit, Ack(BOOT, 0, stage), 1)
    assert not unit.in_flight(BOOT, 0)
    assert kinds(unit.events()) == ["Ack"] * 4


def test_offering_without_room_is_our_own_mistake() -> None:
    unit = online_unit()
    for seq in range(MAX_IN_FLIGHT):
        assert unit.has_room()
        unit.offer(BOOT, seq, [event(seq)], 0)
    assert not unit.has_room()
    with pytest.raises(ValueError, match=r"^no room for another record in flight$"):
        unit.offer(BOOT, 9, [event(9)], 0)


def test_records_nobody_answers_give_way_however_many_there_are() -> None:
    unit = online_unit()
    now_ms = seq = 0
    while seq < 20:
        give(unit, TimeSync(1), now_ms)
        unit.handle_timeout(now_ms)
        unit.data_to_send()
        if unit.has_room():
            unit.offer(BOOT, seq, [event(seq)], now_ms)
            seq += 1
        now_ms += 500
    assert now_ms < 5 * 6 * RESEND_SLOWEST_MS
    on_their_way = [n for n in range(20) if unit.in_flight(BOOT, n)]
    assert 19 in on_their_way
    assert len(on_their_way) <= 2 * MAX_IN_FLIGHT


def test_an_event_goes_before_the_waiting_parts_of_impacts() -> None:
    unit = online_unit()
    unit.offer(BOOT, 0, [part(0, n, 11, data=bytes(978)) for n in range(11)], 0)
    unit.offer(BOOT, 1, [event(1)], 0)
    got = kinds(sent(unit))
    assert got[-1] == "Event"
    assert len(got) <= 4
    assert unit.next_timeout_ms() == 0  # the rest waits only for the line
    unit.handle_timeout(5)
    assert kinds(sent(unit)) == ["Impact"] * 2


def test_a_blocked_line_is_not_asked_for_again_and_again() -> None:
    unit = online_unit()
    unit.offer(BOOT, 0, [part(0, n, 32, data=bytes(978)) for n in range(32)], 0)
    assert unit.next_timeout_ms() == UNIT_SILENCE_MS
    unit.handle_timeout(10_000)
    assert unit.next_timeout_ms() == UNIT_SILENCE_MS


def test_what_is_on_its_way_is_forgotten_with_the_session() -> None:
    unit = online_unit()
    unit.offer(BOOT, 0, [event(0)], 0)
    unit.handle_timeout(UNIT_SILENCE_MS)
    assert not unit.in_flight(BOOT, 0)
    assert not unit.has_room()
    assert kinds(sent(unit)) == ["Hello"]


def test_a_stage_never_goes_back() -> None:
    edge = online_edge()
    edge.acknowledge(BOOT, 4, Stage.ACKNOWLEDGED)
    edge.acknowledge(BOOT, 4, Stage.STORED)
    give(edge, event(4), 100)
    assert [ack.stage for ack in sent(edge) if isinstance(ack, Ack)] == [3, 3, 3]
    assert edge.events() == []


def test_a_boot_id_used_twice_hides_no_event() -> None:
    edge = online_edge()
    edge.acknowledge(BOOT, 0, Stage.STORED)
    give(edge, hello(boot_count=1), 100)
    give(edge, event(0), 100)
    assert kinds(edge.events()) == ["Hello"]
    give(edge, hello(boot_count=2), 200)
    give(edge, event(0), 200)
    assert kinds(edge.events()) == ["Hello", "Event"]


def test_a_reboot_does_not_forget_what_was_stored_of_the_boot_before() -> None:
    edge = online_edge()
    edge.acknowledge(BOOT, 0, Stage.STORED)
    give(edge, hello(OTHER_BOOT, 2), 100)
    give(edge, event(0), 100)
    assert kinds(edge.events()) == ["Hello"]


def test_an_agent_remembers_the_last_records_only() -> None:
    edge = online_edge()
    for seq in range(3 * MAX_RECENT):
        edge.acknowledge(BOOT, seq, Stage.STORED)
        edge.data_to_send()
    give(edge, event(2 * MAX_RECENT - 1), 100)
    give(edge, event(2 * MAX_RECENT), 100)
    assert [given.seq for given in edge.events() if isinstance(given, Event)] == [
        2 * MAX_RECENT - 1
    ]


# Impacts


def impacts_given(edge: EdgeSession) -> list[Impact]:
    return [given for given in edge.events() if isinstance(given, Impact)]


@given(st.permutations([*range(7), 2, 5]))
def test_parts_join_in_any_order(order: list[int]) -> None:
    edge = online_edge()
    given_back = []
    for n in order:
        give(edge, part(3, n, 7), 100)
        given_back += impacts_given(edge)
    assert [(whole.seq, whole.part, whole.parts) for whole in given_back] == [(3, 0, 1)]
    assert given_back[0].data == b"".join(bytes((n, 0)) * 10 for n in range(7))


@pytest.mark.parametrize(
    "changed",
    [
        {"axes": 2},
        {"scale": 0.25},
        {"period_us": 20_000},
        {"channel": 1},
        {"uptime_ms": 1001},
    ],
)
def test_a_part_that_does_not_fit_does_not_spoil_the_name_for_ever(changed: dict) -> None:
    edge = online_edge()
    give(edge, part(3, 0, 2, **changed), 100)
    give(edge, part(3, 1, 2), 100)
    assert edge.malformed == 1
    give(edge, part(3, 0, 2), 100)
    (whole,) = impacts_given(edge)
    assert whole.data == bytes((0, 0)) * 10 + bytes((1, 0)) * 10


def test_a_first_part_that_counts_otherwise_does_not_spoil_the_name_for_ever() -> None:
    edge = online_edge()
    give(edge, part(3, 1, 32), 100)
    for n in range(2):
        give(edge, part(3, n, 2), 100)
    assert len(impacts_given(edge)) == 1
    assert edge.malformed == 1


def test_every_record_under_a_name_that_is_taken_is_counted() -> None:
    edge = online_edge()
    for channel in range(3):
        give(edge, part(3, 0, 2, channel=channel), 100)
    assert edge.malformed == 2


def test_open_impacts_are_bounded_and_the_oldest_gives_way() -> None:
    edge = online_edge()
    for seq in range(1000):
        give(edge, part(seq, 0, MAX_PARTS, data=bytes(982)), 100)
    assert len(edge._impacts) == MAX_OPEN_IMPACTS
    assert min(seq for _, seq in edge._impacts) == 1000 - MAX_OPEN_IMPACTS
    give(edge, part(5, 0, 1), 100)
    assert len(impacts_given(edge)) == 1


def test_parts_of_the_boot_before_are_forgotten() -> None:
    edge = online_edge()
    give(edge, part(3, 0, 2), 100)
    give(edge, hello(OTHER_BOOT, 2), 200)
    give(edge, part(3, 1, 2), 300)
    assert impacts_given(edge) == []


# Counting


def samples(index: int, count: int = 10, channel: int = 0) -> Samples:
    return Samples(1, channel, 0, index & 0xFFFFFFFF, 10_000, 1.0, 1, bytes(2 * count))


@pytest.mark.parametrize(
    ("indexes", "lost"),
    [
        ([0, 10, 20], 0),
        ([0, 20], 10),
        ([0xFFFFFFF6, 0, 10], 0),
        ([0xFFFFFFF6, 10], 10),
        ([0, 10, 10, 20], 0),  # twice the same is no loss
        ([100, 0, 20], 10),  # a jump back is a new start
        ([0, 10 + 0x7FFFFFFF], 0x7FFFFFFF),
        ([0, 10 + 0x80000000], 0),
    ],
)
def test_jumps_of_the_index_are_lost_samples(indexes: list[int], lost: int) -> None:
    edge = online_edge()
    for index in indexes:
        give(edge, samples(index), 100)
    assert edge.samples_lost == lost


@pytest.mark.parametrize(("sequence", "lost"), [(501, 0), (504, 3)])
def test_a_greeting_starts_the_count_of_frames(sequence: int, lost: int) -> None:
    edge = online_edge()
    give(edge, hello(), 100, 500)
    give(edge, samples(0), 100, sequence)
    assert edge.frames_lost == lost


def test_each_channel_is_counted_for_itself_up_to_a_bound() -> None:
    edge = online_edge()
    for channel in range(256):
        give(edge, samples(0, channel=channel), 100)
    for channel in range(256):
        give(edge, samples(15, channel=channel), 100)
    assert len(edge._next_index) == MAX_SIGNALS
    assert edge.samples_lost == 5 * MAX_SIGNALS


@pytest.mark.parametrize(
    ("sequences", "lost"),
    [
        ([2, 3, 4], 0),
        ([2, 5], 2),
        ([0xFFFFFFFE, 0xFFFFFFFF, 0, 1], 0),
        ([0xFFFFFFFF, 1], 1),
        ([2, 3, 3], 0),
        ([0, 0x7FFFFFFF], 0x7FFFFFFE),
        ([0, 0x80000000], 0x7FFFFFFF),
        ([0, 0x80000001], 0),
    ],
)
def test_jumps_of_the_sequence_are_lost_frames(sequences: list[int], lost: int) -> None:
    edge = online_edge()
    give(edge, hello(), 0, sequences[0] - 1 & 0xFFFFFFFF)
    for sequence in sequences:
        edge.receive_data(encode_frame(0x1F, sequence, b"of a later version"), 0)
    assert edge.frames_lost == lost
    assert edge.unknown == len(sequences)


def test_a_reboot_is_no_lost_sample_even_if_its_index_is_further() -> None:
    edge = online_edge()
    give(edge, samples(0), 100)
    give(edge, hello(OTHER_BOOT, 2), 200)
    give(edge, samples(500), 300)
    assert edge.samples_lost == 0


# Time


def test_a_time_answer_counts_once_and_only_if_it_was_asked() -> None:
    edge = EdgeSession(b"nonce..2")
    give(edge, hello(), 1000)
    give(edge, TimeSync(1, 2**40), 1040)
    give(edge, TimeSync(1, 2**40), 1050)
    give(edge, TimeSync(77, 5), 1060)
    samples = [seen for seen in edge.events() if isinstance(seen, ClockSample)]
    assert [(s.sent_ms, s.received_ms, s.uptime_ms) for s in samples] == [(1000, 1040, 2**40)]


def test_the_agent_asks_four_times_at_first_and_then_every_heartbeat() -> None:
    edge = EdgeSession(b"nonce..2")
    for _ in range(3):
        give(edge, hello(), 0)
        edge.data_to_send()
    give(edge, hello(), 0)  # each greeting starts it again
    times = []
    for now_ms in range(0, 60_000, 100):
        edge.handle_timeout(now_ms)
        for message in sent(edge):
            if isinstance(message, TimeSync):
                times.append(now_ms)
                give(edge, TimeSync(message.token, now_ms + 5), now_ms)
    assert times == [0, 1000, 2000, 3000, *range(3000 + HEARTBEAT_MS, 60_000, HEARTBEAT_MS)]
    assert len(edge._sent) == 0


def test_an_answer_to_a_request_before_the_greeting_says_nothing() -> None:
    edge = EdgeSession(b"nonce..2")
    give(edge, hello(), 1000)
    give(edge, hello(OTHER_BOOT, 2), 1010)
    give(edge, TimeSync(1, 5), 1020)
    assert kinds(edge.events()) == ["Hello", "Hello"]


def test_unanswered_time_requests_are_bounded() -> None:
    edge = online_edge()
    for now_ms in range(0, 10_000_000, HEARTBEAT_MS):
        give(edge, Status(now_ms), now_ms)
        edge.handle_timeout(now_ms)
    assert len(edge._sent) <= 4


# Bounds when nobody takes anything


def test_an_agent_that_is_not_drained_is_bounded() -> None:
    edge = online_edge()
    log = Log(20, 0, "x" * 900)
    for n in range(3 * MAX_EVENTS):
        give(edge, log, n)
        give(edge, Hello("bed-1", BOOT, 1, bytes(8)), n)
        edge.acknowledge(BOOT, n, Stage.STORED)
        edge.command(CommandKind.LIGHT, b"\xc0" * 500)
    assert len(edge._out) <= MAX_OUT + MAX_FRAME
    assert len(edge.events()) == MAX_EVENTS
    give(edge, event(0), 5000)
    assert kinds(edge.events()) == ["Event"]


def test_what_finds_no_room_is_counted() -> None:
    edge = online_edge()
    for n in range(MAX_EVENTS + 5):
        give(edge, Log(20, n, ""), n)
    assert edge.dropped == 5
    while edge.send(Configure(1, "x" * 900)):
        pass
    assert edge.dropped == 6


def test_a_unit_that_is_not_drained_is_bounded() -> None:
    unit = online_unit()
    for n in range(1000):
        give(unit, TimeSync(n), n)
        give(unit, Configure(n, "x" * 900), n)
        unit.send(samples(n, 400))
    for n in range(3):
        unit.offer(BOOT, n, [part(n, m, 32, data=b"\xc0" * 982) for m in range(32)], 2000)
    assert len(unit._out) <= MAX_UNIT_OUT + MAX_FRAME
    assert len(unit.events()) == MAX_UNIT_EVENTS
    assert unit.dropped > 0


def test_samples_leave_room_for_a_press() -> None:
    unit = online_unit()
    while unit.send(samples(0, 400)):
        pass
    assert len(unit._out) <= MAX_UNIT_OUT_BEST_EFFORT + MAX_FRAME <= MAX_UNIT_OUT + 100
    assert unit.dropped == 1
    unit.offer(BOOT, 0, [event(0)], 0)
    assert kinds(sent(unit))[-1] == "Event"


def test_four_impacts_of_eleven_parts_go_out_in_small_helpings_and_once() -> None:
    unit = online_unit()
    for seq in range(MAX_IN_FLIGHT):
        unit.offer(BOOT, seq, [part(seq, n, 11, data=bytes(978)) for n in range(11)], 0)
    got: list[tuple[int, int]] = []
    for now_ms in range(1500):
        data = unit.data_to_send()
        assert len(data) <= MAX_UNIT_OUT_PARTS + MAX_FRAME
        got += [(m.seq, m.part) for m in map(parsed_impact, Deframer().feed(data))]
        due_ms = unit.next_timeout_ms()
        if due_ms is not None and due_ms <= now_ms:
            unit.handle_timeout(now_ms)
    assert got == [(seq, n) for seq in range(MAX_IN_FLIGHT) for n in range(11)]


def parsed_impact(frame: Frame) -> Impact:
    return FROM_UNIT[Impact.TYPE](frame.payload)


def test_a_unit_does_not_send_when_nobody_listens() -> None:
    unit = UnitSession(hello())
    unit.start(0)
    unit.data_to_send()
    assert not unit.send(Status(5))
    assert not unit.send(Status(6))
    assert not unit.has_room()
    assert unit.dropped == 2
    assert unit.data_to_send() == b""


# Tags


@pytest.mark.parametrize("tag", [b"", b"whatever"])
def test_without_a_key_a_tag_says_nothing(tag: bytes) -> None:
    edge, message = EdgeSession(b"nonce..2"), hello()
    edge.receive_data(encode_frame(message.TYPE, 0, message.pack(), tag), 0)
    assert edge.state == ONLINE
    assert all(frame.tag == b"" for frame in Deframer().feed(edge.data_to_send()))
    unit = UnitSession(hello())
    unit.start(0)
    message = Welcome(BOOT, b"nonce..2")
    unit.receive_data(encode_frame(message.TYPE, 0, message.pack(), tag), 0)
    assert unit.state == ONLINE
    assert all(frame.tag == b"" for frame in Deframer().feed(unit.data_to_send()))


# Anything at all

short_messages = st.one_of(
    st.builds(Ack, st.sampled_from([BOOT, OTHER_BOOT]), st.integers(0, 3), st.integers(0, 7)),
    st.builds(TimeSync, st.integers(0, 6), st.integers(0, 2**48 - 1)),
    st.builds(Command, st.integers(0, 3), st.integers(0, 9), st.binary(max_size=5)),
    st.builds(Welcome, st.sampled_from([BOOT, OTHER_BOOT]), st.binary(min_size=8, max_size=8)),
    st.builds(Result, st.integers(0, 3), st.integers(0, 3)),
    st.builds(event, st.integers(0, 3), st.sampled_from([BOOT, OTHER_BOOT])),
    st.builds(hello, st.sampled_from([BOOT, OTHER_BOOT]), st.integers(0, 2)),
    st.builds(samples, st.integers(0, 0xFFFFFFFF), st.integers(1, 3), st.integers(0, 2)),
    st.integers(1, 4).flatmap(
        lambda parts: st.builds(part, st.integers(0, 9), st.integers(0, parts - 1), st.just(parts))
    ),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("give"), short_messages, st.integers(0, 0xFFFFFFFF)),
        st.tuples(st.just("raw"), st.integers(0, 255), st.binary(max_size=60)),
        st.tuples(st.just("wait"), st.sampled_from([0, 1, 999, 15_000, 45_000, 60_000])),
        st.tuples(st.just("drain")),
        st.tuples(st.just("offer"), st.integers(0, 9)),
        st.tuples(st.just("ack"), st.integers(0, 3), st.integers(0, 6)),
    ),
    max_size=40,
)


@settings(max_examples=150)
@given(steps)
def test_no_order_of_frames_and_calls_raises_or_grows(walk: list[tuple]) -> None:
    unit, edge = UnitSession(hello()), EdgeSession(b"nonce..2")
    unit.start(0)
    now_ms = 0
    for what, *arguments in walk:
        for session in (unit, edge):
            if what == "give":
                give(session, arguments[0], now_ms, arguments[1])
            elif what == "raw":
                session.receive_data(encode_frame(arguments[0], 0, arguments[1]), now_ms)
            elif what == "drain":
                session.events()
                session.data_to_send()
        if what == "wait":
            now_ms += arguments[0]
            unit.handle_timeout(now_ms)
            edge.handle_timeout(now_ms)
        elif what == "offer" and unit.has_room():
            unit.offer(BOOT, arguments[0], [event(arguments[0])], now_ms)
        elif what == "ack":
            edge.acknowledge(BOOT, *arguments)
        due_ms = unit.next_timeout_ms()
        assert due_ms is not None
        assert (unit.state, edge.state in EDGE_STATES) in ((GREETING, True), (ONLINE, True))
        assert len(unit._out) <= MAX_UNIT_OUT + MAX_FRAME
        assert len(edge._impacts) <= MAX_OPEN_IMPACTS
    unit.handle_timeout(now_ms)
    for session in (unit, edge):
        due_ms = session.next_timeout_ms()
        session.handle_timeout(now_ms if due_ms is None else max(now_ms, due_ms))
        later_ms = session.next_timeout_ms()
        assert later_ms is None or later_ms > now_ms


def test_links_come_and_go_as_events() -> None:
    unit = UnitSession(hello())
    unit.start(0)
    give(unit, Welcome(BOOT, b"nonce..2", 7, 2), 1)
    (up,) = unit.events()
    assert isinstance(up, LinkUp)
    assert up.welcome == Welcome(BOOT, b"nonce..2", 7, 2)
    unit.handle_timeout(1 + UNIT_SILENCE_MS)
    (down,) = unit.events()
    assert isinstance(down, LinkDown)
