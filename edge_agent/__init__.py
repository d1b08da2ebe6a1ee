"""The edge agent: units in, alarms out."""

__version__ = "0.1.0"
BUILD_DATE_S = 1_795_392_000
"""UNIX seconds of this release (2026-11-23): no clock of ours ever runs before it."""
