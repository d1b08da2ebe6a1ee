"""Pin map of the ESP32-C6-DevKitC-1.

Left alone: 24 to 30 (flash), 4, 5, 8, 9, 15 (strapping), 12 and 13 (USB), 16 and 17 (console's
UART0). The agent is reached over USB or Bluetooth: the only other UART is the radar's.

Ref: Espressif ESP32-C6 datasheet v1.x, table "Pin overview", section "Boot configurations".
"""

from firmware.boards.esp32 import Esp32Board


class Board(Esp32Board):
    """Tables only."""

    def __init__(self) -> None:
        Esp32Board.__init__(
            self,
            i2c_buses={"main": (0, 7, 6)},
            uarts={"radar": (1, 10, 11)},
            adcs={"cord": 0, "battery": 1},
            adc_top_mv=3200,
            inputs={
                "button": 18,
                "strap": 19,
                "load_data": 19,
                "input_10": 22,
                "input_11": 23,
            },
            outputs={"light": 2, "buzzer": 3, "radar_power": 21, "load_clock": 20},
        )
