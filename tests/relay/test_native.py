"""The native profile: topics, and commands that must be refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.alarm.command import CommandName
from edge_agent.relay.profile import Stamp
from edge_agent.relay.profiles.native import AgentState, CommandError, NativeProfile

pytestmark = pytest.mark.fast

PROFILE = NativeProfile("640302001001", "h0001")
TOPIC = "anzhen/v1/640302001001/h0001/command/"


def test_topics_are_those_of_the_contract():
    (alarm,) = PROFILE.deliver(b'{"alarm_id": "01936b4e"}', Stamp(0.0, 1)).publications
    state = PROFILE.agent_state(AgentState("online", "s", "0", "ntp", None))

    assert (alarm.topic, alarm.qos, alarm.retain) == (
        "anzhen/v1/640302001001/h0001/alarm/01936b4e", 1, False,
    )  # fmt: skip
    assert (state.topic, state.qos, state.retain) == (
        "anzhen/v1/640302001001/h0001/agent/state", 1, True,
    )  # fmt: skip
    assert msgspec.json.decode(state.payload)["session"] == "s"
    assert PROFILE.open_alarms([]).payload == b"[]"
    assert PROFILE.command_filter == TOPIC + "+"


def test_a_command_is_read():
    body = b'{"transaction": "t-1", "alarm_id": "a", "reason": "visited", "extra": 1}'
    command = PROFILE.command(TOPIC + "close", body, retained=False)

    assert command.name is CommandName.CLOSE
    assert (command.transaction, command.alarm_id, command.reason) == ("t-1", "a", "visited")


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
