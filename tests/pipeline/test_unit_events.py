"""A unit's word about itself: battery, wearing, a stuck contact, and when it was last tested."""

import logging
import struct

import msgspec
import pytest

from edge_agent.clock import Instant, Quality
from edge_agent.config.file import Config
from edge_agent.config.home import HomeConfig, PlaceConfig, UnitConfig
from edge_agent.home.cause import Cause, Noted, Over
from edge_agent.home.home import Home
from edge_agent.home.protection import LIMIT_S
from edge_agent.pipeline.pipeline import Pipeline
from edge_agent.pipeline.unit_events import STUCK_S
from edge_agent.unit import Received
from protocol.messages import Event, EventKind, Hello, Reading, Samples, Status, StatusFlag
from protocol.quantities import ACCELERATION, CONTACT
from protocol.session import LinkDown

pytestmark = pytest.mark.fast

BOOT, NEXT_BOOT = b"bootboot", b"nextboot"
UTC_S = 1_795_400_000.0
BUTTON, INPUT = 4, 10
IDLE, PRESSED, CUT = 0.0, 1.0, 2.0
SETTLED_MS = 200_000


def at(second: float) -> Instant:
    return Instant(1000.0 + second, UTC_S + second, Quality.NTP)


def make_pipeline(boot: bytes = BOOT) -> Pipeline:
    config = Config(
        home=HomeConfig(region="640302001001", home="h1"),
        place=[PlaceConfig(id="room", zh="卧室", en="bedroom")],
        unit=[UnitConfig(id="pend", port="x", place="room", person="p1")],
    )
    pipeline = Pipeline(config, Home(config), "boot", at(0))
    take(pipeline, Hello("pend", boot, 1, b"n" * 8, uptime_ms=0), 0)
    return pipeline


def take(pipeline: Pipeline, message: object, second: float):
    return pipeline.take(Received("pend", message, 1000.0 + second), at(second))


def event(kind: int, seq: int = 1, second: float = 5.0, value: int = 0, channel: int = 0) -> Event:
    return Event(BOOT, seq, kind, channel, round(1000 * second), 0, value)


def contact(state: float, channel: int = BUTTON) -> Reading:
    return Reading(CONTACT.code, channel, 5000, state)


def conditions(findings) -> list[tuple[str, str]]:
    return [
        (type(one).__name__, one.condition) for one in findings if isinstance(one, Cause | Over)
    ]


@pytest.mark.parametrize(
    ("bad", "good", "condition"),
    [
        (EventKind.BATTERY_LOW, EventKind.BATTERY_GOOD, "battery_low"),
        (EventKind.NOT_WORN, EventKind.WORN, "pendant_not_worn"),
    ],
)
def test_a_fault_and_its_end_are_told_by_events(bad, good, condition):
    pipeline = make_pipeline()
    (cause,) = take(pipeline, event(bad, 1, value=3400), 10)
    (over,) = take(pipeline, event(good, 2, 7.0, value=3900), 10)

    assert (cause.condition, cause.onset_utc_s, cause.origin.seq) == (condition, UTC_S + 5, 1)
    assert cause.evidence.get("battery_mv") == (3400.0 if condition == "battery_low" else None)
    assert (over.condition, over.subject, over.origin.seq) == (condition, "pend", 2)


def test_a_fault_that_a_restart_of_the_unit_has_forgotten_ends_by_its_settled_status():
    pipeline = make_pipeline()
    bad = StatusFlag.BATTERY | StatusFlag.NOT_WORN
    assert conditions(take(pipeline, Status(SETTLED_MS, flags=bad), 200)) == []
    take(pipeline, Hello("pend", NEXT_BOOT, 2, b"n" * 8, uptime_ms=0), 300)
    assert conditions(take(pipeline, Status(15_000, flags=0), 315)) == []  # it cannot know yet
    assert conditions(take(pipeline, Status(SETTLED_MS, flags=0), 500)) == [
        ("Over", "battery_low"),
        ("Over", "pendant_not_worn"),
    ]
    assert conditions(take(pipeline, Status(SETTLED_MS + 15_000, flags=0), 515)) == []


