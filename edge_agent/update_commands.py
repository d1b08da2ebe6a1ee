"""`anzhen bundle` and `anzhen upgrade`: a version made and signed, and brought to a unit."""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from edge_agent.config.file import Config
from edge_agent.config.load import load
from edge_agent.console import ABSENT, NO, OK, WRONG_INPUT, say, show
from edge_agent.control import ask
from edge_agent.update import OVER, UpdateState
from edge_agent.update_bundle import make_bundle, read_bundle
from protocol.bundle import BundleError

_POLL_S = 1.0
_WORDS = ("state", "at", "bytes", "why")


def add_bundle_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `anzhen bundle`."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="with firmware/ and protocol/")
    parser.add_argument("out", type=Path, metavar="OUT", help="file to write")
    parser.add_argument(
        "--key", type=Path, required=True, metavar="KEY.pem", help="RSA, 3072 bits, private"
    )
    parser.add_argument("--board", choices=["esp32", "linux"], default="esp32", help="(esp32)")
    parser.add_argument("--code", choices=["mpy", "py"], default="mpy", help="(mpy)")
    parser.set_defaults(command=run_bundle)


def add_upgrade_arguments(parser: argparse.ArgumentParser, config: Path) -> None:
    """Describe `anzhen upgrade`."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("--unit", required=True, metavar="UNIT", help="name of the unit")
    parser.add_argument("--config", type=Path, default=config, metavar="F")
    parser.add_argument("--json", action="store_true", help="progress as JSON lines")
    parser.set_defaults(command=run_upgrade)


def run_bundle(options: argparse.Namespace) -> int:
    """Make a bundle."""
    try:
        content = make_bundle(options.folder, options.key, options.board, options.code)
        options.out.write_bytes(content)
    except BundleError as error:
        return say(str(error), WRONG_INPUT)
    except OSError as error:
        return say(f"{error.filename}: {error.strerror}", WRONG_INPUT)
    made = read_bundle(content)
    show(f"version {made.about.version}  build {made.about.build}  {len(content)} bytes")
    return OK


def run_upgrade(options: argparse.Namespace) -> int:
    """Let the running agent update a unit, and show how it goes until it is over."""
    return asyncio.run(_upgrade(load(options.config), options))


async def _upgrade(config: Config, options: argparse.Namespace) -> int:
    path = Path(config.control_socket or Path(config.state_dir) / "control.sock")
    request = {"unit": options.unit, "bundle": str(options.bundle.absolute())}
    shown: dict[str, Any] = {}
    while True:
        try:
            told = await ask(path, "upgrade", **request)
        except (OSError, ValueError, TimeoutError) as error:
            return say(f"no agent answers at {path}: {error}", ABSENT)
        if "error" in told:
            return say(str(told["error"]), WRONG_INPUT)
        request = {}
        if told != shown:
            shown = told
            _show(told, options.json)
        if told["state"] in OVER:
            return OK if told["state"] == UpdateState.KEPT else NO
        await asyncio.sleep(_POLL_S)


def _show(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show(json.dumps(told, ensure_ascii=False))
    elif told["state"] in OVER:
        show(
            f"unit {told['unit']}: version {told['version']} {told['state']} {told['why']}".strip()
        )
    else:
        say("  ".join(str(told[word]) for word in _WORDS))
