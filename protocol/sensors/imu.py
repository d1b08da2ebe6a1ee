"""Accelerometer registers to m/s2: MPU6050 (with gyroscope and temperature) and LIS3DH.

```
 MPU6050  3Bh..48h, 14 B big endian: ax ay az | temperature | gx gy gz
 LIS3DH   28h..2Dh, 6 B little endian: x y z, 12 bits left-justified; FIFO: n times 6 B
```
A count at the end of its range is clipped and the reading doubtful: an impact is at least that
hard. A MPU6050 that sleeps sends 14 zeros, which read none. There is no checksum; only a wrong
number of bytes, and set bits below the 12 of a LIS3DH, are found.

Sources: InvenSense RM-MPU-6000A-00 rev 4.2, sections 4.17 to 4.19 (sensitivity, 36.53 degC); ST
DocID17530 (LIS3DH) rev 2, section 2.1 table 4 (mg/digit in high resolution), section 8.9.
"""

import struct

from protocol.errors import ProtocolError
from protocol.sensors.adc import check_length
from protocol.sensors.reading import DOUBTFUL, GOOD, NONE, Reading

G_MPS2 = 9.80665
LIS3DH_MG_PER_DIGIT = {2: 1, 4: 2, 8: 4, 16: 12}

_RADIANS = 0.017453292519943295
_MPU6050_BLOCK = 14
_LIS3DH_SAMPLE = 6
_LOW_BITS = 0x000F


def decode_mpu6050(data: bytes, range_g: int = 2, range_dps: int = 250) -> "list[Reading]":
    """Return acceleration, temperature and rotation of the block at 3Bh.

    Args:
        data: the 14 registers.
        range_g: full scale that is set: 2, 4, 8 or 16.
        range_dps: full scale that is set: 250, 500, 1000 or 2000.

    Raises:
        ProtocolError: these are not 14 bytes.
    """
    check_length(data, _MPU6050_BLOCK, "block")
    raw = struct.unpack(">7h", data)
    if not any(raw):
        return [Reading("acceleration", None, "m/s2", NONE)]
    acceleration = range_g * G_MPS2 / 32768
    rotation = range_dps * _RADIANS / 32768
    return [
        _vector("acceleration", raw[:3], acceleration, "m/s2", 32767),
        Reading("temperature", raw[3] / 340 + 36.53, "degC"),
        _vector("rotation", raw[4:], rotation, "rad/s", 32767),
    ]


def decode_lis3dh(data: bytes, range_g: int = 16) -> "list[Reading]":
    """Return the accelerations of one sample or of a burst from the FIFO, the oldest first.

    Args:
        data: 28h..2Dh, once or several times.
        range_g: full scale that is set, a key of `LIS3DH_MG_PER_DIGIT`.

    Raises:
        ProtocolError: these are no whole samples, or not of 12 bits.
    """
    if not data or len(data) % _LIS3DH_SAMPLE:
        raise ProtocolError("samples of %d bytes, must be a multiple of 6" % len(data))
    scale = LIS3DH_MG_PER_DIGIT[range_g] * G_MPS2 / 16000
    readings = []
    for at in range(0, len(data), _LIS3DH_SAMPLE):
        raw = struct.unpack_from("<3h", data, at)
        for count in raw:
            if count & _LOW_BITS:
                raise ProtocolError("count %04x at %d has more than 12 bits" % (count & 0xFFFF, at))
        index = at // _LIS3DH_SAMPLE
        readings.append(_vector("acceleration", raw, scale, "m/s2", 32752, index))
    return readings


def _vector(
    name: str, raw: "tuple[int, ...]", scale: float, unit: str, most: int, index: int = -1
) -> Reading:
    clipped = max(raw) >= most or min(raw) <= -32768
    quality = DOUBTFUL if clipped else GOOD
    return Reading(name, tuple([count * scale for count in raw]), unit, quality, index)
