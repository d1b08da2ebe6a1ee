"""Is the version on trial as good as the one before it?

It is kept when, all at once, a minute has gone without the death of a task, the agent is there,
and no part is faulty that was not before. When that has not come true after ten minutes, or a
task dies, the unit starts anew, which counts as a failed boot; the third is the last. A call
that is open survives that on the flash; while the agent is there the restart waits for its end.
"""

import asyncio

from firmware.local_alarm import OFF
from firmware.self_test import test_parts
from protocol.messages import Log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.unit import Unit
    from firmware.update.state import State

PROVEN_MS = 60_000
LATEST_MS = 600_000

_LOOK_MS = 1000
_INFO = 20
_WARNING = 30


class Trial:
    """Watches over the first minutes of a version, and over what is told of it."""

    def __init__(self, unit: "Unit", state: "State") -> None:
        self._unit = unit
        self._state = state

    async def run(self) -> None:
        """Keep or give up the version on trial, tell of one taken back; never ends."""
        unit, state = self._unit, self._state
        if state.on_trial:
            await self._prove()
            await self._tell(_INFO, "version %s is kept" % unit.hello.firmware)
        elif state.failed:
            await self._tell(_WARNING, "an update was taken back: %s" % state.failed)
        await asyncio.Event().wait()  # never set

    async def _prove(self) -> None:
        unit, state = self._unit, self._state
        while True:
            await asyncio.sleep_ms(_LOOK_MS)
            now_ms = unit.clock.now_ms()
            why = self._why_not(now_ms)
            if not why:
                try:
                    state.mark_valid()
                except OSError as error:
                    why = "flash: %r" % error
                else:
                    return
            late = unit.health.restarts or now_ms >= LATEST_MS
            if late and (unit.alarm.state == OFF or not unit.uplink.online):
                unit.health.reset("not proven: %s" % why)

    def _why_not(self, now_ms: int) -> str:
        unit = self._unit
        if unit.health.restarts:
            return "a task died"
        if now_ms < PROVEN_MS:
            return "less than a minute old"
        if not unit.uplink.online:
            return "no agent"
        for name in test_parts(unit)[0]:
            if name not in self._state.faulty:
                return "%s is faulty" % name
        return ""

    async def _tell(self, level: int, text: str) -> None:
        unit = self._unit
        while not unit.uplink.online:
            await asyncio.sleep_ms(_LOOK_MS)
        unit.uplink.send(Log(level, unit.clock.now_ms(), text))
