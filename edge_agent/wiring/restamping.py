"""When the clock becomes trusted: what this run stored before gets its true time."""

import logging

import msgspec

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.alarm.restamp import ClockWatch, restamped
from edge_agent.alarm.table import AlarmTable
from edge_agent.clock import Instant
from edge_agent.outbox.outbox import Outbox
from edge_agent.relay.retained import RetainedState

_log = logging.getLogger(__name__)

_decode_event = msgspec.json.Decoder(AlarmEvent).decode


class Restamping:
    """Watches the clock, and corrects the table, the outbox and the retained topics."""

    def __init__(
        self, table: AlarmTable, outbox: Outbox, retained: RetainedState, session: str
    ) -> None:
        self._table = table
        self._outbox = outbox
        self._retained = retained
        self._session = session
        self._watch = ClockWatch()

    async def check(self, now: Instant) -> bool:
        """Correct what was stored under an untrusted clock; True when the topics have changed."""
        step_s = self._watch.step_s(now)
        if step_s is None:
            return False
        label = now.quality.label
        alarms = self._table.restamp(step_s, label)
        for alarm in alarms:
            self._retained.note_alarm(alarm)

        def change(body: bytes) -> bytes | None:
            event = restamped(_decode_event(body), step_s, self._session, label)
            return None if event is None else msgspec.json.encode(event)

        count = await self._outbox.rewrite(change, alarms)
        _log.warning("the clock was off by %.0f s; %d events have their true time", step_s, count)
        return True
