"""The one configuration file as a whole."""

from typing import Annotated

import msgspec

from edge_agent.config.home import HomeConfig, PersonConfig, PlaceConfig, UnitConfig
from edge_agent.config.policy import (
    ActivityConfig,
    AlarmConfig,
    BedConfig,
    ConsentConfig,
    RuleConfig,
    VitalsConfig,
)
from edge_agent.config.routes import MqttConfig, RouteConfig
from edge_agent.config.values import Text


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    home: HomeConfig
    place: Annotated[list[PlaceConfig], msgspec.Meta(max_length=64)]
    unit: Annotated[list[UnitConfig], msgspec.Meta(max_length=256)]
    person: Annotated[list[PersonConfig], msgspec.Meta(max_length=64)] = []
    mqtt: MqttConfig | None = None
    route: Annotated[list[RouteConfig], msgspec.Meta(max_length=8)] = []
    alarm: AlarmConfig = AlarmConfig()
    rule: Annotated[list[RuleConfig], msgspec.Meta(max_length=32)] = []
    bed: BedConfig = BedConfig()
    vitals: VitalsConfig = VitalsConfig()
    consent: ConsentConfig = ConsentConfig()
    activity: ActivityConfig = ActivityConfig()
    state_dir: Text = "/var/lib/anzhen"
    control_socket: Text | None = None
    simulated: bool = False
