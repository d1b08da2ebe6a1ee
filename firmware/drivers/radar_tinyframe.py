"""HLK-LD6002, LD6002B, LD6002C, Seeed MR60BHA2 and MR60FDA2 on `radar_line.py`'s line.

| product | presence | motion | fall | breath, heart | targets |
|---|---|---|---|---|---|
| ld6002 | by distance | | | yes | |
| mr60bha2 | yes | doppler | | yes | x, y |
| ld6002b | by targets | doppler | | | x, y |
| ld6002c | yes | doppler | yes | | x, y |
| mr60fda2 | yes | | yes | | |

A target's third axis and the sign and step of its doppler are not verified: its height and
its speed are told as not known. These modules have no command that starts them anew: only the
board's output `radar_power` does. Point clouds and phases are not decoded.

Ref: as in `protocol/sensors/tinyframe.py` and `tinyframe_reports.py`.
"""

from firmware import forget
from firmware.drivers.radar import alike, number
from protocol.sensors import tinyframe
from protocol.sensors.fields import is_text
from protocol.sensors.reading import GOOD
from protocol.sensors.tinyframe_reports import ANSWERED, COMMANDS, PRODUCTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware.drivers.radar import Seen, Setup
    from protocol.sensors.parser import Frame, Parser

_PRESENCE = 0x0F09
_FALL = 0x0E02
_TARGETS = 0x0A04
_PHASES = 0x0A13
_BREATH = 0x0A14
_HEART = 0x0A15
_DISTANCE = 0x0A16
_HEIGHT = 0x0E0E
_PARAMETERS = 0x0E06
_VERSION = 0xFFFF
_DECODED = (_PRESENCE, _FALL, _BREATH, _HEART, _DISTANCE, _PARAMETERS)
_VITALS = ("ld6002", "mr60bha2")
_FALLS = ("ld6002c", "mr60fda2")
_FRAMES = (0, 20, 10, 4)
"""Frames that are averaged for each sensitivity of ours; less is more sensitive (3 to 30)."""
_MAX_SIDE_M = 1.5
_FIRST_NUMBERS = 16
_LAST_NUMBERS = 0x7F00
"""A number that falls back to the first ones, not from the last ones, is a start."""
_MAX_TEXT = 24
_SENT = (
    "version",
    "get_parameters",
    "report_height",
    "install_height_m",
    "fall_sensitivity",
    "alarm_area_m",
)


def forget_other_reports(product: str) -> None:
    """Free what the codec knows of other modules, and of what is not said or sent here."""
    own = PRODUCTS[product][0]
    for tables, _, _ in PRODUCTS.values():
        for table in tables:
            is_own = any(table is one for one in own)
            for kind in list(table):
                if not is_own or kind not in _DECODED:
                    del table[kind]
    for other in list(PRODUCTS):
        if other != product:
            del PRODUCTS[other]
    for name in list(COMMANDS):
        if name not in _SENT:
            del COMMANDS[name]
    forget("tinyframe_reports", "protocol.sensors")


