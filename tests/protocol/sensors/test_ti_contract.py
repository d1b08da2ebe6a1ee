"""TI frames: every field at its place, every limit from both sides, counts that add up."""

import random
import struct

import pytest

from edge_agent.simulator.sensors.radar_ti import Target, ti_frame, ti_heights, ti_targets
from protocol.errors import ProtocolError
from protocol.sensors import ti_mmwave
from protocol.sensors.ti_mmwave import TiDecoder, TiFrame, decode_frame

pytestmark = pytest.mark.fast

POINTS, TARGETS, INDEX, HEIGHTS, COMPRESSED, PRESENCE = 1, 1010, 1011, 1012, 1020, 1021
UNKNOWN = 7
POINT = struct.pack("<4f", 1.0, 2.0, 0.5, -0.25)
UNITS = struct.pack("<5f", 0.25, 0.5, 0.125, 0.0625, 1.0)


def target(number: int = 5, **fields: object) -> Target:
    values = {"place": (1.0, -2.0, 0.5), "velocity": (0.25, -0.5, 0.125), "confidence": 0.75}
    return Target(number, **{**values, **fields})


def framed(*tlvs: tuple[int, bytes], points: int = 0, **header: int) -> TiFrame:
    return decode_frame(ti_frame(3, tlvs, points, **header))


def why(*tlvs: tuple[int, bytes], points: int = 0) -> str:
    with pytest.raises(ProtocolError) as caught:
        framed(*tlvs, points=points)
    return str(caught.value)


def test_the_numbers_of_the_protocol() -> None:
    assert ti_mmwave.MAGIC.hex() == "0201040306050807"
    assert (ti_mmwave.PLATFORM, ti_mmwave.MAX_FRAME) == (0x000A6843, 16384)
    assert (ti_mmwave.MAX_TLVS, ti_mmwave.MAX_TARGETS, ti_mmwave.MAX_POINTS) == (16, 32, 1000)
    assert (ti_mmwave.FAR_M, ti_mmwave.FAST_MPS) == (100.0, 50.0)


def test_what_is_no_frame_is_refused_however_long_it_is() -> None:
    frame = ti_frame(3, [(POINTS, POINT)], 1)
    for wrong in (frame[:39], b"\x03" + frame[1:], frame[:-1], frame + b"\x00"):
        with pytest.raises(ProtocolError) as caught:
            decode_frame(wrong)
        assert str(caught.value) == f"no frame of {len(wrong)} bytes"


def test_the_largest_numbers_are_not_negative() -> None:
    frame = decode_frame(ti_frame(4294967295, [], 0, subframe=4294967295))
    assert (frame.number, frame.subframe) == (4294967295, 4294967295)
    (one,) = framed((TARGETS, ti_targets([target(4294967295)]))).targets
    assert one.number == 4294967295


def test_an_empty_frame_has_nothing_and_its_numbers() -> None:
    frame = framed(subframe=2)
    assert (frame.number, frame.subframe) == (3, 2)
    assert (frame.polar, frame.cartesian, frame.targets) == ([], [], [])
    assert (frame.index, frame.presence) == (b"", None)


def test_every_field_stands_at_its_place() -> None:
    compressed = UNITS + struct.pack("<bbhHH", -4, 6, -8, 80, 30) + bytes(8)
    frame = framed(
        (COMPRESSED, compressed),
        (TARGETS, ti_targets([target(5), target(9)])),
        (INDEX, b"\x05\xff"),
        (HEIGHTS, ti_heights([(9, 1.75, 0.25), (77, 1.0, 0.5)])),
        (PRESENCE, struct.pack("<I", 1)),
        points=2,
    )
    assert frame.polar == [(-1.0, 3.0, -1.0, 5.0, 30.0), (0.0,) * 5]
    assert [(one.number, one.high_m, one.low_m) for one in frame.targets] == [
        (5, None, None),
        (9, 1.75, 0.25),
    ]
    for one in frame.targets:
        assert one.place == (1.0, -2.0, 0.5)
        assert one.velocity == (0.25, -0.5, 0.125)
        assert one.confidence == 0.75
    assert (frame.index, frame.presence) == (b"\x05\xff", 1)
    assert framed((POINTS, POINT * 2), points=2).cartesian == [(1.0, 2.0, 0.5, -0.25)] * 2
    assert framed((PRESENCE, bytes(4))).presence == 0


