"""The kit of a unit: a folder with what goes on its board, its label and the agent's lines.

```
 KIT/unit.toml             the [[unit]] table of the agent's configuration; says whose kit it is
 KIT/label.txt, label.svg  for the unit's case
 KIT/name.py               run on the board once: its name, in the chip's NVS
 KIT/flash/                settings.json link.key update.key; the program: this_board.mpy
                           firmware/ protocol/, which no update ever writes
 KIT/main.py               starts it; goes onto the board last
```
Everything but the keys is made anew by each run.
"""

import json
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_agent.config.reading import ConfigError
from edge_agent.provision.boards import BOARDS, ROOT
from edge_agent.provision.files import PLAIN, SECRET, make_folder, write_file
from edge_agent.update_bundle import compile_file

FLASH = "flash"
LINK_KEY = "link.key"
UNIT_TABLE = "unit.toml"
NAME_SCRIPT = "name.py"
MAIN = "main.py"
PACKAGES = ("firmware", "protocol")
_NOT_SHIPPED = ("firmware/main.py", "firmware/boards/lockstep/", "firmware/boards/host")

_NAME = """\
from esp32 import NVS

nvs = NVS("anzhen")
nvs.set_blob("unit_id", {name!r})
try:
    nvs.erase_key("link_key")  # it would go before the file link.key
except OSError:
    pass
nvs.commit()
"""


@dataclass(frozen=True, slots=True)
class Kit:
    """The folder of one unit's kit."""

    folder: Path

    @property
    def flash(self) -> Path:
        """Return the folder that is the root of the unit's flash."""
        return self.folder / FLASH

    @property
    def key(self) -> Path:
        """Return the unit's key."""
        return self.flash / LINK_KEY

    def claim(self, unit_id: str, table: str) -> None:
        """Make the folder, or check that the one that is there is this unit's.

        Raises:
            ConfigError: it is another unit's, or no kit: two units must never share a key.
            OSError: it cannot be made.
        """
        path = self.folder / UNIT_TABLE
        if path.exists():
            owner = _owner(path)
            if owner != unit_id:
                raise ConfigError(str(self.folder), f"is the kit of {owner!r}, not of {unit_id!r}")
        elif self.folder.is_dir() and any(self.folder.iterdir()):
            raise ConfigError(str(self.folder), "is neither empty nor a unit's kit")
        make_folder(self.folder)
        write_file(path, table.encode(), PLAIN)
        make_folder(self.flash)

    def write_label(self, text: str, svg: str) -> None:
        """Write the label in both forms."""
        write_file(self.folder / "label.txt", text.encode(), SECRET)
        write_file(self.folder / "label.svg", svg.encode(), SECRET)

    def write_name(self, unit_id: str) -> None:
        """Write what tells the board its name."""
        script = _NAME.format(name=unit_id.encode())
        write_file(self.folder / NAME_SCRIPT, script.encode(), PLAIN)

    def write_settings(self, chosen: dict[str, object]) -> None:
        """Write the settings."""
        write_file(self.flash / "settings.json", json.dumps(chosen).encode() + b"\n", PLAIN)

    def write_program(self, board: str, code: str) -> None:
        """Write the program for one board anew.

        Args:
            board: one of `BOARDS`.
            code: `mpy`, compiled by mpy-cross, or `py`.

        Raises:
            BundleError: mpy-cross is missing or says no.
            OSError: it cannot be written.
        """
        (self.folder / MAIN).unlink(missing_ok=True)
        for package in PACKAGES:
            shutil.rmtree(self.flash / package, ignore_errors=True)
        for old in self.flash.glob("this_board.*"):
            old.unlink()
        for name, source in _program(board, code):
            path = self.flash / name
            make_folder(path.parent)
            told = source.relative_to(ROOT).as_posix()
            content = compile_file(source, told) if code == "mpy" else source.read_bytes()
            path.write_bytes(content)
        write_file(self.folder / MAIN, (ROOT / "firmware" / MAIN).read_bytes(), PLAIN)


def _owner(path: Path) -> str:
    """Return the unit whose table it is.

    Raises:
        ConfigError: it is no such table.
    """
    try:
        return str(tomllib.loads(path.read_text("utf-8"))["unit"][0]["id"])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        raise ConfigError(str(path), "is not the table of a unit: remove it") from None


def _program(board: str, code: str) -> Iterator[tuple[str, Path]]:
    """Yield the name on the flash and the source of each file of the program."""
    suffix = f".{code}"
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            is_board = path.parent.name == "boards" and path.stem in BOARDS
            if not is_board and not name.startswith(_NOT_SHIPPED):
                yield str(Path(name).with_suffix(suffix)), path
    yield f"this_board{suffix}", ROOT / "firmware/boards" / f"{board}.py"
