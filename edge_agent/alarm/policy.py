"""What a condition does when it is first seen, and the timers of each state.

| state | timer, when entered | technical condition |
|---|---|---|
| suspected | confirm after `fall_confirm_s` | - |
| confirmed, notified | escalate after `escalate_s`, then remind every `remind_s` | remind daily |
| acknowledged | remind every `remind_s`; a running confirm goes first | remind daily |
| dispatched | remind every `arrival_s` | remind every `arrival_s` |
| arrived, ended | none | none |
| shelved, any state | unshelve when its time is over, at most `LONGEST_SHELF_S` | the same |
"""

from dataclasses import dataclass

from edge_agent.alarm.alarm import State, Trigger
from edge_agent.alarm.catalogue import Condition

SAME_FALL_S = 10.0
"""Two detections with onsets this close are one fall: its bumps, or its snippet coming late."""

ESCALATED = "escalated"
"""The flag of an alarm that nobody acknowledged in time."""

SHELVED = "shelved"
"""The flag of an alarm that was put aside until `shelved_until` (ISA-18.2)."""

LONGEST_SHELF_S = 8 * 3600.0
"""Nothing stays put aside for longer."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Delays of the installation.

    Attributes:
        fall_confirm_s: how long a suspected fall waits for evidence of getting up.
        escalate_s: how long a confirmed alarm waits for an acknowledgement.
        remind_s: from one reminder to the next while nobody goes on.
        arrival_s: how long whoever was dispatched may take, and from then on again.
        technical_s: from one reminder of a fault to the next until it is mended.
    """

    fall_confirm_s: float = 10.0
    escalate_s: float = 90.0
    remind_s: float = 600.0
    arrival_s: float = 1800.0
    technical_s: float = 86_400.0

    def first_state(self, condition: Condition) -> State:
        """Return the state an alarm of this condition begins in."""
        return State.SUSPECTED if condition.name == "fall" else State.CONFIRMED

    def timer(
        self, condition: Condition, state: State, trigger: Trigger | None
    ) -> tuple[Trigger, float] | None:
        """Return the timer that begins with an event, as (trigger, seconds), or None.

        Args:
            condition: what the alarm is about.
            state: the state after the event.
            trigger: what made the event, None for the first one.
        """
        if state is State.SUSPECTED:
            return Trigger.CONFIRM, self.fall_confirm_s
        if state is State.DISPATCHED:
            return Trigger.REMIND, self.arrival_s
        if state not in _WAITING:
            return None
        if condition.technical:
            return Trigger.REMIND, self.technical_s
        if state is State.ACKNOWLEDGED or trigger in (Trigger.ESCALATE, Trigger.REMIND):
            return Trigger.REMIND, self.remind_s
        return Trigger.ESCALATE, self.escalate_s


def keeps_timer(before: State, trigger: Trigger, running: Trigger | None) -> bool:
    """Return whether a running timer outlives an event.

    The 90 s run from the first press that nobody has acknowledged, so neither that a route took
    the event nor that it was repeated starts them anew; and who acknowledges a suspicion has not
    heard yet whether it is one.
    """
    if trigger is Trigger.ACKNOWLEDGE:
        return running in (Trigger.CONFIRM, Trigger.UNSHELVE)
    if trigger is Trigger.REPEAT:
        return before in (State.CONFIRMED, State.NOTIFIED, State.DISPATCHED)
    return trigger is Trigger.NOTIFY


_WAITING = (State.CONFIRMED, State.NOTIFIED, State.ACKNOWLEDGED)
