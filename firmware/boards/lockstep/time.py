"""MicroPython's `time` on lockstep virtual time (see `lockstep.py`)."""

import sys

import lockstep
import tasks
import utime
from utime import gmtime, localtime, mktime, ticks_add, ticks_cpu, ticks_diff  # noqa: F401


def ticks_ms() -> int:
    """Return virtual milliseconds since the conductor began."""
    return lockstep.now_ms


def ticks_us() -> int:
    """Return virtual microseconds since the conductor began."""
    return lockstep.now_ms * 1000


def time() -> int:
    """Return virtual seconds; the epoch is the conductor's beginning."""
    return lockstep.now_ms // 1000


def time_ns() -> int:
    """Return virtual nanoseconds; the epoch is the conductor's beginning."""
    return lockstep.now_ms * 1_000_000


def sleep_ms(duration_ms: int) -> None:
    """Wait in virtual time."""
    deadline = lockstep.now_ms + max(0, int(duration_ms))
    while lockstep.now_ms < deadline:
        lockstep.wait(None, deadline)


def sleep(duration_s: float) -> None:
    """Wait in virtual time."""
    sleep_ms(int(duration_s * 1000))


def sleep_us(duration_us: int) -> None:
    """Do nothing: virtual time has no microseconds."""


clock = utime.clock

sys.modules["_asyncio"] = tasks
