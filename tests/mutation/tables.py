"""Changes every entry of every table and every constant, and asks whether a test notices.

```
 module ast --> variants: entry removed, entry redirected, number changed, text changed
            --> a copy of the project with that one variant --> its tests: killed or survived
```
Mutation tools change what functions do; this changes what modules hold: transition tables,
catalogues, codes, limits. `python -m tests.mutation.tables alarm relay ...`; all without names.
A code in a table becomes its neighbour; a limit, a size or a time is doubled, for one byte more at
a limit changes nothing that anybody relies on. Documentation is left alone, and so are types.
"""

import argparse
import ast
import copy
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("edge_agent", "protocol", "firmware", "tests", "hil_tests", "docs", "pyproject.toml")
LIMIT_S = 300.0
FOR_TYPES = re.compile(r"TYPE_CHECKING\b|\w+ = (TypeVar\(|(tuple|list|dict|set|Callable)\[)")
"""What only a type checker looks at: no test can tell."""


@dataclass(frozen=True, slots=True)
class Target:
    """Modules, the tests that must notice a change in them, and what pytest leaves out."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    chosen: tuple[str, ...] = ("-m", "fast")


TARGETS = {
    "alarm": Target(("edge_agent/alarm/*.py",), ("tests/alarm", "tests/relay", "tests/home")),
    "protocol": Target(
        ("protocol/*.py",),
        tuple(
            f"tests/protocol/test_{name}.py"
            for name in ("vectors", "messages", "framing", "session", "auth", "pair")
        ),
    ),
    "outbox": Target(
        ("edge_agent/outbox/*.py",),
        ("tests/test_outbox.py", "tests/outbox"),
        ("-k", "not bench_outbox and not power_cut and not week and not noise_anywhere"),
    ),
    "sensors": Target(("protocol/sensors/*.py",), ("tests/protocol/sensors",)),
    "relay": Target(
        ("edge_agent/relay/*.py",),
        ("tests/relay", "tests/simulator/platforms"),
        ("-k", "not (test_tls and (clock or shown or past_for_sure))"),
    ),
    "profiles": Target(
        ("edge_agent/relay/profiles/*.py",), ("tests/relay", "tests/simulator/platforms")
    ),
}


@dataclass(frozen=True, slots=True)
class Variant:
    """One change of one module."""

    module: Path
    line: int
    what: str
    source: str


def variants_of(module: Path) -> Iterator[Variant]:
    """Yield every change of what a module holds."""
    tree = ast.parse((ROOT / module).read_text("utf-8"))
    for number, statement in enumerate(tree.body):
        held = _held(statement)
        if held is None:
            continue
        for path, new, what in _changes(held):
            changed = copy.deepcopy(tree)
            _put(changed.body[number], path, new)
            line = held.lineno
            yield Variant(module, line, what, ast.unparse(ast.fix_missing_locations(changed)))


def _held(statement: ast.stmt) -> ast.expr | ast.ClassDef | None:
    """Return the value of a module's constant, or an enumeration."""
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        return None if FOR_TYPES.match(ast.unparse(statement)) else statement.value
    if isinstance(statement, ast.ClassDef) and any(
        "Enum" in ast.unparse(base) for base in statement.bases
    ):
        return statement
    return None


IN_TABLE = {"elts", "keys", "values"}
Path_ = tuple[tuple[str, int], ...]
_DELETE = object()


