"""The boards: the only files that import `machine` and `time`."""
