"""Hi-Link reports, commands and answers whole, and the last value a module can send."""

import re
import struct

import pytest

from edge_agent.simulator.sensors.radar_hilink import Presence, Track, ld2410_report, ld2450_frame
from protocol.errors import ProtocolError
from protocol.sensors import hilink, hilink_commands
from protocol.sensors.reading import DOUBTFUL, UNKNOWN, Reading

pytestmark = pytest.mark.fast

COMMANDS = """
configure         ff000100
end               fe00
engineering_on    6200
engineering_off   6300
version           a000
factory_reset     a200
restart           a300
mac               a5000100
parameters        6100
resolution        ab00
basic_parameters  1200
gate_resolution   1100
move_thresholds   1300
still_thresholds  1400
start_background  0b00
background        1b00
single_target     8000
multi_target      9000
target_mode       9100
zones             c100
"""
LD2410 = [
    Reading("state", "both"),
    Reading("presence", True),
    Reading("distance", 4.56, "m"),
    Reading("move_distance", 1.23, "m"),
    Reading("move_energy", 40, "%"),
    Reading("still_distance", 4.56, "m"),
    Reading("still_energy", 50, "%"),
]
DETECT = Reading("detect_distance", 2.34, "m")
BASIC = struct.pack("<BHBHB", 3, 123, 40, 456, 50)


def report(kind: int, body: bytes) -> bytes:
    data = bytes((kind, 0xAA)) + body + b"\x55\x00"
    return b"\xf4\xf3\xf2\xf1" + struct.pack("<H", len(data)) + data + b"\xf8\xf7\xf6\xf5"


def decode(product: str, line: bytes) -> list[Reading]:
    (frame,) = hilink.HiLinkParser().feed(line)
    return hilink.decode(frame, product)


def answer(code: int, value: bytes) -> list[Reading]:
    """Return what the answer says once it has said that the command is done."""
    done, *readings = decode("ld2410", hilink_commands.encode(code | 0x100, b"\0\0" + value))[1:]
    assert done == Reading("done", True)
    return readings


def test_a_basic_report_whole() -> None:
    assert decode("ld2410", report(2, BASIC + b"\xea\x00")) == [*LD2410, DETECT]
    assert decode("ld2412", report(2, BASIC)) == LD2410
    assert decode("ld2412", report(2, BASIC + b"\xea\x00")) == LD2410
    assert decode("ld2410", report(2, BASIC)) == LD2410


def test_an_engineering_report_whole() -> None:
    gates = bytes(range(9)) + bytes(range(50, 59))
    data = BASIC + b"\xea\x00" + b"\x08\x08" + gates + b"\x60\x01"
    assert decode("ld2410", report(1, data)) == [
        *LD2410,
        DETECT,
        Reading("move_energies", tuple(range(9)), "%"),
        Reading("still_energies", tuple(range(50, 59)), "%"),
        Reading("light", 0x60, "count"),
        Reading("output", True),
    ]
    assert decode("ld2410", report(1, data[:-1] + b"\x00"))[-1] == Reading("output", False)
    gates = bytes(range(14)) + bytes(range(50, 64))
    assert decode("ld2412", report(1, BASIC + b"\x64\x64" + gates + b"\x57")) == [
        *LD2410,
        Reading("move_energies", tuple(range(14)), "%"),
        Reading("still_energies", tuple(range(50, 64)), "%"),
        Reading("light", 0x57, "count"),
    ]


def test_the_last_values_a_module_can_send_are_read() -> None:
    last = decode("ld2410", report(2, struct.pack("<BHBHBH", 3, 1100, 100, 1100, 100, 1100)))
    assert [one.value for one in last] == ["both", True, 11.0, 11.0, 100, 11.0, 100, 11.0]
    gates = bytes((100,)) * 18
    data = BASIC + b"\xea\x00" + b"\x08\x08" + gates + b"\xff\x01"
    assert decode("ld2410", report(1, data))[-2] == Reading("light", 255, "count")


