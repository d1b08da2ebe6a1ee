"""The real firmware with a key: it talks to who has it too, and to nobody else."""

import os

import pytest

from protocol.edge_session import EdgeSession
from protocol.framing import encode_frame
from protocol.messages import Ack, Command, CommandKind, Event, EventKind, Hello, Samples, Status
from protocol.session import EDGE_SILENCE_MS, LinkDown
from tests.firmware.vm import needs_vm, steady

pytestmark = [pytest.mark.vm, needs_vm]

KEY = bytes(range(32))
PRESS_AT_5_S = [[0, 1], [5000, 0], [5300, 1]]


@pytest.fixture
def make_keyed(make_unit):
    def make(key: bytes = KEY, agent_key: bytes = KEY, **settings):
        unit = make_unit(**settings)
        (unit.flash / "link.key").write_bytes(key) if key else None
        unit.session = EdgeSession(b"agent---", agent_key)
        unit.add_acc(steady(100), hold=True)
        unit.host["pins"]["button"]["steps"] = PRESS_AT_5_S
        return unit

    return make


def test_a_call_comes_through_an_authenticated_line(make_keyed):
    unit = make_keyed()
    unit.start()
    unit.advance(20_000)
    assert unit.kinds() == [EventKind.CALL_PRESSED, EventKind.CALL_RELEASED]
    assert len(unit.of(Hello)) == 1
    assert unit.of(Samples)
    assert unit.session.unverified == 0
    assert unit.session.samples_lost == unit.session.frames_lost == 0
    assert unit.of(Status)[-1].rejected == 0
    assert not list((unit.flash / "backlog").iterdir())


def test_forged_frames_neither_silence_a_call_nor_command_the_unit(make_keyed):
    unit = make_keyed()
    unit.acknowledging = False
    unit.start()
    unit.advance(7000)
    call = unit.of(Event)[0]
    for message in (
        Ack(call.boot_id, call.seq, 5),
        Command(1, CommandKind.BUZZER, b"\x00\x3c\x00"),
        Command(2, CommandKind.REBOOT),
        Command(3, CommandKind.HELLO),
    ):
        for tag in (b"", b"whatever"):
            data = encode_frame(message.TYPE, 9000, message.pack(), tag)
            unit.sent += os.write(unit.master, data)
            unit.advance(200)
    unit.advance(20_000)
    assert len(unit.of(Hello)) == 1
    assert list((unit.flash / "backlog").iterdir())
    assert len(unit.of(Event)) > 4  # sent again and again
    assert unit.of(Status)[-1].rejected == 8
    assert unit.outputs()[-1][0] > unit.uptime_ms - 2000  # the alarm goes on
    unit.acknowledging = True
    unit.advance(20_000)
    assert not list((unit.flash / "backlog").iterdir())


def test_a_new_agent_knocks_and_is_offered_what_the_old_one_did_not_store(make_keyed):
    unit = make_keyed()
    unit.acknowledging = False
    unit.start()
    unit.advance(6000)
    unit.events.clear()
    unit.session = EdgeSession(b"another-", KEY)
    unit.acknowledging = True
    unit.advance(1000)
    assert len(unit.of(Hello)) == 1
    assert unit.kinds() == [EventKind.CALL_PRESSED, EventKind.CALL_RELEASED]


def test_a_reboot_needs_no_ceremony(make_keyed):
    unit = make_keyed()
    unit.start()
    unit.advance(7000)
    unit.kill()
    unit.start()
    unit.advance(3000)
    assert [hello.boot_count for hello in unit.of(Hello)] == [1, 2]
    assert not unit.of(LinkDown)


def test_a_line_that_hangs_up_comes_back_with_the_same_agent_or_another(make_real_time_unit):
    unit = make_real_time_unit()
    (unit.flash / "link.key").write_bytes(KEY)
    unit.session = EdgeSession(b"agent---", KEY)
    unit.add_acc(steady(100), hold=True)
    unit.host["pins"]["button"]["steps"] = [[0, 1], [1500, 0], [1800, 1]]
    unit.start()
    unit.run(lambda: len(unit.of(Samples)) > 3)
    for another in (False, True):
        unit.drop_line()
        unit.events.clear()
        if another:
            unit.session = EdgeSession(b"another-", KEY)
        unit.make_line()
        unit.run(lambda: len(unit.of(Samples)) > 3)
        assert bool(unit.of(Hello)) >= another
    unit.run(lambda: not list((unit.flash / "backlog").iterdir()))


@pytest.mark.parametrize(
    ("key", "agent_key"), [(KEY, b""), (KEY[::-1], KEY), (KEY[:-1], KEY), (b"", KEY)]
)
def test_without_the_same_key_the_unit_sounds_and_keeps_its_call(make_keyed, key, agent_key):
    unit = make_keyed(key, agent_key)
    unit.start()
    unit.advance(EDGE_SILENCE_MS + 20_000)
    assert unit.of(Event) == []
    assert list((unit.flash / "backlog").iterdir())
    assert (5100, "buzzer", 1) in unit.outputs()
    if agent_key:
        assert unit.events == []
    else:
        assert unit.of(LinkDown)


def test_the_heap_of_a_unit_with_a_key(make_keyed):
    unit = make_keyed()
    unit.level = 3
    unit.start()
    unit.advance(60_000)
    assert unit.of(Status)[-1].heap_free > 60_000
