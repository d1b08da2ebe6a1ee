"""Bluetooth health values whole: names, units, order, and what stands at every edge."""

import struct

import pytest

from protocol.errors import ProtocolError
from protocol.sensors import gatt
from protocol.sensors.reading import DOUBTFUL, GOOD, NONE, UNKNOWN, Reading

pytestmark = pytest.mark.fast

TIME = "e8070b170a1e00"
TIMED = Reading("time", "2024-11-23T10:30:00")
PRESSURE = "7800 5000 5d00"
PLACES = [
    "armpit", "body", "ear", "finger", "gastrointestinal", "mouth", "rectum", "toe", "tympanum",
]  # fmt: skip


def decode(characteristic: int, data: str) -> list[Reading]:
    return gatt.decode(characteristic, bytes.fromhex(data))


def oxygen(suffix: str, spo2: float, rate: float) -> list[Reading]:
    return [
        Reading(f"spo2{suffix}", spo2, "%"),
        Reading(f"pulse_rate{suffix}", rate, "1/min"),
    ]


STATE = [
    Reading("measurement_status", 256),
    Reading("sensor_status", 0x010001),
    Reading("pulse_amplitude", 5.2, "%"),
]
CUFF = [
    Reading("systolic", 120.0, "mmHg"),
    Reading("diastolic", 80.0, "mmHg"),
    Reading("mean_pressure", 93.0, "mmHg"),
    TIMED,
    Reading("pulse_rate", 72.0, "1/min"),
    Reading("user", 1),
    Reading("irregular_pulse", True),
    Reading("measurement_status", 4),
]
WARM = [Reading("temperature", 36.6, "degC"), TIMED, Reading("place", "armpit")]


@pytest.mark.parametrize(
    ("characteristic", "data", "readings"),
    [
        (
            0x2A37,
            "1f 4800 0a00 0303 f402",
            [
                Reading("heart_rate", 72.0, "1/min"),
                Reading("contact", True),
                Reading("energy", 10000, "J"),
                Reading("rr_interval", (771 / 1024, 756 / 1024), "s"),
            ],
        ),
        (
            0x2A5F,
            "1f 6100 4800 6200 4900 6000 4700 0001 010001 34f0",
            [*oxygen("", 97, 72), *oxygen("_fast", 98, 73), *oxygen("_slow", 96, 71), *STATE],
        ),
        (
            0x2A5E,
            f"1f 6100 4800 {TIME} 0001 010001 34f0",
            [*oxygen("", 97, 72), TIMED, *STATE, Reading("clock_set", False)],
        ),
        (0x2A35, f"1e {PRESSURE} {TIME} 4800 01 0400", CUFF),
        (0x2A36, f"1e {PRESSURE} {TIME} 4800 01 0400", CUFF),
        (0x2A1C, f"06 6e0100ff {TIME} 01", WARM),
        (0x2A1E, f"06 6e0100ff {TIME} 01", WARM),
        (0x2A19, "00", [Reading("battery", 0, "%")]),
        (0x2A19, "64", [Reading("battery", 100, "%")]),
        (0xFFE1, "01", [Reading("button", True)]),
    ],
)
def test_a_value_with_all_it_may_carry(
    characteristic: int, data: str, readings: list[Reading]
) -> None:
    assert decode(characteristic, data) == readings


@pytest.mark.parametrize(
    ("characteristic", "data", "kept"),
    [
        (0x2A37, "20 48", 1),
        (0x2A5F, "20 6100 4800", 2),
        (0x2A5E, "20 6100 4800", 2),
        (0x2A35, f"20 {PRESSURE}", 3),
        (0x2A36, f"40 {PRESSURE}", 3),
        (0x2A1C, "08 6e0100ff", 1),
    ],
)
def test_what_a_later_revision_adds_is_unknown(characteristic: int, data: str, kept: int) -> None:
    found = decode(characteristic, data + "abcd")
    assert found[kept:] == [Reading("unknown", "abcd", "", UNKNOWN)]
    assert found[:kept] == decode(characteristic, data)


def test_the_longest_value_is_read() -> None:
    assert decode(0x2A37, "20 48" + "00" * 510)[1] == Reading("unknown", "00" * 510, "", UNKNOWN)


