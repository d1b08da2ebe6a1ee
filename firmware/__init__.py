"""The unit: MicroPython on an ESP32-class board."""
