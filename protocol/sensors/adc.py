"""Converter registers to counts and volts: NAU7802, HX711, ADS1115, MAX30102.

| part | bytes | meaning |
|---|---|---|
| NAU7802 | 12h..14h, 3 B big endian | 24 bits two's complement |
| HX711 | 24 bits, MSB first | the same |
| ADS1115 | register 00, 2 B big endian | 16 bits, V = counts * full scale / 32768 |
| MAX30102 | FIFO, 6 B a sample | red, then infrared, 18 bits each, big endian |

A count at the end of its range is clipped and therefore doubtful. There is no checksum: only a
wrong number of bytes and set bits above the 18 of a MAX30102 are found. A part that is not
there reads as all ones, which is -1 count here: the driver must see the I2C error itself.

Sources: Nuvoton NAU7802 rev 1.7, section 11.13 (ADCO); Avia HX711 datasheet, "Serial Interface";
TI SBAS444D (ADS111x), section 9.5.4 table 8, 9.6.2; Maxim MAX30102 rev 1 (19-7740), "FIFO Data".
"""

from protocol.errors import ProtocolError
from protocol.sensors.reading import DOUBTFUL, GOOD, Reading

ADS1115_FULL_SCALES_V = (6.144, 4.096, 2.048, 1.024, 0.512, 0.256)
MAX30102_SAMPLE = 6

_PPG_MAX = 0x3FFFF


def counts24(data: bytes) -> int:
    """Return 24 bits of two's complement, big endian, as a count."""
    raw = data[0] << 16 | data[1] << 8 | data[2]
    return raw - (raw >> 23 << 24)


def counts16(data: bytes) -> int:
    """Return 16 bits of two's complement, big endian, as a count."""
    raw = data[0] << 8 | data[1]
    return raw - (raw >> 15 << 16)


def decode_load_cell(data: bytes) -> "list[Reading]":
    """Return the count of a NAU7802 or an HX711.

    Raises:
        ProtocolError: these are not 3 bytes.
    """
    check_length(data, 3, "conversion")
    counts = counts24(data)
    return [Reading("load_cell", counts, "count", _clipped(counts, 0x7FFFFF))]


def decode_ads1115(data: bytes, full_scale_v: float = 4.096) -> "list[Reading]":
    """Return the volts of a conversion.

    Args:
        data: register 00.
        full_scale_v: of the gain that is set, one of `ADS1115_FULL_SCALES_V`.

    Raises:
        ProtocolError: these are not 2 bytes.
    """
    check_length(data, 2, "conversion")
    counts = counts16(data)
    return [Reading("voltage", counts * full_scale_v / 32768, "V", _clipped(counts, 0x7FFF))]


def decode_max30102(data: bytes) -> "list[Reading]":
    """Return red and infrared of the FIFO's samples, numbered from the oldest.

    Raises:
        ProtocolError: these are no whole samples.
    """
    if not data or len(data) % MAX30102_SAMPLE:
        raise ProtocolError("FIFO of %d bytes, must be a multiple of 6" % len(data))
    readings = []
    for at in range(0, len(data), 3):
        raw = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
        light = raw & _PPG_MAX
        quality = GOOD if 0 < light < _PPG_MAX and raw == light else DOUBTFUL
        name = "infrared" if at % MAX30102_SAMPLE else "red"
        readings.append(Reading(name, light, "count", quality, at // MAX30102_SAMPLE))
    return readings


def check_length(data: bytes, length: int, what: str) -> None:
    """Raise `ProtocolError` when `data` has another length."""
    if len(data) != length:
        raise ProtocolError("%s of %d bytes, must be %d" % (what, len(data), length))


def _clipped(counts: int, most: int) -> str:
    return GOOD if -most <= counts < most else DOUBTFUL
