"""SIP-S, the serial protocol of MicRadar's 60 GHz modules: framing, reports, commands.

```
 53 59 | control | command | LEN hi lo | data .. LEN bytes | SUM | 54 43
 SUM = sum of every byte from 53 to the last of data, & FF; numbers are big endian
 command n reports, n | 80 with the data 0F asks, and is answered as n | 80
```
115200 baud 8N1, talks unasked. What the reports mean is in `sip_reports.py`.

The sum and the constant bytes find every damaged bit, and 98.6 % of pairs of damaged bits.
Quirks: never split at 43, it occurs in data; frames with LEN 0 exist (`80 10`, firmware
SFD1.SY-01.02.07); public code contains wrong sums. A query and an answer of exactly 15 look
alike on the line: neither is taken for a value, ask only where 15 is none.

Sources: ZyoungInc/R60ABD1_Driver, radar/radar_protocol.h; DFRobot/DFRobot_HumanDetection
1.0, DFRobot_HumanDetection.cpp; limengdu/Seeed-Studio-MR60BHA1-Sensor; a real capture of 86
frames (bae-air-lab/Cattle_Radar@39d4ba9), for all of which the rule holds.
"""

import struct

from protocol.errors import ProtocolError
from protocol.sensors.fields import fits, read, read_rows, size_of
from protocol.sensors.parser import Frame, Parser
from protocol.sensors.reading import DOUBTFUL, GOOD, Reading, unknown
from protocol.sensors.sip_reports import COMMANDS, REPORTS, ROWS, UNSURE

BAUD = 115200
PRODUCTS = ("r60abd1", "r60afd1", "mr60bha1", "mr60fda1", "c1001")
"""Codes mean the same in all of them, so one table serves all: what a module does not have
it does not send, and a report that nobody expected is better read than lost."""

MAX_DATA = 256
"""Bytes of payload; the longest report known is a trajectory of 11 bytes a target."""

_HEADER = b"\x53\x59"
_TAIL = b"\x54\x43"
_AROUND = 9
_QUERY = 0x80
_ASK = b"\x0f"
_PRODUCT = 0x02
_SLEEP = 0x84
_SLEEP_ANSWERS = {0x8C: 0x0F, 0x8D: 0x0C, 0x8E: 0x0E, 0x8F: 0x0D}
_KEEPALIVE_ANSWER = 0x0180
_KEEPALIVE = 0x0101


class SipParser(Parser):
    """Frames of SIP-S; `kind` is control << 8 | command."""

    HEADERS = (_HEADER,)

    def _measure(self, buffer: bytes, at: int) -> int:
        if len(buffer) - at < 6:
            return 0
        length = buffer[at + 4] << 8 | buffer[at + 5]
        if length > MAX_DATA:
            raise ProtocolError("data of %d bytes, at most %d" % (length, MAX_DATA))
        size = _AROUND + length
        if len(buffer) - at < size:
            return 0
        end = at + size
        if buffer[end - 2 : end] != _TAIL:
            raise ProtocolError("no 54 43 after %d bytes of data" % length)
        total = sum(memoryview(buffer)[at : end - 3]) & 0xFF
        if total != buffer[end - 3]:
            raise ProtocolError("sum %02x, must be %02x" % (buffer[end - 3], total))
        return size

    def _open(self, buffer: bytes, at: int, size: int) -> Frame:
        return Frame(buffer[at + 2] << 8 | buffer[at + 3], buffer[at + 6 : at + size - 3])


def decode(frame: Frame) -> "list[Reading]":
    """Return what a frame says; a report or a length that no table has is one unknown reading."""
    kind = report_kind(frame.kind)
    report = REPORTS.get(kind)
    if report is not None:
        if frame.kind & _QUERY and frame.payload == _ASK:
            return [Reading("query", report[0][0])]
        if fits(report, frame.payload):
            return read(report, frame.payload, ">", quality=DOUBTFUL if kind in UNSURE else GOOD)
    row = ROWS.get(kind)
    if row is not None and frame.payload and not len(frame.payload) % size_of(row):
        return read_rows(row, frame.payload, ">", quality=DOUBTFUL)
    return [unknown(frame.payload)]


def report_kind(kind: int) -> int:
    """Return the kind of the report that an answer to a query repeats."""
    control, command = kind >> 8, kind & 0xFF
    if kind == _KEEPALIVE_ANSWER:
        return _KEEPALIVE
    if not command & _QUERY or (control == _PRODUCT and command & 0xF8 == 0xA0):
        return kind
    if control == _PRODUCT:
        command &= ~0x20
    elif control == _SLEEP:
        command = _SLEEP_ANSWERS.get(command, command)
    return control << 8 | command & 0x7F


def encode(control: int, command: int, data: bytes = b"") -> bytes:
    """Return a frame.

    Raises:
        ValueError: the data are too long (our own mistake).
    """
    if len(data) > MAX_DATA:
        raise ValueError("data of %d bytes, at most %d" % (len(data), MAX_DATA))
    body = _HEADER + struct.pack(">BBH", control, command, len(data)) + data
    return body + bytes((sum(body) & 0xFF,)) + _TAIL


def encode_query(kind: int) -> bytes:
    """Return the frame that asks for the report `kind`."""
    control, command = kind >> 8, kind & 0xFF
    if control == _SLEEP:
        for asked, reported in _SLEEP_ANSWERS.items():
            if reported == command:
                command = asked
    elif control == _PRODUCT and not command & _QUERY:
        command |= 0x20
    elif kind == _KEEPALIVE:
        command = _KEEPALIVE_ANSWER & 0xFF
    return encode(control, command | _QUERY, _ASK)


def encode_command(name: str, value: float) -> bytes:
    """Return the frame of a command of `COMMANDS`; a module acts on settings after `reset`.

    Raises:
        ValueError: the value is outside the command's range (our own mistake).
    """
    kind, code, factor, low, high = COMMANDS[name]
    if not low <= value <= high:
        raise ValueError("%s of %s, must be %s to %s" % (name, value, low, high))
    return encode(kind >> 8, kind & 0xFF, struct.pack(">" + code, round(value * factor)))
