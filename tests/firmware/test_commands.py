"""What the agent may ask, and what it is told."""

import binascii
import json
import struct
import sys

import pytest

from firmware.commands import Commands
from protocol.messages import (
    Ack,
    Command,
    CommandKind,
    Configure,
    EventKind,
    Hello,
    Impact,
    Inventory,
    Log,
    Result,
    Samples,
)
from tests.firmware.vm import needs_vm, steady

pytestmark = [pytest.mark.vm, needs_vm]


@pytest.fixture
def unit(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    unit.start()
    unit.advance(3_000)
    return unit


def ask(unit, kind, argument=b""):
    number = unit.session.command(kind, argument)
    unit.advance(100)
    result = unit.of(Result)[-1]
    assert result.number == number
    return result.status, result.text


def configure(unit, text):
    unit.session.send(Configure(7, text))
    unit.advance(100)
    result = unit.of(Result)[-1]
    assert result.number == 7
    return result.status, result.text


def test_light_and_buzzer_for_a_time(unit):
    assert ask(unit, CommandKind.LIGHT, struct.pack("<BH", 1, 2)) == (0, "")
    assert ask(unit, CommandKind.BUZZER, struct.pack("<BH", 1, 1)) == (0, "")
    unit.advance(5_000)
    assert [(pin, value) for _, pin, value in unit.outputs()] == [
        ("light", 1),
        ("buzzer", 1),
        ("buzzer", 0),
        ("light", 0),
    ]


def test_unknown_commands_are_answered(unit):
    assert ask(unit, 99) == (1, "command 99 is not known")
    assert ask(unit, CommandKind.UPDATE_BLOCK, b"x" * 500) == (2, "no update has begun")


def test_self_test(unit):
    assert ask(unit, CommandKind.SELF_TEST) == (0, "acc ok, button idle, flash ok")
    assert sorted(path.name for path in unit.flash.iterdir()) == [
        "backlog",
        "boot.bak",
        "boot.json",
        "button_test.json",
        "settings.good",
        "settings.json",
    ]


def test_inventory_has_the_crc_of_the_greeting(unit):
    assert ask(unit, CommandKind.INVENTORY) == (0, "")
    text = unit.of(Inventory)[0].text
    assert binascii.crc32(text.encode()) == unit.of(Hello)[0].inventory_crc
    inventory = json.loads(text)
    assert inventory["parts"] == [[0, "acc", "lis3dh", 100], [4, "button", "contact", 0]]
    assert inventory["profile"] == "pendant"
    assert len(text) < 900


def test_sensor_reset(unit):
    assert ask(unit, CommandKind.SENSOR_RESET, b"\x03") == (2, "no such channel")
    assert ask(unit, CommandKind.SENSOR_RESET, b"\x00") == (0, "")
    unit.advance(5_000)
    seen = len(unit.of(Samples))
    unit.advance(1_000)
    assert len(unit.of(Samples)) >= seen + 9
    assert not unit.kinds()


def test_reboot(unit):
    assert ask(unit, CommandKind.REBOOT) == (0, "")
    unit.advance(3_000)
    assert unit.process is None
    assert unit.exit_code == 3
    unit.start()
    unit.advance(2_000)
    assert [hello.boot_count for hello in unit.of(Hello)] == [1, 2]
    assert unit.of(Log)[-1].text == "the last boot ended: asked by the agent"


def test_configure_changes_the_limit_at_once_and_for_good(make_unit):
    unit = make_unit()
    counts = steady(4000)
    counts[1000, 2] = counts[2000, 2] = 2900  # 2.2 g
    unit.add_acc(counts)
    unit.start()
    unit.advance(3_000)
    assert configure(unit, '{"impact_limit_g": 2.5}') == (0, "")
    unit.advance(14_000)
    assert not unit.of(Impact)
    assert configure(unit, '{"impact_limit_g": 1.5}') == (0, "")
    unit.advance(10_000)
    assert len(unit.of(Impact)) == 1
    assert json.loads((unit.flash / "settings.json").read_text()) == {
        "profile": "pendant",
        "impact_limit_g": 1.5,
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"impact_limit_g": 3}', "impact_limit_g: 3.0 is not between 1.2 and 2.5"),
        ('{"profile": "bed"}', "profile: can only be changed on site"),
        ('{"button_pressed_level": 1}', "button_pressed_level: can only be changed on site"),
        ('{"button": false}', "button: unknown key"),
        ("[]", "settings.json: not a JSON object"),
    ],
)
def test_configure_refuses(unit, text, line):
    before = (unit.flash / "settings.json").read_text()
    assert configure(unit, text) == (2, line)
    assert (unit.flash / "settings.json").read_text() == before


def test_no_command_silences_a_call(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    unit.host["pins"]["button"]["steps"] = [[0, 1], [4000, 0]]
    unit.start()
    unit.advance(4_500)
    for kind in (CommandKind.LIGHT, CommandKind.BUZZER):
        assert ask(unit, kind, struct.pack("<BH", 0, 60_000)) == (0, "")
    before = len(unit.outputs())
    unit.advance(5_000)
    assert len(unit.outputs()) > before + 4
    assert unit.kinds() == [EventKind.CALL_PRESSED]


@pytest.mark.fast
def test_a_mistake_of_ours_is_answered_and_does_not_stop_the_unit(monkeypatch):
    monkeypatch.setattr(sys, "print_exception", print, raising=False)  # MicroPython's
    result = Commands(None).answer(Command(12, CommandKind.LIGHT))
    assert (result.number, result.status) == (12, 3)
    assert result.text.startswith("AttributeError")
    assert Commands(None).answer(Ack(b"bootbyte", 1, 1)) is None
