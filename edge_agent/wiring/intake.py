"""What the units sent, taken once: known records are only acknowledged, new ones become findings.

```
 received --record known, on disk--> ack
          --known, in memory-------> nothing: its unit keeps it and sends it again
          --new, or no record------> pipeline --> findings
```
"""

import logging

from edge_agent.clock import Clock, Instant
from edge_agent.home.cause import Origin
from edge_agent.home.home import Home
from edge_agent.outbox.outbox import Outbox
from edge_agent.pipeline.findings import Finding
from edge_agent.pipeline.pipeline import Pipeline
from edge_agent.unit import Received
from edge_agent.wiring.acks import Acks
from protocol.messages import Event, Impact, Stage

_log = logging.getLogger(__name__)


class Intake:
    """The door of the pipeline."""

    def __init__(
        self, received: list[Received], pipeline: Pipeline, home: Home, outbox: Outbox, acks: Acks
    ) -> None:
        """Put it together; `received` is what the units append to."""
        self._received = received
        self._pipeline = pipeline
        self._home = home
        self._outbox = outbox
        self._acks = acks

    async def drain(self, clock: Clock) -> tuple[list[Finding], Instant]:
        """Take all that has come; return what it means and when. No wait follows the pipeline."""
        drained, self._received[:] = self._received[:], []
        known = await self._known(drained)
        now = clock.now()
        findings: list[Finding] = []
        for item in drained:
            name = _name(item)
            if name is not None:
                if name in known:
                    if known[name]:
                        self._acks.acknowledge(name, Stage.STORED)
                    continue
                known[name] = False  # its own commit acknowledges it
            findings += self._take(item, now)
        return findings, now

    def _take(self, item: Received, now: Instant) -> list[Finding]:
        """Hand one message to the pipeline; a bug of ours there must not feed a crash loop.

        The message is not acknowledged: its unit keeps it and sends it again. Everything else
        goes on, and that something is wrong is said.
        """
        try:
            return self._pipeline.take(item, now)
        except Exception as error:
            what = type(item.message).__name__
            _log.exception("unit %s: %s could not be processed", item.unit_id, what)
            reason = f"{what} could not be processed: {type(error).__name__}"
            return [self._home.cause("sensor_fault", item.unit_id, now.utc_s, reason=reason)]

    async def _known(self, drained: list[Received]) -> dict[Origin, bool]:
        """Return which records were put before, and whether they are on disk."""
        known = {}
        for item in drained:
            name = _name(item)
            if name is not None:
                found = await self._outbox.knows(name.unit, name.boot_id, name.seq)
                if found is not None:
                    known[name] = found.is_durable
        return known


def _name(item: Received) -> Origin | None:
    """Return the name of a record; None for what its unit does not keep."""
    message = item.message
    if not isinstance(message, Event | Impact):
        return None
    return Origin(item.unit_id, message.boot_id, message.seq)
