"""The disk fails: alarms go out from memory, nothing accepted is forgotten, and back again."""

import os
import sqlite3
import subprocess
import time

import pytest

from edge_agent.alarm.alarm import State
from edge_agent.evaluate.costs.bad_disk import Fault
from edge_agent.outbox import outbox as outbox_module
from edge_agent.outbox import trimming
from edge_agent.outbox.connection import DiskError, _translated
from edge_agent.outbox.rows import Batch, Health, Known, OutboxError, Telemetry, UnitEvent
from tests.test_outbox import make_alarm, make_outbox

REASONS = {
    Fault.FULL: "the disk is full",
    Fault.READ_ONLY: "the file system or the file is read-only",
    Fault.WRITE: "the disk does not read or write (I/O error)",
    Fault.SYNC: "the disk does not read or write (I/O error)",
    Fault.READ: "the disk does not read or write (I/O error)",
}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (sqlite3.SQLITE_CANTOPEN, "the database cannot be opened"),
        (sqlite3.SQLITE_PERM, "no permission"),
        (sqlite3.SQLITE_NOMEM, "out of memory"),
        (sqlite3.SQLITE_BUSY, "another program holds the database"),
        (sqlite3.SQLITE_LOCKED, "another program holds the database"),
        (sqlite3.SQLITE_PROTOCOL, "another program holds the database"),
    ],
)
def test_what_is_no_damage_is_said_in_words_and_may_pass(code, reason):
    error = sqlite3.OperationalError("whatever SQLite says")
    error.sqlite_errorcode = code | 1 << 8  # an extended code: the low byte counts
    with pytest.raises(DiskError) as caught, _translated:
        raise error
    assert type(caught.value) is DiskError
    assert str(caught.value) == reason


def names(rows):
    return [(row.alarm_id, row.event) for row in rows]


@pytest.mark.parametrize("fault", REASONS)
async def test_a_disk_that_fails_is_said_and_alarms_go_on_in_the_same_order(
    disk, watch, tmp_path, fault
):
    home = watch(tmp_path / "o.db")
    outbox = home.outbox
    await outbox.open()
    assert await outbox.put(Batch([make_alarm("lost", condition="unit_lost")]), 1.0)
    assert await outbox.put(Batch([make_alarm("f", 1)], [UnitEvent("u", b"8" * 8, 1, "f")]), 2.0)
    disk.fault = fault
    batch = Batch([make_alarm("f", 2, State.CONFIRMED)], [UnitEvent("u", b"8" * 8, 2, "f")])
    assert await outbox.put(batch, 3.0) is False

    assert await home.next_health() == Health(trouble=REASONS[fault])
    assert names(await outbox.pending("mqtt", 9)) == [("f", 1), ("f", 2), ("lost", 1)]
    assert await outbox.knows("u", b"8" * 8, 1) == Known("f", is_durable=True)
    assert await outbox.knows("u", b"8" * 8, 2) == Known("f", is_durable=False)

    disk.fault = Fault.NONE
    while (health := await home.next_health()).trouble:
        pass  # it was tried before that, too
    assert health == Health()
    assert await outbox.knows("u", b"8" * 8, 2) == Known("f", is_durable=True)
    assert await outbox.put(Batch([make_alarm("f", 3, State.RECOVERED)]), 4.0)
    await outbox.close()

    outbox = make_outbox(tmp_path / "o.db")
    stored = await outbox.open()
    assert names(await outbox.pending("mqtt", 9)) == [("f", 1), ("f", 2), ("f", 3), ("lost", 1)]
    assert {a.alarm_id: a.last.event for a in stored.alarms} == {"lost": 1, "f": 3}
    await outbox.close()


