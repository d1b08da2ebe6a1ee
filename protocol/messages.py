"""The messages of the wire, version 1: one small class a message, one parse table.

Field layouts are given above each class in the letters of `struct`, little endian; `u48` is
a u32 (low) and a u16 (high), `str` a u8 length and that many bytes of UTF-8. Trailing bytes
that a later version may add are ignored.

| from unit | code | | from agent | code |
|---|---|---|---|---|
| Hello | 01 | greets, names itself | Welcome | 21 |
| Samples | 02 | a block of a signal, best effort | Ack | 22 |
| Reading | 03 | one slow value, best effort | TimeSync | 23 (both ways) |
| Event | 04 | sent until stored | Configure | 24 |
| Impact | 05 | a snippet, sent until stored | Command | 25 |
| Status | 06 | every 15 s | | |
| Inventory, Log, Result | 07 08 09 | | | |
"""

import struct

from protocol.errors import ProtocolError
from protocol.framing import encode_frame

MAX_TEXT = 900
MAX_PARTS = 32


class EventKind:
    """What an `Event` says happened. Codes are never used again for another meaning."""

    CALL_PRESSED = 1
    CALL_RELEASED = 2
    CORD_CUT = 3
    CORD_SHORT = 4
    CORD_RESTORED = 5
    SENSOR_FAULT = 6
    SENSOR_RESTORED = 7
    BACKLOG_FULL = 8
    FALL_SEEN = 9
    FALL_OVER = 10
    SENSOR_STUCK = 11
    SENSOR_FREE = 12
    BATTERY_LOW = 13
    BATTERY_GOOD = 14
    NOT_WORN = 15
    WORN = 16
    TEST_DUE = 17
    TESTED = 18


class Stage:
    """How far an event has come. A unit's light shows each."""

    STORED = 1
    DELIVERED = 2
    ACKNOWLEDGED = 3
    DISPATCHED = 4
    ENDED = 5


class StatusFlag:
    """What a unit says of itself in every `Status`."""

    SETTINGS = 1
    FLASH = 2
    RESTARTED = 4
    SENSOR = 8
    ALARM = 16
    SAFE = 32
    BATTERY = 64
    NOT_WORN = 128


class CommandKind:
    """What the agent asks of a unit."""

    HELLO = 1
    LIGHT = 2
    BUZZER = 3
    SELF_TEST = 4
    SENSOR_RESET = 5
    REBOOT = 6
    UPDATE_BLOCK = 7
    INVENTORY = 8
    UPDATE_BEGIN = 9
    UPDATE_FINISH = 10
    UPDATE_STATE = 11


class ResultStatus:
    """What a `Result` says came of a command."""

    DONE = 0
    UNKNOWN = 1
    REFUSED = 2
    FAILED = 3
    GOING_ON = 4
    """There is more to do: ask the same again."""


class ClockQuality:
    """How far a clock is to be trusted, as on the topics."""

    NONE = 0
    RTC = 1
    NTP = 2
    PLATFORM = 3


def read_fields(format_: str, payload: bytes, offset: int = 0) -> "tuple[int, ...]":
    """Return the fields of a format, or raise `ProtocolError`."""
    if len(payload) < offset + struct.calcsize(format_):
        raise ProtocolError("payload of %d bytes is too short" % len(payload))
    return struct.unpack_from(format_, payload, offset)


def read_text(payload: bytes, offset: int, length: int) -> str:
    """Return so many bytes of UTF-8, or raise `ProtocolError`."""
    if len(payload) < offset + length:
        raise ProtocolError("text runs past the payload")
    try:
        return str(payload[offset : offset + length], "utf-8")
    except UnicodeError:
        raise ProtocolError("text is not UTF-8") from None


