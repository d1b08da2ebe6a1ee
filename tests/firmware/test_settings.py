"""The settings file: every mistake is one line that names the key, and never stops the unit."""

import json

import pytest

from firmware import settings_file
from firmware.setting_names import SettingsError
from firmware.settings import Settings

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("chosen", "line"),
    [
        ({"profile": "attic"}, 'profile: "attic" is none of pendant, bed, bathroom, room'),
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
        ({"accelerometer": 1}, "accelerometer: 1 is not text"),
        ({"accelerometer": "adxl"}, 'accelerometer: "adxl" is none of none, lis3dh, mpu6050'),
        ({"acc_rate_hz": 75}, "acc_rate_hz: is neither 50 nor 100"),
        ({"acc_range_g": 8}, "acc_range_g: 8 is for a mpu6050 only"),
        ({"acc_address": 0x68}, "acc_address: is none of 0, 24, 25"),
        ({"accelerometer": "mpu6050", "acc_address": 24}, "acc_address: is none of 0, 104, 105"),
        ({"load": "hx712"}, 'load: "hx712" is none of nau7802, hx711'),
        ({"link": "wifi"}, 'link: "wifi" is none of usb, uart, ble'),
        ({"still_min": 29}, "still_min: 29 is not between 30 and 600"),
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
        (
            {"profile": "room", "radar": "ld2451"},
            'radar: "ld2451" is none of none, r60abd1, r60afd1, mr60bha1, mr60fda1, c1001, '
            "ld6002, ld6002b, ld6002c, mr60bha2, mr60fda2, ld2410, ld2412, ld2450",
        ),
        ({"radar_watches": "both"}, 'radar_watches: "both" is none of falls, sleep'),
        ({"radar_height_m": 5.1}, "radar_height_m: 5.1 is not between 0.0 and 5.0"),
        ({"radar_height_m": 0.9}, "radar_height_m: 0.9 is not 0 and less than 1.0"),
        ({"radar_range_m": 0.2}, "radar_range_m: 0.2 is not 0 and less than 0.3"),
        ({"radar_range_m": 8.1}, "radar_range_m: 8.1 is not between 0.0 and 8.0"),
        ({"radar_sensitivity": 4}, "radar_sensitivity: 4 is not between 0 and 3"),
        ({"room_cord": 1}, "room_cord: 1 is not true or false"),
        ({"input_9": "pir"}, "input_9: unknown key"),
        ({"input_20": "pir"}, "input_20: unknown key"),
        ({"input_10": "lamp"}, 'input_10: "lamp" is none of none, pir, reed, mat, flush'),
        ({"input_10_level": 2}, "input_10_level: 2 is not between 0 and 1"),
        (
            {"profile": "bed", "radar": "ld2410"},
            "radar: only in the profiles bathroom and room",
        ),
        ({"input_11": "reed"}, "input_11: only in the profiles bathroom and room"),
        (
            {"profile": "room", "radar": "ld2410", "accelerometer": True},
            "accelerometer: the memory is too small for a radar with it",
        ),
    ],
)
def test_a_mistake_is_one_line(chosen, line):
    with pytest.raises(SettingsError) as caught:
        Settings(chosen)
    assert str(caught.value) == line


def test_inputs_are_told_by_channel_kind_and_level():
    chosen = {"profile": "room", "input_12": "reed", "input_10": "pir", "input_10_level": 0}
    assert Settings(chosen).inputs() == [(10, "pir", 0), (12, "reed", 1)]


def test_an_accelerometer_as_the_first_version_wrote_it():
    assert Settings({"profile": "room", "accelerometer": True}).text("accelerometer") == "lis3dh"
    assert Settings({"profile": "room", "accelerometer": False}).text("accelerometer") == "none"


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
    loaded = settings_file.load(root)
    assert (loaded.origin, loaded.complaint) == ("defaults", line)
    assert loaded.text("profile") == "pendant"
    path.write_text('{"profile": "bed"}')
    assert settings_file.load(root).origin == "file"
    path.write_text(text)
    loaded = settings_file.load(root)
    assert (loaded.origin, loaded.complaint) == ("last good", line)
    assert loaded.text("profile") == "bed"


def test_no_file_is_said_too(tmp_path):
    loaded = settings_file.load(str(tmp_path))
    assert loaded.complaint == "settings.json: not there or not text"
    (tmp_path / "settings.json").write_bytes(b"\xff\xfe")
    assert settings_file.load(str(tmp_path)).complaint == "settings.json: not there or not text"


def test_a_damaged_last_good_copy_is_not_used(tmp_path):
    (tmp_path / "settings.json").write_text('{"profile": "bed"}')
    settings_file.load(str(tmp_path))
    copy = tmp_path / "settings.good"
    copy.write_text(copy.read_text().replace("bed", "bat"))
    (tmp_path / "settings.json").unlink()
    assert settings_file.load(str(tmp_path)).origin == "defaults"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ('{"profile": "bed"}', "profile: can only be changed on site"),
        ('{"button_pressed_level": 1}', "button_pressed_level: can only be changed on site"),
        ('{"accelerometer": false}', "accelerometer: can only be changed on site"),
        ('{"impact_limit_g": 2.51}', "impact_limit_g: 2.51 is not between 1.2 and 2.5"),
        ('{"cord_pressed_below": 0.1}', "cord_pressed_below: 0.1 is not between 0.2 and 0.5"),
        ('{"cord": false}', "cord: unknown key"),
        ('{"radar": "none"}', "radar: can only be changed on site"),
        ('{"radar_sensitivity": 1}', "radar_sensitivity: can only be changed on site"),
        ('{"radar_height_m": 3}', "radar_height_m: can only be changed on site"),
        ('{"input_10": "none"}', "input_10: can only be changed on site"),
        ('{"input_10_level": 0}', "input_10_level: can only be changed on site"),
        ('{"room_cord": false}', "room_cord: can only be changed on site"),
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
    loaded = settings_file.load(str(tmp_path))
    assert (loaded.origin, loaded.whole("load_zero"), loaded.number("impact_limit_g")) == (
        "file",
        1234,
        2.0,
    )
    assert loaded.text("profile") == "bed"
    assert json.loads((tmp_path / "settings.json").read_text())["profile"] == "bed"
