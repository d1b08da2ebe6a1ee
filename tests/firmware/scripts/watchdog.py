"""Tasks that die, end or stand still under the unit's health; prints what came of it."""

import asyncio
import json
import sys

from firmware import health
from firmware.health import Health
from firmware.uptime import Clock

ROOT = sys.argv[1]


class Board:
    """Time of its own: each wait of a second takes none."""

    flash_root = ROOT

    def __init__(self):
        self.now = 0
        self.fed = []
        self.resets = 0

    def ticks_ms(self):
        return self.now

    def feed(self):
        self.fed.append(self.now)

    def reset(self):
        self.resets += 1
        raise SystemExit


class Task:
    def __init__(self, board, stops_at=-1, dies=0):
        self.beats = 0
        self.starts = 0
        self.board = board
        self.stops_at = stops_at
        self.dies = dies

    async def run(self):
        self.starts += 1
        if self.starts <= self.dies:
            raise ValueError("broken")
        while True:
            if self.stops_at < 0 or self.board.now < self.stops_at:
                self.beats += 1
            await asyncio.sleep_ms(0)


def play(name, tasks, until_ms):
    board = Board()
    clock = Clock(board)
    reports = []

    async def wait_beat(period_ms):
        board.now += period_ms - board.now % period_ms
        for _ in range(3):
            await asyncio.sleep_ms(0)

    clock.wait_beat = wait_beat
    unit = Health(board, clock, lambda status: reports.append(status.flags))
    health.RESTART_MS = 0
    made = [Task(board, *task) for task in tasks]

    async def main():
        for number, task in enumerate(made):
            unit.keep(f"task {number}", task.run, task, 5000)
        unit.keep("health", unit.run)
        while board.now < until_ms:
            await asyncio.sleep_ms(0)

    try:
        asyncio.run(main())
    except SystemExit:
        board.now += 0  # the reset
    asyncio.new_event_loop()
    print(json.dumps({
        "name": name, "fed": board.fed[-1:], "feeds": len(board.fed), "resets": board.resets,
        "now": board.now, "reports": reports, "words": health.recall_last_words(ROOT)[0],
        "starts": [task.starts for task in made], "restarts": unit.restarts,
    }))  # fmt: skip
    unit.forget_last_words()


play("well", [()], 60_000)
play("stands", [(), (20_000,)], 60_000)
play("dies twice", [(-1, 2)], 60_000)
play("dies always", [(), (-1, 99)], 60_000)
