"""What the firmware costs, measured in the VM: `python -m tests.firmware.footprint`.

| column | what |
|---|---|
| flash | bytes of the `.mpy` files that the profile imports |
| live | heap after a collection, three seconds after the start, with a call on the flash |
| half | live / 2: the rule of thumb, as a block is 32 bytes here and 16 on an ESP32 |
| careful | (live + bytes) / 2, see below |
| least | the smallest heap of the VM in which all this still runs, to 4 kB, and its half |

The unit runs on the ESP32's board file over a `machine` of next to nothing, from `.mpy` files
compiled as for a board. No agent is there; a session in progress adds about 2 kB.

**From 64 to 32 bits.** A block of MicroPython's heap is four words. Objects, dictionaries, tuples,
function objects and tables of names are words and halve, and so does the rounding up to blocks.
Bytecode, the letters of names, constants and buffers are bytes and do not halve: with B of those,
careful = B + (live - B) / 2. B is counted in the `.mpy` files, and by `micropython.qstr_info`.

Known weakness: an ESP32's heap grows in pieces and fragments; its real high water is
`heap_low` in the unit's `Status`.
"""

import json
import re
import subprocess
import tempfile
from pathlib import Path

from edge_agent.update_bundle import compile_file
from tests.firmware.costs import encoding_costs
from tests.firmware.vm import MICROPYTHON, ROOT

TARGET_KB = 90
PROFILES: dict[str, dict[str, object]] = {
    "pendant": {"profile": "pendant", "acc_rate_hz": 50, "battery_full_mv": 7000},
    "bed": {"profile": "bed"},
    "bathroom, MR60FDA2": {"profile": "bathroom", "radar": "mr60fda2"},
    "room, LD2450, PIR": {
        "profile": "room",
        "room_cord": True,
        "radar": "ld2450",
        "input_10": "pir",
    },
}
BUFFERS = {"pendant": 5500, "bed": 1500, "bathroom, MR60FDA2": 2000, "room, LD2450, PIR": 1600}
"""Bytes in arrays: the ring of the impact gate, blocks, contacts, receive buffers."""
_HEAP = 512 * 1024
_STEP = 4096


class Mpy:
    """A `.mpy` file, version 6: how much of it is bytecode and constants.

    Ref: MicroPython docs, "MicroPython .mpy files", section "Binary encoding of .mpy files".
    """

    def __init__(self, path: Path) -> None:
        self._data = path.read_bytes()
        assert self._data[:2] == b"M\x06", path
        self._at = 4
        names, constants = self._uint(), self._uint()
        for _ in range(names):
            length = self._uint()
            self._at += 0 if length & 1 else (length >> 1) + 1
        self.constants = sum(self._constant() for _ in range(constants))
        self.bytecode = self._code()
        assert self._at == len(self._data), path

    def _uint(self) -> int:
        value = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value

    def _constant(self) -> int:
        kind = self._data[self._at]
        self._at += 1
        if kind <= 4:  # a table, None, False, True, an ellipsis
            return 0
        length = self._uint()
        if kind == 10:
            return sum(self._constant() for _ in range(length))
        self._at += length + (kind in (5, 6))  # text and bytes end with a zero
        return length

    def _code(self) -> int:
        head = self._uint()
        assert head & 3 == 0, "native code"
        self._at += head >> 3
        return (head >> 3) + sum(self._code() for _ in range(self._uint() if head & 4 else 0))


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
        script = ROOT / "tests/firmware/scripts/footprint.py"
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
    found: dict[str, object] = json.loads(done.stdout.splitlines()[0])
    names = re.search(r"n_str_data_bytes=(\d+)", done.stdout)
    assert names is not None, done.stdout
    is_well = not found["restarts"] and 0 in found["records"]
    return found | {"names": int(names.group(1))} if is_well else None


def weigh(code: Path, name: str) -> list[object]:
    """Return one profile's row."""
    found = run(code, PROFILES[name], _HEAP)
    assert found is not None, name
    flash = whole = 0
    for module in found["modules"]:
        if module.startswith(("firmware", "protocol")):
            path = code / module.replace(".", "/")
            file = path.with_suffix(".mpy")
            file = file if file.exists() else path / "__init__.mpy"
            mpy = Mpy(file)
            flash += file.stat().st_size
            whole += mpy.bytecode + mpy.constants
    live = found["live"]
    careful = (live + whole + found["names"] + BUFFERS[name]) // 2
    low, high = live // _STEP, 2 * live // _STEP
    while high - low > 1:
        middle = (low + high) // 2
        if run(code, PROFILES[name], middle * _STEP) is None:
            low = middle
        else:
            high = middle
    least = high * _STEP
    return [name, flash, live, live // 2, careful, least, least // 2]


def main() -> None:
    """Print the table, and what encoding costs."""
    with tempfile.TemporaryDirectory() as folder:
        compile_all(Path(folder))
        print("| profile | flash | live | half | careful | least | its half |")
        print("|---|---|---|---|---|---|---|")
        for name in PROFILES:
            row = weigh(Path(folder), name)
            print("| " + " | ".join(str(value) for value in row) + " |", flush=True)
    for line in encoding_costs():
        print(line)


if __name__ == "__main__":
    main()
