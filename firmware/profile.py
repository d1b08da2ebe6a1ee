"""What each profile of a unit is made of: sources, contacts, and their channels.

| profile | sources | contact |
|---|---|---|
| pendant | acc (LIS3DH or MPU6050, 50 or 100 Hz) | button |
| bed | strip (ADS1115, 100 Hz), load (NAU7802 or HX711, 10 Hz) | cord |
| bathroom | acc where the settings say so | cord |
| room | the same | cord where the settings say so |

Bathroom and room have a radar (uart `radar`) and digital inputs (pins `input_10` to `input_19`)
where the settings say so. A driver is imported only by a unit that has its part: the codec of
a radar alone takes a tenth of the heap.
"""

import json
import sys

from firmware import setting_names
from firmware.drivers.contact import Button
from protocol import quantities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.boards.board import Board
    from firmware.drivers.ads1115 import Ads1115
    from firmware.drivers.cord import Cord
    from firmware.drivers.hx711 import Hx711
    from firmware.drivers.lis3dh import Lis3dh
    from firmware.drivers.mpu6050 import Mpu6050
    from firmware.drivers.nau7802 import Nau7802
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

POLL_MS = 100
SLOW_POLL_MS = 200
"""A block of acceleration at 100 Hz, at 50 Hz: a FIFO of 32 samples still has room for twice."""
_BUS = "main"


def source_channels(chosen: "Settings") -> "tuple[int, ...]":
    """Return the channels that are sampled."""
    profile = chosen.text("profile")
    if profile == setting_names.BED:
        return (STRIP, LOAD)
    if profile == setting_names.PENDANT or chosen.text("accelerometer") != setting_names.NONE:
        return (ACC,)
    return ()


def make_accelerometer(board: "Board", chosen: "Settings") -> "Lis3dh | Mpu6050":
    """Return the driver of the accelerometer.

    Raises:
        OSError: the board has no such bus.
    """
    bus = board.i2c(_BUS)
    address = chosen.whole("acc_address")
    rate_hz = chosen.whole("acc_rate_hz")
    poll_ms = POLL_MS if rate_hz == 100 else SLOW_POLL_MS
    if chosen.text("accelerometer") == setting_names.MPU6050:
        from firmware.drivers.mpu6050 import Mpu6050

        address = address or setting_names.MPU6050_ADDRESSES[0]
        return Mpu6050(bus, address, rate_hz, chosen.whole("acc_range_g"), poll_ms)
    from firmware.drivers.lis3dh import Lis3dh

    return Lis3dh(bus, address or setting_names.LIS3DH_ADDRESSES[0], rate_hz, poll_ms)


def make_load(board: "Board", chosen: "Settings") -> "Nau7802 | Hx711":
    """Return the driver of the load cells.

    Raises:
        OSError: the board has no such bus or pins.
    """
    zero, kg_per_count = chosen.whole("load_zero"), chosen.number("load_kg_per_count")
    if chosen.text("load") == setting_names.HX711:
        from firmware.drivers.hx711 import Hx711

        return Hx711(board, zero, kg_per_count)
    from firmware.drivers.nau7802 import Nau7802

    return Nau7802(board, board.i2c(_BUS), chosen.whole("load_address"), zero, kg_per_count)


def make_strip(board: "Board", chosen: "Settings") -> "Ads1115":
    """Return the driver of the bed strip.

    Raises:
        OSError: the board has no such bus.
    """
    from firmware.drivers.ads1115 import Ads1115

    return Ads1115(board, board.i2c(_BUS), chosen.whole("strip_address"))


def contact_channel(chosen: "Settings") -> int:
    """Return the channel of the call contact."""
    return BUTTON if chosen.text("profile") == setting_names.PENDANT else CORD


def has_contact(chosen: "Settings") -> bool:
    """Return whether a call contact belongs to this unit."""
    return chosen.text("profile") != setting_names.ROOM or chosen.flag("room_cord")


def make_contact(channel: int, board: "Board", chosen: "Settings") -> "Button | Cord":
    """Return what tells the raw state of a call contact.

    Raises:
        OSError: the board has no such input.
    """
    if channel == BUTTON:
        return Button(board.pin("button"), chosen.whole("button_pressed_level"))
    from firmware.drivers.cord import Cord

    return Cord(
        board.adc("cord"),
        chosen.number("cord_short_below"),
        chosen.number("cord_pressed_below"),
        chosen.number("cord_idle_below"),
    )


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
