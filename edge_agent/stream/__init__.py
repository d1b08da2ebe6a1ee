"""Messages to evenly sampled signals with honest holes and gaps."""
