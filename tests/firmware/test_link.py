"""The line to the agent: away, back, hung up, unread, full of rubbish; and reboots."""

import os
import select
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from protocol.edge_session import EdgeSession
from protocol.messages import Event, EventKind, Hello, Impact, Log, Samples, Stage, Status, TimeSync
from protocol.quantities import ACCELERATION
from tests.firmware.vm import HEAP, UTC_MS, needs_vm, steady

pytestmark = [pytest.mark.vm, needs_vm]

PRESS_AT_5_S = [[0, 1], [5000, 0], [5300, 1]]


def test_a_fall_and_a_call_without_an_agent_are_delivered_when_it_comes(make_unit):
    unit = make_unit()
    counts = steady(12_000)
    counts[800:803, 2] = 4000
    unit.add_acc(counts)
    unit.host["pins"]["button"]["steps"] = PRESS_AT_5_S
    unit.listening = False
    unit.start()
    unit.advance(60_000)
    assert unit.outputs()[:2] == [(5100, "light", 1), (5100, "buzzer", 1)]
    unit.listening = True
    unit.advance(7_000)
    assert unit.kinds() == [EventKind.CALL_PRESSED, EventKind.CALL_RELEASED]
    (impact,) = unit.of(Impact)
    assert np.array_equal(np.frombuffer(impact.data, "<i2").reshape(-1, 3), counts[500:1300])
    # its time became known with the link, before it was sent
    assert impact.utc_ms == UTC_MS + impact.trigger_ms
    blocks = unit.samples(ACCELERATION.code)
    assert blocks[-1].index + blocks[-1].count > 6600  # live again, and counted all along