@pytest.mark.parametrize("writes", range(12))
async def test_a_fault_in_the_middle_of_a_commit_leaves_it_whole_in_memory(
    disk, watch, tmp_path, writes
):
    home = watch(tmp_path / "o.db")
    await home.outbox.open()
    await home.outbox.put(Batch([make_alarm("a")]), 1.0)
    disk.after, disk.fault = writes, Fault.WRITE
    batch = Batch([make_alarm("b"), make_alarm("c")], [UnitEvent("u", b"8" * 8, 1, "c")])
    durable = await home.outbox.put(batch, 2.0)

    assert names(await home.outbox.pending("mqtt", 9)) == [("a", 1), ("b", 1), ("c", 1)]
    assert await home.outbox.knows("u", b"8" * 8, 1) == Known("c", is_durable=durable)
    disk.fault = Fault.NONE
    await home.outbox.close()
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    assert names(await outbox.pending("mqtt", 9)) == [("a", 1), ("b", 1), ("c", 1)]
    await outbox.close()


async def test_what_is_accepted_from_memory_stays_accepted_on_disk(disk, watch, tmp_path):
    home = watch(tmp_path / "o.db", ("mqtt", "http"))
    outbox = home.outbox
    await outbox.open()
    await outbox.put(Batch([make_alarm("before")]), 1.0)
    (before,) = await outbox.pending("mqtt", 1)  # in flight while the disk fails
    disk.fault = Fault.FULL
    await outbox.put(Batch([make_alarm("during")]), 2.0)
    assert await outbox.put(Batch(accepted=[("mqtt", before.row)]), 3.0) is False
    (during,) = await outbox.pending("mqtt", 9)  # in flight while the disk comes back
    assert during.alarm_id == "during"
    disk.fault = Fault.NONE
    while not (await home.next_health()).is_durable:
        pass
    assert await outbox.put(Batch(accepted=[("mqtt", during.row)]), 4.0)

    await outbox.close()
    outbox = make_outbox(tmp_path / "o.db", ("mqtt", "http"))
    await outbox.open()
    assert await outbox.backlog() == {"mqtt": 0, "http": 2}
    await outbox.close()


async def test_a_number_that_means_another_row_after_the_return_closes_only_its_own_event(
    disk, watch, tmp_path
):
    """The disk cannot be read at all when the agent starts: memory counts from one again."""
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    await outbox.put(Batch([make_alarm("mine")]), 1.0)
    await outbox.close()

    disk.fault = Fault.READ
    hidden = (tmp_path / "o.db").rename(tmp_path / "hidden")
    (tmp_path / "o.db").mkdir()  # nothing can be opened there, nor read
    home = watch(tmp_path / "o.db")
    await home.outbox.open()
    await home.outbox.put(Batch([make_alarm("new")]), 2.0)
    (new,) = await home.outbox.pending("mqtt", 9)
    assert new.row == 1
    (tmp_path / "o.db").rmdir()
    hidden.rename(tmp_path / "o.db")
    disk.fault = Fault.NONE
    health = await home.next_health()
    while not health.is_durable:
        health = await home.next_health()

    assert health.must_restart  # 'mine' is open, and this run has never seen it
    await home.outbox.put(Batch(accepted=[("mqtt", new.row)]), 3.0)
    assert names(await home.outbox.pending("mqtt", 9)) == [("mine", 1)]
    await home.outbox.close()


async def test_a_read_only_file_system_at_start_is_read_out_and_its_alarms_go_out(
    disk, watch, tmp_path
):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    await outbox.put(Batch([make_alarm("a")], [UnitEvent("u", b"8" * 8, 1, "a")]), 5.0)
    await outbox.close()
    disk.fault = Fault.READ_ONLY
    home = watch(tmp_path / "o.db")
    stored = await home.outbox.open()

    assert [alarm.alarm_id for alarm in stored.alarms] == ["a"]
    assert stored.latest_utc_s == 5.0
    assert (await home.next_health()).trouble == REASONS[Fault.READ_ONLY]
    assert names(await home.outbox.pending("mqtt", 9)) == [("a", 1)]
    disk.fault = Fault.NONE
    health = await home.next_health()
    assert health.is_durable
    assert not health.must_restart
    await home.outbox.close()


