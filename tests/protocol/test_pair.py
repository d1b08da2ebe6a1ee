"""Both sessions over a bad line: what must arrive, what is said twice, what is noticed."""

import pytest

from protocol.edge_session import EdgeSession
from protocol.messages import (
    Ack,
    Command,
    CommandKind,
    Event,
    Hello,
    Impact,
    Samples,
    Stage,
    TimeSync,
)
from protocol.session import (
    EDGE_SILENCE_MS,
    HEARTBEAT_MS,
    MAX_IN_FLIGHT,
    UNIT_SILENCE_MS,
    ClockSample,
    LinkDown,
    LinkUp,
)
from tests.pair import ConnectionPair

pytestmark = pytest.mark.fast

MINUTE_MS = 60_000
KEYS = [b"", bytes(range(32))]


def connected(seed: int = 1, **line: object) -> ConnectionPair:
    pair = ConnectionPair(seed, **line)
    pair.run_until(pair.is_up, MINUTE_MS)
    return pair


# Greeting and reboots


def test_a_greeting_on_a_good_line_takes_one_hello_and_one_welcome() -> None:
    pair = ConnectionPair()
    pair.run(500)
    assert pair.is_up()
    assert [type(event) for event in pair.unit_seen] == [LinkUp, TimeSync]
    assert pair.count_edge(Hello) == 1
    assert pair.edge.hello is not None
    assert pair.edge.hello.unit_id == "bed-1"


@pytest.mark.parametrize("seed", range(20))
def test_a_greeting_comes_through_a_bad_line(seed: int) -> None:
    pair = ConnectionPair(seed, loss=0.3, damage=0.1)
    assert pair.run_until(pair.is_up, MINUTE_MS) < MINUTE_MS


def test_a_reboot_is_seen_by_its_new_boot_id_and_keeps_the_backlog() -> None:
    pair = connected()
    pair.answering = False
    before = pair.press()
    pair.run(300)
    pair.restart_unit()
    after = pair.press()
    pair.answering = True
    pair.run(5000)
    assert pair.edge.hello is not None
    assert pair.edge.hello.boot_id == after.boot_id != before.boot_id
    assert pair.edge.hello.boot_count == 2
    assert set(pair.stored) == {(before.boot_id, 0), (after.boot_id, 0)}
    assert not pair.backlog
    assert pair.count_edge(LinkDown) == 0


def test_a_reboot_is_no_loss() -> None:
    pair = connected()
    pair.every(100, 10, pair.sample)
    pair.run(2000)
    pair.restart_unit()
    pair.run(2000)
    pair.every(100, 10, pair.sample)
    pair.run(2000)
    assert pair.edge.samples_lost == 0
    assert pair.edge.frames_lost == 0


# Events


@pytest.mark.parametrize("key", KEYS, ids=len)
@pytest.mark.parametrize("seed", range(12))
def test_every_event_arrives_through_thirty_percent_loss(seed: int, key: bytes) -> None:
    pair = ConnectionPair(seed, loss=0.3, damage=0.05, delay_ms=(1, 200), key=key)
    for _ in range(40):
        pair.after(pair.random.randrange(60_000), pair.press)
    pair.run(30_000)
    pair.restart_unit()
    pair.run(60_000)
    pair.run_until(lambda: not pair.backlog, 10 * MINUTE_MS)
    assert len(pair.stored) == 40
    boots = {boot_id for boot_id, _ in pair.stored}
    assert len(boots) == 2
    for boot_id in boots:
        seqs = sorted(seq for boot, seq in pair.stored if boot == boot_id)
        assert seqs == list(range(len(seqs)))


def test_a_lost_acknowledgement_makes_a_duplicate_that_is_acknowledged_again_not_given() -> None:
    pair = connected()
    pair.down.cut = True
    pair.press()
    pair.run(1000)
    pair.down.cut = False
    assert len(pair.given) == len(pair.stored) == len(pair.backlog) == 1
    pair.run(3000)
    assert not pair.backlog
    assert len(pair.given) == 1


