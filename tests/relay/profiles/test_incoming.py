"""What comes back: codes to verdicts, calls to commands, and rubbish to one refusal."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.alarm.command import CommandName, Response
from edge_agent.relay.profile import (
    MAX_INCOMING_BYTES,
    Answer,
    Asked,
    CommandError,
    PeerError,
    Refused,
    TimeTold,
    Verdict,
    retry_wait_s,
)
from tests.relay.profiles.samples import ALARM_ID, FOREIGN, STAMP, body, make

pytestmark = pytest.mark.fast

ALI = "/sys/a1X2bEnP82z/example1/thing/"
ONE = "$sys/123123/78329710/thing/"
JET = "/bed/h0001/"
OC = "$oc/devices/5fdb75cccbfe2f02ce81d4bf_mybed001/sys/"

CALLS = {
    "thingsboard": ("v1/devices/me/rpc/request/7",
                    {"method": "close", "params": {"alarm_id": ALARM_ID, "reason": "visited"}},
                    "v1/devices/me/rpc/response/7", "7"),
    "gateway": ("v1/gateway/rpc",
                {"device": "h0001-u1", "data": {"id": 7, "method": "close", "params":
                                                {"alarm_id": ALARM_ID, "reason": "visited"}}},
                "v1/gateway/rpc", "7"),
    "aliyun": (ALI + "service/close",
               {"id": "7", "version": "1.0", "method": "thing.service.close",
                "params": {"alarm_id": ALARM_ID, "reason": "visited"}},
               ALI + "service/close_reply", "7"),
    "jetlinks": (JET + "function/invoke",
                 {"messageId": "7", "functionId": "close",
                  "inputs": [{"name": "alarm_id", "value": ALARM_ID},
                             {"name": "reason", "value": "visited"}]},
                 JET + "function/invoke/reply", "7"),
    "huawei": (OC + "commands/request_id=r-7",
               {"object_device_id": "x", "command_name": "close", "service_id": "Alarm",
                "paras": {"alarm_id": ALARM_ID, "reason": "visited"}},
               OC + "commands/response/request_id=r-7", "r-7"),
    "onenet": (ONE + "service/close/invoke",
               {"id": "7", "version": "1.0",
                "params": {"alarm_id": ALARM_ID, "reason": "visited"}},
               ONE + "service/close/invoke_reply", "7"),
}  # fmt: skip

ANSWERS = {
    "thingsboard": {"success": True, "error": None, "state": "closed"},
    "gateway": {"device": "h0001-u1", "id": 7,
                "data": {"success": True, "error": None, "state": "closed"}},
    "aliyun": {"id": "7", "code": 200, "data": {"state": "closed"}, "message": "success"},
    "jetlinks": {"messageId": "7", "success": True, "output": "closed"},
    "huawei": {"result_code": 0, "response_name": "close", "paras": {"state": "closed"}},
    "onenet": {"id": "7", "code": 200, "msg": "success", "data": {"state": "closed"}},
}  # fmt: skip

ERROR = "no such alarm"
REFUSALS = {
    "thingsboard": {"success": False, "error": ERROR, "state": None},
    "gateway": {"device": "h0001-u1", "id": 7,
                "data": {"success": False, "error": ERROR, "state": None}},
    "aliyun": {"id": "7", "code": 400, "data": {}, "message": ERROR},
    "jetlinks": {"messageId": "7", "success": False, "code": "refused", "message": ERROR},
    "huawei": {"result_code": 1, "response_name": "close", "paras": {"error": ERROR}},
    "onenet": {"id": "7", "code": 400, "msg": ERROR, "data": {}},
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_a_call_becomes_a_command_and_its_answer_goes_back_where_it_came_from(tmp_path, name):
    profile = make(name, tmp_path)
    topic, call, reply_topic, transaction = CALLS[name]
    asked = profile.read(topic, msgspec.json.encode(call), retained=False)

    assert isinstance(asked, Asked)
    command = asked.command
    assert (command.name, command.route, command.transaction) == (
        CommandName.CLOSE, "county", transaction,
    )  # fmt: skip
    assert (command.alarm_id, command.reason) == (ALARM_ID, "visited")

    answer = profile.respond(asked, Response(transaction="7", ok=True, state="closed"))
    assert answer.topic == reply_topic
    assert msgspec.json.decode(answer.payload) == ANSWERS[name]
    refusal = profile.respond(asked, Response(transaction="7", ok=False, error=ERROR))
    assert msgspec.json.decode(refusal.payload) == REFUSALS[name]


def test_a_command_that_leaves_no_state_is_a_success_all_the_same(tmp_path):
    profile = make("jetlinks", tmp_path)
    topic, call, *_ = CALLS["jetlinks"]
    asked = profile.read(topic, msgspec.json.encode(call), retained=False)
    answer = profile.respond(asked, Response(transaction="7", ok=True))

    assert msgspec.json.decode(answer.payload) == {
        "messageId": "7", "success": True, "output": "ok",
    }  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_a_retained_call_is_refused(tmp_path, name):
    topic, call, *_ = CALLS[name]

    with pytest.raises(CommandError, match="a retained command is refused"):
        make(name, tmp_path).read(topic, msgspec.json.encode(call), retained=True)


def test_there_is_no_command_that_switches_something_off(tmp_path):
    call = b'{"method": "disable_fall", "params": {}}'

    with pytest.raises(CommandError, match="no command 'disable_fall'"):
        make("thingsboard", tmp_path).read("v1/devices/me/rpc/request/1", call, retained=False)


def test_a_gateway_refuses_a_command_for_another_home(tmp_path):
    call = b'{"device": "h00012-u1", "data": {"id": 1, "method": "ack"}}'

    with pytest.raises(CommandError, match="a command for a device that is not ours"):
        make("gateway", tmp_path).read("v1/gateway/rpc", call, retained=False)


@pytest.mark.parametrize(
    ("code", "answer"),
    [(200, Answer.ACCEPTED), (460, Answer.REJECTED), (6813, Answer.REJECTED),
     (429, Answer.RETRY), (500, Answer.RETRY), (0, Answer.REJECTED), (201, Answer.REJECTED)],
)  # fmt: skip
def test_a_code_is_a_verdict_on_the_delivery_of_its_id(tmp_path, code, answer):
    for name, topic, text in (
        ("aliyun", ALI + "event/alarm/post_reply", "message"),
        ("onenet", ONE + "event/post/reply", "msg"),
    ):
        profile = make(name, tmp_path)
        key = profile.deliver(body(), STAMP).key
        reply = msgspec.json.encode({"id": key, "code": code, text: "said", "data": {}})

        assert profile.read(topic, reply, False) == Verdict(answer, key, f"{code} said")
        assert profile.reply_s == 5.0


def test_the_reply_to_an_earlier_delivery_settles_no_later_one(tmp_path):
    profile = make("aliyun", tmp_path)
    reply = profile.read(ALI + "event/alarm/post_reply", b'{"id": "17", "code": 200}', False)

    assert reply.key != profile.deliver(body(), STAMP).key


def test_thingsboard_throwing_a_device_out_asks_for_the_last_one_again(tmp_path):
    gone = make("gateway", tmp_path).read(
        "v1/gateway/disconnect", b'{"device": "h0001-u1", "reason": 150}', False
    )

    assert gone == Verdict(Answer.RETRY, "", "a device was disconnected: rate limit")


def test_time_is_told_where_the_platform_tells_it(tmp_path):
    jetlinks, huawei = make("jetlinks", tmp_path), make("huawei", tmp_path)
    told = (
        b'{"services": [{"event_type": "time_sync_response", "paras": {"device_send_time": "1",'
        b'"server_recv_time": "1600000000000", "server_send_time": 1600000001000}}]}'
    )

    assert jetlinks.ask_time(STAMP).topic == JET + "time-sync"
    assert jetlinks.read(
        JET + "time-sync/reply", b'{"messageId": "1", "timestamp": 1600000000500}', False
    ) == TimeTold(1_600_000_000.5)
    assert huawei.ask_time(STAMP).topic == OC + "events/up"
    assert msgspec.json.decode(jetlinks.ask_time(STAMP).payload) == {"messageId": "1795400059500"}
    assert msgspec.json.decode(huawei.ask_time(STAMP).payload) == {
        "object_device_id": "5fdb75cccbfe2f02ce81d4bf_mybed001",
        "services": [{
            "service_id": "$time_sync",
            "event_type": "time_sync_request",
            "event_time": "20261123T021419Z",
            "paras": {"device_send_time": "1795400059500"},
        }],
    }  # fmt: skip
    assert huawei.read(OC + "events/down", told, False) == TimeTold(1_600_000_001.0)


@pytest.mark.parametrize("said", [b"0", b"-5", b"1e300", b"99999999999999999999", b"null", b'"x"'])
def test_a_time_that_is_none_is_refused(tmp_path, said):
    with pytest.raises(PeerError):
        make("jetlinks", tmp_path).read(
            JET + "time-sync/reply", b'{"timestamp": ' + said + b"}", False
        )
    paras = b'{"server_recv_time": ' + said + b', "server_send_time": ' + said + b"}"
    with pytest.raises(PeerError):
        make("huawei", tmp_path).read(
            OC + "events/down",
            b'{"services": [{"event_type": "time_sync_response", "paras": ' + paras + b"}]}",
            False,
        )


HOSTILE = [
    b"", b"null", b"[]", b"7", b"\xff\xfe", b"{" * 8000, b"[" * 8000,
    b'{"a":' * 2500 + b"1" + b"}" * 2500,
    b'{"id": "1", "code": 200' + b" " * MAX_INCOMING_BYTES + b"}",
    b'{"id": 1, "code": 200}', b'{"id": "1", "code": "200"}', b'{"id": "1", "code": 200.5}',
    b'{"id": "' + b"1" * 40 + b'", "code": 200}', b'{"id": "1", "code": ' + b"9" * 15000 + b"}",
    b'{"id": "1"}', b'{"code": 200}', b'{"id": "1", "code": ' + b"9" * 4000 + b"}",
]  # fmt: skip


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("name", FOREIGN)
def test_rubbish_is_refused_in_one_short_line_and_settles_nothing(tmp_path, name, payload):
    profile = make(name, tmp_path)
    topics = [
        CALLS[name][0],
        *(one.replace("+", "alarm") for one in profile.subscriptions),
        "x/y",
        "",
    ]
    for topic in topics:
        try:
            incoming = profile.read(topic, payload, False)
        except PeerError as error:
            assert len(str(error)) < 300
            assert "\n" not in str(error)
        else:  # a service that is called without any of its parameters: the table says no
            assert "/service/" in topic, topic
            assert incoming.command.alarm_id is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["id", "code", "method", "params", "device", "data", "inputs", "paras",
                         "command_name", "functionId", "messageId", "services", "alarm_id"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.fixture(scope="module")
def profiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets")
    return {name: make(name, folder) for name in FOREIGN}


@given(JSON)
def test_any_json_is_understood_or_refused(profiles, tree):
    payload = msgspec.json.encode(tree)
    for name, profile in profiles.items():
        for topic in (CALLS[name][0], *profile.subscriptions):
            try:
                incoming = profile.read(topic.replace("+", "alarm"), payload, False)
            except PeerError:
                continue
            if isinstance(incoming, Asked):
                profile.respond(incoming, Response(transaction="", ok=True))


def test_what_is_no_native_command_is_answered(tmp_path):
    topic = "anzhen/v1/640302001001/h0001/command/ack"
    refused = make("native", tmp_path).read(topic, b"[]", False)

    assert isinstance(refused, Refused)
    why = "not a command body: Expected `object`, got `array`"
    assert refused.why == why
    assert refused.publication.topic == "anzhen/v1/640302001001/h0001/response/ack"
    answer = msgspec.json.decode(refused.publication.payload)
    assert (answer["transaction"], answer["ok"], answer["error"]) == ("", False, why)


def test_a_message_without_acceptance_goes_again_after_1_to_30_s():
    assert [retry_wait_s(attempts, 1.0) for attempts in (1, 2, 3, 5, 1000)] == [2, 4, 8, 30, 30]
    assert {retry_wait_s(attempts, 0.0) for attempts in (1, 5, 1000)} == {1.0}