def test_light_and_buzzer_come_first_also_with_a_full_backlog(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    steps = [[0, 1]]
    for press in range(70):  # more than the backlog holds
        steps += [[1000 + 400 * press, 0], [1200 + 400 * press, 1]]
    unit.host["pins"]["button"]["steps"] = [*steps, [200_000, 0], [200_500, 1]]
    unit.listening = False
    unit.start()
    unit.advance(201_000)
    assert len(list((unit.flash / "backlog").iterdir())) == 64
    before = [row for row in unit.outputs() if row[0] < 200_000]
    assert before[0] == (1100, "light", 1)
    unit.listening = True
    unit.advance(10_000)
    assert (
        unit.kinds().count(EventKind.CALL_PRESSED)
        + unit.kinds().count(EventKind.CALL_RELEASED)
        + unit.kinds().count(EventKind.BACKLOG_FULL)
        == 64
    )
    assert unit.of(Event)[0].uptime_ms < 1200  # the first call kept its time
    assert not list((unit.flash / "backlog").iterdir())


def test_a_new_agent_is_greeted_and_offered_what_the_old_one_did_not_store(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    unit.host["pins"]["button"]["steps"] = PRESS_AT_5_S
    unit.acknowledging = False
    unit.start()
    unit.advance(6_000)
    assert len(unit.of(Event)) >= 2
    unit.events.clear()
    unit.session = EdgeSession(b"another-")
    unit.acknowledging = True
    unit.advance(2_000)
    assert len(unit.of(Hello)) == 1
    assert unit.kinds() == [EventKind.CALL_PRESSED, EventKind.CALL_RELEASED]
    assert not list((unit.flash / "backlog").iterdir())


def test_a_call_survives_the_power_and_the_alarm_sounds_again(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    unit.host["pins"]["button"]["steps"] = [[0, 1], [5000, 0]]
    unit.listening = False
    unit.start()
    unit.advance(5_200)
    unit.kill()
    unit.outputs_path.unlink()
    unit.host["pins"]["button"]["steps"] = [[0, 1]]
    unit.listening = True
    unit.acknowledging = False
    unit.start()
    unit.advance(2_000)
    hello, event = unit.of(Hello)[0], unit.of(Event)[0]
    assert hello.boot_count == 2
    assert event.boot_id != hello.boot_id
    assert event.kind == EventKind.CALL_PRESSED
    assert abs(event.uptime_ms - 5050) <= 50
    assert unit.outputs()[0][0] < 200
    unit.session.acknowledge(event.boot_id, event.seq, 5)
    unit.advance(500)
    assert unit.outputs()[-2:] == [
        (unit.outputs()[-1][0], "light", 0),
        (unit.outputs()[-1][0], "buzzer", 0),
    ] or [row[2] for row in unit.outputs()[-2:]] == [0, 0]


def test_the_light_of_a_stored_call_comes_back_after_a_power_cut(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    unit.host["pins"]["button"]["steps"] = PRESS_AT_5_S
    unit.start()
    unit.advance(7_000)
    call = unit.of(Event)[0]
    unit.kill()
    unit.outputs_path.unlink()
    unit.host["pins"]["button"]["steps"] = [[0, 1]]
    unit.start()
    unit.advance(3_000)
    assert unit.outputs() == []
    unit.session.acknowledge(call.boot_id, call.seq, Stage.DISPATCHED)
    unit.advance(3_000)
    assert [row[1:] for row in unit.outputs()[:2]] == [("light", 1), ("buzzer", 1)]
    assert (unit.flash / "calls.json").exists()
    unit.session.acknowledge(call.boot_id, call.seq, Stage.ENDED)
    unit.advance(500)
    assert unit.outputs()[-1][2] == 0
    assert not (unit.flash / "calls.json").exists()


def test_the_uptime_goes_on_when_the_ticks_wrap(make_unit):
    unit = make_unit()
    unit.add_acc(steady(2000))
    unit.host["ticks_start_ms"] = 2**30 - 3000
    unit.host["pins"]["button"]["steps"] = PRESS_AT_5_S
    unit.start()
    unit.advance(10_000)
    blocks = unit.samples(ACCELERATION.code)
    assert blocks[-1].uptime_ms > 9_800
    for before, block in pairwise(blocks):
        assert block.index == before.index + before.count
        assert block.uptime_ms == before.uptime_ms + 10 * before.count
    assert abs(unit.of(Event)[0].uptime_ms - 5050) <= 50


def test_nobody_reads_the_line_for_minutes(make_unit):
    """A pty that takes no more bytes: nothing blocks, nothing grows, nothing is lost."""
    unit = make_unit()
    counts = steady(40_000)
    counts[10_000, 2] = counts[20_000, 2] = 4000
    unit.add_acc(counts)
    unit.start()
    unit.advance(5_000)
    unit.listening = False
    unit.advance(300_000)
    unit.listening = True
    unit.advance(20_000)
    assert len(unit.of(Impact)) == 2
    status = unit.of(Status)[-1]
    assert status.flags == 0
    assert status.dropped > 2_000
    assert status.heap_free > 60_000
    assert unit.samples(ACCELERATION.code)[-1].uptime_ms > 324_000
    assert unit.session.rejected == 0  # what was half written was finished


def test_rubbish_on_the_line_is_counted_and_harmless(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    unit.start()
    unit.advance(3_000)
    rubbish = bytes(np.random.default_rng(3).integers(0, 256, 3000, dtype=np.uint8))
    for start in range(0, len(rubbish), 500):
        unit.sent += os.write(unit.master, rubbish[start : start + 500])
        unit.advance(100)
    unit.advance(20_000)
    assert unit.of(Status)[-1].rejected > 5
    assert unit.of(Status)[-1].flags == 0
    assert len(unit.of(Samples)) > 200


def test_a_line_that_hangs_up_is_away_and_comes_back(make_real_time_unit):
    unit = make_real_time_unit()
    unit.add_acc(steady(100), hold=True)
    unit.host["pins"]["button"]["steps"] = [[0, 1], [1500, 0], [1800, 1]]
    unit.start()
    unit.run(lambda: len(unit.of(Samples)) > 3)
    unit.drop_line()
    cpu_before = _cpu_s(unit.process.pid)
    select.select([], [], [], 1.2)
    assert _cpu_s(unit.process.pid) - cpu_before < 0.4  # it does not spin
    unit.events.clear()
    unit.session = EdgeSession(b"another-")
    unit.make_line()
    unit.run(lambda: len(unit.of(Samples)) > 3 and len(unit.of(Event)) == 2)
    assert unit.of(Hello)
    assert unit.kinds() == [EventKind.CALL_PRESSED, EventKind.CALL_RELEASED]
    pressed = unit.of(Event)[0].uptime_ms
    assert unit.of(Hello)[0].uptime_ms > pressed  # it was pressed while the line was away


def test_a_stopped_unit_shows_what_its_fifo_lost(make_unit):
    """Stopped in virtual time: how long, and so what is lost, is known to the sample."""
    unit = make_unit()
    unit.add_acc(steady(3000))
    unit.start()
    unit.advance(3_000)
    unit.stall(800)
    unit.advance(13_000)
    blocks = unit.samples(ACCELERATION.code)
    jumps = []
    for before, block in pairwise(blocks):
        lost = block.index - before.index - before.count
        if lost:
            jumps.append(lost)
            assert block.count == 32
        x = np.frombuffer(block.data, "<i2").reshape(-1, 3)[:, 0]
        assert list(x) == [(block.index + _first_x(blocks) + k) % 1000 for k in range(len(x))]
    assert jumps == [80 - 32]  # so many came meanwhile, so many fit the FIFO
    assert unit.of(Status)[-1].overruns == 48


def _first_x(blocks):
    return int(np.frombuffer(blocks[0].data, "<i2")[0]) - blocks[0].index


def _cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_settings_that_do_not_check_are_told(make_unit):
    unit = make_unit(impact_limit_g=9)
    unit.add_acc(steady(100), hold=True)
    unit.start()
    unit.advance(2_000)
    (log,) = unit.of(Log)
    assert log.text == "settings: impact_limit_g: 9.0 is not between 1.2 and 2.5 (using defaults)"
    assert unit.of(Status)[0].flags == 1


def test_time_requests_are_answered_with_the_uptime(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    unit.start()
    unit.advance(40_000)
    assert unit.session.rejected == 0
    assert len([e for e in unit.events if type(e).__name__ == "ClockSample"]) >= 5
    assert not unit.of(TimeSync)


@pytest.mark.parametrize("profile", ["pendant", "bed", "bathroom", "room"])
def test_every_profile_fits_its_heap(make_unit, profile):
    unit = make_unit(profile=profile, accelerometer=True)
    unit.heap, unit.level = HEAP, 3
    counts = steady(12_000)
    counts[800::1200, 2] = 4000
    unit.add_acc(counts)
    unit.add_strip(np.arange(12_000) % 1000)
    unit.add_load(np.arange(1_200) * 100)
    unit.listening = False
    unit.start()
    unit.advance(100_000)
    unit.listening = True
    unit.advance(20_000)
    status = unit.of(Status)[-1]
    assert status.flags == 0, unit.explain()
    assert status.heap_free > 60_000
