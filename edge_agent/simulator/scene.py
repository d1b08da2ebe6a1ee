"""A scene: who lives where, what happens when, and what must and must not be raised.

`scene.toml` version 1 has `[home]`, `[[person]]`, `[[place]]`, `[[unit]]`, `[[event]]`,
`[[expect]]`, `[[forbid]]` and `[platform]`. Times are seconds from the beginning; every
mistake is one line that names the key. Example: `scenes/night.toml`.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edge_agent.alarm.alarm import State
from edge_agent.alarm.catalogue import CONDITIONS
from edge_agent.config.file import Config
from edge_agent.config.home import HomeConfig, PlaceConfig, UnitConfig
from edge_agent.config.policy import AlarmConfig, BedConfig, ConsentConfig
from edge_agent.config.reading import ConfigError, convert, read_toml
from edge_agent.config.references import check_references
from edge_agent.config.routes import MqttConfig
from edge_agent.config.values import Identifier, Label, seconds

LONGEST_S = 86_400.0
Second = Annotated[float, seconds(0, LONGEST_S)]


class What(StrEnum):
    """What can happen."""

    LIE_DOWN = "lie_down"
    RESTLESS = "restless"
    SIT_UP = "sit_up"
    LEAVE_BED = "leave_bed"
    WALK = "walk"
    STAND = "stand"
    SIT = "sit"
    FALL = "fall"
    GET_UP = "get_up"
    CALL = "call"
    CUT_CORD = "cut_cord"
    MEND_CORD = "mend_cord"
    CUT_LINE = "cut_line"
    MEND_LINE = "mend_line"
    POWER_OFF = "power_off"
    POWER_ON = "power_on"


OF_UNITS = frozenset(
    {
        What.CALL,
        What.CUT_CORD,
        What.MEND_CORD,
        What.CUT_LINE,
        What.MEND_LINE,
        What.POWER_OFF,
        What.POWER_ON,
    }
)
"""These happen to a unit and name it; all others are done by a person."""


class ScenePerson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who lives there; only numbers that the sensors need."""

    id: Identifier
    weight_kg: Annotated[float, msgspec.Meta(ge=25, le=200, description="kilograms, 25 to 200")] = (
        58.0
    )
    heart_rate_bpm: Annotated[
        float, msgspec.Meta(ge=30, le=150, description="beats a minute, 30 to 150")
    ] = 66.0
    respiration_rpm: Annotated[
        float, msgspec.Meta(ge=4, le=40, description="breaths a minute, 4 to 40")
    ] = 15.0


class SceneUnit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A unit, run as real firmware in a VM."""

    id: Identifier
    profile: Literal["pendant", "bed", "bathroom"]
    place: Identifier
    person: Identifier | None = None
    bed: Identifier | None = None


class SceneEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that happens."""

    at: Second
    what: What
    person: Identifier | None = None
    unit: Identifier | None = None
    kind: Literal["forward", "backward", "lateral", "from_chair"] = "forward"
    zh: Label | None = None
    en: Label | None = None


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alarm state that must have reached the subscriber `by` a time, and not before `after`."""

    alarm: Identifier
    state: State
    by: Second
    after: Second = 0.0


class Prohibition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alarm that must not be raised in a stretch of time."""

    alarm: Identifier
    from_: Annotated[float, seconds(0, LONGEST_S)] = msgspec.field(default=0.0, name="from")
    to: Second = LONGEST_S


class ScenePlatform(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the platform's people answer an alarm of high or medium priority."""

    ack_after_s: Annotated[float, seconds(0, 3600)] = 8.0
    dispatch_after_s: Annotated[float, seconds(0, 3600)] = 15.0
    close_after_s: Annotated[float, seconds(0, 3600)] = 60.0


class Scene(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    version: Literal[1]
    home: HomeConfig
    duration: Annotated[float, seconds(10, LONGEST_S)]
    place: Annotated[list[PlaceConfig], msgspec.Meta(max_length=16)]
    person: Annotated[list[ScenePerson], msgspec.Meta(max_length=8)]
    unit: Annotated[list[SceneUnit], msgspec.Meta(max_length=16)]
    event: Annotated[list[SceneEvent], msgspec.Meta(max_length=1000)]
    expect: Annotated[list[Expectation], msgspec.Meta(max_length=1000)] = []
    forbid: Annotated[list[Prohibition], msgspec.Meta(max_length=1000)] = []
    platform: ScenePlatform = ScenePlatform()
    alarm: AlarmConfig = AlarmConfig()
    bed: BedConfig = BedConfig()
    consent: ConsentConfig = ConsentConfig()
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31, description="a number, 0 to 2^31")] = 1
    zh: Label = "场景"
    en: Label = "Scene"

    def make_config(self, broker: tuple[str, int] | None) -> Config:
        """Return the agent's configuration for this home."""
        return Config(
            home=self.home,
            place=self.place,
            unit=[
                UnitConfig(
                    id=unit.id,
                    port=f"scene:{unit.id}",
                    place=unit.place,
                    person=unit.person,
                    bed=unit.bed,
                    source=unit.profile,
                )
                for unit in self.unit
            ],
            mqtt=MqttConfig(host=broker[0], port=broker[1]) if broker else None,
            alarm=self.alarm,
            bed=self.bed,
            consent=self.consent,
            simulated=True,
        )


def load_scene(path: Path) -> Scene:
    """Read and check a scene.

    Raises:
        ConfigError: naming the key that is wrong and what is allowed there.
    """
    scene = convert(read_toml(path), Scene)
    check_references(scene.make_config(None))
    _check_names(scene)
    return scene


def _check_names(scene: Scene) -> None:
    people = [person.id for person in scene.person]
    units = [unit.id for unit in scene.unit]
    for number, unit in enumerate(scene.unit):
        if unit.person is not None:
            _check_one(f"unit[{number}].person", unit.person, people)
        if (unit.profile == "bed") != (unit.bed is not None):
            raise ConfigError(f"unit[{number}].bed", "for a unit of profile bed, and only there")
    for number, event in enumerate(scene.event):
        if event.what in OF_UNITS:
            _check_one(f"event[{number}].unit", event.unit, units)
        else:
            _check_one(f"event[{number}].person", event.person, people)
        if event.at > scene.duration:
            raise ConfigError(f"event[{number}].at", f"after the end ({scene.duration:g} s)")
    for number, expectation in enumerate(scene.expect):
        _check_one(f"expect[{number}].alarm", expectation.alarm, list(CONDITIONS))
    for number, prohibition in enumerate(scene.forbid):
        _check_one(f"forbid[{number}].alarm", prohibition.alarm, list(CONDITIONS))


def _check_one(key: str, name: str | None, allowed: list[str]) -> None:
    if name not in allowed:
        what = "is missing" if name is None else f"is {name!r}"
        raise ConfigError(key, f"{what}; allowed: {', '.join(allowed)}")
