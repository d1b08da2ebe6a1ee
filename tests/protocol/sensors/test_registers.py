"""Registers of converters and accelerometers: scales, rails, lengths, the drivers' own numbers."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.drivers.ads1115 import Ads1115
from firmware.drivers.lis3dh import Lis3dh
from protocol.errors import ProtocolError
from protocol.sensors import adc, imu
from protocol.sensors.reading import DOUBTFUL, GOOD, NONE, Reading

pytestmark = pytest.mark.fast


@given(st.integers(-(1 << 23), (1 << 23) - 1))
def test_a_load_cell_is_its_count(count: int) -> None:
    (reading,) = adc.decode_load_cell(count.to_bytes(3, "big", signed=True))
    assert (reading.value, reading.unit) == (count, "count")
    assert (reading.quality == DOUBTFUL) == (count in (-(1 << 23), (1 << 23) - 1))


@given(st.integers(-32768, 32767), st.sampled_from(adc.ADS1115_FULL_SCALES_V))
def test_a_strip_is_its_voltage(count: int, full_scale_v: float) -> None:
    (reading,) = adc.decode_ads1115(count.to_bytes(2, "big", signed=True), full_scale_v)
    assert reading.value == pytest.approx(count * full_scale_v / 32768)
    assert (reading.quality == DOUBTFUL) == (count in (-32768, 32767))


@pytest.mark.parametrize("most", [0x7FFF, 0x7FFFFF])
def test_only_the_very_ends_are_clipped(most: int) -> None:
    size, decode = (2, adc.decode_ads1115) if most == 0x7FFF else (3, adc.decode_load_cell)
    ends = {-most - 1: DOUBTFUL, -most: GOOD, most - 1: GOOD, most: DOUBTFUL}
    for count, quality in ends.items():
        (reading,) = decode(count.to_bytes(size, "big", signed=True))
        assert reading.quality == quality


def test_the_scales_are_those_of_the_drivers() -> None:
    (reading,) = adc.decode_ads1115(b"\x03\xe8")
    assert reading.value == pytest.approx(1000 * Ads1115.scale)
    (reading,) = imu.decode_lis3dh(struct.pack("<3h", 1600, -1600, 16))
    assert reading.value == pytest.approx(
        (1600 * Lis3dh.scale, -1600 * Lis3dh.scale, 16 * Lis3dh.scale)
    )


def test_the_fifo_of_a_pulse_oximeter() -> None:
    readings = adc.decode_max30102(bytes.fromhex("03ffff 000001 020000 000000 040000 010000"))
    assert [(one.name, one.index, one.value, one.quality) for one in readings] == [
        ("red", 0, 0x3FFFF, DOUBTFUL),
        ("infrared", 0, 1, GOOD),
        ("red", 1, 0x20000, GOOD),
        ("infrared", 1, 0, DOUBTFUL),
        ("red", 2, 0, DOUBTFUL),
        ("infrared", 2, 0x10000, GOOD),
    ]


def test_values_whole() -> None:
    assert adc.decode_load_cell(b"\x00\x01\x00") == [Reading("load_cell", 256, "count")]
    assert adc.decode_ads1115(b"\x40\x00", 6.144) == [Reading("voltage", 3.072, "V")]
    assert adc.decode_ads1115(b"\x7f\xff")[0].name == "voltage"
    assert adc.decode_max30102(bytes.fromhex("000001 03fffe")) == [
        Reading("red", 1, "count", GOOD, 0),
        Reading("infrared", 0x3FFFE, "count", GOOD, 0),
    ]
    rate = 2000 * math.pi / 180 / 32768
    block = struct.pack(">7h", 16384, -16384, 0, 3400, 1, -2, 3)
    acceleration, temperature, rotation = imu.decode_mpu6050(block, 2, 2000)
    assert acceleration == Reading("acceleration", (9.80665, -9.80665, 0.0), "m/s2")
    assert temperature == Reading("temperature", 46.53, "degC")
    assert (rotation.name, rotation.unit, rotation.index) == ("rotation", "rad/s", -1)
    assert rotation.value == pytest.approx((rate, -2 * rate, 3 * rate), rel=1e-12)
    assert imu.decode_mpu6050(block)[0] == acceleration
    assert imu.decode_mpu6050(block)[2].value == pytest.approx(
        (rate / 8, -rate / 4, 3 * rate / 8), rel=1e-12
    )
    (fallen,) = imu.decode_lis3dh(struct.pack("<3h", 16000, 0, -16000), 2)
    assert fallen == Reading("acceleration", (9.80665, 0.0, -9.80665), "m/s2", GOOD, 0)


def test_the_gains_of_an_ads1115_and_the_ranges_of_a_lis3dh() -> None:
    # Ref: TI SBAS444D table 8, +-6.144 V (PGA 000) to +-0.256 V (101).
    assert adc.ADS1115_FULL_SCALES_V == (6.144, 4.096, 2.048, 1.024, 0.512, 0.256)
    # Ref: ST DocID17530 rev 2, table 4, high resolution: 1, 2, 4, 12 mg a digit.
    assert imu.LIS3DH_MG_PER_DIGIT == {2: 1, 4: 2, 8: 4, 16: 12}
    assert (imu.G_MPS2, adc.MAX30102_SAMPLE) == (9.80665, 6)


@pytest.mark.parametrize(
    ("count", "quality"), [(32736, GOOD), (32752, DOUBTFUL), (-32752, GOOD), (-32768, DOUBTFUL)]
)
def test_only_the_last_count_of_a_lis3dh_is_clipped(count: int, quality: str) -> None:
    for place in range(3):
        raw = [0, 0, 0]
        raw[place] = count
        assert imu.decode_lis3dh(struct.pack("<3h", *raw))[0].quality == quality


@pytest.mark.parametrize(("range_g", "one_g"), [(2, 16384), (4, 8192), (8, 4096), (16, 2048)])
def test_one_g_of_a_mpu6050(range_g: int, one_g: int) -> None:
    block = struct.pack(">7h", 0, 0, one_g, -521, 131, 0, -32768)
    acceleration, temperature, rotation = imu.decode_mpu6050(block, range_g)
    assert acceleration.value == (0.0, 0.0, 9.80665)
    assert acceleration.quality == GOOD
    assert temperature.value == pytest.approx(35.0, abs=0.01)
    assert rotation.value[0] == pytest.approx(0.01745, rel=1e-3)
    assert rotation.quality == DOUBTFUL


@pytest.mark.parametrize(
    ("count", "quality"),
    [(32767, DOUBTFUL), (-32768, DOUBTFUL), (32766, GOOD), (-32767, GOOD)],
)
def test_a_clipped_mpu6050_is_doubtful(count: int, quality: str) -> None:
    acceleration, _, rotation = imu.decode_mpu6050(struct.pack(">7h", 0, count, 0, 1, 0, 0, count))
    assert (acceleration.quality, rotation.quality) == (quality, quality)


def test_a_sleeping_mpu6050_reads_none_and_a_weightless_one_does_not() -> None:
    assert imu.decode_mpu6050(bytes(14)) == [Reading("acceleration", None, "m/s2", NONE)]
    falling = struct.pack(">7h", 0, 0, 0, -1000, 0, 0, 0)
    assert imu.decode_mpu6050(falling)[0] == Reading("acceleration", (0.0, 0.0, 0.0), "m/s2")


@pytest.mark.parametrize(("range_g", "digits"), [(2, 1000), (4, 500), (8, 250), (16, 83)])
def test_one_g_of_a_lis3dh(range_g: int, digits: int) -> None:
    (reading,) = imu.decode_lis3dh(struct.pack("<3h", 0, 0, digits * 16), range_g)
    assert reading.value[2] == pytest.approx(9.80665, rel=0.01)
    assert (reading.index, reading.quality) == (0, GOOD)


@pytest.mark.parametrize("count", [32752, -32768])
def test_a_clipped_impact_is_doubtful_and_kept(count: int) -> None:
    (reading,) = imu.decode_lis3dh(struct.pack("<3h", 0, count, 0))
    assert reading.quality == DOUBTFUL
    assert abs(reading.value[1]) > 15.9 * 9.8


def test_a_burst_of_the_fifo_is_numbered() -> None:
    burst = struct.pack("<96h", *[16 * n for n in range(96)])
    readings = imu.decode_lis3dh(burst)
    assert [one.index for one in readings] == list(range(32))
    assert readings[31].value[0] == pytest.approx(16 * 93 * Lis3dh.scale)


@pytest.mark.parametrize(
    ("decode", "data", "why"),
    [
        (adc.decode_load_cell, b"\x00\x00", "conversion of 2 bytes, must be 3"),
        (adc.decode_ads1115, b"\x00\x00\x00", "conversion of 3 bytes, must be 2"),
        (adc.decode_max30102, b"", "FIFO of 0 bytes, must be a multiple of 6"),
        (adc.decode_max30102, bytes(7), "FIFO of 7 bytes, must be a multiple of 6"),
        (imu.decode_mpu6050, bytes(13), "block of 13 bytes, must be 14"),
        (imu.decode_lis3dh, bytes(5), "samples of 5 bytes, must be a multiple of 6"),
        (imu.decode_lis3dh, b"", "samples of 0 bytes, must be a multiple of 6"),
        (imu.decode_lis3dh, bytes(4) + b"\x08\x00", "count 0008 at 0 has more than 12 bits"),
        (imu.decode_lis3dh, b"\x01\x00" + bytes(4), "count 0001 at 0 has more than 12 bits"),
        (
            imu.decode_lis3dh,
            bytes(8) + b"\xff\xff\x00\x00",
            "count ffff at 6 has more than 12 bits",
        ),
    ],
)
def test_wrong_bytes_are_rejected_with_the_reason(decode, data: bytes, why: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(data)
    assert str(caught.value) == why
