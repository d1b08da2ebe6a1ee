"""`Success == true and data.code in [0, 200]`: what a platform's answer must be, without eval.

```
expression := term { "or" term }          term := test { "and" test }
test       := path ("==" | "!=") literal  |  path "in" "[" literal { "," literal } "]"
path       := name { "." name | "." index }
literal    := true | false | null | number | "text" | 'text'
```
A path that is not there is equal to nothing, not even null. `true` is not 1 and `"1"` is not 1:
an answer that only looks like success is none.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MAX_CHARACTERS = 400

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<number>-?\d+(?:\.\d+)?)(?![\w.])"""
    r"""|(?P<sign>==|!=|[\[\],])|(?P<word>[^\W\d]\w*(?:\.\w+)*))"""
)
_WORDS = {"true": True, "false": False, "null": None}


class _Absent:
    """What a path leads to that is not there."""


@dataclass(frozen=True, slots=True)
class _Test:
    path: tuple[str, ...]
    wanted: tuple[Any, ...]
    negated: bool

    def holds(self, body: Any) -> bool:
        found = _follow(body, self.path)
        return any(_same(found, one) for one in self.wanted) != self.negated


class Condition:
    """A parsed expression."""

    def __init__(self, text: str) -> None:
        """Parse it.

        Raises:
            ValueError: it is none; the message says where.
        """
        self._text = text
        self._tokens = _split(text)
        self._at = 0
        self._terms = self._list("or", lambda: self._list("and", self._test))
        if self._at < len(self._tokens):
            raise ValueError(f"unexpected {self._tokens[self._at][1]!r} in {text!r}")

    def holds(self, body: Any) -> bool:
        """Return whether it holds for decoded JSON."""
        return any(all(test.holds(body) for test in term) for term in self._terms)

    def _list(self, word: str, read: Callable[[], Any]) -> list[Any]:
        items = [read()]
        while self._at < len(self._tokens) and self._tokens[self._at] == ("word", word):
            self._at += 1
            items.append(read())
        return items

    def _test(self) -> _Test:
        kind, path = self._next("a path")
        if kind != "word" or path in (*_WORDS, "and", "or", "in"):
            raise ValueError(f"expected a path, not {path!r} in {self._text!r}")
        _, operator = self._next("==, != or in")
        if operator == "in":
            return _Test(tuple(path.split(".")), tuple(self._choices()), False)
        if operator not in ("==", "!="):
            raise ValueError(f"expected ==, != or in, not {operator!r} in {self._text!r}")
        return _Test(tuple(path.split(".")), (self._literal(),), operator == "!=")

    def _choices(self) -> list[Any]:
        if self._next("[")[1] != "[":
            raise ValueError(f"expected [ after 'in' in {self._text!r}")
        choices = [self._literal()]
        while (sign := self._next("]")[1]) == ",":
            choices.append(self._literal())
        if sign != "]":
            raise ValueError(f"expected ] and not {sign!r} in {self._text!r}")
        return choices

    def _literal(self) -> Any:
        kind, token = self._next("a value")
        if kind == "text":
            return token[1:-1]
        if kind == "number":
            return json.loads(token)
        if token in _WORDS:
            return _WORDS[token]
        raise ValueError(f"expected a value, not {token!r} in {self._text!r}")

    def _next(self, wanted: str) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise ValueError(f"expected {wanted} at the end of {self._text!r}")
        self._at += 1
        return self._tokens[self._at - 1]


def _split(text: str) -> list[tuple[str, str]]:
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"longer than {MAX_CHARACTERS} characters")
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ValueError(f"cannot be read from {text[at:].strip()!r} on")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return tokens


def _follow(body: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if isinstance(body, dict) and name in body:
            body = body[name]
        elif isinstance(body, list) and name.isdecimal() and int(name) < len(body):
            body = body[int(name)]
        else:
            return _Absent
    return body


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return bool(found == wanted)
