"""Time: formats, ids, the floor."""

import uuid

import pytest

from edge_agent import BUILD_DATE_S
from edge_agent.clock import TOLD_AHEAD_S, Quality, SystemClock, format_utc, uuid7

pytestmark = pytest.mark.fast


def test_utc_is_rfc3339_with_milliseconds():
    assert format_utc(1_795_392_000.0) == "2026-11-23T00:00:00.000Z"
    assert format_utc(1_795_392_000.9996) == "2026-11-23T00:00:01.000Z"
    assert format_utc(1_795_392_000.3104) == "2026-11-23T00:00:00.310Z"


def test_uuid7_carries_time_version_and_variant():
    name = uuid.UUID(uuid7(1_795_392_000.123, bytes(range(10))))

    assert (name.version, name.variant) == (7, uuid.RFC_4122)
    assert name.int >> 80 == 1_795_392_000_123


def test_utc_never_lies_before_the_build_or_the_last_stored_time(monkeypatch):
    monkeypatch.setattr("edge_agent.clock.time.time", lambda: 1_000_000.0)
    clock = SystemClock()

    assert clock.now().utc_s >= BUILD_DATE_S
    assert clock.now().quality is Quality.NONE
    clock.not_before(BUILD_DATE_S + 10_000)
    assert clock.now().utc_s >= BUILD_DATE_S + 10_000


def test_this_hosts_clock_reads():
    now = SystemClock().now()

    assert now.utc_s >= BUILD_DATE_S
    assert now.utc_of(now.monotonic_s - 5) == pytest.approx(now.utc_s - 5)
    assert SystemClock().host_boot()


def test_a_platforms_time_is_taken_while_nobody_better_vouches_for_one(monkeypatch):
    monkeypatch.setattr("edge_agent.clock.time.time", lambda: 1_000_000.0)
    clock = SystemClock()
    true_s = BUILD_DATE_S + 86_400.0

    assert clock.told(true_s)
    assert clock.now().quality is Quality.PLATFORM
    assert clock.now().utc_s == pytest.approx(true_s, abs=1.0)
    assert clock.told(true_s + 60)  # the next connection's answer may be better
    assert clock.now().utc_s == pytest.approx(true_s + 60, abs=1.0)


def test_a_platforms_time_never_outranks_the_hosts_nor_goes_where_it_cannot_be(monkeypatch):
    clock = SystemClock()
    monkeypatch.setattr(clock, "_quality", lambda utc_s: Quality.NTP)
    assert not clock.told(clock.now().utc_s + 3600)

    monkeypatch.setattr(clock, "_quality", lambda utc_s: Quality.NONE)
    assert not clock.told(BUILD_DATE_S - 1)
    assert not clock.told(BUILD_DATE_S + TOLD_AHEAD_S + 1)
    assert not clock.told(float("nan"))
    assert clock.now().quality is Quality.NONE
    assert clock.told(BUILD_DATE_S + 7200)

    monkeypatch.setattr(clock, "_quality", lambda utc_s: Quality.NTP)  # synchronised meanwhile
    assert clock.now().quality is Quality.NTP
