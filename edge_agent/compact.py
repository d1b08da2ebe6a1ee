"""A unit's module as it is compiled: constants stand where they are used, and nowhere else.

| in the source | on the unit |
|---|---|
| `LIMIT = 4`, `_TAIL = b"..."`, at the top level of a module | the value, wherever it is read |
| a class of such constants (`EventKind.FALL_SEEN`) | the value |
| their import from another module of the program | nothing |
| `if TYPE_CHECKING:`, annotations, `__slots__`, `__hash__`, `__repr__`, `as_dict` | nothing |
| why a `ProtocolError` is raised: a unit counts it | nothing |

MicroPython keeps every name of a module in a dictionary, its letters in a pool that doubles when
it is full, and code that binds it at every boot; `__slots__` it ignores. Of a unit's heap that is
11 to 22 kB, measured as `make footprint` does.

A constant is a name in capitals, bound once, to an integer, a short text or bytes that can be
told without running anything. What is computed, or longer, stays as it is. Names are gone from
the compiled module: what is not compiled together with the program must not import them.
"""

import ast
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

Value: TypeAlias = int | str | bytes

_PACKAGES = ("firmware", "protocol")
_MAX_LENGTH = 10
"""Of a text that MicroPython keeps once, however often it is written; so for bytes, too."""
_ONLY_MYPY = "TYPE_CHECKING"
_REASON_UNREAD = "ProtocolError"
_UNUSED = ("__hash__", "__repr__", "as_dict")


def compact(path: Path) -> str:
    """Return the text of a module with its constants written where they are used.

    Args:
        path: the source; other modules of the program are looked for beside its package.

    Raises:
        ValueError: a constant's name means something else too, or its class is used as one.
    """
    tree = _parse(path)
    root = _root(path)
    own = _Constants(tree, root)
    shrunk = _Shrink(own, root).visit(tree)
    return ast.unparse(ast.fix_missing_locations(shrunk))


class _Constants:
    """What the names of one module stand for, its own and those it imports."""

    def __init__(self, tree: ast.Module, root: Path | None) -> None:
        self.values: dict[str, Value] = {}
        self.classes: dict[str, dict[str, Value]] = {}
        self._bound = _count_bindings(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                self._import(node, root)
        for name in (*self.values, *self.classes):
            if name in self._bound:
                raise ValueError(f"{name}: imported as a constant, and bound to something else")
        for node in tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self._define(name, value)
                case ast.Assign(targets=[ast.Tuple(elts=targets)], value=value):
                    self._define_row(targets, value)
                case ast.ClassDef(name=name, bases=[], decorator_list=[]):
                    self._define_class(node)

    def _import(self, node: ast.ImportFrom, root: Path | None) -> None:
        path = _source_of(node.module, root)
        if path is None:
            return
        other = _constants_of(path, path.stat().st_mtime_ns)
        for alias in node.names:
            name = alias.asname or alias.name
            if alias.name in other.values:
                self.values[name] = other.values[alias.name]
            elif alias.name in other.classes:
                self.classes[name] = other.classes[alias.name]

    def _define(self, name: str, node: ast.expr) -> None:
        if self._may_be_constant(name):
            value = self.evaluate(node)
            if value is not None:
                self.values[name] = value

    def _define_row(self, targets: list[ast.expr], value: ast.expr) -> None:
        """Take `A, B = 1, 2` and `A, B = range(2)`, when all of it is constants."""
        match value:
            case ast.Tuple(elts=values):
                pass
            case ast.Call(func=ast.Name(id="range"), args=limits):
                row = range(*[ast.literal_eval(limit) for limit in limits])
                values = [ast.Constant(one) for one in row]
            case _:
                return
        found = {}
        for target, one in zip(targets, values, strict=True):
            if isinstance(target, ast.Name) and self._may_be_constant(target.id):
                found[target.id] = self.evaluate(one)
        if len(found) == len(targets) and None not in found.values():
            self.values |= found  # type: ignore[arg-type]

    def _may_be_constant(self, name: str) -> bool:
        return name.isupper() and self._bound[name] == 1

    def _define_class(self, node: ast.ClassDef) -> None:
        """Take a class that holds constants and nothing else."""
        values: dict[str, Value] = {}
        for row in node.body:
            match row:
                case ast.Expr(value=ast.Constant()):
                    continue
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=int(value))):
                    values[name] = value
                case _:
                    return
        if values and self._bound[node.name] == 1:
            self.classes[node.name] = values

    def evaluate(self, node: ast.expr) -> Value | None:
        """Return the value of an expression of constants, None when it is not one of ours."""
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id not in self.values:
                return None
            if not isinstance(part, _PLAIN):
                return None
        whole = ast.fix_missing_locations(ast.Expression(node))
        code = compile(whole, "<constant>", "eval")
        value = eval(code, {"__builtins__": {}}, dict(self.values))  # noqa: S307 (of _PLAIN only)
        if type(value) is int or (type(value) in (str, bytes) and len(value) <= _MAX_LENGTH):
            found: Value = value
            return found
        return None


_PLAIN = (
    ast.Constant,
    ast.Name,
    ast.expr_context,
    ast.UnaryOp,
    ast.USub,
    ast.BinOp,
    ast.operator,
)


