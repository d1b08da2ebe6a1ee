"""Falls that a radar sees: frames of points, tracks, heights."""
