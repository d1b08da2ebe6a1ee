"""What each profile of a unit is made of: sources, contacts, and their channels.

| profile | sources | contact |
|---|---|---|
| pendant | acc (LIS3DH, 100 Hz) | button |
| bed | strip (ADS1115, 100 Hz), load (NAU7802, 10 Hz) | cord |
| bathroom | acc where the settings say so | cord |
| room | the same | cord where the settings say so |

Bathroom and room have a radar (uart `radar`) and digital inputs (pins `input_10` to `input_19`)
where the settings say so. A driver is imported only by a unit that has its part: the codec of
a radar alone takes a tenth of the heap.
"""

import json
import sys

from firmware import settings
from firmware.drivers.contact import Button, Cord
from protocol import quantities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.boards.board import Board
    from firmware.sampler import Source
    from firmware.settings import Settings

ACC, STRIP, LOAD, CORD, BUTTON, RADAR = range(6)
"""Channels: each part of a unit has its own, in every profile the same. The radar's other
readings follow it (`radar_watch.py`); inputs have 10 to 19."""

NAMES = ("acc", "strip", "load", "cord", "button", "radar")
QUANTITIES = (
    quantities.ACCELERATION,
    quantities.BED_STRIP,
    quantities.LOAD,
    quantities.CONTACT,
    quantities.CONTACT,
    quantities.RADAR_TRACK,
)
"""What each channel measures; an input tells its own."""

_BUS = "main"


def source_channels(chosen: "Settings") -> "tuple[int, ...]":
    """Return the channels that are sampled."""
    profile = chosen.text("profile")
    if profile == settings.BED:
        return (STRIP, LOAD)
    if profile == settings.PENDANT or chosen.flag("accelerometer"):
        return (ACC,)
    return ()


def make_source(channel: int, board: "Board", chosen: "Settings") -> "Source":
    """Return the driver of a sampled channel.

    Raises:
        OSError: the board has no such bus.
    """
    bus = board.i2c(_BUS)
    if channel == ACC:
        from firmware.drivers.lis3dh import Lis3dh

        return Lis3dh(bus, chosen.whole("acc_address"))
    if channel == STRIP:
        from firmware.drivers.ads1115 import Ads1115

        return Ads1115(board, bus, chosen.whole("strip_address"))
    from firmware.drivers.nau7802 import Nau7802

    return Nau7802(
        board,
        bus,
        chosen.whole("load_address"),
        chosen.whole("load_zero"),
        chosen.number("load_kg_per_count"),
    )


def contact_channel(chosen: "Settings") -> int:
    """Return the channel of the call contact."""
    return BUTTON if chosen.text("profile") == settings.PENDANT else CORD


def has_contact(chosen: "Settings") -> bool:
    """Return whether a call contact belongs to this unit."""
    return chosen.text("profile") != settings.ROOM or chosen.flag("room_cord")


def make_contact(channel: int, board: "Board", chosen: "Settings") -> "Button | Cord":
    """Return what tells the raw state of a call contact.

    Raises:
        OSError: the board has no such input.
    """
    if channel == BUTTON:
        return Button(board.pin("button"), chosen.whole("button_pressed_level"))
    return Cord(
        board.adc("cord"),
        chosen.number("cord_short_below"),
        chosen.number("cord_pressed_below"),
        chosen.number("cord_idle_below"),
    )


def watches_room(chosen: "Settings") -> bool:
    """Return whether the settings name a radar or inputs: `room.py` is only then imported."""
    return chosen.text("radar") != settings.NONE or bool(chosen.inputs())


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
