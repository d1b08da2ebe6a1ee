"""The state directory of a running agent: made, locked, and what lies where in it."""

import fcntl
import os
from pathlib import Path


class StateError(Exception):
    """The state directory cannot be used."""


class StateDir:
    """`outbox.db` and the control socket's default place; one agent at a time."""

    def __init__(self, path: Path) -> None:
        """Make and lock the directory.

        Raises:
            StateError: it cannot be made or written, or another agent holds it.
        """
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(f"{path}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise StateError(f"{path}: another agent is running on it") from None

    @property
    def outbox(self) -> Path:
        """Return where the outbox lies."""
        return self.path / "outbox.db"

    @property
    def control_socket(self) -> Path:
        """Return where the control socket lies when the configuration names no other place."""
        return self.path / "control.sock"

    def close(self) -> None:
        """Let the directory go."""
        os.close(self._lock)
