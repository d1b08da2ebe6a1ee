"""Pin map of the ESP32-C3-DevKitM-1: few pins, so that some have one use in each profile.

Left alone: 11 to 17 (flash), 2, 8, 9 (strapping), 18 and 19 (USB). There are two UARTs and
UART0 is the console's: with a radar the agent is reached over USB or Bluetooth.

Ref: Espressif ESP32-C3 datasheet v1.x, table "Pin overview", section "Strapping pins".
"""

from firmware.boards.esp32 import Esp32Board


class Board(Esp32Board):
    """Tables only: 7 and 10 are the radar's or the HX711's, 20 and 21 pendant's or room's."""

    def __init__(self) -> None:
        Esp32Board.__init__(
            self,
            i2c_buses={"main": (0, 6, 5)},
            uarts={"radar": (1, 7, 10)},
            adcs={"cord": 0, "battery": 1},
            adc_top_mv=2500,
            inputs={"button": 20, "strap": 21, "load_data": 10, "input_10": 20},
            outputs={"light": 4, "buzzer": 3, "radar_power": 21, "load_clock": 7},
        )
