"""The one table of measured quantities: code, name, unit, axes and range.

The code travels on the wire, the name stands in stream, JSON and configuration. A code is
never used again for another meaning; new quantities are added at the end, their codes in
`quantity_codes.py`.
"""

from protocol import quantity_codes as codes


class Quantity:
    """One row of the table. Rows are compared by identity; look them up, never build one."""

    __slots__ = ("axes", "code", "high", "low", "name", "unit")

    def __init__(self, code: int, name: str, unit: str, axes: int, low: float, high: float) -> None:
        self.code = code
        self.name = name
        self.unit = unit
        self.axes = axes
        self.low = low
        self.high = high

    def __repr__(self) -> str:
        return "<Quantity %s>" % self.name


ACCELERATION = Quantity(codes.ACCELERATION, "acceleration", "m/s2", 3, -400.0, 400.0)
BED_STRIP = Quantity(codes.BED_STRIP, "bed_strip", "V", 1, -6.2, 6.2)
LOAD = Quantity(codes.LOAD, "load", "kg", 1, -50.0, 400.0)
CONTACT = Quantity(codes.CONTACT, "contact", "state", 1, 0.0, 3.0)
BATTERY = Quantity(codes.BATTERY, "battery", "V", 1, 0.0, 60.0)
TEMPERATURE = Quantity(codes.TEMPERATURE, "temperature", "degC", 1, -60.0, 120.0)
RADAR_TRACK = Quantity(codes.RADAR_TRACK, "radar_track", "m, m/s", 12, -33.0, 33.0)
MOTION = Quantity(codes.MOTION, "motion", "state", 1, 0.0, 1.0)
PRESENCE = Quantity(codes.PRESENCE, "presence", "state", 1, 0.0, 1.0)
HEART_RATE = Quantity(codes.HEART_RATE, "heart_rate", "1/min", 1, 0.0, 300.0)
RESPIRATION_RATE = Quantity(codes.RESPIRATION_RATE, "respiration_rate", "1/min", 1, 0.0, 120.0)

QUANTITIES = (
    ACCELERATION,
    BED_STRIP,
    LOAD,
    CONTACT,
    BATTERY,
    TEMPERATURE,
    RADAR_TRACK,
    MOTION,
    PRESENCE,
    HEART_RATE,
    RESPIRATION_RATE,
)
BY_CODE = {q.code: q for q in QUANTITIES}
BY_NAME = {q.name: q for q in QUANTITIES}
