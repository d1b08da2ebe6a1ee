"""The county profile: what its table makes of an alarm, and what it takes for success."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.alarm.alarm import State, Trigger
from edge_agent.config.reading import ConfigError
from edge_agent.relay.profile import Answer, RowError, Verdict
from edge_agent.relay.profiles.county import Handing
from edge_agent.relay.profiles.county_settings import OF_EVENT, OF_MOMENT
from edge_agent.relay.profiles.fields import event_fields
from edge_agent.relay.profiles.template import fill
from tests.relay.profiles.samples import ALARM_ID, CONFIRMED, STAMP, body, make_county

pytestmark = pytest.mark.fast


def request(row=None, **tree):
    return make_county(**tree).deliver(body() if row is None else row, STAMP).request


def test_a_bed_call_receiver_gets_its_three_words():
    made = request()

    assert (made.method, made.url) == (
        "POST", "https://county.example/api.BedCall/ReceiveBedCallMsg",
    )  # fmt: skip
    assert made.body.decode() == '{"DeviceNum":"pendant-1","Alarm":"卫生间跌倒"}'


def test_paths_constants_maps_levels_and_local_times_build_the_platforms_body():
    made = request(
        fields={
            "deviceId": "{home}-{unit}",
            "deviceType": "FALL",
            "version": 2,
            "push": True,
            "pushDateTime": "{now_local}",
            "items.0.alarmLevel": "{level}",
            "items.0.alarmDesc": "{text}（{place}）",
            "items.0.alarmDateTime": "{onset_local}",
            "items.0.alarmState": "{on_off}",
            "items.1.id": "{message_id}",
            **{f"items.{n}": n for n in range(2, 12)},
            "stamp": "{number}",
            "sentAt": "{now_ms}",
            "raisedAt": "{at_local}",
            "mood": "{unknown}",
        },
        map={
            "on_off": {
                "of": "state",
                "values": {"recovered": "off", "cancelled": "off", "closed": "off"},
                "otherwise": "on",
            },
            "unknown": {"of": "person", "values": {"p2": "him"}},
        },
    )

    assert json.loads(made.body) == {
        "deviceId": "h0001-pendant-1",
        "deviceType": "FALL",
        "version": 2,
        "push": True,
        "pushDateTime": "2026-11-23 10:14:19",
        "items": [
            {
                "alarmLevel": 1,
                "alarmDesc": "卫生间跌倒（bathroom）",
                "alarmDateTime": "2026-11-23 10:14:07",
                "alarmState": "on",
            },
            {"id": f"{ALARM_ID}-2"},
            *range(2, 12),
        ],
        "stamp": 1_795_400_059_500,
        "sentAt": 1_795_400_059_500,
        "raisedAt": "2026-11-23 10:14:18",
    }


def test_a_switch_stands_in_text_as_json_writes_it():
    assert fill("<{push} {score}>", {"push": True, "score": 1.0}) == "<true 1.0>"


def test_what_is_not_known_is_left_out_alone_and_empty_in_text():
    made = request(body(unit=None), fields={"a": "{unit}", "b": "<{unit}>"})

    assert json.loads(made.body) == {"b": "<>"}


def test_the_ten_second_window_of_an_elder_watch_platform():
    window = 1_795_400_059 // 10
    wanted = hashlib.md5(f"idkey{window}".encode()).hexdigest()
    profile = make_county(
        headers={"X-Id": "id-of-county"},
        secret_id="id",
        signature={"kind": "md5", "text": "{secret_id}{secret}{window}",
                         "place": "header:X-Sign"},
        **secret_of("key"),
    )  # fmt: skip
    made = profile.deliver(body(), STAMP).request

    assert dict(made.headers) == {"X-Id": "id-of-county", "X-Sign": wanted}


@pytest.mark.parametrize("encoding", ["hex", "HEX", "base64"])
def test_an_hmac_of_the_body_goes_into_the_query(encoding):
    profile = make_county(
        signature={"kind": "hmac-sha256", "text": "{body}", "place": "query:sign",
                   "encoding": encoding},
        **secret_of("key"),
    )  # fmt: skip
    made = profile.deliver(body(), STAMP).request
    mac = hmac.new(b"key", made.body, hashlib.sha256)
    wanted = {"hex": mac.hexdigest(), "HEX": mac.hexdigest().upper()}

    assert made.url.startswith("https://county.example/api.BedCall/ReceiveBedCallMsg?sign=")
    if encoding in wanted:
        assert made.url.endswith("=" + wanted[encoding])
    else:
        assert made.url.endswith("%3D")
        assert "+" not in made.url


def test_every_field_of_an_event_and_of_the_moment_has_a_placeholder():
    """The names stand in operators' files: none of them goes away."""
    names = {*event_fields(CONFIRMED), "onset_local", "at_local", "now_local"}
    names |= {"now_s", "now_ms", "number", "message_id"}

    made = request(fields={name: f"{{{name}}}" for name in names})
    assert set(json.loads(made.body)) == names == OF_EVENT | OF_MOMENT


