"""The signal path: what a unit says becomes causes, with honest times."""

import struct

import numpy as np
import pytest

from edge_agent.clock import Instant, Quality
from edge_agent.config.file import Config
from edge_agent.config.home import HomeConfig, PlaceConfig, UnitConfig
from edge_agent.home.cause import Cause, Noted, Over
from edge_agent.home.home import Home
from edge_agent.pipeline.findings import BedNews, UnitNews
from edge_agent.pipeline.pipeline import Pipeline
from edge_agent.unit import LinkLost, Received
from protocol.messages import Event, EventKind, Hello, Impact, Log, Reading, Samples, Status
from protocol.quantities import ACCELERATION, LOAD
from protocol.session import ClockSample, LinkDown
from tests.detect.synthetic import fall

pytestmark = pytest.mark.fast

BOOT, OLD_BOOT = b"bootboot", b"oldboot."
UTC_S = 1_795_400_000.0


def at(second: float) -> Instant:
    return Instant(1000.0 + second, UTC_S + second, Quality.NTP)


def make_pipeline() -> Pipeline:
    config = Config(
        home=HomeConfig(region="640302001001", home="h1"),
        place=[PlaceConfig(id="room", zh="卧室", en="bedroom")],
        unit=[UnitConfig(id="bed-1", port="x", place="room", person="p1", bed="b1")],
    )
    return Pipeline(config, Home(config), "boot", at(0))


def greeted() -> Pipeline:
    pipeline = make_pipeline()
    pipeline.take(
        Received("bed-1", Hello("bed-1", BOOT, 1, b"n" * 8, uptime_ms=5000), 1005.0), at(5)
    )
    return pipeline


def take(pipeline: Pipeline, message: object, second: float):
    return pipeline.take(Received("bed-1", message, 1000.0 + second), at(second))


def test_an_event_gets_its_onset_from_the_units_uptime():
    (cause,) = take(greeted(), Event(BOOT, 1, EventKind.CALL_PRESSED, 3, 7500), 60)

    assert isinstance(cause, Cause)
    assert (cause.condition, cause.onset_utc_s) == ("call", UTC_S + 7.5)
    assert (cause.person, cause.unit, cause.place[0]) == ("p1", "bed-1", "room")
    assert cause.origin is not None and cause.origin.seq == 1
    assert cause.reason is None


def test_an_event_of_an_earlier_boot_uses_its_utc_and_else_says_that_nobody_knows():
    pipeline = greeted()
    utc_ms = round((UTC_S - 600) * 1000)
    (known,) = take(pipeline, Event(OLD_BOOT, 1, EventKind.CALL_PRESSED, 3, 10, utc_ms), 60)
    (unknown,) = take(pipeline, Event(OLD_BOOT, 2, EventKind.CALL_PRESSED, 3, 10), 60)
    (future,) = take(pipeline, Event(OLD_BOOT, 3, EventKind.CALL_PRESSED, 3, 10, 2**47), 60)

    assert known.onset_utc_s == UTC_S - 600
    assert known.reason is None
    assert unknown.onset_utc_s == UTC_S + 60
    assert unknown.reason == "kept from an earlier boot of the unit; when it happened is not known"
    assert future.onset_utc_s == UTC_S + 60


def test_a_modules_own_fall_flag_is_a_fall_and_its_end_is_no_recovery():
    pipeline = greeted()
    (seen,) = take(pipeline, Event(BOOT, 1, EventKind.FALL_SEEN, 6, 6000), 10)
    (over,) = take(pipeline, Event(BOOT, 2, EventKind.FALL_OVER, 6, 9000), 10)

    assert (seen.condition, seen.onset_utc_s) == ("fall", UTC_S + 6.0)
    assert isinstance(over, Noted)


def test_events_without_an_alarm_are_noted_so_that_they_are_acknowledged():
    pipeline = greeted()
    (released,) = take(pipeline, Event(BOOT, 1, EventKind.CALL_RELEASED, 3, 6000), 10)
    (strange,) = take(pipeline, Event(BOOT, 2, 200, 3, 6000), 10)
    (mended,) = take(pipeline, Event(BOOT, 3, EventKind.CORD_RESTORED, 3, 6000), 10)

    assert isinstance(released, Noted) and isinstance(strange, Noted)
    assert isinstance(mended, Over)
    assert (mended.condition, mended.subject, mended.origin.seq) == ("cord_cut", "bed-1", 3)


def blocks_of_a_fall(until_s: float) -> list[Samples]:
    """A synthetic fall, its impact 4 s after uptime 5 s, in blocks of 100 ms."""
    scale = 0.012
    counts = np.round(fall() / scale).astype("<i2")
    return [
        Samples(ACCELERATION.code, 0, 5000 + 10 * i, i, 10_000, scale, 3, counts[i : i + 10].tobytes())
        for i in range(0, round(until_s * 100), 10)
    ]  # fmt: skip


def play(pipeline: Pipeline, blocks: list[Samples]) -> list[object]:
    findings = []
    for block in blocks:
        second = block.uptime_ms / 1000 + 0.1
        findings += take(pipeline, block, second)
        findings += pipeline.poll(at(second))
    return findings


def test_a_fall_is_found_among_live_blocks_with_its_true_onset():
    (cause,) = play(greeted(), blocks_of_a_fall(9.0))

    assert cause.condition == "fall"
    assert cause.onset_utc_s == pytest.approx(UTC_S + 9.0, abs=0.03)
    assert cause.person == "p1"