def test_a_duplicate_is_answered_with_the_stage_it_has_reached() -> None:
    pair = connected()
    pair.down.cut = True
    event = pair.press()
    pair.run(500)
    pair.edge.acknowledge(event.boot_id, event.seq, Stage.DISPATCHED)
    pair.run(500)
    pair.down.cut = False
    pair.run(3000)
    stages = [seen.stage for seen in pair.unit_seen if isinstance(seen, Ack)]
    assert stages == [Stage.DISPATCHED]


def test_an_event_is_given_again_until_it_is_stored() -> None:
    pair = connected()
    pair.answering = False
    event = pair.press()
    pair.run(31_000)
    sent_at_s = (0, 2, 6, 14, 29)
    assert len(pair.given) == len(sent_at_s)
    assert all(given == event for given in pair.given)


# Impacts


def snippet(pair: ConnectionPair, seq: int) -> bytes:
    impact = pair.stored[pair.boot_id, seq]
    assert isinstance(impact, Impact)
    return impact.data


@pytest.mark.parametrize("key", KEYS, ids=len)
@pytest.mark.parametrize("seed", range(8))
def test_the_parts_of_impacts_join_through_loss(seed: int, key: bytes) -> None:
    pair = connected(seed, loss=0.3, damage=0.05, key=key)
    pair.run_until(pair.is_up, MINUTE_MS)
    data = [pair.strike(11) for _ in range(4)]
    pair.press()
    pair.run_until(lambda: not pair.backlog, 10 * MINUTE_MS)
    assert [snippet(pair, seq) for seq in range(4)] == data
    assert pair.edge.malformed == 0


@pytest.mark.parametrize("key", KEYS, ids=len)
def test_the_largest_impact_arrives(key: bytes) -> None:
    pair = connected(key=key)
    data = pair.strike(32)
    pair.run(10_000)
    assert not pair.backlog
    assert snippet(pair, 0) == data
    assert pair.unit.dropped == 0


def test_the_largest_impact_arrives_over_a_real_baud_rate_and_is_sent_once() -> None:
    pair = connected(bytes_per_s=11_520)
    data = pair.strike(32)
    pair.run(10_000)
    assert snippet(pair, 0) == data
    assert len(pair.given) == 1


def test_a_press_overtakes_the_parts_of_impacts() -> None:
    pair = connected(bytes_per_s=11_520)
    for _ in range(3):
        pair.strike(32)
    pair.run(200)
    pair.press()
    pair.run(2500)
    assert (pair.boot_id, 3) in pair.stored


def test_records_the_agent_never_takes_do_not_block_a_press() -> None:
    pair = connected()
    for _ in range(MAX_IN_FLIGHT):
        pair.press()
        pair.backlog[-1][2][0] = _Unknown()
    pair.run(5000)
    assert len(pair.stored) == 0
    pair.press()
    pair.run(MINUTE_MS)
    assert (pair.boot_id, MAX_IN_FLIGHT) in pair.stored


class _Unknown(Command):
    """A record of a later version that this agent does not know."""

    TYPE = 0x0F

    def __init__(self) -> None:
        Command.__init__(self, 1, 1)


def test_a_line_too_slow_for_the_samples_still_carries_presses_and_impacts() -> None:
    pair = connected(bytes_per_s=2000)
    pair.every(20, 3000, lambda: pair.sample(7))
    pair.run(5000)
    data = pair.strike(11)
    pair.run(5000)
    start_ms = pair.now_ms
    press = pair.press()
    pair.run_until(lambda: (press.boot_id, press.seq) in pair.stored, 6000)
    assert pair.now_ms - start_ms < 5000  # two buffers of 4 kB at 2 kB/s
    pair.run(50_000)
    assert snippet(pair, 0) == data
    assert pair.unit.dropped > 1000
    blocks = [event for event in pair.edge_seen if isinstance(event, Samples)]
    span = blocks[-1].index + 7 - blocks[0].index
    assert pair.edge.samples_lost == span - 7 * len(blocks)
    assert pair.count_edge(LinkDown) == pair.count_unit(LinkDown) == 0