class _Shrink(ast.NodeTransformer):
    """Writes values for names, and leaves out what then has no reader."""

    def __init__(self, known: _Constants, root: Path | None) -> None:
        self._known = known
        self._root = root
        self._modules: dict[str, _Constants] = {}

    def visit_Module(self, node: ast.Module) -> ast.Module:
        for row in ast.walk(node):
            if isinstance(row, ast.ImportFrom):
                self._note_modules(row)
        rows = [row for row in node.body if not self._is_constant(row)]
        node.body = [kept for row in rows for kept in self._visited(row)]
        return _Unimport(self._modules, node).visit(node)  # type: ignore[no-any-return]

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if isinstance(node.ctx, ast.Load) and node.id in self._known.values:
            return ast.Constant(self._known.values[node.id])
        if node.id in self._known.classes:
            raise ValueError(f"{node.id}: only its constants are there on a unit")
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr, ctx=ast.Load()):
                value = self._known.classes.get(name, {}).get(attr)
                if value is None and name in self._modules:
                    value = self._modules[name].values.get(attr)
                if value is not None:
                    return ast.Constant(value)
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id=name), attr=inner), attr=attr):
                if name in self._modules:
                    value = self._modules[name].classes.get(inner, {}).get(attr)
                    if value is not None:
                        return ast.Constant(value)
        self.generic_visit(node)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt | None:
        if _source_of(node.module, self._root) is not None:
            node.names = [alias for alias in node.names if not self._is_known(alias)]
        return node if node.names else None

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt | None:
        if node.name in _UNUSED:
            return None
        return self._with_body(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        return self._with_body(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        return self._with_body(node)

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        match node.exc:
            case ast.Call(func=ast.Name(id=name)) if name == _REASON_UNREAD:
                node.exc, node.cause = ast.Name(name, ast.Load()), None
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
        if node.value is None:
            return None
        return self.generic_visit(ast.Assign([node.target], node.value, lineno=node.lineno))  # type: ignore[return-value]

    def visit_Assign(self, node: ast.Assign) -> ast.stmt | None:
        match node.targets:
            case [ast.Name(id="__slots__")]:
                return None
        self.generic_visit(node)
        return node

    def _visited(self, row: ast.stmt) -> list[ast.stmt]:
        kept = self.visit(row)
        if kept is None:
            return []
        return kept if isinstance(kept, list) else [kept]

    def _with_body(self, node: ast.stmt) -> ast.stmt:
        self.generic_visit(node)
        if not getattr(node, "body", True):
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        return node

    def _is_constant(self, row: ast.stmt) -> bool:
        match row:
            case ast.Assign(targets=[ast.Name(id=name) | ast.Tuple(elts=[ast.Name(id=name), *_])]):
                return name in self._known.values
            case ast.ClassDef(name=name):
                return name in self._known.classes
        return False

    def _is_known(self, alias: ast.alias) -> bool:
        name = alias.asname or alias.name
        return name in self._known.values or name in self._known.classes

    def _note_modules(self, node: ast.ImportFrom) -> None:
        """Note which names are modules of the program, as in `from firmware import profile`."""
        for alias in node.names:
            path = _source_of(f"{node.module}.{alias.name}", self._root)
            if path is not None:
                known = _constants_of(path, path.stat().st_mtime_ns)
                self._modules[alias.asname or alias.name] = known


class _Unimport(ast.NodeTransformer):
    """Leaves out the import of a module of which only constants were read."""

    def __init__(self, modules: Iterable[str], tree: ast.Module) -> None:
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        self._unread = set(modules) - names

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt | None:
        node.names = [one for one in node.names if (one.asname or one.name) not in self._unread]
        return node if node.names else None


@lru_cache(maxsize=1024)
def _constants_of(path: Path, _written_ns: int) -> _Constants:
    """Return the constants of a module, read anew when its file is."""
    return _Constants(_parse(path), _root(path))


def _parse(path: Path) -> ast.Module:
    """Return a module without what only mypy reads."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            node.body = [row for row in node.body if not _is_for_mypy(row)]
    return tree


def _is_for_mypy(row: ast.stmt) -> bool:
    match row:
        case ast.If(test=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name == _ONLY_MYPY
    return False


def _root(path: Path) -> Path | None:
    """Return the folder that holds the program's packages."""
    for folder in path.parents:
        if folder.name in _PACKAGES:
            return folder.parent
    return None


def _source_of(module: str | None, root: Path | None) -> Path | None:
    """Return the file of a module of the program, None of any other."""
    if root is None or module is None or module.split(".")[0] not in _PACKAGES:
        return None
    path = root / (module.replace(".", "/") + ".py")
    if path.is_file():
        return path
    path = root / module.replace(".", "/") / "__init__.py"
    return path if path.is_file() else None


def _count_bindings(tree: ast.Module) -> dict[str, int]:
    """Return how often each name is bound in a module, in whatever scope, but by an import."""
    bound: dict[str, int] = {}
    for node in ast.walk(tree):
        names: list[str] = []
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                names = [name]
            case ast.Global(names=found) | ast.Nonlocal(names=found):
                names = 2 * found
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names = [name]
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                names = [name]
            case ast.arg(arg=name):
                names = [name]
        for name in names:
            bound[name] = bound.get(name, 0) + 1
    return bound
