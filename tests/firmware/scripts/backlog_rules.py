"""Fills, damages and starves a backlog; prints what it holds after each, as JSON lines."""

import json
import os
import sys
from array import array

from firmware import flash
from firmware.backlog import IMPACT, Backlog
from firmware.uptime import Clock
from protocol.messages import EventKind

ROOT = sys.argv[1]
SAMPLES = memoryview(array("h", range(6)))


class Board:
    now = 0

    def ticks_ms(self):
        return self.now


BOARD = Board()
CLOCK = Clock(BOARD)


def fresh(name, boot=b"bootbyte", events=64, impacts=12):
    flash.make_folder(ROOT + "/" + name)
    return Backlog(ROOT + "/" + name, boot, CLOCK, events, impacts)


def impact(backlog, peak, held=False, early=None):
    return backlog.add_impact(0, 0, 30, 10000, 0.5, 3, [SAMPLES], peak, held, early)


def rows(backlog):
    out = []
    for record in backlog.records:
        kind = f"impact {record.peak}"
        if record.rank != IMPACT:
            kind = backlog.messages(record)[0].kind
        out.append([record.rank, record.seq, kind])
    return out


def tell(**what):
    print(json.dumps(what))


def order():
    backlog = fresh("order")
    backlog.add_event(EventKind.SENSOR_FAULT, 0)
    impact(backlog, 1800)
    backlog.add_event(EventKind.CALL_PRESSED, 4)
    backlog.add_event(EventKind.CALL_RELEASED, 4)
    impact(backlog, 1700)
    backlog.add_event(EventKind.CALL_PRESSED, 4)
    again = fresh("order", b"nextboot")
    again.add_event(EventKind.CALL_PRESSED, 4)
    tell(now=rows(backlog), again=rows(again))


def impacts_full():
    backlog = fresh("impacts")
    for peak in range(12):
        impact(backlog, 2000 + peak)
    impact(backlog, 2500)
    weak = impact(backlog, 1900)
    tell(
        rows=rows(backlog),
        weak=weak is None,
        dropped=backlog.dropped_impacts,
        files=len(os.listdir(ROOT + "/impacts/backlog")),
    )


def events_full():
    backlog = fresh("events")
    backlog.add_event(EventKind.CALL_PRESSED, 4)
    impact(backlog, 2000)
    for _ in range(70):
        backlog.add_event(EventKind.SENSOR_FAULT, 0)
    backlog.add_event(EventKind.CALL_PRESSED, 4)
    tell(rows=rows(backlog), dropped=backlog.dropped_events)


def calls_full():
    backlog = fresh("calls")
    for _ in range(66):
        backlog.add_event(EventKind.CALL_PRESSED, 4)
    tell(seqs=[record.seq for record in backlog.records], dropped=backlog.dropped_events)


def damaged():
    backlog = fresh("damaged")
    for _ in range(4):
        backlog.add_event(EventKind.SENSOR_FAULT, 0)
    impact(backlog, 2000)
    folder = ROOT + "/damaged/backlog"
    names = sorted(os.listdir(folder))
    for number, name in enumerate(names[:3]):
        with open(folder + "/" + name, "rb") as file:
            data = bytearray(file.read())
        if number == 0:
            data[20] ^= 1
        elif number == 1:
            data = data[:9]
        else:
            data = data[:-1]
        with open(folder + "/" + name, "wb") as file:
            file.write(data)
    with open(folder + "/0000zzzz.rec", "wb") as file:
        file.write(b"no record at all")
    with open(folder + "/00000009.rec.tmp", "wb") as file:
        file.write(b"AZR1")
    again = fresh("damaged", b"nextboot")
    later = again.records[0]
    with open(f"{folder}/{later.number:08x}.rec", "r+b") as file:
        file.seek(40)
        file.write(b"\xff")
    gone = again.messages(later)
    tell(
        seqs=[record.seq for record in again.records],
        damaged=again.damaged,
        gone=len(gone),
        names=sorted(os.listdir(folder)),
    )


def flash_fails():
    backlog = fresh("fails")
    real_open = open

    def no_open(*arguments):
        raise OSError(28)

    flash.open = no_open
    backlog.add_event(EventKind.CALL_PRESSED, 4)
    lost = impact(backlog, 2000)
    flash.open = real_open
    early = impact(backlog, 2000, True)
    flash.open = no_open
    kept = impact(backlog, 2100, False, early)
    flash.open = real_open
    tell(
        rows=rows(backlog),
        lost=lost is None,
        early=[kept is early, early.held],
        errors=backlog.flash_errors,
    )
    tell(removed=backlog.remove(b"bootbyte", 1), rows=rows(backlog))


def utc():
    backlog = fresh("utc")
    BOARD.now = 1000
    record = backlog.add_event(EventKind.CALL_PRESSED, 4)
    before = backlog.messages(record)[0]
    BOARD.now = 5000
    CLOCK.learn_utc(1790000005000, 2)
    after = backlog.messages(record)[0]
    other = fresh("utc", b"nextboot")
    kept = other.messages(other.records[0])[0]
    tell(
        uptime=after.uptime_ms,
        before=before.utc_ms,
        after=after.utc_ms,
        kept=kept.utc_ms,
        boot=str(kept.boot_id, "utf-8"),
    )


for scenario in (order, impacts_full, events_full, calls_full, damaged, flash_fails, utc):
    scenario()
