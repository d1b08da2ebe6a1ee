"""Does a radar live, or does it repeat itself? Its field quality: values freeze and stay.

```
 report == the last of its kind --10 of them, 30 s moving or 5 min still--> frozen
 report differs, or nobody is there -------------------------------------> alive
```
Source: reports of users of the MR60BHA2 and LD2450: values freeze when the person leaves, a
target stays until the module is started anew.
"""

MOVING_FROZEN_MS = 30_000
STILL_FROZEN_MS = 300_000
FRESH_MS = 30_000
"""Rates count while something that moves with them has changed within this time."""
_LEAST_FROZEN = 10
"""So many equal reports at least: one that never comes says nothing."""


class Life:
    """The last report of each kind that moves with heart and breath, and when it changed."""

    def __init__(self, now_ms: int) -> None:
        self._payloads: "dict[int, bytes]" = {}
        self._changed_ms = now_ms
        self._equal = 0
        self.stuck_ms = -1
        """Since when it is known to repeat itself, -1 while it does not."""

    def is_fresh(self, now_ms: int) -> bool:
        """Return False when what moves with heart and breath has stood still."""
        return self.stuck_ms < 0 and now_ms - self._changed_ms < FRESH_MS

    def take(self, kind: int, payload: bytes, now_ms: int) -> int:
        """Take a report; return for how many ms it had been stuck if it is free now, else -1."""
        if payload == self._payloads.get(kind):
            self._equal += 1
            return -1
        self._payloads[kind] = payload
        return self.note_change(now_ms)

    def note_change(self, now_ms: int) -> int:
        """Note that it lives; return as `take` does."""
        self._changed_ms = now_ms
        self._equal = 0
        frozen_ms = now_ms - self.stuck_ms if self.stuck_ms >= 0 else -1
        self.stuck_ms = -1
        return frozen_ms

    def is_frozen(self, now_ms: int, moving: bool) -> bool:
        """Return True when it has repeated itself for too long while somebody is there."""
        limit_ms = MOVING_FROZEN_MS if moving else STILL_FROZEN_MS
        return now_ms - self._changed_ms >= limit_ms and self._equal >= _LEAST_FROZEN

    def freeze(self, now_ms: int) -> int:
        """Note that it is stuck; return for how many ms already."""
        self.stuck_ms = self._changed_ms
        return now_ms - self._changed_ms
