"""Who is unprotected: no working source for a person's falls, or calls, for 15 minutes.

```
 saw(unit, kind) ----> last time it worked, for each person and kind --tick--> Lost | Back
```
What is expected of a person's units is what any of them has ever done (that is stored), what the
configuration says, or, as long as nobody has done anything yet, both kinds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

LIMIT_S = 900.0
"""A person without a working source for this long is unprotected (requirements, rule 7)."""


class Kind(StrEnum):
    """What a source protects against."""

    FALL = "fall"
    CALL = "call"


class ProtectionFact(msgspec.Struct, frozen=True):
    """What is stored of a person: the kinds that have ever worked."""

    kinds: list[Kind]


@dataclass(frozen=True, slots=True)
class Lost:
    """A person has been unprotected for `LIMIT_S`; `missing` names kinds and units."""

    person: str
    missing: str


@dataclass(frozen=True, slots=True)
class Back:
    """Every kind that is expected works again."""

    person: str


@dataclass(slots=True)
class _Person:
    """One person's sources."""

    units: list[str]
    configured: frozenset[Kind] | None
    ever: set[Kind]
    worked_s: dict[Kind, float]
    is_lost: bool = False


class Protection:
    """The sources of all persons. Time is monotonic seconds."""

    def __init__(
        self,
        units: Mapping[str, list[str]],
        configured: Mapping[str, Iterable[Kind]],
        now_s: float,
    ) -> None:
        """Begin to watch; everybody counts as protected until `LIMIT_S` from now.

        Args:
            units: the units of each person.
            configured: what is expected of a person, where that is not to be learnt.
            now_s: now.
        """
        self._persons = {
            person: _Person(
                list(mine),
                frozenset(configured[person]) if person in configured else None,
                set(),
                dict.fromkeys(Kind, now_s),
            )
            for person, mine in units.items()
        }
        self._of_unit: dict[str, list[_Person]] = {}
        for one in self._persons.values():
            for unit in one.units:
                self._of_unit.setdefault(unit, []).append(one)

    def saw(self, unit: str, kind: Kind, now_s: float) -> None:
        """Note that a unit works as a source now."""
        for one in self._of_unit.get(unit, ()):
            one.worked_s[kind] = max(one.worked_s[kind], now_s)
            one.ever.add(kind)

    def tick(self, now_s: float) -> list[Lost | Back]:
        """Return who has become unprotected, or protected again."""
        news: list[Lost | Back] = []
        for person, one in self._persons.items():
            expected = one.configured
            if expected is None:
                expected = frozenset(one.ever) or frozenset(Kind)
            missing = [
                kind for kind in Kind if kind in expected and now_s - one.worked_s[kind] >= LIMIT_S
            ]
            if missing and not one.is_lost:
                one.is_lost = True
                kinds = " or ".join(f"{kind}s" for kind in missing)
                units = ", ".join(one.units)
                news.append(Lost(person, f"no working source for {kinds} among {units}"))
            elif one.is_lost and not missing:
                one.is_lost = False
                news.append(Back(person))
        return news

    def facts(self) -> dict[str, ProtectionFact]:
        """Return what is to be stored, by person."""
        return {
            person: ProtectionFact(sorted(one.ever))
            for person, one in self._persons.items()
            if one.ever
        }

    def restore(self, person: str, body: bytes) -> None:
        """Take back a stored fact; one of a person who is no more is left."""
        if person in self._persons:
            fact = msgspec.json.decode(body, type=ProtectionFact)
            self._persons[person].ever |= set(fact.kinds)
