"""The commands that need recordings: `score`, `train` and `bench`."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from edge_agent import detect
from edge_agent.console import ABSENT, OK, WRONG_INPUT, say, show
from edge_agent.evaluate.beds.bed import format_sit_up, score_sit_up, train_sit_up
from edge_agent.evaluate.beds.bed_loads import holds_loads
from edge_agent.evaluate.beds.load_exits import format_load_exits, score_load_exits
from edge_agent.evaluate.beds.vitals import format_vitals, score_heart_rate, score_respiration
from edge_agent.evaluate.costs.bench import format_report, run_bench
from edge_agent.evaluate.falls.damage import format_damage, score_damage
from edge_agent.evaluate.falls.held_out import score_held_out
from edge_agent.evaluate.falls.score import format_table, score_fall
from edge_agent.evaluate.falls.train import train_fall
from edge_agent.evaluate.homes.activity import format_inactivity, score_inactivity
from edge_agent.evaluate.homes.bed_exits import format_bed_exit, score_bed_exit
from edge_agent.evaluate.homes.stays import format_stay, score_stay
from edge_agent.evaluate.npz import TrialError
from edge_agent.evaluate.plot import PlotMissingError, plot_fall, plot_rates
from edge_agent.evaluate.radar import format_radar, score_radar

_DETECT = Path(detect.__file__).parent
FALL_MODEL = _DETECT / "falls" / "model.json"
SIT_UP_MODEL = _DETECT / "bed" / "sit_up_model.json"
"""Where the shipped parameters lie; `train` writes there unless told otherwise."""

SCORERS: dict[str, tuple[Callable[[Path], Any], Callable[[Any], str]]] = {
    "fall": (score_fall, format_table),
    "radar-fall": (score_radar, format_radar),
    "heart-rate": (score_heart_rate, format_vitals),
    "respiration": (score_respiration, format_vitals),
    "sit-up": (score_sit_up, format_sit_up),
    "bed-exit": (score_bed_exit, format_bed_exit),
    "bed-load": (score_load_exits, format_load_exits),
    "inactivity": (score_inactivity, format_inactivity),
    "stay": (score_stay, format_stay),
}
"""What can be scored: how, and how the score is shown."""

PLOTTERS: dict[str, Callable[[Path, Path], list[Path]]] = {
    "fall": plot_fall,
    "heart-rate": lambda path, folder: plot_rates(path, folder, "heart-rate"),
    "respiration": lambda path, folder: plot_rates(path, folder, "respiration"),
}
"""What can be drawn."""


def run_score(options: argparse.Namespace) -> int:
    """Score a detector on a file and show the result."""
    name, path = options.detector, options.file
    special = options.blank or options.damage or options.held_out
    if special and name != "fall":
        return say("--blank, --damage and --held-out are for fall", WRONG_INPUT)
    if options.plot is not None and name not in PLOTTERS:
        return say(f"--plot is for {', '.join(PLOTTERS)}", WRONG_INPUT)
    try:
        _score(options, name, path)
        if options.plot is not None:
            for picture in PLOTTERS[name](path, options.plot):
                say(str(picture))
    except TrialError as error:
        return say(str(error), WRONG_INPUT)
    except PlotMissingError as error:
        return say(str(error), ABSENT)
    except BrokenPipeError:
        raise
    except OSError as error:
        return say(f"{error.filename or options.plot}: {error.strerror}", WRONG_INPUT)
    return OK


def _score(options: argparse.Namespace, name: str, path: Path) -> None:
    if options.held_out:
        _show(score_held_out(path, _tell))
    elif options.damage:
        rows = score_damage(path)
        if options.json:
            _show(rows)
        else:
            show(format_damage(rows))
    else:
        if name == "bed-exit" and path.suffix == ".npz":
            # Of a tag's readings, what there is to see of a bed exit is the rise.
            name = "bed-load" if holds_loads(path) else "sit-up"
        judge, as_table = SCORERS[name]
        if name == "fall":
            progress = None if options.json else _tell
            score: Any = score_fall(path, progress=progress, blank=options.blank)
        else:
            score = judge(path)
        if options.json:
            _show(score)
        else:
            show(as_table(score))


def run_train(options: argparse.Namespace) -> int:
    """Fit a detector's parameters anew and write them."""
    try:
        if options.detector == "fall":
            figures = train_fall(options.source, options.out or FALL_MODEL, _tell)
        else:
            figures = train_sit_up(options.source, options.out or SIT_UP_MODEL, _tell)
    except TrialError as error:
        return say(str(error), WRONG_INPUT)
    show(json.dumps(figures, ensure_ascii=False, indent=2))
    return OK


def run_bench_table(options: argparse.Namespace) -> int:
    """Measure what detection costs and show it."""
    report = run_bench(_tell)
    show(json.dumps(report.as_object()) if options.json else format_report(report))
    return OK


def _show(result: object) -> None:
    show(json.dumps(msgspec.to_builtins(result), ensure_ascii=False))


def _tell(text: str) -> None:
    say(text)
