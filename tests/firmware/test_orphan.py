"""`anzhen unit` killed with SIGKILL leaves no VM behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.firmware.vm import needs_vm

pytestmark = [pytest.mark.vm, needs_vm]

START_S = 20.0
GONE_S = 10.0


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended may wait for somebody to note it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(is_so, limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if is_so():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_unit_ends_with_who_started_it(tmp_path: Path, sent: signal.Signals) -> None:
    command = [sys.executable, "-m", "edge_agent", "unit", "bed"]
    command += ["--port", str(tmp_path / "port"), "--flash", str(tmp_path / "flash")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as parent:
        assert wait_until(lambda: children(parent.pid), START_S)
        (vm,) = children(parent.pid)
        booted = tmp_path / "flash" / "flash" / "boot.json"
        assert wait_until(booted.exists, START_S)
        assert not wait_until(lambda: not is_alive(vm), 2.0)  # it runs while its parent does
        os.kill(parent.pid, sent)
        parent.wait(START_S)
        assert wait_until(lambda: not is_alive(vm), GONE_S)
