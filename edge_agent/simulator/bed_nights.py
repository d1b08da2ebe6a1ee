"""Simulated nights on load cells, with the times at which the bed was left.

```
 in bed --2 h: turns, twitches--> restless --> the edge (every other time) --> out, 5 min --> ...
```
Twenty-four people of 40 to 120 kg, eight hours each, out of bed about four times a night:
`python -m edge_agent.simulator.bed_nights OUT.npz [HZ]` writes what `anzhen score bed-exit` reads.
Signals of our own model are easier than real ones.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.console import OK, WRONG_INPUT, say
from edge_agent.simulator.sensors.bed import BedSpan, BedState
from edge_agent.simulator.sensors.bed_load import LOAD_RATE_HZ, load
from edge_agent.simulator.sensors.body import Sleeper
from edge_agent.simulator.sensors.shapes import random_of

NIGHTS = 24
NIGHT_S = 8 * 3600.0
WEIGHT_KG = (40.0, 120.0)
TURNS_PER_HOUR = 8.0
"""Four times what people of 65 to 80 do (De Koninck et al. 1992): restless nights."""
_PURPOSE = 7


def night_of(seed: int) -> tuple[list[BedSpan], list[float]]:
    """Return what happens in a night, and when the weight has left the bed."""
    random = random_of(seed, _PURPOSE)
    spans: list[BedSpan] = []
    left_s: list[float] = []
    now_s = 60.0
    while now_s < NIGHT_S - 3600.0:
        stages = [(BedState.GETTING_IN, 10.0), (BedState.LYING, random.uniform(3600.0, 7200.0))]
        stages.append((BedState.RESTLESS, random.uniform(120.0, 600.0)))
        if random.random() < 0.5:
            stages.append((BedState.SITTING_UP, random.uniform(5.0, 60.0)))
        for state, length_s in stages:
            spans.append(BedSpan(now_s, min(NIGHT_S - 60.0, now_s + length_s), state))
            now_s = spans[-1].end_s
            if now_s >= NIGHT_S - 60.0:
                break
        left_s.append(now_s)
        now_s += random.uniform(60.0, 600.0)
    return spans, left_s


def make_nights(
    rate_hz: float = LOAD_RATE_HZ, nights: int = NIGHTS
) -> dict[str, NDArray[np.generic]]:
    """Return the members of a file for `edge_agent/evaluate/beds/bed_loads.py`."""
    members: dict[str, NDArray[np.generic]] = {"load_fs": np.array(rate_hz)}
    weights_kg = np.linspace(*WEIGHT_KG, NIGHTS)
    for seed in range(nights):
        spans, left_s = night_of(seed)
        sleeper = Sleeper(weight_kg=float(weights_kg[seed]), turns_per_hour=TURNS_PER_HOUR)
        kg, _ = load(spans, sleeper, NIGHT_S, seed, rate_hz)
        members[f"night{seed:02}_load"] = kg.astype(np.float32)
        members[f"night{seed:02}_left_t"] = np.array(left_s)
    return members


def main(arguments: Sequence[str]) -> int:
    """Write the file."""
    try:
        out, rate_hz = Path(arguments[0]), float(arguments[1]) if arguments[1:] else LOAD_RATE_HZ
    except (IndexError, ValueError):
        return say("usage: python -m edge_agent.simulator.bed_nights OUT.npz [HZ]", WRONG_INPUT)
    try:
        np.savez_compressed(out, **make_nights(rate_hz))  # type: ignore[arg-type]
    except OSError as error:
        return say(f"{out}: {error.strerror}", WRONG_INPUT)
    return OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
