"""Every mistake in the configuration is one line that names the key and what is allowed."""

import re
import tomllib
from pathlib import Path

import pytest

from edge_agent.config.load import load, parse
from edge_agent.config.reading import ConfigError
from edge_agent.config.routes import split_address

pytestmark = pytest.mark.fast

GOOD = """
[home]
region = "640302001001"
home = "h0001"
[[place]]
id = "bath"
zh = "卫生间"
en = "bathroom"
[[unit]]
id = "bath-1"
port = "/dev/ttyUSB0"
place = "bath"
"""


def test_a_good_file_is_frozen_values_with_defaults():
    config = parse(tomllib.loads(GOOD))

    assert config.unit[0].baud == 115200
    assert config.alarm.fall_confirm_s == 10.0
    with pytest.raises(AttributeError):
        config.simulated = True


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ("bauds = 9600", "unit[0].bauds: unknown key; allowed here: id, port, place, person, bed, source, baud, input, radar, tag, key_file, worn"),
        ("baud = '9600'", "unit[0].baud: expected `int`, got `str`; allowed: bits a second, 9600 to 4000000"),
        ("baud = 300", "unit[0].baud: expected `int` >= 9600; allowed: bits a second, 9600 to 4000000"),
        ("baud = 1.5", "unit[0].baud: expected `int`, got `float`; allowed: bits a second, 9600 to 4000000"),
        ("[alarm]\nfall_confirm_s = 600", "alarm.fall_confirm_s: expected `float` <= 60.0; allowed: seconds, 3 to 60"),
        ("[alarm]\nfall_confirm_s = nan", "alarm.fall_confirm_s: expected `float` >= 3.0; allowed: seconds, 3 to 60"),
        ("[alarm]\nfall = false", "alarm.fall: unknown key; allowed here: fall_confirm_s, escalate_s, remind_s, arrival_s, bed_return_s, night_start, night_end"),
        (
            "[alarm]\nnight_start = '25:00'",
            "alarm.night_start: expected `str` matching regex '^([01][0-9]|2[0-3]):[0-5][0-9]$';"
            " allowed: HH:MM, 00:00 to 23:59",
        ),
        (
            "[[place]]\nid = 'hall'\nzh = '走廊'\nen = 'hall 13800138000'",
            "place[1].en: expected `str` matching regex '^(?!(.|\\\\n)*\\\\d([\\\\s._-]?\\\\d){5})'; allowed: 1 to 40"
            " characters of text, and no 6 digits in a row: these words go to platforms, and a"
            " telephone, an identity number or an address must not",
        ),
        ("[mqtt]\nport = 1883", "mqtt.host: required key is missing"),
        ("[mqtt]\nhost = 'x'\nport = 70000", "mqtt.port: expected `int` <= 65535; allowed: a port, 1 to 65535"),
        (
            "person = 'Zhang San'",
            "unit[0].person: expected `str` matching regex '^[A-Za-z0-9_-]{1,64}$';"
            " allowed: 1 to 64 letters, digits, _ or -",
        ),
        ("[[unit]]\nid='b'\nport='/dev/x'\nplace='hall'", "unit[1].place: no place 'hall'; places: bath"),
        ("[[unit]]\nid='bath-1'\nport='/dev/x'\nplace='bath'", "unit[1].id: 'bath-1' is there twice"),
        (
            "[[unit]]\nid='b'\nport='/dev/ttyUSB0'\nplace='bath'",
            "unit[1].port: '/dev/ttyUSB0' is another unit's port",
        ),
    ],
)  # fmt: skip
def test_a_mistake_names_the_key_and_what_is_allowed(addition, message):
    with pytest.raises(ConfigError) as caught:
        parse(tomllib.loads(GOOD + addition))

    assert str(caught.value) == message