def test_an_agent_that_cannot_store_is_given_everything_when_it_can() -> None:
    pair = connected()
    pair.answering = False
    pair.every(10_000, 30, pair.press)
    pair.run(10 * MINUTE_MS)
    assert len(pair.backlog) == 30
    pair.answering = True
    pair.run_until(lambda: not pair.backlog, 3 * MINUTE_MS)
    assert len(pair.stored) == 30
    assert pair.count_unit(LinkDown) == 0


def test_a_unit_whose_line_is_stuck_goes_on_when_it_moves() -> None:
    pair = connected()
    pair.unit_draining = False
    pair.every(100, 1200, pair.sample)
    pair.press()
    pair.run(2 * MINUTE_MS)
    assert pair.count_edge(LinkDown) == 1
    assert not pair.stored
    pair.unit_draining = True
    pair.run(7000)
    assert pair.is_up()
    assert len(pair.stored) == 1


def test_the_sequence_goes_round_in_both_directions() -> None:
    pair = connected()
    pair.unit._sequence = pair.edge._sequence = 0xFFFFFFFA
    pair.run(20_000)  # the jump itself is taken for a new start
    assert pair.edge.frames_lost == 0
    pair.every(100, 100, pair.sample)
    pair.every(1000, 10, pair.press)
    pair.run(12_000)
    assert len(pair.stored) == 10
    assert pair.unit._sequence < 1000
    assert pair.edge.frames_lost == pair.edge.samples_lost == 0


# Silence


def test_both_sides_notice_silence_and_find_each_other_again() -> None:
    pair = connected()
    pair.run(10_000)
    pair.up.cut = pair.down.cut = True
    pair.run(EDGE_SILENCE_MS + HEARTBEAT_MS)
    assert pair.count_unit(LinkDown) == 1
    assert pair.count_edge(LinkDown) == 1
    pair.press()
    pair.run(10 * MINUTE_MS)
    assert not pair.stored
    pair.up.cut = pair.down.cut = False
    pair.run(6000)
    assert pair.is_up()
    assert len(pair.stored) == 1
    assert pair.count_unit(LinkUp) == 2
    assert pair.count_unit(LinkDown) == pair.count_edge(LinkDown) == 1


def test_a_unit_that_is_not_heard_is_lost_for_the_agent_and_knows_it() -> None:
    pair = connected()
    pair.up.cut = True
    pair.run(EDGE_SILENCE_MS + UNIT_SILENCE_MS + 2 * HEARTBEAT_MS)
    assert pair.count_edge(LinkDown) == 1
    assert pair.count_unit(LinkDown) == 1
    pair.up.cut = False
    pair.run(6000)
    assert pair.is_up()


def test_a_unit_that_only_greets_does_not_hear_and_is_lost_once() -> None:
    pair = connected()
    pair.run(10_000)
    pair.down.cut = True
    pair.run(20 * MINUTE_MS)
    assert pair.unit.state == "greeting"
    assert pair.edge.state != "online"
    assert pair.count_edge(LinkDown) == 1
    hellos = pair.count_edge(Hello)
    pair.down.cut = False
    pair.run(7000)
    assert pair.is_up()
    assert pair.count_edge(Hello) == hellos + 1
    pair.press()
    pair.run(100)
    assert len(pair.stored) == 1


def test_heartbeats_hold_an_idle_line_for_a_day() -> None:
    pair = connected()
    pair.run(24 * 60 * MINUTE_MS)
    assert pair.count_unit(LinkDown) == pair.count_edge(LinkDown) == 0
    assert pair.edge.frames_lost == 0


# Loss, clocks, restarts


