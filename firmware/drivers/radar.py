"""What a radar module is to its line: a family's driver, its setup, and what it has seen.

`radar_line.py` runs a module; `radar_sip.py`, `radar_tinyframe.py` and `radar_hilink.py` are the
families; `radar_watch.py` tells what was seen.
"""

from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from protocol.sensors.parser import Frame, Parser

    class Module(Protocol):
        """One family of modules."""

        product: str
        baud: int
        track_ms: int
        """From one report of targets to the next; 0 when it has none."""
        gap_ms: int
        """A pause after which it may have been started anew."""
        boot_ms: int
        firmware: str
        """Its version, empty while it has not told it."""
        restarted: bool
        """It says that it has started; the reader of this clears it."""
        lively: tuple[int, ...]
        """Kinds of frames whose payload changes while somebody is there."""
        questions: tuple[bytes, ...]
        """Frames that it answers and that change nothing; none: it never pauses."""
        asks_always: bool
        """Ask them all the time, because it reports changes only, and one may get lost."""
        parser: Parser

        def commands(self) -> Iterator[tuple[int, bytes]]:
            """Yield (answer to wait for, frame); RESTARTS: it starts anew after that."""

        def answer(self, frame: Frame) -> int:
            """Return which answer a frame may be, -1 for none."""

        def take(self, frame: Frame, seen: "Seen", now_ms: int) -> None:
            """Note what a frame says; ProtocolError when its values cannot be."""

        def restart(self) -> tuple[tuple[int, bytes], ...]:
            """Return the commands that start it anew, none when it has none."""


RESTARTS = -1
"""The answer to a command after which the module starts anew."""
TARGETS = 3
AXES = 12
UNKNOWN = -0x8000
MILLIMETRE = 0.001
_MAX_SAMPLES = 3
_SAME = 0.005


class Setup:
    """What the installer wants of a module. 0 leaves a value as the module has it."""

    def __init__(self, height_m: float, sensitivity: int, range_m: float, sleeps: bool) -> None:
        self.height_m = height_m
        self.sensitivity = sensitivity
        """1 low, 2 medium, 3 high."""
        self.range_m = range_m
        self.sleeps = sleeps
        """Watch a bed's sleeper and not falls, where a module can do either."""


class Seen:
    """What a module has said last. States are 0 or 1, -1 while it has not said."""

    def __init__(self) -> None:
        self.fall = -1
        """The module's code, above 0 for a fall; it outlives restarts."""
        self.tracks = array("h", bytes(2 * AXES * _MAX_SAMPLES))
        self.samples = 0
        """How many of them are new."""
        self.forget()

    def forget(self) -> None:
        """The module is away: nothing is known any more."""
        self.presence = -1
        self.motion = -1
        self.in_bed = -1
        self.forget_rates()

    def forget_rates(self) -> None:
        """Nobody whose heart could be seen."""
        self.heart_bpm = self.breath_rpm = -1.0
        self.heart_ms = self.breath_ms = -1

    def set_presence(self, is_there: bool) -> None:
        """Note whether somebody is there; rates end with the person."""
        self.presence = 1 if is_there else 0
        if not is_there:
            self.motion = 0
            self.forget_rates()

    def begin_track(self) -> None:
        """Make room for a report of targets; of too many in a beat the oldest goes."""
        if self.samples == _MAX_SAMPLES:
            self.tracks[:-AXES] = self.tracks[AXES:]
            self.samples -= 1
        at = AXES * self.samples
        for axis in range(at, at + AXES):
            self.tracks[axis] = UNKNOWN
        self.samples += 1

    def put_target(self, index: int, x_m: float, y_m: float, speed_mps: "float | None") -> None:
        """Put a target into the newest report."""
        if index < TARGETS:
            at = AXES * (self.samples - 1) + 4 * index
            self.tracks[at] = _count(x_m)
            self.tracks[at + 1] = _count(y_m)
            if speed_mps is not None:
                self.tracks[at + 3] = _count(speed_mps)


def alike(known: object, values: "tuple[float, ...]") -> bool:
    """Return whether a module has the values already."""
    if not isinstance(known, tuple):
        known = (known,)
    if len(known) != len(values):
        return False
    for place, value in enumerate(values):
        if known[place] is None or abs(known[place] - value) > _SAME:
            return False
    return True


def number(value: object) -> float:
    """Return a reading's number, of a flag 0 or 1; -1 when it is none."""
    if isinstance(value, (bool, int, float)):  # MicroPython: a bool is no int
        return float(value)
    return -1.0


def _count(metres: float) -> int:
    """Return the count of a length or a speed at the scale of a millimetre."""
    return max(UNKNOWN + 1, min(-UNKNOWN - 1, round(metres / MILLIMETRE)))
