"""What the sensors of a simulated home would measure: pure numpy, the same for the same seed."""