def test_a_flag_that_is_up_ends_nothing_and_its_fall_does():
    pipeline = make_pipeline()
    flags = [StatusFlag.BATTERY, StatusFlag.BATTERY, 0, StatusFlag.BATTERY]
    told = [
        conditions(take(pipeline, Status(SETTLED_MS + 15_000 * n, flags=one), 200 + 15 * n))
        for n, one in enumerate(flags)
    ]
    assert told == [[("Over", "pendant_not_worn")], [], [("Over", "battery_low")], []]


def stream(pipeline: Pipeline, start_s: int, end_s: int, flags: int) -> list[tuple[str, str]]:
    """Let a pendant at rest send for a while; return what is found."""
    found = []
    data = struct.pack("<3h", 0, 0, 817) * 100
    for second in range(start_s, end_s):
        block = Samples(ACCELERATION.code, 0, 1000 * second, 100 * second, 10_000, 0.012, 3, data)
        found += take(pipeline, block, second + 1)
        if second % 15 == 0:
            found += take(pipeline, Status(1000 * second + SETTLED_MS, flags=flags), second + 1)
        found += pipeline.tick(at(second + 1))
    return conditions(found)


def test_a_pendant_that_is_not_worn_watches_over_nobody():
    pipeline = make_pipeline()
    end = round(LIMIT_S) + 60
    stream(pipeline, 0, 30, 0)
    assert ("Cause", "protection_lost") in stream(pipeline, 30, end, StatusFlag.NOT_WORN)
    assert ("Over", "protection_lost") in stream(pipeline, end, end + 30, 0)


def test_a_pendant_on_a_low_battery_still_protects_and_a_dead_one_does_not():
    pipeline = make_pipeline()
    end = round(LIMIT_S) + 60
    assert ("Cause", "protection_lost") not in stream(pipeline, 0, end, StatusFlag.BATTERY)
    take(pipeline, LinkDown(), end)
    found = [pipeline.tick(at(end + second)) for second in (1, LIMIT_S)]
    assert ("Cause", "protection_lost") in conditions(found[1])


def test_a_contact_that_is_held_is_stuck_and_no_source_of_calls_until_it_is_free():
    pipeline = make_pipeline()
    take(pipeline, contact(PRESSED), 10)
    take(pipeline, contact(PRESSED), 200)  # told again when the line is back
    assert conditions(pipeline.tick(at(10 + STUCK_S - 1))) == []
    (stuck,) = pipeline.tick(at(10 + STUCK_S))
    assert (stuck.condition, stuck.reason) == (
        "call_stuck",
        "held for 300 s: nobody can call again",
    )
    lost = pipeline.tick(at(10 + STUCK_S + LIMIT_S))
    assert ("Cause", "protection_lost") in conditions(lost)
    assert conditions(take(pipeline, contact(IDLE), 2000)) == [("Over", "call_stuck")]
    assert conditions(pipeline.tick(at(2001))) == [("Over", "protection_lost")]


@pytest.mark.parametrize(("state", "channel"), [(IDLE, BUTTON), (CUT, BUTTON), (PRESSED, INPUT)])
def test_other_states_and_other_contacts_are_not_stuck_calls(state, channel):
    pipeline = make_pipeline()
    take(pipeline, contact(state, channel), 10)
    assert ("Cause", "call_stuck") not in conditions(pipeline.tick(at(10 + 2 * STUCK_S)))


def test_when_the_contact_last_worked_is_kept_over_a_restart(caplog):
    pipeline = make_pipeline()
    assert pipeline.contacts_worked() == {}
    with caplog.at_level(logging.WARNING):
        (due,) = take(pipeline, event(EventKind.TEST_DUE, 1, 5, value=9), 10)
    (tested,) = take(pipeline, event(EventKind.TESTED, 2, 20), 21)
    take(pipeline, event(EventKind.CALL_PRESSED, 3, 15), 22)  # came late, is older
    assert isinstance(due, Noted) and isinstance(tested, Noted)
    assert caplog.messages == ["unit pend: call contact not tested for 9 days"]
    assert pipeline.contacts_worked() == {"pend": UTC_S + 20}

    after = make_pipeline()
    after.restore(pipeline.facts() | {"contact:gone": b'{"worked_utc_s": 1.0}'}, at(0))
    assert after.contacts_worked() == {"pend": UTC_S + 20}
    after.restore({"contact:pend": msgspec.json.encode("rubbish")}, at(0))
    assert after.contacts_worked() == {"pend": UTC_S + 20}
