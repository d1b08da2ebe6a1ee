"""Hi-Link LD2410, LD2412 and LD2450 (24 GHz) on `radar_line.py`'s line.

| product | presence | motion | targets |
|---|---|---|---|
| ld2410, ld2412 | yes | yes | |
| ld2450 | by targets | by speed | x, y, speed |

Commands are taken between `configure` and `end`, and reports pause meanwhile (about a second
at a start). No checksum: values that cannot be are refused with their frame, and a state
counts when two reports in a row agree.

Ref: as in `protocol/sensors/hilink.py` and `hilink_commands.py`.
"""

import math

from firmware.drivers.radar import RESTARTS, alike
from protocol.sensors import hilink, hilink_commands
from protocol.sensors.hilink_commands import encode_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware.drivers.radar import Seen, Setup
    from protocol.sensors.parser import Frame, Parser
    from protocol.sensors.reading import Reading

_GATE_M = 0.75
_NOBODY_S = 5
_ALL_GATES = 0xFFFF
_THRESHOLDS = (0, 60, 40, 25)
"""% of energy for each sensitivity of ours; less is more sensitive (default of the LD2410: 50
near, 15 to 40 far)."""
_ANSWER = 0x0100
_ONLY_INSIDE = 1
_REPORT_MS = 100


class HiLinkRadar:
    """One module. See `radar.Module`."""

    gap_ms = 1_000
    boot_ms = 2_000
    lively: "tuple[int, ...]" = (hilink.TRACKS, hilink.REPORT)
    questions: "tuple[bytes, ...]" = ()
    asks_always = False

    def __init__(self, product: str, setup: "Setup") -> None:
        self.product = product
        self.baud = hilink.PRODUCTS[product]
        self.track_ms = _REPORT_MS if product == "ld2450" else 0
        self.parser: "Parser" = hilink.HiLinkParser()
        self.firmware = ""
        self.restarted = False
        self._setup = setup
        self._known: "dict[str, object]" = {}
        self._zones: "list[object]" = []
        self._state = (-1, -1)

    def commands(self) -> "Iterator[tuple[int, bytes]]":
        """Yield what to ask and to set after a start."""
        self._known = {}
        self._zones = []
        yield self._named("configure")
        yield self._named("version")
        if self.product == "ld2410":
            for one in self._set_ld2410():
                yield one
        elif self.product == "ld2412":
            for one in self._set_ld2412():
                yield one
        else:
            for one in self._set_ld2450():
                yield one
        yield self._named("end")

    def answer(self, frame: "Frame") -> int:
        """Return the command that a frame answers."""
        if frame.kind != hilink.COMMAND or not frame.payload[1] & 1:
            return -1
        return frame.payload[0]

    def restart(self) -> "tuple[tuple[int, bytes], ...]":
        """Return the module's own restart."""
        return (self._named("configure"), (RESTARTS, encode_command("restart")))

    def take(self, frame: "Frame", seen: "Seen", now_ms: int) -> None:
        """Note what a frame says.

        Raises:
            ProtocolError: a value that no module sends.
        """
        readings = hilink.decode(frame, self.product)
        if frame.kind == hilink.COMMAND:
            self._take_answer(readings)
        elif frame.kind == hilink.REPORT and len(readings) > 1:
            state = readings[0].value
            self._note_state(state != "none", state in ("moving", "both"), seen)
        elif frame.kind == hilink.TRACKS and self.track_ms:
            self._take_tracks(readings, seen)

    def _take_tracks(self, readings: "list[Reading]", seen: "Seen") -> None:
        seen.begin_track()
        moves = False
        for place in range(0, len(readings) - 1, 3):
            position, speed = readings[place].value, readings[place + 1].value
            if isinstance(position, tuple) and isinstance(speed, (int, float)):
                seen.put_target(readings[place].index, position[0], position[1], speed)
                moves = moves or speed != 0
        self._note_state(len(readings) > 1, moves, seen)

    def _note_state(self, is_there: bool, moves: bool, seen: "Seen") -> None:
        state = (int(is_there), int(moves))
        if state == self._state:
            seen.set_presence(is_there)
            seen.motion = state[1]
        self._state = state

    def _take_answer(self, readings: "list[Reading]") -> None:
        for reading in readings:
            if reading.name == "firmware":
                self.firmware = str(reading.value)
            elif reading.name == "zone":
                self._zones.append(reading.value)
            else:
                self._known[reading.name] = reading.value

    def _set_ld2410(self) -> "Iterator[tuple[int, bytes]]":
        setup = self._setup
        if not setup.range_m and not setup.sensitivity:
            return
        yield self._named("parameters")
        gate = min(8, max(2, math.ceil(setup.range_m / _GATE_M)))
        farthest = (self._known.get("farthest_move_gate"), self._known.get("farthest_still_gate"))
        if setup.range_m and farthest != (gate, gate):
            yield 0x60, hilink_commands.encode_ld2410_range(gate, gate, _NOBODY_S)
        limit = _THRESHOLDS[setup.sensitivity]
        known = (self._known.get("move_thresholds"), self._known.get("still_thresholds"))
        if setup.sensitivity and known != ((limit,) * 9, (limit,) * 9):
            yield 0x64, hilink_commands.encode_ld2410_sensitivity(_ALL_GATES, limit, limit)

    def _set_ld2412(self) -> "Iterator[tuple[int, bytes]]":
        setup = self._setup
        if setup.range_m:
            yield self._named("basic_parameters")
            gate = min(14, max(2, math.ceil(setup.range_m / _GATE_M)))
            if self._known.get("gates") != (1, gate):
                yield 0x02, hilink_commands.encode_ld2412_range(1, gate, _NOBODY_S)
        if setup.sensitivity:
            limits = [_THRESHOLDS[setup.sensitivity]] * 14
            for code, name in ((0x03, "move_thresholds"), (0x04, "still_thresholds")):
                yield self._named(name)
                if self._known.get(name) != tuple(limits):
                    yield code, hilink_commands.encode_ld2412_thresholds(code == 0x03, limits)

    def _set_ld2450(self) -> "Iterator[tuple[int, bytes]]":
        yield self._named("multi_target")
        reach_m = min(8.0, self._setup.range_m)
        if not reach_m:
            return
        yield self._named("zones")
        zone = (-reach_m, 0.0, reach_m, reach_m)
        is_set = bool(self._zones) and alike(self._zones[0], zone)
        if self._known.get("zone_mode") != _ONLY_INSIDE or not is_set:
            yield 0xC2, hilink_commands.encode_ld2450_zones(_ONLY_INSIDE, [zone])

    def _named(self, name: str) -> "tuple[int, bytes]":
        return hilink_commands.COMMANDS[name][0], encode_command(name)
