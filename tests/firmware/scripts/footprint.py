"""Runs a unit on the ESP32's board file over a `machine` of next to nothing; weighs it.

Arguments: the folder that is the flash. Prints the bytes taken after a collection, the modules,
and what became of a press and an impact.
`footprint32.mjs` imports this file, calls what is in it and weighs by itself.
"""

import asyncio
import gc
import json
import sys

FLASH = sys.argv[1]
PRESS_MS, RUN_S = 1000, 3
GRAVITY = b"\x00\x00\x00\x00\x50\x05"
IMPACT = b"\x00\x00\x00\x00\x00\x7d"


class Machine:
    """`machine`, `esp32` and all that is in them."""

    IN = OUT = PULL_UP = OPEN_DRAIN = ATTN_11DB = PERIODIC = 1

    def __init__(self, *arguments, callback=None, **options):
        self.number = arguments[0] if arguments else 0
        self.callback = callback
        self.reads = 0
        if callback is not None:
            self.task = asyncio.create_task(self.tick())

    async def tick(self):
        while True:
            await asyncio.sleep_ms(10)
            self.callback(self)

    def value(self, level=None):
        pressed = self.number == 32 and PRESS_MS < board.ticks_ms() - begun < PRESS_MS + 300
        return 0 if pressed else 1

    def read_uv(self):
        return 800_000 if PRESS_MS < board.ticks_ms() - begun < PRESS_MS + 300 else 1_650_000

    def readfrom_mem_into(self, address, register, buffer):
        view = memoryview(buffer)
        if address == 0x48:
            view[0], view[1] = (0xC2, 0xE3) if register == 1 else (3, 4)
        elif address == 0x2A:
            view[0] = 0x28 if register == 0 else 0
        elif register == 0x0F:
            view[0] = 0x33
        elif register == 0x2F:
            view[0] = 10
        else:
            self.reads += 1
            data = IMPACT if self.reads == 10 else GRAVITY
            for position in range(len(view)):
                view[position] = data[4] | data[5] << 8  # an array of int16

    def writeto_mem(self, address, register, data):
        pass

    def any(self):
        return 0

    def readinto(self, buffer):
        return None

    def write(self, data):
        return len(data)

    def get_blob(self, key, buffer):
        raise OSError(-0x1102)

    def feed(self):
        pass


class Module:
    Pin = ADC = I2C = UART = Timer = WDT = NVS = Machine

    @staticmethod
    def disable_irq():
        return 0

    @staticmethod
    def enable_irq(state):
        pass

    @staticmethod
    def freq(hz):
        pass

    @staticmethod
    def reset_cause():
        return 1

    @staticmethod
    def unique_id():
        return b"unique"


sys.modules["machine"] = sys.modules["esp32"] = Module


def load():
    """Import what a device imports, the largest first."""
    global app, Board
    import protocol.unit_session  # noqa: F401
    from firmware import app
    from firmware.boards.esp32_devkit import Board


def start():
    """Switch the unit on; an event loop runs, or is to run soon."""
    global board, begun, unit
    board = Board()
    board.flash_root = FLASH
    begun = board.ticks_ms()
    unit = app.Unit(board)
    unit.start()


def report(live):
    """Print the bytes that are taken, and how the unit is."""
    print(json.dumps({
        "live": live, "low": unit.health._heap_low, "modules": sorted(sys.modules),
        "records": [record.rank for record in unit.backlog.records],
        "restarts": unit.health.restarts, "dropped": unit.uplink.dropped,
        "samplers": [sampler.faulty for sampler in unit.samplers.values()],
    }))  # fmt: skip


async def main():
    """Weigh it in the unix VM."""
    start()
    await asyncio.sleep(RUN_S)
    gc.collect()
    report(gc.mem_alloc() - before)


if __name__ == "__main__":
    gc.threshold(max(8192, gc.mem_free() // 32))
    gc.collect()
    before = gc.mem_alloc()
    load()
    asyncio.run(main())
