"""Who is called on site: the units that sound while nobody acknowledges a life-critical alarm.

A unit sounds on its own for its own call; this is for everything else, above all a fall that a
pendant without a buzzer felt. It needs no platform and no network.
"""

from collections.abc import Iterable

from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.alarm.catalogue import CONDITIONS
from edge_agent.alarm.policy import ESCALATED
from edge_agent.config.home import UnitConfig

SOUND_S = 30
"""How long a unit sounds when asked once; it falls silent by itself when the agent is gone."""
REPEAT_S = 20.0
"""From one asking to the next."""


def sounding_units(events: Iterable[AlarmEvent], units: Iterable[UnitConfig]) -> set[str]:
    """Return the units near an open life-critical alarm that nobody acknowledged in time.

    Near is the alarm's place, and wherever else the same person has a unit.
    """
    called = [
        event
        for event in events
        if ESCALATED in event.flags and CONDITIONS[event.condition].life_critical
    ]
    return {
        unit.id
        for unit in units
        for event in called
        if unit.place == event.place or (unit.person is not None and unit.person == event.person)
    }
