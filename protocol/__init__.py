"""Bytes: the wire between unit and agent, on CPython and MicroPython alike."""
