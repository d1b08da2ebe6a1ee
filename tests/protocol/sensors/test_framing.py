"""What holds for all framings: slicing, damage, noise between frames, a line that falls silent."""

import itertools
import tracemalloc
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import ProtocolError
from protocol.sensors import hilink
from protocol.sensors.parser import PIECE, Frame
from protocol.sensors.reading import GOOD, Reading
from protocol.sensors.sip import SipParser, encode
from tests.protocol.sensors.lines import (
    LONGEST,
    PARSERS,
    VECTORS,
    framing_of,
    good_frames,
    simulated,
    sliced,
    taken,
)

FRAMINGS = list(PARSERS)


def fingerprints(frames: list[Frame]) -> list[tuple[int, bytes, int, int, int]]:
    return [(one.kind, one.payload, one.number, one.offset, one.end) for one in frames]


@st.composite
def lines(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return a framing and a line of its frames, whole and damaged, with noise between."""
    framing = draw(st.sampled_from(FRAMINGS))
    frames = good_frames(framing)
    pieces = []
    for _ in range(draw(st.integers(1, 6))):
        frame = bytearray(draw(st.sampled_from(frames)))
        match draw(st.sampled_from(["whole", "whole", "bit", "cut", "noise"])):
            case "bit":
                at = draw(st.integers(0, len(frame) - 1))
                frame[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                frame = frame[: draw(st.integers(0, len(frame)))]
            case "noise":
                frame += draw(st.binary(max_size=12))
        pieces.append(bytes(frame))
    return framing, b"".join(pieces)


@given(lines(), st.randoms(use_true_random=False))
@settings(max_examples=400)
def test_any_slicing_gives_the_same_frames_and_counts(
    line: tuple[str, bytes], random: Random
) -> None:
    framing, data = line
    whole, cut = PARSERS[framing](), PARSERS[framing]()
    rejections: tuple[list, list] = ([], [])
    whole._on_reject = lambda *one: rejections[0].append(one)
    cut._on_reject = lambda *one: rejections[1].append(one)
    first = taken(whole, iter([data]))
    second = taken(cut, sliced(data, random))
    assert fingerprints(first) == fingerprints(second)
    assert (whole.rejected, whole.skipped) == (cut.rejected, cut.skipped)
    assert rejections[0] == rejections[1]
    assert whole.skipped + sum(one.end - one.offset for one in first) == len(data)


@pytest.mark.fast
@pytest.mark.parametrize("framing", FRAMINGS)
def test_all_frames_of_a_line_are_found(framing: str) -> None:
    frames = good_frames(framing)
    parser = PARSERS[framing]()
    found = parser.feed(b"".join(frames))
    assert [one.end - one.offset for one in found] == [len(one) for one in frames]
    assert (parser.rejected, parser.skipped) == (0, 0)


@pytest.mark.fast
@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_frame_that_ends_early_is_none_whatever_is_missing(framing: str) -> None:
    for frame in good_frames(framing):
        for end in range(len(frame)):
            parser = PARSERS[framing]()
            assert parser.feed(frame[:end]) + parser.flush() == []
            assert parser.skipped == end


@pytest.mark.fast
@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_frame_after_a_damaged_one_is_found(framing: str) -> None:
    frames = good_frames(framing)
    for number, frame in enumerate(frames):
        following = frames[number - 1]
        for at in range(len(frame)):
            damaged = bytearray(frame)
            damaged[at] ^= 0x10
            parser = PARSERS[framing]()
            found = parser.feed(bytes(damaged) + following) + parser.flush()
            assert found
            assert found[-1].end == len(frame) + len(following)
            assert found[-1].end - found[-1].offset == len(following)


@pytest.mark.fast
@pytest.mark.parametrize("product", ["r60abd1", "r60afd1", "mr60bha2", "ld6002c"])
def test_no_frame_of_a_line_with_one_bad_bit_in_each_says_what_was_not_sent(product: str) -> None:
    random = Random(2)
    framing = framing_of(product)
    sent = simulated(product)
    whole = set(sent)
    line = []
    hurt = 0
    for frame in sent:
        damaged = bytearray(frame)
        if random.random() < 0.5:
            damaged[random.randrange(len(frame))] ^= 1 << random.randrange(8)
            hurt += 1
        line.append(bytes(damaged))
    data = b"".join(line)
    parser = PARSERS[framing]()
    found = taken(parser, sliced(data, random))
    assert {data[one.offset : one.end] for one in found} <= whole
    assert len(found) == len(sent) - hurt
    assert parser.rejected >= hurt / 2


@pytest.mark.fast
def test_a_damaged_length_delays_the_next_frame_until_the_line_is_silent() -> None:
    parser = SipParser()
    fall = encode(0x83, 0x01, b"\x01")
    damaged = bytearray(encode(0x80, 0x03, b"\x01"))
    damaged[5] |= 0x80
    assert parser.feed(bytes(damaged) + fall) == []
    (frame,) = parser.flush()
    assert (frame.kind, frame.payload) == (0x8301, b"\x01")
    (frame,) = parser.feed(fall)
    assert frame.offset == len(damaged) + len(fall)


@pytest.mark.fast
def test_a_rejection_is_told_with_its_place_and_reason() -> None:
    told = []
    parser = SipParser(lambda offset, why: told.append((offset, why)))
    wrong = bytes.fromhex("5359840f000100ae5443")
    parser.feed(b"\x00\x53" + wrong + b"\x53\x59\x80\x01\x01\x01" + wrong[:8] + b"\x54\x44")
    parser.flush()
    assert told == [
        (2, "sum ae, must be 40"),
        (12, "data of 257 bytes, at most 256"),
        (18, "no 54 43 after 1 bytes of data"),
    ]


@pytest.mark.fast
@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_frame_that_never_ends_is_told_as_cut_off(framing: str) -> None:
    told = []
    parser = PARSERS[framing](lambda offset, why: told.append((offset, why)))
    frame = good_frames(framing)[0]
    parser.feed(b"\x00" + frame[:-1])
    parser.flush()
    assert told[0] == (1, f"cut off after {len(frame) - 1} bytes")


@pytest.mark.fast
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_drivers_buffer_is_copied(framing: str, kind: type) -> None:
    frame = good_frames(framing)[0]
    buffer = bytearray(frame[: len(frame) // 2])
    parser = PARSERS[framing]()
    parser.feed(kind(buffer))
    buffer[:] = bytes(len(buffer))
    assert len(parser.feed(frame[len(frame) // 2 :])) == 1


def noise(random: Random, framing: str, size: int) -> bytes:
    """Return random bytes, a quarter of them pieces that look like beginnings of frames."""
    headers = PARSERS[framing].HEADERS
    pieces = []
    while size > 0:
        piece = random.randbytes(random.choice((3, 50, 400)))
        if random.random() < 0.5:
            piece = random.choice(headers) + piece
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def check_noise(framing: str, megabytes: float) -> None:
    """Feed noise with a good frame now and then: those are found, nothing else, little held."""
    random = Random(5)
    good = good_frames(framing)
    parser = PARSERS[framing]()
    fed = total = 0
    chance = 0
    while total < megabytes * 1e6:
        line = noise(random, framing, 20_000)
        frames = []
        for piece in sliced(line, random):
            frames += parser.feed(piece)
            assert len(parser._rest) <= LONGEST[framing] + PIECE
        frames += parser.flush()
        assert parser._rest == b""
        chance += len(frames)
        frame = random.choice(good)
        (found,) = parser.feed(frame)
        assert found.end - found.offset == len(frame)
        fed += 1
        total += len(line)
    assert chance == 0
    assert fed > 10 * megabytes
    assert parser.rejected > 1000 * megabytes


@pytest.mark.fast
@pytest.mark.parametrize("framing", FRAMINGS)
def test_noise_gives_no_frame(framing: str) -> None:
    check_noise(framing, 0.3)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_ten_megabytes_of_noise_give_no_frame(framing: str) -> None:
    check_noise(framing, 10)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_one_large_feed_holds_no_more_than_a_frame_and_a_piece(framing: str) -> None:
    line = noise(Random(6), framing, 400_000)
    parser = PARSERS[framing]()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    parser.feed(line)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most - before < 10 * LONGEST[framing] + 20 * PIECE


def good_readings(data: bytes, product: str) -> set[Reading]:
    parser = hilink.HiLinkParser()
    try:
        frames = parser.feed(data) + parser.flush()
        readings = [one for frame in frames for one in hilink.decode(frame, product)]
    except ProtocolError:
        return set()
    return {one for one in readings if one.quality == GOOD}


def test_the_share_of_damaged_bits_that_hilink_does_not_find() -> None:
    """It has no checksum; `hilink.py` names these shares."""
    passed = {}
    for product in hilink.PRODUCTS:
        turned = missed = 0
        for vector in VECTORS["vectors"]:
            if vector["product"] != product or vector["kind"] != "report":
                continue
            frame = bytes.fromhex(vector["hex"])
            whole = good_readings(frame, product)
            for bit in range(8 * len(frame)):
                damaged = bytearray(frame)
                damaged[bit // 8] ^= 1 << bit % 8
                turned += 1
                missed += not good_readings(bytes(damaged), product) <= whole
        passed[product] = round(missed / turned, 2)
    assert passed == {"ld2410": 0.31, "ld2412": 0.42, "ld2450": 0.52}


@pytest.mark.parametrize(("framing", "found"), [("sip", 0.986), ("tinyframe", 0.964)])
def test_the_share_of_damaged_pairs_that_the_sums_find(framing: str, found: float) -> None:
    """`sip.py` and `tinyframe.py` name these shares."""
    pairs = passed = 0
    for frame in sorted(set(good_frames(framing))):
        for first, second in itertools.combinations(range(8 * len(frame)), 2):
            damaged = bytearray(frame)
            damaged[first // 8] ^= 1 << first % 8
            damaged[second // 8] ^= 1 << second % 8
            parser = PARSERS[framing]()
            pairs += 1
            passed += bool(parser.feed(bytes(damaged)) + parser.flush())
    assert 1 - passed / pairs == pytest.approx(found, abs=0.0005)
