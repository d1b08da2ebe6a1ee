"""The VM's sensor models against what the datasheets say of the registers."""

import struct

import numpy as np
import pytest

from firmware.boards.host_parts import Ads1115, Lis3dh, ModelError, Nau7802

pytestmark = [
    pytest.mark.fast,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Now:
    ms = 0

    def __call__(self):
        return self.ms


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def make(tmp_path, now):
    parts = []

    def make_part(model, counts, dtype, **row):
        path = tmp_path / "counts.bin"
        np.asarray(counts).astype(dtype).tofile(path)
        parts.append(model({"file": str(path), **row}, now))
        return parts[-1]

    yield make_part
    for part in parts:
        part._file.close()


def read(part, register, count=1):
    buffer = bytearray(count)
    part.read(register, buffer)
    return bytes(buffer)


@pytest.fixture
def acc(make):
    counts = np.arange(300).reshape(100, 3)
    part = make(Lis3dh, counts, "<i2", rate_hz=100, start_ms=0)
    part.write(0x24, b"\x40")
    part.write(0x20, b"\x57")
    part.write(0x2E, b"\x00")
    part.write(0x2E, b"\x8f")  # stream mode, watermark 15
    return part


def test_lis3dh_identity_and_auto_increment(acc):
    assert read(acc, 0x0F) == b"\x33"
    assert read(acc, 0x20) == b"\x57"
    assert read(acc, 0x20 | 0x80, 5) == b"\x57\x00\x00\x00\x40"
    acc.write(0x22 | 0x80, b"\x01\x30")
    assert read(acc, 0x22 | 0x80, 2) == b"\x01\x30"


@pytest.mark.parametrize(
    ("waiting", "source"),
    [(0, 0x20), (1, 0x01), (15, 0x0F), (16, 0x90), (31, 0x9F), (32, 0xDF), (60, 0xDF)],
)
def test_lis3dh_fifo_source(acc, now, waiting, source):
    now.ms = 10 * waiting
    assert read(acc, 0x2F) == bytes([source])


def test_lis3dh_burst_reads_whole_samples_oldest_first(acc, now):
    now.ms = 50
    assert struct.unpack("<6h", read(acc, 0x28 | 0x80, 12)) == (3, 4, 5, 6, 7, 8)
    assert read(acc, 0x2F) == b"\x03"


def test_lis3dh_stream_mode_overwrites_the_oldest(acc, now):
    now.ms = 500  # samples 1..50 were taken, 19..50 are there
    data = struct.unpack("<96h", read(acc, 0x28 | 0x80, 192))
    assert data[:3] == (57, 58, 59)
    assert data[-3:] == (150, 151, 152)
    assert read(acc, 0x2F) == b"\x20"


def test_lis3dh_bypass_empties_and_a_part_that_is_not_set_up_gives_nothing(acc, now):
    now.ms = 100
    acc.write(0x2E, b"\x00")
    assert read(acc, 0x2F) == b"\x20"
    acc.write(0x2E, b"\x8f")
    now.ms = 130
    assert read(acc, 0x2F) == b"\x03"
    acc.write(0x20, b"\x07")
    assert read(acc, 0x2F) == b"\x20"


def test_lis3dh_at_the_end_of_its_file(acc, now, make):
    now.ms = 5000
    read(acc, 0x28 | 0x80, 192)
    assert read(acc, 0x2F) == b"\x20"
    now.ms = 0
    held = make(Lis3dh, [[1, 2, 3], [4, 5, 6]], "<i2", rate_hz=100, hold=True)
    for register, value in ((0x24, b"\x40"), (0x20, b"\x57"), (0x2E, b"\x80")):
        held.write(register, value)
    now.ms = 40
    assert struct.unpack("<12h", read(held, 0x28 | 0x80, 24)) == (1, 2, 3) + (4, 5, 6) * 3


def test_lis3dh_refuses_a_rate_that_its_file_was_not_made_for(acc):
    with pytest.raises(ModelError, match="LIS3DH set to 50 Hz, its file is 100 Hz"):
        acc.write(0x20, b"\x47")


def test_a_recording_that_began_before_the_boot(make, now):
    part = make(Ads1115, range(1000), "<i2", rate_hz=100, start_ms=-2000)
    part.write(1, b"\x42\xe3")
    assert read(part, 0, 2) == struct.pack(">h", 200)
    now.ms = 1234
    assert read(part, 0, 2) == struct.pack(">h", 323)


def test_ads1115_converts_only_when_it_was_told_to(make, now):
    part = make(Ads1115, [-5, 7, 9], "<i2", rate_hz=100)
    assert read(part, 1, 2) == b"\x85\x83"
    assert read(part, 0, 2) == b"\x00\x00"
    part.write(1, b"\x42\xe3")
    assert read(part, 0, 2) == b"\xff\xfb"
    now.ms = 10_000
    assert read(part, 0, 2) == b"\x00\x09"
    with pytest.raises(ModelError):
        part.write(1, b"\x44\xe3")


def test_nau7802_powers_up_and_flags_each_conversion_once(make, now):
    part = make(Nau7802, [100, -2, 3], "<i4", rate_hz=10)
    part.write(0, b"\x01")
    part.write(0, b"\x02")
    assert read(part, 0) == b"\x0a"  # PUD, PUR
    part.write(0, b"\x86")
    part.write(2, b"\x04")
    assert read(part, 2) == b"\x00"  # calibrated
    part.write(0, b"\x96")
    assert read(part, 0)[0] & 0x20
    assert read(part, 0x12, 3) == b"\x00\x00\x64"
    assert not read(part, 0)[0] & 0x20
    now.ms = 100
    assert read(part, 0)[0] & 0x20
    assert read(part, 0x12, 3) == b"\xff\xff\xfe"
    now.ms = 10_000
    read(part, 0x12, 3)
    now.ms = 11_000
    assert not read(part, 0)[0] & 0x20
    with pytest.raises(ModelError):
        part.write(2, b"\x30")


def test_a_part_that_is_away_does_not_answer(make, now):
    part = make(Ads1115, [1], "<i2", rate_hz=100, away=[[100, 200]])
    for ms, away in ((99, False), (100, True), (199, True), (200, False)):
        now.ms = ms
        if away:
            with pytest.raises(OSError, match="19"):
                part.check_there()
        else:
            part.check_there()
