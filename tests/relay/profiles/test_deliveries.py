"""What an alarm and a minute of vital signs become on each platform, and what stays at home."""

import re

import msgspec
import pytest

from edge_agent.alarm.alarm import State, Trigger
from edge_agent.relay.profile import RowError
from edge_agent.relay.profiles.fields import CHINA_OFFSET_S, format_time
from tests.relay.profiles.samples import (
    ALARM_ID,
    AT_MS,
    FOREIGN,
    STAMP,
    VITALS,
    body,
    make,
)

pytestmark = pytest.mark.fast

FIELDS = {
    "alarm_id": ALARM_ID, "event": 2, "condition": "fall", "state": "confirmed",
    "priority": "high", "level": 1, "region": "640302001001", "home": "h0001",
    "place": "bathroom", "onset": "2026-11-23T02:14:07.310Z", "onset_ms": AT_MS - 10_710,
    "at": "2026-11-23T02:14:18.020Z", "at_ms": AT_MS, "clock": "ntp", "late_s": 0.0,
    "text": "卫生间跌倒", "text_en": "Fall in the bathroom", "flags": "", "unit": "pendant-1",
    "source": "pendant", "person": "p1", "trigger": "confirm", "score": 1.0, "ieee": 1,
}  # fmt: skip


def sent(delivery):
    return [(one.topic, msgspec.json.decode(one.payload)) for one in delivery.publications]


def test_thingsboard_gets_telemetry_with_its_own_time_and_a_key_for_the_rule_chain(tmp_path):
    delivery = make("thingsboard", tmp_path).deliver(body(), STAMP)

    assert sent(delivery) == [
        ("v1/devices/me/telemetry", {"ts": AT_MS, "values": {"fall": "confirmed", **FIELDS}})
    ]
    assert delivery.key is None


def test_the_gateway_connects_a_device_before_its_telemetry(tmp_path):
    profile = make("gateway", tmp_path)

    assert sent(profile.deliver(body(), STAMP)) == [
        ("v1/gateway/connect", {"device": "h0001-pendant-1"}),
        ("v1/gateway/telemetry",
         {"h0001-pendant-1": [{"ts": AT_MS, "values": {"fall": "confirmed", **FIELDS}}]}),
    ]  # fmt: skip
    assert [msgspec.json.decode(one.payload) for one in profile.greet(("u1",), STAMP)] == [
        {"device": "h0001-u1"},
        {"device": "h0001"},
    ]


def test_aliyun_gets_an_event_of_the_thing_model_with_a_number_for_an_id(tmp_path):
    delivery = make("aliyun", tmp_path).deliver(body(), STAMP)

    assert sent(delivery) == [
        ("/sys/a1X2bEnP82z/example1/thing/event/alarm/post",
         {"id": delivery.key, "version": "1.0", "sys": {"ack": 1},
          "params": {"value": FIELDS, "time": AT_MS}, "method": "thing.event.alarm.post"}),
    ]  # fmt: skip
    assert 0 <= int(delivery.key) < 2**32


def test_a_float_keeps_its_decimal(tmp_path):
    payload = make("aliyun", tmp_path).deliver(body(), STAMP).publications[0].payload

    assert b'"score":1.0,' in payload
    assert b'"late_s":0.0,' in payload


def test_an_aliyun_event_in_a_module_of_its_own_names_it_in_topic_and_method(tmp_path):
    ((topic, message),) = sent(make("aliyun", tmp_path, event="bed:alarm").deliver(body(), STAMP))

    assert topic.endswith("/thing/event/bed:alarm/post")
    assert message["method"] == "thing.event.bed:alarm.post"


def test_jetlinks_gets_an_event(tmp_path):
    assert sent(make("jetlinks", tmp_path).deliver(body(), STAMP)) == [
        ("/bed/h0001/event/alarm",
         {"messageId": "1795400059500", "timestamp": AT_MS, "data": FIELDS}),
    ]  # fmt: skip


def test_huawei_gets_properties_with_a_time_it_will_not_replace(tmp_path):
    assert sent(make("huawei", tmp_path).deliver(body(), STAMP)) == [
        ("$oc/devices/5fdb75cccbfe2f02ce81d4bf_mybed001/sys/properties/report",
         {"services": [{"service_id": "Alarm", "properties": FIELDS,
                        "event_time": "2026-11-23T02:14:18.020Z"}]}),
    ]  # fmt: skip


