"""Every report and command of TinyFrame, product by product, written down a second time."""

import struct

import pytest

from protocol.sensors import tinyframe
from protocol.sensors.reading import DOUBTFUL, GOOD, UNKNOWN, Reading
from protocol.sensors.tinyframe_reports import ANSWERED, COMMANDS, PRODUCTS
from tests.protocol.sensors.contract import Note, edges, noted, size_of

pytestmark = pytest.mark.fast

PAGES = {
    "every": """
0e02 fall                   ?
0f09 presence               ?
""",
    "vitals": """
0a13 total_phase            f rad
   + breath_phase           f rad
   + heart_phase            f rad
0a14 breath_rate            f 1/min 9..48 0=none
0a15 heart_rate             f 1/min 60..150 0=none
""",
    "plane": """
0a17 alternative_position   2f m -12..12
0a29 status                 H
""",
    "space": """
0a0a zone_occupancy         4I 0..1
0a0b zone_0                 6f m -12..12
   + zone_1                 6f m -12..12
   + zone_2                 6f m -12..12
   + zone_3                 6f m -12..12
0a0c zone_0                 6f m -12..12
   + zone_1                 6f m -12..12
   + zone_2                 6f m -12..12
   + zone_3                 6f m -12..12
0a0d hold_delay             I s
0a0e detection_sensitivity  : low medium high
0a0f trigger_speed          : slow medium fast
0a10 height_range           2f m -12..12
0a11 installation           : ceiling wall
0a12 low_power              ?
0a13 sleep_time             I s/1000
0a14 power_mode             : low normal
""",
    "fall": """
0e04 install_height_set     ?
0e04 set_install_height     f m 1..5
0e06 install_height         f m 1..5
   + fall_threshold         f m 0.3..1.5
   + fall_sensitivity       I 3..30
   + alarm_area             4f m 0.3..1.5
0e08 fall_threshold_set     ?
0e08 set_fall_threshold     f m 0.3..1.5
0e0a fall_sensitivity_set   ?
0e0a set_fall_sensitivity   I 3..30
0e0c alarm_area_set         ?
0e0c set_alarm_area         4f m 0.3..1.5
""",
}
HAS = {
    "ld6002": ("every", "vitals"),
    "mr60bha2": ("every", "vitals", "plane"),
    "ld6002b": ("every", "space"),
    "ld6002c": ("every", "space", "fall"),
    "mr60fda2": ("every", "fall"),
}
FLAT = """
0000 target_position        2f m -12..12
   + doppler_index          i
   + cluster                i
"""
TARGET = """
0000 target_position        3f m -12..12
   + doppler_index          i
   + cluster                i
"""
POINT = """
0000 cluster                i
   + point                  3f m -12..12
   + speed                  f m/s
"""
ROWS = {
    ("mr60bha2", 0x0A04): FLAT,
    ("mr60bha2", 0x0A08): FLAT,
    ("ld6002b", 0x0A04): TARGET,
    ("ld6002b", 0x0A08): POINT,
    ("ld6002c", 0x0A04): TARGET,
    ("ld6002c", 0x0A08): POINT,
}
SETTINGS = """
install_height_m  0e04 0000 1.0=0000803f     5.0=0000a040
fall_threshold_m  0e08 0000 0.3=9a99993e     1.5=0000c03f
fall_sensitivity  0e0a 0000 3=03000000       30=1e000000
alarm_area_m      0e0c 0000 0.3=9a99993e*4   1.5=0000c03f*4
get_parameters    0e06 0000
report_height     0e0e 8000
factory_defaults  2110 0000
version           ffff 0000
control           0201 0000 1=01000000       26=1a000000
hold_delay_s      0203 0000 1=01000000       3600=100e0000
height_range_m    0204 0000 -6.0=0000c0c0*2  6.0=0000c040*2
sleep_time_ms     0205 0000 1=01000000       60000=60ea0000
"""
REPORTED = [
    pytest.param(product, kind, fields, id=f"{product} {kind:04x} {fields[0].name}")
    for product, pages in HAS.items()
    for page in pages
    for kind, fields in noted(PAGES[page])
]


def decode(product: str, kind: int, data: bytes) -> list[Reading]:
    (frame,) = tinyframe.TinyFrameParser().feed(tinyframe.encode(kind, data))
    return tinyframe.decode(frame, product)


@pytest.mark.parametrize(("product", "kind", "fields"), REPORTED)
def test_a_report_field_by_field(product: str, kind: int, fields: list[Note]) -> None:
    for place, field in enumerate(fields):
        before = bytes(size_of(fields[:place]))
        after = bytes(size_of(fields[place + 1 :]))
        for data, reading in edges("<", field):
            found = decode(product, kind, before + data + after)
            assert [one.name for one in found] == [one.name for one in fields]
            assert repr(found[place]) == repr(reading), "7 is not 7.0"


