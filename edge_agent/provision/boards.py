"""Boards that a unit can be: what their pin maps have, and what MicroPython is put on them with.

The pin maps are the firmware's own files; they import `machine`, so they are read, not run.

Source of the offsets: MicroPython ports/esp32/boards, deploy.md of each chip.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import firmware
from edge_agent.config.reading import ConfigError
from firmware.setting_names import BLE, NONE, SettingsError
from firmware.settings import Settings

ROOT = Path(firmware.__file__).parents[1]
"""Folder with `firmware/` and `protocol/`."""
BLE_NAME_LENGTH = 26
"""As much of its name as a unit can show on the air (`boards/ble_link.py`)."""


@dataclass(frozen=True, slots=True)
class BoardKind:
    """A board: the chip as esptool calls it, MicroPython's build for it and where that lies."""

    chip: str
    build: str
    offset: str


BOARDS = {
    "esp32_devkit": BoardKind("esp32", "ESP32_GENERIC", "0x1000"),
    "esp32_s3": BoardKind("esp32s3", "ESP32_GENERIC_S3", "0"),
    "esp32_c3": BoardKind("esp32c3", "ESP32_GENERIC_C3", "0"),
    "esp32_c6": BoardKind("esp32c6", "ESP32_GENERIC_C6", "0"),
}


def check_settings(board: str, unit_id: str, chosen: dict[str, object]) -> Settings:
    """Return the settings as the firmware reads them.

    Args:
        board: one of `BOARDS`.
        unit_id: the unit's name.
        chosen: what `settings.json` will say.

    Raises:
        ConfigError: the firmware would not take them, or the board has no pins for them.
    """
    try:
        settings = Settings(chosen)
    except SettingsError as error:
        key, _, why = str(error).partition(": ")
        raise ConfigError(f"setting {key}", why) from None
    if settings.text("link") == BLE and len(unit_id) > BLE_NAME_LENGTH:
        raise ConfigError("--unit-id", f"at most {BLE_NAME_LENGTH} letters fit on the air")
    if settings.text("link") == "uart" and "link" not in _table(board, "uarts"):
        raise ConfigError("--link", f"{board} has no UART for the agent: usb or ble")
    inputs = _table(board, "inputs")
    for channel, kind, _ in settings.inputs():
        if kind != NONE and f"input_{channel}" not in inputs:
            has = ", ".join(name for name in inputs if name.startswith("input_"))
            raise ConfigError(f"setting input_{channel}", f"{board} has only {has}")
    return settings


def flash_commands(board: str, port: str) -> Sequence[str]:
    """Return what to type to put MicroPython on a board."""
    kind = BOARDS[board]
    esptool = f"esptool --chip {kind.chip} --port {port}"
    return (
        f"{esptool} erase-flash",
        f"{esptool} --baud 460800 write-flash {kind.offset} {kind.build}-DATE-vVERSION.bin",
    )


def _table(board: str, name: str) -> dict[str, object]:
    """Return one table of a board's pin map."""
    tree = ast.parse((ROOT / "firmware/boards" / f"{board}.py").read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == name:
            table = ast.literal_eval(node.value)
            assert isinstance(table, dict)
            return table
    raise AssertionError(f"{board}.py has no {name}")
