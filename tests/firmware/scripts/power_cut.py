"""Cuts the power at every operation on the flash in turn and looks at what is left.

Prints one JSON line a cut: what was promised before it, what the next boot finds.
"""

import json
import os
import sys
from array import array

from firmware import flash
from firmware.backlog import IMPACT, Backlog
from firmware.uptime import Clock
from protocol.messages import EventKind

ROOT = sys.argv[1]


class Cut(BaseException):
    """The power is gone."""


class Board:
    def ticks_ms(self):
        return 0


class Fuse:
    """Counts operations; at the chosen one the power goes, before or after it is done."""

    def __init__(self, at, after):
        self.left = at
        self.after = after

    def step(self, do):
        self.left -= 1
        if self.left == 0:
            if self.after:
                do()
            raise Cut
        return do()


class File:
    def __init__(self, fuse, file):
        self.fuse = fuse
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def read(self, *size):
        return self.file.read(*size)

    def write(self, piece):
        piece = bytes(piece)

        def half():
            self.file.write(piece[: len(piece) // 2])

        if self.fuse.left == 1:
            self.fuse.step(half)
        self.fuse.step(int)
        return self.file.write(piece)


class Os:
    def __init__(self, fuse):
        self.fuse = fuse
        self.listdir = os.listdir
        self.mkdir = os.mkdir

    def rename(self, old, new):
        return self.fuse.step(lambda: os.rename(old, new))

    def remove(self, path):
        return self.fuse.step(lambda: os.remove(path))


def scenario(backlog, promised):
    """Record, replace, forget; note what has been signalled as stored."""
    samples = array("h", range(240))
    first = backlog.add_event(EventKind.CALL_PRESSED, 4)
    promised[first.seq] = "call"
    early = backlog.add_impact(0, 0, 3000, 10000, 0.5, 3, [memoryview(samples)[:30]], 1700, True)
    promised[early.seq] = "impact"
    fault = backlog.add_event(EventKind.SENSOR_FAULT, 1)
    promised[fault.seq] = "fault"
    pieces = [memoryview(samples), memoryview(samples)[:120]]
    whole = backlog.add_impact(0, 0, 3000, 10000, 0.5, 3, pieces, 1900, False, early)
    promised[whole.seq] = "whole impact"
    del promised[first.seq]  # from here on it may be there or not
    backlog.remove(first.boot_id, first.seq)
    last = backlog.add_event(EventKind.CALL_RELEASED, 4)
    promised[last.seq] = "released"


def wipe(path):
    for name in os.listdir(path):
        os.remove(path + "/" + name)


def main():
    clock = Clock(Board())
    at = 0
    real_open = open
    done = False
    while not done:
        at += 1
        for after in (False, True):
            folder = ROOT + "/backlog"
            flash.make_folder(folder)
            wipe(folder)
            fuse = Fuse(at, after)
            flash.open = lambda *a, fuse=fuse: File(fuse, real_open(*a))
            flash.os = Os(fuse)
            promised = {}
            try:
                scenario(Backlog(ROOT, b"bootbyte", clock, 64, 12), promised)
                done = True
            except Cut:
                pass
            flash.open = real_open
            flash.os = os
            again = Backlog(ROOT, b"nextboot", clock, 64, 12)
            found = {}
            for record in list(again.records):
                messages = again.messages(record)
                found[record.seq] = len(messages)
                if record.rank == IMPACT:
                    found[record.seq] = sum([len(part.data) for part in messages])
            print(json.dumps({
                "at": at, "after": after, "promised": promised, "found": found,
                "damaged": again.damaged, "left": len(os.listdir(folder)),
            }))  # fmt: skip


main()