def test_unreadable_files_name_themselves(tmp_path: Path):
    path = tmp_path / "anzhen.toml"
    with pytest.raises(ConfigError) as absent:
        load(path)
    path.write_bytes(b"[home]\nregion = \xff")
    with pytest.raises(ConfigError) as binary:
        load(path)
    path.write_text("[home\n")
    with pytest.raises(ConfigError) as broken:
        load(path)
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigError) as huge:
        load(path)

    assert str(absent.value) == f"{path}: cannot be read (No such file or directory)"
    assert str(binary.value) == f"{path}: byte 16 is not UTF-8"
    assert str(broken.value).startswith(f"{path}: not TOML: ")
    assert "\n" not in str(broken.value)
    assert str(huge.value) == f"{path}: larger than 1000000 bytes"


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ("[[route]]\nname='a'\nprofile='ali'", "route[0].profile: invalid enum value 'ali'"),
        ("[[route]]\nname='a'\nprofile='aliyun'", "route[0].host: required key is missing"),
        (
            "[[route]]\nname='a b'\nprofile='aliyun'\nhost='x'",
            "route[0].name: expected `str` matching regex '^[A-Za-z0-9_-]{1,32}$'; allowed: 1 to 32 letters, digits, _ or -",
        ),
        (
            "[[route]]\nname='mqtt'\nprofile='aliyun'\nhost='x'",
            "route[0].name: 'mqtt' is there twice",
        ),
        (
            "[[route]]\nname='a'\nprofile='aliyun'\nhost='x'\ntopic='t'",
            "route[0].topic: unknown key; allowed here: name, profile, host, port, fallback, keepalive_s, protocol, tls, reserve, commands, settings",
        ),
        (
            "[[route]]\nname='a'\nprofile='county'\nhost='x'",
            "route[0].host: not of a county route: settings.url says it",
        ),
        (
            "[[route]]\nname='a'\nprofile='county'\nkeepalive_s=60",
            "route[0].keepalive_s: not of a county route: settings.url says it",
        ),
        (
            "[[route]]\nname='a'\nprofile='aliyun'\nhost='x'\nfallback=['y']",
            "route[0].fallback[0]: expected `str` matching regex",
        ),
        (
            "[[route]]\nname='a'\nprofile='aliyun'\nhost='x'\nfallback=['y:70000']",
            "route[0].fallback[0]: a port is 1 to 65535",
        ),
        ("[mqtt]\nhost='x'\nfallback=['y:0']", "mqtt.fallback[0]: a port is 1 to 65535"),
        (
            "[[route]]\nname='a'\nprofile='aliyun'\nhost='x'\nreserve=true",
            "route[0].reserve: some route must go at once",
        ),
    ],
)
def test_a_mistake_in_a_route_names_its_place(addition, message):
    with pytest.raises(ConfigError) as caught:
        parse(tomllib.loads(GOOD + addition))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("label", "good"),
    [
        ("卧室2", True),
        ("3-2-101", True),
        ("room 12345", True),
        ("room 123456", False),
        ("138 0013 8000", False),
        ("12-3-1502", False),  # block, stair and flat: an address
        ("６４０３０２", False),
        ("a\n1 2\n3_4.5-6", False),
    ],
)
def test_the_words_for_a_place_hold_no_telephone_identity_number_or_address(label, good):
    tree = tomllib.loads(GOOD)
    tree["place"][0]["zh"] = label
    if good:
        assert parse(tree).place[0].zh == label
    else:
        with pytest.raises(ConfigError, match=r"^place\[0\]\.zh: .* no 6 digits in a row"):
            parse(tree)


def test_an_address_is_a_host_and_a_port():
    assert split_address("broker.example:8883") == ("broker.example", 8883)
    assert split_address("[2001:db8::1]:1883") == ("2001:db8::1", 1883)


def test_what_is_expected_for_a_person_is_checked():
    good = GOOD + 'person = "p1"\n[[person]]\nid = "p1"\nwatch = ["call"]\n'
    person = parse(tomllib.loads(good)).person
    assert [(one.id, one.watch) for one in person] == [("p1", ["call"])]
    with pytest.raises(ConfigError) as caught:
        parse(tomllib.loads(GOOD + '[[person]]\nid = "p9"\nwatch = ["call"]\n'))
    assert str(caught.value) == "person[0].id: no unit is for 'p9'"


def test_inputs_of_a_unit_are_checked():
    one = '[[unit.input]]\nchannel = 5\nkind = "motion"\n'
    assert parse(tomllib.loads(GOOD + one)).unit[0].input[0].kind == "motion"
    for text, message in (
        (one + one, "unit[0].input[1].channel: channel 5 is there twice"),
        (one + 'place = "attic"\n', "unit[0].input[0].place: no place 'attic'; places: bath"),
    ):
        with pytest.raises(ConfigError) as caught:
            parse(tomllib.loads(GOOD + text))
        assert str(caught.value) == message


def test_a_radars_room_is_checked():
    radar = "[unit.radar]\nx_m = [-2.0, 3.0]\n[[unit.radar.zone]]\nkind = 'bed'\nx_m = [0, 2]\n"
    assert parse(tomllib.loads(GOOD + radar + "y_m = [1, 3]\n")).unit[0].radar is not None
    with pytest.raises(ConfigError) as caught:
        parse(tomllib.loads(GOOD + radar + "y_m = [3, 1]\n"))
    assert str(caught.value) == "unit[0].radar.zone[0].y_m: 3 is not below 1"


def test_no_key_switches_a_life_critical_condition_off():
    """There is none to find: the alarm table only holds delays with bounds."""
    keys = set(parse(tomllib.loads(GOOD)).alarm.__struct_fields__)

    assert keys == {
        "fall_confirm_s", "escalate_s", "remind_s", "arrival_s",
        "bed_return_s", "night_start", "night_end",
    }  # fmt: skip


def test_the_example_in_the_documentation_is_a_configuration():
    text = (Path(__file__).parents[1] / "docs" / "running.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert len(parse(tomllib.loads(example)).unit) == 3


def test_a_unit_on_a_radio_needs_a_key():
    radio = GOOD.replace("/dev/ttyUSB0", "ble:aa")
    with pytest.raises(ConfigError) as caught:
        parse(tomllib.loads(radio))
    assert str(caught.value) == "unit[0].key_file: required: anyone can reach a radio"
    assert parse(tomllib.loads(radio + "key_file = '/k'\n")).unit[0].key_file == "/k"
