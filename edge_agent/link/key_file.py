"""The key that a unit and this agent were given at installation, from a file of its own."""

import stat
from pathlib import Path

from edge_agent.config.home import UnitConfig
from edge_agent.config.reading import ConfigError
from protocol.auth import KEY_LENGTH


def read_key(unit: UnitConfig) -> bytes:
    """Return a unit's key, empty when its line needs none.

    Raises:
        ConfigError: the file cannot be read, is open to others, or holds no key.
    """
    if unit.key_file is None:
        return b""
    key = f"key_file of unit {unit.id}"
    try:
        with Path(unit.key_file).open("rb") as file:
            mode = stat.S_IMODE(Path(unit.key_file).stat().st_mode)
            text = file.read(4 * KEY_LENGTH).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(key, f"cannot be read ({error})") from None
    if mode & 0o077:
        raise ConfigError(key, "others may read it: chmod 600")
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != KEY_LENGTH:
        raise ConfigError(key, f"expected {2 * KEY_LENGTH} hexadecimal digits")
    return found
