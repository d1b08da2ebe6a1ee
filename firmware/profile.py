"""What each profile of a unit is made of: sources, contacts, and their channels.

| profile | sources | contact |
|---|---|---|
| pendant | acc (LIS3DH or MPU6050, 50 or 100 Hz) | button |
| bed | strip (ADS1115, 100 Hz), load (NAU7802 or HX711, 10 Hz) | cord |
| bathroom | acc where the settings say so | cord |
| room | the same | cord where the settings say so |

Bathroom and room have a radar (uart `radar`) and digital inputs (pins `input_10` to `input_19`)
where the settings say so. `making.py` makes them.
"""

import json
import sys

from firmware import setting_names
from protocol import quantity_codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.sampler import Source
    from firmware.settings import Settings

ACC, STRIP, LOAD, CORD, BUTTON, RADAR = range(6)
"""Channels: each part of a unit has its own, in every profile the same. The radar's other
readings follow it (`radar_watch.py`); inputs have 10 to 19."""

NAMES = ("acc", "strip", "load", "cord", "button", "radar")
QUANTITIES = (
    quantity_codes.ACCELERATION,
    quantity_codes.BED_STRIP,
    quantity_codes.LOAD,
    quantity_codes.CONTACT,
    quantity_codes.CONTACT,
    quantity_codes.RADAR_TRACK,
)
"""Code of what each channel measures; an input tells its own."""


def source_channels(chosen: "Settings") -> "tuple[int, ...]":
    """Return the channels that are sampled."""
    profile = chosen.text("profile")
    if profile == setting_names.BED:
        return (STRIP, LOAD)
    if profile == setting_names.PENDANT or chosen.text("accelerometer") != setting_names.NONE:
        return (ACC,)
    return ()


def contact_channel(chosen: "Settings") -> int:
    """Return the channel of the call contact."""
    return BUTTON if chosen.text("profile") == setting_names.PENDANT else CORD


def has_contact(chosen: "Settings") -> bool:
    """Return whether a call contact belongs to this unit."""
    return chosen.text("profile") != setting_names.ROOM or chosen.flag("room_cord")


def watches_room(chosen: "Settings") -> bool:
    """Return whether the settings name a radar or inputs: `room.py` is only then imported."""
    return chosen.text("radar") != setting_names.NONE or bool(chosen.inputs())


def inventory(
    unit_id: str,
    version: str,
    chosen: "Settings",
    sources: "dict[int, Source]",
    contact: int,
    room: "list[list[object]]",
) -> str:
    """Return what a unit is made of as JSON; a part is [channel, name, kind, rate in Hz].

    `contact` is the channel of the call contact, -1 when there is none that works; `room` are
    the rows of the radar and the inputs.
    """
    parts: "list[list[object]]" = []
    for channel in sorted(sources):
        source = sources[channel]
        parts.append([channel, NAMES[channel], source.name, 1000 // source.period_ms])
    if contact >= 0:
        parts.append([contact, NAMES[contact], "contact", 0])
    parts += room
    return json.dumps({
        "unit": unit_id,
        "profile": chosen.text("profile"),
        "firmware": version,
        "micropython": ".".join([str(number) for number in sys.implementation.version[:3]]),
        "parts": parts,
        "settings": chosen.origin,
        "impact_limit_g": chosen.number("impact_limit_g"),
    })  # fmt: skip
