"""Nothing personal on a topic or in a log: what a whole night publishes and logs is searched."""

import json
import logging
import re
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from edge_agent.alarm.catalogue import CONDITIONS
from edge_agent.config.policy import ConsentConfig
from edge_agent.simulator.demo import SCENES, play
from edge_agent.simulator.scene import load_scene
from edge_agent.simulator.screen import NoScreen

pytestmark = pytest.mark.timeout(180)

TELEPHONE = re.compile(r"(?<![0-9A-Fa-f-])1[3-9]\d{9}(?!\d)")
IDENTITY = re.compile(r"(?<![0-9A-Fa-f])[1-9]\d{16}[0-9Xx](?![0-9A-Fa-f])")
CHINESE = re.compile(r"[\u4e00-\u9fff]+")
HEALTH = re.compile(r"\b(bpm|rpm|heart|pulse|breath\w*|respir\w*|sleep)\b", re.IGNORECASE)
PLACES = {"卧室", "卫生间", "家中"}


class Keeper(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def play_night(consent: bool) -> tuple[list[tuple[str, bytes]], list[str]]:
    """Return what a subscriber got in the demo's night and what was logged, down to debug."""
    root, keeper = logging.getLogger(), Keeper()
    level = root.level
    root.addHandler(keeper)
    root.setLevel(logging.DEBUG)
    told: list[tuple[str, bytes]] = []
    scene = replace(load_scene(SCENES / "night.toml"), consent=ConsentConfig(vitals=consent))
    try:
        play(scene, None, NoScreen(), False, lambda topic, body: told.append((topic, body)))
    finally:
        root.removeHandler(keeper)
        root.setLevel(level)
    return told, keeper.lines


@pytest.fixture(scope="module")
def night():
    return play_night(consent=True)


def texts_of(value: object) -> Iterator[str]:
    """Yield every text in a message, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)


def test_the_search_finds_what_it_looks_for():
    assert TELEPHONE.search("call 13812345678 now")
    assert IDENTITY.search("64030219450101123X")
    assert not TELEPHONE.search("01936b4e-7c1a-7d3e-9a52-13812345678a")
    assert HEALTH.search("61 bpm")


def test_no_telephone_and_no_identity_number_is_anywhere(night):
    told, lines = night
    texts = [topic for topic, _ in told] + [body.decode() for _, body in told] + lines

    assert len(told) > 30
    assert len(lines) > 20, "the log is to be searched, and there is one"
    for text in texts:
        assert not TELEPHONE.search(text), text
        assert not IDENTITY.search(text), text


def test_the_only_chinese_words_are_of_places_and_of_the_catalogue(night):
    told, lines = night
    words = {place + row.zh for place in PLACES for row in CONDITIONS.values()}
    for _, body in told:
        for text in texts_of(json.loads(body)):
            assert set(CHINESE.findall(text)) <= words, text
    assert not [line for line in lines if CHINESE.search(line)]


def test_topics_are_made_of_codes(night):
    told, _ = night
    for topic, _ in told:
        assert re.fullmatch(r"[a-z]+(/[A-Za-z0-9_-]{1,64})*", topic), topic


def test_no_health_value_is_logged(night):
    _, lines = night

    assert [line for line in lines if HEALTH.search(line)] == []


def test_without_consent_no_vital_sign_leaves_the_home(night):
    topics = {topic.split("/")[0] for topic, _ in night[0]}
    told, lines = play_night(consent=False)

    assert "vitals" in topics
    assert {topic.split("/")[0] for topic, _ in told} == topics - {"vitals", "sleep"}
    for topic, body in told:
        assert not HEALTH.search(topic + body.decode())
    assert [line for line in lines if HEALTH.search(line)] == []
