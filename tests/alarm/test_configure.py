"""A command may make the agent more urgent, never less."""

import msgspec
import pytest

from edge_agent.alarm.configure import ConfigureError, Delays
from edge_agent.config.policy import AlarmConfig

pytestmark = pytest.mark.fast


def test_a_delay_can_be_shortened_and_given_back_up_to_the_installers():
    delays = Delays(AlarmConfig(escalate_s=90, fall_confirm_s=7))
    delays.change({"escalate_s": 60, "remind_s": 120.5})
    assert (delays.policy().escalate_s, delays.policy().remind_s) == (60.0, 120.5)
    assert delays.policy().arrival_s == AlarmConfig().arrival_s
    assert delays.policy().fall_confirm_s == 7.0

    delays.change({"escalate_s": 90})
    assert (delays.policy().escalate_s, delays.policy().remind_s) == (90.0, 120.5)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"escalate_s": 91}, "escalate_s: at most the installer's 90 s"),
        ({"escalate_s": 1}, "escalate_s: .*30 to 600"),
        ({"escalate_s": "60"}, "escalate_s: .*30 to 600"),
        ({"escalate_s": float("nan")}, "escalate_s"),
        ({"fall_confirm_s": 5}, "fall_confirm_s: not set from outside; these are: escalate_s"),
        ({"night_start": "00:00"}, "night_start: not set from outside"),
        ({"fall": False}, "fall: not set from outside"),
        ({}, "no values"),
    ],
)
def test_what_a_command_may_not_set(values, why):
    delays = Delays(AlarmConfig())
    with pytest.raises(ConfigureError, match=why):
        delays.change({"remind_s": 60} | values if values else values)
    assert delays.policy() == Delays(AlarmConfig()).policy(), "all or none"


def test_what_was_set_outlives_a_restart_until_the_installer_asks_for_less():
    before = Delays(AlarmConfig())
    before.change({"escalate_s": 60, "remind_s": 300})

    after = Delays(AlarmConfig(escalate_s=45))
    after.restore(before.fact())
    assert (after.policy().escalate_s, after.policy().remind_s) == (45.0, 300.0)


def test_what_was_stored_and_is_no_number_is_said():
    with pytest.raises(msgspec.MsgspecError):
        Delays(AlarmConfig()).restore(b'{"escalate_s": "60"}')
