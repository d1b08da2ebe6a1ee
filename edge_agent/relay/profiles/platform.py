"""What the profiles of foreign platforms over MQTT have in common.

```
 stored event   --read, skipped?, flat fields--> alarm(...)     of the platform
 stored minute  --read, anything sure?---------> measured(...)  of the platform
```
"""

from abc import ABC, abstractmethod

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.relay.profile import Answer, Delivery, Publication, Stamp
from edge_agent.relay.profiles.fields import (
    Measured,
    Value,
    event_fields,
    read_event,
    read_measured,
    why_skipped,
)

OK = 200
TOO_MANY = 429

MAX_TIME_MS = 4_102_444_800_000
"""2100-01-01: no platform's time is later."""


class PlatformProfile(ABC):
    """A profile whose platform takes an event as flat fields and measurements as values."""

    reply_s: float | None = None

    def __init__(self, route: str, *, drills: bool) -> None:
        self._route = route
        self._drills = drills

    @abstractmethod
    def alarm(self, event: AlarmEvent, fields: dict[str, Value], stamp: Stamp) -> Delivery:
        """Return what an event becomes, at the time it was made."""

    @abstractmethod
    def measured(self, measured: Measured, stamp: Stamp) -> Delivery:
        """Return what vital signs become, at the time of their minute."""

    def greet(self, units: tuple[str, ...], stamp: Stamp) -> tuple[Publication, ...]:
        """Return nothing: the platform knows that a device is there by its connection."""
        return ()

    def ask_time(self, stamp: Stamp) -> Publication | None:
        """Return None: the platform answers no question for the time."""
        return None

    def deliver(self, body: bytes, stamp: Stamp) -> Delivery:
        """Return what an alarm event becomes, or why nothing.

        Raises:
            RowError: the body is no alarm event.
        """
        event = read_event(body)
        skipped = why_skipped(event, drills=self._drills)
        if skipped is not None:
            return Delivery(skipped=skipped)
        return self.alarm(event, event_fields(event), stamp)

    def report(self, topic: str, body: bytes, stamp: Stamp) -> Delivery:
        """Return what a message of the telemetry lane becomes, or why nothing.

        Raises:
            RowError: the body is not of its topic.
        """
        measured = read_measured(topic, body)
        if measured is None or not measured.values:
            return Delivery(skipped="nothing that this platform takes")
        return self.measured(measured, stamp)


def answer_of(code: int) -> Answer:
    """Return what a code of a platform means: 429 and 5xx pass by themselves, the rest does not."""
    if code == OK:
        return Answer.ACCEPTED
    return Answer.RETRY if code == TOO_MANY or 500 <= code < 600 else Answer.REJECTED
