"""What an alarm and a minute of vital signs become on each platform, and what stays at home."""

import re

import msgspec
import pytest
from msgspec.structs import replace

from edge_agent.alarm.alarm import State, Trigger
from edge_agent.relay.profile import RowError, Stamp
from edge_agent.relay.profiles.fields import CHINA_OFFSET_S, event_fields, format_time
from tests.relay.profiles.samples import (
    ALARM_ID,
    AT_MS,
    CONFIRMED,
    FOREIGN,
    NIGHT,
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


def test_a_onenet_id_never_outgrows_13_digits(tmp_path):
    assert make("onenet", tmp_path).deliver(body(), Stamp(1.0, 10**13 + 7)).key == "7"


def test_native_goes_byte_for_byte_as_it_was_stored(tmp_path):
    delivery = make("native", tmp_path).deliver(body(), STAMP)

    assert [one.payload for one in delivery.publications] == [body()]
    assert delivery.publications[0].topic.endswith(f"/alarm/{ALARM_ID}")


MEASURED = {
    "vitals/b1": (VITALS, {"heart_rate": 64.0, "heart_rate_quality": 0.8, "occupied": True}),
    "sleep/b1": (NIGHT, {
        "heart_rate": 58.0, "heart_rate_quality": 0.88, "respiration": 14.3,
        "respiration_quality": 0.5, "in_bed_s": 28_800.0, "exits": 2,
    }),
}  # fmt: skip


def timed(values):
    return {name: {"value": value, "time": AT_MS} for name, value in values.items()}


REPORTS = {
    "thingsboard": lambda key, values: [
        ("v1/devices/me/telemetry", {"ts": AT_MS, "values": values})
    ],
    "gateway": lambda key, values: [
        ("v1/gateway/connect", {"device": "h0001-bed-1"}),
        ("v1/gateway/telemetry", {"h0001-bed-1": [{"ts": AT_MS, "values": values}]}),
    ],
    "aliyun": lambda key, values: [
        ("/sys/a1X2bEnP82z/example1/thing/event/property/post",
         {"id": key, "version": "1.0", "sys": {"ack": 1}, "params": timed(values),
          "method": "thing.event.property.post"})
    ],
    "jetlinks": lambda key, values: [
        ("/bed/h0001/properties/report",
         {"messageId": "1795400059500", "timestamp": AT_MS, "properties": values})
    ],
    "huawei": lambda key, values: [
        ("$oc/devices/5fdb75cccbfe2f02ce81d4bf_mybed001/sys/properties/report",
         {"services": [{"service_id": "Vitals", "properties": values,
                        "event_time": "2026-11-23T02:14:18.020Z"}]})
    ],
    "onenet": lambda key, values: [
        ("$sys/123123/78329710/thing/property/post",
         {"id": key, "version": "1.0", "params": timed(values)})
    ],
}  # fmt: skip


@pytest.mark.parametrize("topic", MEASURED)
@pytest.mark.parametrize("name", FOREIGN)
def test_a_minute_and_a_night_go_with_their_own_time_and_only_with_what_is_sure(
    tmp_path, name, topic
):
    row, values = MEASURED[topic]
    delivery = make(name, tmp_path).report(topic, row, STAMP)

    assert sent(delivery) == REPORTS[name](delivery.key, values)
    truth = b'"value":1,' if name == "aliyun" else b"true"  # its thing model has no booleans
    assert (truth in delivery.publications[-1].payload) == ("occupied" in values)


def test_a_bed_that_says_nothing_of_itself_is_passed_over(tmp_path):
    row = {"unit": "u", "at": "2026-11-23T02:14:18.020Z", "occupied": None}
    payload = msgspec.json.encode(row | {"heart_rate": {}, "respiration": {"mean": None}})

    skipped = make("thingsboard", tmp_path).report("vitals/b1", payload, STAMP).skipped
    assert skipped == "nothing that this platform takes"


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"priority": "medium"}, "level", 2),
        ({"priority": "low"}, "level", 3),
        ({"priority": "of a later version"}, "level", 3),
        ({"text": {}}, "text", "fall"),
        ({"text": {}}, "text_en", "fall"),
        ({"flags": ["drill", "late"]}, "flags", "drill,late"),
        ({"late_s": 2.5}, "late_s", 2.5),
        ({"score": 0.123456}, "score", 0.1235),
        ({"score": None}, "score", None),
        ({"trigger": None}, "trigger", None),
        ({"unit": None}, "unit", None),
        ({"condition": "unit_lost"}, "ieee", None),
    ],
)
def test_what_is_not_known_has_a_safe_value_or_is_left_out(tmp_path, changes, field, value):
    ((_, message),) = sent(make("jetlinks", tmp_path, drills=True).deliver(body(**changes), STAMP))

    assert message["data"].get(field) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_cannot_hold_never_leaves(number):
    fields = event_fields(replace(CONFIRMED, score=number, late_s=number))

    assert "score" not in fields
    assert fields["late_s"] == 0.0


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize(
    ("changes", "why"),
    [({"flags": ["drill"]}, "not real: drills and simulations go where the route says so"),
     ({"flags": ["simulated"]}, "not real: drills and simulations go where the route says so"),
     ({"state": State.NOTIFIED, "trigger": Trigger.NOTIFY},
      "it only says that a route took the event before")],
)  # fmt: skip
def test_a_drill_a_simulation_and_our_own_echo_reach_no_live_platform(tmp_path, name, changes, why):
    delivery = make(name, tmp_path).deliver(body(**changes), STAMP)

    assert delivery.publications == ()
    assert delivery.skipped == why


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
