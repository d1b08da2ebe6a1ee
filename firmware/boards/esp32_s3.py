"""Pin map of the ESP32-S3-DevKitC-1.

Left alone: 26 to 37 (flash and octal PSRAM), 0, 3, 45, 46 (strapping), 19 and 20 (USB), 43 and
44 (console's UART0), 48 (the board's own lamp).

Ref: Espressif ESP32-S3 datasheet v1.x, table "Pin overview", section "Boot configurations".
"""

from firmware.boards.esp32 import Esp32Board


class Board(Esp32Board):
    """Tables only."""

    def __init__(self) -> None:
        Esp32Board.__init__(
            self,
            i2c_buses={"main": (0, 9, 8)},
            uarts={"radar": (1, 17, 18), "link": (2, 15, 16)},
            adcs={"cord": 4, "battery": 5},
            adc_top_mv=2900,
            inputs={
                "button": 7,
                "strap": 6,
                "load_data": 12,
                "input_10": 13,
                "input_11": 14,
                "input_12": 21,
                "input_13": 47,
            },
            outputs={"light": 1, "buzzer": 2, "radar_power": 10, "load_clock": 11},
        )
