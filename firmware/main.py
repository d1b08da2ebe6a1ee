"""Starts the unit: picks the version of the program, finds the board, runs the one on the other.

In the MicroPython VM: `micropython firmware/main.py host.json` with the repository on
MICROPYPATH. On a device the installer copies the board's file as `this_board.py`.

This file and the copy of the program beside it are the factory's: an update never writes them
(`update/slots.py`), and they run when no other version is whole or can be imported.
"""

import gc
import sys

# Collect often: what lives long then lies close together, and the free heap in one piece.
gc.threshold(max(8192, gc.mem_free() // 32))

from firmware.update import read_state  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def flash_root() -> str:
    """Return the folder of the flash, before there is a board to ask."""
    if sys.platform != "linux":
        return ""
    import json

    with open(sys.argv[1]) as file:
        return str(json.load(file)["flash"])


def load() -> "Callable[[], None]":
    """Import the program that is first on the path, and find its board; return what runs it."""
    import protocol.unit_session  # noqa: F401 (the largest first, while the heap is empty)
    from firmware import app

    if sys.platform == "linux":
        from firmware.boards.host import HostBoard as Board
    else:
        from this_board import Board

    board = Board()
    return lambda: app.run(board)


def forget() -> None:
    """Let every module of the program be imported anew, from what is then on the path."""
    for name in list(sys.modules):
        if name.split(".")[0] in ("firmware", "protocol", "this_board"):
            del sys.modules[name]
    gc.collect()


def choose(root: str, refused: str = "", why: str = "") -> "tuple[str, str]":
    """Return the slot to run and its folder, empty for the factory's; leaves no module behind.

    Args:
        root: folder of the flash.
        refused: a slot that could not be loaded.
        why: it could not.
    """
    from firmware.update.slots import FileSlots
    from firmware.update.state import State

    state = State(root)
    if refused and refused == state.trial:
        state.take_back(why)
    slot = FileSlots(root, state).choose(refused)
    return slot, state.path(slot) if slot else ""


def load_version(root: str) -> "Callable[[], None]":
    """Import the version to run: one that was received, or else the factory's."""
    refused = why = ""
    while True:
        forget()
        slot = ""
        try:
            slot, path = choose(root, refused, why)
            if not slot:
                break
            forget()
            sys.path.insert(0, path)
            return load()
        except Exception as error:
            sys.print_exception(error, sys.stderr)  # type: ignore[arg-type]
            if not slot:
                break  # our mistake; the unit runs all the same
            sys.path.remove(path)
            refused, why = slot, repr(error)
    forget()
    return load()


root = flash_root()
run = load() if read_state(root) is None else load_version(root)
run()
