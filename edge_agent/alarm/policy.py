"""What a condition does when it is first seen, and how seen-again is told from new."""

from dataclasses import dataclass

from edge_agent.alarm.alarm import State

SAME_FALL_S = 10.0
"""Two detections with onsets this close are one fall: its bumps, or its snippet coming late."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Delays of the installation.

    Attributes:
        fall_confirm_s: how long a suspected fall waits for evidence of getting up.
    """

    fall_confirm_s: float = 10.0

    def first_state(self, condition: str) -> State:
        """Return the state an alarm of this condition begins in."""
        return State.SUSPECTED if condition == "fall" else State.CONFIRMED