def sfloat(number: float) -> str:
    """Return tenths as an SFLOAT."""
    return struct.pack("<H", 0xF000 | round(number * 10) & 0xFFF).hex()


@pytest.mark.parametrize(
    ("name", "characteristic", "before", "after", "low", "high"),
    [
        ("spo2", 0x2A5F, "00", "4800", 0.0, 100.0),
        ("pulse_rate", 0x2A5F, "00 6100", "", 20.0, 204.7),
        ("pulse_amplitude", 0x2A5F, "10 6100 4800", "", 0.0, 100.0),
        ("systolic", 0x2A35, "00", "5000 5d00", 0.0, 204.7),
        ("diastolic", 0x2A35, "00 7800", "5d00", 0.0, 204.7),
        ("mean_pressure", 0x2A35, "00 7800 5000", "", 0.0, 204.7),
    ],
)
def test_the_edges_of_what_is_credible(
    name: str, characteristic: int, before: str, after: str, low: float, high: float
) -> None:
    for number in (low - 0.1, low, high, high + 0.1):
        if abs(number) > 204.7:
            continue
        found = {one.name: one for one in decode(characteristic, before + sfloat(number) + after)}
        assert found[name].value == pytest.approx(number)
        assert found[name].quality == (GOOD if low <= number <= high else DOUBTFUL)


@pytest.mark.parametrize(
    ("pressure", "quality"), [(400, GOOD), (401, DOUBTFUL), (0, GOOD), (-1, DOUBTFUL)]
)
def test_a_cuff_goes_to_400_mmhg(pressure: int, quality: str) -> None:
    whole = struct.pack("<H", pressure & 0xFFF).hex()
    assert [one.quality for one in decode(0x2A35, "00" + whole * 3)] == [quality] * 3


@pytest.mark.parametrize(("rate", "quality"), [(20, GOOD), (19, DOUBTFUL), (300, GOOD), (301, DOUBTFUL)])  # fmt: skip
def test_a_heart_beats_20_to_300_times(rate: int, quality: str) -> None:
    whole = struct.pack("<H", rate).hex()
    assert decode(0x2A37, "01" + whole) == [Reading("heart_rate", float(rate), "1/min", quality)]
    pulse = decode(0x2A35, f"04 {PRESSURE} {whole}")[3]
    assert pulse == Reading("pulse_rate", float(rate), "1/min", quality)


@pytest.mark.parametrize(
    ("tenths", "quality"), [(100, GOOD), (99, DOUBTFUL), (500, GOOD), (501, DOUBTFUL)]
)
def test_a_body_has_10_to_50_degrees(tenths: int, quality: str) -> None:
    data = "00" + struct.pack("<I", 0xFF000000 | tenths).hex()
    assert decode(0x2A1C, data) == [Reading("temperature", tenths / 10, "degC", quality)]


def test_fahrenheit_and_kilopascal_are_converted() -> None:
    (warm,) = decode(0x2A1C, "01" + struct.pack("<I", 0xFF000000 | 986).hex())
    assert warm.value == pytest.approx(37.0, abs=1e-9)
    found = decode(0x2A35, "01" + sfloat(16.0) + sfloat(10.7) + sfloat(12.4))
    # Ref: 1 mmHg = 133.322 Pa (BIPM, SI Brochure, 8th ed., table 8).
    expected = [16.0, 10.7, 12.4]
    for one, kilopascal in zip(found, expected, strict=True):
        assert one.value == pytest.approx(kilopascal * 1000 / 133.322, rel=1e-5)
        assert one.unit == "mmHg"


@pytest.mark.parametrize("code", range(11))
def test_every_place_of_the_thermometer(code: int) -> None:
    place = PLACES[code - 1] if 1 <= code <= 9 else None
    expected = Reading("place", place) if place else Reading("place", code, "", DOUBTFUL)
    assert decode(0x2A1C, f"04 6e0100ff {code:02x}")[1] == expected


def test_every_user_but_255_is_one() -> None:
    for user in (0, 254):
        assert decode(0x2A35, f"08 {PRESSURE} {user:02x}")[3] == Reading("user", user)


