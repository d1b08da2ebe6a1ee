"""TinyFrame: products, colliding types, values that are none, commands, IDs."""

import itertools
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.sensors import tinyframe
from protocol.sensors.reading import DOUBTFUL, GOOD, NONE, UNKNOWN, Reading
from protocol.sensors.tinyframe_reports import COMMANDS, PRODUCTS
from tests.protocol.sensors.lines import simulated

pytestmark = pytest.mark.fast


def decode(product: str, kind: int, data: bytes) -> list[Reading]:
    (frame,) = tinyframe.TinyFrameParser().feed(tinyframe.encode(kind, data))
    return tinyframe.decode(frame, product)


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def test_a_type_means_what_the_product_says() -> None:
    phases = floats(1.5, -0.5, 0.25)
    assert [one.name for one in decode("ld6002", 0x0A13, phases)] == [
        "total_phase",
        "breath_phase",
        "heart_phase",
    ]
    assert decode("ld6002b", 0x0A13, phases) == [Reading("unknown", phases.hex(), "", UNKNOWN)]
    sleep = struct.pack("<I", 500)
    assert decode("ld6002b", 0x0A13, sleep) == [Reading("sleep_time", 0.5, "s")]
    assert decode("ld6002", 0x0A13, sleep)[0].quality == UNKNOWN
    assert decode("mr60bha2", 0x0A14, floats(16.5)) == [Reading("breath_rate", 16.5, "1/min")]
    assert decode("ld6002c", 0x0A14, b"\x01") == [Reading("power_mode", "normal")]


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("value", [False, True])
def test_a_fall_is_a_fall_whatever_product_is_configured(product: str, value: bool) -> None:
    assert decode(product, 0x0E02, bytes((value,))) == [Reading("fall", value)]
    assert decode(product, 0x0F09, bytes((value,))) == [Reading("presence", value)]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_float_that_is_no_number_reads_none(value: float) -> None:
    assert decode("mr60bha2", 0x0A15, floats(value)) == [Reading("heart_rate", None, "1/min", NONE)]
    (phase, *_) = decode("mr60bha2", 0x0A13, floats(value, 0.0, 0.0))
    assert (phase.value, phase.quality) == (None, NONE)
    (place,) = decode("mr60bha2", 0x0A17, floats(0.0, value))
    assert (place.value, place.quality) == (None, NONE)


def test_a_rate_of_zero_is_no_value_and_one_out_of_range_is_doubtful() -> None:
    assert decode("ld6002", 0x0A14, floats(0.0))[0].value is None
    assert decode("ld6002", 0x0A14, floats(-0.0))[0].value is None
    assert decode("ld6002", 0x0A15, floats(45.0)) == [
        Reading("heart_rate", 45.0, "1/min", DOUBTFUL)
    ]


@pytest.mark.parametrize(
    ("data", "value", "quality"),
    [
        (struct.pack("<If", 1, 66.5), 0.665, GOOD),
        (struct.pack("<If", 0, 66.5), None, NONE),
        (struct.pack("<I", 0), None, NONE),
        (struct.pack("<If", 1, 5000.0), 50.0, DOUBTFUL),
    ],
)
def test_the_distance_needs_its_flag(data: bytes, value: float | None, quality: str) -> None:
    assert decode("mr60bha2", 0x0A16, data) == [Reading("distance", value, "m", quality)]


@pytest.mark.parametrize("data", [struct.pack("<I", 1), struct.pack("<If", 7, 66.0), b"\x00"])
def test_a_distance_without_sense_is_unknown(data: bytes) -> None:
    assert decode("mr60bha2", 0x0A16, data)[0].quality == UNKNOWN


