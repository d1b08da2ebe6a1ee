"""Hi-Link: still people, values no module sends, tracks, commands and answers."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.simulator.sensors.radar_hilink import Presence, Track, ld2410_report, ld2450_frame
from protocol.errors import ProtocolError
from protocol.sensors import hilink, hilink_commands
from protocol.sensors.reading import DOUBTFUL, NONE, UNKNOWN, Reading
from tests.protocol.sensors.lines import simulated

pytestmark = pytest.mark.fast


def decode(product: str, data: bytes) -> list[Reading]:
    (frame,) = hilink.HiLinkParser().feed(data)
    return hilink.decode(frame, product)


def by_name(readings: list[Reading]) -> dict[str, object]:
    return {one.name: one.value for one in readings}


@given(
    st.sampled_from(Presence),
    *[st.integers(0, 600), st.integers(0, 100)] * 2,
    st.integers(0, 600),
)
def test_a_basic_report_of_the_simulators_encoder_reads_the_same(
    state: Presence, move_cm: int, move: int, still_cm: int, still: int, detect_cm: int
) -> None:
    report = ld2410_report(state, move_cm, move, still_cm, still, detect_cm)
    found = by_name(decode("ld2410", report))
    assert found["state"] == ["none", "moving", "still", "both"][state]
    assert found["presence"] is (state != Presence.NOBODY)
    assert found["move_distance"] == move_cm / 100
    assert found["still_energy"] == still
    assert found["detect_distance"] == detect_cm / 100
    expected = max(move_cm, still_cm) / 100 if state != Presence.NOBODY else None
    assert found["distance"] == expected


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ((4, 0, 0, 0, 0, 0), "state 4"),
        ((1, 1101, 0, 0, 0, 0), "distance of 1101 cm"),
        ((1, 0, 0, 65535, 0, 0), "distance of 65535 cm"),
        ((1, 0, 0, 0, 0, 20000), "distance of 20000 cm"),
        ((1, 0, 101, 0, 0, 0), "energy of 101 %"),
        ((1, 0, 0, 0, 255, 0), "energy of 255 %"),
    ],
)
def test_a_value_no_module_sends_rejects_the_report(fields: tuple[int, ...], why: str) -> None:
    body = struct.pack("<BHBHBH", *fields)
    data = b"\xf4\xf3\xf2\xf1\x0d\x00\x02\xaa" + body + b"\x55\x00\xf8\xf7\xf6\xf5"
    with pytest.raises(ProtocolError) as caught:
        decode("ld2410", data)
    assert str(caught.value) == why


def engineering(product: str, **changes: int) -> bytes:
    body = bytearray(
        {
            "ld2410": bytes.fromhex(
                "01aa031e003c0000390000080 83c220503030403060500003910130606080460015500".replace(
                    " ", ""
                )
            ),
            "ld2412": bytes.fromhex(
                "01aa022f003623016421002f36090d150b0606080908070605000064646464645a3d3020100804575500"
            ),
        }[product]
    )
    for at, value in changes.items():
        body[int(at[1:])] = value
    head = b"\xf4\xf3\xf2\xf1" + struct.pack("<H", len(body))
    return head + bytes(body) + b"\xf8\xf7\xf6\xf5"


def test_engineering_reports_have_their_gates() -> None:
    found = by_name(decode("ld2410", engineering("ld2410")))
    assert (found["light"], found["output"]) == (96, True)
    assert found["move_energies"] == (60, 34, 5, 3, 3, 4, 3, 6, 5)
    found = by_name(decode("ld2412", engineering("ld2412")))
    assert found["light"] == 87
    assert len(found["still_energies"]) == 14
    assert "detect_distance" not in found


@pytest.mark.parametrize(
    ("product", "changes", "why"),
    [
        ("ld2410", {"_0": 2}, "report of type 2 has 35 bytes"),
        ("ld2410", {"_11": 9}, "gates 9 and 8, output 1"),
        ("ld2410", {"_12": 200}, "gates 8 and 200, output 1"),
        ("ld2410", {"_32": 2}, "gates 8 and 8, output 2"),
        ("ld2410", {"_20": 101}, "energy of 101 %"),
        ("ld2412", {"_38": 128}, "energy of 128 %"),
    ],
)
def test_an_impossible_engineering_report_is_rejected(
    product: str, changes: dict[str, int], why: str
) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(product, engineering(product, **changes))
    assert str(caught.value) == why


def test_a_report_of_another_module_is_unknown() -> None:
    assert decode("ld2412", engineering("ld2410"))[0].quality == UNKNOWN
    assert decode("ld2450", engineering("ld2410"))[0].quality == UNKNOWN


@given(
    st.lists(
        st.tuples(
            st.integers(-8000, 8000),
            st.integers(1, 8000),
            st.integers(-500, 500),
            st.integers(1, 1000),
        ),
        max_size=3,
    )
)
def test_tracks_of_the_simulators_encoder_read_the_same(rows: list[tuple[int, ...]]) -> None:
    readings = decode("ld2450", ld2450_frame([Track(*row) for row in rows]))
    assert readings.pop() == Reading("targets", len(rows))
    expected = []
    for index, (x, y, speed, resolution) in enumerate(rows):
        expected += [
            Reading("position", (x / 1000, y / 1000), "m", index=index),
            Reading("speed", speed / 100, "m/s", index=index),
            Reading("resolution", resolution / 1000, "m", index=index),
        ]
    assert readings == expected


def test_a_target_keeps_its_slot() -> None:
    frame = bytearray(ld2450_frame([Track(1, 2, 3, 4)] * 3))
    frame[4:12] = bytes(8)
    readings = decode("ld2450", bytes(frame))
    assert [one.index for one in readings if one.name == "speed"] == [1, 2]


@pytest.mark.parametrize(
    ("track", "why"),
    [
        (Track(10001, 1000, 0), "target at 10001, 1000 mm with 0 cm/s"),
        (Track(0, -20000, 0), "target at 0, -20000 mm with 0 cm/s"),
        (Track(0, 1000, 1501), "target at 0, 1000 mm with 1501 cm/s"),
        (Track(0, 0, 5), "target at 0, 0 mm with 5 cm/s"),
    ],
)
def test_a_target_that_cannot_be_rejects_the_report(track: Track, why: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode("ld2450", ld2450_frame([track]))
    assert str(caught.value) == why


def test_a_target_without_resolution_is_doubtful() -> None:
    readings = decode("ld2450", ld2450_frame([Track(100, 1000, 0, 0)]))
    assert {one.quality for one in readings[:-1]} == {DOUBTFUL}


@pytest.mark.parametrize(
    ("length", "why"),
    [
        (0x010D, "data of 269 bytes, must be 2 to 64"),
        (65, "data of 65 bytes, must be 2 to 64"),
        (1, "data of 1 bytes, must be 2 to 64"),
        (14, "no tail after 20 bytes"),
    ],
)
def test_a_length_that_cannot_be_is_no_frame(length: int, why: str) -> None:
    told = []
    parser = hilink.HiLinkParser(lambda offset, why: told.append((offset, why)))
    report = bytearray(ld2410_report(Presence.STILL, 80, 0, 0, 50, 0))
    report[4:6] = struct.pack("<H", length)
    assert parser.feed(bytes(report) + bytes(4)) == []
    assert told[0] == (0, why)


@pytest.mark.parametrize("at", [7, 17, 18])
def test_a_report_without_its_constant_bytes_is_none(at: int) -> None:
    told = []
    parser = hilink.HiLinkParser(lambda offset, why: told.append((offset, why)))
    report = bytearray(ld2410_report(Presence.STILL, 80, 0, 0, 50, 0))
    report[at] ^= 1
    assert parser.feed(bytes(report)) == []
    assert told[0] == (0, "no aa and 55 00 around the report")


def test_a_frame_with_another_inside_is_none() -> None:
    told = []
    parser = hilink.HiLinkParser(lambda offset, why: told.append((offset, why)))
    good = hilink_commands.encode_command("restart")
    cut = hilink_commands.encode(0x64, bytes(len(good) - 2))[:8]
    (frame,) = parser.feed(cut[:4] + bytes((len(good) - 2, 0)) + cut[6:8] + good) + parser.flush()
    assert frame.offset == 8
    assert told[0] == (0, "another frame begins inside")


@pytest.mark.parametrize("product", ["ld2410", "ld2450"])
def test_a_simulated_night_is_read_whole(product: str) -> None:
    sent = simulated(product)
    parser = hilink.HiLinkParser()
    frames = parser.feed(b"".join(sent))
    assert len(frames) == len(sent)
    assert (parser.rejected, parser.skipped) == (0, 0)
    values = [by_name(hilink.decode(frame, product)) for frame in frames]
    name = "presence" if product == "ld2410" else "targets"
    assert {bool(one[name]) for one in values} == {False, True}
    assert (
        all((one.get("distance") is None) == (not one[name]) for one in values) or name == "targets"
    )


# Commands and answers


@pytest.mark.parametrize("name", hilink_commands.COMMANDS)
def test_a_command_reads_as_itself_and_its_answer_as_done(name: str) -> None:
    code, _ = hilink_commands.COMMANDS[name]
    line = hilink_commands.encode_command(name)
    assert line[6:8] == bytes((code, 0))
    assert decode("ld2410", line) == [Reading("command", name)]
    for status, done in ((0, True), (1, False)):
        answer = hilink_commands.encode(code | 0x100, bytes((status, 0)))
        assert decode("ld2410", answer) == [
            Reading("acknowledged", name),
            Reading("done", done),
        ]


@pytest.mark.parametrize(
    ("name", "value", "readings"),
    [
        ("basic_parameters", "01 0e 2c01 01", [("gates", (1, 14)), ("nobody_time", 300)]),
        (
            "parameters",
            "aa 080706" + "14" * 9 + "19" * 9 + "2c01",
            [
                ("farthest_gate", 8),
                ("farthest_move_gate", 7),
                ("farthest_still_gate", 6),
                ("move_thresholds", (20,) * 9),
                ("still_thresholds", (25,) * 9),
                ("nobody_time", 300),
            ],
        ),
        ("gate_resolution", "0300", [("gate_resolution", 0.2)]),
        ("gate_resolution", "0100", [("gate_resolution", 0.5)]),
        ("gate_resolution", "0200", [("gate_resolution", 2)]),
        ("gate_resolution", "00", [("gate_resolution", 0.75)]),
        ("background", "0100", [("background_running", True)]),
        ("background", "00", [("background_running", False)]),
        (
            "move_thresholds",
            "0102030405060708090a0b0c0d0e",
            [("move_thresholds", tuple(range(1, 15)))],
        ),
        ("zones", "0100" + "18fc e803" * 6, [("zone_mode", 1), *[("zone", (-1.0, 1.0) * 2)] * 3]),
        ("mac", "00", [("unknown", "00")]),
    ],
)
def test_an_answer_reads_as_its_command(name: str, value: str, readings: list) -> None:
    code, _ = hilink_commands.COMMANDS[name]
    answer = hilink_commands.encode(code | 0x100, b"\x00\x00" + bytes.fromhex(value))
    assert [(one.name, one.value) for one in decode("ld2412", answer)[2:]] == readings


@pytest.mark.parametrize("size", [1, 3, 7, 9, 13, 15, 23, 25, 27])
@pytest.mark.parametrize(
    "name",
    [
        "version",
        "mac",
        "parameters",
        "basic_parameters",
        "zones",
        "move_thresholds",
        "still_thresholds",
        "target_mode",
    ],
)
def test_an_answer_of_another_length_is_unknown(name: str, size: int) -> None:
    code, _ = hilink_commands.COMMANDS[name]
    answer = hilink_commands.encode(code | 0x100, bytes(2 + size))
    assert [one.quality for one in decode("ld2410", answer)] == ["good", "good", UNKNOWN]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"\x00", "answer of 3 bytes has no status"),
        (b"\x02\x00", "status 2"),
        (b"\x00\x80", "status 32768"),
    ],
)
def test_an_answer_that_cannot_be_is_rejected(value: bytes, why: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode("ld2410", hilink_commands.encode(0x1FF, value))
    assert str(caught.value) == why


def test_settings_are_laid_out_as_the_maker_says() -> None:
    # Ref: Hi-Link, LD2410 serial communication protocol, 2.2.3 (60h) and 2.2.7 (64h), examples.
    assert hilink_commands.encode_ld2410_range(8, 8, 5).hex() == (
        "fdfcfbfa14006000000008000000010008000000020005000000" + "04030201"
    )
    assert hilink_commands.encode_ld2410_sensitivity(3, 40, 40).hex() == (
        "fdfcfbfa14006400000003000000010028000000020028000000" + "04030201"
    )
    assert hilink_commands.encode_ld2410_range(2, 2, 0)[10] == 2
    assert hilink_commands.encode_ld2410_range(2, 2, 65535)[-8:-6] == b"\xff\xff"
    assert hilink_commands.encode_ld2410_sensitivity(0, 0, 0)[8:12] == bytes(4)
    assert hilink_commands.encode_ld2410_sensitivity(65535, 100, 100)[10:12] == b"\xff\xff"
    assert hilink_commands.encode_ld2412_range(1, 1, 0)[8:10] == b"\x01\x01"
    assert hilink_commands.encode_ld2412_range(1, 14, 300).hex() == (
        "fdfcfbfa07000200" + "010e2c0101" + "04030201"
    )


def test_zones_read_back_as_they_were_set() -> None:
    zones = [(-1.0, 0.5, 1.0, 2.0), (0.0, 0.0, 2.5, 4.0)]
    (frame,) = hilink.HiLinkParser().feed(hilink_commands.encode_ld2450_zones(2, zones))
    assert frame.payload[:2] == b"\xc2\x00"
    answer = hilink_commands.encode(0x1C1, b"\x00\x00" + frame.payload[2:])
    readings = decode("ld2450", answer)[2:]
    assert readings[0] == Reading("zone_mode", 2)
    assert [(one.value, one.index) for one in readings[1:]] == [
        (zones[0], 0),
        (zones[1], 1),
        ((0.0, 0.0, 0.0, 0.0), 2),
    ]


def test_a_zone_may_reach_eight_metres() -> None:
    line = hilink_commands.encode_ld2450_zones(1, [(-8.0, -8.0, 8.0, 8.0)])
    assert line[10:18].hex() == "c0e0c0e0401f401f"
    for corner in (-8.001, 8.001):
        with pytest.raises(ValueError, match="mode 1, zones "):
            hilink_commands.encode_ld2450_zones(1, [(0.0, 0.0, 1.0, corner)])


def test_thresholds_are_one_byte_a_gate() -> None:
    assert hilink_commands.encode_ld2412_thresholds(True, list(range(14))).hex() == (
        "fdfcfbfa10000300" + bytes(range(14)).hex() + "04030201"
    )
    assert hilink_commands.encode_ld2412_thresholds(False, [100] * 14)[6] == 4


@pytest.mark.parametrize(
    ("encode", "values", "why"),
    [
        (hilink_commands.encode_ld2410_range, (9, 8, 5), "gates 9 and 8, 5 s"),
        (hilink_commands.encode_ld2410_range, (8, 1, 5), "gates 8 and 1, 5 s"),
        (hilink_commands.encode_ld2410_sensitivity, (9, 1, 1), "gate 9, thresholds 1 and 1"),
        (hilink_commands.encode_ld2410_sensitivity, (1, 101, 1), "gate 1, thresholds 101 and 1"),
        (hilink_commands.encode_ld2412_range, (5, 4, 5), "gates 5 to 4, 5 s"),
        (hilink_commands.encode_ld2410_range, (8, 8, 65536), "gates 8 and 8, 65536 s"),
        (hilink_commands.encode_ld2410_range, (8, 8, -1), "gates 8 and 8, -1 s"),
        (hilink_commands.encode_ld2410_sensitivity, (1, 1, -1), "gate 1, thresholds 1 and -1"),
        (hilink_commands.encode_ld2412_range, (0, 4, 5), "gates 0 to 4, 5 s"),
        (hilink_commands.encode_ld2412_range, (1, 15, 5), "gates 1 to 15, 5 s"),
        (hilink_commands.encode_ld2412_thresholds, (True, [5]), "thresholds "),
        (hilink_commands.encode_ld2412_thresholds, (True, [101] * 14), "thresholds "),
        (hilink_commands.encode_ld2450_zones, (3, []), "mode 3, zones "),
        (hilink_commands.encode_ld2450_zones, (1, [(0.0, 0.0, 0.0, 8.1)]), "mode 1, zones "),
        (hilink_commands.encode_ld2450_zones, (1, [(0.0, 0.0, 0.0, 0.0)] * 4), "mode 1, zones "),
        (hilink_commands.encode, (1, bytes(63)), "value of 63 bytes, at most 62"),
    ],
)
def test_a_setting_out_of_range_is_our_mistake(encode, values: tuple, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        encode(*values)


def test_nobody_has_no_distance() -> None:
    readings = decode("ld2410", ld2410_report(Presence.NOBODY, 0, 0, 0, 0, 0))
    assert Reading("distance", None, "m", NONE) in readings
