"""The settings file: every mistake is one line that names the key, and never stops the unit."""

import json

import pytest

from firmware import settings
from firmware.settings import Settings, SettingsError

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("chosen", "line"),
    [
        ({"profile": "attic"}, 'profile: "attic" is none of pendant, bed, bathroom'),
        ({"profile": 3}, "profile: 3 is not text"),
        ({"impact_limit_g": 2.6}, "impact_limit_g: 2.6 is not between 1.2 and 2.5"),
        ({"impact_limit_g": "high"}, 'impact_limit_g: "high" is not a number'),
        ({"impact_limit_g": True}, "impact_limit_g: true is not a number"),
        ({"impact_limit_g": None}, "impact_limit_g: null is not a number"),
        ({"backlog_events": 63}, "backlog_events: 63 is not between 64 and 256"),
        ({"backlog_impacts": 7}, "backlog_impacts: 7 is not between 8 and 32"),
        ({"backlog_impacts": 9.5}, "backlog_impacts: 9.5 is not a whole number"),
        ({"debounce_ms": 60}, "debounce_ms: 60 is not between 30 and 50"),
        ({"debounce_ms": True}, "debounce_ms: true is not a whole number"),
        ({"accelerometer": 1}, "accelerometer: 1 is not true or false"),
        ({"buzzer": "off"}, "buzzer: unknown key"),
        (
            {"cord_short_below": 0.2, "cord_pressed_below": 0.2},
            "cord_pressed_below: leaves less than 0.1 to be pressed",
        ),
        (
            {"cord_pressed_below": 0.5, "cord_idle_below": 0.55},
            "cord_idle_below: leaves less than 0.1 to be idle",
        ),
        ({"load_kg_per_count": 0}, "load_kg_per_count: must not be 0"),
    ],
)
def test_a_mistake_is_one_line(chosen, line):
    with pytest.raises(SettingsError) as caught:
        Settings(chosen)
    assert str(caught.value) == line


def test_whole_numbers_do_for_numbers():
    assert Settings({"impact_limit_g": 2}).number("impact_limit_g") == 2.0


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[1, 2]", "settings.json: not a JSON object"),
        ('{"profile": ', "settings.json: not JSON"),
        ("\xff", "settings.json: not JSON"),
        ('{"debounce_ms": 500}', "debounce_ms: 500 is not between 30 and 50"),
    ],
)
def test_a_wrong_file_falls_back_to_the_last_good_one_or_the_defaults(tmp_path, text, line):
    root = str(tmp_path)
    path = tmp_path / "settings.json"
    path.write_text(text)
    loaded = settings.load(root)
    assert (loaded.origin, loaded.complaint) == ("defaults", line)
    assert loaded.text("profile") == "pendant"
    path.write_text('{"profile": "bed"}')
    assert settings.load(root).origin == "file"
    path.write_text(text)
    loaded = settings.load(root)
    assert (loaded.origin, loaded.complaint) == ("last good", line)
    assert loaded.text("profile") == "bed"


def test_no_file_is_said_too(tmp_path):
    loaded = settings.load(str(tmp_path))
    assert loaded.complaint == "settings.json: not there or not text"
    (tmp_path / "settings.json").write_bytes(b"\xff\xfe")
    assert settings.load(str(tmp_path)).complaint == "settings.json: not there or not text"


def test_a_damaged_last_good_copy_is_not_used(tmp_path):
    (tmp_path / "settings.json").write_text('{"profile": "bed"}')
    settings.load(str(tmp_path))
    copy = tmp_path / "settings.good"
    copy.write_text(copy.read_text().replace("bed", "bat"))
    (tmp_path / "settings.json").unlink()
    assert settings.load(str(tmp_path)).origin == "defaults"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ('{"profile": "bed"}', "profile: can only be changed on site"),
        ('{"button_pressed_level": 1}', "button_pressed_level: can only be changed on site"),
        ('{"accelerometer": false}', "accelerometer: can only be changed on site"),
        ('{"impact_limit_g": 2.51}', "impact_limit_g: 2.51 is not between 1.2 and 2.5"),
        ('{"cord_pressed_below": 0.1}', "cord_pressed_below: 0.1 is not between 0.2 and 0.5"),
        ('{"cord": false}', "cord: unknown key"),
        ("no", "settings.json: not JSON"),
    ],
)
def test_the_link_may_not_disable_a_contact_nor_raise_the_limit(change, line):
    with pytest.raises(SettingsError) as caught:
        Settings({"profile": "pendant"}).changed_by(change)
    assert str(caught.value) == line


def test_changes_are_kept(tmp_path):
    changed = Settings({"profile": "bed"}).changed_by('{"load_zero": 1234, "impact_limit_g": 2}')
    changed.save(str(tmp_path))
    loaded = settings.load(str(tmp_path))
    assert (loaded.origin, loaded.whole("load_zero"), loaded.number("impact_limit_g")) == (
        "file",
        1234,
        2.0,
    )
    assert loaded.text("profile") == "bed"
    assert json.loads((tmp_path / "settings.json").read_text())["profile"] == "bed"
