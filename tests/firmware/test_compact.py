"""A module as it is compiled: the same program, with its constants where they are used."""

import ast
import builtins
from pathlib import Path

import pytest

from edge_agent.compact import compact
from tests.firmware.vm import ROOT

pytestmark = pytest.mark.fast


@pytest.fixture
def program(tmp_path):
    """Return a writer of modules, and what a module is compacted to."""

    def write(**modules: str) -> None:
        for name, text in modules.items():
            path = tmp_path / "firmware" / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    def read(name: str) -> str:
        return compact(tmp_path / "firmware" / f"{name}.py")

    return write, read


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A = 4\nB = A << 1 | 1\nprint(A, B)", "print(4, 9)"),
        ("_A = b'\\xc0'\nprint(_A)", "print(b'\\xc0')"),
        ("A, B = range(5, 7)\nprint(B)", "print(6)"),
        ("A, B = 'a', 'b'\nprint(A)", "print('a')"),
        ("class Kind:\n    ONE = 1\nprint(Kind.ONE)", "print(1)"),
        ("A = 1.5\nprint(A)", "A = 1.5\nprint(A)"),
        ("A = 'more than ten letters'\nprint(A)", "A = 'more than ten letters'\nprint(A)"),
        ("A = (1, 2)\nprint(A)", "A = (1, 2)\nprint(A)"),
        ("A = 1\ndef f():\n    global A\n    A = 2", "A = 1\n\ndef f():\n    global A\n    A = 2"),
        ("A = 1\nA = 2\nprint(A)", "A = 1\nA = 2\nprint(A)"),
        ("A = 1\ndef f(A):\n    return A", "A = 1\n\ndef f(A):\n    return A"),
        ("A = f()\nprint(A)", "A = f()\nprint(A)"),
        ("A, B = 1, f()\nprint(A)", "A, B = (1, f())\nprint(A)"),
        ("TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import typing", ""),
        ("x: 'int'\ny: 'int' = 1", "y = 1"),
        ("def f(a: int) -> int:\n    return a", "def f(a):\n    return a"),
        ("class A:\n    __slots__ = ('a',)", "class A:\n    pass"),
        ("raise ProtocolError('of %d' % 3) from None", "raise ProtocolError"),
        ("raise ValueError('of %d' % 3)", "raise ValueError('of %d' % 3)"),
    ],
)
def test_what_is_written_for_a_unit(program, before, after):
    write, read = program
    write(one=before)
    assert read("one") == after


def test_constants_of_other_modules_are_not_imported(program):
    write, read = program
    write(
        __init__="",
        base="FIRST = 1\nLONG = 'more than ten letters'\nclass Kind:\n    ONE = 7",
        middle="from firmware.base import FIRST\nSECOND = FIRST + 1",
        user=(
            "from firmware import base, middle\nfrom firmware.base import LONG, Kind\n"
            "from firmware.middle import SECOND\nimport sys\n"
            "print(SECOND, Kind.ONE, LONG, middle.SECOND, base.Kind.ONE, sys.argv)"
        ),
    )
    assert read("user") == (
        "from firmware.base import LONG\nimport sys\nprint(2, 7, LONG, 2, 7, sys.argv)"
    )


def test_a_changed_constant_is_read_anew(program, tmp_path):
    write, read = program
    write(__init__="", base="A = 1", user="from firmware.base import A\nprint(A)")
    assert read("user") == "print(1)"
    write(base="A = 23")
    assert read("user") == "print(23)"


def test_a_name_that_is_gone_and_still_means_something_is_an_error(program):
    write, read = program
    write(__init__="", base="A = 1", user="from firmware.base import A\nA = A + 1")
    with pytest.raises(
        ValueError, match=r"^A: imported as a constant, and bound to something else"
    ):
        read("user")
    write(one="class Kind:\n    ONE = 1\nprint(Kind)")
    with pytest.raises(ValueError, match=r"^Kind: only its constants are there on a unit$"):
        read("one")


def modules() -> list[Path]:
    paths = [*(ROOT / "firmware").rglob("*.py"), *(ROOT / "protocol").rglob("*.py")]
    return sorted(path for path in paths if "lockstep" not in path.parts)


def bound(tree: ast.Module) -> set[str]:
    """Return every name that a module binds somewhere."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)) | ast.arg(arg=name):
                names.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name.split(".")[0] for alias in aliases}
    return names


def source_of(module: str) -> Path | None:
    """Return the file of a module of the program."""
    base = ROOT / module.replace(".", "/")
    found = (one for one in (base.with_suffix(".py"), base / "__init__.py") if one.exists())
    return next(found, None)


def imports(tree: ast.Module) -> list[tuple[str, str, str]]:
    """Return (module, name, name here) of all that comes from other modules of the program."""
    return [
        (node.module, alias.name, alias.asname or alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and source_of(node.module)
        for alias in node.names
    ]


def members(tree: ast.Module, name: str) -> set[str]:
    """Return what is read of an object of this name."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.value.id == name and not node.attr.startswith("__")
    }


def test_nothing_of_the_whole_program_reads_a_name_that_is_gone():
    trees = {path: ast.parse(compact(path)) for path in modules()}
    names = {path: bound(tree) for path, tree in trees.items()}
    known = set(dir(builtins)) | {"__file__", "__name__"}
    assert len(trees) > 100
    for path, tree in trees.items():
        read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert read <= names[path] | known, path
        for module, name, here in imports(tree):
            inner = source_of(f"{module}.{name}")
            if inner is None:
                assert name in names[source_of(module)], (path, module, name)
            else:
                assert members(tree, here) <= names[inner], (path, module, name)
