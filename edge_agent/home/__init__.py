"""What no single chunk can tell: places, people, who covers whom."""
