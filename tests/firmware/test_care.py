"""What a unit asks of those who care for it: battery, wearing, the weekly test, safe mode."""

import json
from array import array
from pathlib import Path

import pytest

from firmware import safe_mode
from firmware.backlog import Backlog
from firmware.battery import Battery
from firmware.button_test import DAY_MS, WEEK_MS, ButtonTest
from firmware.calls import Calls
from firmware.drivers.contact import IDLE, PRESSED
from firmware.local_alarm import ACKNOWLEDGED, OFF, LocalAlarm
from firmware.safe_mode import SafeMode
from firmware.uptime import Clock
from firmware.worn import Worn
from protocol.messages import Ack, Event, EventKind, Stage

pytestmark = pytest.mark.fast

UTC_MS = 1_790_000_000_000


class Time:
    """A board's ticks, set by the test."""

    now = 0

    def ticks_ms(self):
        return self.now & (1 << 30) - 1


class Line:
    """An input or output, and a converter."""

    def __init__(self, level=0):
        self.level = level
        self.changes = []

    def read(self):
        return self.level

    def read_u16(self):
        return self.level

    def write(self, level):
        if level != self.level:
            self.changes.append(level)
        self.level = level


class Room:
    """Real clock, backlog, alarm and calls of one unit."""

    def __init__(self, root):
        (root / "backlog").mkdir(exist_ok=True)
        self.root = str(root)
        self.time = Time()
        self.clock = Clock(self.time)
        self.backlog = Backlog(self.root, b"bootbyte", self.clock, 64, 8)
        self.light, self.buzzer = Line(), Line()
        self.alarm = LocalAlarm(self.light, self.buzzer)
        self.calls = Calls(self.root, self.clock, self.alarm, self.backlog, 3, lambda: None)
        self.test = ButtonTest(self.root, self.clock, self.alarm, self.backlog, 3)

    def go_to(self, now_ms):
        while self.time.now < now_ms:  # the uptime must be read more often than it wraps
            self.time.now = min(now_ms, self.time.now + 500_000_000)
            self.clock.now_ms()

    def told(self):
        events = [self.backlog.messages(record)[0] for record in self.backlog.records]
        return [(one.kind, one.value) for one in events if isinstance(one, Event)]

    def press(self):
        self.calls.changed(IDLE, PRESSED, self.clock.now_ms())
        self.calls.changed(PRESSED, IDLE, self.clock.now_ms())
        return self.alarm.calls[-1]

    def acknowledge(self, call, stage):
        ack = Ack(*call, stage)
        self.test.acknowledge(ack)
        self.calls.acknowledge(ack)


@pytest.fixture
def room(tmp_path):
    return Room(tmp_path)


# The weekly test


def test_after_a_week_the_light_blinks_and_the_agent_is_told_once_a_day(room):
    for day in range(7):
        room.go_to(day * DAY_MS)
        assert not room.test.poll(day * DAY_MS)
    room.go_to(WEEK_MS)
    assert room.test.poll(WEEK_MS)
    for now in range(WEEK_MS, WEEK_MS + 20_000, 100):
        room.go_to(now)
        room.test.poll(now)
        room.alarm.tick(now)
    assert room.light.changes == [1, 0] * 4
    assert room.buzzer.changes == []
    assert room.told() == [(EventKind.TEST_DUE, 7)]
    room.go_to(WEEK_MS + DAY_MS)
    assert room.test.poll(WEEK_MS + DAY_MS)
    assert room.told() == [(EventKind.TEST_DUE, 7), (EventKind.TEST_DUE, 8)]


def test_a_press_that_the_agent_has_stored_is_the_test_and_is_kept(room):
    room.go_to(WEEK_MS)
    room.clock.learn_utc(UTC_MS, 2)
    room.test.poll(WEEK_MS)
    call = room.press()
    assert room.test.is_due  # pressed is not yet heard
    room.acknowledge(call, Stage.STORED)
    assert not room.test.poll(WEEK_MS + 100)
    assert room.told()[-1] == (EventKind.TESTED, 0)
    again = Room(Path(room.root))
    assert again.test.tested_utc_ms == UTC_MS
    again.clock.learn_utc(UTC_MS + WEEK_MS - 1000, 2)
    assert not again.test.poll(0)
    again.clock.learn_utc(UTC_MS + WEEK_MS, 2)
    assert again.test.poll(0)


def test_the_reminder_never_shows_over_a_call(room):
    room.go_to(WEEK_MS)
    call = room.press()
    room.calls.acknowledge(Ack(*call, Stage.ACKNOWLEDGED))
    assert room.alarm.state == ACKNOWLEDGED
    shown = []
    for now in range(WEEK_MS, WEEK_MS + 10_000, 100):
        room.go_to(now)
        room.test.poll(now)
        room.alarm.tick(now)
        shown.append(room.light.level)
    assert all(shown)


def test_a_damaged_record_is_none(room, tmp_path):
    (tmp_path / "button_test.json").write_text('00000000\n{"utc": 5}')
    assert ButtonTest(room.root, room.clock, room.alarm, room.backlog, 3).tested_utc_ms == 0
    assert room.alarm.state == OFF


