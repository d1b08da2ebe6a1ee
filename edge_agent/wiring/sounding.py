"""The on-site escalation: units near a forgotten alarm sound until somebody acts.

It needs no platform and no network, and runs on when every route is down.
"""

import asyncio
import contextlib
import struct
from collections.abc import Callable, Mapping, Sequence

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.alarm.onsite import REPEAT_S, SOUND_S, sounding_units
from edge_agent.config.home import UnitConfig
from edge_agent.unit import Unit
from protocol.messages import CommandKind


class Sounding:
    """Keeps light and buzzer of the wanted units going."""

    def __init__(
        self,
        units: Mapping[str, Unit],
        places: Sequence[UnitConfig],
        open_events: Callable[[], list[AlarmEvent]],
    ) -> None:
        """Put it together.

        Args:
            units: by their ids.
            places: where they are and whom they cover.
            open_events: returns the last event of every open alarm.
        """
        self._units = units
        self._places = places
        self._open_events = open_events
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Say that an alarm has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Let units sound, and fall silent when somebody acts, for ever."""
        sounding: set[str] = set()
        while True:
            wanted = sounding_units(self._open_events(), self._places)
            for unit_id in sorted(wanted | sounding):
                level = int(unit_id in wanted)
                argument = struct.pack("<BH", level, SOUND_S if level else 0)
                unit = self._units[unit_id]
                for kind in (CommandKind.LIGHT, CommandKind.BUZZER):
                    unit.session.command(kind, argument)
                unit.flush()
            sounding = wanted
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPEAT_S if sounding else None):
                    await self._changed.wait()