def _changes(held: ast.AST) -> Iterator[tuple[Path_, object, str]]:
    """Yield (path to a node, what to put there, in words)."""
    for path, node in _walk(held, ()):
        value = _product(node)
        if value is not None:
            is_code = isinstance(held, ast.ClassDef) or any(name in IN_TABLE for name, _ in path)
            for new in _others(value, is_code=is_code):
                yield path, ast.Constant(new), f"{value!r} -> {new!r}"
        elif isinstance(node, ast.Dict) and node.keys:
            for at, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
                name = "**" if key is None else ast.unparse(key)
                smaller = copy.deepcopy(node)
                del smaller.keys[at], smaller.values[at]
                yield path, smaller, f"{name} removed"
                other = _another(value, node.values)
                if other is not None:
                    redirected = copy.deepcopy(node)
                    redirected.values[at] = copy.deepcopy(other)
                    yield path, redirected, f"{name} -> {ast.unparse(other)}"
        elif isinstance(node, ast.Tuple | ast.List | ast.Set) and len(node.elts) > 1:
            for at, element in enumerate(node.elts):
                smaller_row = copy.deepcopy(node)
                del smaller_row.elts[at]
                yield path, smaller_row, f"{ast.unparse(element)[:60]} removed"


def _walk(node: ast.AST, path: Path_) -> Iterator[tuple[Path_, ast.AST]]:
    yield path, node
    if isinstance(node, ast.JoinedStr | ast.Lambda) or _product(node) is not None:
        return
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.expr):
            yield from _walk(value, (*path, (name, -1)))
        elif isinstance(value, list):
            for at, item in enumerate(value):
                if isinstance(item, ast.expr | ast.keyword | ast.Assign):
                    yield from _walk(item, (*path, (name, at)))


def _product(node: ast.AST) -> object:
    """Return a constant, `8 * 1024 * 1024` being one too; or None."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = _product(node.left), _product(node.right)
        if isinstance(left, int | float) and isinstance(right, int | float):
            return left * right
    return None


def _others(value: object, *, is_code: bool) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        larger = value + 1 if is_code and isinstance(value, int) else 2 * value
        return [larger, -value] if value else [1]
    if isinstance(value, str | bytes) and value:
        return [value + value[:1]]
    return []


def _another(value: ast.expr, values: list[ast.expr]) -> ast.expr | None:
    mine = ast.dump(value)
    return next((other for other in values if ast.dump(other) != mine), None)


def _put(statement: ast.AST, path: Path_, new: object) -> None:
    node: object = statement
    steps = path if isinstance(statement, ast.ClassDef) else (("value", -1), *path)
    for name, at in steps[:-1]:
        node = getattr(node, name) if at < 0 else getattr(node, name)[at]
    name, at = steps[-1]
    if at < 0:
        setattr(node, name, new)
    else:
        getattr(node, name)[at] = new


def _survives(folder: Path, variant: Variant, target: Target) -> bool:
    place = folder / variant.module
    good = place.read_bytes()
    place.write_text(variant.source, "utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [*command, *target.chosen, *(one for one in target.tests if (folder / one).exists())],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    finally:
        place.write_bytes(good)
    return done.returncode == 0


def main() -> int:
    """Print the survivors of each target, then the share that was killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="*", choices=[*TARGETS, []], default=[])
    parser.add_argument("--every", type=int, default=1, help="only every so many-th variant")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for one in COPIED:
            source = ROOT / one
            copier = shutil.copytree if source.is_dir() else shutil.copy
            copier(source, folder / one)
        for target in arguments.target or TARGETS:
            _judge(folder, target, arguments.every)
    return 0


def _judge(folder: Path, target: str, every: int) -> None:
    wanted = TARGETS[target]
    modules = sorted(
        path.relative_to(ROOT) for pattern in wanted.modules for path in ROOT.glob(pattern)
    )
    variants = [variant for module in modules for variant in variants_of(module)][::every]
    survivors = []
    for number, variant in enumerate(variants):
        if _survives(folder, variant, wanted):
            survivors.append(variant)
            print(f"survived  {variant.module}:{variant.line}  {variant.what}", flush=True)
        if sys.stderr.isatty():
            print(f"\r{number + 1}/{len(variants)}", end="", file=sys.stderr)
    killed = len(variants) - len(survivors)
    share = 100.0 * killed / max(1, len(variants))
    print(f"{target}: {killed} of {len(variants)} killed, {share:.1f} %", flush=True)


if __name__ == "__main__":
    sys.exit(main())
