"""How well the radar fall detector does on recordings, as the agent would run it.

Such recordings carry no time of the fall: a fall recording is found when anything is raised in it,
and what is raised in any other is a false alarm. The delay is that of the decision after the frame
in which the drop ended. The detector is new for each recording and never sees its name; the end is
a gap.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_agent.detect.detector import Detection
from edge_agent.detect.radar.fall import RadarFallDetector
from edge_agent.evaluate.radar_trials import RadarTrial, read_radar
from edge_agent.stream.chunk import Channel, Gap
from protocol.quantities import ACCELERATION

_CHANNEL = Channel("recording", ACCELERATION)
"""What a gap must name; a radar's detector does not look at it."""


@dataclass(frozen=True, slots=True)
class RadarScore:
    """The result; its fields in this order are the JSON object.

    Attributes:
        file: name of the file or folder.
        detector: always `radar_fall`.
        n_falls: fall recordings.
        n_adl: other recordings.
        hours_adl: their length together.
        sensitivity: fall recordings with a fall raised; None without any.
        specificity: other recordings with none raised; None without any.
        false_alarms_per_hour: falls raised per hour of other recordings.
        delay_s: `median` and `p95` from the end of the drop to the decision.
        by_label: for each label `falls` and `found`, `adl` and `quiet` recordings, and `raised`.
        raised: for each recording with falls, their onsets in s from its beginning.
        seconds_per_cpu_second: radar time over CPU time, frames to detections.
    """

    file: str
    detector: str
    n_falls: int
    n_adl: int
    hours_adl: float
    sensitivity: float | None
    specificity: float | None
    false_alarms_per_hour: float | None
    delay_s: dict[str, float | None]
    by_label: dict[str, dict[str, int]]
    raised: dict[str, list[float]]
    seconds_per_cpu_second: float


def score_radar(path: Path, progress: Callable[[str], None] | None = None) -> RadarScore:
    """Score the radar fall detector on a recording or on all of a folder.

    Raises:
        TrialError: nothing can be read; one line that names the file and what is wrong in it.
    """
    spent = seconds = adl_s = 0.0
    raised: dict[str, list[float]] = {}
    by_label: dict[str, dict[str, int]] = {}
    delays: list[float] = []
    counts = {"falls": 0, "found": 0, "adl": 0, "quiet": 0}
    false_alarms = 0
    for trial in read_radar(path):
        began = time.process_time()
        falls = [one for one in _run(trial) if one.kind == "fall"]
        spent += time.process_time() - began
        seconds += trial.seconds
        if falls:
            raised[trial.name] = [round(one.onset_s - trial.frames[0].time_s, 2) for one in falls]
        label = by_label.setdefault(trial.label, {"raised": 0})
        label["raised"] += len(falls)
        names = ("falls", "found") if trial.is_fall else ("adl", "quiet")
        right = bool(falls) == trial.is_fall
        for name, more in zip(names, (1, int(right)), strict=True):
            counts[name] += more
            label[name] = label.get(name, 0) + more
        if trial.is_fall:
            delays += [one.offset_s - one.onset_s for one in falls]
        else:
            false_alarms += len(falls)
            adl_s += trial.seconds
        if progress is not None:
            progress(f"{trial.name}: {len(falls)} raised")
    return RadarScore(
        file=path.name,
        detector="radar_fall",
        n_falls=counts["falls"],
        n_adl=counts["adl"],
        hours_adl=adl_s / 3600.0,
        sensitivity=_share(counts["found"], counts["falls"]),
        specificity=_share(counts["quiet"], counts["adl"]),
        false_alarms_per_hour=false_alarms / adl_s * 3600.0 if adl_s > 0.0 else None,
        delay_s={
            "median": float(np.median(delays)) if delays else None,
            "p95": float(np.quantile(delays, 0.95)) if delays else None,
        },
        by_label=dict(sorted(by_label.items())),
        raised=raised,
        seconds_per_cpu_second=seconds / max(spent, 1e-9),
    )


def format_radar(score: RadarScore) -> str:
    """Return the score as a table for people."""
    lines = [
        f"{score.file}: {score.n_falls} recordings of falls, {score.n_adl} others "
        f"of {score.hours_adl:.3f} h",
        f"  falls found            {_percent(score.sensitivity)}",
        f"  others without alarm   {_percent(score.specificity)}",
        f"  false alarms an hour   {_number(score.false_alarms_per_hour)}",
        f"  delay, median / p95    {_number(score.delay_s['median'])} / "
        f"{_number(score.delay_s['p95'])} s",
        f"  radar s / CPU s        {score.seconds_per_cpu_second:7.0f}",
        "",
        "  label                      falls  found  other  quiet raised",
    ]
    for label, counts in score.by_label.items():
        cells = [counts.get(key, "-") for key in ("falls", "found", "adl", "quiet", "raised")]
        lines.append(f"  {label:<25}" + "".join(f"{cell:>7}" for cell in cells))
    for name, onsets in score.raised.items():
        lines.append(f"  {name}: {', '.join(f'{onset:.1f} s' for onset in onsets)}")
    return "\n".join(lines)


def _run(trial: RadarTrial) -> list[Detection]:
    detector = RadarFallDetector()
    found: list[Detection] = []
    for frame in trial.frames:
        found += detector.update(frame)
    end_s = trial.frames[-1].time_s if trial.frames else 0.0
    return found + detector.gap(Gap(_CHANNEL, end_s, end_s))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _percent(share: float | None) -> str:
    return "      -" if share is None else f"{100.0 * share:6.1f} %"


def _number(value: float | None) -> str:
    return "      -" if value is None else f"{value:7.2f}"
