"""MicroPython's `os` with the ESP32's `dupterm`, which the unix port has not, and a rename that works."""

import sys

import uos
from uos import *  # noqa: F403


def dupterm(stream, index=0):
    if index:
        raise ValueError("invalid dupterm index")


def rename(old, new):
    """Rename under the real paths: VfsPosix with a root puts both names into one buffer."""
    root = "/host" + sys.argv[2]
    uos.rename(root + old, root + new)
