"""The unit: MicroPython on an ESP32-class board."""

import sys


def forget(name: str, package: str = "firmware") -> None:
    """Give the memory of a module back; who needs it again imports it anew."""
    sys.modules.pop(package + "." + name, None)
    if hasattr(sys.modules[package], name):
        delattr(sys.modules[package], name)
