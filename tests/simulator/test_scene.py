"""Scenes: every mistake is one line that names the key; rules are held against arrivals."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge_agent.alarm.alarm import State
from edge_agent.config.reading import ConfigError
from edge_agent.simulator.demo import SCENES
from edge_agent.simulator.scene import Expectation, Prohibition, load_scene
from edge_agent.simulator.verdict import judge
from edge_agent.simulator.watcher import Arrival

pytestmark = pytest.mark.fast

SMALL = """
version = 1
duration = 60
[home]
region = "000000000000"
home = "t"
[[place]]
id = "bath"
zh = "卫生间"
en = "bathroom"
[[person]]
id = "p1"
[[unit]]
id = "bath-1"
profile = "bathroom"
place = "bath"
person = "p1"
[[event]]
at = 1
unit = "bath-1"
what = "call"
"""


def load(tmp_path: Path, addition: str = "", text: str = SMALL):
    path = tmp_path / "scene.toml"
    path.write_text(text + addition)
    return load_scene(path)


def test_the_shipped_scenes_load_and_say_that_they_are_simulated():
    for path in SCENES.glob("*.toml"):
        scene = load_scene(path)
        assert scene.expect
        assert scene.make_config(None).simulated
        assert scene.home.region == "000000000000"


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ("[[event]]\nat = 5\nwhat = 'call'", "event[1].unit: is missing; allowed: bath-1"),
        ("[[event]]\nat = 5\nwhat = 'fall'", "event[1].person: is missing; allowed: p1"),
        ("[[event]]\nat = 61\nwhat = 'fall'\nperson = 'p1'", "event[1].at: after the end (60 s)"),
        ("[[event]]\nat = -1\nwhat = 'fall'", "event[1].at: expected `float` >= 0.0; allowed: seconds, 0 to 86400"),
        ("[[event]]\nat = 5\nwhat = 'fly'", "event[1].what: invalid enum value 'fly'"),
        ("[[unit]]\nid = 'b'\nprofile = 'bed'\nplace = 'bath'", "unit[1].bed: for a unit of profile bed, and only there"),
        ("[[unit]]\nid = 'b'\nprofile = 'pendant'\nplace = 'x'", "unit[1].place: no place 'x'; places: bath"),
        ("[platform]\nanswer_s = 3", "platform.answer_s: unknown key; allowed here: ack_after_s, dispatch_after_s, close_after_s"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_key(tmp_path, addition, message):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, addition)

    assert str(caught.value) == message


def test_an_alarm_that_is_in_no_catalogue_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"^expect\[0\]\.alarm: is 'fal'; allowed: fall, call, "):
        load(tmp_path, "[[expect]]\nalarm = 'fal'\nstate = 'confirmed'\nby = 5")


@dataclass
class Event:
    alarm_id: str
    condition: str
    state: State


def test_a_verdict_needs_every_expectation_in_time_and_no_prohibition_broken(tmp_path):
    scene = load(tmp_path)
    arrivals = [
        Arrival(Event("a", "call", State.CONFIRMED), 1.2),
        Arrival(Event("a", "call", State.NOTIFIED), 1.3),
        Arrival(Event("b", "fall", State.SUSPECTED), 40.0),
    ]
    onset_s = {"a": 1.0, "b": 39.0}

    def verdict(expect=(), forbid=()):
        return judge(replace(scene, expect=list(expect), forbid=list(forbid)), arrivals, onset_s)

    def expected(state, by, after=0.0):
        return Expectation(alarm="call", state=state, by=by, after=after)

    assert verdict([expected(State.NOTIFIED, by=1.3)]).is_good
    assert not verdict([expected(State.NOTIFIED, by=1.2)]).is_good
    assert not verdict([expected(State.CONFIRMED, by=9, after=2)]).is_good
    assert not verdict([expected(State.CLOSED, by=60)]).is_good
    assert verdict(forbid=[Prohibition(alarm="fall", from_=0, to=39.9)]).is_good
    assert not verdict(forbid=[Prohibition(alarm="fall", from_=0, to=40)]).is_good
    (call, fall) = verdict().alarms
    assert (call.latency_s, fall.latency_s) == (pytest.approx(0.2), pytest.approx(1.0))
