"""New versions of the program: received, verified, tried, and kept or taken back."""

from firmware import flash

BUILD = 1
"""Of this program; grows with every bundle, as a unit takes no older one."""

STATES = ("/slots.json", "/slots.bak")
"""Which slot runs; the second is read when the first is damaged."""


def read_state(root: str) -> "dict[str, object] | None":
    """Return what is known of the slots, None on a flash that never had an update."""
    for path in STATES:
        value = flash.read_checked(root + path)
        if isinstance(value, dict):
            return value
    return None
