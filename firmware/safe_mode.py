"""A unit that fails again and again starts with its call contact and its line only.

```
 boot after a failure (watchdog, or last words) -> count + 1    5 of them -> safe mode
 ten minutes without a failure                  -> count = 0
 ten minutes in safe mode                       -> the next boot is a whole one, the count is 3
```
In safe mode no sensor is set up, no radar configured, and each is told as in fault: what
crashes a unit is nearly always a part or its driver, and a call must not go down with it. A
unit switched off and on by hand never gets there. With two failures the mode is back.

| reset cause (`machine`) | counts |
|---|---|
| 1 power, 2 hard, 4 deep sleep, 5 soft | only with last words other than asked for |
| 3 watchdog | yes |
"""

import json

from firmware import flash

SAFE_BOOTS = 5
STEADY_MS = 600_000
ASKED = "asked"
"""Last words that begin so are no failure."""
_WATCHDOG = 3
_FILE = "/failures.json"
_AGAIN = SAFE_BOOTS - 2


class SafeMode:
    """Whether this boot is a safe one, and when that is over."""

    def __init__(self, root: str, reset_cause: int, last_words: str) -> None:
        self._path = root + _FILE
        kept = flash.read_checked(self._path)
        count = kept.get("count", 0) if isinstance(kept, dict) else 0
        self._count = count if isinstance(count, int) else 0
        self._steady = False
        failed = reset_cause == _WATCHDOG or bool(last_words)
        if failed and not last_words.startswith(ASKED):
            self._count += 1
            self._keep(self._count)
        self.is_on = self._count >= SAFE_BOOTS

    def poll(self, now_ms: int) -> bool:
        """Note that the unit lives; True when safe mode has lasted long enough."""
        if self._steady or now_ms < STEADY_MS:
            return False
        self._steady = True
        if self._count:
            self._keep(_AGAIN if self.is_on else 0)
        return self.is_on

    def _keep(self, count: int) -> None:
        try:
            flash.write_checked(self._path, json.dumps({"count": count}))
        except OSError:
            pass  # a flash that cannot be written does not stop the unit
