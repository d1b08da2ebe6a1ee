"""Call cord, button and door reed: steps of level in ms, with contact bounce.

```
 idle ----.   .-. .-.               .-. .----- idle        closing and opening both bounce,
          |   | | | |               | | |                  1 to 5 ms, in steps of 1 ms
 pressed  '---' '-' '---------------' '-'
          at_s                      at_s + held_s
```
A burst of 1 ms is too short to be seen in steps of 1 ms. Steps are `[ms, level]`, as
`firmware/boards/host.py` plays them for an ADC (ratio) or a pin (0 or 1): a step holds until the
next one, the first one before its time too.

Source of the bounce: Ganssle, "A guide to debouncing", 2004: most of 18 kinds of switch bounce
for a few milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_agent.simulator.sensors.shapes import random_of

Steps = list[list[float]]
"""`[ms, level]` in order of time."""

BOUNCE_MS = (1, 5)
"""Length of a burst of bounces, shortest and longest."""
CHATTER_MS = 10
"""A corroded contact that is held opens and closes in pieces of this length (assumption)."""

_PRESS, _FAULT = range(2)


@dataclass(frozen=True, slots=True)
class Levels:
    """What a contact reads at rest and when it is actuated."""

    idle: float
    active: float


CORD = Levels(0.5, 0.25)
"""Ratio of the supervised cord: end-of-line resistor, and with the pull switch beside it."""
BUTTON = Levels(1, 0)
"""Level of a pin with a pull-up and a button to ground (`button_pressed_level` 0)."""
REED = Levels(0, 1)
"""Level of a door reed: 0 while the magnet is near, 1 while the door is open."""

CUT_RATIO = 1.0
SHORT_RATIO = 0.0
"""Ratio of a cord that is cut, and of one whose wires touch. Bands: `firmware/settings.py`."""


def press(
    at_s: float,
    held_s: float,
    seed: int,
    levels: Levels = CORD,
    *,
    chatter: float = 0.0,
) -> Steps:
    """Return the steps of one press, beginning and ending with bounce.

    Args:
        at_s: first touch, after boot.
        held_s: how long it is held, above zero.
        seed: of the bounce; presses of one seed at other times bounce otherwise.
        levels: of the contact.
        chatter: share of the time for which a corroded contact is open while it is held.

    Raises:
        ValueError: the press is not after boot, or not held.
    """
    begin_ms, end_ms = _times(at_s, held_s)
    random = random_of(seed, 2 * begin_ms + _PRESS)
    steps = _change(begin_ms, levels.idle, levels.active, end_ms - begin_ms, random)
    if chatter > 0.0:
        for ms in range(begin_ms + CHATTER_MS, end_ms - CHATTER_MS, CHATTER_MS):
            is_open = random.random() < chatter
            _add(steps, ms, levels.idle if is_open else levels.active)
    _add(steps, end_ms, levels.active)
    for at_ms, level in _change(end_ms, levels.active, levels.idle, BOUNCE_MS[1] + 1, random):
        _add(steps, at_ms, level)
    return steps


def fault(at_s: float, lasts_s: float, seed: int, level: float, levels: Levels = CORD) -> Steps:
    """Return the steps of a cut (`CUT_RATIO`) or shorted (`SHORT_RATIO`) cord that is repaired.

    The wire touches a few times before it parts, like a contact.

    Raises:
        ValueError: the fault is not after boot, or does not last.
    """
    begin_ms, end_ms = _times(at_s, lasts_s)
    random = random_of(seed, 2 * begin_ms + _FAULT)
    steps = _change(begin_ms, levels.idle, level, end_ms - begin_ms, random)
    for ms, value in _change(end_ms, level, levels.idle, BOUNCE_MS[1] + 1, random):
        _add(steps, ms, value)
    return steps


def merge(parts: Sequence[Steps], levels: Levels = CORD) -> Steps:
    """Return presses and faults as one list of steps that begins at rest at boot.

    Raises:
        ValueError: two of them overlap.
    """
    merged: Steps = [[0, levels.idle]]
    for part in sorted((part for part in parts if part), key=lambda part: part[0][0]):
        if part[0][0] <= merged[-1][0] and len(merged) > 1:
            raise ValueError(f"a press at {part[0][0]:g} ms begins before the last one has ended")
        for ms, level in part:
            _add(merged, ms, level)
    return merged


def _times(at_s: float, lasts_s: float) -> tuple[int, int]:
    begin_ms, end_ms = round(1000 * at_s), round(1000 * (at_s + lasts_s))
    if begin_ms < 1 or end_ms <= begin_ms:
        raise ValueError(f"nothing is pressed at {at_s!r} s for {lasts_s!r} s")
    return begin_ms, end_ms


def _change(
    at_ms: int, before: float, after: float, room_ms: int, random: np.random.Generator
) -> Steps:
    """Return a change of level that bounces, all of it within less than room_ms."""
    lasts_ms = min(int(random.integers(BOUNCE_MS[0], BOUNCE_MS[1] + 1)), room_ms - 1)
    steps: Steps = [[at_ms, after]]
    for ms in range(at_ms + 1, at_ms + lasts_ms):
        _add(steps, ms, before if random.random() < 0.5 else after)
    if lasts_ms > 0:
        # The burst's last return, so that it is as long as it was drawn.
        if lasts_ms > 1:
            _add(steps, at_ms + lasts_ms - 1, before)
        _add(steps, at_ms + lasts_ms, after)
    return steps


def _add(steps: Steps, ms: float, level: float) -> None:
    """Append a step, or replace one of the same time; a level that holds anyway is left out."""
    if steps and steps[-1][0] == ms:
        steps.pop()
    if not steps or steps[-1][1] != level:
        steps.append([ms, level])