# The battery


def test_a_low_battery_is_told_after_a_minute_each_day_and_when_it_is_full_again(room):
    adc = Line(65535 * 3700 // 7000)
    battery = Battery(adc, 7000, 3500, room.backlog)

    def run(seconds):
        end = room.time.now + 1000 * seconds
        while room.time.now < end:
            room.go_to(room.time.now + 1000)
            battery.poll(room.time.now)

    run(120)
    assert abs(battery.mv - 3700) <= 1
    adc.level = 65535 * 3400 // 7000
    run(50)
    adc.level = 65535 * 3700 // 7000  # a burst of the radio, over again
    run(10)
    assert room.told() == []
    adc.level = 65535 * 3400 // 7000
    run(70)
    assert [kind for kind, _ in room.told()] == [EventKind.BATTERY_LOW]
    assert abs(room.told()[0][1] - 3400) <= 1
    assert battery.is_low
    adc.level = 65535 * 3550 // 7000  # not 100 mV more
    run(600)
    assert battery.is_low
    room.go_to(room.time.now + DAY_MS)
    battery.poll(room.time.now)
    adc.level = 65535 * 4100 // 7000
    run(70)
    kinds = [kind for kind, _ in room.told()]
    assert kinds == [EventKind.BATTERY_LOW, EventKind.BATTERY_LOW, EventKind.BATTERY_GOOD]


# Wearing


def test_a_pendant_that_lies_still_for_two_hours_is_not_worn_and_a_knock_is_no_wearer(room):
    worn = Worn(0, 0.012, 120, None, room.backlog)
    at_rest = array("h", [0, 0, 1333])
    turned = array("h", [0, 1333, 0])

    def lie(minutes, counts=at_rest):
        end = room.time.now + 60_000 * minutes
        while room.time.now < end:
            room.go_to(room.time.now + 1000)
            flicker = array(
                "h", [counts[0], counts[1], counts[2] + 16 * (room.time.now // 1000 % 2)]
            )
            worn.feed(flicker, room.time.now)
            worn.poll(room.time.now)

    lie(119)
    worn.feed(turned, room.time.now)  # a turn in bed
    lie(119, turned)
    assert room.told() == []
    lie(2, turned)
    assert room.told() == [(EventKind.NOT_WORN, 0)]
    worn.feed(at_rest, room.time.now)  # the table is knocked
    lie(24 * 60 - 5)
    assert len(room.told()) == 1
    lie(10)
    assert len(room.told()) == 2  # again after a day
    for _ in range(6):
        worn.feed(turned, room.time.now)
        room.go_to(room.time.now + 1000)
        worn.feed(at_rest, room.time.now)
        room.go_to(room.time.now + 1000)
        worn.poll(room.time.now)
    assert room.told()[-1] == (EventKind.WORN, 0)
    assert worn.is_worn


def test_a_strap_counts_when_it_has_been_open_for_ten_seconds(room):
    strap = Line(0)
    worn = Worn(0, 0.012, 120, strap, room.backlog)

    def run(seconds, level):
        strap.level = level
        for _ in range(10 * seconds):
            room.go_to(room.time.now + 100)
            worn.poll(room.time.now)

    run(8 * 3600, 0)  # however still: the strap is closed
    run(9, 1)
    run(1, 0)
    run(9, 1)
    assert worn.is_worn
    run(2, 1)
    assert not worn.is_worn
    run(11, 0)
    assert worn.is_worn
    assert [kind for kind, _ in room.told()] == [EventKind.NOT_WORN, EventKind.WORN]


# Safe mode


def boots(root, *rows):
    """Boot as often as there are rows of (reset cause, last words); return the last."""
    for cause, words in rows:
        mode = SafeMode(str(root), cause, words)
    return mode


FAILED = (3, "")
TASK = (5, "task sampler acc: ValueError()")


def test_five_failures_one_after_the_other_are_safe_mode_and_ten_minutes_end_it(tmp_path):
    assert not boots(tmp_path, FAILED, TASK, FAILED, TASK).is_on
    mode = boots(tmp_path, FAILED)
    assert mode.is_on
    assert not mode.poll(safe_mode.STEADY_MS - 1)
    assert mode.poll(safe_mode.STEADY_MS)
    assert not mode.poll(safe_mode.STEADY_MS + 1)
    assert not boots(tmp_path, (5, "asked: safe mode is over")).is_on
    assert boots(tmp_path, FAILED, FAILED).is_on


def test_a_unit_switched_off_and_on_is_never_safe_and_lives_its_failures_down(tmp_path):
    assert not boots(tmp_path, *[(1, "")] * 20).is_on
    assert not boots(tmp_path, *[(5, "asked by the agent")] * 20).is_on
    assert not boots(tmp_path, *[FAILED] * 4).poll(safe_mode.STEADY_MS)
    assert not boots(tmp_path, *[FAILED] * 4).is_on
    (tmp_path / "failures.json").write_text(json.dumps({"count": 99}))  # without its checksum
    assert not boots(tmp_path, (1, "")).is_on