async def test_a_database_that_is_deleted_under_a_running_agent_is_written_again(
    watch, tmp_path, caplog
):
    home = watch(tmp_path / "o.db")
    await home.outbox.open()
    await home.outbox.put(Batch([make_alarm("a")]), 1.0)
    (row,) = await home.outbox.pending("mqtt", 1)
    await home.outbox.put(Batch([make_alarm("b")], accepted=[("mqtt", row.row)]), 2.0)
    for name in ("o.db", "o.db-wal", "o.db-shm"):
        (tmp_path / name).unlink()
    await home.outbox.put(Batch([make_alarm("c")]), 3.0)

    assert (await home.next_health()).trouble == "No such file or directory"
    assert (await home.next_health()).is_durable
    assert caplog.messages == [
        "outbox: No such file or directory; alarms go out from memory",
        "outbox: on disk again",
    ]
    await home.outbox.close()
    outbox = make_outbox(tmp_path / "o.db")
    stored = await outbox.open()
    assert {alarm.alarm_id for alarm in stored.alarms} == {"a", "b", "c"}
    assert names(await outbox.pending("mqtt", 9)) == [("b", 1), ("c", 1)]
    await outbox.close()


async def test_memory_is_bounded_telemetry_first_then_the_sent_then_the_least_urgent(
    disk, watch, tmp_path, monkeypatch
):
    monkeypatch.setattr(trimming, "MEMORY_EVENTS", 20)
    monkeypatch.setattr(trimming, "MEMORY_TELEMETRY", 5)
    home = watch(tmp_path / "o.db")
    outbox = home.outbox
    await outbox.open()
    disk.fault = Fault.FULL
    await outbox.put(Batch(telemetry=[Telemetry("t", b"%d" % n) for n in range(9)]), 1.0)
    assert len(await outbox.telemetry("mqtt", 9)) == 5
    for n in range(10):
        await outbox.put(Batch([make_alarm(f"low{n}", condition="unit_lost")]), 1.0)
    for row in await outbox.pending("mqtt", 4):
        await outbox.put(Batch(accepted=[("mqtt", row.row)]), 2.0)
    for n in range(18):
        await outbox.put(Batch([make_alarm(f"fall{n}")]), 3.0)

    assert outbox.health == Health(trouble="the disk is full", dropped=4)
    waiting = [row.alarm_id for row in await outbox.pending("mqtt", 99)]
    assert waiting == [f"fall{n}" for n in range(18)] + ["low8", "low9"]
    disk.fault = Fault.NONE
    await outbox.close()


async def test_trouble_is_told_on_change_only(disk, watch, tmp_path):
    home = watch(tmp_path / "o.db")
    await home.outbox.open()
    disk.fault = Fault.FULL
    for n in range(5):
        await home.outbox.put(Batch([make_alarm(f"a{n}")]), 1.0)
        await home.outbox._return_to_disk()
    assert await home.next_health() == Health(trouble="the disk is full")
    disk.fault = Fault.WRITE
    await home.outbox._return_to_disk()
    assert await home.next_health() == Health(trouble=REASONS[Fault.WRITE])
    assert not home.said_more()
    disk.fault = Fault.NONE
    await home.outbox.close()


async def test_a_disk_that_hangs_holds_no_alarm_back_and_gets_all_of_them_when_it_answers(
    disk, watch, tmp_path, monkeypatch
):
    monkeypatch.setattr(outbox_module, "STALL_S", 0.3)
    home = watch(tmp_path / "o.db")
    outbox = home.outbox
    await outbox.open()
    assert await outbox.put(Batch([make_alarm("before")]), 1.0)
    disk.hold.clear()
    unit_event = UnitEvent("u", b"8" * 8, 1, "hung")
    assert await outbox.put(Batch([make_alarm("hung")], [unit_event]), 2.0) is False
    assert await home.next_health() == Health(trouble="the disk does not answer")
    assert await outbox.put(Batch([make_alarm("after")]), 3.0) is False
    rows = await outbox.pending("mqtt", 9)
    assert names(rows) == [("hung", 1), ("after", 1)]
    assert await outbox.put(Batch(accepted=[("mqtt", rows[0].row)]), 3.0) is False
    assert await outbox.knows("u", b"8" * 8, 1) == Known("hung", is_durable=False)

    disk.hold.set()
    assert await home.next_health() == Health()
    assert await outbox.put(Batch([make_alarm("later")]), 4.0)
    disk.hold.clear()
    assert await outbox.put(Batch([make_alarm("again")]), 5.0) is False
    disk.hold.set()
    assert await home.next_health() == Health(trouble="the disk does not answer")
    assert await home.next_health() == Health()
    await outbox.close()
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    waiting = names(await outbox.pending("mqtt", 9))
    assert waiting == [("before", 1), ("after", 1), ("later", 1), ("again", 1)]
    assert await outbox.knows("u", b"8" * 8, 1) == Known("hung", is_durable=True)
    await outbox.close()


