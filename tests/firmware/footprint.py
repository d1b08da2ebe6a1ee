"""What the firmware costs, measured in the VM: `python -m tests.firmware.footprint`.

| column | what |
|---|---|
| flash | bytes of the `.mpy` files that the profile imports |
| heap | taken after a collection, three seconds after the start, with a call on the flash |
| least | the smallest heap of the VM in which all this still runs, to 4 kB |

A block of MicroPython's heap is four words: 32 bytes in the VM that the tests use, 16 on an ESP32.
So the heap is measured twice: in that VM, and in MicroPython's build for WebAssembly, whose words
have 32 bits and whose objects, blocks and tables are those of an ESP32. For this `node` is needed
and the npm package `@micropython/micropython-webassembly-pyscript`, in `node_modules` here or
where the variable MICROPYTHON_WASM says.

The unit runs on the ESP32's board file over a `machine` of next to nothing, from `.mpy` files
compiled as for a board. No agent is there; a session in progress adds about 2 kB. Not counted: what
a board has taken before our first import, asyncio and its drivers.

Names are a step in the cost: their pool doubles at 620 and 1260 of them, by 4.5 and by 9 kB. Where
the steps lie differs between boards, for each has other names in its ROM.

Known weakness: an ESP32's heap grows in pieces and fragments; its real high water is
`heap_low` in the unit's `Status`.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from edge_agent.update_bundle import compile_file
from tests.firmware.costs import encoding_costs
from tests.firmware.vm import MICROPYTHON, ROOT

PACKAGE = "@micropython/micropython-webassembly-pyscript"
SCRIPTS = ROOT / "tests/firmware/scripts"
PROFILES: dict[str, dict[str, object]] = {
    "pendant": {"profile": "pendant", "acc_rate_hz": 50, "battery_full_mv": 7000},
    "bed": {"profile": "bed"},
    "bathroom, MR60FDA2": {"profile": "bathroom", "radar": "mr60fda2"},
    "bathroom, R60AFD1": {"profile": "bathroom", "radar": "r60afd1"},
    "room, LD2450, PIR": {
        "profile": "room",
        "room_cord": True,
        "radar": "ld2450",
        "input_10": "pir",
    },
}
_HEAP = 512 * 1024
_STEP = 4096


def compile_all(folder: Path) -> None:
    """Compile the firmware as for a board."""
    for package in ("protocol", "firmware"):
        for source in sorted((ROOT / package).rglob("*.py")):
            if "lockstep" in source.parts:
                continue
            name = source.relative_to(ROOT)
            target = folder / name.with_suffix(".mpy")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(compile_file(source, name.as_posix()))


def run(code: Path, chosen: dict[str, object], heap: int) -> dict[str, object] | None:
    """Run a profile for three seconds; None when it did not fit."""
    with tempfile.TemporaryDirectory() as flash:
        (Path(flash) / "settings.json").write_text(json.dumps({"link": "uart"} | chosen))
        script = SCRIPTS / "footprint.py"
        done = subprocess.run(
            [MICROPYTHON, "-X", f"heapsize={heap}", script, flash],
            env={"MICROPYPATH": f".frozen:{code}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    if done.returncode or "MemoryError" in done.stderr:
        return None
    found: dict[str, object] = json.loads(done.stdout)
    return found if is_well(found) else None


def is_well(found: dict[str, object]) -> bool:
    """Return whether a unit ran as it should, with its call on the flash."""
    return not found["restarts"] and 0 in found["records"] and True not in found["samplers"]


def find_wasm() -> tuple[str, Path] | str:
    """Return node and the folder of MicroPython for WebAssembly, or why there is none."""
    node = shutil.which("node")
    folder = Path(os.environ.get("MICROPYTHON_WASM") or ROOT / "node_modules" / PACKAGE)
    if node is None:
        return "no node here"
    if not (folder / "micropython.mjs").exists():
        return f"no {PACKAGE} here: npm install it, or say in MICROPYTHON_WASM where it is"
    return node, folder


def run_in_32_bits(code: Path, chosen: dict[str, object]) -> dict[str, object]:
    """Run a profile for three seconds where words have 32 bits."""
    wasm = find_wasm()
    assert not isinstance(wasm, str), wasm
    settings = json.dumps({"link": "uart"} | chosen)
    scripts = SCRIPTS / "footprint32.mjs", SCRIPTS / "footprint.py"
    done = subprocess.run(
        [wasm[0], scripts[0], wasm[1], code, settings, scripts[1]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr[-2000:]
    found: dict[str, object] = json.loads(done.stdout)
    assert is_well(found), found
    return found


def weigh(code: Path, name: str) -> list[object]:
    """Return one profile's row."""
    found = run(code, PROFILES[name], _HEAP)
    assert found is not None, name
    flash = 0
    for module in found["modules"]:
        if module.startswith(("firmware", "protocol")):
            path = code / module.replace(".", "/")
            file = path.with_suffix(".mpy")
            flash += (file if file.exists() else path / "__init__.mpy").stat().st_size
    live = found["live"]
    low, high = live // _STEP, 2 * live // _STEP
    while high - low > 1:
        middle = (low + high) // 2
        if run(code, PROFILES[name], middle * _STEP) is None:
            low = middle
        else:
            high = middle
    narrow = "-" if isinstance(find_wasm(), str) else run_in_32_bits(code, PROFILES[name])["live"]
    return [name, flash, narrow, live, high * _STEP]


def main() -> None:
    """Print the table, and what encoding costs."""
    wasm = find_wasm()
    if isinstance(wasm, str):
        print(f"not measured in 32 bits: {wasm}\n")
    with tempfile.TemporaryDirectory() as folder:
        compile_all(Path(folder))
        print("| profile | flash | heap, 32 bits | heap, 64 bits | least, 64 bits |")
        print("|---|---|---|---|---|")
        for name in PROFILES:
            row = weigh(Path(folder), name)
            print("| " + " | ".join(str(value) for value in row) + " |", flush=True)
    for line in encoding_costs():
        print(line)


if __name__ == "__main__":
    main()
