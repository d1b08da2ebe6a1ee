"""The commands that need the simulator: `replay` and `unit`."""

import argparse
import asyncio
import json
import logging
from pathlib import Path

import msgspec

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.console import ABSENT, NO, OK, WRONG_INPUT, say, show
from edge_agent.evaluate.falls.trials import Trial, read_trials
from edge_agent.evaluate.npz import TrialError
from edge_agent.simulator.replay import reachable, replay
from edge_agent.simulator.scene import load_scene
from edge_agent.simulator.single_unit import presses, run_unit
from edge_agent.simulator.stage import StageOptions
from edge_agent.simulator.vm import VmMissingError

DEFAULT_BROKER = ("localhost", 1883)


def run_replay(options: argparse.Namespace) -> int:
    """Play one trial through the whole chain and show its events."""
    try:
        trial = _read_trial(options.file, options.trial)
    except TrialError as error:
        return say(str(error), WRONG_INPUT)
    broker = options.broker or DEFAULT_BROKER
    if not reachable(*broker):
        if options.broker:
            return say(f"no broker at {broker[0]}:{broker[1]}", ABSENT)
        say("no broker at localhost:1883, so nothing is published")
        broker = None
    logging.getLogger().setLevel(logging.DEBUG if options.verbose else logging.WARNING)
    say(
        f"trial {options.trial}: {trial.subject} {trial.label}, {trial.seconds:.1f} s"
        f" at {trial.rate_hz:g} Hz, {'a fall' if trial.is_fall else 'no fall'}"
    )
    on_event = _show_json if options.json else _show_event
    try:
        result = replay(trial, StageOptions(options.speed, options.seed), broker, on_event)
    except VmMissingError as error:
        return say(str(error), ABSENT)
    alarms = len({event.alarm_id for event in result.events})
    say(
        f"{alarms} alarm(s), {len(result.events)} event(s); {result.virtual_s:.1f} s played"
        f" in {result.real_s:.2f} s, {result.virtual_s / result.real_s:.0f} times real time"
    )
    if result.undelivered:
        return say(f"{result.undelivered} event(s) not taken by the broker", NO)
    return OK


def run_unit_vm(options: argparse.Namespace) -> int:
    """Run one simulated unit in real time until interrupted."""
    try:
        trial = _read_trial(options.play, options.trial) if options.play else None
        board = presses(options.press)
    except ValueError as error:
        return say(str(error), WRONG_INPUT)
    try:
        asyncio.run(
            run_unit(
                options.id,
                options.profile,
                options.port,
                options.flash,
                trial,
                options.after,
                board,
            )
        )
    except VmMissingError as error:
        return say(str(error), ABSENT)
    return OK


def run_demo(options: argparse.Namespace) -> int:
    """Play a scene on this machine alone and check it."""
    try:
        from edge_agent.simulator.demo import SCENES, has_vm, play
        from edge_agent.simulator.screen import DemoScreen, NoScreen
    except ModuleNotFoundError as error:
        return say(f"{error.name} is missing: pip install 'anzhen[demo]'", ABSENT)
    path = Path(options.scene)
    shipped = sorted(file.stem for file in SCENES.glob("*.toml"))
    if path.suffix != ".toml" and options.scene not in shipped:
        names = ", ".join(shipped)
        return say(f"no scene {options.scene!r}; scenes: {names}, or a .toml file", WRONG_INPUT)
    scene = load_scene(path if path.suffix == ".toml" else SCENES / f"{options.scene}.toml")
    logging.getLogger().setLevel(logging.DEBUG if options.verbose else logging.ERROR)
    link_level = not has_vm()
    if options.json:
        if link_level:
            say("no MicroPython VM for this machine: units are played at link level")
        verdict = play(scene, options.speed, NoScreen(), link_level)
        show(json.dumps(verdict.as_object(), ensure_ascii=False))
    else:
        with DemoScreen(scene, options.lang, link_level) as screen:
            verdict = play(scene, options.speed, screen, link_level)
        screen.show(verdict)
    return OK if verdict.is_good else NO


def _read_trial(path: Path, number: int) -> Trial:
    trials = read_trials(path)
    if not 0 <= number < len(trials):
        raise TrialError(f"{path}: no trial {number}, there are 0 to {len(trials) - 1}")
    return trials[number]


def _show_json(event: AlarmEvent) -> None:
    show(msgspec.json.encode(event).decode())


def _show_event(event: AlarmEvent) -> None:
    score = "" if event.score is None else f"  score {event.score:.3f}"
    show(
        f"{event.at}  {event.alarm_id[-8:]}/{event.event}  {event.state:<12}"
        f"{event.condition}  onset {event.onset}{score}  {event.text['zh']} {event.text['en']}"
    )