async def test_a_disk_that_never_answers_holds_up_no_ending_and_what_it_costs_is_said(
    disk, watch, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(outbox_module, "STALL_S", 0.1)
    outbox = watch(tmp_path / "o.db").outbox
    await outbox.open()
    disk.hold.clear()
    assert await outbox.put(Batch([make_alarm("a")]), 1.0) is False
    with pytest.raises(OutboxError, match=r"^memory does not answer$"):
        await outbox._do(lambda _: time.sleep(0.3))
    await outbox.close()
    assert caplog.messages == [
        "outbox: the disk does not answer; alarms go out from memory",
        "outbox: the disk never answered; what was only in memory is gone",
    ]


async def test_a_disk_that_hangs_while_it_is_tried_again_holds_no_alarm_back(disk, watch, tmp_path):
    home = watch(tmp_path / "o.db")
    await home.outbox.open()
    disk.fault = Fault.WRITE
    await home.outbox.put(Batch([make_alarm("a")]), 1.0)
    disk.hold.clear()
    disk.fault = Fault.NONE
    syncs = disk.syncs
    while disk.syncs == syncs:  # the opening hangs in its first fsync
        await home.outbox.put(Batch(facts={"a": b""}), 1.0)
    assert await home.outbox.put(Batch([make_alarm("b")]), 2.0) is False
    assert names(await home.outbox.pending("mqtt", 9)) == [("a", 1), ("b", 1)]
    disk.hold.set()
    health = await home.next_health()
    while not health.is_durable:
        health = await home.next_health()
    await home.outbox.close()
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    assert names(await outbox.pending("mqtt", 9)) == [("a", 1), ("b", 1)]
    await outbox.close()


async def test_the_last_free_space_is_for_alarms(tmp_path, monkeypatch):
    outbox = make_outbox(tmp_path / "o.db")
    await outbox.open()
    monkeypatch.setattr("edge_agent.outbox.failover.RESERVE_BYTES", 1 << 62)
    batch = Batch([make_alarm("a")], telemetry=[Telemetry("t", b"1")])
    assert await outbox.put(batch, 1.0)

    assert await outbox.telemetry("mqtt", 9) == []
    assert names(await outbox.pending("mqtt", 9)) == [("a", 1)]
    await outbox.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
async def test_a_real_file_system_of_400_kb_fills_up_is_emptied_and_takes_all_of_it(
    watch, tmp_path
):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this container may not mount")
    try:
        ballast = small / "ballast"
        ballast.write_bytes(bytes(80_000))
        home = watch(small / "o.db")
        await home.outbox.open()
        durable = [await home.outbox.put(Batch([make_alarm(f"a{n}")]), 1.0) for n in range(90)]
        assert durable[0]
        assert not durable[-1]
        assert (await home.next_health()).trouble == "the disk is full"
        assert len(await home.outbox.pending("mqtt", 99)) == 90
        subprocess.run(["mount", "-o", "remount,size=10M", str(small)], check=True)
        ballast.unlink()
        assert (await home.next_health()).is_durable
        await home.outbox.close()

        outbox = make_outbox(small / "o.db")
        assert len((await outbox.open()).alarms) == 90
        await outbox.close()
    finally:
        subprocess.run(["umount", str(small)], check=True)