def test_a_signature_joins_a_query_that_is_there():
    profile = make_county(
        url="https://county.example/push?home=1",
        signature={"kind": "md5", "text": "{secret}", "place": "query:sign"},
        **secret_of("key"),
    )
    made = profile.deliver(body(), STAMP).request

    wanted = hashlib.md5(b"key").hexdigest()
    assert made.url == f"https://county.example/push?home=1&sign={wanted}"


def test_a_signature_may_stand_in_the_body():
    profile = make_county(
        signature={"kind": "md5", "text": "{alarm_id}{now_s}{secret}", "place": "field:sign"},
        **secret_of("key"),
    )
    said = json.loads(profile.deliver(body(), STAMP).request.body)

    assert said["sign"] == hashlib.md5(f"{ALARM_ID}1795400059key".encode()).hexdigest()


def test_an_alarm_begins_at_confirmed_where_a_suspicion_cannot_be_taken_back():
    suspicion = body(event=1, state=State.SUSPECTED, trigger=None)
    over = body(event=2, state=State.RECOVERED, trigger=Trigger.RECOVER)
    profile = make_county(states=["recovered"])

    assert profile.deliver(suspicion, STAMP) == Handing(
        skipped="a suspicion; the platform cannot take it back"
    )
    assert profile.deliver(over, STAMP) == Handing(
        skipped="the platform never heard of the suspicion"
    )
    assert profile.deliver(body(), STAMP).request is not None
    end = body(event=5, state=State.RECOVERED, trigger=Trigger.RECOVER)
    assert profile.deliver(end, STAMP).request is not None
    assert make_county(can_retract=True).deliver(suspicion, STAMP).request is not None


@pytest.mark.parametrize("state", [State.ACKNOWLEDGED, State.DISPATCHED, State.CLOSED])
def test_a_platform_that_knows_alarms_only_gets_one_for_a_call_and_each_time_it_is_raised(state):
    steps = {"acknowledged": Trigger.ACKNOWLEDGE, "dispatched": Trigger.DISPATCH}
    step = body(event=4, state=state, trigger=steps.get(state, Trigger.CLOSE))

    assert make_county().deliver(step, STAMP).skipped == f"the platform does not ask for {state}"
    assert make_county(states=[str(state)]).deliver(step, STAMP).request is not None
    for trigger in (Trigger.REPEAT, Trigger.ESCALATE, Trigger.REMIND, Trigger.UNSHELVE):
        raised = body(event=5, state=state, trigger=trigger)
        assert make_county().deliver(raised, STAMP).request is not None


@pytest.mark.parametrize(
    ("status", "answer_body", "answer"),
    [
        (200, b'{"Success": true, "Msg": "ok", "data": {}}', Answer.ACCEPTED),
        (201, b'{"Success": true}', Answer.ACCEPTED),
        (200, b'{"Success": false, "Msg": "no"}', Answer.REJECTED),
        (200, b'{"Success": 1}', Answer.REJECTED),
        (200, b'{"Success": "true"}', Answer.REJECTED),
        (200, b"[]", Answer.REJECTED),
        (200, b"{}", Answer.REJECTED),
        (200, b"<html>Sign in to the hotel's network</html>", Answer.RETRY),
        (200, b"", Answer.RETRY),
        (200, b"[" * 10_000, Answer.RETRY),
        (200, b'{"a":' * 3000 + b"1" + b"}" * 3000, Answer.RETRY),
        (200, b'{"Success": true' + b" " * 20_000 + b"}", Answer.RETRY),
        (200, b'{"Success": ' + b"9" * 15_000 + b"}", Answer.RETRY),
        (300, b'{"Success": true}', Answer.RETRY),
        (302, b'{"Success": true}', Answer.RETRY),
        (400, b'{"Success": true}', Answer.REJECTED),
        (404, b'{"Success": true}', Answer.REJECTED),
        (408, b'{"Success": true}', Answer.RETRY),
        (425, b'{"Success": true}', Answer.RETRY),
        (429, b'{"Success": true}', Answer.RETRY),
        (500, b'{"Success": true}', Answer.RETRY),
        (503, b"", Answer.RETRY),
        (100, b"", Answer.RETRY),
    ],
)
def test_only_the_flag_in_the_body_of_a_good_status_is_acceptance(status, answer_body, answer):
    assert make_county().verdict(status, answer_body).answer is answer


