"""What a route says of the agent itself, and who else speaks for this home.

```
 connected, clock better than at birth --> birth and all retained topics
 our state topic --will, late--> birth      --another's birth after ours--> trouble
```
"""

import logging
import re

from edge_agent.clock import Clock
from edge_agent.relay.profile import AgentSeen, Publication
from edge_agent.relay.route import Presence, Standing

_log = logging.getLogger(__name__)

_SESSION = re.compile("[0-9A-Za-z-]{1,64}")


class HomeState:
    """Birth, will and the retained topics on one route; nothing of it where there are none."""

    def __init__(
        self, name: str, presence: Presence | None, standing: Standing, clock: Clock
    ) -> None:
        self._name = name
        self._presence = presence
        self._standing = standing
        self._clock = clock
        self._quality = clock.now().quality
        self._is_born = self._was_born = False

    def birth(self) -> list[Publication]:
        """Return birth and all retained topics, for a new connection."""
        if self._presence is None:
            return []
        self._quality = self._clock.now().quality
        return self._presence.birth()

    def corrected(self) -> list[Publication]:
        """Return them once more when somebody else vouches for the clock than at the last birth."""
        return [] if self._clock.now().quality is self._quality else self.birth()

    def born(self) -> None:
        """Note that the broker has our birth."""
        self._is_born = True

    def ended(self) -> None:
        """Note that a connection ended or was not made."""
        self._was_born = self._is_born

    def look_at(self, seen: AgentSeen, *, retained: bool) -> Publication | None:
        """Look at what stands on our own state topic; return what is to stand there.

        A will that comes late, of an earlier run or of a connection that was thought dead, is
        overwritten: we are here. Somebody else's birth after ours means that two agents speak for
        one home; what a broker kept from before our first birth means nothing.
        """
        if self._presence is None or (retained and seen.state != "online"):
            return None  # our birth comes after what the broker kept
        if seen.state != "online":
            if seen.session != self._presence.session:
                self._standing.trouble = None  # the other agent has left
            return self._presence.birth()[0]
        if seen.session != self._presence.session and (self._was_born or not retained):
            whose = seen.session if _SESSION.fullmatch(seen.session) else "?"
            self._standing.trouble = f"another agent speaks for this home: session {whose}"
            _log.error("route %s: %s", self._name, self._standing.trouble)
        return None