@pytest.mark.parametrize("seed", range(8))
def test_lost_samples_are_counted_exactly(seed: int) -> None:
    pair = connected(seed)
    pair.up.loss, pair.up.damage = 0.25, 0.05
    if seed % 2:
        pair.start_index(0xFFFFFFFF - 1000)
    pair.every(100, 600, lambda: pair.sample(7))
    pair.run(59_999)
    pair.up.loss = pair.up.damage = 0.0
    pair.run(500)
    blocks = [event for event in pair.edge_seen if isinstance(event, Samples)]
    span = (blocks[-1].index + 7 - blocks[0].index) & 0xFFFFFFFF
    assert len(blocks) < 560
    assert pair.edge.samples_lost == span - 7 * len(blocks)


def test_lost_frames_are_counted_and_frames_of_a_later_version_are_not_lost() -> None:
    pair = connected()
    pair.every(100, 50, pair.sample)
    pair.after(2050, lambda: setattr(pair.up, "loss", 1.0))
    pair.after(3050, lambda: setattr(pair.up, "loss", 0.0))
    pair.every(500, 10, lambda: pair.unit.send(_Unknown()))
    pair.run(6000)
    assert pair.edge.frames_lost == len(pair.up.lost) >= 10
    assert pair.edge.unknown >= 8


def test_clock_samples_bracket_the_units_uptime() -> None:
    pair = connected(delay_ms=(5, 60))
    pair.run(2 * MINUTE_MS)
    samples = [event for event in pair.edge_seen if isinstance(event, ClockSample)]
    assert len(samples) >= 4 + 7
    offset_ms = pair.uptime_ms - pair.edge_ms
    for sample in samples:
        assert 10 <= sample.received_ms - sample.sent_ms <= 150
        assert sample.sent_ms <= sample.uptime_ms - offset_ms <= sample.received_ms


def test_a_restarted_agent_asks_for_a_greeting_and_goes_on() -> None:
    pair = connected()
    pair.every(100, 200, pair.sample)
    pair.run(5000)
    pair.restart_edge()
    pair.run(1000)
    assert pair.is_up()
    asked = [e for e in pair.unit_seen if isinstance(e, Command) and e.kind == CommandKind.HELLO]
    assert not asked  # it is for the session alone
    assert pair.count_unit(LinkUp) == 2
    pair.press()
    pair.run(1000)
    assert len(pair.stored) == 1


@pytest.mark.parametrize("seed", range(6))
def test_agent_and_unit_restarting_through_loss_lose_no_event(seed: int) -> None:
    pair = ConnectionPair(seed, loss=0.2, damage=0.05, delay_ms=(1, 100))
    pair.every(700, 200, pair.press)
    pair.every(100, 1400, pair.sample)
    for n in range(1, 8):
        pair.after(n * 17_000, pair.restart_edge)
        pair.after(n * 19_500, pair.restart_unit)
    pair.run(140_000)
    pair.run_until(lambda: not pair.backlog, 10 * MINUTE_MS)
    assert len(pair.stored) == 200


def test_a_fresh_agent_is_given_again_what_the_old_one_stored() -> None:
    pair = connected()
    pair.down.cut = True
    event = pair.press()
    pair.run(1000)
    assert len(pair.given) == 1
    pair.restart_edge()
    pair.down.cut = False
    pair.run(60_000)
    assert not pair.backlog
    assert pair.given == [event, event]
    assert len(pair.stored) == 1
    assert isinstance(pair.edge, EdgeSession)


def test_the_same_seed_gives_the_same_run() -> None:
    def run() -> tuple[int, int, list[str]]:
        pair = ConnectionPair(9, loss=0.3, damage=0.2)
        pair.every(50, 400, pair.sample)
        pair.every(3000, 7, pair.press)
        pair.run(30_000)
        given = [repr(event) for event in pair.given if isinstance(event, Event)]
        return pair.edge.samples_lost, pair.edge.rejected, given

    assert run() == run()
