"""What a simulated home's sensors measure: pure numpy, decided by a seed."""
