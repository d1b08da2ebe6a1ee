"""MicroPython's `select` on lockstep virtual time (see `lockstep.py`)."""

import lockstep
import uselect
from uselect import POLLERR, POLLHUP, POLLIN, POLLOUT  # noqa: F401


class _Poll:
    """A poll object whose waiting is done in virtual time."""

    def __init__(self) -> None:
        self._real = uselect.poll()
        lockstep.register_control(self._real)

    def register(self, thing: object, events: int = POLLIN | POLLOUT) -> None:
        self._real.register(thing, events)

    def unregister(self, thing: object) -> None:
        self._real.unregister(thing)

    def modify(self, thing: object, events: int) -> None:
        self._real.modify(thing, events)

    def poll(self, timeout_ms: int = -1) -> "list[tuple[object, int]]":
        ready = [entry for entry in self._real.poll(0) if not lockstep.is_control(entry[0])]
        if ready or timeout_ms == 0:
            return ready
        deadline = -1 if timeout_ms < 0 else lockstep.now_ms + timeout_ms
        return lockstep.wait(self._real, deadline)

    def ipoll(self, timeout_ms: int = -1, flags: int = 0) -> "list[tuple[object, int]]":
        return self.poll(timeout_ms)


def poll() -> _Poll:
    """Return a new poll object."""
    return _Poll()