@pytest.mark.parametrize(
    ("status", "answer_body", "reason"),
    [
        (200, b'{"Success": true}', "HTTP 200"),
        (200, b'{"Success": false}', '{"Success": false}'),
        (200, b'{"Success": false, "Msg": "' + b"x" * 200 + b'"}', '{"Success": false, "Msg": "' + "x" * 93),
        (200, b'{"Msg": "' + b"x" * 110 + "安".encode() + b'"}', '{"Msg": "' + "x" * 110 + "\ufffd"),
        (200, b"[\xe5\xae]", "HTTP 200, but the answer is not JSON"),
        (200, b" " * 16_385, "an answer over 16384 bytes"),
        (404, b"", "HTTP 404"),
        (503, b"", "HTTP 503"),
    ],
)  # fmt: skip
def test_a_verdict_says_why_in_one_short_line(status, answer_body, reason):
    assert make_county().verdict(status, answer_body).reason == reason


def test_a_busy_platform_that_says_so_in_the_body_is_asked_again():
    profile = make_county(success="code == 0", retry="code in [503, 429]")

    assert profile.verdict(200, b'{"code": 503}') == Verdict(Answer.RETRY, reason='{"code": 503}')
    assert profile.verdict(200, b'{"code": 400}').answer is Answer.REJECTED


@given(st.binary(max_size=400), st.integers(0, 999))
def test_any_answer_is_a_verdict_and_no_rubbish_is_acceptance(raw, status):
    verdict = make_county().verdict(status, raw)

    assert verdict.answer is not Answer.ACCEPTED
    assert len(verdict.reason) <= 130


def test_a_header_that_would_break_the_request_is_never_sent():
    profile = make_county(headers={"X-Place": "{text}"})

    with pytest.raises(RowError, match="header X-Place would not be printable ASCII"):
        profile.deliver(body(), STAMP)
    with pytest.raises(RowError, match="header X-Place would not be printable ASCII"):
        profile.deliver(body(text={"zh": "a\r\nX-Admin: 1"}), STAMP)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"url": "http://county.example/"},
         "url: http:// shows alarms to everybody on the way; plain = true if meant"),
        ({"url": "ftp://county.example/"}, "url: not an http:// or https:// address"),
        ({"url": "https://user:word@county.example/"},
         "url: no user and no fragment may stand in it"),
        ({"url": "https://county.example/\r\nX: 1"}, "url: not an http:// or https:// address"),
        ({"url": "https://county.example:99999/"}, "url: not an http:// or https:// address"),
        ({"fields": {"a": "{name}"}}, "fields.a: no placeholder {name}"),
        ({"fields": {"a": "{secret}"}}, "fields.a: no placeholder {secret}"),
        ({"headers": {"X-A": "{body}"}}, "headers.X-A: no placeholder {body}"),
        ({"fields": {"a": 1, "a.b": 2}}, "fields: 'a.b' goes through a value"),
        ({"fields": {"a..b": 2}}, "fields: 'a..b' is not a path of at most 8 names"),
        ({"fields": {"a.99": 2}}, "fields: 'a.99' counts above 15"),
        ({"map": {"level": {"of": "state", "values": {}}}},
         "map.level: not a new name of small letters"),
        ({"map": {"word": {"of": "mood", "values": {}}}}, "map.word.of: no field 'mood'"),
        ({"signature": {"kind": "md5", "text": "{now_s}", "place": "header:S"}},
         "signature.text: without {secret} anybody can sign"),
        ({"signature": {"kind": "hmac-md5", "text": "{body}", "place": "header:S"}},
         "secret: a signature needs one"),
        ({"signature": {"kind": "hmac-md5", "text": "{body}", "place": "field:s"}},
         "secret: a signature needs one"),
        ({"url": "https://county.example/a b"}, "url: not an http:// or https:// address"),
        ({"url": "https://county.example:0/"}, "url: not an http:// or https:// address"),
        ({"url": "https://county.example/床"}, "url: not an http:// or https:// address"),
        ({"signature": {"kind": "crc32", "text": "", "place": "header:S"}},
         "signature.kind: invalid enum value 'crc32'"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_table_is_one_line_that_names_the_key(tree, message):
    with pytest.raises(ConfigError) as caught:
        make_county(**tree)

    assert str(caught.value) == message


def test_a_signature_in_the_body_needs_a_place_of_its_own():
    with pytest.raises(ConfigError, match=r"^fields: 'Alarm.sign' goes through a value$"):
        make_county(
            signature={"kind": "md5", "text": "{secret}", "place": "field:Alarm.sign"},
            **secret_of("key"),
        )


def test_a_platform_is_waited_for_as_long_as_its_table_says():
    assert make_county().timeout_s == 10.0
    assert make_county(timeout_s=3.5).timeout_s == 3.5


def test_a_signature_in_the_body_cannot_be_of_the_body():
    with pytest.raises(ConfigError, match=r"signature.text: no placeholder \{body\}"):
        make_county(
            signature={"kind": "hmac-md5", "text": "{body}", "place": "field:s"},
            **secret_of("key"),
        )


def secret_of(text):
    """A secret's file."""
    import tempfile
    from pathlib import Path

    path = Path(tempfile.mkdtemp()) / "secret"
    path.write_text(text)
    path.chmod(0o600)
    return {"secret_file": str(path)}
