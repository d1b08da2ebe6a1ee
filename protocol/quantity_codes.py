"""Codes of the measured quantities, all that a unit knows of them; see `quantities.py`."""

ACCELERATION = 1
BED_STRIP = 2
LOAD = 3
CONTACT = 4
BATTERY = 5
TEMPERATURE = 6
RADAR_TRACK = 7
MOTION = 8
PRESENCE = 9
HEART_RATE = 10
RESPIRATION_RATE = 11
