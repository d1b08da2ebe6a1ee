"""Values of the configuration file, with what is allowed said in words."""

from typing import Annotated

import msgspec

Identifier = Annotated[
    str,
    msgspec.Meta(
        pattern="^[A-Za-z0-9_-]{1,64}$",
        description="1 to 64 letters, digits, _ or -",
    ),
]

Label = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=40,
        pattern=r"^(?!(.|\n)*\d([\s._-]?\d){5})",
        description="1 to 40 characters of text, and no 6 digits in a row: these words go to "
        "platforms, and a telephone, an identity number or an address must not",
    ),
]
"""Words for people, in alarms and on topics."""

Text = Annotated[
    str, msgspec.Meta(min_length=1, max_length=255, description="1 to 255 characters of text")
]

Port = Annotated[int, msgspec.Meta(ge=1, le=65535, description="a port, 1 to 65535")]

Address = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}$",
        description="HOST:PORT",
    ),
]

Addresses = Annotated[list[Address], msgspec.Meta(max_length=8)]

Minute = Annotated[
    str,
    msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", description="HH:MM, 00:00 to 23:59"),
]

Metres = Annotated[float, msgspec.Meta(ge=-20, le=20, description="metres, -20 to 20")]

Axis = Annotated[float, msgspec.Meta(ge=-100, le=100, description="a number, -100 to 100")]


def seconds(low: float, high: float) -> msgspec.Meta:
    """Return the limits of a duration."""
    return msgspec.Meta(ge=low, le=high, description=f"seconds, {low:g} to {high:g}")


def per_minute(low: float, high: float) -> msgspec.Meta:
    """Return the limits of a rate."""
    return msgspec.Meta(ge=low, le=high, description=f"a minute, {low:g} to {high:g}")
