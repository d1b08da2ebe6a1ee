"""MicRadar R60ABD1, R60AFD1, MR60BHA1, MR60FDA1 and DFRobot C1001 on `radar_line.py`'s line.

| over a bed | under a ceiling |
|---|---|
| presence, motion, in bed, breath, heart | presence, motion, fall |

A value of ours is asked for first and set only where the module has another: it keeps them,
and takes them over when it starts anew. Presence and fall come on change only: a frame lost
would be a fall lost, so they are asked for all the time, the fall every 4 s. A breath of 0 may
be one that has stopped: it is told.

Ref: as in `protocol/sensors/sip.py`; that settings need a restart: DFRobot_HumanDetection,
examples/fall ("sensorRet" after configuring); 10 s for it: the same, `begin`.
"""

from firmware import forget
from firmware.drivers.radar import RESTARTS, number
from protocol.sensors import sip
from protocol.sensors.reading import GOOD
from protocol.sensors.sip_reports import COMMANDS, REPORTS, ROWS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware.drivers.radar import Seen, Setup
    from protocol.sensors.parser import Frame, Parser

_FIRMWARE = 0x02A4
_WORK_MODE = 0x0208
_MODES = {"fall": 1, "sleep": 2}
_PRESENCE = 0x8001
_MOTION = 0x8002
_BED = 0x8401
_FALL = 0x8301
_WANTED = (
    0x0501, _WORK_MODE, _FIRMWARE, _PRESENCE, _MOTION, 0x8102, 0x8502, _BED, _FALL,
    0x0602, 0x830D, 0x800D, 0x800E,
)  # fmt: skip
_SENT = (
    "reset",
    "work_mode",
    "presence_reporting",
    "breath_reporting",
    "heart_reporting",
    "sleep_reporting",
    "report_mode",
    "fall_detection",
    "motion_distance_m",
    "seated_distance_m",
    "install_height_m",
    "fall_sensitivity",
)
_SLEEP_ONLY = ("r60abd1", "mr60bha1")
_MAX_TEXT = 24
_MAX_RESTARTS = 2
"""Of a module that does not keep what it was told."""


def forget_other_reports() -> None:
    """Free what the codec knows of what is not said or sent here: an eighth of the heap."""
    for kind in list(REPORTS):
        if kind not in _WANTED:
            del REPORTS[kind]
    for name in list(COMMANDS):
        if name not in _SENT:
            del COMMANDS[name]
    ROWS.clear()
    forget("sip_reports", "protocol.sensors")


class SipRadar:
    """One module. See `radar.Module`."""

    baud = sip.BAUD
    track_ms = 0
    gap_ms = 5_000
    boot_ms = 10_000
    lively: "tuple[int, ...]" = (0x8003, 0x8004, 0x8005, 0x8102, 0x8105, 0x8202, 0x8502, 0x8505)
    asks_always = True

    def __init__(self, product: str, setup: "Setup") -> None:
        self.product = product
        self.parser: "Parser" = sip.SipParser()
        self.firmware = ""
        self.restarted = False
        self._has_modes = product == "c1001"
        self._sleeps = product in _SLEEP_ONLY or (self._has_modes and setup.sleeps)
        kinds = (_PRESENCE, _MOTION, _BED) if self._sleeps else (_FALL, _PRESENCE, _FALL, _MOTION)
        self.questions = tuple([sip.encode_query(kind) for kind in kinds])
        self._setup = setup
        self._known: "dict[str, float]" = {}
        self._restarts = 0

    def commands(self) -> "Iterator[tuple[int, bytes]]":
        """Yield what to ask and to set after a start."""
        yield self._ask(_FIRMWARE)
        if self._has_modes:
            mode = "sleep" if self._sleeps else "fall"
            yield self._ask(_WORK_MODE)
            if self._known.get("work_mode") != _MODES[mode] and self._may_restart():
                yield RESTARTS, sip.encode_command("work_mode", _MODES[mode])
        changed = False
        for name, report, kind, value in self._values():
            yield self._ask(kind)
            if abs(self._known.get(report, -1.0) - value) > 0.005:
                yield self._set(name, value)
                changed = True
        if changed and self._may_restart():
            yield self.restart()[0]
        yield self._set("presence_reporting", 1)
        if self._sleeps:
            for name in ("breath_reporting", "heart_reporting", "sleep_reporting", "report_mode"):
                yield self._set(name, 1)
        else:
            yield self._set("fall_detection", 1)

    def answer(self, frame: "Frame") -> int:
        """Return the report that a frame is or repeats."""
        return sip.report_kind(frame.kind)

    def restart(self) -> "tuple[tuple[int, bytes], ...]":
        """Return the module's own reset."""
        return ((RESTARTS, sip.encode_command("reset", 15)),)

    def take(self, frame: "Frame", seen: "Seen", now_ms: int) -> None:
        """Note what a frame says."""
        if sip.report_kind(frame.kind) not in _WANTED:
            return
        for reading in sip.decode(frame):
            name = reading.name
            value = reading.value
            if name == "initialised":
                self.restarted = True
            elif name == "firmware":
                self.firmware = str(value)[:_MAX_TEXT]
            elif name == "work_mode":
                self._known[name] = _MODES.get(str(value), 0)
            elif name == "presence":
                seen.set_presence(bool(value))
            elif name == "motion":
                seen.motion = 1 if value == "active" else 0
            elif name == "bed":
                seen.in_bed = ("out", "in").index(value) if value in ("out", "in") else -1
            elif name == "fall":
                seen.fall = int(number(value))
            elif name == "heart_rate":
                if reading.quality == GOOD:
                    seen.heart_bpm = number(value)
                    seen.heart_ms = now_ms
            elif name == "breath_rate":
                if reading.quality == GOOD or value == 0:
                    seen.breath_rpm = number(value)
                    seen.breath_ms = now_ms
            else:
                self._known[name] = number(value)

    def _values(self) -> "Iterator[tuple[str, str, int, float]]":
        """Yield command, report, kind and value of what the installer has chosen."""
        setup = self._setup
        if setup.range_m:
            reach_m = min(5.0, max(0.3, setup.range_m))
            yield "motion_distance_m", "motion_distance", 0x800E, reach_m
            yield "seated_distance_m", "seated_distance", 0x800D, reach_m
        if self._sleeps:
            return
        if setup.height_m:
            yield "install_height_m", "install_height", 0x0602, setup.height_m
        if setup.sensitivity:
            yield "fall_sensitivity", "fall_sensitivity", 0x830D, setup.sensitivity

    def _may_restart(self) -> bool:
        self._restarts += 1
        return self._restarts <= _MAX_RESTARTS

    def _ask(self, kind: int) -> "tuple[int, bytes]":
        return kind, sip.encode_query(kind)

    def _set(self, name: str, value: float) -> "tuple[int, bytes]":
        return COMMANDS[name][0], sip.encode_command(name, value)
