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

    assert health.check(at(59, Quality.NONE), {}, None) == []
    assert health.check(at(60, Quality.NONE), {}, None) == [
        Fault("clock_untrusted", "nobody vouches for the clock")
    ]
    assert health.check(at(99, Quality.NONE), {}, None) == []
    assert health.check(at(100), {}, None) == [Fault("clock_untrusted", "mended", True)]


def test_a_route_that_is_down_for_three_minutes_is_named():
    health = AgentHealth(at(0))
    routes = {"mqtt": True, "county": False}

    assert health.check(at(179), routes, None) == []
    assert health.check(at(180), routes, None) == [
        Fault("platform_unreachable", "no connection: county")
    ]
    assert health.check(at(200), {"mqtt": True, "county": True}, None) == [
        Fault("platform_unreachable", "mended", True)
    ]
    assert health.check(at(379), dict.fromkeys(routes, False), None) == []
    (fault,) = health.check(at(380), dict.fromkeys(routes, False), None)
    assert fault.reason == "no connection: mqtt, county"


def test_a_certificate_is_told_30_days_ahead():
    health = AgentHealth(at(0))
    ends_s = at(0).utc_s + 31 * DAY_S

    assert health.check(at(0), {}, ends_s) == []
    assert health.check(at(DAY_S), {}, ends_s) == [Fault("certificate_expiring", "ends in 30 days")]
    assert health.check(at(2 * DAY_S), {}, ends_s) == []
    assert health.check(at(2 * DAY_S), {}, ends_s + 90 * DAY_S) == [
        Fault("certificate_expiring", "mended", True)
    ]