def _short(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > 255:
        raise ValueError("text of %d bytes, at most 255" % len(encoded))
    return bytes((len(encoded),)) + encoded


def _long(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > MAX_TEXT:
        raise ValueError("text of %d bytes, at most %d" % (len(encoded), MAX_TEXT))
    return encoded


def read_rest(payload: bytes, offset: int) -> str:
    """Return the text that fills the payload, or raise `ProtocolError`."""
    if len(payload) - offset > MAX_TEXT:  # it could not be packed again
        raise ProtocolError("text of %d bytes" % (len(payload) - offset))
    return read_text(payload, offset, len(payload) - offset)


def check_signal(period_us: int, scale: float, axes: int, data: bytes) -> None:
    """Raise `ProtocolError` when a block of a signal cannot be that."""
    if not 500 <= period_us <= 60_000_000:
        raise ProtocolError("sample period of %d us" % period_us)
    if not 1 <= axes <= 16:
        raise ProtocolError("%d axes" % axes)
    if not 0 < abs(scale) < 1e6:
        raise ProtocolError("scale %r" % scale)
    if not data or len(data) % (2 * axes):
        raise ProtocolError("%d bytes of samples on %d axes" % (len(data), axes))


class Message:
    """One message of the wire; `TYPE` is its code, `pack()` its payload."""

    TYPE = 0
    __slots__ = ()

    def pack(self) -> bytes:
        """Return the payload."""
        raise NotImplementedError

    def frame(self, sequence: int, payload: bytes, tag: bytes) -> bytes:
        """Return the frame of what `pack` gave, as it goes on the line."""
        return encode_frame(self.TYPE, sequence, payload, tag)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, Message):
            return False
        return self.pack() == other.pack()

    def __hash__(self) -> int:
        return hash((self.TYPE, self.pack()))

    def __repr__(self) -> str:
        return "%s(%s)" % (type(self).__name__, str(self.pack()[:24]))


class Hello(Message):
    """Greets: 8s boot id, I boot count, 8s nonce, I inventory CRC, u48 uptime, B reset cause.

    Then three `str`: unit id, profile, firmware version. The boot id is 64 random bits new
    at every boot; the persisted boot count orders the boots of one unit.
    """

    TYPE = 0x01
    __slots__ = (
        "boot_count",
        "boot_id",
        "firmware",
        "inventory_crc",
        "nonce",
        "profile",
        "reset_cause",
        "unit_id",
        "uptime_ms",
    )

    def __init__(
        self,
        unit_id: str,
        boot_id: bytes,
        boot_count: int,
        nonce: bytes,
        profile: str = "",
        firmware: str = "",
        inventory_crc: int = 0,
        uptime_ms: int = 0,
        reset_cause: int = 0,
    ) -> None:
        self.unit_id = unit_id
        self.boot_id = boot_id
        self.boot_count = boot_count
        self.nonce = nonce
        self.profile = profile
        self.firmware = firmware
        self.inventory_crc = inventory_crc
        self.uptime_ms = uptime_ms
        self.reset_cause = reset_cause

    def pack(self) -> bytes:
        """Return the payload."""
        return (
            struct.pack(
                "<8sI8sIIHB",
                self.boot_id,
                self.boot_count,
                self.nonce,
                self.inventory_crc,
                self.uptime_ms & 0xFFFFFFFF,
                self.uptime_ms >> 32,
                self.reset_cause,
            )
            + _short(self.unit_id)
            + _short(self.profile)
            + _short(self.firmware)
        )


class Welcome(Message):
    """Answers a Hello: 8s its boot id, 8s our nonce, u48 UTC in ms (0 unknown), B quality."""

    TYPE = 0x21
    __slots__ = ("boot_id", "nonce", "quality", "utc_ms")

    def __init__(self, boot_id: bytes, nonce: bytes, utc_ms: int = 0, quality: int = 0) -> None:
        self.boot_id = boot_id
        self.nonce = nonce
        self.utc_ms = utc_ms
        self.quality = quality

    def pack(self) -> bytes:
        """Return the payload."""
        return struct.pack(
            "<8s8sIHB",
            self.boot_id,
            self.nonce,
            self.utc_ms & 0xFFFFFFFF,
            self.utc_ms >> 32,
            self.quality,
        )

    @staticmethod
    def unpack(payload: bytes) -> "Welcome":
        """Return the message, or raise `ProtocolError`."""
        low, high, quality = read_fields("<IHB", payload, 16)
        return Welcome(payload[:8], payload[8:16], high << 32 | low, quality)


class Samples(Message):
    """A block of a signal: B quantity, B channel, u48 uptime, I index, I period us, f scale.

    Then B axes and i16 counts, axis by axis within a sample. `uptime_ms` is the time of the
    first sample, `index` counts samples since boot (modulo 2^32): a jump in it is loss.
    `counts * scale` is the value in the quantity's unit.
    """

    TYPE = 0x02
    HEADER = "<BBIHIIfB"
    HEADER_LENGTH = 21
    __slots__ = (
        "axes",
        "channel",
        "data",
        "index",
        "period_us",
        "quantity",
        "scale",
        "uptime_ms",
    )

    def __init__(
        self,
        quantity: int,
        channel: int,
        uptime_ms: int,
        index: int,
        period_us: int,
        scale: float,
        axes: int,
        data: bytes,
    ) -> None:
        self.quantity = quantity
        self.channel = channel
        self.uptime_ms = uptime_ms
        self.index = index
        self.period_us = period_us
        self.scale = scale
        self.axes = axes
        self.data = data

    @property
    def count(self) -> int:
        """Return how many samples the block holds."""
        return len(self.data) // (2 * self.axes)

    def pack(self) -> bytes:
        """Return the payload."""
        return (
            struct.pack(
                self.HEADER,
                self.quantity,
                self.channel,
                self.uptime_ms & 0xFFFFFFFF,
                self.uptime_ms >> 32,
                self.index & 0xFFFFFFFF,
                self.period_us,
                self.scale,
                self.axes,
            )
            + self.data
        )


class Reading(Message):
    """One slow value: B quantity, B channel, u48 uptime, f value in the quantity's unit."""

    TYPE = 0x03
    __slots__ = ("channel", "quantity", "uptime_ms", "value")

    def __init__(self, quantity: int, channel: int, uptime_ms: int, value: float) -> None:
        self.quantity = quantity
        self.channel = channel
        self.uptime_ms = uptime_ms
        self.value = value

    def pack(self) -> bytes:
        """Return the payload."""
        low, high = self.uptime_ms & 0xFFFFFFFF, self.uptime_ms >> 32
        return struct.pack("<BBIHf", self.quantity, self.channel, low, high, self.value)


class Event(Message):
    """Something that must arrive: 8s boot id, I seq, B kind, B channel, u48 uptime, u48 UTC, i.

    `(unit_id, boot_id, seq)` names it for ever: an event kept through a reboot keeps the
    boot id and uptime of the boot that saw it. UTC is 0 when the unit did not know it.
    """

    TYPE = 0x04
    __slots__ = ("boot_id", "channel", "kind", "seq", "uptime_ms", "utc_ms", "value")

    def __init__(
        self,
        boot_id: bytes,
        seq: int,
        kind: int,
        channel: int,
        uptime_ms: int,
        utc_ms: int = 0,
        value: int = 0,
    ) -> None:
        self.boot_id = boot_id
        self.seq = seq
        self.kind = kind
        self.channel = channel
        self.uptime_ms = uptime_ms
        self.utc_ms = utc_ms
        self.value = value

    def pack(self) -> bytes:
        """Return the payload."""
        return struct.pack(
            "<8sIBBIHIHi",
            self.boot_id,
            self.seq,
            self.kind,
            self.channel,
            self.uptime_ms & 0xFFFFFFFF,
            self.uptime_ms >> 32,
            self.utc_ms & 0xFFFFFFFF,
            self.utc_ms >> 32,
            self.value,
        )

    @staticmethod
    def unpack(payload: bytes) -> "Event":
        """Return the message, or raise `ProtocolError`; a unit keeps its own packed."""
        seq, kind, channel, low, high, utc_low, utc_high, value = read_fields(
            "<IBBIHIHi", payload, 8
        )
        return Event(
            payload[:8], seq, kind, channel, high << 32 | low, utc_high << 32 | utc_low, value
        )


class Impact(Message):
    """A part of the signal around a peak: 8s boot id, I seq, B part, B parts, B channel, ...

    ... u48 uptime of the snippet's first sample, u48 uptime of the crossing, u48 UTC of the
    crossing (0 unknown), I period us, f scale, B axes, then i16 counts. Every part repeats
    the header; all parts but the last carry the same number of bytes. Named like an Event.
    """

    TYPE = 0x05
    HEADER = "<IBBBIHIHIHIfB"
    HEADER_LENGTH = 42
    __slots__ = (
        "axes",
        "boot_id",
        "channel",
        "data",
        "part",
        "parts",
        "period_us",
        "scale",
        "seq",
        "trigger_ms",
        "uptime_ms",
        "utc_ms",
    )

    def __init__(
        self,
        boot_id: bytes,
        seq: int,
        part: int,
        parts: int,
        channel: int,
        uptime_ms: int,
        trigger_ms: int,
        utc_ms: int,
        period_us: int,
        scale: float,
        axes: int,
        data: bytes,
    ) -> None:
        self.boot_id = boot_id
        self.seq = seq
        self.part = part
        self.parts = parts
        self.channel = channel
        self.uptime_ms = uptime_ms
        self.trigger_ms = trigger_ms
        self.utc_ms = utc_ms
        self.period_us = period_us
        self.scale = scale
        self.axes = axes
        self.data = data

    def pack(self) -> bytes:
        """Return the payload."""
        return (
            self.boot_id
            + struct.pack(
                self.HEADER,
                self.seq,
                self.part,
                self.parts,
                self.channel,
                self.uptime_ms & 0xFFFFFFFF,
                self.uptime_ms >> 32,
                self.trigger_ms & 0xFFFFFFFF,
                self.trigger_ms >> 32,
                self.utc_ms & 0xFFFFFFFF,
                self.utc_ms >> 32,
                self.period_us,
                self.scale,
                self.axes,
            )
            + self.data
        )

    @staticmethod
    def unpack(payload: bytes) -> "Impact":
        """Return the message, or raise `ProtocolError`; a unit keeps its own packed."""
        fields = read_fields(Impact.HEADER, payload, 8)
        seq, part, parts, channel, low, high, at_low, at_high, utc_low, utc_high = fields[:10]
        us, scale, axes = fields[10:]
        data = payload[Impact.HEADER_LENGTH :]
        check_signal(us, scale, axes, data)
        if not part < parts <= MAX_PARTS:
            raise ProtocolError("part %d of %d" % (part, parts))
        return Impact(
            payload[:8],
            seq,
            part,
            parts,
            channel,
            high << 32 | low,
            at_high << 32 | at_low,
            utc_high << 32 | utc_low,
            us,
            scale,
            axes,
            data,
        )


class Status(Message):
    """The unit's health: u48 uptime, I heap free, I heap low, H lag ms, I dropped, I overruns ...

    ... I rejected frames, H backlog records, H battery mV (0 mains), B flags.
    """

    TYPE = 0x06
    __slots__ = (
        "backlog",
        "battery_mv",
        "dropped",
        "flags",
        "heap_free",
        "heap_low",
        "lag_ms",
        "overruns",
        "rejected",
        "uptime_ms",
    )

    def __init__(
        self,
        uptime_ms: int,
        heap_free: int = 0,
        heap_low: int = 0,
        lag_ms: int = 0,
        dropped: int = 0,
        overruns: int = 0,
        rejected: int = 0,
        backlog: int = 0,
        battery_mv: int = 0,
        flags: int = 0,
    ) -> None:
        self.uptime_ms = uptime_ms
        self.heap_free = heap_free
        self.heap_low = heap_low
        self.lag_ms = lag_ms
        self.dropped = dropped
        self.overruns = overruns
        self.rejected = rejected
        self.backlog = backlog
        self.battery_mv = battery_mv
        self.flags = flags

    def pack(self) -> bytes:
        """Return the payload."""
        return struct.pack(
            "<IHIIHIIIHHB",
            self.uptime_ms & 0xFFFFFFFF,
            self.uptime_ms >> 32,
            self.heap_free,
            self.heap_low,
            min(self.lag_ms, 0xFFFF),
            self.dropped & 0xFFFFFFFF,
            self.overruns & 0xFFFFFFFF,
            self.rejected & 0xFFFFFFFF,
            min(self.backlog, 0xFFFF),
            min(self.battery_mv, 0xFFFF),
            self.flags,
        )


class Inventory(Message):
    """What the unit is made of: the rest of the payload is JSON text of at most 900 bytes."""

    TYPE = 0x07
    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def pack(self) -> bytes:
        """Return the payload."""
        return _long(self.text)


class Log(Message):
    """A line of the unit's log: B level (as in Python's logging), u48 uptime, text."""

    TYPE = 0x08
    __slots__ = ("level", "text", "uptime_ms")

    def __init__(self, level: int, uptime_ms: int, text: str) -> None:
        self.level = level
        self.uptime_ms = uptime_ms
        self.text = text

    def pack(self) -> bytes:
        """Return the payload."""
        low, high = self.uptime_ms & 0xFFFFFFFF, self.uptime_ms >> 32
        return struct.pack("<BIH", self.level, low, high) + _long(self.text)


class Result(Message):
    """What came of a Command or Configure: I its number, B status (0 done), text."""

    TYPE = 0x09
    __slots__ = ("number", "status", "text")

    def __init__(self, number: int, status: int, text: str = "") -> None:
        self.number = number
        self.status = status
        self.text = text

    def pack(self) -> bytes:
        """Return the payload."""
        return struct.pack("<IB", self.number, self.status) + _long(self.text)


class Ack(Message):
    """How far an Event or Impact has come: 8s its boot id, I its seq, B stage."""

    TYPE = 0x22
    __slots__ = ("boot_id", "seq", "stage")

    def __init__(self, boot_id: bytes, seq: int, stage: int) -> None:
        self.boot_id = boot_id
        self.seq = seq
        self.stage = stage

    def pack(self) -> bytes:
        """Return the payload."""
        return struct.pack("<8sIB", self.boot_id, self.seq, self.stage)

    @staticmethod
    def unpack(payload: bytes) -> "Ack":
        """Return the message, or raise `ProtocolError`."""
        seq, stage = read_fields("<IB", payload, 8)
        return Ack(payload[:8], seq, stage)


class TimeSync(Message):
    """Heartbeat and clock: I token, u48 uptime, u48 UTC in ms (0 unknown), B quality.

    The agent asks with uptime 0; the unit answers with the same token and its own uptime.
    """

    TYPE = 0x23
    __slots__ = ("quality", "token", "uptime_ms", "utc_ms")

    def __init__(self, token: int, uptime_ms: int = 0, utc_ms: int = 0, quality: int = 0) -> None:
        self.token = token
        self.uptime_ms = uptime_ms
        self.utc_ms = utc_ms
        self.quality = quality

    def pack(self) -> bytes:
        """Return the payload."""
        return struct.pack(
            "<IIHIHB",
            self.token,
            self.uptime_ms & 0xFFFFFFFF,
            self.uptime_ms >> 32,
            self.utc_ms & 0xFFFFFFFF,
            self.utc_ms >> 32,
            self.quality,
        )

    @staticmethod
    def unpack(payload: bytes) -> "TimeSync":
        """Return the message, or raise `ProtocolError`."""
        token, low, high, utc_low, utc_high, quality = read_fields("<IIHIHB", payload)
        return TimeSync(token, high << 32 | low, utc_high << 32 | utc_low, quality)


class Configure(Message):
    """New settings: I number, then JSON text of at most 900 bytes."""

    TYPE = 0x24
    __slots__ = ("number", "text")

    def __init__(self, number: int, text: str) -> None:
        self.number = number
        self.text = text

    def pack(self) -> bytes:
        """Return the payload."""
        return struct.pack("<I", self.number) + _long(self.text)

    @staticmethod
    def unpack(payload: bytes) -> "Configure":
        """Return the message, or raise `ProtocolError`."""
        (number,) = read_fields("<I", payload)
        return Configure(number, read_rest(payload, 4))


class Command(Message):
    """Asks the unit to do something: I number, B kind, bytes argument."""

    TYPE = 0x25
    __slots__ = ("argument", "kind", "number")

    def __init__(self, number: int, kind: int, argument: bytes = b"") -> None:
        self.number = number
        self.kind = kind
        self.argument = argument

    def pack(self) -> bytes:
        """Return the payload."""
        return struct.pack("<IB", self.number, self.kind) + self.argument

    @staticmethod
    def unpack(payload: bytes) -> "Command":
        """Return the message, or raise `ProtocolError`."""
        number, kind = read_fields("<IB", payload)
        return Command(number, kind, payload[5:])


FROM_AGENT = {
    0x21: Welcome.unpack,
    0x22: Ack.unpack,
    0x23: TimeSync.unpack,
    0x24: Configure.unpack,
    0x25: Command.unpack,
}
"""What a unit parses; other types are counted and skipped."""
