"""Lines to units: bytes in, bytes out."""
