"""Bytes of other makers' sensors to readings, one family a file. No I/O, no clock."""
