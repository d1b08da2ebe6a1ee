"""A board at its REPL: MicroPython in the VM behind a serial port that mpremote can open.

```
 mpremote <--> pty <--> this process <--> pty <--> MicroPython's console, its folder the flash
```
The console is a terminal and mpremote wants a device: two of them are joined. Bytes are lost by
neither: the console's own translation of line ends is off.
"""

import os
import pty
import select
import subprocess
import termios
import threading
import tty
from pathlib import Path

from tests.firmware.vm import MICROPYTHON

CHIP = Path(__file__).with_name("chip")


class ReplBoard:
    """A board with nothing but MicroPython on it."""

    def __init__(self, folder: Path) -> None:
        self.flash = folder / "board"
        self.flash.mkdir()
        self.nvs = folder / "nvs.json"
        console, terminal = pty.openpty()
        attributes = termios.tcgetattr(terminal)
        attributes[1] &= ~termios.OPOST
        termios.tcsetattr(terminal, termios.TCSANOW, attributes)
        device, self._port = pty.openpty()
        tty.setraw(self._port)
        self.port = os.ttyname(self._port)
        self._process = subprocess.Popen(
            [MICROPYTHON],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            cwd=self.flash,
            env={"MICROPYPATH": f".frozen:{CHIP}", "NVS": str(self.nvs), "TERM": "dumb"},
            start_new_session=True,
        )
        os.close(terminal)
        self._ends = (console, device)
        self._closing = os.pipe()
        self._bridge = threading.Thread(target=self._carry)
        self._bridge.start()

    def wait(self) -> int:
        """Return the status with which MicroPython has ended: 3 after a reset."""
        return self._process.wait(timeout=20)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.write(self._closing[1], b".")
        self._bridge.join()
        for handle in (*self._ends, self._port, *self._closing):
            os.close(handle)

    def _carry(self) -> None:
        console, device = self._ends
        open_ends = {console: device, device: console}
        while True:
            ready, _, _ = select.select([*open_ends, self._closing[0]], [], [])
            if self._closing[0] in ready:
                return
            for end in ready:
                try:
                    os.write(open_ends[end], os.read(end, 4096))
                except OSError:  # MicroPython has ended
                    open_ends.pop(console, None)
                    open_ends.pop(device, None)
                    break
