"""One route over MQTT: its connections, one after the other, at one of its addresses.

```
 connect -> conversation ... ended
    ^                          |
    +---- next address, full-jitter back-off, for ever
```
A connection that the broker ends again and again right after it came up, with nothing on its way,
is what two clients with one id do to each other: that is said. A broker of MQTT 5 says it itself.
"""

import asyncio
import logging
import random
from dataclasses import replace

from edge_agent.clock import Clock
from edge_agent.relay.apart import apart
from edge_agent.relay.conversation import Conversation
from edge_agent.relay.mqtt import (
    Broker,
    DatesRefusedError,
    NoVersionError,
    RouteDownError,
    TakenOverError,
    connected,
)
from edge_agent.relay.profile import Profile, Publication
from edge_agent.relay.route import BACKOFF_FIRST_S, BACKOFF_SLOWEST_S, Presence, Standing
from edge_agent.relay.tls import dates_floor_s
from edge_agent.relay.versions import Version, Versions, allowed

_log = logging.getLogger(__name__)

SETTLED_S = 30.0
"""A connection that lasted this long was a good one: the next one is tried soon."""
TAKEOVERS = 3
"""Connections in a row that ended sooner, with nothing on its way, before it is called a fight."""

FIGHT = "connections end at once: is the client id in use elsewhere?"
TAKEN = "the client id is in use elsewhere: another client keeps taking it over"


class Relay:
    """Publishes to one platform over MQTT, under its profile."""

    def __init__(
        self,
        name: str,
        brokers: list[Broker],
        profile: Profile,
        clock: Clock,
        conversation: Conversation,
        standing: Standing,
        presence: Presence | None = None,
        protocol: str = Version.V311,
    ) -> None:
        """Put it together.

        Args:
            name: of the route.
            brokers: the addresses, in the order they are tried; the profile's login goes to each.
            profile: the platform's.
            clock: the clock.
            conversation: what is said and heard, with the same profile and standing.
            standing: shows how the route stands.
            presence: birth and will, where the platform knows them.
            protocol: `auto`, `3.1.1` or `5`.
        """
        self.name = name
        self.standing = standing
        self._brokers = brokers
        self._at = 0
        self._profile = profile
        self._clock = clock
        self._conversation = conversation
        self._presence = presence
        self._short = 0
        self._versions = Versions(allowed(protocol))

    def wake(self) -> None:
        """Say that the outbox has something new."""
        self._conversation.wake()

    def set_state(self, publication: Publication) -> None:
        """Publish a retained state; only the newest of a topic matters."""
        self._conversation.set_state(publication)

    async def run(self) -> None:
        """Connect, and again after every loss, for ever."""
        wait_s = BACKOFF_FIRST_S
        complained = False
        dates_from_s = None
        while True:
            began_s, why = self._clock.now().monotonic_s, ""
            try:
                await self._connect(dates_from_s)
            except DatesRefusedError as error:
                floor_s = dates_floor_s(self._clock)
                if dates_from_s is None and floor_s is not None:
                    _log.warning("route %s: %s; the clock is to blame", self.name, error)
                    dates_from_s = floor_s
                    continue
                why = str(error)
            except NoVersionError as error:
                why = str(error)
                if self._versions.note_refused(
                    self._at, is_certain=error.is_certain, is_silent=error.is_silent
                ):
                    _log.info("route %s: no MQTT 5? %s", self.name, why)
                    continue
            except TakenOverError as error:
                why = str(error)
                self._blame(TAKEN)
                self._versions.note_ended(self._at, lasted=True)  # no fault of the version's
            except RouteDownError as error:
                why = str(error)
            finally:
                was_online = self.standing.is_online
                self._set_online(False)
            dates_from_s = None
            self.standing.error = why
            lasted_s = self._clock.now().monotonic_s - began_s
            self._versions.note_ended(self._at, lasted=lasted_s >= SETTLED_S)
            if was_online and lasted_s >= SETTLED_S:  # a good address: tried again first
                wait_s, complained = BACKOFF_FIRST_S, False
                self._at -= 1
            if not complained:
                complained = True
                _log.warning("route %s: %s; trying again for ever", self.name, why)
            await self._look_for_a_fight(was_online=was_online, lasted_s=lasted_s)
            await asyncio.sleep(wait_s * random.random())  # noqa: S311 (full jitter, no secret)
            self._at = (self._at + 1) % len(self._brokers)
            if self._at == 0:
                wait_s = min(2 * wait_s, BACKOFF_SLOWEST_S)

    async def _connect(self, dates_from_s: float | None) -> None:
        """Talk on one connection until it ends.

        Raises:
            RouteDownError: it ended, or there was none.
        """
        login = self._profile.login(self._conversation.stamps.next())
        broker = replace(
            self._brokers[self._at],
            client_id=login.client_id,
            username=login.username,
            password=login.password,
        )
        will = None if self._presence is None else self._presence.will()
        version = self._versions.choose(self._at, self._clock.now().monotonic_s)
        connect_s = self._versions.wait_s(self._at)
        async with connected(
            broker, will, self._clock.outside, dates_from_s, version, connect_s
        ) as connection:
            self._versions.note_connected(self._at, version, self._clock.now().monotonic_s)
            self.standing.version = version
            await self._conversation.greet(connection)
            self._set_online(True)
            settled = asyncio.get_running_loop().call_later(SETTLED_S, self._settle)
            try:
                await apart(self._conversation.hold(connection))
            except* RouteDownError as errors:
                why = str(errors.exceptions[0])
                if errors.subgroup(TakenOverError) is not None:
                    raise TakenOverError(why) from None
                raise RouteDownError(why) from None
            finally:
                settled.cancel()

    async def _look_for_a_fight(self, *, was_online: bool, lasted_s: float) -> None:
        was_busy = await self._conversation.ended()
        if not was_online or lasted_s >= SETTLED_S:
            return
        self._short = 0 if was_busy else self._short + 1
        if self._short == TAKEOVERS and self.standing.trouble != TAKEN:
            self._blame(FIGHT)

    def _blame(self, trouble: str) -> None:
        if self.standing.trouble != trouble:
            self.standing.trouble = trouble
            _log.error("route %s: %s", self.name, trouble)

    def _settle(self) -> None:
        self._short = 0
        if self.standing.trouble in (FIGHT, TAKEN):
            self.standing.trouble = None

    def _set_online(self, online: bool) -> None:
        if online != self.standing.is_online:
            self.standing.is_online = online
            self.standing.error = None
            _log.info("route %s: %s", self.name, "up" if online else "down")
