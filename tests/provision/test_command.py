"""`anzhen provision`: what it makes, and what it says to hostile or careless input."""

import json
import os
import pty
import stat
import tomllib

import pytest

from edge_agent.__main__ import main
from edge_agent.provision.boards import BOARDS, check_settings
from firmware.settings import Settings
from protocol.passkey import passkey


@pytest.fixture
def provision(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command and returns its code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, target="kit", code="none", **changed):
        given = {
            "--unit-id": "pend-1", "--profile": "pendant", "--board": "esp32_c3", "--link": "ble",
            "--place": "bedroom", "--keys": "keys", "--code": code,
        }  # fmt: skip
        given |= {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
        options = [word for pair in given.items() for word in pair]
        try:
            status = main(["provision", target, *options, *arguments])
        except SystemExit as exit_:
            status = exit_.code
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_a_kit_holds_what_the_firmware_reads_and_the_agents_folder_its_key(provision, tmp_path):
    status, out, err = provision("--person", "p1", "--set", "still_min=60")
    assert status == 0
    flash = tmp_path / "kit" / "flash"
    settings = Settings(json.loads((flash / "settings.json").read_text()))
    assert (settings.text("profile"), settings.text("link")) == ("pendant", "ble")
    assert settings.whole("still_min") == 60
    key = (flash / "link.key").read_bytes()
    assert (tmp_path / "keys" / "pend-1.key").read_text() == key.hex() + "\n"
    assert f"{passkey(key):06d}" in out
    assert f"{passkey(key):06d}" in (tmp_path / "kit" / "label.svg").read_text()
    (unit,) = tomllib.loads((tmp_path / "kit" / "unit.toml").read_text())["unit"]
    assert unit == {
        "id": "pend-1",
        "port": "ble:pend-1",
        "place": "bedroom",
        "person": "p1",
        "source": "pendant",
        "key_file": str(tmp_path / "keys" / "pend-1.key"),
    }
    assert "esptool --chip esp32c3 --port PORT erase-flash" in err


def test_nothing_secret_but_the_passkey_is_printed_or_readable_by_others(provision, tmp_path):
    _, out, err = provision()
    key = (tmp_path / "kit" / "flash" / "link.key").read_bytes()
    assert key.hex() not in out + err
    secret = [tmp_path / "keys" / "pend-1.key", *(tmp_path / "kit").glob("label.*")]
    for path in [*secret, tmp_path / "kit" / "flash" / "link.key"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in ("kit", "kit/flash", "keys"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


def test_a_unit_on_a_wire_gets_a_key_and_shows_no_passkey(provision, tmp_path):
    status, out, _ = provision(link="usb", agent_port="/dev/serial/by-id/usb-x")
    assert status == 0
    assert "Passkey" not in out
    assert 'port = "/dev/serial/by-id/usb-x"' in out
    assert (tmp_path / "keys" / "pend-1.key").exists()


def test_a_port_that_nobody_knows_yet_is_to_be_filled_in(provision):
    status, out, err = provision(link="usb")
    assert status == 0
    assert 'port = "/dev/serial/by-id/FILL-IN"' in out
    assert "/dev/serial/by-id/FILL-IN: to be filled in, see `ls /dev/serial/by-id`" in err


def test_the_same_command_again_makes_the_same_kit(provision, tmp_path):
    def content():
        files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files}

    assert provision()[0] == 0
    before = content()
    status, _, err = provision()
    assert (status, content()) == (0, before)
    assert "pend-1.key: the key that was there, kept" in err
    assert provision("--replace")[0] == 0
    assert content() != before


def test_the_kit_of_one_unit_is_never_used_for_another(provision, tmp_path):
    provision()
    status, out, err = provision(unit_id="pend-2")
    assert (status, out) == (2, "")
    assert err == "anzhen: kit: is the kit of 'pend-1', not of 'pend-2'\n"
    assert not (tmp_path / "keys" / "pend-2.key").exists()


def test_a_folder_of_something_else_is_left_alone(provision, tmp_path):
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "letter.txt").write_text("dear")
    status, _, err = provision()
    assert (status, err) == (2, "anzhen: kit: is neither empty nor a unit's kit\n")
    assert os.listdir(tmp_path / "kit") == ["letter.txt"]
    (tmp_path / "kit" / "unit.toml").write_text("unit = 3")
    status, _, err = provision()
    assert (status, err) == (2, "anzhen: kit/unit.toml: is not the table of a unit: remove it\n")


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", "a b", "床", "x" * 65, "a\n", "a;reboot", "a'b"]
)
@pytest.mark.parametrize("option", ["unit_id", "place"])
def test_a_name_that_the_agent_would_not_take_is_refused_before_anything_is_made(
    provision, tmp_path, option, name
):
    status, _, err = provision(**{option: name})
    assert status == 2
    assert f"{name!r} is not 1 to 64 letters, digits, _ or -" in err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("changed", "arguments", "message"),
    [
        ({"unit_id": "p" * 27}, [], "--unit-id: at most 26 letters fit on the air"),
        ({"link": "uart"}, [], "--link: esp32_c3 has no UART for the agent: usb or ble"),
        ({"profile": "bed"}, [], "--bed: a unit of the profile bed needs it, as --bed bed1"),
        ({}, ["--set", "radar=ld2450"], "setting radar: only in the profiles bathroom and room"),
        ({}, ["--set", "colour=red"], "setting colour: unknown key"),
        ({}, ["--set", "still_min=NaN"], "setting still_min: NaN is not a whole number"),
        ({}, ["--set", "impact_limit_g=NaN"], "setting impact_limit_g: nan is not between 1.2 and 2.5"),
        ({}, ["--set", "profile=bed"], "--set profile: is said already"),
        ({}, ["--set", "worn=strap", "--set", "worn=none"], "--set worn: is said already"),
        (
            {"profile": "room"},
            ["--set", "input_11=pir"],
            "setting input_11: esp32_c3 has only input_10",
        ),
        ({"agent_port": "/dev/ttyX"}, [], "--agent-port: '/dev/ttyX' is no line of --link ble"),
        ({"agent_port": "ble:x", "link": "usb"}, [], "--agent-port: 'ble:x' is no line of --link usb"),
        ({}, ["--append"], "--append: --config says to what"),
        ({"config": "none.toml"}, [], "none.toml: cannot be read (No such file or directory)"),
        ({"update_key": "none"}, [], "none: cannot be read (No such file or directory)"),
        ({"target": "/dev/ttyNONE"}, [], "/dev/ttyNONE: no such port: plug the board in, and look with `ls /dev/tty*`"),
        ({"target": ""}, [], "'': is neither a folder nor a serial port"),
        ({"target": "a\nb"}, [], "'a\\nb': is neither a folder nor a serial port"),
        ({"keys": "a\nb"}, [], "unit.key_file: "),
        ({"agent_port": "a\x7f", "link": "usb"}, [], "unit.port: 'a\\x7f' has letters that cannot be printed"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_and_makes_nothing(
    provision, tmp_path, changed, arguments, message
):
    status, out, err = provision(*arguments, **changed)
    assert (status, out) == (2, "")
    assert err.startswith(f"anzhen: {message}")
    assert err.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_a_file_or_an_unwritable_place_in_the_way_is_said(provision, tmp_path):
    (tmp_path / "kit").write_text("x")
    assert provision()[::2] == (2, "anzhen: kit: is there and is no folder\n")
    status, _, err = provision(target="/proc/kit")
    assert status == 2
    assert err.startswith("anzhen: /proc/kit: ")


def test_a_port_without_a_program_to_write_is_refused(provision, tmp_path):
    master, slave = pty.openpty()
    try:
        status, _, err = provision(target=os.ttyname(slave))
    finally:
        os.close(master)
        os.close(slave)
    assert (status, err) == (2, "anzhen: --code: a board needs the program: mpy or py\n")
    assert os.listdir(tmp_path) == []


def test_a_unit_is_added_to_the_configuration_and_its_label_has_the_homes_words(
    provision, tmp_path
):
    (tmp_path / "anzhen.toml").write_text(
        '[home]\nregion = "640302001001"\nhome = "h0001"\n'
        '[[place]]\nid = "bedroom"\nzh = "卧室"\nen = "bedroom"\n'
    )
    status, out, err = provision("--append", config="anzhen.toml")
    assert status == 0
    assert "anzhen.toml has this unit now: restart the agent" in err
    assert "位置 Place      卧室 bedroom" in out
    assert tomllib.loads((tmp_path / "anzhen.toml").read_text())["unit"][0]["id"] == "pend-1"
    status, _, err = provision("--append", config="anzhen.toml")
    assert status == 0
    assert "anzhen.toml has this unit already" in err


def test_json_is_one_object(provision, tmp_path):
    _, out, _ = provision("--json")
    told = json.loads(out)
    assert (told["unit"], told["kit"], told["new_key"]) == ("pend-1", "kit", True)
    assert json.loads(provision("--json")[1])["new_key"] is False


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("profile", ["pendant", "bed", "bathroom", "room"])
def test_every_profile_fits_every_board(board, profile):
    check_settings(board, "u1", {"profile": profile, "link": "usb"})


def test_the_program_of_a_kit_has_one_board_and_nothing_of_the_vms(provision, tmp_path):
    assert provision(code="py")[0] == 0
    flash = tmp_path / "kit" / "flash"
    names = {path.relative_to(flash).as_posix() for path in flash.rglob("*") if path.is_file()}
    assert {"this_board.py", "firmware/app.py", "protocol/framing.py"} <= names
    assert (tmp_path / "kit" / "main.py").exists()
    assert "class Board" in (flash / "this_board.py").read_text()
    assert not [
        name
        for name in names
        if "host" in name
        or "lockstep" in name
        or "esp32_" in name.replace("esp32_line", "").replace("esp32_pace", "")
    ]
    assert provision(board="esp32_s3")[0] == 0  # --code none: the program stays
    assert provision(board="esp32_s3", code="mpy")[0] == 0
    assert (flash / "this_board.mpy").exists()
    assert not (flash / "this_board.py").exists()
    assert not list(flash.rglob("firmware/**/*.py"))
