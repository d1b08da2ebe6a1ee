"""The power goes at any instant: nothing that was said to be stored is missing.

Every write between SQLite and the files is written down, with a mark where `put` returned. Then
the power is cut at every place in that log. What was synced is there; of what was written since,
anything may be: all, nothing, some of it, sectors of it, in any order. From each such
state the outbox must open and hold all that was marked before.
"""

import os
import random
import shutil
from contextlib import nullcontext
from pathlib import Path
from tempfile import mkdtemp

import pytest

from edge_agent.alarm.alarm import State
from edge_agent.outbox import connection
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Batch, Telemetry, UnitEvent
from tests.test_outbox import make_alarm, make_outbox

SHARE = float(os.environ.get("POWER_CUT_SHARE", "0.1"))
"""Which part of all states is opened; 1 takes a minute or two."""
SECTOR = 512
ALARMS = 40


async def steady_work(path, disk):
    """Store 40 alarms and their verdicts over several checkpoints and a restart."""
    outbox = Outbox(path, ["mqtt"], nullcontext)
    await outbox.open()
    for n in range(ALARMS):
        if n == ALARMS // 2:
            await outbox.close()
            outbox = Outbox(path, ["mqtt"], nullcontext)
            await outbox.open()
        unit_event = UnitEvent("u", b"bootboot", n, f"a{n}")
        await outbox.put(Batch([make_alarm(f"a{n}")], [unit_event]), 1.0)
        disk.mark(f"stored a{n} 1")
        await outbox.put(Batch([make_alarm(f"a{n}", 2, State.CONFIRMED)]), 2.0)
        disk.mark(f"stored a{n} 2")
        if n % 3 == 0:
            (row,) = await outbox.pending("mqtt", 1)
            disk.mark(f"published {row.alarm_id} {row.event}")
            batch = Batch(accepted=[("mqtt", row.row)], telemetry=[Telemetry("t", b"1")])
            await outbox.put(batch, 3.0)
    await outbox.close()


class Cut:
    """What the disk may hold when the power goes: synced bytes, and writes since."""

    def __init__(self):
        self._synced = {}
        self._since = {}

    def step(self, operation):
        if operation.kind == "sync":
            if operation.path not in self._synced:
                self._sync_folder()
            for each in self._since.pop(operation.path, []):
                apply(self._synced, each)
        elif operation.kind != "mark":
            self._since.setdefault(operation.path, []).append(operation)

    def _sync_folder(self):
        """Bring names to disk, as SQLite does with the first sync of a new journal or log."""
        for path, operations in self._since.items():
            deleted = [n for n, each in enumerate(operations) if each.kind == "delete"]
            if deleted:
                self._synced.pop(path, None)
                self._since[path] = operations[deleted[-1] + 1 :]

    def states(self, rng):
        """Yield (what, files by path) for a cut now."""
        since = [each for operations in self._since.values() for each in operations]
        yield "everything", self._with(since)
        if since:
            yield "nothing", self._with([])
            yield "a prefix", self._with(since[: rng.randrange(len(since))])
            yield "some", self._with([each for each in since if rng.random() < 0.5])
            yield "torn", self._with([part for each in since for part in torn(each, rng)])
            some = [part for each in since for part in torn(each, rng)]
            rng.shuffle(some)
            yield "torn and out of order", self._with(some)

    def _with(self, operations):
        """Apply some of the writes; those to a new file of the same name need the old one gone."""
        files = {path: bytearray(data) for path, data in self._synced.items()}
        gone = {each.path for each in operations if each.kind == "delete"}
        for path, all_since in self._since.items():
            if path not in gone and any(each.kind == "delete" for each in all_since):
                operations = [each for each in operations if each.path != path]
        for each in operations:
            apply(files, each)
        return files


def apply(files, operation):
    if operation.kind == "delete":
        files.pop(operation.path, None)
        return
    data = files.setdefault(operation.path, bytearray())
    end = operation.offset + len(operation.data)
    if operation.kind == "truncate":
        del data[operation.offset :]
    elif end > len(data):
        data.extend(bytes(end - len(data)))
    if operation.kind == "write":
        data[operation.offset : end] = operation.data


def torn(operation, rng):
    """Return the sectors of a write that made it to the disk."""
    if operation.kind != "write":
        return [operation]
    return [
        type(operation)(
            "write", operation.path, operation.offset + at, operation.data[at : at + SECTOR]
        )
        for at in range(0, len(operation.data), SECTOR)
        if rng.random() < 0.6
    ]


@pytest.mark.timeout(300)
async def test_nothing_accepted_is_missing_after_a_power_cut_at_any_write(
    disk, tmp_path, monkeypatch
):
    monkeypatch.setattr(connection, "CHECKPOINT_PAGES", 40)
    await steady_work(tmp_path / "real" / "o.db", disk)
    log = [op for op in disk.log if not op.path.endswith("-shm")]
    disk.log.clear()
    assert sum(op.kind == "sync" and op.path.endswith("o.db") for op in log) >= 4  # checkpoints

    memory = Path("/dev/shm")  # the states need no real fsync
    folder = Path(mkdtemp(dir=memory if memory.is_dir() else tmp_path))
    rng = random.Random(7)
    cut, stored, published, states = Cut(), set(), set(), 0
    for at, operation in enumerate(log):
        cut.step(operation)
        if operation.kind == "mark":
            word, name, event = operation.path.split()
            (stored if word == "stored" else published).add((name, int(event)))
            continue
        for what, files in cut.states(rng):
            if rng.random() < SHARE:
                states += 1
                await check(folder, files, stored, published, f"{what} at {at}")
    shutil.rmtree(folder)
    print(f"{states} states of {len(log)} operations opened")
    assert states > 4000 * SHARE


async def check(folder, files, stored, published, where):
    for path in folder.iterdir():
        path.unlink()
    for path, data in files.items():
        (folder / path.rsplit("/", 1)[-1]).write_bytes(data)
    outbox = make_outbox(folder / "o.db")
    alarms = {alarm.alarm_id: alarm.last.event for alarm in (await outbox.open()).alarms}
    assert outbox.health.trouble is None, where
    assert outbox.health.repaired is None, where
    waiting = {(row.alarm_id, row.event) for row in await outbox.pending("mqtt", 999)}
    for name, event in stored:
        assert alarms[name] >= event, where
        assert (name, event) in waiting | published, where
        if event == 1:
            assert await outbox.knows("u", b"bootboot", int(name[1:])), where
    await outbox.close()
