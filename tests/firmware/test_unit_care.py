"""The weekly test and safe mode through the real firmware."""

import binascii
import json
from itertools import pairwise

import pytest

from protocol.messages import EventKind, Log, Samples, Status, StatusFlag
from tests.firmware.vm import UTC_MS, needs_vm, steady

pytestmark = [pytest.mark.vm, needs_vm]

DAY_MS = 86_400_000


def keep(unit, name, value):
    """Put a record on the unit's flash as the firmware writes it."""
    text = json.dumps(value)
    (unit.flash / name).write_text(f"{binascii.crc32(text.encode()):08x}\n{text}")


def test_a_button_not_tested_for_a_week_is_reminded_of_until_a_press_is_stored(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    keep(unit, "button_test.json", {"utc": UTC_MS - 8 * DAY_MS})
    unit.host["pins"]["button"]["steps"] = [[0, 1], [20_000, 0], [20_400, 1]]
    unit.start()
    unit.advance(18_000)
    assert unit.kinds() == [EventKind.TEST_DUE]
    flashes = [(t, value) for t, pin, value in unit.outputs() if pin == "light"]
    assert len(flashes) >= 6
    assert {b - a for (a, on), (b, _) in pairwise(flashes) if on} == {100}
    assert not [line for line in unit.outputs() if line[1] == "buzzer"]
    unit.advance(5_000)
    assert EventKind.TESTED in unit.kinds()
    kept = json.loads((unit.flash / "button_test.json").read_text().splitlines()[1])
    assert abs(kept["utc"] - UTC_MS - 20_000) < 1_000


def test_after_five_failures_a_unit_reads_no_sensor_but_calls_and_is_whole_again_later(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    keep(unit, "failures.json", {"count": 4})
    keep(unit, "last_words.json", {"why": "task sampler acc: ValueError()"})
    unit.host["pins"]["button"]["steps"] = [[0, 1], [5_000, 0], [5_400, 1]]
    unit.start()
    unit.advance(20_000)
    assert unit.of(Status)[-1].flags & StatusFlag.SAFE
    assert not unit.of(Samples)
    assert unit.kinds() == [EventKind.SENSOR_FAULT, EventKind.CALL_PRESSED, EventKind.CALL_RELEASED]
    assert [log.text for log in unit.of(Log)] == [
        "safe mode: no sensor is read, after failures one after the other",
        "the last boot ended: task sampler acc: ValueError()",
    ]
    assert [line[1:] for line in unit.outputs()[:2]] == [("light", 1), ("buzzer", 1)]
    unit.advance(600_000)
    assert unit.exit_code == 3
    unit.events.clear()
    unit.start()
    unit.advance(5_000)
    assert unit.of(Samples)
    assert not unit.of(Status)[-1].flags & StatusFlag.SAFE


def test_last_words_wait_for_an_agent_through_power_cuts_and_count_once(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    keep(unit, "failures.json", {"count": 2})
    keep(unit, "last_words.json", {"why": "task radar stands still"})
    unit.listening = False
    for _ in range(3):
        unit.start()
        unit.advance(3_000)
        unit.kill()
    unit.listening = True
    for _ in range(2):
        unit.start()
        unit.advance(5_000)
        unit.kill()
    texts = [log.text for log in unit.of(Log)]
    assert texts == ["the last boot ended: task radar stands still"]
    kept = json.loads((unit.flash / "failures.json").read_text().splitlines()[1])
    assert kept == {"count": 3}
