r"""Heart and breath of one bed: conditions with their delays.

```
             beyond the limit for on_delay_s             back by the deadband for off_delay_s
 NORMAL ------------------------------------> ACTIVE ----------------------------------> NORMAL
                                                |  latching: stays ACTIVE until reset()
 a second without value says nothing; STALE_S of them in a row stop both delays
```
The words are those of ANSI/ISA-18.2. Delays are kept as seconds already served, never as times: a
restarted agent goes on where it was, and counts no second that nobody watched.

Default limits are the edges of the red band (3 points) of NEWS2 (Royal College of Physicians,
"National Early Warning Score (NEWS) 2", 2017): heart above 130 or below 40 a minute, breath above
24 or below 9. `vitals_unavailable` is a bed with somebody in it and no rate of either kind for
`unavailable_s`. Who has left the bed is served the off-delay.

`breathing_stopped` does not pass through here: no delay, no silence and no limit of this file holds
it back.

Known weakness: the detectors tell 35 to 150 beats and 6 to 40 breaths; beyond, they are silent and
`vitals_unavailable` is what remains.
"""

import math
from enum import StrEnum
from typing import Annotated

import msgspec

from edge_agent.clock import Instant
from edge_agent.detect.bed.rhythm import Rate
from edge_agent.home.vitals_sums import Night, Sums, Vitals, value_of

STALE_S = 30.0
"""Silence that ends a delay being served: three windows of the heart's rate (design value)."""

LONGEST_STEP_S = 5.0
"""Time between two updates that counts as watched."""

RESTART_S = 120.0
"""After a longer absence, or one nobody can measure, a delay begins anew."""


