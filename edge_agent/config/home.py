"""The home in the configuration file: its places, its people, its units and what they see."""

from typing import Annotated, Literal

import msgspec

from edge_agent.config.values import Axis, Identifier, Label, Metres, Text


class HomeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose home this is: no name and no address, only codes."""

    region: Annotated[
        str, msgspec.Meta(pattern="^[0-9]{12}$", description="region code of 12 digits")
    ]
    home: Identifier


class PlaceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A room, with the words that alarms use."""

    id: Identifier
    zh: Label
    en: Label
    stay: bool = False
    """Whether a long stay here is to be noticed (a bathroom, a toilet)."""


class PersonConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person by a code, and what their units must protect them against.

    Persons that only units name need no table: what is expected of their units is then what the
    units have ever done.
    """

    id: Identifier
    watch: Annotated[list[Literal["fall", "call"]], msgspec.Meta(min_length=1, max_length=2)]


class InputConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an input of a unit is: a contact, a PIR, the presence of a radar."""

    channel: Annotated[int, msgspec.Meta(ge=0, le=255, description="a channel, 0 to 255")]
    kind: Literal["motion", "use", "contact", "room_door", "front_door", "rest", "presence"]
    place: Identifier | None = None


class ZoneConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rectangle of the floor on the radar's axes: x to its right, y ahead of it."""

    kind: Literal["bed", "seat", "door"]
    x_m: tuple[Metres, Metres]
    y_m: tuple[Metres, Metres]


class RadarConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The room that a radar looks at; what it sees outside is no person."""

    x_m: tuple[Metres, Metres] = (-6.0, 6.0)
    y_m: tuple[Metres, Metres] = (-6.0, 8.0)
    zone: Annotated[list[ZoneConfig], msgspec.Meta(max_length=16)] = []


class TagConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An accelerometer on the breastbone: whoever wears it sleeps in `bed`.

    `up` is the wearer's long axis towards the head in the sensor's frame, any length.
    """

    bed: Identifier
    up: tuple[Axis, Axis, Axis]


class UnitConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One unit: the line it hangs on, where it is and whom it covers."""

    id: Identifier
    port: Text
    place: Identifier
    person: Identifier | None = None
    bed: Identifier | None = None
    source: Identifier = "unit"
    baud: Annotated[
        int, msgspec.Meta(ge=9600, le=4_000_000, description="bits a second, 9600 to 4000000")
    ] = 115200
    input: Annotated[list[InputConfig], msgspec.Meta(max_length=32)] = []
    radar: RadarConfig | None = None
    tag: TagConfig | None = None
    key_file: Text | None = None
    """32 bytes in hexadecimal: a frame without the tag of this key is refused, whoever sends it."""
    worn: bool | None = None
    """Whether its person carries it from place to place; by default a source `pendant` is."""
