"""The state directory fills up under a running agent: real processes, a real small file system."""

import asyncio
import contextlib
import os
import subprocess

import pytest

from hil_tests.crash import Crash

SMALL, LARGE = "2M", "40M"


@pytest.fixture
def small(tmp_path):
    """Mount a file system of 2 MB as the state directory."""
    state = tmp_path / "state"
    state.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "none", str(state)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system")
    yield state
    subprocess.run(["umount", str(state)], check=True)


def fill(path):
    ballast = os.open(path, os.O_CREAT | os.O_WRONLY)
    with contextlib.suppress(OSError):
        while True:
            os.write(ballast, bytes(4096))
    os.close(ballast)


async def until(what, seconds=60.0):
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.05)


@pytest.mark.broker
@pytest.mark.timeout(180)
async def test_a_disk_that_fills_up_stops_no_alarm_and_no_unit_forgets_a_record(small, tmp_path):
    async with Crash(0, 1, tmp_path).running() as run:
        await until(lambda: len(run.unit.stored) >= 5)
        fill(small / "ballast")
        await until(lambda: any(e["condition"] == "storage_low" for e in run.heard_events()))
        stored = len(run.unit.stored)
        await asyncio.sleep(4)  # real processes: presses go on all the while
        assert len(run.unit.stored) == stored
        assert len(run.unit.made) > stored + 20

        subprocess.run(["mount", "-o", f"remount,size={LARGE}", str(small)], check=True)
        (small / "ballast").unlink()
        await run.drain()
    verdict = run.judge()
    assert verdict.is_clean, verdict
    states = [e["state"] for e in run.heard_events() if e["condition"] == "storage_low"]
    assert states[0] == "confirmed"
    assert states[-1] == "recovered"
    reasons = {e["reason"] for e in run.heard_events() if e["condition"] == "storage_low"}
    assert "the disk is full" in reasons
