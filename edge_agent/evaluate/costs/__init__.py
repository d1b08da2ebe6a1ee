"""What detection and storing cost, as ratios within one run."""