def test_a_value_the_sensor_has_not_stays_none_whatever_the_status_says() -> None:
    for status in ("2000", "0020"):
        spo2, rate, *_ = decode(0x2A5F, f"04 ff07 4800 {status}")
        assert (spo2.value, spo2.quality) == (None, NONE)
        assert rate.quality in (DOUBTFUL, NONE)
    systolic, diastolic, *_ = decode(0x2A35, "10 ff07 5000 5d00 0100")
    assert systolic == Reading("systolic", None, "mmHg", NONE)
    assert diastolic == Reading("diastolic", 80.0, "mmHg", DOUBTFUL)


@pytest.mark.parametrize(
    ("status", "quality"), [(1 << 13, NONE), (1 << 15, NONE), (1 << 10, DOUBTFUL), (1, GOOD)]
)
def test_a_spot_check_is_lowered_as_a_continuous_one(status: int, quality: str) -> None:
    found = decode(0x2A5E, "02 6100 4800" + struct.pack("<H", status).hex())
    assert [one.quality for one in found] == [quality, quality, GOOD]


@pytest.mark.parametrize(
    ("characteristic", "data", "why"),
    [
        (0x2A37, "08 48 0a", "energy needs 2 bytes at 2, 1 there"),
        (0x2A5F, "00 61", "SpO2 needs 2 bytes at 1, 1 there"),
        (0x2A5F, "01 6100 4800 61", "SpO2 needs 2 bytes at 5, 1 there"),
        (0x2A5F, "04 6100 4800", "measurement status needs 2 bytes at 5, 0 there"),
        (0x2A5F, "08 6100 4800 0000", "sensor status needs 3 bytes at 5, 2 there"),
        (0x2A5F, "10 6100 4800 34", "amplitude needs 2 bytes at 5, 1 there"),
        (0x2A5E, "01 6100 4800 e8", "time needs 2 bytes at 5, 1 there"),
        (0x2A35, "00 78", "systolic needs 2 bytes at 1, 1 there"),
        (0x2A35, "04 7800 5000 5d00", "pulse rate needs 2 bytes at 7, 0 there"),
        (0x2A35, "08 7800 5000 5d00", "user needs 1 bytes at 7, 0 there"),
        (0x2A35, "10 7800 5000 5d00", "measurement status needs 2 bytes at 7, 0 there"),
        (0x2A1C, "00 6e0100", "temperature needs 4 bytes at 1, 3 there"),
        (0x2A1C, "04 6e0100ff", "place needs 1 bytes at 5, 0 there"),
        (0x2A1C, "", "flags needs 1 bytes at 0, 0 there"),
        (0x2A35, "", "flags needs 1 bytes at 0, 0 there"),
        (0x2A5E, "", "flags needs 1 bytes at 0, 0 there"),
        (0x2A5F, "", "flags needs 1 bytes at 0, 0 there"),
        (0x2A19, "", "battery level needs 1 bytes at 0, 0 there"),
        (0xFFE1, "01 00", "1 bytes too many at 1"),
    ],
)
def test_what_is_missing_is_named(characteristic: int, data: str, why: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(characteristic, data)
    assert str(caught.value) == why


def test_the_characteristics_and_what_an_itag_is_told() -> None:
    assert sorted(gatt.CHARACTERISTICS) == [
        0x2A19, 0x2A1C, 0x2A1E, 0x2A35, 0x2A36, 0x2A37, 0x2A5E, 0x2A5F, 0xFFE1,
    ]  # fmt: skip
    assert (gatt.HEART_RATE, gatt.PLX_CONTINUOUS, gatt.PLX_SPOT_CHECK) == (0x2A37, 0x2A5F, 0x2A5E)
    assert (gatt.BLOOD_PRESSURE, gatt.CUFF_PRESSURE) == (0x2A35, 0x2A36)
    assert (gatt.TEMPERATURE, gatt.INTERMEDIATE_TEMPERATURE) == (0x2A1C, 0x2A1E)
    assert (gatt.BATTERY, gatt.ITAG_BUTTON) == (0x2A19, 0xFFE1)
    assert (gatt.ALERT_LEVEL, gatt.ALERT_OFF, gatt.ALERT_HIGH) == (0x2A06, b"\x00", b"\x01")