class Condition(StrEnum):
    """What is watched; the names are those of the alarm catalogue."""

    HEART_RATE_HIGH = "heart_rate_high"
    HEART_RATE_LOW = "heart_rate_low"
    RESPIRATION_HIGH = "respiration_high"
    RESPIRATION_LOW = "respiration_low"
    VITALS_UNAVAILABLE = "vitals_unavailable"


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits and delays of one bed; the ranges are those of the configuration."""

    heart_rate_high_bpm: Annotated[float, msgspec.Meta(ge=90, le=148)] = 130.0
    heart_rate_low_bpm: Annotated[float, msgspec.Meta(ge=38, le=60)] = 40.0
    respiration_high_rpm: Annotated[float, msgspec.Meta(ge=18, le=39)] = 24.0
    respiration_low_rpm: Annotated[float, msgspec.Meta(ge=6, le=14)] = 9.0
    heart_rate_deadband_bpm: Annotated[float, msgspec.Meta(ge=0, le=20)] = 5.0
    respiration_deadband_rpm: Annotated[float, msgspec.Meta(ge=0, le=5)] = 1.0
    heart_rate_on_delay_s: Annotated[float, msgspec.Meta(ge=0, le=600)] = 60.0
    heart_rate_off_delay_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 120.0
    respiration_on_delay_s: Annotated[float, msgspec.Meta(ge=0, le=600)] = 60.0
    respiration_off_delay_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 120.0
    unavailable_s: Annotated[float, msgspec.Meta(ge=60, le=3600)] = 600.0
    available_s: Annotated[float, msgspec.Meta(ge=0, le=600)] = 10.0
    latching: tuple[Condition, ...] = ()


class Change(msgspec.Struct, frozen=True):
    """A condition became active, or is over.

    Attributes:
        onset_s: monotonic time at which the delay that is now served began.
    """

    condition: Condition
    active: bool
    onset_s: float
    evidence: dict[str, float]
    reason: str


class _Delay(msgspec.Struct):
    """One condition: active or not, and how much of the delay at work is served.

    Attributes:
        served_s: None while none is at work.
        silent_s: since the last value.
        released: a latched condition may end when it is back.
    """

    active: bool = False
    served_s: float | None = None
    silent_s: float = 0.0
    released: bool = False


class _State(msgspec.Struct):
    """All that outlives the agent."""

    host_boot: str
    at_s: float | None = None
    delays: dict[str, _Delay] = {}
    sums: Sums = msgspec.field(default_factory=Sums)


class VitalsWatch:
    """Watches the rates of one bed, once a second."""

    def __init__(self, limits: Limits, host_boot: str) -> None:
        self._limits = limits
        self._state = _State(host_boot)
        self._fill()

    def update(
        self, now_s: float, heart: Rate | None, respiration: Rate | None, occupied: bool | None
    ) -> list[Change | Vitals]:
        """Take one second and return what it changed.

        Args:
            now_s: monotonic time; a step back, or none, counts nothing.
            heart: of this second; None, like an abstention, is no value.
            respiration: likewise.
            occupied: what the bed's sensors know.
        """
        state = self._state
        past_s = 0.0 if state.at_s is None else now_s - state.at_s
        step_s = min(past_s, LONGEST_STEP_S) if past_s > 0.0 else 0.0
        if math.isfinite(now_s):
            state.at_s = now_s
        beats, breaths = value_of(heart), value_of(respiration)
        found: list[Change | Vitals] = []
        for condition in Condition:
            margin = self._margin(condition, beats, breaths, occupied)
            change = self._serve(condition, margin, step_s, now_s)
            if change is not None:
                found.append(change)
        message = state.sums.add(now_s, step_s, heart, respiration, occupied)
        if message is not None:
            found.append(message)
        return found

    def reset(self, condition: Condition) -> None:
        """Let a latched condition end, now or as soon as it is back within its limit."""
        self._state.delays[condition.value].released = True

    def active(self) -> set[Condition]:
        """Return the conditions that are active."""
        return {one for one in Condition if self._state.delays[one.value].active}

    def take_night(self) -> Night:
        """Return the sums since the last call and begin anew."""
        return self._state.sums.take_night()

    def store(self) -> bytes:
        """Return what `restore` takes, as JSON."""
        return msgspec.json.encode(self._state)

    def restore(self, body: bytes, now: Instant) -> None:
        """Take back a stored state; absence counts towards no delay.

        Raises:
            msgspec.DecodeError: it is none.
        """
        host_boot = self._state.host_boot
        state = msgspec.json.decode(body, type=_State)
        away_s = None
        if state.at_s is not None and state.host_boot == host_boot:
            away_s = now.monotonic_s - state.at_s
        if away_s is None or not 0.0 <= away_s <= RESTART_S:
            for delay in state.delays.values():
                delay.served_s = None
        state.host_boot, state.at_s = host_boot, None
        self._state = state
        self._fill()

    def _fill(self) -> None:
        delays = self._state.delays
        self._state.delays = {one.value: delays.get(one.value, _Delay()) for one in Condition}

    def _margin(
        self,
        condition: Condition,
        beats: float | None,
        breaths: float | None,
        occupied: bool | None,
    ) -> float | None:
        """Return how far this second lies beyond the limit; None when it says nothing."""
        limits = self._limits
        match condition:
            case Condition.HEART_RATE_HIGH:
                margin = None if beats is None else beats - limits.heart_rate_high_bpm
            case Condition.HEART_RATE_LOW:
                margin = None if beats is None else limits.heart_rate_low_bpm - beats
            case Condition.RESPIRATION_HIGH:
                margin = None if breaths is None else breaths - limits.respiration_high_rpm
            case Condition.RESPIRATION_LOW:
                margin = None if breaths is None else limits.respiration_low_rpm - breaths
            case Condition.VITALS_UNAVAILABLE:
                if beats is not None or breaths is not None or occupied is False:
                    return -1.0
                return 1.0 if occupied else None
        if margin is None and occupied is False and self._state.delays[condition.value].active:
            return -math.inf
        return margin

    def _serve(
        self, condition: Condition, margin: float | None, step_s: float, now_s: float
    ) -> Change | None:
        """Serve the delay at work and tell when it is over."""
        limits, delay = self._limits, self._state.delays[condition.value]
        if margin is None:
            delay.silent_s += step_s
            if delay.silent_s > STALE_S:
                delay.served_s = None
            return None
        silent_s, delay.silent_s = delay.silent_s, 0.0
        match condition:
            case Condition.HEART_RATE_HIGH | Condition.HEART_RATE_LOW:
                on_s, off_s = limits.heart_rate_on_delay_s, limits.heart_rate_off_delay_s
                deadband = limits.heart_rate_deadband_bpm
            case Condition.RESPIRATION_HIGH | Condition.RESPIRATION_LOW:
                on_s, off_s = limits.respiration_on_delay_s, limits.respiration_off_delay_s
                deadband = limits.respiration_deadband_rpm
            case Condition.VITALS_UNAVAILABLE:
                on_s, off_s, deadband = limits.unavailable_s, limits.available_s, 0.0
        if not (margin <= -deadband if delay.active else margin > 0.0):
            delay.served_s = None
            return None
        served_s = 0.0 if delay.served_s is None else delay.served_s + step_s + silent_s
        delay.served_s = served_s
        if served_s < (off_s if delay.active else on_s):
            return None
        if delay.active and condition in limits.latching and not delay.released:
            return None
        delay.active, delay.served_s, delay.released = not delay.active, None, False
        return self._change(condition, margin, served_s, now_s)

    def _change(self, condition: Condition, margin: float, served_s: float, now_s: float) -> Change:
        active = self._state.delays[condition.value].active
        evidence = {"delay_s": served_s}
        if condition is not Condition.VITALS_UNAVAILABLE and math.isfinite(margin):
            evidence["beyond"] = margin
        if active:
            self._state.sums.note(condition.value)
            reason = f"beyond its limit for {served_s:.0f} s"
            if condition is Condition.VITALS_UNAVAILABLE:
                reason = f"somebody in bed, no rate for {served_s:.0f} s"
        else:
            reason = "nobody in bed" if margin == -math.inf else f"back for {served_s:.0f} s"
        return Change(condition, active, now_s - served_s, evidence, reason)
