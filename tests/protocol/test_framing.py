"""Frames: any slicing, any payload, any rubbish before, any damaged bit."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol.errors import ProtocolError
from protocol.framing import (
    MAX_PAYLOAD,
    MAX_STUFFED,
    TAG_LENGTH,
    Deframer,
    Frame,
    decode_body,
    encode_frame,
)

pytestmark = pytest.mark.fast

GOOD = Frame(0x04, 0xC0DB, b"good \xc0\xdb\xdc\xdd")
ESP32_BOOT = (
    b"ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
    b"configsip: 0, SPIWP:0xee\r\nclk_drv:0x00,q_drv:0x00\r\nmode:DIO, clock div:2\r\n"
    b"load:0x3fff0030,len:4892\r\nho 0 tail 12 room 4\r\nentry 0x40080640\r\n"
)

# Bytes that matter to the framing come up as often as all others together.
nasty_bytes = st.lists(
    st.one_of(st.sampled_from([0xC0, 0xDB, 0xDC, 0xDD, 0x10, 0x00]), st.integers(0, 255))
).map(bytes)
frames = st.builds(
    Frame,
    st.integers(0, 255),
    st.integers(0, 0xFFFFFFFF),
    st.one_of(nasty_bytes, st.binary(max_size=MAX_PAYLOAD)),
    st.one_of(st.just(b""), st.binary(min_size=TAG_LENGTH, max_size=TAG_LENGTH)),
)


def encoded(frame: Frame) -> bytes:
    return encode_frame(frame.type, frame.sequence, frame.payload, frame.tag)


def sliced(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


@given(frames)
@example(Frame(0xC0, 0xC0DBC0DB, b"\xc0" * MAX_PAYLOAD, b"\xdb" * TAG_LENGTH))
@example(Frame(0, 0, b""))
def test_any_frame_survives_escaping(frame: Frame) -> None:
    line = encoded(frame)
    assert line[0] == line[-1] == 0xC0
    assert 0xC0 not in line[1:-1]
    assert len(line) <= MAX_STUFFED + 2
    assert decode_body(line[1:-1]) == frame
    assert Deframer().feed(line) == [frame]


@given(
    st.lists(st.one_of(frames.map(encoded), nasty_bytes), max_size=6),
    st.lists(st.integers(0, 100_000), max_size=30),
)
def test_any_slicing_gives_the_same_frames_and_counts(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    whole, cut, single = Deframer(), Deframer(), Deframer()
    expected = whole.feed(data)
    assert [frame for part in sliced(data, cuts) for frame in cut.feed(part)] == expected
    assert [frame for byte in data for frame in single.feed(bytes([byte]))] == expected
    assert (cut.rejected, cut.skipped) == (whole.rejected, whole.skipped)
    assert (single.rejected, single.skipped) == (whole.rejected, whole.skipped)


@given(nasty_bytes, st.lists(st.integers(0, 100_000), max_size=8))
@example(ESP32_BOOT, [])
@example(ESP32_BOOT * 20, [100])
@example(b"\xdb", [])
@example(encoded(GOOD)[:-5], [])
@example(b"\x00" * MAX_STUFFED, [])
@example(b"\x00" * (MAX_STUFFED + 1), [MAX_STUFFED])
@example(b"\x00" * 5 * MAX_STUFFED, [1, 2, 3])
def test_a_good_frame_after_any_rubbish_is_found(rubbish: bytes, cuts: list[int]) -> None:
    deframer = Deframer()
    found: list[Frame] = []
    for part in sliced(rubbish + encoded(GOOD), cuts):
        found += deframer.feed(part)
    assert found[-1] == GOOD


@settings(max_examples=25)
@given(frames)
@example(Frame(0x22, 3, bytes.fromhex("00112233445566c00500000001")))
@example(Frame(0, 0, b""))
@example(Frame(0xC0, 0xDBDBDBDB, b"\xc0\xdb\xdc\xdd" * 8, b"\xdb" * 8))
def test_a_damaged_bit_never_gives_another_frame(frame: Frame) -> None:
    line = encoded(frame)
    between = line + encoded(GOOD)
    bits = range(8 * len(line)) if len(line) < 64 else range(0, 8 * len(line), 7)
    for bit in bits:
        damaged = bytearray(between)
        damaged[bit // 8] ^= 1 << bit % 8
        found = Deframer().feed(bytes(damaged))
        assert found in ([GOOD], [frame, GOOD])
        if bit >= 8 and bit < 8 * (len(line) - 1):
            assert found == [GOOD]


def test_the_longest_stretch_is_kept_and_one_byte_more_is_skipped() -> None:
    largest = encode_frame(0xDB, 0xC0C0C0C0, b"\xc0" * MAX_PAYLOAD, b"\xdb" * TAG_LENGTH)
    deframer = Deframer()
    assert len(deframer.feed(largest)) == 1
    deframer.feed(b"\x00" * (MAX_STUFFED + 1))
    assert (deframer.rejected, deframer.skipped) == (0, MAX_STUFFED + 1)
    deframer.feed(b"\x00" * 10_000_000)
    assert deframer.feed(b"\xc0") == []
    assert (deframer.rejected, deframer.skipped) == (1, MAX_STUFFED + 1 + 10_000_000)
    assert deframer.feed(encoded(GOOD)) == [GOOD]


@pytest.mark.parametrize(
    ("payload", "tag", "text"),
    [
        (b"\0" * 1025, b"", "payload of 1025 bytes, at most 1024"),
        (b"", b"1234567", "tag of 7 bytes, must be 0 or 8"),
        (b"", b"123456789", "tag of 9 bytes, must be 0 or 8"),
    ],
)
def test_our_own_mistake_is_a_value_error(payload: bytes, tag: bytes, text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the text is compared whole)
        encode_frame(1, 0, payload, tag)
    assert str(caught.value) == text


@given(nasty_bytes)
def test_decoding_any_bytes_gives_a_frame_or_a_protocol_error(stuffed: bytes) -> None:
    try:
        frame = decode_body(stuffed)
    except ProtocolError:
        return
    assert encoded(frame)


def test_a_sequence_goes_round() -> None:
    (frame,) = Deframer().feed(encode_frame(1, 0x1_0000_0005, b""))
    assert frame.sequence == 5


def test_frames_compare_by_what_they_carry() -> None:
    same = Frame(GOOD.type, GOOD.sequence, bytes(GOOD.payload))
    assert same == GOOD
    assert hash(same) == hash(GOOD)
    assert same != Frame(GOOD.type, GOOD.sequence, GOOD.payload, b"12345678")
    assert same != b"good"
    assert repr(GOOD) == "Frame(0x04, 49371, 9 B)"
