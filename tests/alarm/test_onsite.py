"""Which units sound for an alarm that nobody acknowledged."""

import random

import pytest

from edge_agent.alarm.alarm import AgentStamp
from edge_agent.alarm.onsite import sounding_units
from edge_agent.alarm.policy import Policy
from edge_agent.alarm.table import AlarmTable, Identity
from edge_agent.clock import Instant, Quality
from edge_agent.config.home import UnitConfig
from edge_agent.home.cause import Cause

pytestmark = pytest.mark.fast

UNITS = [
    UnitConfig(id="pendant", port="a", place="home", person="p1"),
    UnitConfig(id="bath", port="b", place="bathroom"),
    UnitConfig(id="bed", port="c", place="bedroom", person="p1"),
    UnitConfig(id="other", port="d", place="room2", person="p2"),
]


def at(second: float) -> Instant:
    return Instant(second, second, Quality.NTP)


def escalated(condition: str, place: str, person: str | None) -> set[str]:
    identity = Identity("640302001001", "h1", AgentStamp("s", "0"), "boot")
    table = AlarmTable(identity, Policy(), random.Random(1).randbytes)
    table.report(Cause(condition, 0.0, (place, "x", "x"), person, "pendant"), at(0))
    assert sounding_units(table.open_events(), UNITS) == set()
    table.run_timers(at(10))
    table.run_timers(at(100))
    return sounding_units(table.open_events(), UNITS)


def test_the_persons_units_and_the_place_sound():
    assert escalated("fall", "bathroom", "p1") == {"pendant", "bath", "bed"}


def test_without_a_person_the_place_sounds():
    assert escalated("smoke", "bathroom", None) == {"bath"}


def test_what_is_not_life_critical_never_sounds_at_night():
    assert escalated("inactivity", "bedroom", "p1") == set()
    assert escalated("unit_lost", "bedroom", "p1") == set()
