"""All routes of a home: every alarm to each of them, on its own.

```
             +--> [mqtt] --------------> native broker
 alarm rows -+--> [[route]] thingsboard > its broker      each with its own verdicts, back-off,
             +--> [[route]] county -----> its server      parked rows and health
             +--> [[route]] reserve = true: only what none of these took within 30 s
             +--> [[route]] apprise: a route for each address of a family
 retained state --> the routes of the native contract
```
"""

from collections import OrderedDict
from dataclasses import replace
from typing import Any

from edge_agent.clock import Clock
from edge_agent.config.file import Config
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Row
from edge_agent.relay.making import FAMILY, NATIVE, Maker, names_of
from edge_agent.relay.profile import Publication
from edge_agent.relay.relay import Relay
from edge_agent.relay.route import Hooks, Presence, Route
from edge_agent.relay.tls import Tls

MAX_HEARD = 4096
"""Events that reserve routes are told to leave out; one that was forgotten is told twice."""


def route_names(config: Config) -> list[str]:
    """Return the name of every route; the outbox keeps verdicts by them.

    Raises:
        ConfigError: the addresses of a family cannot be read.
    """
    names = [] if config.mqtt is None else [NATIVE]
    for number, route in enumerate(config.route):
        names += names_of(route, number)
    return names


class Routes:
    """The routes of a configuration."""

    def __init__(
        self, config: Config, outbox: Outbox, clock: Clock, hooks: Hooks, presence: Presence
    ) -> None:
        """Make them; nothing runs yet.

        Raises:
            ConfigError: naming the key that is wrong.
        """
        self._hooks = hooks
        self._heard: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._reserves: set[str] = set()
        hooks = replace(hooks, accepted=self._accepted, is_heard=self._is_heard)
        maker = Maker(config.home, outbox, clock, hooks)
        made: list[tuple[Route, Tls | None]] = []
        if config.mqtt is not None:
            made.append(maker.native(config.mqtt, presence))
        is_only = config.mqtt is None and all(one.profile == FAMILY for one in config.route)
        for number, route in enumerate(config.route):
            before = len(made)
            if route.profile == FAMILY:
                family = maker.family(route, number, is_only=is_only)
                made += [(one, None) for one in family]
            else:
                made.append(maker.route(route, number, presence))
            if route.reserve:
                self._reserves |= {one.name for one, _ in made[before:]}
        native = {NATIVE, *(route.name for route in config.route if route.profile == "native")}
        self.all: list[Route] = [route for route, _ in made]
        self._natives = [
            route for route in self.all if isinstance(route, Relay) and route.name in native
        ]
        self._tls = [tls for _, tls in made if tls is not None]

    def wake(self) -> None:
        """Say that the outbox has something new."""
        for route in self.all:
            route.wake()

    def publish(self, publication: Publication) -> None:
        """Publish a retained state where the platform knows such; nobody else hears of it."""
        for route in self._natives:
            route.set_state(publication)

    def certificate_ends_s(self) -> float | None:
        """Return when the first of our certificates ends (UNIX seconds); files are read anew."""
        ends = []
        for tls in self._tls:
            try:
                ends.append(tls.ends_s())
            except OSError:  # being renewed just now, or gone: then its route is down and says so
                continue
        return min((end_s for end_s in ends if end_s is not None), default=None)

    def problems(self) -> dict[str, str | None]:
        """Return for every route what keeps alarms from its platform, or None."""
        return {route.name: route.standing.problem() for route in self.all}

    def refusals(self) -> dict[str, str]:
        """Return the routes with parked rows, in words; a platform's own stay in `status`."""
        parked = {route.name: route.standing.parked for route in self.all}
        return {name: f"{count} events parked" for name, count in parked.items() if count}

    def status(self, waiting: dict[str, int]) -> list[dict[str, Any]]:
        """Return what `anzhen status` shows, given how many events wait for each route."""
        return [
            {
                "route": route.name,
                "online": route.standing.is_online,
                "mqtt": route.standing.version,
                "unheard": route.standing.is_unheard,
                "answering": not route.standing.is_silent,
                "waiting": waiting.get(route.name, 0),
                "parked": route.standing.parked,
                "refused": route.standing.refused,
                "strays": route.standing.strays,
                "problem": route.standing.problem(),
                "error": route.standing.error,
            }
            for route in self.all
        ]

    def _is_heard(self, alarm_id: str, event: int) -> bool:
        return (alarm_id, event) in self._heard

    async def _accepted(self, route: str, row: Row) -> None:
        if route not in self._reserves:
            self._heard[row.alarm_id, row.event] = None
            if len(self._heard) > MAX_HEARD:
                self._heard.popitem(last=False)
        await self._hooks.accepted(route, row)
