"""The retained topics: each change says all of its topic, and a birth says all topics again."""

import msgspec
import pytest

from edge_agent.alarm.alarm import AgentStamp, State
from edge_agent.clock import Instant, Quality
from edge_agent.pipeline.findings import BedNews, BedWarning, UnitNews
from edge_agent.relay.profiles.native import NativeProfile
from edge_agent.relay.retained import RetainedState
from protocol.messages import Hello, Status
from tests.test_outbox import make_alarm

pytestmark = pytest.mark.fast

PREFIX = "anzhen/v1/r/h/"
THEN_S, NOW_S = 1_795_400_000.0, 1_795_400_060.5
THEN, NOW = "2026-11-23T02:13:20.000Z", "2026-11-23T02:14:20.500Z"
AT_NOW = Instant(7.0, NOW_S, Quality.NTP)
UNIT = {"unit": "u1", "state": "online", "place": "bath", "at": NOW}
BED = {"place": "bedroom", "occupied": True, "since": THEN, "at": NOW, "bed": "b1", "unit": "u2"}
IN_BED = BedNews("b1", "u2", "bedroom", True, THEN_S)
SITS_UP = BedWarning("b1", "u2", "bedroom", NOW_S - 10.0, "sitting_up")
WARNED = BED | {"since": "2026-11-23T02:14:10.500Z", "warning": "sitting_up"}


@pytest.fixture
def retained():
    return RetainedState(NativeProfile("r", "h"), AgentStamp("session", "0.1.0"))


def said(publication):
    """Return topic and body, without what is not known."""
    assert publication.retain
    body = msgspec.json.decode(publication.payload)
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if value is not None}
    return publication.topic.removeprefix(PREFIX), body


def test_a_will_has_no_time_for_nobody_knows_when_it_will_be_said(retained):
    agent = {"session": "session", "version": "0.1.0", "clock": "ntp"}

    assert said(retained.agent("online", AT_NOW)) == (
        "agent/state", {"state": "online", "at": NOW, **agent},
    )  # fmt: skip
    assert said(retained.agent("lost", AT_NOW)) == ("agent/state", {"state": "lost", **agent})


def test_a_unit_keeps_what_it_said_of_itself_while_it_is_lost_and_back(retained):
    hello = Hello("u1", b"bootboot", 1, b"nonce..1", "pendant", "0.2.0")
    status = Status(5000, backlog=3, battery_mv=2900)
    known = {"firmware": "0.2.0", "profile": "pendant", "battery_mv": 2900, "backlog": 3}
    steps = [
        (UnitNews("u1", True), UNIT),
        (UnitNews("u1", True, hello=hello, status=status), UNIT | known),
        (UnitNews("u1", False, "silent"), UNIT | known | {"state": "lost", "reason": "silent"}),
        (UnitNews("u1", True), UNIT | known),
    ]
    for news, expected in steps:
        assert said(retained.note(news, "bath", AT_NOW)) == ("unit/u1/state", expected)


def test_a_warning_of_a_bed_stands_until_its_next_news_and_leaves_since_when_it_is_occupied(
    retained,
):
    topic = "occupancy/bedroom"
    assert said(retained.note(IN_BED, "bedroom", AT_NOW)) == (topic, BED)
    assert said(retained.note(SITS_UP, "bedroom", AT_NOW)) == (
        topic, BED | {"warning": "sitting_up"},
    )  # fmt: skip
    assert said(retained.note(IN_BED, "bedroom", AT_NOW)) == (topic, BED)


@pytest.mark.parametrize("before", [[], [BedNews("b2", "u9", "bedroom", False, NOW_S)]])
def test_a_warning_of_a_bed_that_said_nothing_yet_says_that_somebody_is_in_it(retained, before):
    for news in before:
        retained.note(news, "bedroom", AT_NOW)

    assert said(retained.note(SITS_UP, "bedroom", AT_NOW)) == (
        "occupancy/bedroom", WARNED,
    )  # fmt: skip


def test_a_birth_says_all_of_it_again_the_agent_first_and_of_alarms_the_open_ones(retained):
    for alarm in (make_alarm("a"), make_alarm("b"), make_alarm("a", 2, State.CLOSED)):
        retained.note_alarm(alarm)
    retained.note_alarm(make_alarm("never open", 1, State.CLOSED))
    retained.note(UnitNews("u1", True), "bath", AT_NOW)
    retained.note(SITS_UP, "bedroom", AT_NOW)
    agent, alarms, *rest = [said(one) for one in retained.birth(AT_NOW)]

    assert agent == said(retained.agent("online", AT_NOW))
    assert alarms == ("alarms/open", [msgspec.to_builtins(make_alarm("b").last)])
    assert rest == [
        ("unit/u1/state", UNIT),
        ("occupancy/bedroom", WARNED),
    ]