class TinyFrameRadar:
    """One module. See `radar.Module`."""

    track_ms = 50
    """Refresh of the LD6002; what comes more slowly has holes (not verified for the others)."""
    gap_ms = 5_000
    boot_ms = 3_000
    asks_always = False
    lively: "tuple[int, ...]" = (_TARGETS, _PHASES, _DISTANCE, _HEIGHT)

    def __init__(self, product: str, setup: "Setup") -> None:
        self.product = product
        self.baud = PRODUCTS[product][2]
        self.parser: "Parser" = tinyframe.TinyFrameParser()
        self.firmware = ""
        self.restarted = False
        self._has_falls = product in _FALLS
        self._setup = setup
        self._known: "dict[str, object]" = {}
        self._number = 0
        question = "get_parameters" if self._has_falls else "version"
        self.questions: "tuple[bytes, ...]" = (tinyframe.encode_command(question),)
        self._wanted: "tuple[int, ...]" = (_PRESENCE, _FALL, _VERSION, _PARAMETERS)
        if product in _VITALS:
            self._wanted += (_BREATH, _HEART, _DISTANCE)
        if product not in ("ld6002", "mr60fda2"):
            self._wanted += (_TARGETS,)

    def commands(self) -> "Iterator[tuple[int, bytes]]":
        """Yield what to ask and to set after a start."""
        yield _VERSION, tinyframe.encode_command("version")
        if not self._has_falls:
            return
        self._known = {}
        yield _PARAMETERS, tinyframe.encode_command("get_parameters")
        for name, report, values in self._values():
            if not alike(self._known.get(report), values):
                yield COMMANDS[name][0], tinyframe.encode_command(name, *values)
        if self.product == "mr60fda2":
            yield _HEIGHT, tinyframe.encode_command("report_height")

    def answer(self, frame: "Frame") -> int:
        """Return the type: a command is answered by its own; the parameters only in full."""
        return -1 if frame.kind == _PARAMETERS and not frame.payload else frame.kind

    def restart(self) -> "tuple[tuple[int, bytes], ...]":
        """Return nothing: no such command is known."""
        return ()

    def take(self, frame: "Frame", seen: "Seen", now_ms: int) -> None:
        """Note what a frame says."""
        if frame.kind not in ANSWERED:  # an answer may repeat our own number
            if frame.number < _FIRST_NUMBERS <= self._number < _LAST_NUMBERS:
                self.restarted = True
            self._number = frame.number
        if frame.kind not in self._wanted or not frame.payload:
            return
        if frame.kind == _VERSION:
            self.firmware = _text(frame.payload)
            return
        if frame.kind == _TARGETS:
            seen.begin_track()
        for reading in tinyframe.decode(frame, self.product):
            name = reading.name
            value = reading.value
            if name == "presence":
                seen.set_presence(bool(value))
            elif name == "fall":
                seen.fall = int(number(value))
            elif name == "distance":
                self._take_distance(value is not None, seen)
            elif name == "heart_rate" and reading.quality == GOOD:
                seen.heart_bpm = number(value)
                seen.heart_ms = now_ms
            elif name == "breath_rate" and reading.quality == GOOD:
                seen.breath_rpm = number(value)
                seen.breath_ms = now_ms
            elif name == "target_position" and isinstance(value, tuple):
                seen.put_target(reading.index, value[0], value[1], None)
            elif name == "doppler_index":
                seen.motion = 1 if value or (reading.index and seen.motion == 1) else 0
            elif name == "targets" and (self.product == "ld6002b" or not value):
                self._take_count(number(value), seen)
            elif frame.kind == _PARAMETERS:
                self._known[name] = value

    def _take_distance(self, is_there: bool, seen: "Seen") -> None:
        """Note a target or none; where presence has its own report, it only ends the rates."""
        if self.product == "ld6002":
            seen.set_presence(is_there)
        elif not is_there:
            seen.forget_rates()

    def _take_count(self, count: float, seen: "Seen") -> None:
        if self.product == "ld6002b":
            seen.set_presence(count > 0)
        elif seen.motion == 1:
            seen.motion = 0

    def _values(self) -> "Iterator[tuple[str, str, tuple[float, ...]]]":
        """Yield command, report and values of what the installer has chosen."""
        setup = self._setup
        if setup.height_m:
            yield "install_height_m", "install_height", (max(1.0, setup.height_m),)
        if setup.sensitivity:
            yield "fall_sensitivity", "fall_sensitivity", (_FRAMES[setup.sensitivity],)
        if setup.range_m:
            side_m = min(_MAX_SIDE_M, max(0.3, setup.range_m))
            yield "alarm_area_m", "alarm_area", (side_m,) * 4


def _text(payload: bytes) -> str:
    """Return a version: the letters where it is text, else hex."""
    if is_text(payload):
        return str(payload.rstrip(b"\x00"), "ascii")[:_MAX_TEXT]
    return "".join(["%02x" % one for one in payload[: _MAX_TEXT // 2]])
