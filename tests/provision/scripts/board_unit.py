"""Runs what lies on a flash, and nothing else, as `main.py` does on a board; the flash is the root.

Arguments: the wiring (see `tests/firmware/esp32/machine.py`) and the folder that is the flash.
"""

import sys

import vfs

vfs.umount("/")
vfs.mount(vfs.VfsPosix(), "/host")
vfs.mount(vfs.VfsPosix(sys.argv[2]), "/")
sys.path[:] = [path if path.startswith(".") else "/host" + path for path in sys.path]
sys.argv[1] = "/host" + sys.argv[1]

import protocol.unit_session  # noqa: F401, I001 (the largest first)
from firmware import app
from this_board import Board

app.run(Board())
