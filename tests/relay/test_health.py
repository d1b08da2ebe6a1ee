"""Vital signs as they leave the home: the contract's fields, rounded, nothing invented."""

import msgspec
import pytest

from edge_agent.home.night import NightSummary
from edge_agent.home.vitals_sums import Night, Share, Vitals
from edge_agent.pipeline.findings import SleepNews, VitalsNews
from edge_agent.relay.health import health_message

pytestmark = pytest.mark.fast

HEART = Share(60.0, 45.0, 64.04, 61.26, 70.0, 0.876)
HEART_BODY = {"mean": 64.0, "low": 61.3, "high": 70.0, "quality": 0.88, "share": 0.75}
NOTHING = {"mean": None, "low": None, "high": None, "quality": 0.0, "share": 0.0}
BED = {"bed": "b1", "place": "bedroom", "unit": "u1"}


def test_a_minute_goes_with_what_is_known_of_it_and_null_for_the_rest():
    vitals = Vitals(7.0, None, HEART, Share(seconds=60.0))
    topic, body = health_message(VitalsNews("b1", "u1", "bedroom", 1_795_400_000.0, vitals))

    assert topic == "vitals/b1"
    assert msgspec.json.decode(body) == {
        **BED, "at": "2026-11-23T02:13:20.000Z", "occupied": None,
        "heart_rate": HEART_BODY, "respiration": NOTHING,
    }  # fmt: skip


def test_a_night_goes_in_whole_seconds_and_the_rates_of_the_whole_of_it():
    summary = NightSummary(1_795_400_000.0, 1_795_428_800.0, 28_000.4, 2, 299.6, 1)
    night = Night(heart=HEART, respiration=Share())
    topic, body = health_message(SleepNews("b1", "u1", "bedroom", summary, night))

    assert topic == "sleep/b1"
    assert msgspec.json.decode(body) == {
        **BED, "begin": "2026-11-23T02:13:20.000Z", "end": "2026-11-23T10:13:20.000Z",
        "in_bed_s": 28_000, "exits": 2, "longest_absence_s": 300, "restless": 1,
        "heart_rate": HEART_BODY, "respiration": NOTHING,
    }  # fmt: skip
