"""Bluetooth health values: every flag, every special number, every missing byte."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import ProtocolError
from protocol.sensors import gatt
from protocol.sensors.ieee11073 import long_float, sfloat
from protocol.sensors.reading import DOUBTFUL, GOOD, NONE, UNKNOWN, Reading

pytestmark = pytest.mark.fast

TIME = bytes.fromhex("e8070b170a1e00")
UNSET = Reading("time", None, "", NONE)
SPECIALS = (0x07FE, 0x07FF, 0x0800, 0x0801, 0x0802)
LONG_SPECIALS = (0x007FFFFE, 0x007FFFFF, 0x00800000, 0x00800001, 0x00800002)


def by_name(characteristic: int, data: bytes | str) -> dict[str, Reading]:
    data = bytes.fromhex(data) if isinstance(data, str) else data
    return {one.name: one for one in gatt.decode(characteristic, data)}


# The numbers


def test_every_sfloat_is_its_number_or_none() -> None:
    for raw in range(0x10000):
        mantissa, exponent = raw & 0xFFF, raw >> 12
        mantissa -= 0x1000 if mantissa > 0x7FF else 0
        exponent -= 16 if exponent > 7 else 0
        found = sfloat(struct.pack("<H", raw), 0)
        if raw in SPECIALS:
            assert found is None
        else:
            assert found == float(f"{mantissa}e{exponent}")


@given(st.integers(-(1 << 23), (1 << 23) - 1), st.integers(-128, 127))
def test_every_float_is_its_number_or_none(mantissa: int, exponent: int) -> None:
    raw = (exponent & 0xFF) << 24 | mantissa & 0xFFFFFF
    found = long_float(struct.pack("<I", raw), 0)
    if raw in LONG_SPECIALS:
        assert found is None
    else:
        assert found == pytest.approx(float(f"{mantissa}e{exponent}"), rel=1e-12, abs=0.0)


def test_the_neighbours_of_the_specials_are_numbers() -> None:
    assert long_float(struct.pack("<I", 0x007FFFFD), 0) == 8388605.0
    assert long_float(struct.pack("<I", 0x00800003), 0) == -8388605.0
    assert long_float(struct.pack("<I", 0xFF7FFFFF), 0) == 838860.7


@pytest.mark.parametrize("raw", LONG_SPECIALS, ids=hex)
def test_a_special_float_is_no_number(raw: int) -> None:
    data = b"\x00" + struct.pack("<I", raw)
    assert gatt.decode(0x2A1C, data) == [Reading("temperature", None, "degC", NONE)]
    data = b"\x01" + struct.pack("<I", raw)
    assert gatt.decode(0x2A1C, data) == [Reading("temperature", None, "degC", NONE)]


@pytest.mark.parametrize("raw", SPECIALS, ids=hex)
def test_a_special_sfloat_is_no_number(raw: int) -> None:
    special = struct.pack("<H", raw)
    assert gatt.decode(0x2A5F, b"\x00" + special * 2) == [
        Reading("spo2", None, "%", NONE),
        Reading("pulse_rate", None, "1/min", NONE),
    ]
    for kilopascal in (b"\x00", b"\x01"):
        pressures = gatt.decode(0x2A35, kilopascal + special * 3)
        assert {one.value for one in pressures} == {None}
        assert {one.quality for one in pressures} == {NONE}


# Lengths


def heart_rate(flags: int) -> bytes:
    data = bytes((flags,)) + (b"\x48\x00" if flags & 1 else b"\x48")
    return data + (b"\x0a\x00" if flags & 8 else b"") + (b"\x03\x03\xf4\x02" if flags & 16 else b"")


def oxygen(flags: int, time: bool) -> bytes:
    pair = b"\x61\x00\x48\x00"
    data = bytes((flags,)) + pair
    if time:
        data += TIME if flags & 1 else b""
        flags <<= 1
    else:
        data += pair * ((flags & 1) + (flags >> 1 & 1))
    data += b"\x80\x01" if flags & 4 else b""
    data += b"\x01\x00\x00" if flags & 8 else b""
    return data + (b"\x34\xf0" if flags & 16 else b"")


def pressure(flags: int) -> bytes:
    data = bytes((flags,)) + b"\x78\x00\x50\x00\x5d\x00"
    data += TIME if flags & 2 else b""
    data += b"\x48\x00" if flags & 4 else b""
    return data + (b"\x01" if flags & 8 else b"") + (b"\x00\x00" if flags & 16 else b"")


def temperature(flags: int) -> bytes:
    data = bytes((flags,)) + struct.pack("<I", 0xFF000000 | (977 if flags & 1 else 366))
    return data + (TIME if flags & 2 else b"") + (b"\x01" if flags & 4 else b"")


VALUES = [
    *[(gatt.HEART_RATE, heart_rate(flags)) for flags in range(32)],
    *[(gatt.PLX_CONTINUOUS, oxygen(flags, False)) for flags in range(32)],
    *[(gatt.PLX_SPOT_CHECK, oxygen(flags, True)) for flags in range(32)],
    *[(gatt.BLOOD_PRESSURE, pressure(flags)) for flags in range(32)],
    *[(gatt.CUFF_PRESSURE, pressure(flags)) for flags in range(32)],
    *[(gatt.TEMPERATURE, temperature(flags)) for flags in range(8)],
    *[(gatt.INTERMEDIATE_TEMPERATURE, temperature(flags)) for flags in range(8)],
    (gatt.BATTERY, b"\x57"),
    (gatt.ITAG_BUTTON, b"\x01"),
]


def test_every_combination_of_flags_is_read_and_never_longer_or_shorter() -> None:
    for characteristic, data in VALUES:
        readings = gatt.decode(characteristic, data)
        assert {one.quality for one in readings} <= {GOOD, DOUBTFUL}
        for end in range(len(data)):
            if characteristic == gatt.HEART_RATE and data[0] & 16 and len(data) - end == 2:
                continue  # one RR interval less is a value too
            with pytest.raises(ProtocolError):
                gatt.decode(characteristic, data[:end])
        with pytest.raises(ProtocolError):
            gatt.decode(characteristic, data + b"\x00")


def test_the_values_do_not_depend_on_what_else_is_there() -> None:
    for flags in range(32):
        found = by_name(gatt.HEART_RATE, heart_rate(flags))
        assert found["heart_rate"].value == 72
        assert ("energy" in found) == bool(flags & 8)
        assert ("rr_interval" in found) == bool(flags & 16)
        found = by_name(gatt.BLOOD_PRESSURE, pressure(flags))
        assert found["systolic"].value == pytest.approx(120 * (7.500617 if flags & 1 else 1))
        if flags & 2:
            assert found["time"].value == "2024-11-23T10:30:00"
        if flags & 4:
            assert found["pulse_rate"].value == 72
        found = by_name(gatt.PLX_CONTINUOUS, oxygen(flags, False))
        assert (found["spo2"].value, found["pulse_rate"].value) == (97, 72)
        assert ("spo2_slow" in found) == bool(flags & 2)
        assert ("pulse_amplitude" in found) == bool(flags & 16)
    for flags in range(8):
        found = by_name(gatt.TEMPERATURE, temperature(flags))
        assert found["temperature"].value == pytest.approx(36.5 if flags & 1 else 36.6, abs=0.01)


@pytest.mark.parametrize(
    ("characteristic", "data", "why"),
    [
        (0x2A37, "", "flags needs 1 bytes at 0, 0 there"),
        (0x2A37, "01 48", "heart rate needs 2 bytes at 1, 1 there"),
        (0x2A37, "10 48", "RR intervals end in 0 bytes at 2"),
        (0x2A37, "10 48 0303 04", "RR intervals end in 1 bytes at 4"),
        (0x2A37, "00 48 00", "1 bytes too many at 2"),
        (0x2A5F, "00 6100 48", "pulse rate needs 2 bytes at 3, 1 there"),
        (0x2A35, "02 7800 5000 5d00 e807", "time needs 1 bytes at 9, 0 there"),
        (0x2A35, "02 7800 5000 5d00 e8070d170a1e00", "no time: 2024-13-23 10:30:00"),
        (0x2A19, "65", "battery level of 101 %"),
        (0x2A19, "64 00", "1 bytes too many at 1"),
        (0xFFE1, "", "button needs 1 bytes at 0, 0 there"),
        (0x2A37, "00" * 513, "value of 513 bytes, at most 512"),
    ],
)
def test_a_rejected_value_says_what_and_where(characteristic: int, data: str, why: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        gatt.decode(characteristic, bytes.fromhex(data))
    assert str(caught.value) == why


def test_a_flag_of_a_later_revision_may_add_bytes() -> None:
    found = by_name(0x2A37, "20 48 0102")
    assert found["heart_rate"].value == 72
    assert (found["unknown"].value, found["unknown"].quality) == ("0102", UNKNOWN)
    assert list(by_name(0x2A37, "20 48")) == ["heart_rate"]


# What the sensor says of its own value


@pytest.mark.parametrize(
    ("data", "rate", "quality", "contact"),
    [
        ("00 48", 72, GOOD, None),
        ("02 48", 72, GOOD, None),
        ("04 48", 72, DOUBTFUL, False),
        ("06 48", 72, GOOD, True),
        ("06 00", None, NONE, True),
        ("04 00", None, NONE, False),
        ("06 0a", 10, DOUBTFUL, True),
        ("07 4801", 328, DOUBTFUL, True),
    ],
)
def test_a_heart_rate_without_contact_is_doubtful(
    data: str, rate: float | None, quality: str, contact: bool | None
) -> None:
    found = by_name(0x2A37, data)
    assert (found["heart_rate"].value, found["heart_rate"].quality) == (rate, quality)
    assert (found["contact"].value if "contact" in found else None) is contact


@pytest.mark.parametrize(
    ("intervals", "quality"),
    [((771, 756), GOOD), ((205, 3072), GOOD), ((204, 756), DOUBTFUL), ((771, 3073), DOUBTFUL)],
)
def test_an_interval_no_heart_has_is_doubtful(intervals: tuple[int, int], quality: str) -> None:
    found = by_name(0x2A37, b"\x10\x48" + struct.pack("<2H", *intervals))["rr_interval"]
    assert found.value == tuple(one / 1024 for one in intervals)
    assert found.quality == quality


NOT_DOUBTFUL = {7, 8}


@pytest.mark.parametrize("bit", range(16))
def test_each_measurement_status_lowers_the_value_it_must(bit: int) -> None:
    data = bytes.fromhex("04 6100 4800") + struct.pack("<H", 1 << bit)
    found = by_name(0x2A5F, data)
    expected = GOOD if bit < 5 or bit in NOT_DOUBTFUL else NONE if bit in (13, 15) else DOUBTFUL
    for name in ("spo2", "pulse_rate"):
        assert found[name].quality == expected
        assert (found[name].value is None) == (expected == NONE)
    assert found["measurement_status"].value == 1 << bit


@pytest.mark.parametrize("bit", range(24))
def test_each_sensor_status_lowers_the_value_it_must(bit: int) -> None:
    data = bytes.fromhex("09 6100 4800 6200 4900") + struct.pack("<I", 1 << bit)[:3]
    found = by_name(0x2A5F, data)
    expected = GOOD if bit == 0 or bit > 15 else NONE if bit in (11, 13, 14, 15) else DOUBTFUL
    for name in ("spo2", "pulse_rate", "spo2_fast", "pulse_rate_fast"):
        assert found[name].quality == expected


def test_a_spot_check_has_its_time_and_says_when_its_clock_is_not_set() -> None:
    found = by_name(0x2A5E, "11 6100 4800" + TIME.hex())
    assert found["time"].value == "2024-11-23T10:30:00"
    assert found["clock_set"].value is False
    unset = by_name(0x2A5E, "01 6100 4800" + bytes(7).hex())["time"]
    assert (unset.value, unset.quality) == (None, NONE)


def test_the_ends_of_a_time() -> None:
    last = [12, 31, 23, 59, 59]
    stamp = b"\xe8\x07" + bytes(last)
    assert by_name(0x2A35, "02 7800 5000 5d00" + stamp.hex())["time"].value == "2024-12-31T23:59:59"
    for field in range(5):
        beyond = list(last)
        beyond[field] += 1
        with pytest.raises(ProtocolError, match=r"^no time: 2024-"):
            by_name(0x2A35, "02 7800 5000 5d00 e807" + bytes(beyond).hex())
    for hidden in ("0000 0b170a1e00", "e807 00170a1e00", "e807 0b000a1e00"):
        assert by_name(0x2A35, "02 7800 5000 5d00" + hidden)["time"] == UNSET


@pytest.mark.parametrize(
    ("data", "qualities"),
    [
        ("00 0000 1400", (GOOD, GOOD)),
        ("00 6400 2c01", (GOOD, GOOD)),
        ("00 6500 1300", (DOUBTFUL, DOUBTFUL)),
        ("00 ff0f 2d01", (DOUBTFUL, DOUBTFUL)),
    ],
)
def test_the_ends_of_what_is_credible(data: str, qualities: tuple[str, str]) -> None:
    found = by_name(0x2A5F, data)
    assert (found["spo2"].quality, found["pulse_rate"].quality) == qualities


def test_a_cuff_that_moved_is_doubtful() -> None:
    for bit in range(6):
        data = bytes.fromhex("10 7800 5000 5d00") + struct.pack("<H", 1 << bit)
        found = by_name(0x2A35, data)
        assert found["systolic"].quality == (DOUBTFUL if bit in (0, 1, 5) else GOOD)
        assert found["irregular_pulse"].value is (bit == 2)


def test_an_unknown_user_is_none() -> None:
    assert by_name(0x2A35, "08 7800 5000 5d00 ff")["user"] == Reading("user", None, "", NONE)


def test_a_place_of_the_thermometer() -> None:
    assert by_name(0x2A1C, "04 6e0100ff 04")["place"].value == "finger"
    assert by_name(0x2A1C, "04 6e0100ff 0a")["place"] == Reading("place", 10, "", DOUBTFUL)


@pytest.mark.parametrize(
    ("code", "pressed", "quality"), [(0, False, GOOD), (1, True, GOOD), (2, True, DOUBTFUL)]
)
def test_a_button_counts_as_pressed_in_doubt(code: int, pressed: bool, quality: str) -> None:
    assert gatt.decode(0xFFE1, bytes((code,))) == [Reading("button", pressed, "", quality)]


@given(st.sampled_from(sorted(gatt.CHARACTERISTICS)), st.binary(max_size=40))
def test_any_bytes_are_read_or_rejected_and_never_a_wrong_kind(
    characteristic: int, data: bytes
) -> None:
    try:
        readings = gatt.decode(characteristic, data)
    except ProtocolError:
        return
    for one in readings:
        numbers = one.value if isinstance(one.value, tuple) else (one.value,)
        for number in itertools.chain(numbers):
            assert not isinstance(number, float) or number - number == 0.0
        assert (one.quality == NONE) == (one.value is None)
