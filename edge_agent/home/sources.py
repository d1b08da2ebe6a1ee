"""The sensors of a home: which of their reports are changes, and which of them are believed.

```
 hour        |  1 |  2 |  3 | ... | 24 |          a change in each of CHATTER_H hours on end:
 changes     | x  | xx | x  | ... | x  |          nobody does that; not believed from here
             |    |    |    |    |                until nothing came for QUIET_H
```
Known weakness: what chatters for less than a day is a sign of life.
"""

import msgspec

from edge_agent.home.sign import PULSES, Sign

_HOUR_S = 3600.0
CHATTER_H = 24
"""Nobody does something every hour of a day and night; the longest run of one sensor in the
three recorded homes is 23 h, a motion detector that sees a kitchen and a street."""
QUIET_H = 4
MOST_SOURCES = 256
"""As many as a home has units; one more is not believed, for nobody could tell its repetitions
from changes."""


class Source(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of one sensor: last change, hours on end, level, is it believed."""

    seen_s: float
    hour: int
    run_h: int
    active: bool
    chatters: bool


Sources = dict[str, Source]


def is_change(sources: Sources, sign: Sign) -> bool:
    """Return True for a change; a level told again and the end of a pulse are none."""
    if sign.kind in PULSES:
        return sign.active
    known = sources.get(sign.source)
    return known is None or known.active != sign.active


def see(sources: Sources, sign: Sign) -> Sources:
    """Return the sources with one more change; the same object where nothing is new."""
    known = sources.get(sign.source)
    if known is None and len(sources) >= MOST_SOURCES:
        return sources
    hour = int(sign.monotonic_s // _HOUR_S)
    run_h, chatters, seen_s = 1, False, sign.monotonic_s
    if known is not None:
        passed = hour - known.hour
        run_h = known.run_h + max(0, passed) if passed <= 1 else 1
        chatters = known.chatters and passed < QUIET_H
        if passed == 0 and sign.kind in PULSES:
            seen_s = known.seen_s
    is_over = chatters or run_h >= CHATTER_H
    source = Source(seen_s, hour, min(run_h, CHATTER_H), sign.active, is_over)
    return sources if source == known else {**sources, sign.source: source}


def is_believed(sources: Sources, sign: Sign) -> bool:
    """Return False for a source that chatters, and for one too many to be watched."""
    known = sources.get(sign.source)
    return known is not None and not known.chatters


def moved_to(sources: Sources, seen_s: float, now_s: float) -> Sources:
    """Return the sources after a reboot: runs go on, times are of the new boot."""
    hour = int(now_s // _HOUR_S)
    return {
        name: msgspec.structs.replace(one, seen_s=seen_s, hour=hour)
        for name, one in sources.items()
    }
