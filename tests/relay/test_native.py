"""The native profile: topics, and commands that must be refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.alarm.command import Command, CommandName, Response
from edge_agent.relay.profile import AgentSeen, CommandError, Login, Publication
from edge_agent.relay.profiles.native import AgentState, NativeProfile, Occupancy, UnitState
from tests.relay.profiles.samples import STAMP

pytestmark = pytest.mark.fast

PROFILE = NativeProfile("640302001001", "h0001")
TOPIC = "anzhen/v1/640302001001/h0001/command/"


def test_topics_are_those_of_the_contract():
    (alarm,) = PROFILE.deliver(b'{"alarm_id": "01936b4e"}', STAMP).publications
    state = PROFILE.agent_state(AgentState("online", "s", "0", "ntp", None))

    assert (alarm.topic, alarm.qos, alarm.retain) == (
        "anzhen/v1/640302001001/h0001/alarm/01936b4e", 1, False,
    )  # fmt: skip
    assert (state.topic, state.qos, state.retain) == (
        "anzhen/v1/640302001001/h0001/agent/state", 1, True,
    )  # fmt: skip
    assert msgspec.json.decode(state.payload)["session"] == "s"
    assert (PROFILE.open_alarms([]).topic, PROFILE.open_alarms([]).payload) == (
        "anzhen/v1/640302001001/h0001/alarms/open", b"[]",
    )  # fmt: skip
    vitals = PROFILE.report("vitals/bed-1", b"{}", STAMP).publications
    topic = "anzhen/v1/640302001001/h0001/vitals/bed-1"
    assert vitals == (Publication(topic, b"{}", expiry_s=259_200),)  # 72 h; no alarm has any
    assert alarm.expiry_s is None
    unit = PROFILE.unit_state(UnitState("u1", "online", "bath", "2026-11-23T02:14:18.020Z"))
    occupied = PROFILE.occupancy(Occupancy("bath", True, "then", "now"))
    assert (unit.topic, unit.retain) == ("anzhen/v1/640302001001/h0001/unit/u1/state", True)
    assert (occupied.topic, occupied.retain) == (
        "anzhen/v1/640302001001/h0001/occupancy/bath", True,
    )  # fmt: skip
    assert PROFILE.command_filter == TOPIC + "+"


def test_a_command_is_read_and_answered_under_its_name():
    body = b'{"transaction": "t-1", "alarm_id": "a", "reason": "visited", "minutes": 5, "x": 1}'
    asked = PROFILE.read(TOPIC + "close", body, retained=False)

    assert asked.command == Command(
        name=CommandName.CLOSE, route="mqtt", transaction="t-1", alarm_id="a", reason="visited",
        minutes=5.0,
    )  # fmt: skip
    answer = PROFILE.respond(asked, Response(transaction="t-1", ok=True, state="closed"))
    assert answer.topic == "anzhen/v1/640302001001/h0001/response/close"


def test_a_command_may_be_as_long_as_the_contract_says():
    body = {"transaction": "t" * 64, "reason": "r" * 200}
    payload = msgspec.json.encode(body).ljust(4096)
    command = PROFILE.command(TOPIC + "ack", payload, retained=False)

    assert (command.transaction, command.reason) == (body["transaction"], body["reason"])


def test_who_else_speaks_for_this_home_is_heard():
    said = b'{"state": "online", "session": "s2", "version": "9"}'
    topic = "anzhen/v1/640302001001/h0001/agent/state"

    assert PROFILE.read(topic, said, retained=True) == AgentSeen("online", "s2")
    assert PROFILE.subscriptions == (PROFILE.command_filter, topic)


def test_a_home_without_a_login_has_an_id_of_its_own_at_the_broker():
    assert PROFILE.login(STAMP) == Login("anzhen640302001001h0001")
    login = Login("id", "name", "word")
    assert NativeProfile("r", "h", login=login).login(STAMP) == login


@pytest.mark.parametrize(
    ("name", "payload", "retained", "message"),
    [
        ("ack", b"{}", True, "a retained command is refused"),
        ("disable_fall", b"{}", False, "no command 'disable_fall'"),
        ("ack", b"x" * 4097, False, "longer than 4096 bytes"),
        ("ack", b"[]", False, "not a command body: Expected `object`, got `array`"),
        ("ack", b'{"transaction": 5}', False,
         "not a command body: Expected `str`, got `int` - at `$.transaction`"),
        ("ack", b'{"transaction": "' + b"t" * 65 + b'"}', False,
         "transaction over 64 or reason over 200 characters"),
        ("ack", b'{"reason": "' + b"r" * 201 + b'"}', False,
         "transaction over 64 or reason over 200 characters"),
    ],
)  # fmt: skip
def test_what_is_no_command_is_refused_in_one_line(name, payload, retained, message):
    with pytest.raises(CommandError) as caught:
        PROFILE.command(TOPIC + name, payload, retained)

    assert str(caught.value) == message


@given(st.binary(max_size=300), st.sampled_from([*CommandName, "x"]))
def test_any_payload_is_a_command_or_refused(payload, name):
    try:
        PROFILE.command(TOPIC + str(name), payload, retained=False)
    except CommandError as error:
        assert "\n" not in str(error)
