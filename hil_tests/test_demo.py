"""The demo: a whole home from a scene, checked against it; and a demo that must fail."""

import json
import subprocess
import sys

import pytest

from edge_agent.alarm.alarm import State
from edge_agent.simulator.demo import SCENES, play
from edge_agent.simulator.scene import load_scene
from edge_agent.simulator.screen import NoScreen

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def night():
    return load_scene(SCENES / "night.toml")


def test_the_demo_ends_by_itself_and_meets_its_expectations():
    result = subprocess.run(
        [sys.executable, "-m", "edge_agent", "demo", "--speed", "max", "--json"],
        capture_output=True,
        text=True,
        timeout=55,
    )
    summary = json.loads(result.stdout)

    assert result.returncode == 0
    assert result.stderr == ""
    assert summary["ok"] is True
    assert [alarm["condition"] for alarm in summary["alarms"]] == [
        "bed_exit_not_returned",
        "fall",
        "call",
    ]
    assert list(summary["alarms"][1]["states"]) == [
        "suspected", "confirmed", "notified", "acknowledged", "dispatched", "closed",
    ]  # fmt: skip
    assert all(alarm["latency_s"] < 3.0 for alarm in summary["alarms"])


def test_the_demo_is_the_same_twice_to_the_millisecond(night):
    first, second = (play(night, None, NoScreen(), link_level=False) for _ in range(2))

    assert first.as_object() == second.as_object()


def test_a_broken_detector_makes_the_demo_fail(night, monkeypatch):
    class Blind:
        def __init__(self, channel):
            pass

        def update(self, chunk):
            return []

        def gap(self, gap):
            return []

    monkeypatch.setattr("edge_agent.pipeline.FallDetector", Blind)
    monkeypatch.setattr("edge_agent.pipeline.detect_snippet", lambda *_: [])
    verdict = play(night, None, NoScreen(), link_level=False)

    assert not verdict.is_good
    assert {met.expectation.alarm for met in verdict.met if met.at_s is None} == {"fall"}


def test_without_a_vm_the_scene_is_played_at_link_level(night):
    verdict = play(night, None, NoScreen(), link_level=True)

    assert verdict.is_good
    assert [state for state, _ in verdict.alarms[1].states][:2] == [
        State.SUSPECTED,
        State.CONFIRMED,
    ]
