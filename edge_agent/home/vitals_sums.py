"""Heart and breath of one bed in numbers: a message a minute, the sums of a night.

```
 a second --> minute: mean, lowest, highest, quality, share given --> Vitals
                 |
                 +--> night: the same over the minutes' means, seconds in bed, exits --> Night
```
A rate that was not given is not guessed: it lowers the share. A night's lowest and highest are of
minutes, so that one wrong second makes no record.
"""

import math

import msgspec

from edge_agent.detect.bed.rhythm import Rate

MESSAGE_S = 60.0
"""A message at most this often."""

LEAST_GIVEN_S = 15.0
"""Seconds with values that make a minute count in a night's lowest and highest."""


class Share(msgspec.Struct, frozen=True):
    """One rate over a stretch of time.

    Attributes:
        seconds: watched with somebody in bed, or with a value.
        given: of them, with a value.
        mean, low, high: per minute; None without values. In a night's sums low and high are of the
            minutes' means with at least `LEAST_GIVEN_S` values.
        quality: mean of the values' qualities, 0 to 1.
    """

    seconds: float = 0.0
    given: float = 0.0
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    quality: float = 0.0

    @property
    def share(self) -> float:
        """Return the share of the seconds that had a value."""
        return self.given / self.seconds if self.seconds else 0.0


class Vitals(msgspec.Struct, frozen=True):
    """The message of one minute."""

    at_s: float
    occupied: bool | None
    heart: Share
    respiration: Share


class Night(msgspec.Struct, frozen=True):
    """Sums since the last `take_night`, for a summary."""

    watched_s: float = 0.0
    in_bed_s: float = 0.0
    exits: int = 0
    raised: dict[str, int] = {}
    heart: Share = Share()
    respiration: Share = Share()


class Sums(msgspec.Struct):
    """The minute and the night that are being counted."""

    occupied: bool | None = None
    minute_s: float = 0.0
    heart: Share = Share()
    respiration: Share = Share()
    night: Night = Night()

    def add(
        self,
        now_s: float,
        step_s: float,
        heart: Rate | None,
        respiration: Rate | None,
        occupied: bool | None,
    ) -> Vitals | None:
        """Add a second; return the message of a minute that is over and was worth one."""
        night = self.night
        self.minute_s += step_s
        self.heart = _with(self.heart, heart, occupied, step_s)
        self.respiration = _with(self.respiration, respiration, occupied, step_s)
        self.night = msgspec.structs.replace(
            night,
            watched_s=night.watched_s + step_s,
            in_bed_s=night.in_bed_s + (step_s if occupied else 0.0),
            exits=night.exits + (1 if self.occupied and occupied is False else 0),
        )
        self.occupied = occupied
        return self._end_minute(now_s) if self.minute_s >= MESSAGE_S else None

    def note(self, condition: str) -> None:
        """Count a condition that was raised."""
        raised = self.night.raised
        raised = raised | {condition: raised.get(condition, 0) + 1}
        self.night = msgspec.structs.replace(self.night, raised=raised)

    def take_night(self) -> Night:
        """Return the night's sums and begin anew."""
        night, self.night = self.night, Night()
        return night

    def _end_minute(self, now_s: float) -> Vitals | None:
        heart, respiration = self.heart, self.respiration
        self.night = msgspec.structs.replace(
            self.night,
            heart=_joined(self.night.heart, heart),
            respiration=_joined(self.night.respiration, respiration),
        )
        self.minute_s, self.heart, self.respiration = 0.0, Share(), Share()
        if not heart.seconds and not respiration.seconds:
            return None
        return Vitals(now_s, self.occupied, heart, respiration)


def value_of(rate: Rate | None) -> float | None:
    """Return the number of a rate, None for an abstention or what is none."""
    if rate is None or rate.bpm is None or not math.isfinite(rate.bpm):
        return None
    return rate.bpm


def _with(share: Share, rate: Rate | None, occupied: bool | None, step_s: float) -> Share:
    """Return a minute's share with one second more."""
    value = value_of(rate)
    if value is None:
        seconds = share.seconds + (step_s if occupied else 0.0)
        return msgspec.structs.replace(share, seconds=seconds)
    assert rate is not None
    given = share.given + step_s
    weight = step_s / given if given else 0.0
    mean = value if share.mean is None else share.mean + weight * (value - share.mean)
    return Share(
        seconds=share.seconds + step_s,
        given=given,
        mean=mean,
        low=value if share.low is None else min(share.low, value),
        high=value if share.high is None else max(share.high, value),
        quality=share.quality + weight * (rate.quality - share.quality),
    )


def _joined(night: Share, minute: Share) -> Share:
    """Return a night's share with one minute more."""
    seconds, given = night.seconds + minute.seconds, night.given + minute.given
    if minute.mean is None or not minute.given:
        return msgspec.structs.replace(night, seconds=seconds)
    weight = minute.given / given
    low, high = night.low, night.high
    if minute.given >= LEAST_GIVEN_S:
        low = minute.mean if low is None else min(low, minute.mean)
        high = minute.mean if high is None else max(high, minute.mean)
    before = minute.mean if night.mean is None else night.mean
    return Share(
        seconds=seconds,
        given=given,
        mean=before + weight * (minute.mean - before),
        low=low,
        high=high,
        quality=night.quality + weight * (minute.quality - night.quality),
    )
