"""The unit's half of lockstep virtual time: what `time.py` and `select.py` here stand on.

This folder is first on `sys.path` of a MicroPython VM that the simulator starts with
`ANZHEN_LOCKSTEP=<file descriptor>`, and never on CPython's path. Virtual time stands still
while the VM runs; when it waits, it tells the conductor until when, and how many bytes it
has read from and written to its line; the conductor answers with the time.

```
 VM -> conductor  u8 kind, i64 deadline in ms (-1 none), u64 bytes read, u64 bytes written
                  kind 1: idle until the deadline   2: woken by the line, what time is it?
 conductor -> VM  i64 time in ms
```
"""

import os
import struct

import uselect

_IDLE = 1
_WOKEN = 2

_control = open(int(os.getenv("ANZHEN_LOCKSTEP")), "r+b")  # noqa: SIM115 (the VM's life long)
_answer = bytearray(8)
_only_control = uselect.poll()
_only_control.register(_control, uselect.POLLIN)

now_ms = 0
line_read = 0
line_written = 0


def _report(kind: int, deadline_ms: int) -> None:
    _control.write(struct.pack("<BqQQ", kind, deadline_ms, line_read, line_written))


def _take_time() -> None:
    global now_ms
    count = _control.readinto(_answer)
    if not count:
        raise SystemExit  # the conductor is gone: the power is off
    (now_ms,) = struct.unpack("<q", _answer)


_report(_WOKEN, -1)
_take_time()  # the unit may be switched on long after the conductor began


def wait(poll: object, deadline_ms: int) -> "list[tuple[object, int]]":
    """Wait until an object registered with `poll` is ready or virtual time has come.

    Args:
        poll: a real poll object on which the control line is registered too, or None.
        deadline_ms: virtual time to wake up at, -1 for never.
    """
    poll = poll or _only_control
    _report(_IDLE, deadline_ms)
    while True:
        ready = []
        timed = False
        for entry in poll.poll(-1):
            if entry[0] is _control:
                _take_time()
                timed = True
            else:
                ready.append(entry)
        if ready and not timed:
            _report(_WOKEN, -1)
            _take_time()
        if ready or (deadline_ms >= 0 and now_ms >= deadline_ms):
            return ready


def register_control(poll: object) -> None:
    """Make a real poll object wake up when the conductor speaks."""
    poll.register(_control, uselect.POLLIN)


def is_control(thing: object) -> bool:
    """Return True for the control line itself."""
    return thing is _control
