"""The commands that need recordings: `score` and `train`."""

import argparse
import json

import msgspec

from edge_agent.console import OK, WRONG_INPUT, say, show
from edge_agent.evaluate.bench import format_report, run_bench
from edge_agent.evaluate.score import FallScore, format_table, score_fall
from edge_agent.evaluate.train import train_fall
from edge_agent.evaluate.trials import TrialError
from edge_agent.evaluate.vitals import (
    VitalScore,
    format_vitals,
    score_heart_rate,
    score_respiration,
)


def run_score(options: argparse.Namespace) -> int:
    """Score a detector on a file and show the result."""
    progress = None if options.json else _tell
    score: FallScore | VitalScore
    try:
        if options.detector == "fall":
            score = score_fall(options.file, progress=progress)
            table = format_table(score)
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
        figures = train_fall(options.directory, options.out, _tell)
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
