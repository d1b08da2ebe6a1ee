"""The command line: `anzhen COMMAND ...`.

Results go to stdout, progress and prose to stderr. Exit codes: 0 done; 1 ran, and the answer
is no; 2 the input is wrong; 3 something needed is absent; 130 interrupted.
"""

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edge_agent import __version__
from edge_agent.agent import Agent
from edge_agent.clock import SystemClock
from edge_agent.config.file import Config
from edge_agent.config.home import UnitConfig
from edge_agent.config.load import load
from edge_agent.config.reading import ConfigError
from edge_agent.console import ABSENT, INTERRUPTED, NO, OK, WRONG_INPUT, say, show
from edge_agent.control import ask
from edge_agent.link.link import Link
from edge_agent.link.serial_port import SerialPort
from edge_agent.outbox.rows import OutboxError
from edge_agent.provision.command import add_provision_arguments, add_update_key_arguments
from edge_agent.simulator.platforms.arguments import add_arguments
from edge_agent.state import StateDir, StateError
from edge_agent.update_commands import add_bundle_arguments, add_upgrade_arguments

DEFAULT_CONFIG = Path("/etc/anzhen/anzhen.toml")
BLE = "ble:"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(levelname).1s %(name)s: %(message)s",
    )
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except ConfigError as error:
        return say(str(error), WRONG_INPUT)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anzhen", description="安枕 Anzhen: the bedside safety gateway"
    )
    parser.add_argument("--version", action="version", version=f"anzhen {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log more")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the agent")
    run.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="F")
    run.set_defaults(command=_run)

    status = commands.add_parser("status", help="ask the running agent how it is")
    status.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="F")
    status.add_argument("--json", action="store_true", help="one JSON object")
    status.set_defaults(command=_status)

    calibration = commands.add_parser(
        "calibration", help="what the running agent has learnt of who wears what"
    )
    calibration.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="F")
    calibration.add_argument("--reset", metavar="UNIT", help="forget the wearer of a unit")
    calibration.add_argument("--json", action="store_true", help="one JSON object")
    calibration.set_defaults(command=_calibration)

    drill = commands.add_parser("drill", help="rehearse a call on one unit; all else stays real")
    drill.add_argument("unit", metavar="UNIT")
    drill.add_argument("--condition", default="call", metavar="NAME", help="call fall smoke ...")
    drill.add_argument("--minutes", type=float, default=10.0, metavar="N", help="at most 30 (10)")
    drill.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="F")
    drill.add_argument("--json", action="store_true", help="one JSON object")
    drill.set_defaults(command=_drill)

    replay = commands.add_parser("replay", help="play a recording through the whole chain")
    replay.add_argument("file", type=Path, help="recordings in the flat .npz form")
    replay.add_argument("--trial", type=int, default=0, metavar="N", help="which one, from 0")
    replay.add_argument(
        "--speed", type=_speed, default=None, metavar="N|max", help="times real time (max)"
    )
    replay.add_argument(
        "--broker", type=_broker, metavar="HOST[:PORT]", help="MQTT broker (localhost:1883)"
    )
    replay.add_argument("--seed", type=int, default=1, help="of every random number")
    replay.add_argument("--json", action="store_true", help="events as JSON lines")
    replay.set_defaults(command=_replay)

    demo = commands.add_parser("demo", help="a whole home on this machine, no hardware")
    demo.add_argument("--scene", default="night", metavar="NAME", help="a name, or a .toml file")
    demo.add_argument("--speed", type=_speed, default=40.0, metavar="N|max", help="(40)")
    demo.add_argument("--lang", choices=["zh", "en"], default="zh")
    demo.add_argument("--json", action="store_true", help="only the summary, one JSON object")
    demo.set_defaults(command=_demo)

    score = commands.add_parser("score", help="how good a detector is on recordings")
    score.add_argument(
        "detector",
        choices=[
            "fall", "radar-fall", "heart-rate", "respiration", "sit-up", "bed-exit", "inactivity",
            "stay",
        ],
    )  # fmt: skip
    score.add_argument("file", type=Path, help="recordings: a file, or for some a folder")
    score.add_argument("--json", action="store_true", help="one JSON object")
    score.add_argument("--plot", type=Path, metavar="DIR", help="draw curves and worst cases")
    how = score.add_mutually_exclusive_group()
    how.add_argument(
        "--blank", action="store_true", help="fall: carry nothing from trial to trial of a person"
    )
    how.add_argument(
        "--damage", action="store_true", help="fall: rotated, resampled, clipped, packets lost"
    )
    how.add_argument(
        "--held-out", action="store_true", help="fall, a folder: people and sets left out (minutes)"
    )
    score.set_defaults(command=_score)

    train = commands.add_parser("train", help="fit a detector's parameters anew")
    train.add_argument("detector", choices=["fall", "sit-up"])
    train.add_argument("source", type=Path, help="folder of fall sets, or the file of a tag")
    train.add_argument("--out", type=Path, help="file to write (the shipped parameters)")
    train.set_defaults(command=_train)

    bench = commands.add_parser("bench", help="what detection costs, against a plain loop")
    bench.add_argument("--json", action="store_true", help="one JSON object")
    bench.set_defaults(command=_bench)

    schema = commands.add_parser("schema", help="write the contract: JSON Schema and AsyncAPI")
    schema.add_argument("folder", type=Path, metavar="DIR")
    schema.set_defaults(command=_schema)

    decode = commands.add_parser("decode", help="what the bytes of a sensor mean")
    decode.add_argument(
        "--product", required=True, metavar="NAME", help="a module, or a characteristic as 2a37"
    )
    decode.add_argument("hex", nargs="+", metavar="HEX", help="bytes, spaced or not")
    decode.set_defaults(command=_decode)

    platform = commands.add_parser("platform", help="a fake platform for integrators")
    add_arguments(platform)
    platform.set_defaults(command=_platform)

    unit = commands.add_parser("unit", help="run the firmware in a VM, on a port of its own")
    unit.add_argument("profile", choices=["pendant", "bed", "bathroom", "room"])
    unit.add_argument("--port", type=Path, required=True, help="path to make for the agent")
    unit.add_argument("--id", default="unit-1", help="the unit's name")
    unit.add_argument("--flash", type=Path, required=True, help="folder of the unit's flash")
    unit.add_argument("--play", type=Path, metavar="FILE", help="recordings for its sensor")
    unit.add_argument("--trial", type=int, default=0, metavar="N", help="which one, from 0")
    unit.add_argument("--after", type=float, default=3.0, metavar="S", help="begin to play at")
    unit.add_argument(
        "--press", type=float, action="append", default=[], metavar="S", help="call for help at S s"
    )
    unit.set_defaults(command=_unit)

    provision = commands.add_parser("provision", help="make a unit's files, key and label")
    add_provision_arguments(provision)

    update_key = commands.add_parser("update-key", help="make the keys that sign new versions")
    add_update_key_arguments(update_key)

    bundle = commands.add_parser("bundle", help="make and sign a version of the units' program")
    add_bundle_arguments(bundle)

    upgrade = commands.add_parser("upgrade", help="bring a version of the program to a unit")
    add_upgrade_arguments(upgrade, DEFAULT_CONFIG)
    return parser


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.01 <= speed <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'max' nor 0.01 to 10000")
    return speed


