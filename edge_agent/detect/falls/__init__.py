"""Falls of whoever wears or leans on an accelerometer: stages, engine, calibration."""