@pytest.mark.parametrize("end", ["silence", "reboot"])
def test_a_fall_just_before_the_blocks_end_is_decided_by_silence_and_by_a_reboot(end):
    pipeline = greeted()
    assert play(pipeline, blocks_of_a_fall(4.4)) == []
    if end == "silence":
        found = pipeline.tick(at(10.6))
    else:
        found = take(pipeline, Hello("bed-1", b"nextboot", 2, b"n" * 8, uptime_ms=900), 12)
    cause = found[0]

    assert cause.condition == "fall"
    assert cause.onset_utc_s == pytest.approx(UTC_S + 9.0, abs=0.03)


def test_a_quiet_impact_is_noted():
    data = struct.pack("<3h", 0, 0, 1333) * 800
    impact = Impact(BOOT, 9, 0, 1, 0, 5000, 8000, 0, 10_000, 0.012 * 9.80665 / 16, 3, data)
    (noted,) = take(greeted(), impact, 20)

    assert isinstance(noted, Noted)
    assert noted.origin.seq == 9


def test_load_cells_tell_when_the_bed_is_left():
    pipeline = greeted()
    news = []
    for n in range(60):
        kg = 60.0 if n < 40 else 0.0
        data = struct.pack("<h", round(kg * 100))
        block = Samples(LOAD.code, 2, 5000 + 100 * n, n, 100_000, 0.01, 1, data)
        news += take(pipeline, block, 5 + n / 10)

    assert [(item.occupied, item.bed) for item in news if isinstance(item, BedNews)] == [
        (True, "b1"), (False, "b1"),
    ]  # fmt: skip
    assert [item.subject for item in news if isinstance(item, Over)] == ["p1"]


def test_a_lost_line_is_told_once_and_over_with_the_next_greeting():
    pipeline = greeted()
    first = take(pipeline, LinkLost("unplugged"), 20)
    again = take(pipeline, LinkDown(), 80)
    back = take(pipeline, Hello("bed-1", BOOT, 1, b"n" * 8, uptime_ms=90_000), 90)

    assert [type(item) for item in first] == [UnitNews, Cause]
    assert (first[1].condition, first[1].reason) == ("unit_lost", "unplugged")
    assert again == []
    assert [type(item) for item in back] == [UnitNews, Over]


def test_a_unit_that_never_says_a_word_is_lost_after_a_minute():
    pipeline = make_pipeline()

    assert pipeline.tick(at(59)) == []
    _, cause = pipeline.tick(at(60))
    assert (cause.condition, cause.reason) == ("unit_lost", "no word from the unit")
    assert pipeline.tick(at(120)) == []
    (unprotected,) = pipeline.tick(at(900))
    assert (unprotected.condition, unprotected.person) == ("protection_lost", "p1")
    assert unprotected.reason == "no working source for falls or calls among bed-1"


def test_a_cut_cord_protects_nobody_until_it_is_mended():
    pipeline = greeted()
    take(pipeline, Event(BOOT, 1, EventKind.CORD_CUT, 3, 6000), 6)
    for second in range(10, 890, 10):
        assert pipeline.tick(at(second)) == []
    (lost,) = pipeline.tick(at(901))
    take(pipeline, Event(BOOT, 2, EventKind.CORD_RESTORED, 3, 910_000), 910)
    (back,) = pipeline.tick(at(911))

    assert (lost.condition, lost.reason) == (
        "protection_lost", "no working source for falls or calls among bed-1",
    )  # fmt: skip
    assert (back.condition, back.subject) == ("protection_lost", "p1")


def test_acceleration_at_a_rate_that_nobody_can_judge_is_a_sensor_fault():
    pipeline = greeted()
    (live,) = take(pipeline, Samples(ACCELERATION.code, 0, 0, 0, 5_000_000, 0.1, 3, bytes(60)), 6)
    (late,) = take(pipeline, Impact(BOOT, 4, 0, 1, 0, 0, 0, 0, 5_000_000, 0.1, 3, bytes(60)), 7)

    assert (live.condition, live.reason) == (
        "sensor_fault", "acceleration at 0.2 Hz cannot be judged",
    )  # fmt: skip
    assert (late.condition, late.origin.seq) == ("sensor_fault", 4)


@pytest.mark.parametrize(
    "message",
    [
        Samples(ACCELERATION.code, 0, 2**48 - 1, 2**32 - 1, 500, 9e5, 3, b"\x7f\x80" * 300),
        Samples(ACCELERATION.code, 0, 0, 0, 60_000_000, 1.0, 3, bytes(60)),
        Samples(99, 0, 0, 0, 10_000, 1.0, 3, bytes(60)),
        Samples(LOAD.code, 0, 0, 0, 10_000, 1.0, 3, bytes(60)),
        Samples(LOAD.code, 0, 2**48 - 1, 2**32 - 1, 500, 1e5, 1, bytes(1000)),
        Impact(BOOT, 1, 0, 1, 0, 0, 0, 0, 10_000, 1.0, 1, bytes(60)),
        Impact(BOOT, 1, 0, 1, 0, 2**48 - 1, 0, 2**48 - 1, 60_000_000, 9e5, 3, b"\x7f" * 600),
        Reading(99, 0, 0, 1.0),
        Status(0),
        Log(255, 0, "boo"),
        ClockSample(0, 0, 2**48 - 1),
        object(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_strange_but_well_formed_messages_end_nothing(message):
    pipeline = greeted()
    for second in (6, 7, 8):
        take(pipeline, message, second)
        pipeline.tick(at(second + 0.5))
    (cause,) = take(pipeline, Event(BOOT, 77, EventKind.CALL_PRESSED, 3, 7500), 60)
    assert cause.condition == "call"
