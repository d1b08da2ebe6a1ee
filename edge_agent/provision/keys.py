"""Keys: one for each unit and its agent, and the pair that signs new versions of the program.

```
 keys/UNIT.key        64 hexadecimal digits: the agent's   } the same 32 bytes, from the system's
 KIT/flash/link.key   32 bytes: the unit's                 } source of random numbers
 release.pem          RSA 3072, private: kept offline by whoever signs
 update.key           its modulus, for every unit
```
A key that is there is used again, wherever of the two it is, so that a run may be repeated and
a kit carried to another machine. None is ever overwritten unless that is asked for.
"""

import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from edge_agent.config.reading import ConfigError
from edge_agent.provision.files import PLAIN, SECRET, make_folder, read_secret, write_file
from firmware.update.verify import KEY_FILE, read_key
from protocol.auth import KEY_LENGTH

RELEASE_KEY = "release.pem"
UPDATE_KEY = KEY_FILE.lstrip("/")
_MAX_UPDATE_KEY = 4096
_TOOL_S = 120.0


class ToolError(Exception):
    """A program that is needed is absent or fails."""


def settle_key(agents: Path, units: Path, replace: bool) -> bool:
    """Let agent and unit have the same key; return True when it is new.

    Args:
        agents: the agent's file, made when it is not there.
        units: the unit's file, likewise.
        replace: whether to make a new key although there is one.

    Raises:
        ConfigError: the two differ, or one is damaged or open to others.
        OSError: a file cannot be written.
    """
    has, unit_has = (None, None) if replace else (_agents_key(agents), _units_key(units))
    if has and unit_has and has != unit_has:
        why = f"is not the key in {units}: --replace makes a new one for both"
        raise ConfigError(str(agents), why)
    key = has or unit_has or secrets.token_bytes(KEY_LENGTH)
    if has is None:
        write_file(agents, key.hex().encode() + b"\n", SECRET, replace)
    if unit_has is None:
        write_file(units, key, SECRET, replace)
    return not (has or unit_has)


def read_update_key(path: Path) -> bytes:
    """Return the public key that a unit checks new versions with, as the unit wants it.

    Raises:
        ConfigError: it cannot be read, or the firmware would not take it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_UPDATE_KEY)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read ({error.strerror})") from None
    _check_update_key(path, content)
    return content


def make_release_key(folder: Path) -> None:
    """Make the pair that signs new versions: `release.pem`, for us alone, and `update.key`.

    A private key that is there stays, as units carry its public half.

    Raises:
        ConfigError: the private key that is there is open to others, or of another kind.
        ToolError: openssl is absent or fails.
        OSError: a file cannot be written.
    """
    make_folder(folder)
    private = folder / RELEASE_KEY
    if not private.exists():
        pem = _openssl("genrsa", "3072")
        try:
            write_file(private, pem, SECRET, replace=False)
        except FileExistsError:
            raise ConfigError(str(private), "is there already") from None
    read_secret(private, 0)  # that others may not
    public = _openssl("rsa", "-in", str(private), "-noout", "-modulus")
    _check_update_key(private, public)
    write_file(folder / UPDATE_KEY, public, PLAIN)


def _check_update_key(path: Path, content: bytes) -> None:
    """Let the firmware's own reader look at it."""
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / UPDATE_KEY).write_bytes(content)
        if not read_key(root):
            raise ConfigError(str(path), "is no line `Modulus=...` of an RSA key of 3072 bits")


def _agents_key(path: Path) -> bytes | None:
    content = read_secret(path, 4 * KEY_LENGTH)
    if content is None:
        return None
    try:
        key = bytes.fromhex(content.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != KEY_LENGTH:
        why = f"is damaged, not {2 * KEY_LENGTH} hexadecimal digits: --replace makes a new key"
        raise ConfigError(str(path), why)
    return key


def _units_key(path: Path) -> bytes | None:
    content = read_secret(path, KEY_LENGTH)
    if content is not None and len(content) != KEY_LENGTH:
        why = f"is damaged, not {KEY_LENGTH} bytes: --replace makes a new key"
        raise ConfigError(str(path), why)
    return content


def _openssl(*arguments: str) -> bytes:
    tool = shutil.which("openssl")
    if tool is None:
        raise ToolError("openssl is not installed: apt-get install openssl")
    done = subprocess.run(  # noqa: S603 (a fixed tool, the operator's own files)
        [tool, *arguments], capture_output=True, timeout=_TOOL_S, check=False
    )
    if done.returncode:
        raise ToolError(f"openssl: {done.stderr.decode(errors='replace').strip()[:300]}")
    return done.stdout
