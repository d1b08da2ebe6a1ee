"""`anzhen provision` and `anzhen update-key`: what an installer makes before a unit is fitted."""

import argparse
import json
import re
import stat
from pathlib import Path

from edge_agent.config.reading import ConfigError
from edge_agent.console import ABSENT, OK, WRONG_INPUT, say, show
from edge_agent.provision.agents_side import (
    BY_ID,
    UNKNOWN_PORT,
    append_unit,
    lasting_name,
    place_words,
    unit_table,
)
from edge_agent.provision.boards import BOARDS, check_settings, flash_commands
from edge_agent.provision.files import PLAIN, make_folder, write_file
from edge_agent.provision.flasher import put_on_board
from edge_agent.provision.keys import (
    RELEASE_KEY,
    UPDATE_KEY,
    ToolError,
    make_release_key,
    read_update_key,
    settle_key,
)
from edge_agent.provision.kit import Kit
from edge_agent.provision.label import KINDS, Label
from firmware.setting_names import BED, BLE, UART, USB
from protocol.bundle import BundleError

DEFAULT_KEYS = Path("/etc/anzhen/keys")
SCHEME = "ble:"
_DEVICES = "/dev/"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def add_provision_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `anzhen provision`."""
    parser.add_argument(
        "target",
        metavar="DIR|PORT",
        help="folder for the unit's kit, or the serial port of a board with MicroPython on it",
    )
    parser.add_argument("--unit-id", type=_name, required=True, metavar="NAME", help="as bath-1")
    parser.add_argument("--profile", choices=list(KINDS), required=True)
    parser.add_argument("--board", choices=list(BOARDS), required=True)
    parser.add_argument("--link", choices=[USB, UART, BLE], required=True, help="to the agent")
    parser.add_argument("--place", type=_name, required=True, help="where it is, as bathroom")
    parser.add_argument("--person", type=_name, help="whom it covers, as p1")
    parser.add_argument("--bed", type=_name, help="of the profile bed: which one, as bed1")
    parser.add_argument(
        "--set",
        type=_setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting that is not the default's, see docs/firmware.md",
    )
    parser.add_argument(
        "--agent-port", metavar="PATH", help="where the agent finds it, as /dev/serial/by-id/..."
    )
    parser.add_argument(
        "--keys", type=Path, default=DEFAULT_KEYS, metavar="DIR", help=f"agent's ({DEFAULT_KEYS})"
    )
    parser.add_argument(
        "--config", type=Path, metavar="F", help="the agent's, for the words of places"
    )
    parser.add_argument("--append", action="store_true", help="add the unit to --config")
    parser.add_argument(
        "--update-key", type=Path, metavar="FILE", help="who may sign its new versions"
    )
    parser.add_argument(
        "--code", choices=["mpy", "py", "none"], default="mpy", help="the program's form (mpy)"
    )
    parser.add_argument("--replace", action="store_true", help="make a new key though one exists")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(command=run_provision)


def add_update_key_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `anzhen update-key`."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.set_defaults(command=run_update_key)


def run_provision(options: argparse.Namespace) -> int:
    """Make a unit's kit and the agent's side, and put the kit on a board that is there."""
    try:
        return _provision(options)
    except (ToolError, BundleError) as error:
        return say(str(error), ABSENT)
    except OSError as error:
        return say(f"{error.filename or 'the disk'}: {error.strerror}", WRONG_INPUT)


def run_update_key(options: argparse.Namespace) -> int:
    """Make the pair of keys that signs new versions of the units' program."""
    try:
        make_release_key(options.folder)
    except ToolError as error:
        return say(str(error), ABSENT)
    except OSError as error:
        return say(f"{error.filename or 'the disk'}: {error.strerror}", WRONG_INPUT)
    say(f"{RELEASE_KEY} signs for every unit: keep it offline, and a copy of it elsewhere")
    show(str(options.folder / UPDATE_KEY))
    return OK