def _broker(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    if not host or not (port or "1883").isdecimal() or not 0 < int(port or 1883) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST or HOST:PORT")
    return host, int(port or 1883)


# -- run and status -------------------------------------------------------------------------


def _control_path(config: Config) -> Path:
    return Path(config.control_socket or Path(config.state_dir) / "control.sock")


def _run(options: argparse.Namespace) -> int:
    config = load(options.config)
    try:
        open_link = _opener(config)
    except ImportError as error:
        return say(f"a unit on Bluetooth: {error}; needs pip install 'anzhen[ble]'", ABSENT)
    try:
        state = StateDir(Path(config.state_dir))
    except StateError as error:
        return say(str(error), ABSENT)
    try:
        asyncio.run(_run_agent(config, open_link, state))
    except OutboxError as error:
        return say(f"the outbox does not work, nothing is safe: {error}", ABSENT)
    except BaseExceptionGroup as group:
        lost = group.subgroup(OutboxError)
        if lost is None:
            raise
        return say(f"the outbox does not work, nothing is safe: {lost.exceptions[0]}", NO)
    finally:
        state.close()
    return OK


async def _run_agent(
    config: Config, open_link: Callable[[UnitConfig], Link], state: StateDir
) -> None:
    agent = Agent(config, SystemClock(), open_link, state.outbox, _control_path(config))
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await agent.run()
    except asyncio.CancelledError:
        if not task.cancelling():
            raise
        logging.getLogger("anzhen").info("stopped")


def _opener(config: Config) -> Callable[[UnitConfig], Link]:
    """Return what opens a unit's line.

    Raises:
        ImportError: a unit is on Bluetooth, and bleak is not installed.
    """
    if not any(unit.port.startswith(BLE) for unit in config.unit):
        return _open_port
    from edge_agent.link.ble import BleRadio

    radio = BleRadio()
    return lambda unit: radio.open(unit.port) if unit.port.startswith(BLE) else _open_port(unit)


def _open_port(unit: UnitConfig) -> SerialPort:
    return SerialPort(unit.port, unit.baud)


def _status(options: argparse.Namespace) -> int:
    config = load(options.config)
    try:
        status = asyncio.run(ask(_control_path(config), "status"))
    except (OSError, ValueError, TimeoutError) as error:
        return say(f"no agent answers at {_control_path(config)}: {error}", ABSENT)
    if options.json:
        show(json.dumps(status, ensure_ascii=False))
    else:
        _print_status(status)
    healthy = all(unit["state"] == "online" for unit in status["units"]) and all(
        route["problem"] is None and not route["parked"] for route in status["routes"]
    )
    return OK if healthy else NO


def _calibration(options: argparse.Namespace) -> int:
    def say_it(answer: dict[str, Any]) -> None:
        for one in answer["calibrations"]:
            show(f"{one['unit']} channel {one['channel']}: {one['words']}")

    values = {} if options.reset is None else {"reset": options.reset}
    return _ask(options, "calibration", say_it, **values)


def _drill(options: argparse.Namespace) -> int:
    def say_it(answer: dict[str, Any]) -> None:
        for one in answer["drills"]:
            show(f"{one['unit']}: {one['condition']} is rehearsed, {one['left_s']} s left")

    values = {"unit": options.unit, "condition": options.condition, "minutes": options.minutes}
    return _ask(options, "drill", say_it, **values)


def _ask(
    options: argparse.Namespace,
    what: str,
    say_it: Callable[[dict[str, Any]], None],
    **values: str | float,
) -> int:
    """Ask the running agent and show its answer."""
    path = _control_path(load(options.config))
    try:
        answer = asyncio.run(ask(path, what, **values))
    except (OSError, ValueError, TimeoutError) as error:
        return say(f"no agent answers at {path}: {error}", ABSENT)
    if "error" in answer:
        return say(str(answer["error"]), NO)
    if options.json:
        show(json.dumps(answer, ensure_ascii=False))
    else:
        say_it(answer)
    return OK


def _print_status(status: dict[str, object]) -> None:
    show(f"agent {status['version']}  {status['at']}  clock {status['clock']}")
    for kind in ("units", "routes", "drills", "held", "open_alarms"):
        rows = status[kind]
        assert isinstance(rows, list)
        show(f"{kind}: {len(rows)}")
        for row in rows:
            if kind == "open_alarms":
                row = {key: row[key] for key in ("condition", "state", "place", "onset")}
            known = (f"{key}={value}" for key, value in row.items() if value is not None)
            show("  " + "  ".join(known))


# -- what the running agent never loads -------------------------------------------------------


def _replay(options: argparse.Namespace) -> int:
    from edge_agent.simulator.commands import run_replay

    return run_replay(options)


def _demo(options: argparse.Namespace) -> int:
    from edge_agent.simulator.commands import run_demo

    return run_demo(options)


def _score(options: argparse.Namespace) -> int:
    from edge_agent.evaluate.commands import run_score

    return run_score(options)


def _train(options: argparse.Namespace) -> int:
    from edge_agent.evaluate.commands import run_train

    return run_train(options)


def _bench(options: argparse.Namespace) -> int:
    from edge_agent.evaluate.commands import run_bench_table

    return run_bench_table(options)


def _schema(options: argparse.Namespace) -> int:
    from edge_agent.relay.schema import documents

    try:
        options.folder.mkdir(parents=True, exist_ok=True)
        for name, body in documents().items():
            (options.folder / name).write_bytes(body)
    except OSError as error:
        return say(f"{error.filename}: {error.strerror}", WRONG_INPUT)
    return OK


def _decode(options: argparse.Namespace) -> int:
    from edge_agent.decode import run_decode

    return run_decode(options)


def _platform(options: argparse.Namespace) -> int:
    from edge_agent.simulator.platforms.commands import run_platform

    return run_platform(options)


def _unit(options: argparse.Namespace) -> int:
    from edge_agent.simulator.commands import run_unit_vm

    return run_unit_vm(options)


if __name__ == "__main__":
    sys.exit(main())
