"""Puts a kit on a board through `mpremote`, and reads every file back.

```
 empty? --> name.py --> flash/ --> SHA-256 of all that arrived --> main.py --> restart
```
`main.py` goes last: a board that was unplugged half way runs nothing, and can be filled again.
A board that has one is never written: its watchdog would cut us off after 20 s, and calls that
were not yet told may lie on it. It is erased first, by whoever knows.
"""

import ast
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TypeVar

from edge_agent.config.reading import ConfigError
from edge_agent.provision.keys import ToolError
from edge_agent.provision.kit import MAIN, NAME_SCRIPT, Kit

_ANSWER_S = 20.0
_TOOL_S = 600.0
_T = TypeVar("_T")

_LIST = "import os; print(os.listdir())"
_HASH = """\
import hashlib, os
def look(folder):
    for row in os.ilistdir(folder or '/'):
        path = folder + '/' + row[0]
        if row[1] & 0x4000:
            look(path)
            continue
        digest = hashlib.sha256()
        with open(path, 'rb') as file:
            piece = file.read(512)
            while piece:
                digest.update(piece)
                piece = file.read(512)
        found[path[skip:]] = digest.digest().hex()
root = os.getcwd().rstrip('/')
skip = len(root) + 1
found = {}
look(root)
print(found)
"""


def put_on_board(kit: Kit, port: str) -> None:
    """Write a kit's name and flash to a board with MicroPython on it, and start it.

    Raises:
        ConfigError: the board carries a unit already.
        ToolError: mpremote is absent, nothing answers, or a file did not arrive whole.
    """
    if MAIN in _answer(_mpremote(port, "exec", _LIST, limit_s=_ANSWER_S), list):
        why = "has a unit's program already: erase the flash first (esptool erase-flash)"
        raise ConfigError(port, why)
    _mpremote(port, "run", str(kit.folder / NAME_SCRIPT))
    _mpremote(port, "fs", "cp", "-r", f"{kit.flash}/.", ":")
    _check(kit.flash, _answer(_mpremote(port, "exec", _HASH), dict))
    _mpremote(port, "fs", "cp", str(kit.folder / MAIN), f":{MAIN}", "+", "reset")


def _check(flash: Path, found: dict[str, str]) -> None:
    for path in sorted(flash.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(flash).as_posix()
        if found.get(name) != hashlib.sha256(path.read_bytes()).hexdigest():
            raise ToolError(f"{name} did not arrive whole: run this again")


def _answer(text: str, kind: type[_T]) -> _T:
    """Return the value that the board printed.

    Raises:
        ToolError: it printed something else.
    """
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, kind):
        raise ToolError(f"no MicroPython answers: {text.strip()[:200]!r}")
    return value


def _mpremote(port: str, *command: str, limit_s: float = _TOOL_S) -> str:
    """Run one command of mpremote's, without a soft reset before it."""
    tool = shutil.which("mpremote", path=str(Path(sys.executable).parent))
    tool = tool or shutil.which("mpremote")
    if tool is None:
        raise ToolError("mpremote is not installed: pip install mpremote")
    try:
        done = subprocess.run(  # noqa: S603 (a fixed tool, files of our own)
            [tool, "connect", port, "resume", *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        why = "no answer: is MicroPython on it, and no other program at the port?"
        raise ToolError(f"{port}: {why}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise ToolError(f"mpremote {command[0]}: {said.splitlines()[-1] if said else 'failed'}")
    return done.stdout.decode(errors="replace")
