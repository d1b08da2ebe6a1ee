"""Faults of the agent itself: its clock, its routes, its certificate, its disk.

| condition | raised when | over when |
|---|---|---|
| `clock_untrusted` | nobody vouched for the clock for a minute | somebody does |
| `platform_unreachable` | a route has been down for `ROUTE_S` | it is up |
| `certificate_expiring` | 30 days or less are left | more are left |
| `storage_low` | the outbox is only in memory, or its disk nearly full | neither |
"""

from collections.abc import Mapping
from dataclasses import dataclass

from edge_agent.clock import Instant, Quality

CLOCK_S = 60.0
"""A synchronisation that comes within this time of the start is no fault."""
ROUTE_S = 180.0
"""Supervision fault of the line to a platform (requirements, the chain)."""
EXPIRING_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A condition of the agent that began or, with `is_over`, ended."""

    condition: str
    reason: str
    is_over: bool = False


class AgentHealth:
    """Says what changed. `routes` are names; a route that was never up counts from the start."""

    def __init__(self, now: Instant) -> None:
        self._trusted_s = now.monotonic_s
        self._up_s: dict[str, float] = {}
        self._started_s = now.monotonic_s
        self._said: set[str] = set()

    def check(
        self,
        now: Instant,
        routes: Mapping[str, bool],
        certificate_ends_s: float | None,
        storage: str | None = None,
    ) -> list[Fault]:
        """Return the faults that began or ended since the last time.

        Args:
            now: now.
            routes: whether each route is up.
            certificate_ends_s: UNIX seconds, None without a certificate.
            storage: what is wrong with the outbox's disk, None when nothing is.
        """
        if now.quality is not Quality.NONE:
            self._trusted_s = now.monotonic_s
        for route, is_up in routes.items():
            if is_up:
                self._up_s[route] = now.monotonic_s
        down = [
            route
            for route in routes
            if now.monotonic_s - self._up_s.get(route, self._started_s) >= ROUTE_S
        ]
        left_s = None if certificate_ends_s is None else certificate_ends_s - now.utc_s
        expiring = left_s is not None and left_s <= EXPIRING_S
        days = max(0, int((left_s or 0.0) // 86_400))
        return [
            *self._tell(
                "clock_untrusted",
                now.monotonic_s - self._trusted_s >= CLOCK_S,
                "nobody vouches for the clock",
            ),
            *self._tell(
                "platform_unreachable", bool(down), f"no connection: {', '.join(down) or 'none'}"
            ),
            *self._tell("certificate_expiring", expiring, f"ends in {days} days"),
            *self._tell("storage_low", storage is not None, storage or ""),
        ]

    def _tell(self, condition: str, is_wrong: bool, reason: str) -> list[Fault]:
        if is_wrong == (condition in self._said):
            return []
        if is_wrong:
            self._said.add(condition)
            return [Fault(condition, reason)]
        self._said.discard(condition)
        return [Fault(condition, "mended", is_over=True)]
