"""What every codec's readings are: JSON, finite, with a unit of the page, none only as None."""

import json
import re
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import ProtocolError
from protocol.sensors import hilink, hilink_commands, reading, sip, tinyframe
from protocol.sensors.fields import (
    fits,
    flag,
    is_text,
    number,
    read,
    read_rows,
    size_of,
    state,
    text,
)
from protocol.sensors.reading import DOUBTFUL, GOOD, NONE, UNKNOWN, Reading
from protocol.sensors.sip_reports import REPORTS, ROWS
from protocol.sensors.tinyframe_reports import PRODUCTS

PAGE = reading.__doc__ or ""
UNITS = set(re.search(r"`(m m/s [^`]*)`", PAGE)[1].split()) | {""}
QUALITIES = (GOOD, DOUBTFUL, NONE, UNKNOWN)


def check(readings: list[Reading]) -> None:
    assert readings
    for one in readings:
        json.dumps(one.as_dict(), allow_nan=False)
        assert one.unit in UNITS
        assert one.quality in QUALITIES
        assert (one.value is None) == (one.quality == NONE)
        assert one.name.isidentifier()
        assert one.name == one.name.lower()


SIP_KINDS = st.sampled_from(sorted([*REPORTS, *ROWS]))


@given(SIP_KINDS, st.data())
@settings(max_examples=300)
def test_any_sip_frame(kind: int, data: st.DataObject) -> None:
    size = size_of(ROWS.get(kind) or REPORTS[kind])
    payload = data.draw(
        st.binary(min_size=max(0, size), max_size=max(0, size) or 8) | st.binary(max_size=30)
    )
    (frame,) = sip.SipParser().feed(sip.encode(kind >> 8, kind & 0xFF, payload))
    check(sip.decode(frame))


FLOATS = st.floats(width=32).map(lambda one: struct.pack("<f", one))


@given(st.sampled_from(sorted(PRODUCTS)), st.data())
@settings(max_examples=300)
def test_any_tinyframe(product: str, data: st.DataObject) -> None:
    tables, rows, _ = PRODUCTS[product]
    kind = data.draw(st.sampled_from(sorted({kind for table in (*tables, rows) for kind in table})))
    payload = data.draw(st.binary(max_size=40) | st.lists(FLOATS, max_size=24).map(b"".join))
    if kind in rows and data.draw(st.booleans()):
        count = data.draw(st.integers(0, 3))
        row = data.draw(st.lists(FLOATS, min_size=5, max_size=5).map(b"".join))
        payload = struct.pack("<I", count) + row[: size_of(rows[kind])] * count
    if not payload:
        return
    (frame,) = tinyframe.TinyFrameParser().feed(tinyframe.encode(kind, payload))
    check(tinyframe.decode(frame, product))


@given(st.sampled_from(sorted(hilink.PRODUCTS)), st.binary(min_size=24, max_size=24))
def test_any_tracks(product: str, body: bytes) -> None:
    for frame in hilink.HiLinkParser().feed(b"\xaa\xff\x03\x00" + body + b"\x55\xcc"):
        try:
            check(hilink.decode(frame, product))
        except ProtocolError as error:
            assert str(error).startswith("target at ")


@given(
    st.sampled_from(sorted(hilink.PRODUCTS)),
    st.sampled_from([7, 9, 31, 38]),
    st.integers(1, 2),
    st.data(),
)
@settings(max_examples=300)
def test_any_report(product: str, size: int, kind: int, data: st.DataObject) -> None:
    low = st.binary(min_size=size, max_size=size) | st.lists(
        st.integers(0, 4), min_size=size, max_size=size
    ).map(bytes)
    payload = bytes((kind, 0xAA)) + data.draw(low) + b"\x55\x00"
    line = b"\xf4\xf3\xf2\xf1" + struct.pack("<H", len(payload)) + payload + b"\xf8\xf7\xf6\xf5"
    for frame in hilink.HiLinkParser().feed(line):
        try:
            check(hilink.decode(frame, product))
        except ProtocolError as error:
            assert str(error)


@given(st.integers(0, 0x1FF), st.binary(max_size=40))
@settings(max_examples=300)
def test_any_answer(code: int, value: bytes) -> None:
    for frame in hilink.HiLinkParser().feed(hilink_commands.encode(code, value)):
        try:
            check(hilink.decode(frame, "ld2410"))
        except ProtocolError as error:
            assert str(error)


@pytest.mark.fast
def test_a_field_has_its_edges() -> None:
    rate = number("rate", "B", "1/min", 1, 60, 120, NONE)
    found = [
        (one.value, one.quality)
        for raw in (0, 59, 60, 120, 121)
        for one in read((rate,), bytes((raw,)), "<")
    ]
    assert found == [(None, NONE), (59, DOUBTFUL), (60, GOOD), (120, GOOD), (121, DOUBTFUL)]
    wave = number("wave", "3m", "m", 100, -1, 1)
    assert read((wave,), bytes.fromhex("8064 0064 0000"), ">") == [
        Reading("wave", (-1.0, 1.0, 0.0), "m")
    ]
    assert read((wave,), bytes.fromhex("8065 0064 8000"), ">")[0].quality == DOUBTFUL


