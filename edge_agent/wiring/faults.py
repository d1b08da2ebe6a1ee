"""What is wrong with the agent itself, as findings: clock, routes, certificates, disk.

Each route has a `platform_unreachable` of its own, named by the route in the place of a unit.
"""

from collections.abc import Iterable
from dataclasses import replace

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.clock import Instant
from edge_agent.home.agent_health import CONDITIONS, AgentHealth
from edge_agent.home.cause import Over
from edge_agent.home.home import AGENT, Home
from edge_agent.outbox.outbox import Outbox
from edge_agent.pipeline.findings import Finding
from edge_agent.relay.routes import Routes

CAPACITY_S = 600.0
"""How often the disk and our certificates are looked at."""
LEAST_DAYS = 30.0
"""From so little room on the disk on it is a fault."""


class Faults:
    """Asks every part how it is, and says what changed."""

    def __init__(self, home: Home, outbox: Outbox, routes: Routes, now: Instant) -> None:
        self._home = home
        self._outbox = outbox
        self._routes = routes
        self._health = AgentHealth(now)
        self._capacity_due_s = now.monotonic_s + CAPACITY_S
        self._low: str | None = None
        self._certificate_ends_s = routes.certificate_ends_s()

    def restore(self, open_events: Iterable[AlarmEvent]) -> None:
        """Take back what an earlier run has said, so that it is over when it is mended."""
        for event in open_events:
            if event.source == AGENT and event.condition in CONDITIONS:
                self._health.remember(event.condition, event.unit or AGENT)

    async def findings(self, now: Instant) -> list[Finding]:
        """Return what has become wrong, or right again."""
        if now.monotonic_s >= self._capacity_due_s:
            self._capacity_due_s = now.monotonic_s + CAPACITY_S
            days = (await self._outbox.capacity()).days
            self._low = f"room for {days:.0f} days" if days < LEAST_DAYS else None
            self._certificate_ends_s = self._routes.certificate_ends_s()
        faults = self._health.check(
            now,
            self._routes.problems(),
            self._routes.refusals(),
            self._certificate_ends_s,
            self._outbox.health.trouble or self._low,
        )
        return [
            Over(fault.condition, fault.subject, fault.reason)
            if fault.is_over
            else replace(
                self._home.agent_cause(fault.condition, now.utc_s, fault.reason),
                unit=fault.subject,
            )
            for fault in faults
        ]
