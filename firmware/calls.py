"""From a press to help: local alarm first, then the flash, then the line.

Each change of the call contact becomes events. A press lights and sounds before anything
else; recording that fails is tried again on the next beat. Which calls are open is kept on
the flash once they have left the backlog, so that the light comes back after a power cut.
"""

import binascii
import json

from firmware import flash
from firmware.drivers.contact import CUT, IDLE, PRESSED, SHORT
from protocol.messages import EventKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.backlog import Backlog
    from firmware.local_alarm import LocalAlarm
    from firmware.uptime import Clock
    from protocol.messages import Ack

EVENTS = {
    (IDLE, PRESSED): (EventKind.CALL_PRESSED,),
    (IDLE, CUT): (EventKind.CORD_CUT,),
    (IDLE, SHORT): (EventKind.CORD_SHORT,),
    (PRESSED, IDLE): (EventKind.CALL_RELEASED,),
    (PRESSED, CUT): (EventKind.CALL_RELEASED, EventKind.CORD_CUT),
    (PRESSED, SHORT): (EventKind.CALL_RELEASED, EventKind.CORD_SHORT),
    (CUT, IDLE): (EventKind.CORD_RESTORED,),
    (CUT, PRESSED): (EventKind.CALL_PRESSED, EventKind.CORD_RESTORED),
    (CUT, SHORT): (EventKind.CORD_SHORT,),
    (SHORT, IDLE): (EventKind.CORD_RESTORED,),
    (SHORT, PRESSED): (EventKind.CALL_PRESSED, EventKind.CORD_RESTORED),
    (SHORT, CUT): (EventKind.CORD_CUT,),
}
"""What a change of the contact is told as; a call always first."""

_FILE = "/calls.json"


class Calls:
    """The call contact's way into the local alarm and the backlog.

    Args:
        recorded: called after each event that has been recorded.
    """

    def __init__(
        self,
        root: str,
        clock: "Clock",
        alarm: "LocalAlarm",
        backlog: "Backlog",
        channel: int,
        recorded: "Callable[[], None]",
    ) -> None:
        self._path = root + _FILE
        self._clock = clock
        self._alarm = alarm
        self._backlog = backlog
        self._channel = channel
        self._recorded = recorded
        self._untold: "list[tuple[int, int]]" = []
        self._kept: "list[tuple[bytes, int]]" = []
        self._resume()

    def changed(self, before: int, state: int, at_ms: int) -> None:
        """Take a change of the contact."""
        if state == PRESSED:
            self._alarm.press(self._clock.now_ms())
        for kind in EVENTS[before, state]:
            self._untold.append((kind, at_ms))
        self.record()

    def record(self) -> None:
        """Record what has not been recorded yet; call it again on every beat."""
        while self._untold:
            kind, at_ms = self._untold[0]
            record = self._backlog.add_event(kind, self._channel, 0, at_ms)
            self._untold.pop(0)
            if kind == EventKind.CALL_PRESSED:
                self._alarm.name_call(record.boot_id, record.seq)
            self._recorded()

    def acknowledge(self, ack: "Ack") -> None:
        """Show how far a call has come; before its record leaves the backlog."""
        self._alarm.acknowledge(ack.boot_id, ack.seq, ack.stage, self._clock.now_ms())
        calls = self._alarm.calls
        if calls == self._kept:
            return
        rows = [[str(binascii.hexlify(boot_id), "utf-8"), seq] for boot_id, seq in calls]
        try:
            if calls:
                flash.write_checked(self._path, json.dumps(rows))
            else:
                flash.remove_file(self._path)
            self._kept = list(calls)
        except OSError:
            self._backlog.flash_errors += 1

    def _resume(self) -> None:
        """Take up the calls of earlier boots; sound again for those that nobody has stored."""
        kept = flash.read_checked(self._path)
        if isinstance(kept, list):
            for name, seq in kept:
                self._alarm.name_call(binascii.unhexlify(name), seq)
            self._kept = list(self._alarm.calls)
        for record in self._backlog.calls():
            self._alarm.press(self._clock.now_ms())
            self._alarm.name_call(record.boot_id, record.seq)
