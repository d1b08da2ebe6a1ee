"""The uplink over a line whose reader stands or turns; prints whether its beats go on."""

import asyncio
import io
import json
import select

from firmware import uplink
from firmware.uplink import Uplink
from protocol.messages import Hello

uplink._PULSE_MS = 20


class Line(io.IOBase):
    """Open; has a byte or not; one whose `readinto` is never reached is never read."""

    def __init__(self, has_bytes, is_stuck):
        self.has_bytes, self.is_stuck, self.shown = has_bytes, is_stuck, 0

    def open(self):
        return True

    def readinto(self, buf):
        buf[0] = 0xC0
        return 1 if self.has_bytes else None

    def write(self, buf):
        return len(buf)

    def ioctl(self, request, argument):
        if request != 3:  # MP_STREAM_POLL
            return -22
        return argument & (select.POLLOUT | (select.POLLIN if self.has_bytes else 0))


class Clock:
    def __init__(self):
        self.now = 0

    def now_ms(self):
        return self.now


class Backlog:
    records = ()


async def play(name, has_bytes, is_stuck):
    clock = Clock()
    line = Line(has_bytes, is_stuck)
    unit = Uplink(Hello("u", b"bootboot", 1, b"n" * 8), line, clock, Backlog(), lambda event: None)
    unit._open = True
    tasks = [asyncio.create_task(unit.run_timer())]
    if not is_stuck:
        tasks.append(asyncio.create_task(unit.run_reader()))
    beats = []
    for _ in range(5):
        await asyncio.sleep_ms(60)
        clock.now += 60
        beats.append(unit.beats)
    for task in tasks:
        task.cancel()
    print(json.dumps({"name": name, "goes_on": beats[-1] > beats[-2]}))


async def main():
    await play("silence", False, False)
    await play("bytes are read", True, False)
    await play("silence and no reader", False, True)
    await play("bytes wait", True, True)


asyncio.run(main())
