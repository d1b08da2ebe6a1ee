"""One second of samples as our frames, and as lines of JSON; prints bytes and microseconds.

A JSON-lines firmware sends what a sensor gives as one object a sample, numbers in SI units with
three decimals; that is measured, and also one object a block, which is the best that it can do.
"""

import gc
import json
import sys
import time
from array import array

from protocol.block import Block

ROUNDS = int(sys.argv[1])
KINDS = (
    # name, axes, samples a second, samples a block, scale
    ("acceleration 100 Hz", 3, 100, 10, 0.00735),
    ("acceleration 50 Hz", 3, 50, 10, 0.00735),
    ("strip 100 Hz", 1, 100, 50, 0.000125),
    ("load 10 Hz", 1, 10, 5, 0.01),
)


def signal(axes, count):
    """Return counts as a real part gives them: noise about a level."""
    seed = 1
    values = array("h", bytes(2 * axes * count))
    for position in range(len(values)):
        seed = (1103515245 * seed + 12345) & 0x7FFFFFFF
        values[position] = (1333 if position % 3 == 2 else 0) + (seed >> 16) % 400 - 200
    return values


class Frames:
    """As `firmware/parts.py` does it: one block, filled anew from what the driver has read."""

    def __init__(self, values, axes, rate, block, scale):
        self.rate, self.block = rate, block
        self.message = Block(1, 0, 1_000_000 // rate, scale, axes, block)
        self.read = []
        for first in range(0, rate, block):
            self.read.append(values[axes * first : axes * (first + block)])

    def __call__(self, *arguments):
        size = first = 0
        message, block = self.message, self.block
        for counts in self.read:
            message.fill(counts, block, 1_000_000 + 10 * first, first)
            size += len(message.frame(first, message.pack(), b""))
            first += block
        return size


def as_lines(values, axes, rate, block, scale):
    size = 0
    for sample in range(rate):
        row = [round(values[axes * sample + axis] * scale, 3) for axis in range(axes)]
        line = {"unit": "bath-3f2a", "t": 1_000_000 + 10 * sample, "ch": "acc", "v": row}
        size += len((json.dumps(line) + "\n").encode())
    return size


def as_line_of_block(values, axes, rate, block, scale):
    size = 0
    for first in range(0, rate, block):
        rows = [
            [round(values[axes * sample + axis] * scale, 3) for axis in range(axes)]
            for sample in range(first, first + block)
        ]
        line = {"unit": "bath-3f2a", "t": 1_000_000 + 10 * first, "ch": "acc", "v": rows}
        size += len((json.dumps(line) + "\n").encode())
    return size


def measure(*arguments):
    """Return (bytes, best of the rounds in us) of each way, taken in turn: the clock may change."""
    ways = (Frames(*arguments), as_lines, as_line_of_block)
    found = [(0, 1 << 29)] * len(ways)
    for _ in range(ROUNDS):
        for place, work in enumerate(ways):
            gc.collect()
            begin = time.ticks_us()
            for _ in range(10):
                size = work(*arguments)
            us = time.ticks_diff(time.ticks_us(), begin) // 10
            found[place] = (size, min(found[place][1], us))
    return found


for name, axes, rate, block, scale in KINDS:
    values = signal(axes, rate)
    frames, lines, blocks = measure(values, axes, rate, block, scale)
    print(json.dumps({"name": name, "frames": frames, "lines": lines, "blocks": blocks}))
