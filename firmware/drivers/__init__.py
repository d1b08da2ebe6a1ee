"""One sensor module a file: buses, timing, configuration and recovery."""
