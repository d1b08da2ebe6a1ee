"""Detectors: pure numpy, no clock, no I/O."""
