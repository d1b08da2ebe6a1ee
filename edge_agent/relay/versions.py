r"""Which version of MQTT each address is spoken to in, when the configuration leaves it open.

```
          refused for certain (CONNACK 0x01, 0x84), or hung up
   5 --------------- or not a word for 3 s (1) -------------------> 3.1.1 at once
   ^                                                                 | in: remembered for 24 h when
   +-- it is away in 3.1.1 as well, or the time is over -------------+ it was certain, else 1 h
 (1) one that had MQTT 5 before: 10 s, which is an outage; 3.1.1 when its turn comes again
```
An address that cannot be reached says nothing about versions. Only 3.1.1 that works is remembered,
so an outage never is; and what is remembered wrongly delays nothing, for alarms go by 3.1.1, too.
It is forgotten soon all the same, for only MQTT 5 says that an alarm was refused, and at once when
the address will not have 3.1.1 any more. A connection that stands is never ended to try again.
"""

from collections.abc import Collection
from enum import StrEnum

CONNECT_S = 10.0
PROBE_S = 3.0
"""How long an address may think about a CONNECT; the second one of MQTT 5 where none is known."""
CERTAIN_S = 24 * 3600.0
"""A broker that has no MQTT 5 may have been updated by then."""
PERHAPS_S = 3600.0
"""A broker that hung up on MQTT 5 may only have been starting."""
MAX_SHORT = 3
"""Connections in MQTT 5 that end soon, in a row, before 3.1.1 is tried: some fail after it."""


class Version(StrEnum):
    """A version of MQTT."""

    V311 = "3.1.1"
    V5 = "5"


class Versions:
    """What is known of the addresses of one route; no I/O, time comes in."""

    def __init__(self, allowed: Collection[Version]) -> None:
        """Take the versions that may be spoken."""
        self._allowed = frozenset(allowed)
        self._tried: dict[int, Version] = {}
        self._suspected: dict[int, bool] = {}
        self._until_s: dict[int, float] = {}
        self._with_5: set[int] = set()
        self._is_in: set[int] = set()
        self._short: dict[int, int] = {}

    def choose(self, address: int, now_s: float) -> Version:
        """Return the version for the next connection to an address (its number)."""
        is_known = now_s < self._until_s.get(address, now_s)
        wants_old = is_known or address in self._suspected
        version = Version.V311 if wants_old else Version.V5
        if version not in self._allowed:
            (version,) = self._allowed
        self._tried[address] = version
        return version

    def wait_s(self, address: int) -> float:
        """Return how long to wait for a CONNACK in the version that was chosen last."""
        may_fall_back = Version.V311 in self._allowed and address not in self._with_5
        return PROBE_S if may_fall_back and self._tried[address] is Version.V5 else CONNECT_S

    def note_refused(self, address: int, *, is_certain: bool, is_silent: bool = False) -> bool:
        """Note that an address took no such CONNECT; return whether 3.1.1 is to be tried now."""
        if self._tried.get(address) is Version.V311:  # nothing that is remembered holds any more
            self._until_s.pop(address, None)
            return False
        if Version.V311 not in self._allowed:
            return False
        self._suspected[address] = is_certain
        return not is_silent or address not in self._with_5

    def note_connected(self, address: int, version: Version, now_s: float) -> None:
        """Note that an address let us in with a version."""
        is_certain = self._suspected.pop(address, None)
        if version is Version.V5:
            self._until_s.pop(address, None)
            self._with_5.add(address)
            self._is_in.add(address)
        elif is_certain is not None:
            self._with_5.discard(address)
            self._until_s[address] = now_s + (CERTAIN_S if is_certain else PERHAPS_S)

    def note_ended(self, address: int, *, lasted: bool = False) -> None:
        """Note that a connection ended, or was not made: what 3.1.1 does not mend is no version's.

        Args:
            address: its number.
            lasted: whether it was a good one.
        """
        if self._tried.get(address) is Version.V311:
            self._suspected.pop(address, None)
        elif address in self._is_in:
            self._is_in.discard(address)
            self._short[address] = 0 if lasted else self._short.get(address, 0) + 1
            if self._short[address] >= MAX_SHORT:
                self._short[address] = 0
                self._suspected[address] = False


def allowed(protocol: str) -> tuple[Version, ...]:
    """Return the versions that a configuration's `auto`, `3.1.1` or `5` allows."""
    return tuple(Version) if protocol == "auto" else (Version(protocol),)
