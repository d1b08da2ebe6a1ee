"""The weekly test of the call button: reminded of by the light, kept on the flash.

```
 press stored by the agent -> tested: `button_test.json` {"utc": ..}
 7 days later              -> TEST_DUE, once a day; the light blinks every 5 s while no call is on
 pressed and stored        -> TESTED
```
A press that has reached the agent's disk has tested contact, unit and line: a real call counts
too. So that a test is not taken for one, the agent is told to drill first; the unit knows no
difference. Weeks are counted by the agent's clock, and while that is not known by the uptime.

Source: 养老服务智能化系统技术标准 §10.3: call buttons are tested weekly.
"""

import json

from firmware import flash
from firmware.local_alarm import OFF
from protocol.messages import EventKind, Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.backlog import Backlog
    from firmware.local_alarm import LocalAlarm
    from firmware.uptime import Clock
    from protocol.messages import Ack

WEEK_MS = 7 * 86_400_000
DAY_MS = 86_400_000
BLINK_EVERY_MS = 5_000
_BLINK_MS = 100
_FILE = "/button_test.json"


class ButtonTest:
    """When the call contact was last tested, and the reminder."""

    def __init__(
        self, root: str, clock: "Clock", alarm: "LocalAlarm", backlog: "Backlog", channel: int
    ) -> None:
        self._path = root + _FILE
        self._clock = clock
        self._alarm = alarm
        self._backlog = backlog
        self._channel = channel
        self._tested_ms = 0
        self._told_ms = -DAY_MS
        self._blink_ms = 0
        kept = flash.read_checked(self._path)
        utc = kept.get("utc", 0) if isinstance(kept, dict) else 0
        self.tested_utc_ms = utc if isinstance(utc, int) else 0
        """UTC of the last test or of the first start, 0 while neither is known."""
        self.is_due = False

    def acknowledge(self, ack: "Ack") -> None:
        """Take an acknowledgement, before the call it may be for is over."""
        if ack.stage < Stage.STORED or (ack.boot_id, ack.seq) not in self._alarm.calls:
            return
        now_ms = self._clock.now_ms()
        was_due = self.is_due
        if not was_due and self._tested_ms and now_ms - self._tested_ms < DAY_MS:
            return  # one write of the flash a day is enough
        self._tested_ms = max(1, now_ms)
        self.is_due = False
        self._keep(self._clock.utc_ms(now_ms) or self.tested_utc_ms)
        if was_due:
            self._backlog.add_event(EventKind.TESTED, self._channel, 0, now_ms)

    def poll(self, now_ms: int) -> bool:
        """Remind; True when an event was recorded."""
        if not self.tested_utc_ms and self._clock.utc_ms(now_ms):
            self._keep(self._clock.utc_ms(now_ms) - now_ms)  # counts from the first start on
        self.is_due = self._age_ms(now_ms) >= WEEK_MS
        if not self.is_due:
            return False
        if self._alarm.state == OFF and now_ms >= self._blink_ms:
            self._blink_ms = now_ms + BLINK_EVERY_MS
            self._alarm.blink(now_ms + _BLINK_MS)
        if now_ms - self._told_ms < DAY_MS:
            return False
        self._told_ms = now_ms
        days = self._age_ms(now_ms) // DAY_MS
        self._backlog.add_event(EventKind.TEST_DUE, self._channel, days, now_ms)
        return True

    def _keep(self, utc_ms: int) -> None:
        self.tested_utc_ms = utc_ms
        try:
            flash.write_checked(self._path, json.dumps({"utc": utc_ms}))
        except OSError:
            self._backlog.flash_errors += 1

    def _age_ms(self, now_ms: int) -> int:
        utc_ms = self._clock.utc_ms(now_ms)
        if utc_ms and self.tested_utc_ms:
            return max(0, utc_ms - self.tested_utc_ms)
        return now_ms - self._tested_ms
