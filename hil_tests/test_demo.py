"""The demo: a whole home from a scene, checked against it; and a demo that must fail."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError

from edge_agent.alarm.alarm import State
from edge_agent.detect.falls.engine import FallEngine
from edge_agent.relay.schema import TOPICS
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


def test_everything_a_subscriber_gets_is_as_the_schema_says(night):
    """The corpus that integrators get is made of the same messages and is checked too."""
    folder = Path(__file__).parents[1] / "docs" / "schema"
    validators = {
        topic.name: Draft202012Validator(json.loads((folder / f"{topic.name}.json").read_text()))
        for topic in TOPICS
    }
    told: list[tuple[str, bytes]] = []
    play(night, None, NoScreen(), False, lambda topic, body: told.append((topic, body)))
    corpus = [json.loads(line) for line in (folder / "examples.jsonl").read_text().splitlines()]
    for topic, body in told:
        validators[name_of(topic)].validate(json.loads(body))
    for example in corpus:
        validators[name_of(example["topic"])].validate(example["payload"])

    seen = {name_of(topic) for topic, _ in told}
    assert seen >= {topic.name for topic in TOPICS} - {"sleep", "drill"}
    assert {name_of(example["topic"]) for example in corpus} == seen | {"drill"}
    with pytest.raises(ValidationError):
        validators["alarm"].validate({"schema": "anzhen.alarm/1"})


def name_of(topic: str) -> str:
    """Return which row of the contract a topic is of."""
    (name,) = [
        row.name
        for row in TOPICS
        if re.fullmatch(re.sub(r"\{[a-z_]+\}", "[A-Za-z0-9_-]{1,64}", row.address), topic)
    ]
    return name


def test_the_demo_is_the_same_twice_to_the_millisecond(night):
    first, second = (play(night, None, NoScreen(), link_level=False) for _ in range(2))

    assert first.as_object() == second.as_object()


def test_a_broken_detector_makes_the_demo_fail(night, monkeypatch):
    monkeypatch.setattr(FallEngine, "poll", lambda self: [])
    monkeypatch.setattr(FallEngine, "check_silence", lambda self, stream, uptime_s: [])
    monkeypatch.setattr("edge_agent.pipeline.falls.detect_snippet", lambda *_: [])
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
