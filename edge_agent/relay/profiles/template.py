"""`"items.0.alarmLevel" = "{level}"`: a platform's body out of a table of paths and templates.

A template that is one placeholder keeps the type of its value and is left out with it; in the
middle of text a value that is not known is empty. Numbers and booleans are constants.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from edge_agent.relay.profiles.fields import Value

MAX_DEPTH = 8
MAX_INDEX = 15

_PLACE = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def names_in(template: Value) -> set[str]:
    """Return the placeholders of a template."""
    return set(_PLACE.findall(template)) if isinstance(template, str) else set()


def fill(template: Value, values: Mapping[str, Value]) -> Value | None:
    """Return a template with its values; None when it is one value that is not known."""
    if not isinstance(template, str):
        return template
    whole = _PLACE.fullmatch(template)
    if whole is not None:
        return values.get(whole[1])
    return _PLACE.sub(lambda match: as_text(values.get(match[1], "")), template)


def as_text(value: Value) -> str:
    """Return a value as it stands in text; a boolean as JSON writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_paths(paths: Iterable[str]) -> None:
    """Check that paths build one tree.

    Raises:
        ValueError: naming the first that does not.
    """
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        steps = path.split(".")
        if len(steps) > MAX_DEPTH or not all(steps):
            raise ValueError(f"{path!r} is not a path of at most {MAX_DEPTH} names")
        if any(step.isdecimal() and int(step) > MAX_INDEX for step in steps):
            raise ValueError(f"{path!r} counts above {MAX_INDEX}")
        node = tree
        for step in steps[:-1]:
            node = node.setdefault(step, {})
            if node is _LEAF:
                raise ValueError(f"{path!r} goes through a value")
        if steps[-1] in node:
            raise ValueError(f"{path!r} is there twice")
        node[steps[-1]] = _LEAF


_LEAF: dict[str, Any] = {"": None}


def build(fields: Mapping[str, Value], values: Mapping[str, Value]) -> Any:
    """Return the body: every path with its filled template; numbered paths make arrays."""
    tree: dict[str, Any] = {}
    for path, template in fields.items():
        value = fill(template, values)
        if value is None:
            continue
        *steps, last = path.split(".")
        node = tree
        for step in steps:
            node = node.setdefault(step, {})
        node[last] = value
    return _with_arrays(tree)


def _with_arrays(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(name.isdecimal() for name in node):
        return [_with_arrays(node[name]) for name in sorted(node, key=int)]
    return {name: _with_arrays(value) for name, value in node.items()}