def test_what_another_product_sends_is_unknown() -> None:
    known = {
        (product, kind, size_of(fields))
        for product, pages in HAS.items()
        for page in pages
        for kind, fields in noted(PAGES[page])
    }
    kinds = {(kind, size) for _, kind, size in known}
    for product in HAS:
        for kind, size in kinds:
            for bytes_ in (size - 1, size, size + 1):
                if bytes_ and (product, kind, bytes_) not in known:
                    (reading,) = decode(product, kind, bytes(bytes_))
                    assert reading == Reading("unknown", "00" * bytes_, "", UNKNOWN)


@pytest.mark.parametrize("product", HAS)
@pytest.mark.parametrize("kind", [0x0A04, 0x0A08])
def test_a_row_field_by_field(product: str, kind: int) -> None:
    if (product, kind) not in ROWS:
        assert decode(product, kind, bytes(4)) == [Reading("unknown", "00000000", "", UNKNOWN)]
        return
    ((_, fields),) = noted(ROWS[product, kind])
    whole = bytes(size_of(fields))
    assert decode(product, kind, bytes(4)) == [Reading("targets", 0)]
    for place, field in enumerate(fields):
        at = size_of(fields[:place])
        for data, reading in edges("<", field):
            rows = whole + whole[:at] + data + whole[at + field.size :]
            found = decode(product, kind, struct.pack("<I", 2) + rows)
            reading.index = 1
            assert found[len(fields) + place] == reading
            assert found[-1] == Reading("targets", 2)


def test_the_products_and_their_lines() -> None:
    assert {name: baud for name, (_, _, baud) in PRODUCTS.items()} == {
        "ld6002": 1382400,
        "mr60bha2": 115200,
        "ld6002b": 115200,
        "ld6002c": 115200,
        "mr60fda2": 115200,
    }


@pytest.mark.parametrize("product", HAS)
def test_distance_and_height_are_those_of_their_modules(product: str) -> None:
    distance = decode(product, 0x0A16, struct.pack("<If", 1, 66.5))
    if "vitals" in HAS[product]:
        assert distance == [Reading("distance", 0.665, "m")]
        (far,) = decode(product, 0x0A16, struct.pack("<If", 1, 1200.0))
        assert (far.value, far.quality) == (12.0, GOOD)
        (near,) = decode(product, 0x0A16, struct.pack("<If", 1, 0.0))
        assert (near.value, near.quality) == (0.0, GOOD)
        for beyond in (1200.5, -0.5):
            assert decode(product, 0x0A16, struct.pack("<If", 1, beyond))[0].quality == DOUBTFUL
    else:
        assert distance[0].quality == UNKNOWN
    (height,) = decode(product, 0x0E0E, struct.pack("<f", 0.5))
    if "fall" in HAS[product]:
        assert height == Reading("target_height", 0.5, "m", DOUBTFUL)
    else:
        assert height.quality == UNKNOWN


@pytest.mark.parametrize("line", SETTINGS.strip().splitlines(), ids=lambda line: line.split()[0])
def test_a_setting_from_its_least_to_its_most(line: str) -> None:
    name, kind, number, *ends = line.split()
    beyond = (-0.01, 0.01)
    for end, step in zip(ends or ["="], beyond, strict=False):
        value, data = end.split("=")
        data, _, count = data.partition("*")
        values = [float(value) if "." in value else int(value)] * int(count or 1) if value else []
        (frame,) = tinyframe.TinyFrameParser().feed(tinyframe.encode_command(name, *values))
        assert (f"{frame.kind:04x}", f"{frame.number:04x}") == (kind, number)
        assert frame.payload.hex() == data * int(count or 1)
        if values:
            with pytest.raises(ValueError, match=f"^{name} of "):
                tinyframe.encode_command(name, *values[1:], values[0] + step)


def test_there_is_no_other_setting_and_only_settings_are_answered() -> None:
    lines = [line.split() for line in SETTINGS.strip().splitlines()]
    assert [line[0] for line in lines] == list(COMMANDS)
    assert {int(line[1], 16) for line in lines} | {0x0E01, 0x0202} == ANSWERED


def test_which_sum_was_wrong_is_told() -> None:
    frame = tinyframe.encode(0x0A29, b"\x02\x03")
    for at, why in ((-1, "data sum 01, must be fe"), (7, "head sum 20, must be df")):
        damaged = bytearray(frame)
        damaged[at] ^= 0xFF
        told = []
        parser = tinyframe.TinyFrameParser(lambda *one, told=told: told.append(one))
        parser.feed(bytes(damaged))
        assert told[0] == (0, why)
