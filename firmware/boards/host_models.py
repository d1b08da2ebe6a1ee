"""The model that a row of `host.json` names."""

from firmware.boards.host_parts import MODELS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.boards.host_parts import Part, PartRow


def make_part(row: "PartRow", now_ms: "Callable[[], int]") -> Part:
    """Return the model that a row names."""
    if row["model"] in MODELS:
        return MODELS[row["model"]](row, now_ms)
    from firmware.boards import host_pins

    return host_pins.Mpu6050(row, now_ms)