def _provision(options: argparse.Namespace) -> int:
    port = _port(options.target)
    kit = Kit(Path(options.unit_id) if port else Path(options.target))
    chosen = _chosen(options)
    check_settings(options.board, options.unit_id, chosen)
    agents_key = options.keys.absolute() / f"{options.unit_id}.key"
    table = _table(options, port, agents_key)
    place = place_words(options.config, options.place)
    update_key = None if options.update_key is None else read_update_key(options.update_key)
    if port and options.code == "none":
        raise ConfigError("--code", "a board needs the program: mpy or py")
    if options.append and options.config is None:
        raise ConfigError("--append", "--config says to what")

    kit.claim(options.unit_id, table)
    make_folder(options.keys)
    is_new = settle_key(agents_key, kit.key, options.replace)
    kit.write_settings(chosen)
    kit.write_name(options.unit_id)
    label_key = kit.key.read_bytes() if options.link == BLE else b""
    label = Label(options.unit_id, options.profile, place, label_key)
    kit.write_label(label.as_text(), label.as_svg())
    if update_key is not None:
        write_file(kit.flash / UPDATE_KEY, update_key, PLAIN)
    if options.code != "none":
        kit.write_program(options.board, options.code)
    if options.append:
        is_added = append_unit(options.config, table)
        say(f"{options.config} has this unit {'now: restart the agent' if is_added else 'already'}")
    say(f"{agents_key}: {'a new key' if is_new else 'the key that was there, kept'}")
    if not (kit.flash / UPDATE_KEY).exists():
        say("no --update-key: this unit will take no new version of its program")
    if UNKNOWN_PORT in table:
        say(f"{UNKNOWN_PORT}: to be filled in, see `ls {BY_ID}`")
    if port:
        put_on_board(kit, port)
        kit.key.unlink()
        say(f"{port}: written and read back; the unit starts")
    else:
        _say_what_next(options, kit)
    if options.json:
        files = {"kit": str(kit.folder), "key_file": str(agents_key), "new_key": is_new}
        show(json.dumps({"unit": options.unit_id, "table": table, **files}, ensure_ascii=False))
    else:
        show(label.as_text() + "\n" + table.rstrip())
    return OK


def _port(target: str) -> str:
    """Return the serial port that is meant, empty for a folder.

    Raises:
        ConfigError: it is neither.
    """
    path = Path(target)
    if not target or not target.isprintable():
        raise ConfigError(repr(target), "is neither a folder nor a serial port")
    if path.exists() and stat.S_ISCHR(path.stat().st_mode):
        return target
    if target.startswith(_DEVICES):
        raise ConfigError(target, "no such port: plug the board in, and look with `ls /dev/tty*`")
    if path.exists() and not path.is_dir():
        raise ConfigError(target, "is there and is no folder")
    return ""


def _chosen(options: argparse.Namespace) -> dict[str, object]:
    """Return what settings.json will say."""
    chosen: dict[str, object] = {"profile": options.profile, "link": options.link}
    for key, value in options.set:
        if key in chosen:
            raise ConfigError(f"--set {key}", "is said already")
        chosen[key] = value
    return chosen


def _table(options: argparse.Namespace, port: str, key: Path) -> str:
    """Return the unit's table for the agent's configuration."""
    if options.profile == BED and options.bed is None:
        raise ConfigError("--bed", "a unit of the profile bed needs it, as --bed bed1")
    agents_port = options.agent_port
    if agents_port is None:
        agents_port = UNKNOWN_PORT
        if options.link == BLE:
            agents_port = f"{SCHEME}{options.unit_id}"
        elif port and options.link == USB:
            agents_port = lasting_name(Path(port))
    elif agents_port.startswith(SCHEME) != (options.link == BLE):
        raise ConfigError("--agent-port", f"{agents_port!r} is no line of --link {options.link}")
    return unit_table(
        id=options.unit_id,
        port=agents_port,
        place=options.place,
        person=options.person,
        bed=options.bed,
        source=options.profile,
        key_file=str(key),
    )


def _say_what_next(options: argparse.Namespace, kit: Kit) -> None:
    """Say how the kit comes onto a board."""
    for line in flash_commands(options.board, "PORT"):
        say(f"next: {line}")
    say("next: the same `anzhen provision` with PORT for the folder; by hand: docs/provisioning.md")
    say(f"then: {kit.key} is a secret: remove {kit.folder} when the unit is written")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 64 letters, digits, _ or -")
    return text


def _setting(text: str) -> tuple[str, object]:
    key, is_there, value = text.partition("=")
    if not key or not is_there:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