@given(st.lists(st.tuples(*[st.integers(-96, 96)] * 3), max_size=51))
def test_targets_in_space_are_numbered(places: list[tuple[int, ...]]) -> None:
    rows = [struct.pack("<3f2i", *(one / 8 for one in place), -3, 7) for place in places]
    readings = decode("ld6002b", 0x0A04, struct.pack("<I", len(rows)) + b"".join(rows))
    assert readings.pop() == Reading("targets", len(places))
    found = [one.value for one in readings if one.name == "target_position"]
    assert found == [tuple(one / 8 for one in place) for place in places]
    assert [one.value for one in readings if one.name == "doppler_index"] == [-3] * len(places)
    assert [one.index for one in readings if one.name == "cluster"] == list(range(len(places)))


def test_a_target_in_the_plane_is_shorter() -> None:
    row = struct.pack("<2f2i", 0.5, 1.25, 10, 1)
    readings = decode("mr60bha2", 0x0A04, struct.pack("<I", 1) + row)
    assert readings[0] == Reading("target_position", (0.5, 1.25), "m", GOOD, 0)
    assert decode("ld6002b", 0x0A04, struct.pack("<I", 1) + row)[0].quality == UNKNOWN


@pytest.mark.parametrize("data", ["01", "00000001", "02000000" + "00" * 20, "ffffffff"])
def test_a_count_that_does_not_fit_is_unknown(data: str) -> None:
    (reading,) = decode("ld6002c", 0x0A08, bytes.fromhex(data))
    assert reading.quality == UNKNOWN


@pytest.mark.parametrize(
    ("data", "value", "quality"),
    [
        (floats(0.5), 0.5, DOUBTFUL),
        (floats(0.0), 0.0, DOUBTFUL),
        (floats(10.0), 10.0, DOUBTFUL),
        (floats(10.5), "00002841", UNKNOWN),
        (floats(-0.5), "000000bf", UNKNOWN),
        (struct.pack("<I", 1), "01000000", UNKNOWN),
        (struct.pack("<I", 170), "aa000000", UNKNOWN),
        (floats(math.nan), "0000c07f", UNKNOWN),
        (b"\x01", "01", UNKNOWN),
    ],
)
def test_a_height_is_metres_or_unknown(data: bytes, value: object, quality: str) -> None:
    (reading,) = decode("mr60fda2", 0x0E0E, data)
    assert (reading.value, reading.quality) == (value, quality)


def test_the_parameters_of_a_fall_radar() -> None:
    data = struct.pack("<2fI4f", 2.5, 0.75, 10, 0.5, 0.5, 1.0, 1.5)
    assert decode("ld6002c", 0x0E06, data) == [
        Reading("install_height", 2.5, "m"),
        Reading("fall_threshold", 0.75, "m"),
        Reading("fall_sensitivity", 10),
        Reading("alarm_area", (0.5, 0.5, 1.0, 1.5), "m"),
    ]


def test_the_zones_of_a_presence_radar() -> None:
    data = floats(*[one / 4 for one in range(24)])
    readings = decode("ld6002b", 0x0A0B, data)
    assert [one.name for one in readings] == ["zone_0", "zone_1", "zone_2", "zone_3"]
    assert readings[1].value == tuple(one / 4 for one in range(6, 12))


@pytest.mark.parametrize("product", ["mr60bha2", "ld6002c"])
def test_a_simulated_night_has_no_unknown_report(product: str) -> None:
    parser = tinyframe.TinyFrameParser()
    frames = parser.feed(b"".join(simulated(product)))
    readings = [one for frame in frames for one in tinyframe.decode(frame, product)]
    assert UNKNOWN not in {one.quality for one in readings}
    numbers = [frame.number for frame in frames]
    assert all((b - a) & 0x7FFF == 1 for a, b in itertools.pairwise(numbers))
    if product == "ld6002c":
        falls = [one.value for one in readings if one.name == "fall"]
        assert falls[0] is False
        assert True in falls


