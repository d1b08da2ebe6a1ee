"""SFLOAT and FLOAT, the decimal numbers of medical devices.

```
 SFLOAT u16: exponent, 4 bits signed | mantissa, 12 bits signed      little endian on the air
 FLOAT  u32: exponent, 8 bits signed | mantissa, 24 bits signed
 value = mantissa * 10 ** exponent
```
Five mantissas with the exponent 0 are no numbers: +INF, NaN, NRes (not at this resolution),
reserved, -INF. They read None, and so does what this machine's floats cannot hold (an ESP32
has 32 bits of them).

Source: IEEE 11073-20601 as in HL7/phd "MderFLOATsandSFLOATs"; the FLOAT specials other than NaN by
the same rule.
"""

import struct

from protocol.sensors.reading import is_finite

_FIRST_SPECIAL = 0x7FE
_LAST_SPECIAL = 0x802
_FIRST_LONG_SPECIAL = 0x7FFFFE
_LAST_LONG_SPECIAL = 0x800002


def sfloat(data: bytes, at: int) -> "float | None":
    """Return the number at `at`, None when it is a special value."""
    (raw,) = struct.unpack_from("<H", data, at)
    if _FIRST_SPECIAL <= raw <= _LAST_SPECIAL:
        return None
    mantissa, exponent = raw & 0xFFF, raw >> 12
    return _scale(mantissa - (mantissa >> 11 << 12), exponent - (exponent >> 3 << 4))


def long_float(data: bytes, at: int) -> "float | None":
    """Return the FLOAT at `at`, None when it is a special value."""
    (raw,) = struct.unpack_from("<I", data, at)
    if _FIRST_LONG_SPECIAL <= raw <= _LAST_LONG_SPECIAL:
        return None
    mantissa, exponent = raw & 0xFFFFFF, raw >> 24
    return _scale(mantissa - (mantissa >> 23 << 24), exponent - (exponent >> 7 << 8))


def _scale(mantissa: int, exponent: int) -> "float | None":
    factor = 10.0 ** abs(exponent)  # dividing is exact where multiplying by 0.1 is not
    if not is_finite(factor):
        return None
    value = mantissa * factor if exponent >= 0 else mantissa / factor
    return value if is_finite(value) else None