def test_a_long_header_and_a_length_that_counts_its_head_are_understood() -> None:
    assert framed((POINTS, POINT), points=1, static_points=0).cartesian == [(1.0, 2.0, 0.5, -0.25)]
    for size in (44, 40):
        extra = {} if size == 40 else {"static_points": 0}
        frame = bytearray(ti_frame(3, [(POINTS, POINT)], 1, **extra))
        struct.pack_into("<I", frame, size + 4, len(POINT) + 8)
        assert decode_frame(bytes(frame)).cartesian == [(1.0, 2.0, 0.5, -0.25)]


def test_a_body_of_nothing_at_the_very_end_is_read() -> None:
    assert framed((UNKNOWN, bytes(8)), (POINTS, b"")).cartesian == []
    assert framed((UNKNOWN, bytes(16))).presence is None


@pytest.mark.parametrize(
    ("tlvs", "points", "said"),
    [
        ([(PRESENCE, bytes(4))] * 2, 0, "a type comes twice"),
        ([(PRESENCE, bytes(4))], 2, "2 points announced, none there"),
        ([(PRESENCE, struct.pack("<I", 2))], 0, "presence 2"),
        ([(POINTS, POINT)], 2, "lengths do not add up"),
        ([(POINTS, POINT[1:])], 1, "lengths do not add up"),
        ([(PRESENCE, b"\x01" * 5)], 0, "lengths do not add up"),
        ([(TARGETS, b"\x01" * 111)], 0, "lengths do not add up"),
        ([(HEIGHTS, b"\x01" * 13)], 0, "lengths do not add up"),
        ([(COMPRESSED, UNITS[:12])], 0, "lengths do not add up"),
        ([(COMPRESSED, UNITS + bytes(7))], 0, "lengths do not add up"),
        ([(INDEX, b"\x01" * 1009)], 0, "lengths do not add up"),
        ([(TARGETS, b"\x01" * 33 * 112)], 0, "lengths do not add up"),
        ([(HEIGHTS, b"\x01" * 33 * 12)], 0, "lengths do not add up"),
        ([(COMPRESSED, struct.pack("<5f", 0.5, 0, 0.5, 0.5, 0.5))], 0, "a unit of 0.0"),
        ([(COMPRESSED, struct.pack("<5f", 0.5, 1.5, 0.5, 0.5, 0.5))], 0, "a unit of 1.5"),
        (
            [(COMPRESSED, UNITS + struct.pack("<bbhHH", 0, 0, 0, 1601, 0))],
            1,
            "a point at 100.0625 m, 0.0 m/s",
        ),
        (
            [(COMPRESSED, UNITS + struct.pack("<bbhHH", 0, 0, -401, 0, 0))],
            1,
            "a point at 0.0 m, -50.125 m/s",
        ),
        (
            [(COMPRESSED, UNITS + struct.pack("<bbhHH", 0, 0, 401, 0, 0))],
            1,
            "a point at 0.0 m, 50.125 m/s",
        ),
        ([(POINTS, struct.pack("<4f", 100.5, 0, 0, 0))], 1, "100.5 is not within 100.0"),
        ([(POINTS, struct.pack("<4f", 0, -100.5, 0, 0))], 1, "-100.5 is not within 100.0"),
        ([(POINTS, struct.pack("<4f", 0, 0, 0, 50.5))], 1, "50.5 is not within 50.0"),
        ([(TARGETS, ti_targets([target()] * 2))], 0, "two targets of one number"),
        (
            [(TARGETS, ti_targets([target(confidence=float("nan"))]))],
            0,
            "confidence is no number",
        ),
        (
            [(TARGETS, ti_targets([target(place=(0, 0, 101.0))]))],
            0,
            "101.0 is not within 100.0",
        ),
        (
            [(TARGETS, ti_targets([target(velocity=(0, 0, -51.0))]))],
            0,
            "-51.0 is not within 50.0",
        ),
        ([(HEIGHTS, ti_heights([(1, 0.0, -101.0)]))], 0, "-101.0 is not within 100.0"),
        ([(HEIGHTS, ti_heights([(1, 101.0, 0.0)]))], 0, "101.0 is not within 100.0"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(
    tlvs: list[tuple[int, bytes]], points: int, said: str
) -> None:
    assert why(*tlvs, points=points) == said


def test_the_last_that_can_be_is_taken() -> None:
    far = struct.pack("<bbhHH", -128, 127, 400, 1600, 65535)
    near = struct.pack("<bbhHH", 0, 0, -400, 0, 0)
    assert framed((COMPRESSED, UNITS + far + near), points=2).polar == [
        (-32.0, 63.5, 50.0, 100.0, 65535.0),
        (0.0, 0.0, -50.0, 0.0, 0.0),
    ]
    assert framed((COMPRESSED, UNITS)).polar == []
    for edge in ((100.0, -100.0, 100.0, 50.0), (-100.0, 100.0, -100.0, -50.0)):
        assert framed((POINTS, struct.pack("<4f", *edge)), points=1).cartesian == [edge]
    people = [target(number) for number in range(32)]
    heights = [(number, 100.0, -100.0) for number in range(32)]
    frame = framed((TARGETS, ti_targets(people)), (HEIGHTS, ti_heights(heights)))
    assert {(one.high_m, one.low_m) for one in frame.targets} == {(100.0, -100.0)}
    assert [one.number for one in frame.targets] == list(range(32))
    assert framed((INDEX, bytes(1000))).index == bytes(1000)
    assert len(framed((POINTS, POINT * 1000), points=1000).cartesian) == 1000


def test_sixteen_parts_are_taken_and_no_more() -> None:
    parts = [(100 + number, b"") for number in range(17)]
    assert framed(*parts[:16]).number == 3
    assert why(*parts) == f"no frame of {len(ti_frame(3, parts, 0))} bytes"


@pytest.mark.parametrize(
    ("at", "value"), [(12, 16416), (12, 32), (12, 65), (16, 0x000A6844), (28, 1001), (32, 17)]
)
def test_a_header_that_cannot_be_is_stepped_over_at_once(at: int, value: int) -> None:
    decoder = TiDecoder()
    head = bytearray(ti_frame(3, [(POINTS, POINT)], 1))
    struct.pack_into("<I", head, at, value)
    assert decoder.feed(bytes(head[:40])) == []
    assert (decoder.rejected, decoder.skipped) == (1, 33)


def test_frames_are_found_in_any_slicing_and_every_other_byte_is_counted() -> None:
    rng = random.Random(4)
    whole = [ti_frame(number, [(POINTS, POINT * number)], number) for number in range(1, 6)]
    torn = ti_frame(9, [(PRESENCE, struct.pack("<I", 2))], 0)
    noise = [rng.randbytes(50).replace(b"\x02", b"\x03") for _ in range(6)]
    line = b"".join(
        part for pair in zip([*whole, torn], noise, strict=True) for part in reversed(pair)
    )
    line += noise[0] + ti_mmwave.MAGIC[:3]
    for longest in (1, 2, 7, 40, len(line)):
        decoder, found, at = TiDecoder(), [], 0
        while at < len(line):
            step = rng.randint(1, longest)
            found += decoder.feed(line[at : at + step])
            at += step
        assert [one.number for one in found] == [1, 2, 3, 4, 5]
        assert decoder.rejected == 1
        left = len(line) - sum(map(len, whole)) - decoder.skipped
        assert left == 7  # of a start that may still come: one byte less than it has
        (last,) = decoder.feed(whole[0])
        assert last.number == 1
        assert decoder.skipped == len(line) - sum(map(len, whole))


def test_a_frame_whose_length_was_made_too_large_gives_way_in_any_slicing() -> None:
    long = bytearray(ti_frame(1, [(POINTS, POINT)], 1))
    struct.pack_into("<I", long, 12, 16384)
    good = ti_frame(2, [(POINTS, POINT)], 1)
    for size in (1, 3, 8, 50, 500):
        decoder, line, found = TiDecoder(), bytes(long) + good * 2, []
        for at in range(0, len(line), size):
            found += decoder.feed(line[at : at + size])
        assert [one.number for one in found] == [2, 2]
        assert (decoder.rejected, decoder.skipped) == (1, len(long))
