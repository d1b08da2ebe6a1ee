"""What a scene expected, held against what its subscriber received."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_agent.alarm.alarm import State
from edge_agent.simulator.scene import Expectation, Prohibition, Scene
from edge_agent.simulator.watcher import Arrival


@dataclass(frozen=True, slots=True)
class Met:
    """An expectation and when it was met, or None."""

    expectation: Expectation
    at_s: float | None


@dataclass(frozen=True, slots=True)
class AlarmStory:
    """One alarm as the subscriber saw it.

    Attributes:
        onset_s: when it happened, in scene seconds.
        states: (state, scene seconds at which its event reached the subscriber).
    """

    alarm_id: str
    condition: str
    onset_s: float
    states: list[tuple[State, float]]

    @property
    def latency_s(self) -> float:
        """Return the time from the onset to the first event's arrival."""
        return self.states[0][1] - self.onset_s


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a scene."""

    alarms: list[AlarmStory]
    met: list[Met]
    broken: list[tuple[Prohibition, float]]

    @property
    def is_good(self) -> bool:
        """Return True when every expectation was met and no prohibition broken."""
        return not self.broken and all(met.at_s is not None for met in self.met)

    def as_object(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "ok": self.is_good,
            "alarms": [
                {
                    "alarm_id": alarm.alarm_id,
                    "condition": alarm.condition,
                    "onset_s": round(alarm.onset_s, 3),
                    "latency_s": round(alarm.latency_s, 3),
                    "states": {state: round(at_s, 3) for state, at_s in alarm.states},
                }
                for alarm in self.alarms
            ],
            "expectations": [
                {
                    "alarm": met.expectation.alarm,
                    "state": met.expectation.state,
                    "by": met.expectation.by,
                    "at": met.at_s and round(met.at_s, 3),
                }
                for met in self.met
            ],
            "forbidden": [{"alarm": rule.alarm, "at": at_s} for rule, at_s in self.broken],
        }


def judge(scene: Scene, arrivals: Sequence[Arrival], onset_s: dict[str, float]) -> Verdict:
    """Hold a scene's rules against what arrived.

    Args:
        scene: the scene.
        arrivals: everything the subscriber got, in order.
        onset_s: onset of each alarm in scene seconds, by its id.
    """
    stories: dict[str, AlarmStory] = {}
    for arrival in arrivals:
        event = arrival.event
        story = stories.setdefault(
            event.alarm_id,
            AlarmStory(event.alarm_id, event.condition, onset_s[event.alarm_id], []),
        )
        story.states.append((event.state, arrival.at_s))
    met = [Met(rule, _first(rule, arrivals)) for rule in scene.expect]
    broken = [
        (rule, story.states[0][1])
        for rule in scene.forbid
        for story in stories.values()
        if story.condition == rule.alarm and rule.from_ <= story.states[0][1] <= rule.to
    ]
    return Verdict(list(stories.values()), met, broken)


def _first(rule: Expectation, arrivals: Sequence[Arrival]) -> float | None:
    """Return when a rule was first met."""
    for arrival in arrivals:
        event = arrival.event
        if (
            event.condition == rule.alarm
            and event.state == rule.state
            and rule.after <= arrival.at_s <= rule.by
        ):
            return arrival.at_s
    return None
