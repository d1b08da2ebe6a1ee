"""How an agent reads what a unit sends: payloads to messages. No unit imports this.

The layouts stand above each class in `messages.py`; what a unit reads is there, too.
"""

from protocol.errors import ProtocolError
from protocol.messages import (
    Event,
    Hello,
    Impact,
    Inventory,
    Log,
    Reading,
    Result,
    Samples,
    Status,
    TimeSync,
    check_signal,
    read_fields,
    read_rest,
    read_text,
)

MAX_ID = 64

_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"


def check_id(text: str) -> str:
    """Return `text` when it can be a topic level (`[A-Za-z0-9_-]{1,64}`).

    Raises:
        ProtocolError: it cannot.
    """
    if not 1 <= len(text) <= MAX_ID:
        raise ProtocolError("identifier of %d letters" % len(text))
    for letter in text:
        if letter not in _ID_LETTERS:
            raise ProtocolError("letter %r in an identifier" % letter)
    return text


def _hello(payload: bytes) -> Hello:
    count, crc, low, high, cause = (
        read_fields("<I", payload, 8) + read_fields("<IIHB", payload, 20)  # the nonce lies between
    )
    unit_id, offset = _take(payload, 31)
    profile, offset = _take(payload, offset)
    firmware, offset = _take(payload, offset)
    return Hello(
        check_id(unit_id),
        payload[:8],
        count,
        payload[12:20],
        profile,
        firmware,
        crc,
        high << 32 | low,
        cause,
    )


def _samples(payload: bytes) -> Samples:
    quantity, channel, low, high, index, period_us, scale, axes = read_fields(
        Samples.HEADER, payload
    )
    data = payload[Samples.HEADER_LENGTH :]
    check_signal(period_us, scale, axes, data)
    return Samples(quantity, channel, high << 32 | low, index, period_us, scale, axes, data)


def _reading(payload: bytes) -> Reading:
    quantity, channel, low, high, value = read_fields("<BBIHf", payload)
    if not abs(value) < 1e9:  # NaN too
        raise ProtocolError("reading of %r" % value)
    return Reading(quantity, channel, high << 32 | low, value)


def _status(payload: bytes) -> Status:
    fields = read_fields("<IHIIHIIIHHB", payload)
    return Status(fields[1] << 32 | fields[0], *fields[2:])


def _inventory(payload: bytes) -> Inventory:
    return Inventory(read_rest(payload, 0))


def _log(payload: bytes) -> Log:
    level, low, high = read_fields("<BIH", payload)
    return Log(level, high << 32 | low, read_rest(payload, 7))


def _result(payload: bytes) -> Result:
    number, status = read_fields("<IB", payload)
    return Result(number, status, read_rest(payload, 5))


def _take(payload: bytes, offset: int) -> "tuple[str, int]":
    (length,) = read_fields("<B", payload, offset)
    return read_text(payload, offset + 1, length), offset + 1 + length


FROM_UNIT = {
    0x01: _hello,
    0x02: _samples,
    0x03: _reading,
    0x04: Event.unpack,
    0x05: Impact.unpack,
    0x06: _status,
    0x07: _inventory,
    0x08: _log,
    0x09: _result,
    0x23: TimeSync.unpack,
}
"""Each returns the message or raises `ProtocolError`; other types are counted and skipped."""
