"""How large a whole agent is: a process of its own with one bed, its line and broker away."""

import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

START_S = 30.0
SETTLE_S = 1.5
"""After it answers on its control socket: the loop turns, the line and the broker were tried."""


class AbsentError(Exception):
    """Something the measurement needs is not there; the row says what."""


@dataclass(frozen=True, slots=True)
class Resident:
    """A real agent process with one bed, its line away and its broker away."""

    rss_kb: int
    modules: list[str]
    """Of scipy, pandas, numba and sklearn those that it loaded: none."""


def measure_resident() -> Resident:
    """Return the resident size of `anzhen run` with one bed, a few seconds after its start.

    Raises:
        AbsentError: there is no /proc, or the agent did not come up.
    """
    if not Path("/proc/self/status").exists():
        raise AbsentError("no /proc")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "anzhen.toml"
        config.write_text(
            f'state_dir = "{folder}/state"\n[home]\nregion = "440106000000"\nhome = "bench"\n'
            '[[place]]\nid = "bedroom"\nzh = "卧室"\nen = "bedroom"\n'
            '[[unit]]\nid = "bed-1"\nport = "/nonexistent/port"\nplace = "bedroom"\n'
            'person = "p1"\nbed = "bed-1"\n'
            f'[mqtt]\nhost = "127.0.0.1"\nport = {free_port()}\n',
            "utf-8",
        )
        (Path(folder) / "state").mkdir()
        process = subprocess.Popen(  # noqa: S603 (our own interpreter)
            [sys.executable, "-m", "edge_agent", "run", "--config", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            socket_path = Path(folder) / "state" / "control.sock"
            wait_for(socket_path.exists, "the agent did not start")
            time.sleep(SETTLE_S)
            proc = Path("/proc") / str(process.pid)
            rss = re.search(r"VmRSS:\s+(\d+)", (proc / "status").read_text())
            maps = (proc / "maps").read_text()
        finally:
            process.terminate()
            process.wait()
    if rss is None:
        raise AbsentError("the agent ended")
    names = ("scipy", "pandas", "numba", "sklearn")
    return Resident(int(rss[1]), [name for name in names if f"/{name}/" in maps])


def wait_for(done: Callable[[], bool], complaint: str, within_s: float = START_S) -> None:
    """Wait until something is so.

    Raises:
        AbsentError: it did not become so, with the complaint.
    """
    deadline_s = time.monotonic() + within_s
    while not done():
        if time.monotonic() > deadline_s:
            raise AbsentError(complaint)
        time.sleep(0.05)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
