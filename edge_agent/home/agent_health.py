"""Faults of the agent itself: its clock, its routes, its certificate, its disk.

| condition | raised when | over when |
|---|---|---|
| `clock_untrusted` | nobody vouched for the clock for a minute | somebody does |
| `platform_unreachable`, each route | `ROUTE_S` without an answer, or an alarm refused | neither |
| `certificate_expiring` | 30 days or less are left | more are left |
| `storage_low` | the outbox is only in memory, or its disk nearly full | neither |
"""

from collections.abc import Mapping
from dataclasses import dataclass

from edge_agent.clock import Instant, Quality
from edge_agent.home.home import AGENT

CLOCK_S = 60.0
"""A synchronisation that comes within this time of the start is no fault."""
ROUTE_S = 180.0
"""Supervision fault of the line to a platform (requirements, the chain)."""
EXPIRING_S = 30 * 86_400.0

CLOCK, ROUTE = "clock_untrusted", "platform_unreachable"
CERTIFICATE, STORAGE = "certificate_expiring", "storage_low"
CONDITIONS = frozenset({CLOCK, ROUTE, CERTIFICATE, STORAGE})


@dataclass(frozen=True, slots=True)
class Fault:
    """A condition of the agent that began or, with `is_over`, ended; `subject` is whose it is."""

    condition: str
    reason: str
    is_over: bool = False
    subject: str = AGENT


def route_subject(route: str) -> str:
    """Return what a route is called where a unit's name stands."""
    return f"route-{route}"


class AgentHealth:
    """Says what changed. A route that never answered counts from the start."""

    def __init__(self, now: Instant) -> None:
        self._trusted_s = now.monotonic_s
        self._up_s: dict[str, float] = {}
        self._started_s = now.monotonic_s
        self._said: set[tuple[str, str]] = set()

    def remember(self, condition: str, subject: str) -> None:
        """Note that an earlier run has told a fault that is not over."""
        self._said.add((condition, subject))

    def check(
        self,
        now: Instant,
        routes: Mapping[str, str | None],
        refusals: Mapping[str, str],
        certificate_ends_s: float | None,
        storage: str | None = None,
    ) -> list[Fault]:
        """Return the faults that began or ended since the last time.

        Args:
            now: now.
            routes: what keeps each route from its platform, None when nothing does.
            refusals: what the platform of a route does not take.
            certificate_ends_s: UNIX seconds, None without a certificate.
            storage: what is wrong with the outbox's disk, None when nothing is.
        """
        if now.quality is not Quality.NONE:
            self._trusted_s = now.monotonic_s
        untrusted = now.monotonic_s - self._trusted_s >= CLOCK_S
        left_s = None if certificate_ends_s is None else certificate_ends_s - now.utc_s
        expiring = left_s is not None and left_s <= EXPIRING_S
        days = max(0, int((left_s or 0.0) // 86_400))
        return [
            *self._tell(CLOCK, AGENT, "nobody vouches for the clock" if untrusted else None),
            *self._check_routes(now, routes, refusals),
            *self._tell(CERTIFICATE, AGENT, f"ends in {days} days" if expiring else None),
            *self._tell(STORAGE, AGENT, storage),
        ]

    def _check_routes(
        self, now: Instant, routes: Mapping[str, str | None], refusals: Mapping[str, str]
    ) -> list[Fault]:
        faults: list[Fault] = []
        for route, problem in routes.items():
            subject = route_subject(route)
            if problem is None:
                self._up_s[route] = now.monotonic_s
            down_s = now.monotonic_s - self._up_s.get(route, self._started_s)
            why = refusals.get(route)
            if problem is not None and (down_s >= ROUTE_S or (ROUTE, subject) in self._said):
                why = problem
            faults += self._tell(ROUTE, subject, None if why is None else f"{route}: {why}")
        known = set(map(route_subject, routes))
        for condition, subject in sorted(self._said):
            if condition == ROUTE and subject not in known:  # a route that was taken away
                faults += self._tell(ROUTE, subject, None)
        return faults

    def _tell(self, condition: str, subject: str, why: str | None) -> list[Fault]:
        name = condition, subject
        if (why is not None) == (name in self._said):
            return []
        if why is not None:
            self._said.add(name)
            return [Fault(condition, why, subject=subject)]
        self._said.discard(name)
        return [Fault(condition, "mended", is_over=True, subject=subject)]
