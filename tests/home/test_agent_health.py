"""What is wrong with the agent itself is said once, and once that it is mended."""

import pytest

from edge_agent.clock import Instant, Quality
from edge_agent.home.agent_health import AgentHealth, Fault

pytestmark = pytest.mark.fast

DAY_S = 86_400.0


def at(second: float, quality: Quality = Quality.NTP) -> Instant:
    return Instant(second, 1_795_400_000.0 + second, quality)


def test_a_clock_that_nobody_vouches_for_is_told_after_a_minute():
    health = AgentHealth(at(0, Quality.NONE))

    assert health.check(at(59, Quality.NONE), {}, {}, None) == []
    assert health.check(at(60, Quality.NONE), {}, {}, None) == [
        Fault("clock_untrusted", "nobody vouches for the clock")
    ]
    assert health.check(at(99, Quality.NONE), {}, {}, None) == []
    assert health.check(at(100), {}, {}, None) == [Fault("clock_untrusted", "mended", True)]


def test_a_route_that_has_not_answered_for_three_minutes_is_told_and_each_has_its_own():
    health = AgentHealth(at(0))
    routes = {"mqtt": None, "county": "no connection"}

    assert health.check(at(179), routes, {}, None) == []
    assert health.check(at(180), routes, {}, None) == [
        Fault("platform_unreachable", "county: no connection", subject="route-county")
    ]
    assert health.check(at(359), {"mqtt": "no answer", "county": None}, {}, None) == [
        Fault("platform_unreachable", "mended", True, "route-county")
    ]
    assert health.check(at(360), {"mqtt": "no answer", "county": None}, {}, None) == [
        Fault("platform_unreachable", "mqtt: no answer", subject="route-mqtt")
    ]


def test_an_alarm_that_a_platform_refuses_is_told_at_once():
    health = AgentHealth(at(0))

    assert health.check(at(1), {"ali": None}, {"ali": "1 parked: 460"}, None) == [
        Fault("platform_unreachable", "ali: 1 parked: 460", subject="route-ali")
    ]
    assert health.check(at(2), {"ali": None}, {}, None) == [
        Fault("platform_unreachable", "mended", True, "route-ali")
    ]


def test_a_fault_of_an_earlier_run_is_over_when_it_is_mended_and_not_before():
    health = AgentHealth(at(0))
    for subject in ("route-county", "route-gone", "agent"):
        health.remember("platform_unreachable", subject)
    over = [Fault("platform_unreachable", "mended", True, one) for one in ("agent", "route-gone")]

    assert health.check(at(1), {"county": "no connection"}, {}, None) == over
    assert health.check(at(2), {"county": "no connection"}, {}, None) == []
    assert health.check(at(3), {"county": None}, {}, None) == [
        Fault("platform_unreachable", "mended", True, "route-county")
    ]


def test_a_certificate_is_told_30_days_ahead():
    health = AgentHealth(at(0))
    ends_s = at(0).utc_s + 31 * DAY_S

    assert health.check(at(0), {}, {}, ends_s) == []
    assert health.check(at(DAY_S), {}, {}, ends_s) == [
        Fault("certificate_expiring", "ends in 30 days")
    ]
    assert health.check(at(2 * DAY_S), {}, {}, ends_s) == []
    assert health.check(at(2 * DAY_S), {}, {}, ends_s + 90 * DAY_S) == [
        Fault("certificate_expiring", "mended", True)
    ]


def test_a_certificate_that_has_ended_ends_in_0_days_and_none_is_no_fault():
    assert AgentHealth(at(0)).check(at(0), {}, {}, at(0).utc_s - 5 * DAY_S) == [
        Fault("certificate_expiring", "ends in 0 days")
    ]
    assert AgentHealth(at(0)).check(at(0), {}, {}, at(0).utc_s + DAY_S / 2) == [
        Fault("certificate_expiring", "ends in 0 days")
    ]
    assert AgentHealth(at(0)).check(at(0), {}, {}, None) == []
