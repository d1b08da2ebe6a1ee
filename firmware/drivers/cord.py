"""The supervised call cord on an ADC divider.

```
 supply --[R]--+--> ADC          ratio to the supply
               |                 0.00   0.08       0.36        0.75   1.00
          cord |                   short | pressed  |   idle     | cut
               |
      end of line: R to ground; the pull switch puts R/2 beside it
```
Idle is 0.5, pressed 0.25, a cut wire 1, a short 0; the three limits are settings.
"""

from firmware.drivers.contact import CUT, IDLE, PRESSED, SHORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.boards.board import Adc


class Cord:
    """Tells the state of the cord from its ratio; limits as fractions of the supply."""

    def __init__(self, adc: "Adc", short_below: float, pressed_below: float, idle_below: float):
        self._adc = adc
        self.set_limits(short_below, pressed_below, idle_below)

    def set_limits(self, short_below: float, pressed_below: float, idle_below: float) -> None:
        """Set where one state ends and the next begins."""
        self._short = int(short_below * 65535)
        self._pressed = int(pressed_below * 65535)
        self._idle = int(idle_below * 65535)

    def read(self) -> int:
        """Return the raw state."""
        value = self._adc.read_u16()
        if value < self._short:
            return SHORT
        if value < self._pressed:
            return PRESSED
        return IDLE if value < self._idle else CUT
