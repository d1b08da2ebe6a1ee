"""Alarms: states, policy, catalogue and commands; no numpy."""
