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
ONE = {"bed": "b1", "unit": "u2", "occupied": True, "since": THEN, "at": NOW}
IN_BED = BedNews("b1", "u2", "bedroom", True, THEN_S)
SITS_UP = BedWarning("b1", "u2", "bedroom", NOW_S - 10.0, "sitting_up")
WARNED = {"since": "2026-11-23T02:14:10.500Z", "warning": "sitting_up"}


def in_bedroom(*beds, **place):
    """What the topic of a place says, by its beds; with one bed all of it is that bed's."""
    only = beds[0] if len(beds) == 1 else {"occupied": True, "since": THEN, "at": NOW}
    return {"place": "bedroom", "beds": list(beds)} | only | place


@pytest.fixture
def retained():
    return RetainedState(NativeProfile("r", "h"), AgentStamp("session", "0.1.0"))


def known(body):
    return {name: value for name, value in body.items() if value is not None}


def said(publication):
    """Return topic and body, without what is not known."""
    assert publication.retain
    body = msgspec.json.decode(publication.payload)
    if isinstance(body, dict):
        body = known(body)
        if "beds" in body:
            body["beds"] = [known(bed) for bed in body["beds"]]
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


def test_a_unit_on_the_mains_has_no_battery(retained):
    news = UnitNews("u1", True, status=Status(5000, battery_mv=0))
    assert said(retained.note(news, "bath", AT_NOW)) == ("unit/u1/state", UNIT | {"backlog": 0})


def test_a_warning_of_a_bed_stands_until_its_next_news_and_leaves_since_when_it_is_occupied(
    retained,
):
    topic = "occupancy/bedroom"
    assert said(retained.note(IN_BED, "bedroom", AT_NOW)) == (topic, in_bedroom(ONE))
    assert said(retained.note(SITS_UP, "bedroom", AT_NOW)) == (
        topic, in_bedroom(ONE | {"warning": "sitting_up"}),
    )  # fmt: skip
    assert said(retained.note(IN_BED, "bedroom", AT_NOW)) == (topic, in_bedroom(ONE))


def test_a_warning_of_a_bed_that_said_nothing_yet_says_that_somebody_is_in_it(retained):
    assert said(retained.note(SITS_UP, "bedroom", AT_NOW)) == (
        "occupancy/bedroom", in_bedroom(ONE | WARNED),
    )  # fmt: skip


def test_two_beds_of_a_place_do_not_overwrite_each_other(retained):
    other = {"bed": "b2", "unit": "u9", "occupied": False, "since": NOW, "at": NOW}
    steps = [
        (IN_BED, [ONE], {}),
        (BedNews("b2", "u9", "bedroom", False, NOW_S), [ONE, other], {}),
        (SITS_UP, [ONE | {"warning": "sitting_up"}, other], {"warning": "sitting_up"}),
        (BedNews("b2", "u9", "bedroom", True, NOW_S),
         [ONE | {"warning": "sitting_up"}, other | {"occupied": True}], {"warning": "sitting_up"}),
        (BedNews("b1", "u2", "bedroom", False, NOW_S),
         [ONE | {"occupied": False, "since": NOW}, other | {"occupied": True}], {}),
        (BedNews("b2", "u9", "bedroom", False, NOW_S + 1.0),
         [ONE | {"occupied": False, "since": NOW}, other | {"since": "2026-11-23T02:14:21.500Z"}],
         {"occupied": False, "since": "2026-11-23T02:14:21.500Z"}),
    ]  # fmt: skip
    for news, beds, place in steps:
        topic, body = said(retained.note(news, "bedroom", AT_NOW))
        assert (topic, body) == ("occupancy/bedroom", in_bedroom(*beds, **place))
    assert [topic for topic, _ in map(said, retained.birth(AT_NOW))] == [
        "agent/state", "alarms/open", "occupancy/bedroom",
    ]  # fmt: skip


def test_what_was_said_under_an_untrusted_clock_is_said_again_with_its_true_time(retained):
    wrong = Instant(7.0, 1000.0, Quality.NONE)
    retained.note(UnitNews("u1", True), "bath", wrong)
    retained.note(BedNews("b1", "u2", "bedroom", True, 1000.0 - 60.5), "bedroom", wrong)
    for _ in range(2):  # and once is enough
        _, _, unit, bed = map(said, retained.birth(Instant(7.0, NOW_S, Quality.NTP)))
        assert unit == ("unit/u1/state", UNIT)
        assert bed == ("occupancy/bedroom", in_bedroom(ONE))


def test_what_was_said_under_a_trusted_clock_keeps_its_time(retained):
    retained.note(IN_BED, "bedroom", AT_NOW)
    later = Instant(1007.0, NOW_S + 1003.0, Quality.PLATFORM)
    assert said(retained.birth(later)[2]) == ("occupancy/bedroom", in_bedroom(ONE))


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
        ("occupancy/bedroom", in_bedroom(ONE | WARNED)),
    ]
