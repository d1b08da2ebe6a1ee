"""The form of a bundle, and what a hostile or careless head is refused for."""

import json

import pytest

from protocol import bundle
from protocol.bundle import BundleError, read_about, read_entries, read_prefix

pytestmark = pytest.mark.fast

SHA = "a" * 64
ABOUT = {"version": "1", "build": 2, "code": "py", "boards": ["esp32"], "protocol": 1}


def line(value):
    return json.dumps(value).encode() + b"\n"


def read(*rows, code="py"):
    return list(read_entries((line(row) for row in rows), code))


def test_a_right_head_is_read():
    rows = [["firmware/app.py", 4123, SHA], ["protocol/sensors/sip.py", 65_536, SHA]]
    assert [(e.name, e.size, e.sha256) for e in read(*rows)] == [tuple(row) for row in rows]
    assert read_about(line(ABOUT)).build == 2
    assert read_prefix(bundle.pack_prefix(16_384)) == 16_384


@pytest.mark.parametrize(
    "name",
    [
        "../app.py",
        "firmware/../boot.py",
        "/firmware/app.py",
        "firmware//app.py",
        "firmware/./app.py",
        "firmware/.py",
        "firmware/app.mpy",
        "firmware/app",
        "firmware.py",
        "main.py",
        "boot/app.py",
        "settings.json",
        "firmware\\app.py",
        "firmware/a pp.py",
        "firmware/App.py",
        "firmware/app\u0000.py",
        "firmware/" + "a" * 60 + ".py",
        "firmware/a.py/b.py",
        "",
        7,
        None,
        ["firmware/app.py"],
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused(name):
    with pytest.raises(BundleError, match=r"^name "):
        read([name, 10, SHA])


@pytest.mark.parametrize("size", [0, -1, 65_537, 1 << 70, 1.5, "10", True, None])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(BundleError, match=r"^firmware/app\.py: size$"):
        read(["firmware/app.py", size, SHA])


@pytest.mark.parametrize("sha", ["", "A" * 64, "a" * 63, "a" * 65, "g" * 64, 7, None])
def test_a_hash_that_is_none_is_refused(sha):
    with pytest.raises(BundleError, match=r"^firmware/app\.py: SHA-256$"):
        read(["firmware/app.py", 10, sha])


def test_a_file_twice_or_out_of_order_is_refused():
    for second in ("firmware/b.py", "firmware/a.py"):
        with pytest.raises(BundleError, match=f"^{second}: not after firmware/b.py$"):
            read(["firmware/b.py", 1, SHA], [second, 1, SHA])


def test_too_many_files_and_too_many_bytes_are_refused_when_they_are_met():
    many = ([f"firmware/f{number:05}.py", 1, SHA] for number in range(10**9))
    with pytest.raises(BundleError, match=r"^161 files of 161 bytes are too much$"):
        list(read_entries(map(line, many), "py"))
    large = ([f"firmware/f{number:05}.py", 65_536, SHA] for number in range(10**9))
    with pytest.raises(BundleError, match=r"^17 files of 1114112 bytes are too much$"):
        list(read_entries(map(line, large), "py"))


@pytest.mark.parametrize(
    "raw",
    [b"", b"\n", b"[]", b"{}\n", b"[1,2]\n", b"\xff\n", b"[" * 255 + b"\n", b"7\n", b" " * 256 + b"\n"],
)  # fmt: skip
def test_a_line_that_is_no_files_line_is_refused(raw):
    with pytest.raises(BundleError):
        list(read_entries([raw], "py"))


def test_a_head_without_files_is_refused():
    with pytest.raises(BundleError, match=r"^no files$"):
        read()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", ""),
        ("version", "v" * 33),
        ("version", 2),
        ("build", 0),
        ("build", True),
        ("build", 1 << 31),
        ("code", "elf"),
        ("code", "mpy"),
        ("code", ["py"]),
        ("boards", "esp32"),
        ("boards", [1]),
        ("protocol", 0),
        ("protocol", None),
    ],
)
def test_a_first_line_that_is_wrong_is_refused_by_its_key(key, value):
    with pytest.raises(BundleError, match=f"^first line: {key}$"):
        read_about(line(ABOUT | {key: value}))


@pytest.mark.parametrize("prefix", [b"", b"ANZB1\n", b"ANZB2\n\x01\0\0\0", b"\x7fELF" + bytes(9)])
def test_other_bytes_are_no_bundle(prefix):
    with pytest.raises(BundleError, match=r"^not a bundle$"):
        read_prefix(prefix)


@pytest.mark.parametrize("length", [0, 16_385, 0xFFFFFFFF])
def test_a_head_of_a_hostile_length_is_refused(length):
    with pytest.raises(BundleError, match=f"^head of {length} bytes$"):
        read_prefix(bundle.pack_prefix(length))
