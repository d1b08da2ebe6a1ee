"""Runs the whole unit on an ESP32's board file; the flash is the root, as on the board.

Arguments: the wiring (see `esp32/machine.py`), the folder that is the flash, the board's module,
and a second at which to print what it takes: the fakes' bytes, the unit's, the modules.
"""

import asyncio
import gc
import json
import sys

import vfs

vfs.umount("/")
vfs.mount(vfs.VfsPosix(), "/host")
vfs.mount(vfs.VfsPosix(sys.argv[2]), "/")
sys.path[:] = [path if path.startswith(".") else "/host" + path for path in sys.path]
sys.argv[1] = "/host" + sys.argv[1]
gc.threshold(max(8192, gc.mem_free() // 32))


async def weigh(second):
    await asyncio.sleep(second)
    gc.collect()
    taken = gc.mem_alloc() - before
    print(json.dumps([before, taken, sorted(sys.modules)]), file=sys.stderr)


if len(sys.argv) > 4:
    import os  # noqa: F401 (the fakes first, to know what they take)

    import esp32  # noqa: F401
    import machine  # noqa: F401

    from firmware.boards import host_pins, host_uart  # noqa: F401

    asyncio.create_task(weigh(int(sys.argv[4])))  # noqa: RUF006 (MicroPython keeps it)
gc.collect()
before = gc.mem_alloc()

import protocol.unit_session  # noqa: F401
from firmware import app

boards = __import__("firmware.boards." + sys.argv[3]).boards
app.run(getattr(boards, sys.argv[3]).Board())
