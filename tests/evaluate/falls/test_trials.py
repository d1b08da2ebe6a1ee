"""Recordings from anywhere: read when sound, refused in one line when not."""

import io
import zipfile

import numpy as np
import pytest

from edge_agent.evaluate.falls.trials import Trial, read_trials
from edge_agent.evaluate.npz import TrialError
from tests.detect import synthetic

pytestmark = pytest.mark.fast


def members(**changes):
    rows = {
        "x": np.arange(36, dtype=np.int16).reshape(12, 3),
        "start": np.array([0, 4, 12]),
        "subject": np.array(["S1", "S2"]),
        "label": np.array(["F01", "D01"]),
        "is_fall": np.array([True, False]),
        "fs": np.array(50.0),
        "scale_g": np.array(0.01),
    }
    rows.update(changes)
    return {name: array for name, array in rows.items() if array is not None}


def write(path, **changes):
    np.savez_compressed(path, **members(**changes))
    return path


def refused(path):
    with pytest.raises(TrialError) as caught:
        read_trials(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_a_sound_file_is_read(tmp_path):
    trials = read_trials(write(tmp_path / "set.npz", fall_index=np.array([2, -1])))

    assert (trials.name, len(trials), trials.rate_hz, trials.scale_g) == ("set.npz", 2, 50.0, 0.01)
    first, second = trials
    assert (first.subject, first.label, first.is_fall) == ("S1", "F01", True)
    assert first.counts.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert first.impact_index() == 2
    assert second.seconds == pytest.approx(0.16)
    assert second.impact_index() == 7


def test_the_largest_vector_is_the_fall_where_no_index_is_given(tmp_path):
    x = np.zeros((12, 3), dtype=np.int16)
    x[2] = -32768
    first, _ = read_trials(write(tmp_path / "set.npz", x=x))
    assert first.fall_index == -1
    assert first.impact_index() == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": None}, "x: the member is missing"),
        ({"fs": None}, "fs: the member is missing"),
        ({"x": np.zeros((12, 2), np.int16)}, "x: shape (n, 3) wanted, found (12, 2)"),
        ({"x": np.zeros(12, np.int16)}, "x: shape (12,) is refused"),
        ({"x": np.zeros((12, 3))}, "x: type '<f8' is refused"),
        ({"x": np.zeros((12, 3), np.int32)}, "x: type '<i4' is refused"),
        ({"x": np.zeros((12, 3), object)}, "x: type '|O' is refused"),
        ({"x": np.zeros(12, "i2,i2")}, "x: array header is not understood"),
        ({"start": np.array([0])}, "start: no trial"),
        ({"start": np.array([], int)}, "start: no trial"),
        ({"start": np.array([0, 4, 11])}, "start: must run from 0 to 12, runs from 0 to 11"),
        ({"start": np.array([0, 13, 12])}, "start[2]: does not rise"),
        ({"start": np.array([0, 0, 12])}, "start[1]: does not rise"),
        ({"subject": np.array(["S1"])}, "subject: 1 entries for 2 trials"),
        (
            {"subject": np.array(["S1", "S\x1b[2J"])},
            r"subject[1]: 'S\x1b[2J' is not a printable name",
        ),
        ({"label": np.array(["", "D"])}, "label[0]: '' is not a printable name"),
        ({"label": np.array(["a" * 65, "b"])}, "label: type '<U65' is refused"),
        ({"is_fall": np.array([1, 0])}, "is_fall: type '<i8' is refused"),
        ({"fall_index": np.array([4, -1])}, "fall_index[0]: 4 is outside the trial"),
        ({"fall_index": np.array([-2, -1])}, "fall_index[0]: -2 is outside the trial"),
        ({"fs": np.array(0.0)}, "fs: 0.0 is not within 1 to 4000"),
        ({"fs": np.array(np.nan)}, "fs: nan is not within 1 to 4000"),
        ({"fs": np.array([50.0])}, "fs: shape (1,) is refused"),
        ({"scale_g": np.array(-1.0)}, "scale_g: -1.0 is not within 1e-07 to 1"),
        ({"scale_g": np.array(np.inf)}, "scale_g: inf is not within 1e-07 to 1"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, changes, message):
    assert refused(write(tmp_path / "set.npz", **changes)) == message


def raw(path, replaced, compression=zipfile.ZIP_DEFLATED):
    """Write an archive in which one member's bytes are given."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, array in members().items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            archive.writestr(name + ".npy", replaced.get(name, buffer.getvalue()))
    return path


def header(text, data=b"", version=b"\x01\x00"):
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text.encode() + data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x: not a numpy array"),
        (b"hello, world", "x: not a numpy array"),
        (header("{}", version=b"\x09\x00"), "x: not a numpy array"),
        (header("{}"), "x: array header is not understood"),
        (header("[1, 2]"), "x: array header is not understood"),
        (
            header("{'descr': '<i2', 'fortran_order': False, 'shape': (4, 3)}"),
            "x: 24 bytes of samples declared, 0 held",
        ),
        (
            header("{'descr': '<i2', 'fortran_order': False, 'shape': (4, 3)}", bytes(25)),
            "x: 24 bytes of samples declared, 25 held",
        ),
        (
            header("{'descr': '<i2', 'fortran_order': False, 'shape': (99999999999, 3)}"),
            "x: 99999999999 rows, at most 50000000 are read",
        ),
        (
            header("{'descr': '<i2', 'fortran_order': False, 'shape': (-1, 3)}"),
            "x: array header is not understood",
        ),
        (
            header("{'descr': '<i2', 'fortran_order': False, 'shape': (4, 3, 1)}"),
            "x: shape (4, 3, 1) is refused",
        ),
        (
            header("{'descr': '|V4', 'fortran_order': False, 'shape': (1, 3)}", bytes(12)),
            "x: type '|V4' is refused",
        ),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f", "x: array header of 2147483647 bytes"),
    ],
)
def test_a_member_that_is_no_array_is_named(tmp_path, content, message):
    assert refused(raw(tmp_path / "set.npz", {"x": content})) == message


@pytest.mark.parametrize("text", ["(" * 3000, "__import__('os')", "{'descr': ", "1" * 4000, "\x00"])
def test_a_header_is_never_run(tmp_path, text):
    path = raw(tmp_path / "set.npz", {"x": header(text)})
    assert refused(path) == "x: array header is not understood"


def test_an_unusual_compression_is_refused(tmp_path):
    path = raw(tmp_path / "set.npz", {}, zipfile.ZIP_BZIP2)
    assert refused(path) == "x: compressed with method 12"


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert refused(tmp_path / "none.npz") == "No such file or directory"


def test_a_folder_is_named(tmp_path):
    assert refused(tmp_path) == "Is a directory"


@pytest.mark.parametrize("content", [b"", b"x", b"PK", b"\x93NUMPY", bytes(5000)])
def test_what_is_no_archive_is_named_with_its_byte(tmp_path, content):
    path = tmp_path / "set.npz"
    path.write_bytes(content)
    assert refused(path) == "byte 0: not a zip archive (.npz)"


def test_an_archive_cut_short_is_named_with_its_byte(tmp_path):
    path = write(tmp_path / "set.npz")
    whole = path.read_bytes()
    for end in range(4, len(whole), 37):
        path.write_bytes(whole[:end])
        assert refused(path) == f"byte {end}: the archive ends before its directory"


def test_a_changed_byte_is_refused_or_harmless_never_a_crash(tmp_path):
    path = write(tmp_path / "set.npz")
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for at in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[at] ^= int(random.integers(1, 256))
        path.write_bytes(bytes(changed))
        try:
            read_trials(path)
        except TrialError as error:
            assert "\n" not in str(error)


def test_a_bomb_is_refused_before_memory_is_taken(tmp_path):
    path = tmp_path / "set.npz"
    rows = 49_000_000
    text = f"{{'descr': '<i2', 'fortran_order': False, 'shape': ({rows}, 3)}}"
    raw(path, {"x": header(text)})
    content = bytearray(path.read_bytes())
    # The directory claims the size that the array header does.
    directory = content.index(b"PK\x01\x02")
    claimed = len(header(text)) + rows * 6
    content[directory + 24 : directory + 28] = claimed.to_bytes(4, "little")
    path.write_bytes(bytes(content))
    assert refused(path) == f"x: cannot hold {rows * 6} bytes"


def made(values, fall_index=-1):
    counts = np.rint(values / synthetic.G * 1000.0).astype(np.int16)
    return Trial("A", "F01", True, 100.0, 0.001, counts, fall_index)


def test_a_step_harder_than_the_landing_is_not_taken_for_the_fall():
    values = synthetic.fall(before_s=6.0, peak_g=3.0)
    values[200] *= 5.0
    assert made(values).impact_index() == pytest.approx(600, abs=3)
    assert made(values, 123).impact_index() == 123


def test_where_no_impact_parts_two_postures_the_largest_is_the_fall():
    values = synthetic.fall(before_s=6.0, peak_g=3.0, turn_deg=5.0)
    values[200] *= 5.0
    assert made(values).impact_index() == 200
    assert made(0.0 * values).impact_index() == 0