SAMPLES = {
    "install_height_m": (2.5,),
    "fall_threshold_m": (0.5,),
    "fall_sensitivity": (10,),
    "alarm_area_m": (0.5, 0.5, 1.0, 1.5),
    "control": (0x1A,),
    "hold_delay_s": (30,),
    "height_range_m": (-6.0, 6.0),
    "sleep_time_ms": (500,),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_a_frame_of_its_type(name: str) -> None:
    values = SAMPLES.get(name, ())
    (frame,) = tinyframe.TinyFrameParser().feed(tinyframe.encode_command(name, *values))
    kind, number, code, low, high = COMMANDS[name]
    assert (frame.kind, frame.number) == (kind, number)
    assert frame.payload == struct.pack("<" + code, *values)
    if values:
        with pytest.raises(ValueError, match=f"^{name} of {high + 1}, must be {low} to {high}$"):
            tinyframe.encode_command(name, high + 1, *values[1:])
    if kind >> 8 == 0x0E and values:
        (reading,) = tinyframe.decode(frame, "ld6002c")
        assert reading.name == "set_" + name.removesuffix("_m")


def test_an_area_is_a_number_and_its_corners() -> None:
    corners = (-1.0, 1.0, 0.0, 2.5, -6.0, 6.0)
    (frame,) = tinyframe.TinyFrameParser().feed(tinyframe.encode_area(4, corners))
    assert (frame.kind, struct.unpack("<i6f", frame.payload)) == (0x0202, (4, *corners))
    edge = (-12.0, 12.0) * 3
    assert tinyframe.encode_area(4, edge)[12:16] == struct.pack("<f", -12.0)
    for number in (0, 7):
        assert tinyframe.encode_area(number, corners)[8] == number
    for number, wrong in ((8, corners), (-1, corners), (4, (-13.0, *corners[1:]))):
        with pytest.raises(ValueError, match=f"^area {number} of [(]"):
            tinyframe.encode_area(number, wrong)


@pytest.mark.parametrize("kind", [0x3000, 0x4000])
def test_the_traps_of_the_loader_are_never_sent(kind: int) -> None:
    with pytest.raises(ValueError, match=f"^type {kind:04x} disables the module$"):
        tinyframe.encode(kind, b"\x01")
    assert kind not in {command[0] for command in COMMANDS.values()}


def test_the_longest_frame_is_taken_and_a_longer_one_is_our_mistake() -> None:
    (frame,) = tinyframe.TinyFrameParser().feed(tinyframe.encode(0x0A08, bytes(1024)))
    assert frame.payload == bytes(1024)
    with pytest.raises(ValueError, match=r"^data of 1025 bytes, at most 1024$"):
        tinyframe.encode(0x0A08, bytes(1025))


def test_a_longer_frame_is_told() -> None:
    told = []
    parser = tinyframe.TinyFrameParser(lambda offset, why: told.append((offset, why)))
    parser.feed(bytes.fromhex("0100000401 0a08") + bytes((0xFF ^ 1 ^ 4 ^ 1 ^ 0x0A ^ 0x08,)))
    assert told == [(0, "data of 1025 bytes, at most 1024")]


def test_an_empty_frame_counts_only_as_an_answer_to_a_command() -> None:
    assert decode("ld6002c", 0x0E06, b"") == [Reading("acknowledged", "0e06")]
    told = []
    parser = tinyframe.TinyFrameParser(lambda offset, why: told.append((offset, why)))
    assert parser.feed(tinyframe.encode(0x00FF)) == []
    assert told[0] == (0, "no data, and 00ff is no command")


def test_bytes_within_a_damaged_frame_do_not_swallow_the_next() -> None:
    damaged = bytearray(tinyframe.encode(0x0A16, bytes.fromhex("2000010000000000")))
    damaged[8] ^= 0x20
    damaged[-1] = 0xFF  # 01 00 00 00 00 00 FF and the next frame's 01 are an empty frame
    fall = tinyframe.encode(0x0E02, b"\x01")
    (frame,) = tinyframe.TinyFrameParser().feed(bytes(damaged) + fall)
    assert tinyframe.decode(frame, "ld6002c") == [Reading("fall", True)]