@pytest.mark.fast
def test_a_field_of_each_kind() -> None:
    report = (state("bed", "out", None, "in"), flag("fall"), text("model"))
    data = b"\x02\x01MAX\x00\x00"
    assert size_of(report) == -1
    assert fits(report, b"V")
    assert not fits(report, b"\x1f")
    assert read(report, data, "<", index=3, quality=DOUBTFUL) == [
        Reading("bed", "in", "", DOUBTFUL, 3),
        Reading("fall", True, "", DOUBTFUL, 3),
        Reading("model", "MAX", "", DOUBTFUL, 3),
    ]
    for code, value, quality in ((0, "out", GOOD), (1, 1, DOUBTFUL), (3, 3, DOUBTFUL)):
        assert read(report[:1], bytes((code,)), "<") == [Reading("bed", value, "", quality)]
    assert read(report[1:2], b"\x00", "<") == [Reading("fall", False)]
    assert read(report[1:2], b"\x02", "<", 0, 4) == [Reading("fall", 2, "", DOUBTFUL, 4)]


@pytest.mark.fast
def test_a_number_without_limits_is_never_doubted() -> None:
    for code, data, value in (
        ("I", b"\xff\xff\xff\xff", 4294967295),
        ("i", b"\x00\x00\x00\x80", -(1 << 31)),
        ("H", b"\x00\x01", 256),
        ("B", b"\x00", 0),
        ("m", b"\x01\x80", -1),
    ):
        assert read((number("any", code),), data, "<") == [Reading("any", value)]
    assert read((number("any", "f"),), struct.pack("<f", -1e9), "<") == [Reading("any", -1e9)]
    assert read((number("any", "f"),), struct.pack("<f", 1e10), "<")[0].quality == DOUBTFUL
    assert read((number("any", "f"),), struct.pack("<f", -1e10), "<")[0].quality == DOUBTFUL


@pytest.mark.fast
def test_a_count_may_have_two_digits() -> None:
    wave = (number("wave", "12B"), number("next", "H"))
    assert size_of(wave) == 14
    assert fits(wave, bytes(14))
    assert not fits(wave, bytes(13))
    assert read(wave, bytes(range(14)), ">") == [
        Reading("wave", tuple(range(12))),
        Reading("next", 0x0C0D),
    ]


@pytest.mark.fast
def test_what_is_no_value_is_what_the_field_says() -> None:
    none, zero = number("a", "B", "s", zero=NONE), number("a", "B", "s", zero=DOUBTFUL)
    assert read((none,), b"\x00", "<", 0, 2) == [Reading("a", None, "s", NONE, 2)]
    assert read((zero,), b"\x00", "<", 0, 2) == [Reading("a", 0, "s", DOUBTFUL, 2)]
    assert read((none,), b"\x01", "<", 0, 2) == [Reading("a", 1, "s", GOOD, 2)]
    nan = struct.pack("<f", float("nan"))
    assert read((number("a", "f", "m"),), nan, "<", 0, 2) == [Reading("a", None, "m", NONE, 2)]
    pair = (number("a", "2B", "s", zero=NONE),)
    assert read(pair, b"\x00\x00", "<", 0, 2) == [Reading("a", (0, 0), "s", GOOD, 2)]


@pytest.mark.fast
def test_rows_are_numbered_and_a_rest_is_no_row() -> None:
    row = (number("x", "B"), number("y", "H"))
    data = b"\xff" + bytes((1, 0, 2, 3, 0, 4)) + b"\x09\x09"
    assert read_rows(row, data, ">", 1, DOUBTFUL) == [
        Reading("x", 1, "", DOUBTFUL, 0),
        Reading("y", 2, "", DOUBTFUL, 0),
        Reading("x", 3, "", DOUBTFUL, 1),
        Reading("y", 4, "", DOUBTFUL, 1),
    ]
    assert read_rows(row, data[1:4], ">") == [Reading("x", 1, index=0), Reading("y", 2, index=0)]


@pytest.mark.fast
def test_letters_are_printable_ascii() -> None:
    assert all(is_text(bytes((code,))) == (32 <= code < 127) for code in range(256))
    assert is_text(b"A\x00\x00")
    assert not is_text(b"")
    assert not is_text(b"\x00A")


@pytest.mark.fast
def test_a_reading_is_equal_to_its_like_only() -> None:
    one = Reading("fall", True)
    assert one == Reading("fall", True)
    assert hash(one) == hash(Reading("fall", True))
    others = [
        Reading("fall", False),
        Reading("fell", True),
        Reading("fall", True, "s"),
        Reading("fall", True, "", DOUBTFUL),
        Reading("fall", True, index=0),
    ]
    assert one not in others
    assert one != "fall"
    assert repr(one) == "Reading('fall', True, '', 'good', -1)"
    assert Reading("speed", 0.5, "m/s", DOUBTFUL, 2).as_dict() == {
        "name": "speed",
        "value": 0.5,
        "unit": "m/s",
        "quality": "doubtful",
        "index": 2,
    }
    assert one.as_dict() == {"name": "fall", "value": True, "quality": "good"}
    assert Reading("fall", True, index=0).as_dict()["index"] == 0
