"""A line to one unit: bytes in by callback, bytes out without waiting."""

from collections.abc import Callable
from typing import Protocol


class LinkError(Exception):
    """The line is away: not there, unplugged, in use. Tried again for ever."""


class Link(Protocol):
    """An open line."""

    bytes_read: int
    bytes_written: int

    def start(self, on_bytes: Callable[[bytes], None], on_lost: Callable[[str], None]) -> None:
        """Begin to read; `on_lost` is called once when the line breaks, with the reason."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes; what the line cannot take at once waits in a bounded buffer."""
        ...

    def close(self) -> None:
        """Close the line; no callback comes after this."""
        ...
