"""Falls from worn accelerometers: recordings, scores, training."""
