"""Starts the unit: finds its board and runs the firmware on it.

In the MicroPython VM: `micropython firmware/main.py host.json` with the repository on
MICROPYPATH. On a device the installer copies the board's file as `this_board.py`.
"""

import gc
import sys

# Collect often: what lives long then lies close together, and the free heap in one piece.
gc.threshold(max(8192, gc.mem_free() // 32))

import protocol.unit_session  # noqa: E402, F401 (the largest first, while the heap is empty)
from firmware import app  # noqa: E402

if sys.platform == "linux":
    from firmware.boards.host import HostBoard as Board
else:
    from this_board import Board

app.run(Board())
