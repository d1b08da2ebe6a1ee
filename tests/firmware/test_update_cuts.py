"""An update on a flash that loses its power at any moment: real littlefs, every write."""

import hashlib
import json
import subprocess

import pytest

from tests.firmware.programs import needs_tools, public_line, sign
from tests.firmware.vm import MICROPYTHON, ROOT, needs_vm, run_script

pytestmark = [pytest.mark.vm, needs_vm, needs_tools]


def small_bundle(folder, name, build):
    """Write a bundle of a few files, in slots of a flash of 320 kB."""
    files = {
        "firmware/app.py": bytes(5_000 + build),
        "firmware/update/slots.py": b"%d\n" % build * 300,
        "protocol/session.py": b"\xff" * 2_100,
    }
    first = {"version": "1", "build": build, "code": "py", "boards": ["linux"], "protocol": 1}
    rows = [[path, len(body), hashlib.sha256(body).hexdigest()] for path, body in files.items()]
    lines = [json.dumps(row).encode() + b"\n" for row in (first, *rows)]
    bundle = sign(lines, b"".join(files.values()))
    (folder / f"{name}.bundle").write_bytes(bundle.content)
    row = {"build": build, "front": bundle.front, "identity": bundle.identity.hex()}
    (folder / f"{name}.json").write_text(json.dumps(row))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cuts")
    small_bundle(folder, "old", 2)
    small_bundle(folder, "new", 3)
    (folder / "update.key").write_text(public_line("test"))
    return folder


def cut_everywhere(folder, when, first, step):
    """Return what came of a power cut at each `step`-th write, the last without one."""
    script = ROOT / "tests/firmware/scripts/update_cut.py"
    done = subprocess.run(
        [MICROPYTHON, "-X", "heapsize=8M", script, folder, str(first), str(step), when],
        env={"MICROPYPATH": f".frozen:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(("when", "first"), [("before", 1), ("half", 2), ("after", 3)])
def test_a_power_cut_leaves_a_good_version_and_the_update_goes_on(folder, when, first):
    """Every third write here, each in one of the three ways; all in all ways in `hil_tests`."""
    check_cuts(cut_everywhere(folder, when, first, 3))


def check_cuts(cuts):
    assert len(cuts) > 40
    assert not cuts[-1]["cut"]
    for cut in cuts:
        assert cut["ran"] == 2 or (cut["ran"] == 3 and (cut["trial"] or cut["good"])), cut
        assert (cut["last"], cut["good"], cut["failed"]) == (3, True, ""), cut
        assert cut["record"] == "a call", cut
    begun = [cut["begun"] for cut in cuts if cut["begun"] >= 0]
    assert len(set(begun)) > 4  # each went on from where the flash ended
    assert max(begun) > 8_000


def test_a_signature_is_verified_in_a_small_heap(tmp_path):
    bundle = sign([b"{}\n"], b"")
    (tmp_path / "front").write_bytes(bundle.content)
    (tmp_path / "update.key").write_text(public_line("test"))
    (cost,) = run_script("verify_cost.py", tmp_path, heap="48k")
    assert cost["good"]
    assert cost["bytes"] < 8_000