@pytest.mark.parametrize(
    ("product", "line", "why"),
    [
        ("ld2410", report(1, BASIC + bytes(2)), "report of type 1 has 13 bytes"),
        ("ld2412", report(1, BASIC), "report of type 1 has 11 bytes"),
        ("ld2410", report(3, BASIC), "report of type 3 has 11 bytes"),
        ("ld2410", report(2, b"\x01\x4d\x04" + bytes(6)), "distance of 1101 cm"),
        ("ld2410", report(2, b"\x01" + bytes(3) + b"\x4d\x04" + bytes(3)), "distance of 1101 cm"),
        ("ld2410", report(2, b"\x01" + bytes(6) + b"\x4d\x04"), "distance of 1101 cm"),
        ("ld2410", report(2, b"\x01" + bytes(5) + b"\x65" + bytes(2)), "energy of 101 %"),
        (
            "ld2410",
            report(1, BASIC + bytes(2) + b"\x08\x09" + bytes(20)),
            "gates 8 and 9, output 0",
        ),
        (
            "ld2410",
            report(1, BASIC + bytes(2) + b"\x09\x08" + bytes(20)),
            "gates 9 and 8, output 0",
        ),
        (
            "ld2410",
            report(1, BASIC + bytes(4) + bytes(17) + b"\x65" + bytes(2)),
            "energy of 101 %",
        ),
    ],
)
def test_the_first_value_that_no_module_sends(product: str, line: bytes, why: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(product, line)
    assert str(caught.value) == why


@pytest.mark.parametrize("size", [*range(1, 9), 10, 12, 14])
def test_a_report_of_another_length_is_unknown(size: int) -> None:
    for product in hilink.PRODUCTS:
        (reading,) = decode(product, report(2, bytes(size - 2) if size > 2 else b"\x00"))
        assert (reading.name, reading.quality) == ("unknown", UNKNOWN)


def test_a_tracker_has_no_reports_with_gates() -> None:
    for size in (7, 9, 12):
        assert decode("ld2450", report(2, bytes(size)))[0].quality == UNKNOWN
    assert decode("ld2450", report(1, bytes(9)))[0].quality == UNKNOWN


@pytest.mark.parametrize(
    "track",
    [
        Track(10000, 0, 0, 1),
        Track(-10000, 0, 0, 1),
        Track(0, 10000, 0, 1),
        Track(1, 1, 1500, 1),
        Track(1, 1, -1500, 1),
        Track(0, 1, 0, 10000),
        Track(1, 0, 0, 1),
    ],
)
def test_the_farthest_and_fastest_target_is_read(track: Track) -> None:
    position, speed, resolution, _ = decode("ld2450", ld2450_frame([track]))
    assert position == Reading("position", (track.x_mm / 1000, track.y_mm / 1000), "m", index=0)
    assert speed.value == track.speed_cms / 100
    assert (resolution.value, resolution.unit) == (track.resolution_mm / 1000, "m")


@pytest.mark.parametrize("resolution", [10001, 40000, 65535])
def test_a_resolution_that_cannot_be_rejects_the_report(resolution: int) -> None:
    with pytest.raises(ProtocolError, match="target at 1, 1 mm with 0 cm/s"):
        decode("ld2450", ld2450_frame([Track(1, 1, 0, resolution)]))


@pytest.mark.parametrize("line", COMMANDS.strip().splitlines(), ids=lambda line: line.split()[0])
def test_a_command_byte_by_byte(line: str) -> None:
    name, data = line.split()
    size = f"{len(data) // 2:02x}00"
    assert hilink_commands.encode_command(name).hex() == f"fdfcfbfa{size}{data}04030201"


def test_there_is_no_other_command() -> None:
    assert [line.split()[0] for line in COMMANDS.strip().splitlines()] == [
        *hilink_commands.COMMANDS
    ]


def test_answers_whole() -> None:
    assert answer(0xA0, bytes.fromhex("0001 0a1c 56341fbe")) == [
        Reading("firmware", "V1c.0a.be1f3456")
    ]
    assert answer(0xA5, bytes.fromhex("8f272e50f101")) == [Reading("mac", "8f:27:2e:50:f1:01")]
    assert answer(0x61, bytes.fromhex("aa080706" + "14" * 9 + "19" * 9 + "2c01")) == [
        Reading("farthest_gate", 8),
        Reading("farthest_move_gate", 7),
        Reading("farthest_still_gate", 6),
        Reading("move_thresholds", (20,) * 9, "%"),
        Reading("still_thresholds", (25,) * 9, "%"),
        Reading("nobody_time", 300, "s"),
    ]
    assert answer(0x61, b"\xab" + bytes(23))[0].quality == UNKNOWN
    assert answer(0x12, bytes.fromhex("01 0e 2c01 01")) == [
        Reading("gates", (1, 14)),
        Reading("nobody_time", 300, "s"),
    ]
    for code, name in ((0x13, "move_thresholds"), (0x14, "still_thresholds")):
        assert answer(code, bytes(range(14))) == [Reading(name, tuple(range(14)), "%")]
    assert answer(0x1B, b"\x02") == [Reading("background_running", True)]
    assert answer(0xC1, struct.pack("<H12h", 1, *range(0, 6000, 500))) == [
        Reading("zone_mode", 1),
        Reading("zone", (0.0, 0.5, 1.0, 1.5), "m", index=0),
        Reading("zone", (2.0, 2.5, 3.0, 3.5), "m", index=1),
        Reading("zone", (4.0, 4.5, 5.0, 5.5), "m", index=2),
    ]
    assert answer(0xC1, b"\xff" * 2 + bytes(24))[0] == Reading("zone_mode", 65535)
    assert answer(0x33, b"\x07") == [Reading("unknown", "07", "", UNKNOWN)]
    assert answer(0xFE, b"") == []


@pytest.mark.parametrize(
    ("code", "step", "metres"),
    [
        (0xAB, 0, 0.75),
        (0xAB, 1, 0.2),
        (0xAB, 2, None),
        (0x11, 0, 0.75),
        (0x11, 1, 0.5),
        (0x11, 2, None),
        (0x11, 3, 0.2),
        (0x11, 4, None),
    ],
)
def test_the_steps_of_a_gate(code: int, step: int, metres: float | None) -> None:
    reading = Reading("gate_resolution", metres, "m")
    if metres is None:
        reading = Reading("gate_resolution", step, "", DOUBTFUL)
    assert answer(code, bytes((step, 0))) == [reading]


def test_a_refused_command_has_no_value() -> None:
    refused = hilink_commands.encode(0x1A0, b"\x01\x00" + bytes(8))
    assert decode("ld2410", refused) == [Reading("acknowledged", "version"), Reading("done", False)]
    for code in (0x33, 0xFACD):
        line = hilink_commands.encode(code)
        assert decode("ld2410", line) == [Reading("command", f"{code:02x}")]


def test_the_longest_frame_and_the_shortest() -> None:
    assert decode("ld2410", hilink_commands.encode(0x33, bytes(62))) == [Reading("command", "33")]
    for length in (65, 1, 0):
        told = []
        parser = hilink.HiLinkParser(lambda offset, why, told=told: told.append((offset, why)))
        head = b"\xfd\xfc\xfb\xfa" + struct.pack("<H", length)
        parser.feed(head + b"\x33\x00" + bytes(63) + b"\x04\x03\x02\x01")
        assert told[0] == (0, f"data of {length} bytes, must be 2 to 64")


def test_a_frame_says_what_kind_it_is() -> None:
    assert hilink.KINDS == {0xF4: "report", 0xFD: "command", 0xAA: "tracks"}
    assert hilink.PRODUCTS == {"ld2410": 256000, "ld2412": 115200, "ld2450": 256000}
    lines = (
        ld2410_report(Presence.STILL, 1, 1, 1, 1, 1),
        hilink_commands.encode_command("end"),
        ld2450_frame([]),
    )
    frames = hilink.HiLinkParser().feed(b"".join(lines))
    assert [hilink.KINDS[frame.kind] for frame in frames] == ["report", "command", "tracks"]


@pytest.mark.parametrize(
    ("encode", "values", "why"),
    [
        (hilink_commands.encode_ld2410_range, (1, 8, 0), "gates 1 and 8, 0 s"),
        (hilink_commands.encode_ld2410_range, (2, 9, 0), "gates 2 and 9, 0 s"),
        (hilink_commands.encode_ld2410_sensitivity, (-1, 0, 0), "gate -1, thresholds 0 and 0"),
        (hilink_commands.encode_ld2410_sensitivity, (8, -1, 0), "gate 8, thresholds -1 and 0"),
        (hilink_commands.encode_ld2410_sensitivity, (8, 0, 101), "gate 8, thresholds 0 and 101"),
        (hilink_commands.encode_ld2412_range, (1, 14, -1), "gates 1 to 14, -1 s"),
        (hilink_commands.encode_ld2412_range, (1, 14, 65536), "gates 1 to 14, 65536 s"),
        (hilink_commands.encode_ld2412_thresholds, (True, [5]), "thresholds [5]"),
        (hilink_commands.encode_ld2412_thresholds, (True, [-1] * 14), f"thresholds {[-1] * 14}"),
        (hilink_commands.encode_ld2450_zones, (-1, []), "mode -1, zones []"),
        (hilink_commands.encode, (1, bytes(63)), "value of 63 bytes, at most 62"),
    ],
)
def test_a_refused_setting_is_said_whole(encode, values: tuple, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)) as caught:
        encode(*values)
    assert str(caught.value) == why


def test_settings_at_their_ends() -> None:
    sensitivity = hilink_commands.encode_ld2410_sensitivity(8, 100, 0)
    assert sensitivity[8:26].hex() == "0000 08000000 0100 64000000 0200 00000000".replace(" ", "")
    assert hilink_commands.encode_ld2412_range(14, 14, 65535)[6:-4].hex() == "02000e0effff01"
    assert hilink_commands.encode_ld2450_zones(0, [])[6:-4] == b"\xc2\x00" + bytes(26)
    assert hilink_commands.encode_ld2450_zones(2, [(1.0, 0, 0, 0)] * 3)[8:10] == b"\x02\x00"
    assert hilink_commands.encode_ld2412_thresholds(True, [0] * 14)[6:-4] == b"\x03\x00" + bytes(14)
