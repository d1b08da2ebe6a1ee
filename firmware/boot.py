"""The boot's name: 64 random bits, and a count on the flash that orders the boots.

Two copies of the count are kept: if one is damaged it still never goes back.
"""

from firmware import flash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_COUNTS = ("/boot.json", "/boot.bak")
_ID_BYTES = 8


class Boot:
    """Names one run of the firmware."""

    def __init__(self, boot_id: bytes, count: int) -> None:
        self.boot_id = boot_id
        self.count = count


def begin_boot(root: str, random: "Callable[[int], bytes]") -> Boot:
    """Count this boot on the flash and name it.

    A flash that cannot be written does not stop the unit; the boot id is new all the same.
    """
    count = count_boots(root) + 1
    for name in _COUNTS:
        try:
            flash.write_checked(root + name, '{"boots": %d}' % count)
        except OSError:
            pass
    return Boot(random(_ID_BYTES), count)


def count_boots(root: str) -> int:
    """Return how often this flash has been booted, 0 when it is new."""
    count = 0
    for name in _COUNTS:
        value = flash.read_checked(root + name)
        if isinstance(value, dict) and isinstance(value.get("boots"), int):
            count = max(count, value["boots"])
    return count