def test_onenet_gets_an_event_with_an_id_of_at_most_13_digits(tmp_path):
    delivery = make("onenet", tmp_path).deliver(body(), STAMP)

    assert sent(delivery) == [
        ("$sys/123123/78329710/thing/event/post",
         {"id": delivery.key, "version": "1.0",
          "params": {"alarm": {"value": FIELDS, "time": AT_MS}}}),
    ]  # fmt: skip
    assert re.fullmatch(r"\d{1,13}", delivery.key)


def test_native_goes_byte_for_byte_as_it_was_stored(tmp_path):
    delivery = make("native", tmp_path).deliver(body(), STAMP)

    assert [one.payload for one in delivery.publications] == [body()]
    assert delivery.publications[0].topic.endswith(f"/alarm/{ALARM_ID}")


@pytest.mark.parametrize("name", FOREIGN)
def test_only_sure_vital_signs_go(tmp_path, name):
    (*_, last) = make(name, tmp_path).report("vitals/b1", VITALS, STAMP).publications

    assert b"64.0" in last.payload
    assert b'"respiration"' not in last.payload
    assert b"null" not in last.payload


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize(
    "changes",
    [{"flags": ["drill"]}, {"flags": ["simulated"]},
     {"state": State.NOTIFIED, "trigger": Trigger.NOTIFY}],
)  # fmt: skip
def test_a_drill_a_simulation_and_our_own_echo_reach_no_live_platform(tmp_path, name, changes):
    delivery = make(name, tmp_path).deliver(body(**changes), STAMP)

    assert delivery.publications == ()
    assert delivery.skipped


@pytest.mark.parametrize("name", FOREIGN)
def test_a_drill_goes_where_the_route_says_so(tmp_path, name):
    assert make(name, tmp_path, drills=True).deliver(body(flags=["drill"]), STAMP).publications


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("trigger", [Trigger.ESCALATE, Trigger.REMIND, Trigger.REPEAT])
def test_an_escalation_a_reminder_and_a_repeated_press_are_delivered(tmp_path, name, trigger):
    changed = body(event=4, state=State.NOTIFIED, trigger=trigger, flags=["escalated"])

    assert make(name, tmp_path).deliver(changed, STAMP).publications


@pytest.mark.parametrize("name", FOREIGN)
def test_what_somebody_wrote_when_closing_stays_here_and_nothing_personal_is_in_a_topic(
    tmp_path, name
):
    changed = body(event=5, state=State.CLOSED, trigger=Trigger.CLOSE, reason="王大爷 13900000000")

    for one in make(name, tmp_path).deliver(changed, STAMP).publications:
        assert "王大爷".encode() not in one.payload
        assert b"13900000000" not in one.payload
        assert re.fullmatch(r"[A-Za-z0-9$/:_.-]+", one.topic)
        assert "p1" not in one.topic.split("/")


@pytest.mark.parametrize("name", [*FOREIGN, "native"])
@pytest.mark.parametrize("row", [b"", b"{", b"[]", b"\xff", b"[" * 5000, b'{"alarm_id": 5}'])
def test_a_row_that_can_never_go_says_so(tmp_path, name, row):
    with pytest.raises(RowError):
        make(name, tmp_path).deliver(row, STAMP)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_row_whose_time_is_none_says_so(tmp_path, name):
    with pytest.raises(RowError):
        make(name, tmp_path).deliver(body(at="yesterday"), STAMP)


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("row", [b"", b"[]", b'{"unit": "u", "at": "no"}', b"\xff\xfe"])
def test_telemetry_that_is_none_says_so(tmp_path, name, row):
    with pytest.raises(RowError):
        make(name, tmp_path).report("vitals/b1", row, STAMP)


@pytest.mark.parametrize("name", FOREIGN)
def test_telemetry_of_an_unknown_kind_is_passed_over(tmp_path, name):
    assert make(name, tmp_path).report("weather/home", b"{}", STAMP).skipped


def test_times_are_written_in_a_platforms_form():
    assert format_time(AT_MS / 1000, "yyyy-MM-dd HH:mm:ss", CHINA_OFFSET_S) == "2026-11-23 10:14:18"
    assert format_time(AT_MS / 1000, "yyyyMMddTHHmmssZ") == "20261123T021418Z"
    assert format_time(AT_MS / 1000, "yyyyMMddHHmmss.SSS") == "20261123021418.020"
