"""Pin map of the ESP32-DevKitC V4 (ESP32-WROOM-32E, 4 MB or more of flash).

Left alone: 6 to 11 (flash), 0, 2, 5, 12, 15 (strapping), 1 and 3 (console). Not for a
WROVER module: its PSRAM sits on 16 and 17.

Ref: Espressif ESP32 datasheet v4.x, table "Pin overview", section "Strapping pins".
"""

from firmware.boards.esp32 import Esp32Board


class Board(Esp32Board):
    """Tables only."""

    def __init__(self) -> None:
        Esp32Board.__init__(
            self,
            i2c_buses={"main": (0, 22, 21)},
            uarts={"radar": (2, 17, 16), "link": (1, 25, 26)},
            adcs={"cord": 34, "battery": 35},
            adc_top_mv=2450,
            inputs={
                "button": 32,
                "strap": 33,
                "load_data": 18,
                "input_10": 13,
                "input_11": 14,
                "input_12": 36,
                "input_13": 39,
            },
            no_pull=(34, 35, 36, 39),
            outputs={"light": 4, "buzzer": 27, "radar_power": 23, "load_clock": 19},
        )
