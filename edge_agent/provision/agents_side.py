"""The agent's side of a unit: its `[[unit]]` table, checked as the agent checks it.

Appending it to the configuration leaves every other byte of the file as it was, and is done
only if the agent would take the whole.
"""

import json
import stat
import tomllib
from pathlib import Path
from typing import Any

from edge_agent.config.home import PlaceConfig, UnitConfig
from edge_agent.config.load import parse
from edge_agent.config.reading import ConfigError, convert, read_toml
from edge_agent.provision.files import write_file

BY_ID = Path("/dev/serial/by-id")
UNKNOWN_PORT = str(BY_ID / "FILL-IN")
"""What stands in a table until somebody has looked which port the unit is."""


def unit_table(**values: str | None) -> str:
    """Return the table of a unit, keys that are None left out.

    Raises:
        ConfigError: the agent would not take it.
    """
    lines = ["[[unit]]"]
    for key, value in values.items():
        if value is None:
            continue
        if not value.isprintable():
            raise ConfigError(f"unit.{key}", f"{value!r} has letters that cannot be printed")
        lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    text = "\n".join(lines) + "\n"
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("unit", str(error)) from None
    try:
        convert(tree["unit"][0], UnitConfig)
    except ConfigError as error:
        raise ConfigError(f"unit.{error.key}", error.why) from None
    return text


def place_words(path: Path | None, place: str) -> str:
    """Return what the people of a home call a place, its code where that is not known.

    Raises:
        ConfigError: the configuration cannot be read, or has no such place.
    """
    if path is None:
        return place
    known = [convert(one, PlaceConfig) for one in _tables(path, "place")]
    for one in known:
        if one.id == place:
            return f"{one.zh} {one.en}"
    names = ", ".join(one.id for one in known) or "none is defined"
    raise ConfigError("--place", f"no place {place!r} in {path}; places: {names}")


def append_unit(path: Path, table: str) -> bool:
    """Add a unit's table to a configuration; return False when it is there already.

    Raises:
        ConfigError: the agent would not take the whole, or another unit has this name.
        OSError: it cannot be written; the old one is still there.
    """
    wanted = tomllib.loads(table)["unit"][0]
    for unit in _tables(path, "unit"):
        if unit.get("id") == wanted["id"]:
            if unit | {"port": ""} == wanted | {"port": ""}:
                return False
            why = f"is in {path} with other values: change it there"
            raise ConfigError(f"unit {wanted['id']}", why)
    old = path.read_bytes()
    new = old + (b"" if old.endswith(b"\n") else b"\n") + b"\n" + table.encode()
    try:
        parse(tomllib.loads(new.decode()))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), f"takes no [[unit]] at its end: {error}") from None
    write_file(path, new, stat.S_IMODE(path.stat().st_mode))
    return True


def lasting_name(port: Path, folder: Path = BY_ID) -> str:
    """Return the name of a serial port that outlives unplugging, its own where there is none."""
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.resolve() == port.resolve():
                return str(path)
    return str(port)


def _tables(path: Path, name: str) -> list[dict[str, Any]]:
    """Return the tables of one name, none where there is none."""
    tables = read_toml(path).get(name, [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise ConfigError(f"{name} in {path}", f"is no list of tables [[{name}]]")
    return tables
