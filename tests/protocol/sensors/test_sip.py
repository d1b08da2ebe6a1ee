"""SIP-S: every report's meaning and its edges, queries, commands, the simulator's second encoder."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.simulator.sensors.radar_sip import Trajectory, sip_place, sip_trajectories
from protocol.sensors import sip
from protocol.sensors.reading import DOUBTFUL, GOOD, NONE, UNKNOWN, Reading
from protocol.sensors.sip_reports import COMMANDS, REPORTS
from tests.protocol.sensors.lines import simulated

pytestmark = pytest.mark.fast


def decode(control: int, command: int, data: bytes) -> list[Reading]:
    (frame,) = sip.SipParser().feed(sip.encode(control, command, data))
    return sip.decode(frame)


@pytest.mark.parametrize(
    ("kind", "data", "name", "value", "unit"),
    [
        (0x8001, "01", "presence", True, ""),
        (0x8001, "00", "presence", False, ""),
        (0x8301, "01", "fall", True, ""),
        (0x8305, "01", "static_residency", True, ""),
        (0x8401, "00", "bed", "out", ""),
        (0x8401, "01", "bed", "in", ""),
        (0x8101, "04", "breath_state", "none", ""),
        (0x8105, "80ff0081 7f", "breath_wave", (128, 255, 0, 129, 127), "count"),
        (0x8403, "0102", "awake", 258, "min"),
        (0x8012, "00000e10", "unattended_time", 3600, "s"),
        (0x830C, "00000005", "fall_time", 5, "s"),
        (0x0602, "010e", "install_height", 2.7, "m"),
        (0x02A4, "47363041000000", "firmware", "G60A", ""),
    ],
)
def test_a_report_reads_as_the_maker_says(
    kind: int, data: str, name: str, value: object, unit: str
) -> None:
    assert decode(kind >> 8, kind & 0xFF, bytes.fromhex(data)) == [Reading(name, value, unit)]


@pytest.mark.parametrize(
    ("kind", "data", "reading"),
    [
        (0x8502, "00", Reading("heart_rate", None, "1/min", NONE)),
        (0x8502, "2d", Reading("heart_rate", 45, "1/min", DOUBTFUL)),
        (0x8102, "00", Reading("breath_rate", 0, "1/min", DOUBTFUL)),
        (0x8102, "24", Reading("breath_rate", 36, "1/min", DOUBTFUL)),
        (0x8301, "02", Reading("fall", 2, "", DOUBTFUL)),
        (0x8101, "00", Reading("breath_state", 0, "", DOUBTFUL)),
        (0x0601, "ffa6 0000 005a", Reading("install_angle", (-90, 0, 90), "deg", DOUBTFUL)),
        (0x830E, "8064 0032", Reading("track", (-1.0, 0.5), "m", DOUBTFUL)),
        (0x8004, "ffff", Reading("distance", 655.35, "m", DOUBTFUL)),
    ],
)
def test_what_the_maker_does_not_describe_is_not_called_good(
    kind: int, data: str, reading: Reading
) -> None:
    assert decode(kind >> 8, kind & 0xFF, bytes.fromhex(data)) == [reading]


@pytest.mark.parametrize(("kind", "data"), [(0x8010, ""), (0x8301, "0000"), (0x9999, "0102")])
def test_an_unknown_report_or_length_is_shown_and_no_error(kind: int, data: str) -> None:
    (reading,) = decode(kind >> 8, kind & 0xFF, bytes.fromhex(data))
    assert (reading.name, reading.value, reading.quality) == ("unknown", data, UNKNOWN)


def test_text_is_printable_ascii() -> None:
    assert decode(0x02, 0xA4, b" V1.0 ~") == [Reading("firmware", " V1.0 ~")]
    for wrong in (b"\x1f", b"V\x7f", b"V\x00V", b"\x00\x00"):
        assert decode(0x02, 0xA4, wrong)[0].quality == UNKNOWN


@pytest.mark.parametrize("kind", sorted(REPORTS))
def test_an_answer_reads_as_the_report_that_was_asked_for(kind: int) -> None:
    (question,) = sip.SipParser().feed(sip.encode_query(kind))
    assert sip.report_kind(question.kind) == kind
    (query,) = sip.decode(question)
    assert (query.name, query.value) == ("query", REPORTS[kind][0][0])


def test_the_sleep_queries_have_codes_of_their_own() -> None:
    assert sip.encode_query(0x840C)[2:4].hex() == "848d"
    assert sip.encode_query(0x840D)[2:4].hex() == "848f"
    assert sip.encode_query(0x840F)[2:4].hex() == "848c"
    assert sip.encode_query(0x0208).hex() == "535902a800010f665443"
    night = struct.pack(">BH9B", 88, 431, 10, 60, 30, 12, 2, 14, 15, 64, 1)
    readings = {one.name: one.value for one in decode(0x84, 0x8F, night)}
    assert readings["sleep_time"] == 431
    assert readings["bed_exits"] == 2
    assert readings["apnoeas"] == 1
    assert decode(0x84, 0x8C, b"\x01") == [Reading("report_mode", "sleep")]


def test_an_answer_of_fifteen_is_not_taken_for_a_rate() -> None:
    assert decode(0x81, 0x82, b"\x0f") == [Reading("query", "breath_rate")]
    assert decode(0x81, 0x02, b"\x0f") == [Reading("breath_rate", 15, "1/min")]


@given(*[st.integers(-1000, 1000)] * 3)
def test_a_place_of_the_simulators_encoder_reads_the_same(x: int, y: int, z: int) -> None:
    (frame,) = sip.SipParser().feed(sip_place(x, y, z))
    (reading,) = sip.decode(frame)
    assert reading == Reading("position", (x / 100, y / 100, z / 100), "m")


@given(st.lists(st.tuples(*[st.integers(-999, 999)] * 4), min_size=1, max_size=20))
def test_trajectories_are_numbered_rows_and_doubtful(rows: list[tuple[int, ...]]) -> None:
    targets = [Trajectory(i, 1, 0, *row) for i, row in enumerate(rows)]
    (frame,) = sip.SipParser().feed(sip_trajectories(targets))
    readings = sip.decode(frame)
    assert {one.quality for one in readings} == {DOUBTFUL}
    places = [one.value for one in readings if one.name == "target_position"]
    assert places == [(x / 100, y / 100, h / 100) for x, y, h, _ in rows]
    assert [one.index for one in readings] == [i for i in range(len(rows)) for _ in range(5)]


@pytest.mark.parametrize("product", ["r60abd1", "r60afd1"])
def test_a_simulated_night_has_no_unknown_report(product: str) -> None:
    readings = []
    for frame in sip.SipParser().feed(b"".join(simulated(product))):
        readings += sip.decode(frame)
    assert UNKNOWN not in {one.quality for one in readings}
    if product == "r60afd1":
        assert [one.value for one in readings if one.name == "fall"] == [False, True, False]
    else:
        assert {one.value for one in readings if one.name == "bed"} == {"in", "out"}
        rates = [one.value for one in readings if one.name == "heart_rate"]
        assert len(rates) > 20
        assert all(60 <= rate <= 72 for rate in rates)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_reads_as_the_setting_it_makes(name: str) -> None:
    kind, _, _, low, high = COMMANDS[name]
    for value in (low, high):
        (frame,) = sip.SipParser().feed(sip.encode_command(name, value))
        (reading,) = sip.decode(frame)
        assert frame.kind == kind
        assert reading.quality in (GOOD, DOUBTFUL)
        assert name.startswith(reading.name)
        if isinstance(reading.value, float):
            assert reading.value == pytest.approx(value)
    for value in (low - 1, high + 1):
        with pytest.raises(ValueError, match=f"^{name} of {value}, must be {low} to {high}$"):
            sip.encode_command(name, value)


def test_no_command_switches_falls_or_presence_off() -> None:
    for name in ("fall_detection", "presence_reporting"):
        assert sip.encode_command(name, 1)[6] == 1
        with pytest.raises(ValueError, match="of 0, must be 1 to 1"):
            sip.encode_command(name, 0)


def test_the_longest_frame_is_taken_and_a_longer_one_is_our_mistake() -> None:
    (frame,) = sip.SipParser().feed(sip.encode(1, 1, bytes(256)))
    assert frame.payload == bytes(256)
    with pytest.raises(ValueError, match=r"^data of 257 bytes, at most 256$"):
        sip.encode(1, 1, bytes(257))
