"""Beds: heart, breath and sitting up, scored on recordings."""
