"""From TOML to frozen structs: a mistake is one line that names the key and what is allowed."""

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

MAX_FILE_BYTES = 1_000_000

_T = TypeVar("_T")


class ConfigError(Exception):
    """The operator's file is wrong: `key` names the place, `why` what is allowed there."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key = key
        self.why = why


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file of bounded size.

    Raises:
        ConfigError: it cannot be read or is not TOML.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read ({error.strerror})") from None
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(str(path), f"larger than {MAX_FILE_BYTES} bytes")
    try:
        return tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), f"byte {error.start} is not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(str(path), f"not TOML: {error}") from None


def convert(tree: dict[str, Any], table: type[_T]) -> _T:
    """Convert a tree of TOML values to a struct.

    Raises:
        ConfigError: naming the first key that is wrong and what is allowed there.
    """
    try:
        return msgspec.convert(tree, table)
    except msgspec.ValidationError as error:
        raise _explain(str(error), table) from None


_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)

_FIELD = re.compile(r"field `(?P<name>[^`]*)`")


def _explain(message: str, root: type) -> ConfigError:
    match = _AT.match(message)
    assert match is not None
    what, path = match["what"], (match["path"] or "").lstrip(".")
    field = _FIELD.search(what)
    hint = _hint(root, path)
    if field is not None:
        key = f"{path}.{field['name']}".lstrip(".")
        if "missing" in what:
            return ConfigError(key, "required key is missing")
        allowed = ", ".join(getattr(hint, "__struct_fields__", ()))
        return ConfigError(key, f"unknown key; allowed here: {allowed}")
    notes = (note.description for note in getattr(hint, "__metadata__", ()))
    description = next((note for note in notes if note), None)
    what = what[0].lower() + what[1:]
    return ConfigError(path or "file", f"{what}; allowed: {description}" if description else what)


def _hint(root: type, path: str) -> Any:
    """Return the annotated type that a path like `unit[0].baud` leads to."""
    hint: Any = root
    for name in re.findall(r"[A-Za-z_]+", path.replace("[...]", "[]")):
        hint = get_type_hints(_table_of(hint), include_extras=True).get(name, str)
    return hint if hasattr(hint, "__metadata__") and not _is_list(hint) else _table_of(hint)


def _is_list(hint: Any) -> bool:
    return any(getattr(arg, "__origin__", None) is list for arg in get_args(hint))


def _table_of(hint: Any) -> Any:
    """Return the table inside Annotated, list or optional; the hint itself when it is none."""
    for arg in get_args(hint):
        inner = _table_of(arg)
        if hasattr(inner, "__struct_fields__") or hasattr(inner, "__metadata__"):
            return inner
    return hint
