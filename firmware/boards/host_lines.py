# ruff: noqa: D102 (documented in board.py)
"""Single lines of the MicroPython VM's board: inputs by steps, outputs to a file."""

import errno
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.boards.host_uart import HostUart


class RatioInput:
    """An analogue input that follows steps."""

    def __init__(self, steps: "Steps") -> None:
        self._steps = steps

    def read_u16(self) -> int:
        return round(self._steps.value() * 65535)


class Steps:
    """A step function of the board's age; the first value holds before its time too."""

    def __init__(self, steps: "list[list[float]]", now_ms: "Callable[[], int]") -> None:
        self._steps = steps
        self._now_ms = now_ms
        self._at = 0

    def value(self) -> float:
        now = self._now_ms()
        while self._at + 1 < len(self._steps) and self._steps[self._at + 1][0] <= now:
            self._at += 1
        return self._steps[self._at][1]


class InputPin:
    """A digital input that follows steps."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def read(self) -> int:
        return int(self._steps.value())

    def write(self, level: int) -> None:
        raise OSError(errno.EPERM)


class OutputPin:
    """A digital output; each change is a line of the outputs file."""

    def __init__(self, name: str, path: str, now_ms: "Callable[[], int]") -> None:
        self._name = name
        self._path = path
        self._now_ms = now_ms
        self._level = 0

    def read(self) -> int:
        return self._level

    def write(self, level: int) -> None:
        if level == self._level:
            return
        self._level = level
        if self._path:
            line = {"t": self._now_ms(), "pin": self._name, "value": level}
            with open(self._path, "a") as file:
                file.write(json.dumps(line) + "\n")


class PowerPin:
    """A digital output that is a module's supply, on at the start."""

    def __init__(self, uarts: "dict[str, HostUart]", name: str) -> None:
        self._uarts = uarts
        self._name = name
        self._level = 1

    def read(self) -> int:
        return self._level

    def write(self, level: int) -> None:
        self._level = level
        if self._name in self._uarts:
            self._uarts[self._name].switch(level)
