"""A unit without a line: the agent's `Link` and a unit's session, in memory."""

import asyncio
import secrets
from collections.abc import Callable

from protocol.messages import Hello
from protocol.unit_session import UnitSession


class MemoryUnit:
    """A pendant: whoever measures sends with `session`, then pushes."""

    def __init__(self, unit_id: str) -> None:
        self.bytes_read = self.bytes_written = 0
        boot_id = secrets.token_bytes(8)
        self.session = UnitSession(Hello(unit_id, boot_id, 1, secrets.token_bytes(8), "pendant"))
        self._on_bytes: Callable[[bytes], None] | None = None

    def start(self, on_bytes: Callable[[bytes], None], on_lost: Callable[[str], None]) -> None:
        """Begin to read: the unit greets."""
        self._on_bytes = on_bytes
        self.session.start(0)
        asyncio.get_running_loop().call_soon(self.push)

    def write(self, data: bytes) -> None:
        """Take what the agent says."""
        self.session.receive_data(data, 0)
        self.session.events()
        asyncio.get_running_loop().call_soon(self.push)

    def push(self) -> None:
        """Hand the agent what the unit has to say."""
        data = self.session.data_to_send()
        if data and self._on_bytes is not None:
            self._on_bytes(data)

    def close(self) -> None:
        """Read no more."""
        self._on_bytes = None
