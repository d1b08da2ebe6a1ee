"""The commands that need recordings: `score` and `train`."""

import argparse
import json
from pathlib import Path

import msgspec

from edge_agent import detect
from edge_agent.console import OK, WRONG_INPUT, say, show
from edge_agent.evaluate.bed import SitUpScore, format_sit_up, score_sit_up, train_sit_up
from edge_agent.evaluate.bench import format_report, run_bench
from edge_agent.evaluate.npz import TrialError
from edge_agent.evaluate.score import FallScore, format_table, score_fall
from edge_agent.evaluate.train import train_fall
from edge_agent.evaluate.vitals import (
    VitalScore,
    format_vitals,
    score_heart_rate,
    score_respiration,
)

_DETECT = Path(detect.__file__).parent
FALL_MODEL = _DETECT / "fall_model.json"
SIT_UP_MODEL = _DETECT / "sit_up_model.json"
"""Where the shipped parameters lie; `train` writes there unless told otherwise."""


def run_score(options: argparse.Namespace) -> int:
    """Score a detector on a file and show the result."""
    progress = None if options.json else _tell
    score: FallScore | VitalScore | SitUpScore
    try:
        if options.detector == "fall":
            score = score_fall(options.file, progress=progress)
            table = format_table(score)
        elif options.detector == "sit-up":
            score = score_sit_up(options.file)
            table = format_sit_up(score)
        else:
            judge = score_heart_rate if options.detector == "heart-rate" else score_respiration
            score = judge(options.file)
            table = format_vitals(score)
    except TrialError as error:
        return say(str(error), WRONG_INPUT)
    show(json.dumps(msgspec.to_builtins(score), ensure_ascii=False) if options.json else table)
    return OK


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


def _tell(text: str) -> None:
    say(text)
