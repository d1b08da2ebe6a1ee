"""Whole homes: inactivity, long stays and bed exits, scored on recorded weeks."""
